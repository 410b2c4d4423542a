"""The working of a count, step by step, for people who doubt it or want to check it with a wall calendar."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby

from kb_admin.calendars import DAY, Calendar
from kb_admin.limits import Limit, LimitUnit
from kb_admin.worktime import due_at, place, time_left, working_seconds

WEEKDAYS = "一二三四五六日"


def explain_due(
    start: datetime, limit: Limit, calendar: Calendar, *, start_day_counts: bool = False
) -> tuple[str, ...]:
    """How ``due_at`` came to its answer, a sentence a line. Raises as ``due_at``."""
    due = due_at(start, limit, calendar, start_day_counts=start_day_counts)
    opening = f"起算：{moment_words(start)}；期限：{limit.words}。"
    if not limit.unit.is_working:
        return opening, _natural(start, due, limit), f"到期：{moment_words(due)}。"
    if limit.unit is LimitUnit.WORKING_DAYS:
        steps, ending = _by_days(start, due, calendar, start_day_counts), f"，第 {limit.count} 个工作日下班时"
    else:
        steps, ending = _by_hours(start, due, calendar), ""
    return opening, hours_words(calendar), *steps, f"到期：{moment_words(due)}{ending}。"


def explain_left(start: datetime, end: datetime, calendar: Calendar) -> tuple[str, ...]:
    """The working time from ``start`` to ``end``, day by day, and its sum. Raises CalendarNotPublished."""
    earlier, later = sorted((start, end))
    total = abs(working_seconds(start, end, calendar))
    return (
        f"从 {moment_words(start)} 到 {moment_words(end)}。",
        hours_words(calendar),
        *_by_hours(earlier, later, calendar),
        f"合计：{duration_words(total)}工作时间，{time_left(start, end, calendar).words}。",
    )


def moment_words(moment: datetime) -> str:
    """ "2026年9月29日（周二）16:40", the time in China."""
    day, second = place(moment)
    return f"{date.fromordinal(day).year}年{_day(day)}{_clock(second)}"


def hours_words(calendar: Calendar) -> str:
    """The city's week and day, in one sentence."""
    days = sorted(calendar.hours.weekdays)
    names = [f"周{WEEKDAYS[day]}" for day in days]
    in_a_row = len(days) > 2 and days == list(range(days[0], days[-1] + 1))
    week = f"{names[0]}至{names[-1]}" if in_a_row else "、".join(names)
    holidays = "法定节假日和调休按国务院办公厅的通知" if calendar.hours.statutory else "不按法定节假日和调休"
    own = "，另有本地安排" if calendar.hours.holidays or calendar.hours.workdays else ""
    spans = _spans(calendar.spans)
    return f"办公时间：{week}，{spans}，一个工作日 {duration_words(calendar.day_seconds)}；{holidays}{own}。"


def duration_words(seconds: int) -> str:
    """ "2 小时 30 分"; hours are not made into days."""
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = (f"{n} {unit}" for n, unit in ((hours, "小时"), (minutes, "分"), (rest, "秒")) if n)
    return " ".join(parts) or "0 分"


def _natural(start: datetime, due: datetime, limit: Limit) -> str:
    if limit.unit is not LimitUnit.MONTHS:
        return "按自然时间连续计算，夜间、周末、节假日都算在内。"
    begun, ended = (date.fromordinal(place(moment)[0]) for moment in (start, due))
    if begun.day == ended.day:
        return "按月计算，到期日与起算日同日同时。"
    return f"按月计算，{ended.month}月没有 {begun.day} 日，到当月最后一天为止。"


@dataclass(frozen=True)
class _Run:
    """Days in a row that are of one kind."""

    first: int
    last: int
    kind: str
    working: bool

    @property
    def words(self) -> str:
        return _day(self.first) if self.first == self.last else f"{_day(self.first)}至{_day(self.last)}"


def _by_days(start: datetime, due: datetime, calendar: Calendar, start_day_counts: bool) -> Iterator[str]:
    (day, second), (last, last_second) = place(start), place(due)
    counts = start_day_counts and second < calendar.closes
    if not counts:
        why = "起算时已过下班时间，当天" if start_day_counts else "起算当天"
        yield f"{_day(day)}：{why}不计，从下一个工作日数起。"
    counted = 0
    for run in _runs(day if counts else day + 1, last if last_second else last - 1, calendar):
        if not run.working:
            yield f"{run.words}：{run.kind}，不计。"
            continue
        first, counted = counted + 1, counted + run.last - run.first + 1
        numbers = f"第 {first} 个" if first == counted else f"第 {first} 至 {counted} 个"
        unit = "" if run.kind == "工作日" else "工作日"
        yield f"{run.words}：{run.kind}，{numbers}{unit}。"


def _by_hours(start: datetime, end: datetime, calendar: Calendar) -> Iterator[str]:
    (first, begun), (last, ended) = place(start), place(end)
    total = 0
    for run in _runs(first, last if ended > calendar.opens else last - 1, calendar):
        if not run.working:
            yield f"{run.words}：{run.kind}，不计。"
            continue
        for spans, days in _alike(run, (first, begun), (last, ended), calendar):
            each = sum(until - since for since, until in spans)
            total += each * (days.last - days.first + 1)
            yield _counted(days, spans, each, total)


def _alike(
    run: _Run, start: tuple[int, int], end: tuple[int, int], calendar: Calendar
) -> Iterator[tuple[tuple[tuple[int, int], ...], _Run]]:
    """The days of a run, those together of which the same hours count."""

    def counted(day: int) -> tuple[tuple[int, int], ...]:
        since, until = start[1] if day == start[0] else 0, end[1] if day == end[0] else DAY
        clipped = ((max(opens, since), min(closes, until)) for opens, closes in calendar.spans)
        return tuple((opens, closes) for opens, closes in clipped if opens < closes)

    for spans, days in groupby(range(run.first, run.last + 1), key=counted):
        together = list(days)
        yield spans, replace(run, first=together[0], last=together[-1])


def _counted(days: _Run, spans: tuple[tuple[int, int], ...], each: int, total: int) -> str:
    kind = "" if days.kind == "工作日" else f"{days.kind}，"
    if not spans:
        return f"{days.words}：{kind}已过下班时间，不计。"
    every = "每天 " if days.first != days.last else ""
    return f"{days.words}：{kind}{_spans(spans)}，{every}{duration_words(each)}，累计 {duration_words(total)}。"


def _runs(first: int, last: int, calendar: Calendar) -> Iterator[_Run]:
    def nature(day: int) -> tuple[str, bool]:
        named = date.fromordinal(day)
        return calendar.kind(named), calendar.is_working_day(named)

    for (kind, working), days in groupby(range(first, last + 1), key=nature):
        in_a_row = list(days)
        yield _Run(in_a_row[0], in_a_row[-1], kind, working)


def _day(day: int) -> str:
    named = date.fromordinal(day)
    return f"{named.month}月{named.day}日（周{WEEKDAYS[named.weekday()]}）"


def _clock(second: int) -> str:
    seconds = f":{second % 60:02d}" if second % 60 else ""
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}{seconds}"


def _spans(spans: Iterable[tuple[int, int]]) -> str:
    return "、".join(f"{_clock(start)}–{_clock(end)}" for start, end in spans)
