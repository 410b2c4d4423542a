"""What units did in a period: each count recomputed from the raw rows, and the bounds of the period in local time."""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle, notices
from kb_admin.definitions import definition
from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.unit_cases import UNIT_FIGURES, Thing, count_cases, figure_of, list_cases
from models.errors import NotFound
from models.knowledge import Transition, Version
from models.notices import Notice
from models.values import CHINA, NoticeKind, VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, Cast, published

ALL = Reach(everything=True)
MONTH = Period.month(date(2026, 11, 20))


@pytest.fixture
def busy(session: Session, cast: Cast) -> Session:
    """A month in which the unit added, changed, withdrew, was sent back and had notices."""
    first = published(session, LOST_CARD, code="SB-001", now=NOW - 40 * DAY)
    second = published(session, replace(LOST_CARD, question="社会保障卡怎样激活"), code="SB-002", now=NOW - 3 * DAY)
    change = lifecycle.add_version(session, first.entry, replace(LOST_CARD, spoken="新的口径。"), actor=None, now=NOW)
    lifecycle.submit(session, change, actor=None, now=NOW)
    lifecycle.send_back(session, change, "有错别字", actor=None, now=NOW)
    lifecycle.submit(session, change, actor=None, now=NOW + DAY)
    lifecycle.publish(session, change, actor=None, now=NOW + DAY)
    lifecycle.withdraw(session, second, "政策停止执行", actor=None, now=NOW + DAY)
    asked = notices.open_notice(
        session, kind=NoticeKind.QUESTION, unit=cast.unit, title="能否异地补领", actor=None, now=NOW, dispatched=True
    )
    notices.complete(session, asked, "可以。", actor=None, now=NOW + DAY)
    session.commit()
    return session


def test_every_figure_has_a_definition_and_counts_what_it_lists(busy: Session) -> None:
    for name in UNIT_FIGURES:
        counts = count_cases(busy, name, MONTH, ALL)
        listed = Counter(case.unit_id for case in list_cases(busy, name, MONTH, ALL, limit=1000))
        assert counts == dict(listed), name
        assert figure_of(name, counts, MONTH).definition is definition(name)


def test_counts_are_those_of_the_raw_rows(busy: Session, cast: Cast) -> None:
    unit = cast.unit.id
    moves = busy.scalars(select(Transition)).all()
    within = [move for move in moves if MONTH.start <= move.at < MONTH.end]
    backs = [m for m in within if m.to_status is VersionStatus.DRAFT and m.from_status is VersionStatus.SUBMITTED]
    downs = [m for m in within if m.to_status is VersionStatus.WITHDRAWN]
    assert count_cases(busy, "unit_sent_back", MONTH, ALL) == {unit: len(backs)} == {unit: 1}
    assert count_cases(busy, "unit_entries_removed", MONTH, ALL) == {unit: len(downs)} == {unit: 1}
    live = busy.scalars(select(Version).where(Version.published_at.is_not(None))).all()
    first = {v.entry_id: min(w.number for w in live if w.entry_id == v.entry_id) for v in live}
    new = [v for v in live if v.number == first[v.entry_id] and MONTH.start <= (v.published_at or NOW) < MONTH.end]
    assert count_cases(busy, "unit_entries_added", MONTH, ALL) == {unit: len(new)} == {unit: 1}
    assert count_cases(busy, "unit_entries_changed", MONTH, ALL) == {unit: 1}
    done = [n for n in busy.scalars(select(Notice)) if n.kind is NoticeKind.QUESTION and n.completed_at]
    assert count_cases(busy, "unit_questions_answered", MONTH, ALL) == {unit: len(done)} == {unit: 1}


def test_a_case_says_what_it_is_and_why(busy: Session) -> None:
    (back,) = list_cases(busy, "unit_sent_back", MONTH, ALL, limit=10)
    assert (back.thing, back.key, back.title, back.words) == (
        Thing.ENTRY,
        "SB-001",
        "社会保障卡丢失后怎样补领",
        "有错别字",
    )


def test_another_units_cases_are_out_of_reach(busy: Session, cast: Cast) -> None:
    other = Reach(unit_ids=frozenset({cast.other_unit.id}))
    for name in UNIT_FIGURES:
        assert list_cases(busy, name, MONTH, other, limit=10) == []
        assert count_cases(busy, name, MONTH, other) == {}


def test_the_month_ends_at_local_midnight(session: Session, cast: Cast) -> None:
    last = datetime(2026, 10, 31, 23, 59, 59, tzinfo=CHINA)
    published(session, LOST_CARD, code="SB-001", now=last)
    published(
        session,
        replace(LOST_CARD, question="社会保障卡怎样激活"),
        code="SB-002",
        now=datetime(2026, 11, 1, tzinfo=CHINA),
    )
    october, november = Period.month(date(2026, 10, 1)), Period.month(date(2026, 11, 1))
    assert [c.key for c in list_cases(session, "unit_entries_added", october, ALL, limit=9)] == ["SB-001"]
    assert [c.key for c in list_cases(session, "unit_entries_added", november, ALL, limit=9)] == ["SB-002"]


def test_an_unknown_figure_is_told_with_those_that_there_are(session: Session) -> None:
    with pytest.raises(NotFound, match="unit_entries_added"):
        count_cases(session, "unit_nothing", MONTH, ALL)
