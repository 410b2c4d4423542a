"""比率: what share of the calls was answered, under a named definition; one query for each, by day, unit or team as
wanted.

Rates count ended calls by their start. A call belongs to the unit and the field of the entry that it was answered
with; else of the entry that was shown first for its last question that found something; else to none.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, null, or_, select
from sqlalchemy.orm import Session

from kb_admin.call_standings import COUNTED, LEFT_OUT, STANDINGS, CallStanding, ended_calls
from kb_admin.definitions import CallRule, Definition, Repeat, definition
from kb_admin.periods import Period, Span
from kb_admin.rules_in_force import city_rules
from kb_admin.sql_days import local_day
from models.errors import Invalid
from models.incoming import IncomingCall
from models.knowledge import Category, Entry, Version
from models.values import Choice

__all__ = [
    "By",
    "CallStanding",
    "Period",
    "Rate",
    "Span",
    "Where",
    "calls_behind",
    "published_name",
    "rate",
    "rates_by",
]


class By(Choice):
    """Along which line a rate is split."""

    DAY = "day", "日"
    UNIT = "unit", "单位"
    FIELD = "field", "领域"
    TEAM = "team", "班组"
    PERSON = "person", "坐席"


@dataclass(frozen=True)
class Where:
    """Which calls are looked at at all; None: whichever."""

    unit_ids: frozenset[int] | None = None
    """Whose entries the calls were about."""
    field: str | None = None
    """First level of the category of the entry that the call was about; empty: of entries without category."""
    team: str | None = None
    person_id: int | None = None


@dataclass(frozen=True)
class Rate:
    """One rate with all that it takes to check it."""

    definition: Definition
    numerator: int
    denominator: int
    excluded: int
    """Calls of the period that the definition leaves out."""
    left_out: Mapping[CallStanding, int]
    """The same by the reason."""
    period: Period

    @property
    def value(self) -> Fraction | None:
        """Exactly; None when no call counts."""
        return Fraction(self.numerator, self.denominator) if self.denominator else None


def rate(session: Session, name: str, period: Period, *, where: Where | None = None) -> Rate:
    """The rate of that name over the calls that began in the period. Raises NotFound, and Invalid for a figure that is
    no rate over calls."""
    found = _tally(session, name, period, where or Where(), None)
    return _rate(definition(name), period, found.get(None, Counter()))


def rates_by(session: Session, name: str, period: Period, by: By, *, where: Where | None = None) -> dict[Any, Rate]:
    """The same split: by date, unit's id, field, team or agent's id.

    Every day of the period is there; of the others, those with calls. None: calls about no entry; "": entries without
    category, agents without team.
    """
    one = definition(name)
    found = _tally(session, name, period, where or Where(), by)
    keys = period.local_days if by is By.DAY else found.keys()
    return {key: _rate(one, period, found.get(key, Counter())) for key in keys}


def calls_behind(session: Session, name: str, period: Period, *, where: Where | None = None) -> Select[Any]:
    """The calls behind the rate, to list each case: id, standing (the value of a ``CallStanding``), started_at, team,
    person_id, subject_id (the version that it was about). Order, filter and page it by way of ``.subquery()``."""
    one = definition(name)
    return _located(_ended(session, one, period, with_subject=True), where or Where())


def published_name(session: Session, at: datetime) -> str:
    """Name of the direct-answer rate that the city publishes. Raises Unavailable where no rulebook holds."""
    return city_rules(session, at).rulebook.statistics.direct_answer


def _rate(one: Definition, period: Period, counts: Mapping[CallStanding, int]) -> Rate:
    left_out = {standing: counts[standing] for standing in LEFT_OUT if counts.get(standing)}
    achieved, missed = (counts.get(standing, 0) for standing in COUNTED)
    return Rate(one, achieved, achieved + missed, sum(left_out.values()), left_out, period)


def _tally(
    session: Session, name: str, period: Period, where: Where, by: By | None
) -> dict[Any, Counter[CallStanding]]:
    """Calls by key and standing."""
    located = by in (By.UNIT, By.FIELD) or where.unit_ids is not None or where.field is not None
    calls = _located(_ended(session, definition(name), period, with_subject=located), where).subquery()
    split, of_entry = _split(calls, by)
    query = select(split.label("split"), calls.c.standing, func.count()).select_from(calls)
    if of_entry:
        query = query.outerjoin(Version, Version.id == calls.c.subject_id)
        query = query.outerjoin(Entry, Entry.id == Version.entry_id)
    read = _reader(session, by)
    found: dict[Any, Counter[CallStanding]] = {}
    for value, standing, count in session.execute(query.group_by("split", calls.c.standing)):
        found.setdefault(read(value), Counter())[STANDINGS[standing]] += count
    return found


def _ended(session: Session, one: Definition, period: Period, *, with_subject: bool) -> Select[Any]:
    return ended_calls(_rule(one), period, _repeat_days(session, one, period), with_subject=with_subject)


def _rule(one: Definition) -> CallRule:
    if one.calls is None:
        raise Invalid(f"“{one.title}”不是来电的比率，不能按来电计算。")
    return one.calls


def _repeat_days(session: Session, one: Definition, period: Period) -> int | None:
    """By the rulebook in force when the period begins."""
    repeat = _rule(one).repeat
    if repeat is Repeat.RULEBOOK:
        return city_rules(session, period.start).rulebook.statistics.repeat_days
    return None if isinstance(repeat, Repeat) else repeat


def _located(calls: Select[Any], where: Where) -> Select[Any]:
    """Those of them that are looked at."""
    if where.team is not None:
        calls = calls.where(IncomingCall.team == where.team)
    if where.person_id is not None:
        calls = calls.where(IncomingCall.person_id == where.person_id)
    if where.unit_ids is None and where.field is None:
        return calls
    all_calls = calls.subquery()
    query = select(*all_calls.c).join(Version, Version.id == all_calls.c.subject_id)
    if where.unit_ids is not None:
        query = query.join(Entry, Entry.id == Version.entry_id).where(Entry.unit_id.in_(sorted(where.unit_ids)))
    return query if where.field is None else query.where(in_field(where.field))


def in_field(field: str) -> ColumnElement[bool]:
    """Condition on ``Version``: its category begins with that first level; "": it has none."""
    if not field:
        return Version.category_id.is_(None)
    below = or_(Category.path == field, Category.path.startswith(f"{field}/", autoescape=True))
    return Version.category_id.in_(select(Category.id).where(below))


def field_of(path: str) -> str:
    """领域: the first level of a category."""
    return path.partition("/")[0]


ABOUT_NOTHING, UNPLACED = -1, 0
"""Stand for the category of a call that was about no entry, and about one without category."""


def _split(calls: Any, by: By | None) -> tuple[ColumnElement[Any], bool]:
    """What the calls are grouped by, and whether it lies with the entry that they were about."""
    if by is By.UNIT:
        return Entry.unit_id.expression, True
    if by is By.FIELD:
        return case((Version.id.is_(None), ABOUT_NOTHING), else_=func.coalesce(Version.category_id, UNPLACED)), True
    if by is By.DAY:
        return local_day(calls.c.started_at), False
    if by is By.TEAM:
        return calls.c.team, False
    return (calls.c.person_id, False) if by is By.PERSON else (null(), False)


def _reader(session: Session, by: By | None) -> Callable[[Any], Any]:
    """From what the database groups by to the key that callers know."""
    if by is By.DAY:
        return date.fromisoformat
    if by is not By.FIELD:
        return lambda value: value
    paths: Iterable[tuple[int, str]] = session.execute(select(Category.id, Category.path)).tuples()
    fields: dict[int, str | None] = {category_id: field_of(path) for category_id, path in paths}
    fields |= {UNPLACED: "", ABOUT_NOTHING: None}
    return lambda value: fields[value]
