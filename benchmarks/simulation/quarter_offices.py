"""When offices look at what: their lists of drafts, of gaps, of units to call."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from benchmarks.simulation import quarter_corrections, quarter_gaps
from benchmarks.simulation.plain_time import DAY, midnight
from benchmarks.simulation.quarter_world import Quarter

Duty = Callable[[Quarter, datetime], None]
TIMES: tuple[tuple[float, Duty], ...] = (
    (9.5, quarter_corrections.look_at_drafts),
    (11.0, quarter_corrections.look_at_drafts),
    (14.0, quarter_corrections.look_at_drafts),
    (16.0, quarter_corrections.look_at_drafts),
    (10.0, quarter_corrections.call_late_units),
    (15.0, quarter_corrections.look_at_results),
    (8.5, quarter_gaps.group_questions),
    (10.5, quarter_gaps.look_at_groups),
    (13.0, quarter_gaps.group_questions),
    (18.0, quarter_gaps.group_questions),
)
"""Hours of each working day."""


def plan_work(quarter: Quarter) -> None:
    """What the offices do by themselves on every working day of the quarter."""
    day = quarter.plan.first
    while midnight(day) < quarter.plan.ends:
        if quarter.world.calendar.works_on(day):
            _plan_day(quarter, day)
        day += DAY


def _plan_day(quarter: Quarter, day: date) -> None:
    for hour, duty in TIMES:
        at = midnight(day) + timedelta(hours=hour, seconds=quarter.chance_of("duties").randrange(1, 50))
        quarter.world.at(at, lambda now, duty=duty: duty(quarter, now))  # type: ignore[misc]
