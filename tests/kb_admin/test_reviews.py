"""定期回顾检查: evidence that each entry was looked at in the month, and the notice that ends with the last."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle, notices
from kb_admin.reviews import may_review, progress, review_entry, review_queue
from kb_admin.taking_effect import expire_due
from models.duties import EntryReview, Finding
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import Version
from models.notices import Notice
from models.values import NoticeKind, NoticeStatus, VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

PERIOD = "2026-11"


@pytest.fixture
def live(session: Session, cast: Cast) -> list[Version]:
    assert cast.unit
    published(session, RESIDENCE_PERMIT)
    return [published(session, replace(LOST_CARD, question=f"第 {number} 问")) for number in (1, 2)]


def monthly(session: Session, cast: Cast) -> Notice:
    return notices.open_notice(
        session,
        kind=NoticeKind.REVIEW,
        unit=cast.unit,
        title="每月回顾检查",
        actor=None,
        now=NOW,
        once=f"review:{cast.unit.id}:{PERIOD}",
        dispatched=True,
    )


def test_the_list_is_the_units_live_entries_each_with_its_look_or_none(
    session: Session, cast: Cast, live: list[Version]
) -> None:
    assert [each.entry.id for each in review_queue(session, cast.unit, PERIOD)] == [v.entry_id for v in live]
    assert progress(session, cast.unit, PERIOD) == (0, 2)
    review_entry(session, live[0].entry, Finding.STILL_RIGHT, "", actor=cast.editor, now=NOW)
    first, second = review_queue(session, cast.unit, PERIOD)
    assert (first.review and first.review.person, second.review) == (cast.editor, None)
    assert progress(session, cast.unit, PERIOD) == (1, 2)


def test_the_notice_is_done_also_when_time_takes_the_last_one(
    session: Session, cast: Cast, live: list[Version]
) -> None:
    brief = published(session, replace(LOST_CARD, question="停办通知", valid_to=NOW + DAY))
    notice = monthly(session, cast)
    for version in live:
        review_entry(session, version.entry, Finding.STILL_RIGHT, "", actor=cast.editor, now=NOW)
    assert notice.status is not NoticeStatus.COMPLETED
    assert expire_due(session, NOW + DAY * 2) == 1
    session.refresh(notice)
    assert (notice.status, notice.completed_at, brief.status) == (
        NoticeStatus.COMPLETED,
        NOW + DAY,
        VersionStatus.EXPIRED,
    )


def test_with_the_last_one_the_months_notice_is_done(session: Session, cast: Cast, live: list[Version]) -> None:
    notice = monthly(session, cast)
    review_entry(session, live[0].entry, Finding.STILL_RIGHT, "", actor=cast.editor, now=NOW)
    assert notice.status is not NoticeStatus.COMPLETED
    review_entry(session, live[1].entry, Finding.TO_CHANGE, "电话已变", actor=cast.reviewer, now=NOW)
    session.refresh(notice)
    assert (notice.status, notice.result) == (
        NoticeStatus.COMPLETED,
        "已逐条回顾检查 2 条：仍然有效 1 条、需要修改 1 条。",
    )


def test_the_month_is_done_too_when_the_last_open_one_is_taken_down(
    session: Session, cast: Cast, live: list[Version]
) -> None:
    notice = monthly(session, cast)
    review_entry(session, live[0].entry, Finding.STILL_RIGHT, "", actor=cast.editor, now=NOW)
    lifecycle.withdraw(session, live[1], "停止执行", actor=cast.office, now=NOW)
    session.refresh(notice)
    assert notice.status is NoticeStatus.COMPLETED


def test_what_a_reviewer_finds_invalid_stops_answering_and_stays_in_the_list(
    session: Session, cast: Cast, live: list[Version]
) -> None:
    with pytest.raises(Invalid, match="原因"):
        review_entry(session, live[0].entry, Finding.INVALID, " ", actor=cast.reviewer, now=NOW)
    review_entry(session, live[0].entry, Finding.INVALID, "文件已废止", actor=cast.reviewer, now=NOW)
    assert live[0].status is VersionStatus.INVALID
    assert [each.entry.id for each in review_queue(session, cast.unit, PERIOD)] == [v.entry_id for v in live]
    assert progress(session, cast.unit, PERIOD) == (1, 2)


def test_an_editor_only_reports_it(session: Session, cast: Cast, live: list[Version]) -> None:
    review_entry(session, live[0].entry, Finding.INVALID, "文件已废止", actor=cast.editor, now=NOW)
    assert live[0].status is VersionStatus.PUBLISHED


def test_there_is_one_look_for_each_entry_and_month(session: Session, cast: Cast, live: list[Version]) -> None:
    entry = live[0].entry
    review_entry(session, entry, Finding.STILL_RIGHT, "", actor=cast.editor, now=NOW)
    corrected = review_entry(session, entry, Finding.TO_CHANGE, "看漏了", actor=cast.editor, now=NOW)
    assert (corrected.finding, corrected.note) == (Finding.TO_CHANGE, "看漏了")
    with pytest.raises(Conflict, match="林采编本月已检查过"):
        review_entry(session, entry, Finding.STILL_RIGHT, "", actor=cast.reviewer, now=NOW)
    assert session.scalar(select(func.count()).select_from(EntryReview)) == 1
    review_entry(session, entry, Finding.STILL_RIGHT, "", actor=cast.reviewer, now=NOW + 20 * DAY)
    assert session.scalar(select(func.count()).select_from(EntryReview)) == 2


@pytest.mark.parametrize("who", ["stranger", "office", "leader", "agent", "county_office"])
def test_only_the_unit_looks(who: str, session: Session, cast: Cast, live: list[Version]) -> None:
    person = getattr(cast, who)
    assert not may_review(person, live[0].entry)
    with pytest.raises(Forbidden, match="回顾检查"):
        review_entry(session, live[0].entry, Finding.STILL_RIGHT, "", actor=person, now=NOW)


def test_a_month_that_is_none_is_refused(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid, match="2026-13"):
        review_queue(session, cast.unit, "2026-13")
    assert review_queue(session, cast.unit, "2026-12") == ()
