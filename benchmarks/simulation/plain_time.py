"""Working time counted the slow way, day by day along the published list of holidays, as a clerk does with a
calendar on the wall. Shares nothing with ``kb_admin.worktime``, which it is there to check."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta

from chinese_calendar import constants

from benchmarks.simulation.written_rules import Hours
from models.errors import Unavailable
from models.values import CHINA

DAY = timedelta(days=1)
NATURAL = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": DAY}
WORKED = {"working_minute": timedelta(minutes=1), "working_hour": timedelta(hours=1)}


class PlainCalendar:
    """Office hours and days off of one city."""

    def __init__(self, hours: Hours) -> None:
        self.hours = hours

    def works_on(self, day: date) -> bool:
        """Whether the offices are open. Raises Unavailable for a year whose list is not published."""
        if day in self.hours.workdays:
            return True
        if day in self.hours.holidays:
            return False
        if self.hours.statutory:
            if not any(known.year == day.year for known in constants.holidays):
                raise Unavailable(f"还没有 {day.year} 年的放假安排，不能模拟到那时。请换一个月份。")
            if day in constants.workdays:
                return True
            if day in constants.holidays:
                return False
        return day.weekday() in self.hours.weekdays

    def due(self, start: datetime, limit: str, *, start_day_counts: bool = False) -> datetime:
        """When a limit such as "5 working_days" ends that begins at ``start``."""
        count, unit = _parts(limit)
        local = start.astimezone(CHINA)
        if unit == "working_day":
            return self._working_days_on(local, count, start_day_counts).astimezone(UTC)
        if unit in WORKED:
            return self.worked_on(start, WORKED[unit] * count)
        if unit == "month":
            return _months_on(local, count).astimezone(UTC)
        return start.astimezone(UTC) + NATURAL[unit] * count

    def lead(self, due: datetime, limit: str) -> datetime:
        """The moment that lies so long before ``due``."""
        count, unit = _parts(limit)
        local = due.astimezone(CHINA)
        if unit == "working_day":
            return self._working_days_back(local, count).astimezone(UTC)
        if unit in WORKED:
            return self._worked_back(local, WORKED[unit] * count).astimezone(UTC)
        if unit == "month":
            return _months_on(local, -count).astimezone(UTC)
        return due.astimezone(UTC) - NATURAL[unit] * count

    def worked_on(self, start: datetime, amount: timedelta) -> datetime:
        """The moment at which so much has been worked since ``start``."""
        local = start.astimezone(CHINA)
        day = local.date()
        while True:
            for opens, closes in self._spans(day):
                begins = max(opens, local)
                if begins < closes:
                    if amount <= closes - begins:
                        return (begins + amount).astimezone(UTC)
                    amount -= closes - begins
            day += DAY

    def closes(self, day: date) -> datetime:
        """The end of a working day."""
        return _ends(day, self.hours.spans[-1][1])

    def _spans(self, day: date) -> list[tuple[datetime, datetime]]:
        if not self.works_on(day):
            return []
        return [(datetime.combine(day, a, CHINA), _ends(day, b)) for a, b in self.hours.spans]

    def _working_days_on(self, start: datetime, count: int, start_day_counts: bool) -> datetime:
        day = start.date()
        if start_day_counts and self.works_on(day) and start < self.closes(day):
            count -= 1
        while count:
            day += DAY
            if self.works_on(day):
                count -= 1
        return self.closes(day)

    def _working_days_back(self, due: datetime, count: int) -> datetime:
        day, at = due.date(), due.timetz()
        at_the_close = not self.works_on(day)
        count += at_the_close
        while count:
            day -= DAY
            if self.works_on(day):
                count -= 1
        return self.closes(day) if at_the_close else datetime.combine(day, at)

    def _worked_back(self, due: datetime, amount: timedelta) -> datetime:
        day = due.date()
        while True:
            for opens, closes in reversed(self._spans(day)):
                ends = min(closes, due)
                if opens < ends:
                    if amount <= ends - opens:
                        return ends - amount
                    amount -= ends - opens
            day -= DAY


def midnight(day: date) -> datetime:
    """The first moment of a day in China."""
    return datetime.combine(day, time(), CHINA).astimezone(UTC)


def _ends(day: date, at: time) -> datetime:
    """An end of 00:00 is the midnight at the end of the day."""
    return datetime.combine(day if at > time() else day + DAY, at, CHINA)


def _parts(limit: str) -> tuple[int, str]:
    count, unit = limit.split()
    return int(count), unit.removesuffix("s")


def _months_on(local: datetime, count: int) -> datetime:
    months = local.year * 12 + local.month - 1 + count
    year, month = divmod(months, 12)
    return local.replace(year=year, month=month + 1, day=min(local.day, monthrange(year, month + 1)[1]))
