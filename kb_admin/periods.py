"""期间: a span of whole local days that a figure tells of, and the one before it to compare with."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from models.errors import Invalid
from models.values import CHINA, EARLIEST, LATEST, Choice

QUARTER_MONTHS = 3


class Span(Choice):
    """How long a period is."""

    WEEK = "week", "周"
    MONTH = "month", "月"
    QUARTER = "quarter", "季"
    YEAR = "year", "年"
    DAYS = "days", "自选"


@dataclass(frozen=True)
class Period:
    """[start, end) in UTC, from a local midnight to a local midnight."""

    start: datetime
    end: datetime
    span: Span = Span.DAYS

    @classmethod
    def of(cls, span: Span, day: date) -> "Period":
        """The week, month, quarter or year that the day lies in; for ``DAYS`` the day alone. Raises Invalid for a day
        beyond what the base holds."""
        _check(day, day)
        first = _first(span, day)
        return cls.days(first, _next(span, first) - timedelta(days=1), span=span)

    @classmethod
    def week(cls, day: date) -> "Period":
        """From Monday on."""
        return cls.of(Span.WEEK, day)

    @classmethod
    def month(cls, day: date) -> "Period":
        return cls.of(Span.MONTH, day)

    @classmethod
    def quarter(cls, day: date) -> "Period":
        return cls.of(Span.QUARTER, day)

    @classmethod
    def year(cls, day: date) -> "Period":
        return cls.of(Span.YEAR, day)

    @classmethod
    def days(cls, first: date, last: date, *, span: Span = Span.DAYS) -> "Period":
        """From one local day to another, both included. Raises Invalid when they are the wrong way round or too far."""
        if last < first:
            raise Invalid(f"起止日期颠倒：{first} 在 {last} 之后，请调换。")
        _check(first, last)
        return cls(_midnight(first), _midnight(last + timedelta(days=1)), span)

    @property
    def first(self) -> date:
        """Its first local day."""
        return self.start.astimezone(CHINA).date()

    @property
    def last(self) -> date:
        """Its last local day."""
        return self.end.astimezone(CHINA).date() - timedelta(days=1)

    @property
    def local_days(self) -> tuple[date, ...]:
        """Each of its days."""
        return tuple(self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))

    @property
    def previous(self) -> "Period":
        """The one before: the week before this week; for chosen days as many days before them."""
        before = self.first - timedelta(days=1)
        if self.span is not Span.DAYS:
            return Period.of(self.span, before)
        return Period.days(before - (self.last - self.first), before)

    @property
    def following(self) -> "Period":
        """The one after, likewise."""
        after = self.last + timedelta(days=1)
        if self.span is not Span.DAYS:
            return Period.of(self.span, after)
        return Period.days(after, after + (self.last - self.first))

    @property
    def title(self) -> str:
        """As people call it: "2026 年 11 月", "2026 年第 47 周"."""
        first = self.first
        if self.span is Span.WEEK:
            year, week, _ = first.isocalendar()
            return f"{year} 年第 {week} 周"
        if self.span is Span.MONTH:
            return f"{first.year} 年 {first.month} 月"
        if self.span is Span.QUARTER:
            return f"{first.year} 年第 {(first.month - 1) // QUARTER_MONTHS + 1} 季度"
        if self.span is Span.YEAR:
            return f"{first.year} 年"
        return self.words

    @property
    def words(self) -> str:
        """Its first and last day."""
        return f"{self.first}" if self.first == self.last else f"{self.first} 至 {self.last}"


def _check(first: date, last: date) -> None:
    if not EARLIEST.date() <= first <= last < LATEST.date():
        raise Invalid(f"日期应在 {EARLIEST.year} 年至 {LATEST.year - 1} 年之间。")


def _first(span: Span, day: date) -> date:
    if span is Span.WEEK:
        return day - timedelta(days=day.weekday())
    if span is Span.MONTH:
        return day.replace(day=1)
    if span is Span.QUARTER:
        return date(day.year, day.month - (day.month - 1) % QUARTER_MONTHS, 1)
    return date(day.year, 1, 1) if span is Span.YEAR else day


def _next(span: Span, first: date) -> date:
    """The first day after a period that begins on ``first``."""
    if span is Span.WEEK:
        return first + timedelta(days=7)
    months = {Span.MONTH: 1, Span.QUARTER: QUARTER_MONTHS, Span.YEAR: 12}.get(span, 0)
    if not months:
        return first + timedelta(days=1)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=CHINA).astimezone(UTC)
