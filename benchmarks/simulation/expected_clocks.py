"""What must have befallen each clock, by plain counting from what people did with its notice."""

from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.simulation.expected import NoticeLife
from benchmarks.simulation.plain_time import PlainCalendar
from benchmarks.simulation.written_rules import Clock, WrittenRules

UNIT_PEOPLE = ("editor", "reviewer", "unit_leader")


@dataclass
class ClockLife:
    """One clock: its moments, and all that befell it as (what, which round, when)."""

    name: str
    title: str
    started_at: datetime
    first_due_at: datetime
    due_at: datetime
    stopped_at: datetime | None
    events: list[tuple[str, int, datetime]] = field(default_factory=list)
    told: list[tuple[str, int, datetime, tuple[str, ...]]] = field(default_factory=list)
    """Of what, in which round, when, and which parties."""


def clocks_of(notice: NoticeLife, rules: WrittenRules, calendar: PlainCalendar, ends: datetime) -> list[ClockLife]:
    """The clocks of a dispatched notice as they must stand at the end."""
    if notice.dispatched_at is None:
        return []
    found = rules.clocks_of(notice.kind, major=notice.major, limit=notice.limit)
    lives = []
    for number, (clock, limit) in enumerate(found):
        last = number == len(found) - 1
        stopped = notice.ended_at if last else notice.signed_at or notice.ended_at
        extensions = notice.extensions if last else []
        course = _Course(notice, clock, limit, extensions, stopped)
        lives.append(_life(course, calendar, ends))
    return lives


def too_late(notice: NoticeLife, rules: WrittenRules, calendar: PlainCalendar, at: datetime) -> bool:
    """Whether more time could no longer be asked for, or consented to, at that moment."""
    before = NoticeLife(**{**vars(notice), "extensions": [e for e in notice.extensions if e[0] < at]})
    due = clocks_of(before, rules, calendar, at)[-1].due_at
    return at > calendar.lead(due, rules.extension.lead)


@dataclass(frozen=True)
class _Course:
    """A clock of a notice, and what people did to it."""

    notice: NoticeLife
    clock: Clock
    limit: str
    extensions: list[tuple[datetime, datetime]]
    stopped: datetime | None


def _life(course: _Course, calendar: PlainCalendar, ends: datetime) -> ClockLife:
    notice, clock, stopped = course.notice, course.clock, course.stopped
    sent = notice.dispatched_at
    assert sent is not None
    start = sent if clock.starts == "dispatch" or notice.starts_at is None else notice.starts_at
    due = calendar.due(start, course.limit, start_day_counts=clock.start_day_counts)
    life = ClockLife(clock.name, clock.title, start, due, due, stopped)
    life.events.append(("started", 1, start))
    rounds = [(max(start, sent), due), *course.extensions]
    borders = [at for at, _ in course.extensions] + [stopped or ends]
    for ordinal, ((after, until), border) in enumerate(zip(rounds, borders, strict=True), start=1):
        if ordinal > 1:
            life.events.append(("extended", ordinal - 1, after))
        life.due_at = until
        reminded = calendar.lead(until, clock.warn_before) if clock.warn_before else None
        if reminded is not None and after < reminded < until and reminded <= border:
            _happen(life, "warned", ordinal, reminded, UNIT_PEOPLE)
        if until <= border:
            _run_out(life, clock, ordinal)
    if stopped is not None:
        life.events.append(("stopped", 1, stopped))
    return life


def _run_out(life: ClockLife, clock: Clock, ordinal: int) -> None:
    """What the rulebook has happen when a limit is over."""
    again, called = "second_notice" in clock.on_expiry, "call_list" in clock.on_expiry
    to_all = (() if again else UNIT_PEOPLE) + (() if called else ("own_office",))
    _happen(life, "expired", ordinal, life.due_at, to_all)
    if again:
        _happen(life, "second_notice", ordinal, life.due_at, UNIT_PEOPLE)
    if called:
        _happen(life, "call_list", ordinal, life.due_at, ("own_office",))


def _happen(life: ClockLife, what: str, ordinal: int, at: datetime, parties: tuple[str, ...]) -> None:
    life.events.append((what, ordinal, at))
    life.told.append((what, ordinal, at, parties))
