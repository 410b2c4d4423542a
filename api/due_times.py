"""Clocks as people read them: when they end, how much working time is left, under which article."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api import dates
from kb_admin.calendars import Calendar, CalendarNotPublished
from kb_admin.clocks import is_late
from kb_admin.limits import Limit
from kb_admin.rules_in_force import rules_by_id
from kb_admin.worktime import time_left
from models.notices import Clock
from models.values import Choice


class ClockState(Choice):
    NORMAL = "normal", "正常"
    SOON = "soon", "临期"
    OVER = "over", "超期"
    ON_TIME = "on_time", "按时"
    LATE = "late", "逾期"


@dataclass(frozen=True)
class ShownClock:
    """One clock of a notice on a page."""

    title: str
    rule: str
    """The article, for whoever points at the time left."""
    limit: str
    started_at: datetime
    due_at: datetime
    first_due_at: datetime
    stopped_at: datetime | None
    left: str
    """还剩 1 个工作日 3 小时, 已超 2 个工作小时; once stopped: how late it was, empty when in time."""
    state: ClockState

    @property
    def extended(self) -> bool:
        return self.due_at != self.first_due_at


def calendars_of(session: Session, rulebook_ids: Iterable[int]) -> dict[int, Calendar]:
    """The calendar of each of these rulebooks, by which the clocks that began under it are told."""
    return {number: rules_by_id(session, number).calendar for number in set(rulebook_ids)}


def shown_clock(clock: Clock, calendar: Calendar, now: datetime) -> ShownClock:
    """The clock at ``now``."""
    state = state_of(clock, now)
    told = clock.stopped_at or now
    return ShownClock(
        title=clock.title,
        rule=clock.rule,
        limit=Limit.parse(clock.limit).words,
        started_at=clock.started_at,
        due_at=clock.due_at,
        first_due_at=clock.first_due_at,
        stopped_at=clock.stopped_at,
        left="" if state is ClockState.ON_TIME else _left(clock, calendar, told),
        state=state,
    )


def state_of(clock: Clock, now: datetime) -> ClockState:
    """Whether there is time, it runs short, or it has run out; once stopped: whether that was in time."""
    late = is_late(clock, now)
    if clock.stopped_at is not None:
        return ClockState.LATE if late else ClockState.ON_TIME
    if late:
        return ClockState.OVER
    return ClockState.SOON if clock.warn_at is not None and now >= clock.warn_at else ClockState.NORMAL


def _left(clock: Clock, calendar: Calendar, at: datetime) -> str:
    """In working time; in plain days and hours where the calendar of a coming year is not there yet."""
    try:
        return time_left(at, clock.due_at, calendar, Limit.parse(clock.limit).unit).words
    except CalendarNotPublished:
        return dates.time_left(clock.due_at, at)
