"""How long a million due times take: a base with many open clocks computes them by the thousand."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from statistics import median
from time import perf_counter

from kb_admin.worktime import Calendar, Limit, OfficeHours, due_at, working_seconds

USUAL = OfficeHours(frozenset(range(5)), ((time(9), time(12)), (time(13, 30), time(17, 30))))
LIMITS = (
    "5 working_days",
    "60 working_days",
    "3 working_hours",
    "1 working_hour",
    "30 working_minutes",
    "22 hours",
    "1 month",
)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LAST = datetime(2026, 8, 1, tzinfo=UTC)
"""The State Council's calendar is known for every start between these and every limit above."""
STRIDE = timedelta(seconds=611_953)
"""A prime number of seconds, a week and two hours: the starts fall on all days and times of day."""
MILLION = 1_000_000


def run(count: int, repeats: int) -> str:
    """A Markdown table: one row a limit, median and slowest seconds for a million, out of ``count`` and repeats."""
    starts = _starts(count)
    lines = [
        f"| 期限 | 百万次秒数（{repeats} 次的中位数） | 最慢 |",
        "|---|---:|---:|",
    ]
    calendar = Calendar(USUAL)
    for text in LIMITS:
        lines.append(_row(Limit.parse(text).words, _adding(starts, Limit.parse(text), calendar), count, repeats))
    lines.append(_row("两个时刻之间的工作时间", _between(starts, calendar), count, repeats))
    return "\n".join(lines)


def _starts(count: int) -> Sequence[datetime]:
    span = LAST - FIRST
    return [FIRST + STRIDE * number % span for number in range(count)]


def _adding(starts: Sequence[datetime], limit: Limit, calendar: Calendar) -> Callable[[], None]:
    def work() -> None:
        for start in starts:
            due_at(start, limit, calendar)

    return work


def _between(starts: Sequence[datetime], calendar: Calendar) -> Callable[[], None]:
    def work() -> None:
        for start in starts:
            working_seconds(start, LAST, calendar)

    return work


def _row(name: str, work: Callable[[], None], count: int, repeats: int) -> str:
    seconds = sorted(_seconds(work) * MILLION / count for _ in range(repeats))
    return f"| {name} | {median(seconds):.2f} | {seconds[-1]:.2f} |"


def _seconds(work: Callable[[], None]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun
