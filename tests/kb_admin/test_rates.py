"""Rates: each recomputed from the raw rows in plain Python, under its own definition; boundaries in local time."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.definitions import CallRule, Repeat, call_rates, definition
from kb_admin.rates import By, CallStanding, Period, Where, calls_behind, rate, rates_by
from models.errors import Invalid, NotFound
from models.incoming import IncomingCall
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from models.values import CHINA, Ending, Matter
from tests.cast import NOW, Cast
from tests.kb_admin.call_log import make_log

DEFAULT_REPEAT_DAYS = 7
"""Of the default rulebook, which the cast's city follows."""
RATES = tuple(one.name for one in call_rates())
PERIODS = (Period.week(date(2026, 11, 18)), Period.month(date(2026, 11, 1)), Period.quarter(date(2026, 12, 31)))


@pytest.mark.parametrize("seed", range(3))
def test_every_rate_is_what_the_raw_calls_give(session: Session, cast: Cast, seed: int) -> None:
    make_log(session, cast, seed)
    calls = list(session.scalars(select(IncomingCall)))
    for period in PERIODS:
        for name in RATES:
            found = rate(session, name, period)
            assert (found.numerator, found.denominator, found.excluded) == _by_hand(calls, name, period), name
            assert sum(found.left_out.values()) == found.excluded


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("by", By)
def test_every_split_adds_up_and_is_what_the_raw_calls_give(session: Session, cast: Cast, seed: int, by: By) -> None:
    make_log(session, cast, seed)
    period = PERIODS[1]
    groups: dict[Any, list[IncomingCall]] = defaultdict(list)
    for call in session.scalars(select(IncomingCall)):
        groups[_key(session, call, by)].append(call)
    everything = list(session.scalars(select(IncomingCall)))
    for name in RATES:
        found = rates_by(session, name, period, by)
        for key, one in found.items():
            by_hand = _by_hand(groups[key], name, period, everything)
            assert (one.numerator, one.denominator, one.excluded) == by_hand, (name, key)
        whole = rate(session, name, period)
        assert sum(one.numerator for one in found.values()) == whole.numerator
        assert sum(one.denominator for one in found.values()) == whole.denominator
    if by is By.DAY:
        assert list(found) == [date(2026, 11, n) for n in range(1, 31)]


def test_a_look_at_some_calls_is_the_split_of_all(session: Session, cast: Cast) -> None:
    log = make_log(session, cast, 5)
    period = PERIODS[1]
    for name in RATES:
        units, fields = (rates_by(session, name, period, by) for by in (By.UNIT, By.FIELD))
        for unit_id in {cast.unit.id, cast.other_unit.id, cast.county_unit.id} & units.keys():
            assert rate(session, name, period, where=Where(unit_ids=frozenset({unit_id}))) == units[unit_id]
        for field in fields.keys() - {None}:
            assert rate(session, name, period, where=Where(field=field)) == fields[field]
        for agent in log.agents:
            assert (
                rate(session, name, period, where=Where(person_id=agent.id)).denominator
                == rate(session, name, period, where=Where(team=agent.team)).denominator
            )
    assert rate(session, RATES[0], period, where=Where(unit_ids=frozenset())).denominator == 0


def test_the_calls_behind_a_rate_are_as_many_as_it_says(session: Session, cast: Cast) -> None:
    make_log(session, cast, 7)
    for where in (Where(), Where(unit_ids=frozenset({cast.unit.id}))):
        rows = session.execute(calls_behind(session, "direct_answer_rate", PERIODS[1], where=where)).all()
        found = rate(session, "direct_answer_rate", PERIODS[1], where=where)
        standings = [row.standing for row in rows]
        assert standings.count(CallStanding.ACHIEVED) == found.numerator > 0
        assert len(rows) == found.denominator + found.excluded


def test_one_log_of_calls_gives_three_direct_answer_rates(session: Session, cast: Cast) -> None:
    """Ten calls: four consultations answered from the base, two with a work order, one by a three-way call; a complaint
    with a work order; one broken off; one of which nobody said how it ended."""
    agent, at = cast.agent, NOW - timedelta(1)
    log = make_log(session, cast, 1, calls=0, entries=1)
    endings = [
        *[(Matter.CONSULTATION, Ending.ANSWERED)] * 4,
        *[(Matter.CONSULTATION, Ending.WORK_ORDER)] * 2,
        (None, Ending.THREE_WAY),
        (Matter.COMPLAINT, Ending.WORK_ORDER),
        (Matter.CONSULTATION, Ending.BROKEN_OFF),
        (Matter.CONSULTATION, None),
    ]
    for matter, ending in endings:
        version = log.versions[0] if ending is Ending.ANSWERED else None
        session.add(
            IncomingCall(person=agent, matter=matter, started_at=at, ended_at=at, ending=ending, version=version)
        )
    session.commit()
    told = {name: rate(session, name, PERIODS[0]) for name in RATES if name.startswith("direct_answer_rate")}
    assert {name: one.value for name, one in told.items()} == {
        "direct_answer_rate": Fraction(4, 7),
        "direct_answer_rate_all": Fraction(4, 8),
        "direct_answer_rate_without_orders": Fraction(4, 5),
    }
    assert told["direct_answer_rate"].left_out == {
        CallStanding.ENDING_UNSAID: 1,
        CallStanding.BROKEN_OFF: 1,
        CallStanding.MATTER: 1,
    }


def test_answered_from_memory_is_not_answered_from_the_base(session: Session, cast: Cast) -> None:
    _one(session, cast, NOW, Ending.ANSWERED)
    found = rate(session, "direct_answer_rate", PERIODS[0])
    assert (found.numerator, found.denominator) == (0, 1)


@pytest.mark.parametrize(
    ("after", "again"),
    [
        (timedelta(days=7), True),
        (timedelta(days=7, microseconds=1), False),
        (timedelta(microseconds=1), True),
        (timedelta(days=-1), False),
    ],
)
def test_the_same_caller_within_seven_days_was_not_answered_the_first_time(
    session: Session, cast: Cast, after: timedelta, again: bool
) -> None:
    at = NOW - timedelta(20) + timedelta(microseconds=123_456)
    _one(session, cast, at, Ending.THREE_WAY, caller="甲", matter=Matter.HELP)
    _one(session, cast, at + after, Ending.WORK_ORDER, caller="甲", matter=Matter.HELP)
    day = Period.days(at.astimezone(CHINA).date(), at.astimezone(CHINA).date())
    assert rate(session, "first_call_rate", day).numerator == (0 if again else 1)


@pytest.mark.parametrize(
    ("other", "again"),
    [
        ({"caller": "乙"}, False),
        ({"matter": Matter.COMPLAINT}, False),
        ({"matter": None}, True),
        ({}, True),
    ],
)
def test_another_caller_or_another_matter_is_no_repeat(
    session: Session, cast: Cast, other: dict[str, Any], again: bool
) -> None:
    at = NOW - timedelta(5)
    _one(session, cast, at, Ending.EXPERT_SEAT, caller="甲", matter=Matter.HELP)
    _one(session, cast, at + timedelta(1), Ending.WORK_ORDER, **{"caller": "甲", "matter": Matter.HELP, **other})
    period = Period.days(at.astimezone(CHINA).date(), at.astimezone(CHINA).date())
    assert rate(session, "first_call_rate", period).numerator == (0 if again else 1)


def test_two_entries_are_two_matters_and_one_entry_is_one(session: Session, cast: Cast) -> None:
    one, other = make_log(session, cast, 1, calls=0, entries=2).versions
    day = Period.days(date(2026, 11, 10), date(2026, 11, 10))
    at = day.start + timedelta(hours=10)
    first = _one(session, cast, at, Ending.ANSWERED, caller="甲", matter=Matter.CONSULTATION, version=one)
    later = _one(
        session, cast, at + timedelta(2), Ending.ANSWERED, caller="甲", matter=Matter.CONSULTATION, version=other
    )
    assert rate(session, "first_call_rate", day).numerator == 1
    later.version, later.matter = first.version, Matter.HELP
    session.commit()
    assert rate(session, "first_call_rate", day).numerator == 0


def test_a_period_begins_and_ends_at_local_midnight(session: Session, cast: Cast) -> None:
    """Monday, 2026-11-16, 00:00 in Shanghai is Sunday, 16:00 UTC."""
    week = Period.week(date(2026, 11, 18))
    assert week.start.isoformat() == "2026-11-15T16:00:00+00:00"
    for moment in (week.start - timedelta(microseconds=1), week.start, week.end - timedelta(microseconds=1), week.end):
        _one(session, cast, moment, Ending.WORK_ORDER)
    assert rate(session, "direct_handling_rate", week).denominator == 2
    days = rates_by(session, "direct_handling_rate", week, By.DAY)
    assert [one.denominator for one in days.values()] == [1, 0, 0, 0, 0, 0, 1]
    assert rate(session, "direct_handling_rate", week.previous).denominator == 1
    assert rate(session, "direct_handling_rate", week.following).denominator == 1


def test_an_empty_base_has_no_rate_and_not_zero(session: Session, cast: Cast) -> None:
    found = rate(session, "direct_answer_rate", PERIODS[0])
    assert (found.numerator, found.denominator, found.value) == (0, 0, None)
    assert rates_by(session, "direct_answer_rate", PERIODS[0], By.UNIT) == {}


def test_a_figure_that_is_no_rate_is_refused_and_so_is_an_unknown_one(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid, match="不是来电的比率"):
        rate(session, "gap_hours", PERIODS[0])
    with pytest.raises(NotFound, match="direct_answer_rate"):
        rate(session, "direct_rate", PERIODS[0])


def _one(session: Session, cast: Cast, at: datetime, ending: Ending, **more: Any) -> IncomingCall:
    call = IncomingCall(person=cast.agent, started_at=at, ended_at=at, ending=ending, **more)
    session.add(call)
    session.commit()
    return call


def _by_hand(
    calls: list[IncomingCall], name: str, period: Period, everything: list[IncomingCall] | None = None
) -> tuple[int, int, int]:
    rule = definition(name).calls
    assert rule is not None
    ended = [call for call in calls if call.ended_at and period.start <= call.started_at < period.end]
    counted = [call for call in ended if _counts(call, rule)]
    achieved = [call for call in counted if _is_achieved(call, rule, everything or calls)]
    return len(achieved), len(counted), len(ended) - len(counted)


def _counts(call: IncomingCall, rule: CallRule) -> bool:
    ending = rule.ending_unsaid if call.ending is None else call.ending in rule.endings
    matter = rule.matter_unsaid if call.matter is None else call.matter in rule.matters
    return ending and matter and (rule.caller_unknown or call.caller != "")


def _is_achieved(call: IncomingCall, rule: CallRule, everything: list[IncomingCall]) -> bool:
    if call.ending not in rule.achieved or (rule.from_base and call.version is None):
        return False
    if rule.repeat is Repeat.IGNORED:
        return True
    days = DEFAULT_REPEAT_DAYS if isinstance(rule.repeat, Repeat) else rule.repeat
    latest = call.started_at + timedelta(days)
    later = (c for c in everything if c.caller == call.caller and call.started_at < c.started_at <= latest)
    return not any(_same_matter(call, other) for other in later)


def _same_matter(one: IncomingCall, other: IncomingCall) -> bool:
    if one.version and other.version:
        return one.version.entry_id == other.version.entry_id
    return one.matter is None or other.matter is None or one.matter == other.matter


def _key(session: Session, call: IncomingCall, by: By) -> Any:
    if by is By.DAY:
        return call.started_at.astimezone(CHINA).date()
    if by is By.TEAM:
        return call.team
    if by is By.PERSON:
        return call.person_id
    about = call.version or _shown_first(session, call)
    if about is None:
        return None
    if by is By.UNIT:
        return about.entry.unit_id
    return about.category.path.split("/")[0] if about.category else ""


def _shown_first(session: Session, call: IncomingCall) -> Version | None:
    questions = session.scalars(select(Question).where(Question.call_id == call.id)).all()
    for question in sorted(questions, key=lambda q: q.id, reverse=True):
        shown = session.scalars(select(ShownAnswer).where(ShownAnswer.question_id == question.id)).all()
        if shown:
            return min(shown, key=lambda one: one.rank).version
    return None
