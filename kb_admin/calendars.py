"""When a city works: its office hours, and which days are working days."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time

from kb_admin.published_years import PublishedYear, library_year
from models.errors import Invalid
from models.values import LATEST

DAY = 86_400
"""Seconds; the clock in China is never changed."""


class CalendarNotPublished(Invalid):
    """A count needs a year of which the State Council's holidays are not in the system."""

    def __init__(self, year: int) -> None:
        self.year = year
        super().__init__(
            f"系统中还没有 {year} 年的放假安排，期限算不到那里。请按国务院办公厅的通知写好 {year}.toml"
            f"（样例见 docs/working-time.md），运行 zhida calendar add {year}.toml；"
            "或把程序库 chinesecalendar 升级到含这一年的版本。"
        )


@dataclass(frozen=True)
class OfficeHours:
    """What a city works: weekdays, spans of a day, own holidays and own working days beside the State Council's.

    Raises Invalid when they contradict each other.
    """

    weekdays: frozenset[int]
    """0 = Monday."""
    spans: tuple[tuple[time, time], ...]
    """In order, without overlap; an end of 00:00 means midnight at the end of the day."""
    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()
    """These two go before everything else."""
    statutory: bool = True
    """Whether the State Council's calendar counts."""

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise Invalid("办公时间的每周工作日应是 0（周一）至 6（周日）中的一个或几个。")
        if not self.spans:
            raise Invalid("办公时间没有写每天的上下班时间。")
        for start, end in self.spans:
            if start.microsecond or end.microsecond or start.tzinfo or end.tzinfo:
                raise Invalid(f"办公时间 {start}–{end} 应是北京时间，精确到秒。")
        edges = [edge for span in seconds_of(self.spans) for edge in span]
        if any(later <= earlier for earlier, later in zip(edges[::2], edges[1::2], strict=True)):
            raise Invalid("办公时间的一段中，下班应晚于上班。")
        if edges != sorted(edges):
            raise Invalid("办公时间的各段应按先后排列，互不重叠。")
        for day in sorted(self.holidays & self.workdays):
            raise Invalid(f"{day} 既写作本地放假又写作本地上班。")


def seconds_of(spans: tuple[tuple[time, time], ...]) -> tuple[tuple[int, int], ...]:
    """The spans as seconds since midnight."""
    return tuple((_second(start), _second(end) or DAY) for start, end in spans)


def _second(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


class Calendar:
    """The working days of a city, and the working seconds within one. Days are ordinals, as ``date`` counts them.

    Each year is laid out once, when it is first needed, so a calendar is worth keeping. ``published`` holds the years
    that the administrator added; they go before the library's.
    """

    def __init__(self, hours: OfficeHours, published: Mapping[int, PublishedYear] | None = None) -> None:
        self.hours = hours
        self.spans = seconds_of(hours.spans)
        self.opens, self.closes = self.spans[0][0], self.spans[-1][1]
        self.day_seconds = sum(end - start for start, end in self.spans)
        self._published = dict(published or {})
        self._statutory: dict[int, PublishedYear | None] = {}
        self._years: dict[int, tuple[int, ...]] = {}

    def is_working_day(self, day: date) -> bool:
        """Own days first, then the State Council's, then the weekday. Raises CalendarNotPublished."""
        if day in self.hours.workdays or day in self.hours.holidays:
            return day in self.hours.workdays
        if self.hours.statutory:
            year = self._year(day.year)
            if day in year.workdays or day in year.holidays:
                return day in year.workdays
        return day.weekday() in self.hours.weekdays

    def kind(self, day: date) -> str:
        """What the day is, in words: "工作日", "国庆节放假", "国庆节调休上班", "周末"."""
        if day in self.hours.workdays:
            return "本地安排上班"
        if day in self.hours.holidays:
            return "本地安排放假"
        if self.hours.statutory:
            year = self._year(day.year)
            if day in year.workdays:
                return f"{year.workdays[day]}调休上班"
            if day in year.holidays:
                return f"{year.holidays[day] or '法定节假日'}放假"
        if day.weekday() in self.hours.weekdays:
            return "工作日"
        return "周末" if day.weekday() >= 5 else "休息日"

    def is_published(self, year: int) -> bool:
        """Whether working days of the year can be counted."""
        return not self.hours.statutory or self._known(year) is not None

    def nth_from(self, first: int, count: int) -> int:
        """The ``count``-th working day on or after ``first``. Raises CalendarNotPublished, and Invalid past LATEST."""
        year = date.fromordinal(first).year
        while year < LATEST.year:
            days = self._working_days(year)
            before = bisect_left(days, first)
            if before + count <= len(days):
                return days[before + count - 1]
            count -= len(days) - before
            year += 1
        raise Invalid(f"期限超出 {LATEST.year} 年，请核对数字。")

    def nth_until(self, last: int, count: int) -> int:
        """The ``count``-th working day on or before ``last``, counted back. Raises as ``nth_from``."""
        year = date.fromordinal(last).year
        while year > 1:
            days = self._working_days(year)
            until = bisect_right(days, last)
            if count <= until:
                return days[until - count]
            count -= until
            year -= 1
        raise Invalid("期限早于公元元年，请核对数字。")

    def count_between(self, first: int, end: int) -> int:
        """How many working days lie from ``first`` up to, and without, ``end``."""
        if first >= end:
            return 0
        years = range(date.fromordinal(first).year, date.fromordinal(end - 1).year + 1)
        laid_out = [self._working_days(year) for year in years]
        before, until = bisect_left(laid_out[0], first), bisect_left(laid_out[-1], end)
        return sum(map(len, laid_out[:-1])) + until - before

    def worked_before(self, second: int) -> int:
        """Working seconds of a working day before that second of the day."""
        return sum(min(second, end) - start for start, end in self.spans if second > start)

    def when_worked(self, seconds: int) -> int:
        """The first second of a working day at which so many have been worked; 1 at least."""
        for start, end in self.spans:
            if seconds <= end - start:
                return start + seconds
            seconds -= end - start
        return self.closes

    def before_work(self, seconds: int) -> int:
        """The last second of a working day at which no more than so many have been worked; less than a day's."""
        for start, end in self.spans:
            if seconds < end - start:
                return start + seconds
            seconds -= end - start
        return self.closes

    def _working_days(self, year: int) -> tuple[int, ...]:
        """Ordinals of the year's working days, ascending."""
        if year not in self._years:
            days = map(date.fromordinal, range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1))
            self._years[year] = tuple(day.toordinal() for day in days if self.is_working_day(day))
        return self._years[year]

    def _year(self, year: int) -> PublishedYear:
        known = self._known(year)
        if known is None:
            raise CalendarNotPublished(year)
        return known

    def _known(self, year: int) -> PublishedYear | None:
        if year not in self._statutory:
            self._statutory[year] = self._put_together(year)
        return self._statutory[year]

    def _put_together(self, year: int) -> PublishedYear | None:
        """The year as its own notice has it, and over it the days that the next year's New Year takes from December."""
        own, following = self._published.get(year) or library_year(year), self._published.get(year + 1)
        if own is None or following is None:
            return own
        off, worked = ({day: name for day, name in days.items() if day.year == year} for days in _both(following))
        return PublishedYear(
            year,
            {day: name for day, name in own.holidays.items() if day not in worked} | off,
            {day: name for day, name in own.workdays.items() if day not in off} | worked,
        )


def _both(year: PublishedYear) -> tuple[Mapping[date, str], Mapping[date, str]]:
    return year.holidays, year.workdays
