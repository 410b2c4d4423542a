"""What a played quarter comes to: which planted faults were found and mended, how soon, and how often in error."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.simulation.plain_time import DAY
from benchmarks.simulation.quarter_callers import IntentKind
from benchmarks.simulation.quarter_truth import Fault, FaultKind
from benchmarks.simulation.quarter_world import Quarter
from kb_admin.periods import Period
from kb_admin.rates import CallStanding, calls_behind, rate
from kb_admin.rules_in_force import city_rules
from kb_admin.worktime import working_seconds
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.usage import Question, Verdict
from models.values import ClockEventKind, NoticeKind, Rater

RATE = "direct_answer_rate"
EDGE_WEEKS = 2
"""Before: the first so many weeks; after: the last."""
RECTIFY = "rectify"
"""The clock of correction notices."""


@dataclass(frozen=True)
class Course:
    """What became of one planted fault."""

    fault: Fault
    found_at: datetime | None
    mended_at: datetime | None
    hours_to_find: float | None
    """Working hours."""
    hours_to_mend: float | None


@dataclass(frozen=True)
class Answers:
    """Direct answers of some weeks."""

    by_base: float | None
    """As the product's definition counts them."""
    true: float | None
    """The same calls, without those in which the caller was told something wrong."""
    possible: float | None
    """Of the same denominator, calls to which the base had a right answer."""
    calls: int
    """The denominator."""
    wrong: int
    """Answered with something wrong."""


@dataclass(frozen=True)
class Figures:
    """The quarter in numbers."""

    entries: int
    """Live at the beginning."""
    courses: tuple[Course, ...]
    correction_notices: int
    unjust_notices: int
    unjust_dispatched: int
    gap_notices: int
    gap_notices_on_missing: int
    gap_notices_never_held: int
    proposed: int
    """Callers' words proposed as further questions of entries that were there and not found."""
    overdue: int
    second_notices: int
    calls_to_units: int
    before: Answers
    after: Answers
    questions: int
    verdicts: Mapping[str, int]
    """By rater."""

    def planted(self, kind: FaultKind) -> int:
        return sum(course.fault.kind is kind for course in self.courses)

    def found(self, kind: FaultKind) -> int:
        return sum(course.fault.kind is kind and course.found_at is not None for course in self.courses)

    def mended(self, kind: FaultKind) -> int:
        return sum(course.fault.kind is kind and course.mended_at is not None for course in self.courses)

    @property
    def recall(self) -> float | None:
        """Of the planted faults, those found."""
        return _share(sum(course.found_at is not None for course in self.courses), len(self.courses))

    @property
    def precision(self) -> float | None:
        """Of what was sent or drafted as a fault, what was one. What the base never held is neither."""
        right = self.correction_notices - self.unjust_notices + self.gap_notices_on_missing
        return _share(right, self.correction_notices + self.gap_notices - self.gap_notices_never_held)


def figures(session: Session, quarter: Quarter) -> Figures:
    """Read them from the base, and compare with the truth."""
    found = _found(session, quarter)
    courses = tuple(_course(session, quarter, fault, found) for _, fault in sorted(quarter.truth.faults.items()))
    corrections = session.scalars(select(Notice).where(Notice.kind == NoticeKind.CORRECTION)).all()
    unjust = [notice for notice in corrections if not _was_faulty(quarter, notice)]
    events = _events(session)
    plan = quarter.plan
    edge = EDGE_WEEKS * 7 * DAY
    last = plan.first + 7 * plan.weeks * DAY - DAY
    return Figures(
        entries=len(quarter.truth.shown),
        courses=courses,
        correction_notices=len(corrections),
        unjust_notices=len(unjust),
        unjust_dispatched=sum(notice.dispatched_at is not None for notice in unjust),
        gap_notices=len(quarter.gaps_sent),
        gap_notices_on_missing=sum(sent.on_missing for sent in quarter.gaps_sent),
        gap_notices_never_held=sum(sent.kind is IntentKind.NEAR_MISS for sent in quarter.gaps_sent),
        proposed=quarter.proposed,
        overdue=events[ClockEventKind.EXPIRED],
        second_notices=events[ClockEventKind.SECOND_NOTICE],
        calls_to_units=session.scalar(select(func.count()).where(CallTask.called_at.is_not(None))) or 0,
        before=_answers(session, quarter, Period.days(plan.first, plan.first + edge - DAY)),
        after=_answers(session, quarter, Period.days(last - edge + DAY, last)),
        questions=session.scalar(select(func.count()).select_from(Question)) or 0,
        verdicts={
            rater.value: session.scalar(select(func.count()).where(Verdict.rater == rater)) or 0 for rater in Rater
        },
    )


def median_hours(hours: Iterable[float | None]) -> float | None:
    """The median of those that there are, to a tenth; None without any."""
    there = [each for each in hours if each is not None]
    return round(median(there), 1) if there else None


def _found(session: Session, quarter: Quarter) -> Mapping[str, Sequence[datetime]]:
    """By code: when a correction notice was drafted on a version that was faulty, or a gap of that matter was sent."""
    moments: dict[str, list[datetime]] = {}
    for notice in session.scalars(select(Notice).where(Notice.kind == NoticeKind.CORRECTION)):
        if notice.entry_id is not None and _was_faulty(quarter, notice):
            moments.setdefault(quarter.truth.codes[notice.entry_id], []).append(notice.created_at)
    for sent in quarter.gaps_sent:
        if sent.on_missing:
            moments.setdefault(sent.about, []).append(sent.at)
    return moments


def _course(session: Session, quarter: Quarter, fault: Fault, found: Mapping[str, Sequence[datetime]]) -> Course:
    moments = [at for at in found.get(fault.code, ()) if at >= fault.since]
    found_at, mended_at = min(moments, default=None), quarter.truth.mended.get(fault.code)
    calendar = city_rules(session, fault.since).calendar

    def hours(start: datetime | None, end: datetime | None) -> float | None:
        return working_seconds(start, end, calendar) / 3600 if start and end else None

    return Course(fault, found_at, mended_at, hours(fault.since, found_at), hours(found_at, mended_at))


def _was_faulty(quarter: Quarter, notice: Notice) -> bool:
    """Whether the version that the notice finds wrong was, when it was drafted."""
    version = notice.version
    assert version is not None
    return not quarter.truth.is_right(version.entry_id, version.answer, version.spoken, notice.created_at)


def _events(session: Session) -> Counter[ClockEventKind]:
    """What befell the clocks of corrections."""
    of_corrections = select(ClockEvent.kind).join(Clock, Clock.id == ClockEvent.clock_id).where(Clock.name == RECTIFY)
    return Counter(session.scalars(of_corrections))


def _answers(session: Session, quarter: Quarter, period: Period) -> Answers:
    counted = rate(session, RATE, period)
    behind = calls_behind(session, RATE, period).subquery()
    standing: dict[int, str] = dict(session.execute(select(behind.c.id, behind.c.standing)).tuples().all())
    achieved = [call for call in quarter.true_calls if standing.get(call.call_id) == CallStanding.ACHIEVED.value]
    missed = [call for call in quarter.true_calls if standing.get(call.call_id) == CallStanding.MISSED.value]
    right = sum(call.right for call in achieved)
    possible = sum(call.kind is IntentKind.MATTER and not call.faulty for call in (*achieved, *missed))
    return Answers(
        by_base=None if counted.value is None else round(float(counted.value), 4),
        true=_share(right, counted.denominator),
        possible=_share(possible, counted.denominator),
        calls=counted.denominator,
        wrong=len(achieved) - right,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
