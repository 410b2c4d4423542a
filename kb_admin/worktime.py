"""Counting working time: when a limit ends, what lies before a moment, and how much working time is between two.

Every moment counts in whole seconds, as people see it on the page: a fraction of a second is dropped. Days are those of
China's one time, UTC+8 the year round. docs/working-time.md says all of this for clerks, with worked examples.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from kb_admin.calendars import DAY, Calendar, CalendarNotPublished, OfficeHours
from kb_admin.limits import Limit, LimitUnit
from models.errors import Invalid
from models.values import LATEST

__all__ = [
    "Calendar",
    "CalendarNotPublished",
    "Limit",
    "LimitUnit",
    "OfficeHours",
    "TimeLeft",
    "due_at",
    "lead",
    "missing_calendar",
    "time_left",
    "working_seconds",
]

MIDNIGHT = datetime(1999, 12, 31, 16, tzinfo=UTC)
"""Some midnight in China, and the day that begins there: moments are told from here, without any time zone's tables."""
MIDNIGHT_DAY = date(2000, 1, 1).toordinal()
SECONDS = {
    LimitUnit.MINUTES: 60,
    LimitUnit.HOURS: 3600,
    LimitUnit.DAYS: DAY,
    LimitUnit.WORKING_MINUTES: 60,
    LimitUnit.WORKING_HOURS: 3600,
}


def due_at(start: datetime, limit: Limit, calendar: Calendar, *, start_day_counts: bool = False) -> datetime:
    """When a limit that starts at ``start`` ends, in UTC.

    N working days end at the close of the N-th working day after the start's; with ``start_day_counts`` the start's own
    day is the first, if it is a working day and the start lies before its close. Working hours and minutes run inside
    office hours only, and end at the close when they end exactly there. Months keep the time of day and end on the
    month's last day at the latest. Raises CalendarNotPublished when a year that is needed is not known.
    """
    day, second = place(start)
    unit = limit.unit
    if unit is LimitUnit.WORKING_DAYS:
        counts = start_day_counts and second < calendar.closes
        return _moment(calendar.nth_from(day if counts else day + 1, limit.count), calendar.closes)
    if unit.is_working:
        return _after_working(day, second, limit.count * SECONDS[unit], calendar)
    if unit is LimitUnit.MONTHS:
        return _moment(_months_on(day, limit.count), second)
    return _moment(day, second + limit.count * SECONDS[unit])


def lead(due: datetime, limit: Limit, calendar: Calendar) -> datetime:
    """The moment that lies ``limit`` before ``due``, in UTC: when to remind, or until when to ask.

    So many working days before lies at the same time of day; before a moment on a day off, at the close of the working
    day. Working hours and minutes go back to the opening when they end exactly there, so that nobody is reminded in
    the evening of what fits the next morning. Raises as ``due_at``.
    """
    day, second = place(due)
    unit = limit.unit
    if unit is LimitUnit.WORKING_DAYS:
        if calendar.is_working_day(date.fromordinal(day)):
            return _moment(calendar.nth_until(day - 1, limit.count), second)
        return _moment(calendar.nth_until(day - 1, limit.count + 1), calendar.closes)
    if unit.is_working:
        return _before_working(day, second, limit.count * SECONDS[unit], calendar)
    if unit is LimitUnit.MONTHS:
        return _moment(_months_on(day, -limit.count), second)
    return _moment(day, second - limit.count * SECONDS[unit])


def working_seconds(start: datetime, end: datetime, calendar: Calendar) -> int:
    """Working seconds from ``start`` to ``end``; negative when ``end`` is earlier. a→b and b→c add up to a→c."""
    if end < start:
        return -working_seconds(end, start, calendar)
    (first, begun), (last, ended) = (_out_of_the_evening(*place(moment), calendar) for moment in (start, end))
    whole_days = calendar.count_between(first, last) * calendar.day_seconds
    return whole_days + _worked(last, ended, calendar) - _worked(first, begun, calendar)


@dataclass(frozen=True)
class TimeLeft:
    """What is left until a moment, or what has passed since, cut to whole minutes."""

    working_days: int
    working_hours: int
    working_minutes: int
    overdue: bool
    """From the moment itself on."""
    seconds: int
    """The same to the second; negative when overdue."""
    natural: bool = False
    """The three numbers are natural days, hours and minutes, nights and holidays included."""

    @property
    def words(self) -> str:
        """As people read it: "还剩 1 个工作日 3 小时", "已超 2 个工作小时"."""
        if abs(self.seconds) < 60:
            return "已到期" if self.overdue else "还剩不到 1 分钟"
        return f"{'已超' if self.overdue else '还剩'} {self._amount}"

    @property
    def _amount(self) -> str:
        days, hours, minutes = (
            (LimitUnit.DAYS, LimitUnit.HOURS, LimitUnit.MINUTES)
            if self.natural
            else (LimitUnit.WORKING_DAYS, LimitUnit.WORKING_HOURS, LimitUnit.WORKING_MINUTES)
        )
        if self.working_days:
            return f"{self.working_days} {days.label}" + (f" {self.working_hours} 小时" if self.working_hours else "")
        if self.working_hours:
            return f"{self.working_hours} {hours.label}" + (
                f" {self.working_minutes} 分钟" if self.working_minutes else ""
            )
        return f"{self.working_minutes} {minutes.label}"


def time_left(now: datetime, due: datetime, calendar: Calendar, unit: LimitUnit = LimitUnit.WORKING_HOURS) -> TimeLeft:
    """How long it is until ``due``: in working time for limits of working units, in natural time for the others.

    A working day is as many hours as the city works in one.
    """
    natural = not unit.is_working
    seconds = _seconds_between(now, due) if natural else working_seconds(now, due, calendar)
    days, rest = divmod(abs(seconds), DAY if natural else calendar.day_seconds)
    return TimeLeft(days, rest // 3600, rest % 3600 // 60, place(now) >= place(due), seconds, natural)


def missing_calendar(now: datetime, calendar: Calendar, *, longest: Limit | None = None) -> int | None:
    """The year without a published calendar that a clock will need soon; None when all is well.

    From one month before the year begins; with ``longest``, the longest limit in use, from one month before the first
    clock can reach into the year.
    """
    today, _ = place(now)
    year = date.fromordinal(today).year
    if not calendar.is_published(year):
        return year
    begins = date(year + 1, 1, 1).toordinal()
    needed = lead(_moment(begins, -1), longest, calendar) if longest else _moment(begins, 0)
    warned = lead(needed, Limit(1, LimitUnit.MONTHS), calendar)
    return year + 1 if now >= warned and not calendar.is_published(year + 1) else None


def place(moment: datetime) -> tuple[int, int]:
    """The day in China, as an ordinal, and the whole second of that day. Raises TypeError for a moment without zone."""
    since = moment - MIDNIGHT
    return MIDNIGHT_DAY + since.days, since.seconds


def _moment(day: int, second: int) -> datetime:
    """The other way round; the second may lie outside the day. Raises Invalid past LATEST."""
    moment = MIDNIGHT + timedelta(day - MIDNIGHT_DAY, second)
    if moment > LATEST:
        raise Invalid(f"期限超出 {LATEST.year} 年，请核对数字。")
    return moment


def _after_working(day: int, second: int, seconds: int, calendar: Calendar) -> datetime:
    first = calendar.nth_from(day if second < calendar.closes else day + 1, 1)
    worked = seconds + (calendar.worked_before(second) if first == day else 0)
    more_days, rest = divmod(worked - 1, calendar.day_seconds)
    last = calendar.nth_from(first, more_days + 1) if more_days else first
    return _moment(last, calendar.when_worked(rest + 1))


def _before_working(day: int, second: int, seconds: int, calendar: Calendar) -> datetime:
    last = calendar.nth_until(day if second > calendar.opens else day - 1, 1)
    worked = calendar.worked_before(second) if last == day else calendar.day_seconds
    more_days, rest = divmod(calendar.day_seconds - worked + seconds - 1, calendar.day_seconds)
    first = calendar.nth_until(last, more_days + 1) if more_days else last
    return _moment(first, calendar.before_work(calendar.day_seconds - rest - 1))


def _months_on(day: int, months: int) -> int:
    """The same day of another month, or that month's last. Raises Invalid where no date goes."""
    start = date.fromordinal(day)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year < LATEST.year:
        raise Invalid(f"{abs(months)} 个月超出可以计算的年份，请核对数字。")
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1])).toordinal()


def _out_of_the_evening(day: int, second: int, calendar: Calendar) -> tuple[int, int]:
    """After the close it may as well be the next midnight; so the evening asks for no calendar of its own day."""
    return (day + 1, 0) if second >= calendar.closes else (day, second)


def _worked(day: int, second: int, calendar: Calendar) -> int:
    if second <= calendar.opens or not calendar.is_working_day(date.fromordinal(day)):
        return 0
    return calendar.worked_before(second)


def _seconds_between(start: datetime, end: datetime) -> int:
    (first, begun), (last, ended) = place(start), place(end)
    return (last - first) * DAY + ended - begun
