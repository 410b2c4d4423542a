"""Figures of the dashboard beside the rates: each recomputed in plain Python from the raw rows of a random log."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction
from statistics import median
from typing import TypeVar

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import figures_entries as entries
from kb_admin import figures_notices as notices
from kb_admin import figures_questions as questions
from kb_admin.correctness import Standing
from kb_admin.definitions import definition
from kb_admin.figures_units import unit_figures
from kb_admin.permissions import Reach
from kb_admin.rates import By, Period, rates_by
from kb_admin.rules_in_force import city_rules
from kb_admin.worktime import working_seconds
from models.base import Base
from models.duties import EntryReview, Finding
from models.improvement import GapGroup, GapItem
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Entry, Version
from models.notices import Clock, ClockEvent, Notice
from models.usage import Question, Verdict
from models.values import (
    CHINA,
    ClockEventKind,
    FaultReason,
    GapStatus,
    Judgement,
    NoticeStatus,
    Outcome,
    VersionStatus,
)
from tests.cast import NOW, Cast
from tests.kb_admin.call_log import add_work, make_log

Row = TypeVar("Row", bound=Base)
ALL = Reach(everything=True)
NOVEMBER = Period.month(date(2026, 11, 1))
SEEDS = range(4)
UNUSED_DAYS, UNVERIFIED_DAYS, MINIMUM, THRESHOLD, NEAR = 180, 365, 5, Fraction(4, 5), Fraction(17, 20)
"""Of the default rulebook."""


@pytest.fixture(params=SEEDS)
def seed(request: pytest.FixtureRequest, session: Session, cast: Cast) -> int:
    """A log of that seed stands in the base."""
    log = make_log(session, cast, request.param, calls=120, entries=30)
    add_work(session, log, request.param)
    return int(request.param)


def test_calls_are_those_that_began_and_have_ended(session: Session, seed: int) -> None:
    began = [call for call in _all(session, IncomingCall) if NOVEMBER.start <= call.started_at < NOVEMBER.end]
    found = questions.calls(session, NOVEMBER)
    assert found.numerator == sum(call.ended_at is not None for call in began) > 50
    assert found.excluded == sum(call.ended_at is None for call in began)


def test_questions_without_result_by_day_and_together(session: Session, seed: int) -> None:
    asked: Counter[date] = Counter()
    nothing: Counter[date] = Counter()
    for question in _all(session, Question):
        day = question.asked_at.astimezone(CHINA).date()
        if question.call_id is not None and (day.year, day.month) == (2026, 11):
            asked[day] += 1
            nothing[day] += question.outcome is Outcome.NONE
    found = questions.no_result_by_day(session, NOVEMBER)
    assert {day: (one.numerator, one.denominator) for day, one in found.items()} == {
        date(2026, 11, n): (nothing[date(2026, 11, n)], asked[date(2026, 11, n)]) for n in range(1, 31)
    }
    whole = questions.no_result_share(session, NOVEMBER)
    assert whole.value == Fraction(nothing.total(), asked.total())


def test_open_groups_are_ranked_by_the_calls_that_asked(session: Session, seed: int) -> None:
    of_call = {question.id: question.call_id for question in _all(session, Question)}
    wanted: dict[int, int] = {}
    for group in _all(session, GapGroup):
        items = [item for item in _all(session, GapItem) if item.group_id == group.id]
        items = [item for item in items if NOVEMBER.start <= item.at < NOVEMBER.end]
        calls = {of_call[item.question_id] for item in items if item.question_id} - {None}
        alone = [item for item in items if item.gap_id]
        if group.status not in (GapStatus.ANSWERED, GapStatus.DISMISSED) and (calls or alone):
            wanted[group.id] = len(calls) + len(alone)
    ranked = sorted(wanted.items(), key=lambda one: (-one[1], one[0]))
    figure, top = questions.no_result_questions(session, NOVEMBER, limit=2)
    assert figure.numerator == len(wanted)
    assert [(one.group_id, one.calls) for one in top] == ranked[:2]


def test_hours_from_a_gap_to_its_answer_are_the_middle_ones(session: Session, seed: int) -> None:
    calendar = city_rules(session, NOW).calendar
    hours = []
    for group in _all(session, GapGroup):
        if group.status is GapStatus.ANSWERED and group.closed_at and NOVEMBER.start <= group.closed_at < NOVEMBER.end:
            first = min(item.at for item in _all(session, GapItem) if item.group_id == group.id)
            hours.append(Fraction(working_seconds(first, group.closed_at, calendar), 3600))
    found = questions.gap_hours(session, NOVEMBER)
    assert found.numerator == len(hours)
    assert found.value == (Fraction(median(hours)) if hours else None)


def test_hours_from_a_gap_in_a_visible_sum(session: Session, cast: Cast) -> None:
    """Thursday 16:30 to Friday 10:30, office hours 9:00 to 12:00 and 13:30 to 17:30: 1 hour and 1.5 hours."""
    group = GapGroup(status=GapStatus.ANSWERED, label="一组", created_at=NOW, changed_at=NOW, closed_at=NOW)
    session.add(group)
    session.flush()
    recorded = datetime(2026, 11, 19, 16, 30, tzinfo=CHINA)
    question = Question(text="x", asked_at=recorded, outcome=Outcome.NONE, took_ms=1.0)
    session.add(question)
    session.flush()
    session.add(GapItem(group_id=group.id, question_id=question.id, signal="no_answer", text="x", at=recorded))
    session.commit()
    assert questions.gap_hours(session, NOVEMBER).value == Fraction(5, 2)


def test_live_unused_unverified_and_outdated_entries(session: Session, seed: int) -> None:
    versions = _all(session, Version)
    live = [v for v in versions if v.status is VersionStatus.PUBLISHED and (v.valid_to is None or v.valid_to > NOW)]
    assert _ids(session, entries.live_entries(ALL, NOW)) == {v.entry_id for v in live}
    unused = {v.entry_id for v in live if _published_by(versions, v, UNUSED_DAYS)} - _used(session, versions)
    assert _ids(session, entries.unused_entries(session, ALL, NOW)) == unused
    since = NOW - timedelta(UNVERIFIED_DAYS)
    looked_at = {review.entry_id for review in _all(session, EntryReview) if review.at >= since}
    judged = {verdict.version_id for verdict in _all(session, Verdict) if verdict.at >= since}
    stale = {v.entry_id for v in live if (v.published_at or NOW) <= since and v.id not in judged} - looked_at
    assert _ids(session, entries.unverified_entries(session, ALL, NOW)) == stale
    published = [v for v in versions if v.status is VersionStatus.PUBLISHED]
    outdated = {v.entry_id for v in published if _looks_outdated(session, v)}
    assert _ids(session, entries.outdated_entries(ALL, NOW)) == outdated
    assert entries.by_unit(session, entries.outdated_entries(ALL, NOW)) == _per_unit(session, outdated)


def test_the_words_of_the_definitions_tell_the_numbers_of_the_code() -> None:
    assert f"{entries.SOON.days} 日" in definition("entries_outdated").numerator


def test_entries_below_and_near_the_threshold(session: Session, seed: int) -> None:
    """One verdict of each rater in this log, all weights 1, no window: plain shares."""
    below, near, judged = set(), set(), 0
    for version in _all(session, Version):
        if version.valid_to is not None and version.valid_to <= NOW:
            continue
        verdicts = [verdict for verdict in _all(session, Verdict) if verdict.version_id == version.id]
        if len(verdicts) < MINIMUM:
            continue
        judged += 1
        share = Fraction(sum(verdict.judgement is Judgement.CORRECT for verdict in verdicts), len(verdicts))
        if share < THRESHOLD:
            below.add(version.entry_id)
        elif share < NEAR:
            near.add(version.entry_id)
    found = entries.judged_entries(session, ALL, NOW)
    assert len(found) == judged > 3
    assert {one.entry_id for one in found if one.count.standing is Standing.BELOW} == below
    assert {one.entry_id for one in found if one.count.standing is Standing.NEAR} == near
    assert entries.standing_by_unit(found, Standing.BELOW) == _per_unit(session, below)
    shares = [one.count.result.rate or 0 for one in found]
    assert shares == sorted(shares)


def test_notices_open_overdue_and_sent_twice(session: Session, seed: int) -> None:
    opened = [n for n in _all(session, Notice) if n.status in (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)]
    overdue = {c.notice_id for c in _all(session, Clock) if c.stopped_at is None and c.due_at <= NOW}
    clock_of = {clock.id: clock.notice_id for clock in _all(session, Clock)}
    kind = ClockEventKind.SECOND_NOTICE
    twice = {clock_of[event.clock_id] for event in _all(session, ClockEvent) if event.kind is kind}
    found = notices.standing_figures(notices.open_notices(session, ALL, NOW))
    assert [one.numerator for one in found] == [
        len(opened),
        sum(n.id in overdue for n in opened),
        sum(n.id in twice for n in opened),
    ]
    assert [one.definition.name for one in found] == ["notices_open", "notices_overdue", "notices_second"]


def test_notices_done_in_time(session: Session, seed: int) -> None:
    on_time = count = unlimited = 0
    for notice in _all(session, Notice):
        if notice.completed_at is None or not NOVEMBER.start <= notice.completed_at < NOVEMBER.end:
            continue
        clocks = [clock for clock in _all(session, Clock) if clock.notice_id == notice.id]
        unlimited += not clocks
        count += bool(clocks)
        on_time += bool(clocks) and all(clock.stopped_at and clock.stopped_at < clock.due_at for clock in clocks)
    found = notices.on_time_rate(notices.done_notices(session, ALL, NOVEMBER), NOVEMBER)
    assert (found.numerator, found.denominator, found.excluded) == (on_time, count, unlimited)


def test_what_a_unit_has_is_its_part_of_the_whole(session: Session, cast: Cast, seed: int) -> None:
    name = "direct_answer_rate"
    whole = unit_figures(session, name, NOVEMBER, ALL, NOW)
    assert [one.unit for one in whole] == sorted(one.unit for one in whole)
    rates = rates_by(session, name, NOVEMBER, By.UNIT)
    for one in whole:
        alone = unit_figures(session, name, NOVEMBER, Reach(unit_ids=frozenset({one.unit_id})), NOW)
        assert alone == [one]
        assert one.rate == rates.get(one.unit_id)
    live = entries.by_unit(session, entries.live_entries(ALL, NOW))
    assert {one.unit_id: one.counts["entries"].numerator for one in whole if one.unit_id in live} == live
    assert unit_figures(session, name, NOVEMBER, Reach(), NOW) == []


def test_every_figure_of_an_empty_base_is_nothing_and_none_fails(session: Session, cast: Cast) -> None:
    assert questions.calls(session, NOVEMBER).value == 0
    assert questions.no_result_share(session, NOVEMBER).value is None
    assert questions.no_result_questions(session, NOVEMBER, limit=5)[0].value == 0
    assert questions.gap_hours(session, NOVEMBER).value is None
    assert unit_figures(session, "direct_answer_rate", NOVEMBER, ALL, NOW) == []
    assert entries.judged_entries(session, ALL, NOW) == []


def _all(session: Session, table: type[Row]) -> list[Row]:
    return list(session.scalars(select(table)))


def _ids(session: Session, rows: entries.EntryRows) -> set[int]:
    return {entry_id for entry_id, _, _ in session.execute(rows).tuples()}


def _per_unit(session: Session, entry_ids: Iterable[int]) -> dict[int, int]:
    units = {entry.id: entry.unit_id for entry in _all(session, Entry)}
    return dict(Counter(units[entry_id] for entry_id in entry_ids))


def _published_by(versions: list[Version], version: Version, days: int) -> bool:
    first = min(v.published_at for v in versions if v.entry_id == version.entry_id and v.published_at)
    return first <= NOW - timedelta(days)


def _used(session: Session, versions: list[Version]) -> set[int]:
    since = NOW - timedelta(UNUSED_DAYS)
    used = {use.version_id for use in _all(session, AnswerUse) if use.at >= since}
    used |= {verdict.version_id for verdict in _all(session, Verdict) if verdict.at >= since}
    used |= {call.version_id for call in _all(session, IncomingCall) if call.version_id and call.started_at >= since}
    return {version.entry_id for version in versions if version.id in used}


def _looks_outdated(session: Session, version: Version) -> bool:
    if version.valid_to is not None and version.valid_to <= NOW + entries.SOON:
        return True
    reviews = sorted((r for r in _all(session, EntryReview) if r.version_id == version.id), key=lambda r: r.at)
    if reviews and reviews[-1].finding is not Finding.STILL_RIGHT:
        return True
    found_right = [review.at for review in reviews if review.finding is Finding.STILL_RIGHT]
    said = [v.at for v in _all(session, Verdict) if v.version_id == version.id and v.reason is FaultReason.OUTDATED]
    return any(not any(at < right for right in found_right) for at in said)


def test_a_year_without_holidays_takes_one_group_from_the_figure_and_not_the_whole_page(
    session: Session, cast: Cast
) -> None:
    """Nobody can say which days of 2035 are worked."""
    asked = datetime(2035, 3, 1, 10, tzinfo=CHINA)
    closed = asked + timedelta(days=1)
    group = GapGroup(status=GapStatus.ANSWERED, label="一组", created_at=asked, changed_at=asked, closed_at=closed)
    question = Question(text="x", asked_at=asked, outcome=Outcome.NONE, took_ms=1.0)
    session.add_all([group, question])
    session.flush()
    session.add(GapItem(group_id=group.id, question_id=question.id, signal="no_answer", text="x", at=asked))
    session.commit()
    found = questions.gap_hours(session, Period.month(asked.date()))
    assert (found.numerator, found.value) == (0, None)
