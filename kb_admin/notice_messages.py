"""What people read of notices, their clocks and applications: a Chinese sentence each, with the moment that counts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from models.notices import Application, Clock, Notice
from models.values import CHINA


def when(moment: datetime) -> str:
    """A moment as people say it: "2026年11月27日 17:30"."""
    local = moment.astimezone(CHINA)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def name(notice: Notice) -> str:
    """What a notice is called in a sentence."""
    return f"{notice.kind.label} {notice.number}“{notice.title}”"


def address(notice: Notice) -> str:
    """The page of a notice."""
    return f"/notices/{notice.id}"


def details(notice: Notice) -> dict[str, Any]:
    """A notice for programs."""
    return {"notice": notice.number, "kind": notice.kind.value, "title": notice.title, "unit": notice.unit.name}


def dispatched(notice: Notice, clocks: Iterable[Clock]) -> str:
    """It has come; what is to be done until when."""
    limits = "；".join(f"{clock.title}：{when(clock.due_at)}前" for clock in clocks)
    return f"收到{name(notice)}。{limits}。" if limits else f"收到{name(notice)}。"


def warned(clock: Clock) -> str:
    """It falls due soon."""
    return f"{name(clock.notice)}的“{clock.title}”将于 {when(clock.due_at)} 到期，请及时办理。"


def expired(clock: Clock) -> str:
    """It fell due."""
    return f"{name(clock.notice)}的“{clock.title}”已于 {when(clock.due_at)} 到期，现已超期。"


def second_notice(clock: Clock) -> str:
    """The unit is told again (济源 art. 9(3)3)."""
    return f"【超期通知】{clock.notice.unit.name}：{expired(clock)}请立即办理。"


def to_be_called(clock: Clock) -> str:
    """The office has to call the unit (济源 art. 9(3)3)."""
    return f"请联系{clock.notice.unit.name}：{expired(clock)}"


def completed(notice: Notice) -> str:
    """The unit has done it; the office may look (济源 art. 9(3)3)."""
    return f"{notice.unit.name}已办结{name(notice)}。"


def cancelled(notice: Notice, reason: str) -> str:
    """It need not be done any more."""
    return f"{name(notice)}已取消：{reason}"


def asked_for_time(application: Application, notice: Notice) -> str:
    """The unit wishes for more time: its leader has to consent, or the office to decide."""
    assert application.until is not None  # a check of the table
    return f"{notice.unit.name}申请将{name(notice)}延期至 {when(application.until)}：{application.reason}"


def decided(application: Application, notice: Notice, *, granted: bool) -> str:
    """What the office said to the wish."""
    assert application.until is not None
    answer = f"：{application.answer}" if application.answer else "。"
    if granted:
        return f"{name(notice)}已批准延期至 {when(application.until)}{answer}"
    return f"{name(notice)}的延期申请未获批准{answer}"
