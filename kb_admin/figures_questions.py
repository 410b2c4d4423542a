"""来电与提问: how many calls, which questions found nothing, how long a gap took until it could be answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from statistics import median

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session

from kb_admin.calendars import Calendar, CalendarNotPublished
from kb_admin.call_standings import began_in
from kb_admin.definitions import definition
from kb_admin.figures import Figure
from kb_admin.periods import Period
from kb_admin.rules_in_force import city_rules
from kb_admin.sql_days import local_day
from kb_admin.worktime import working_seconds
from models.improvement import GapGroup, GapItem
from models.incoming import IncomingCall
from models.usage import Question
from models.values import GapStatus, Outcome

HOUR = 3600
CLOSED = (GapStatus.ANSWERED, GapStatus.DISMISSED)


@dataclass(frozen=True)
class TopGroup:
    """A group of questions without an answer, as far as it was asked in a period."""

    group_id: int
    label: str
    status: GapStatus
    calls: int
    """Distinct ones; what an agent recorded outside a call counts as one."""


def calls(session: Session, period: Period) -> Figure:
    """来电量: calls that began in the period and have ended."""
    count = session.scalar(select(func.count(IncomingCall.id)).where(*began_in(period)))
    still_open = session.scalar(
        select(func.count(IncomingCall.id)).where(
            IncomingCall.started_at >= period.start,
            IncomingCall.started_at < period.end,
            IncomingCall.ended_at.is_(None),
        )
    )
    return Figure(definition("calls"), count or 0, excluded=still_open or 0, period=period)


def no_result_share(session: Session, period: Period) -> Figure:
    """未找到占比: of the questions asked in calls, those that found nothing."""
    days = no_result_by_day(session, period).values()
    nothing, asked = sum(day.numerator for day in days), sum(day.denominator or 0 for day in days)
    return Figure(definition("no_result_share"), nothing, asked, period=period)


def no_result_by_day(session: Session, period: Period) -> dict[date, Figure]:
    """The same for each day."""
    day = local_day(Question.asked_at)
    nothing = func.sum(case((Question.outcome == Outcome.NONE, 1), else_=0))
    query = (
        select(day.label("day"), nothing, func.count())
        .where(Question.asked_at >= period.start, Question.asked_at < period.end, Question.call_id.is_not(None))
        .group_by("day")
    )
    found = {each: (int(none), asked) for each, none, asked in session.execute(query)}
    one = definition("no_result_share")
    return {d: Figure(one, *found.get(d.isoformat(), (0, 0)), period=period) for d in period.local_days}


def no_result_questions(session: Session, period: Period, *, limit: int) -> tuple[Figure, Sequence[TopGroup]]:
    """未找到的提问: how many open groups of such questions were asked in the period, and those that most calls asked,
    ties by age."""
    of_call = func.count(Question.call_id.distinct())
    alone = func.sum(case((Question.call_id.is_(None), 1), else_=0))
    groups = (
        select(GapItem.group_id.label("group_id"), (of_call + alone).label("calls"))
        .outerjoin(Question, Question.id == GapItem.question_id)
        .where(GapItem.at >= period.start, GapItem.at < period.end, _of_a_call())
        .group_by(GapItem.group_id)
        .subquery()
    )
    listed = (
        select(GapGroup.id, GapGroup.label, GapGroup.status, groups.c.calls)
        .join(groups, groups.c.group_id == GapGroup.id)
        .where(GapGroup.status.not_in(CLOSED))
        .order_by(groups.c.calls.desc(), GapGroup.id)
    )
    count = session.scalar(select(func.count()).select_from(listed.subquery())) or 0
    top = [
        TopGroup(group_id, label, status, int(n)) for group_id, label, status, n in session.execute(listed.limit(limit))
    ]
    return Figure(definition("no_result_questions"), count, period=period), top


def gap_hours(session: Session, period: Period) -> Figure:
    """从缺失到能解答的时间: the median of working hours over the groups that became answered in the period."""
    hours = gap_hours_each(session, period)
    middle = Fraction(median(hours)) if hours else None
    return Figure(definition("gap_hours"), len(hours), period=period, median=middle)


def gap_hours_each(session: Session, period: Period) -> list[Fraction]:
    """Of each of them, the shortest first; without those of years whose holidays are not in the system yet."""
    spans = session.execute(
        select(func.min(GapItem.at), GapGroup.closed_at)
        .join(GapGroup, GapGroup.id == GapItem.group_id)
        .where(
            GapGroup.status == GapStatus.ANSWERED, GapGroup.closed_at >= period.start, GapGroup.closed_at < period.end
        )
        .group_by(GapGroup.id, GapGroup.closed_at)
    ).tuples()
    calendar = city_rules(session, period.start).calendar
    hours = (_working_hours(_first(asked), _first(closed), calendar) for asked, closed in spans)
    return sorted(each for each in hours if each is not None)


def _working_hours(start: datetime, end: datetime, calendar: Calendar) -> Fraction | None:
    """None where they cannot be counted: one figure the less, and the others of the page still stand."""
    try:
        return Fraction(working_seconds(start, end, calendar), HOUR)
    except CalendarNotPublished:
        return None


def _of_a_call() -> ColumnElement[bool]:
    """Asked in a call, or recorded by an agent."""
    return or_(Question.call_id.is_not(None), GapItem.gap_id.is_not(None))


def _first(moment: datetime | None) -> datetime:
    assert moment is not None  # a closed group has a moment and at least the question it was made of
    return moment
