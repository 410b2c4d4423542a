"""应急信息: live at once, on every agent's banner while it is in force, checked afterwards."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.emergencies import emergencies
from kb_admin.permissions import grants_of
from kb_admin.routes import MoveName
from kb_admin.taking_effect import expire_due
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import ChangeLog, Version
from models.notices import Notice
from models.values import STRANGER, EntryContent, NoticeKind, NoticeStatus, Publicity, VersionStatus, Viewer
from tests.cast import CITY, DAY, NOW, SOCIAL_SECURITY, Cast

S = VersionStatus
ENDS = NOW + timedelta(hours=6)
AGENT = Viewer(everything=True)
OUTAGE = EntryContent(
    question="今天城南停水吗",
    answer="城南片区因抢修停水，预计 16:30 恢复。",
    unit=SOCIAL_SECURITY,
    region=CITY,
    spoken="城南抢修停水，下午四点半恢复。",
    valid_to=ENDS,
    publicity=Publicity.INTERNAL,
    info_type="公共服务紧急临时信息",
)


def raised(session: Session, cast: Cast, content: EntryContent = OUTAGE, at: datetime = NOW) -> Version:
    version = lifecycle.create_entry(session, content, actor=cast.editor, now=at)
    lifecycle.submit(session, version, actor=cast.editor, now=at)
    session.commit()
    return version


def after_check(session: Session, version: Version) -> Notice:
    return session.scalars(select(Notice).where(Notice.entry_id == version.entry_id)).one()


def test_it_answers_at_once_and_its_check_is_on_the_clock(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    assert (version.status, version.emergency, version.published_at) == (S.PUBLISHED, True, NOW)
    assert session.scalars(select(ChangeLog.entry_id)).all() == [version.entry_id]
    notice = after_check(session, version)
    assert (notice.kind, notice.status, notice.unit_id) == (NoticeKind.AFTER_CHECK, NoticeStatus.SIGNED, cast.unit.id)
    assert [clock.name for clock in notice.clocks] == ["after_check"]


def test_it_stands_on_the_banner_until_the_very_second(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    (shown,) = emergencies(session, AGENT, ENDS - timedelta(seconds=1))
    assert (shown.code, shown.text, shown.valid_to) == (version.entry.code, OUTAGE.spoken, ENDS)
    assert emergencies(session, AGENT, ENDS) == ()


def test_who_may_not_see_it_sees_no_banner(session: Session, cast: Cast) -> None:
    raised(session, cast)
    assert emergencies(session, STRANGER, NOW) == ()
    raised(session, cast, replace(OUTAGE, question="公开的停水通知", publicity=Publicity.PUBLIC))
    assert [shown.question for shown in emergencies(session, STRANGER, NOW)] == ["公开的停水通知"]


def test_the_newest_stands_first_and_one_that_begins_later_is_not_there_yet(session: Session, cast: Cast) -> None:
    raised(session, cast)
    raised(session, cast, replace(OUTAGE, question="停电"), NOW + timedelta(hours=1))
    raised(session, cast, replace(OUTAGE, question="明日停气", valid_from=NOW + DAY, valid_to=NOW + 2 * DAY))
    shown = [each.question for each in emergencies(session, AGENT, NOW + timedelta(hours=2))]
    assert shown == ["停电", "今天城南停水吗"]


@pytest.mark.parametrize(("ends", "words"), [(None, "必须"), (NOW, "已经过去")])
def test_it_must_say_when_it_ends(ends: datetime | None, words: str, session: Session, cast: Cast) -> None:
    version = lifecycle.create_entry(session, replace(OUTAGE, valid_to=ends), actor=cast.editor, now=NOW)
    with pytest.raises(Invalid, match=f"下架时间.*{words}"):
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    assert version.status is S.DRAFT


def test_the_reviewer_finds_it_right(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    with pytest.raises(Forbidden, match="审核员"):
        lifecycle.approve(session, version, actor=cast.editor, now=NOW)
    lifecycle.approve(session, version, ticked=["typos"], actor=cast.reviewer, now=NOW)
    assert (version.status, version.gates_passed) == (S.PUBLISHED, 1)
    assert after_check(session, version).status is NoticeStatus.COMPLETED
    assert [m.step for m in version.transitions][-1] == "事后审核通过"
    with pytest.raises(Conflict):
        lifecycle.approve(session, version, actor=cast.reviewer, now=NOW)


@pytest.mark.parametrize("who", ["editor", "reviewer", "office"])
def test_what_is_wrong_or_over_is_taken_down_by_the_unit_or_the_office(who: str, session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    lifecycle.withdraw(session, version, "已提前恢复供水", actor=getattr(cast, who), now=NOW)
    assert emergencies(session, AGENT, NOW) == ()
    assert after_check(session, version).status is NoticeStatus.COMPLETED


def test_it_is_checked_also_when_its_time_is_over(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    assert expire_due(session, ENDS + DAY) == 1
    assert after_check(session, version).status is NoticeStatus.SIGNED
    lifecycle.approve(session, version, actor=cast.reviewer, now=ENDS + DAY)
    assert version.status is S.EXPIRED
    assert after_check(session, version).status is NoticeStatus.COMPLETED


def test_an_extended_one_goes_on_under_the_same_notice(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    longer = lifecycle.add_version(
        session, version.entry, replace(OUTAGE, valid_to=ENDS + DAY), actor=cast.editor, now=NOW
    )
    lifecycle.submit(session, longer, actor=cast.editor, now=NOW)
    notice = after_check(session, version)
    assert (notice.version_id, notice.status) == (longer.id, NoticeStatus.SIGNED)
    assert [shown.valid_to for shown in emergencies(session, AGENT, NOW)] == [ENDS + DAY]


def test_a_checked_version_of_another_kind_ends_the_check(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    ordinary = replace(OUTAGE, info_type="常见问题", valid_to=None)
    new = lifecycle.add_version(session, version.entry, ordinary, actor=cast.editor, now=NOW)
    lifecycle.submit(session, new, actor=cast.editor, now=NOW)
    lifecycle.approve(session, new, actor=cast.reviewer, now=NOW)
    lifecycle.publish(session, new, actor=cast.office, now=NOW)
    assert after_check(session, version).status is NoticeStatus.COMPLETED
    assert emergencies(session, AGENT, NOW) == ()


def test_a_strangers_page_offers_nothing(session: Session, cast: Cast) -> None:
    version = raised(session, cast)
    assert lifecycle.possible_moves(session, version, grants_of(cast.stranger), NOW) == ()
    offered = {move.name for move in lifecycle.possible_moves(session, version, grants_of(cast.reviewer), NOW)}
    assert offered == {MoveName.APPROVE, MoveName.WITHDRAW, MoveName.MARK_INVALID}
