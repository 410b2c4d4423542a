"""正确率: the live entries that people have judged, as far as they are for this person; filtered and ordered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from api.listing import PAGE_SIZE, offset_of
from api.security import Caller
from kb_admin.correction_words import rate_words
from kb_admin.corrections import under_correction
from kb_admin.correctness import Count, Standing, Tally, counts_of, tallies_of
from kb_admin.permissions import Action, Reach
from kb_admin.rules_in_force import city_rights
from kb_admin.visibility import in_units, reach_of
from models.knowledge import Entry, Phrasing, Version
from models.notices import Notice
from models.organisation import Unit
from models.usage import Verdict
from models.values import Publicity, VersionStatus

WEEKS = 8
"""Points of the trend, one for each week up to now."""
WEEK = timedelta(days=7)
SPARK = (72, 18)
"""Width and height of the trend's drawing, in its own units."""


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: any."""

    text: str = ""
    unit_id: int | None = None
    standing: Standing | None = None
    mending: bool = False
    """Only those with an unfinished correction notice."""
    sort: str = "rate"


@dataclass(frozen=True)
class Found:
    """A live entry with its count."""

    version_id: int
    number: int
    entry_id: int
    code: str
    question: str
    unit: str
    internal: bool
    last_at: datetime
    """Of the verdicts on any of its versions."""
    count: Tally


@dataclass(frozen=True)
class Trend:
    """The rate at the end of each of the last weeks, the oldest first."""

    rates: tuple[Fraction | None, ...]
    """None: nobody had judged yet."""
    threshold: Fraction

    @property
    def line(self) -> str:
        """Points for a drawing; empty with fewer than two."""
        known = [(place, rate) for place, rate in enumerate(self.rates) if rate is not None]
        step = SPARK[0] / (len(self.rates) - 1)
        points = (f"{place * step:g},{self._height(rate):g}" for place, rate in known)
        return " ".join(points) if len(known) > 1 else ""

    @property
    def threshold_height(self) -> str:
        """Where the threshold lies in the drawing."""
        return f"{self._height(self.threshold):g}"

    def _height(self, rate: Fraction) -> float:
        """From the top, within the drawing: a line at its edge would be cut in half. The top is 100 %, the foot the
        lowest of all that is drawn."""
        foot = min([self.threshold, *(each for each in self.rates if each is not None)])
        return round(1 + float((1 - rate) / ((1 - foot) or 1)) * (SPARK[1] - 2), 1)

    @property
    def words(self) -> str:
        """The change within the last week: 比一周前高 3.1 个百分点."""
        before, now = self.rates[-2:]
        if before is None or now is None:
            return ""
        if before == now:
            return "与一周前持平"
        points = abs(now - before) * 100
        return f"比一周前{'高' if now > before else '低'} {float(points):.1f} 个百分点"

    @property
    def arrow(self) -> str:
        """The same as one sign."""
        before, now = self.rates[-2:]
        if before is None or now is None or before == now:
            return ""
        return "↑" if now > before else "↓"


@dataclass(frozen=True)
class CorrectnessLine:
    """One row of the list."""

    found: Found
    trend: Trend
    notice: Notice | None

    @property
    def rate(self) -> str:
        return rate_words(self.found.count)

    @property
    def interval(self) -> str:
        return interval_words(self.found.count)


def reach(session: Session, caller: Caller, now: datetime) -> Reach:
    """The units whose verdicts this person reads."""
    return reach_of(Action.READ_VERDICTS, caller.grants, session.scalars(select(Unit)), city_rights(session, now))


def find(
    session: Session, wanted: Wanted, within: Reach, now: datetime, *, hidden: Collection[int] = ()
) -> list[Found]:
    """All that the filters leave, in order; ties by code."""
    rows = session.execute(_query(wanted, within, hidden)).tuples().all()
    counts = tallies_of(session, [version_id for version_id, *_ in rows], now)
    found = [
        Found(version_id, number, entry_id, code, question, unit, publicity is Publicity.INTERNAL, last, count)
        for version_id, number, entry_id, code, question, unit, publicity, last in rows
        if (count := counts[version_id]).result.raters
    ]
    if wanted.standing is not None:
        found = [each for each in found if each.count.standing is wanted.standing]
    if wanted.mending:
        mending = under_correction(session, [each.entry_id for each in found])
        found = [each for each in found if each.entry_id in mending]
    return _ordered(found, wanted.sort)


def page_of(session: Session, found: Sequence[Found], now: datetime, *, page: int) -> list[CorrectnessLine]:
    """One page of them as rows."""
    return lines_of(session, found[offset_of(page) : offset_of(page) + PAGE_SIZE], now)


def lines_of(session: Session, found: Sequence[Found], now: datetime) -> list[CorrectnessLine]:
    """As rows, with trend and correction."""
    notices = under_correction(session, [each.entry_id for each in found])
    counts = counts_of(session, [each.version_id for each in found], now)
    return [CorrectnessLine(each, trend_of(counts[each.version_id], now), notices.get(each.entry_id)) for each in found]


def standings(found: Sequence[Found]) -> Mapping[Standing, int]:
    """How many stand how."""
    return {standing: sum(each.count.standing is standing for each in found) for standing in Standing}


def units_with_verdicts(session: Session, within: Reach) -> list[tuple[int, str]]:
    """For the filter."""
    judged = select(Entry.unit_id).join(Version, Version.entry_id == Entry.id)
    judged = judged.join(Verdict, Verdict.version_id == Version.id)
    query = select(Unit.id, Unit.name).where(Unit.id.in_(judged), in_units(within, Unit.id)).order_by(Unit.name)
    return [(unit_id, name) for unit_id, name in session.execute(query)]


def trend_of(count: Count, now: datetime) -> Trend:
    """Week by week up to now."""
    moments = [now - WEEK * weeks for weeks in reversed(range(WEEKS))]
    return Trend(tuple(count.at(moment).rate for moment in moments), count.rule.threshold)


def interval_words(count: Tally) -> str:
    """41%–93%; empty where nobody has judged."""
    if count.result.interval is None:
        return ""
    low, high = count.result.interval
    return f"{low * 100:.0f}%–{high * 100:.0f}%"


def _query(
    wanted: Wanted, within: Reach, hidden: Collection[int]
) -> Select[int, int, int, str, str, str, Publicity, datetime]:
    judged = aliased(Version)
    last = (
        select(Version.entry_id, func.max(Verdict.at).label("at"))
        .join(Verdict, Verdict.version_id == Version.id)
        .group_by(Version.entry_id)
        .subquery()
    )
    query = (
        select(judged.id, judged.number, Entry.id, Entry.code, Phrasing.text, Unit.name, judged.publicity, last.c.at)
        .join(Entry, Entry.id == judged.entry_id)
        .join(Unit, Unit.id == Entry.unit_id)
        .join(Phrasing, Phrasing.version_id == judged.id)
        .join(last, last.c.entry_id == Entry.id)
        .where(judged.status == VersionStatus.PUBLISHED, Phrasing.position == 0, in_units(within))
        .order_by(Entry.code)
    )
    if hidden:
        query = query.where(Entry.id.not_in(hidden))
    if wanted.unit_id is not None:
        query = query.where(Entry.unit_id == wanted.unit_id)
    if wanted.text:
        named = Phrasing.text.contains(wanted.text, autoescape=True)
        query = query.where(named | Entry.code.contains(wanted.text, autoescape=True))
    return query


ORDERS = {
    "code": lambda each: each.code,
    "question": lambda each: each.question,
    "unit": lambda each: each.unit,
    "rate": lambda each: (each.count.result.rate, -each.count.result.raters),
    "raters": lambda each: each.count.result.raters,
    "last": lambda each: each.last_at,
}


def _ordered(found: list[Found], sort: str) -> list[Found]:
    """By code first: a stable sort keeps that among equals. By rate, those that too few have judged come last: a rate
    of one verdict says nothing."""
    name = sort.removeprefix("-") if sort.removeprefix("-") in ORDERS else "rate"
    ordered = sorted(sorted(found, key=ORDERS["code"]), key=ORDERS[name], reverse=sort.startswith("-"))
    return sorted(ordered, key=lambda each: each.count.standing is Standing.FEW) if name == "rate" else ordered
