"""A new notice: what the office asks of a unit by hand, and a change of policy that a unit or the office registers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.due_times import ClockState, state_of
from api.errors import status_of
from api.form_fields import entries_given, moment_given, number_given
from api.notice_list import read_notice
from api.pages_agent import PageCaller
from api.pages_entries import Number
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import duties, notices
from kb_admin.lifecycle import live_version
from kb_admin.limits import Limit, LimitUnit
from kb_admin.permissions import UNIT_PARTIES, Action, acts_as, require
from kb_admin.rulebook import NoticeRule, Party, Rulebook
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.wording import readable
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.notices import Notice
from models.organisation import Unit
from models.usage import Gap
from models.values import NoticeKind

router = APIRouter(include_in_schema=False)
K = NoticeKind
BY_OFFICE = (K.COLLECTION, K.QUESTION, K.CORRECTION, K.SUPERVISION, K.UPDATE)
BY_UNIT = (K.UPDATE,)
LONGEST_TITLE, LONGEST_CONTENT = 200, 5000
LIMIT_UNITS = (LimitUnit.DAYS, LimitUnit.WORKING_DAYS)
"""What the time of a supervision notice is counted in."""
SUPERVISION_CLOCK = "supervision"


@dataclass(frozen=True)
class Draft:
    """A notice as it stands in the form, sound or not."""

    kind: NoticeKind
    unit: str = ""
    title: str = ""
    content: str = ""
    entry: str = ""
    """Code of the entry that it is about."""
    about: str = ""
    """Id of the notice that was not done in time."""
    gap: str = ""
    count: str = ""
    counted_in: str = LimitUnit.DAYS.value
    announced: str = ""
    major: bool = False


def drafted(
    *,
    kind: Annotated[NoticeKind, Form()],
    unit: Annotated[str, Form(max_length=20)] = "",
    title: Annotated[str, Form(max_length=1000)] = "",
    content: Annotated[str, Form(max_length=20_000)] = "",
    entry: Annotated[str, Form(max_length=200)] = "",
    about: Annotated[str, Form(max_length=20)] = "",
    gap: Annotated[str, Form(max_length=20)] = "",
    count: Annotated[str, Form(max_length=20)] = "",
    counted_in: Annotated[str, Form(max_length=20)] = LimitUnit.DAYS.value,
    announced: Annotated[str, Form(max_length=40)] = "",
    major: Annotated[bool, Form()] = False,
) -> Draft:
    """Dependency: what stands in the form."""
    return Draft(kind, unit, title, content, entry, about, gap, count, counted_in, announced, major)


@router.get("/notices/new")
def new_notice_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    kind: Annotated[str, Query(max_length=32)] = "",
    unit: Number = None,
    gap: Number = None,
    about: Number = None,
    entry: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """An empty form, or one that begins with a gap, an entry found wrong, or a notice that was not done in time."""
    units = _units(session, caller)
    kinds = _kinds(session, caller, units, utc_now())
    chosen = next((value for value in kinds if value == kind), kinds[0])
    draft = Draft(chosen, unit=str(unit or ""), entry=entry)
    if gap:
        draft = _from_gap(session, caller, chosen, gap)
    elif about:
        draft = _from_notice(session, caller, chosen, about)
    return _shown(request, session, caller, draft)


@router.post("/notices/new", dependencies=[Depends(check_csrf)])
def open_notice(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    draft: Annotated[Draft, Depends(drafted)],
    send: Annotated[bool, Form()] = False,
) -> Response:
    """Open the notice and, when asked to, send it. What was typed stays when it cannot be saved."""
    try:
        notice = _opened(session, caller, draft, utc_now(), send=send)
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, session, caller, draft, fault=error)
    session.commit()
    return RedirectResponse(f"/notices/{notice.id}", 303)


def _opened(session: Session, caller: Caller, draft: Draft, now: datetime, *, send: bool) -> Notice:
    actor = person_of(session, caller)
    if draft.kind not in _kinds(session, caller, _units(session, caller), now):
        raise Forbidden(f"您的岗位不能新建“{draft.kind.label}”，可以新建的岗位：热线办。")
    title = readable(draft.title, name="事项", longest=LONGEST_TITLE)
    content = readable(draft.content, name="内容", longest=LONGEST_CONTENT)
    found = entries_given(session, draft.entry, caller.history, name="条目编号")
    if len(found) > 1:
        raise Invalid("条目编号：一份通知单只针对一个条目，请只填一个编号。")
    entry = found[0] if found else None
    if draft.kind is K.CORRECTION:
        if entry is None:
            raise Invalid("条目编号：请填写需要整改的条目编号。")
        title = title or f"整改：{_question(session, entry.id)}"[:LONGEST_TITLE]
    unit = entry.unit if entry is not None and draft.kind is K.CORRECTION else _unit(session, caller, draft)
    if not title:
        raise Invalid("事项：请用一句话写明要承办单位做什么。")
    if draft.kind is K.UPDATE:
        announced = moment_given(draft.announced, name="公布实施时间")
        if announced is None:
            raise Invalid("公布实施时间：请填写，更新时限从这时算起。")
        return duties.register_change(
            session, unit, title, content, announced_at=announced, major=draft.major, actor=actor, now=now
        )
    about = number_given(draft.about, name="所督办的通知单")
    gap = number_given(draft.gap, name="知识缺失")
    notice = notices.open_notice(
        session,
        kind=draft.kind,
        unit=unit,
        title=title,
        content=content,
        entry=entry,
        version=live_version(session, entry.id) if entry else None,
        gap=_gap(session, caller, gap) if gap else None,
        about=read_notice(session, about, caller.grants) if about else None,
        limit=_limit(draft) if draft.kind is K.SUPERVISION else "",
        actor=actor,
        now=now,
    )
    if send:
        notices.dispatch(session, notice, actor=actor, now=now)
    return notice


def _shown(
    request: Request, session: Session, caller: Caller, draft: Draft, *, fault: Invalid | Conflict | None = None
) -> HTMLResponse:
    now = utc_now()
    units = _units(session, caller)
    kinds = _kinds(session, caller, units, now)
    unit = next((unit for unit in units if str(unit.id) == draft.unit), units[0])
    rules = rules_of_unit(session, unit, now).rulebook
    gap, about = _id_in(draft.gap), _id_in(draft.about)
    context = {
        "draft": _with_limit(draft, rules),
        "kinds": kinds,
        "units": [(unit.id, unit.name) for unit in units],
        "rule": rules.notices.get(draft.kind),
        "clocks": clocks_of(rules, draft.kind),
        "limit_units": LIMIT_UNITS,
        "gap": _gap(session, caller, gap) if gap else None,
        "about": read_notice(session, about, caller.grants) if about else None,
        "longest_title": LONGEST_TITLE,
        "longest_content": LONGEST_CONTENT,
        "fault": str(fault) if fault else "",
    }
    status = status_of(fault)[0] if fault else 200
    return page(request, "notice_new.html", caller, context, status=status)


def _id_in(text: str) -> int | None:
    """The id that a hidden field holds; None for what is none, which saving refuses in words."""
    try:
        return number_given(text, name="编号")
    except Invalid:
        return None


@dataclass(frozen=True)
class ToldClock:
    """A limit that will run on the notice."""

    title: str
    limit: str
    source: str


def clocks_of(rulebook: Rulebook, kind: NoticeKind) -> tuple[ToldClock, ...]:
    """The limits of a kind of notice, as people are told before they send one."""
    rule = rulebook.notices.get(kind)
    names = _names(rule) if rule else ()
    told = (rulebook.clock(name) for name in dict.fromkeys(names))
    return tuple(ToldClock(c.title, c.limit.words, rulebook.cite(c.source)) for c in told)


def _names(rule: NoticeRule) -> tuple[str, ...]:
    return tuple(name for name in (rule.sign, rule.complete, rule.complete_major) if name)


def _units(session: Session, caller: Caller) -> list[Unit]:
    """The units whose office the caller is, or in which they work. Raises Forbidden when there are none."""
    every = session.scalars(select(Unit).order_by(Unit.level, Unit.name))
    parties = (Party.OWN_OFFICE, *UNIT_PARTIES)
    mine = [unit for unit in every if any(acts_as(caller.grants, party, unit) for party in parties)]
    if not mine:
        raise Forbidden("新建通知单由热线办进行，登记政策变化也可由承办单位进行。")
    return mine


def _kinds(session: Session, caller: Caller, units: Sequence[Unit], now: datetime) -> tuple[NoticeKind, ...]:
    """What the caller may open, as far as the rulebook in force has it."""
    is_office = any(acts_as(caller.grants, Party.OWN_OFFICE, unit) for unit in units)
    rulebook = rules_of_unit(session, units[0], now).rulebook
    return tuple(kind for kind in (BY_OFFICE if is_office else BY_UNIT) if kind in rulebook.notices)


def _unit(session: Session, caller: Caller, draft: Draft) -> Unit:
    unit_id = number_given(draft.unit, name="承办单位")
    unit = next((unit for unit in _units(session, caller) if unit.id == unit_id), None)
    if unit is None:
        raise Invalid("承办单位：请从列表中选择一个单位。")
    return unit


def _limit(draft: Draft) -> str:
    """The limit of a supervision notice, as it is stored."""
    count = number_given(draft.count, name="督办时限")
    unit = next((unit for unit in LIMIT_UNITS if unit == draft.counted_in), None)
    if count is None or unit is None:
        raise Invalid("督办时限：请填写天数。")
    return str(Limit(count, unit))


def _with_limit(draft: Draft, rulebook: Rulebook) -> Draft:
    """For an empty form, the limit that the rulebook proposes."""
    clock = rulebook.clocks.get(SUPERVISION_CLOCK)
    if draft.kind is not K.SUPERVISION or draft.count or clock is None:
        return draft
    return replace(draft, count=str(clock.limit.count), counted_in=clock.limit.unit.value)


def _from_gap(session: Session, caller: Caller, kind: NoticeKind, gap_id: int) -> Draft:
    """The caller's words as the matter."""
    gap = _gap(session, caller, gap_id)
    content = f"来电人问：{gap.text}" + (f"\n话务员补充：{gap.note}" if gap.note else "")
    return Draft(kind, title=gap.text[:LONGEST_TITLE], content=content, gap=str(gap.id))


def _from_notice(session: Session, caller: Caller, kind: NoticeKind, notice_id: int) -> Draft:
    late = read_notice(session, notice_id, caller.grants)
    over = any(state_of(clock, utc_now()) in (ClockState.OVER, ClockState.LATE) for clock in late.clocks)
    content = f"{late.kind.label} {late.number}“{late.title}”{'未在时限内办结' if over else '尚未办结'}。"
    title = f"督办：{late.title}"[:LONGEST_TITLE]
    return Draft(kind, unit=str(late.unit_id), title=title, content=content, about=str(late.id))


def _gap(session: Session, caller: Caller, gap_id: int) -> Gap:
    require(caller.grants, Action.READ_GAPS)
    gap = session.get(Gap, gap_id)
    if gap is None:
        raise NotFound("没有这条知识缺失记录。")
    return gap


def _question(session: Session, entry_id: int) -> str:
    live = live_version(session, entry_id)
    if live is None:
        raise Invalid("条目编号：该条目没有已发布的版本，无从整改。")
    return live.question
