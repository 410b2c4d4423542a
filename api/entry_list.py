"""The list of entries that a person may see: filtered, ordered, one page of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased, lazyload

from api.dates import SOON
from api.listing import PAGE_SIZE, offset_of
from api.security import Caller
from kb_admin.visibility import answering, in_units
from models.knowledge import Category, Entry, Phrasing, Version
from models.organisation import Unit
from models.values import Publicity, VersionStatus

Columns = TypeVarTuple("Columns")


class Due(StrEnum):
    """Filter by the end of validity."""

    SOON = "soon"
    OVER = "over"


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: any."""

    text: str = ""
    unit_id: int | None = None
    category: str = ""
    status: VersionStatus | None = None
    due: Due | None = None
    sort: str = "code"


@dataclass(frozen=True)
class EntryLine:
    code: str
    question: str
    unit: str
    category: str
    status: VersionStatus
    internal: bool
    valid_from: datetime | None
    valid_to: datetime | None
    newer: VersionStatus | None
    """Status of a newer version that is under way beside the one shown; only for who reads the entry's history."""


Current = aliased(Version, name="current")
Newest = aliased(Version, name="newest")
Standard = aliased(Phrasing, name="standard")

ORDERS = {
    "code": Entry.code,
    "question": Standard.text,
    "unit": Unit.name,
    "category": Category.path,
    "status": Current.status,
    "valid_to": Current.valid_to,
}


def count_entries(session: Session, wanted: Wanted, caller: Caller, now: datetime) -> int:
    """How many entries the filters leave."""
    query = _joined(select(func.count(Entry.id))).where(*_conditions(wanted, caller, now))
    return session.scalar(query) or 0


def list_entries(session: Session, wanted: Wanted, caller: Caller, now: datetime, *, page: int) -> list[EntryLine]:
    """One page of them; entries without an end of validity stand last, ties by code."""
    name = wanted.sort.removeprefix("-")
    column = ORDERS.get(name, Entry.code)
    order = column.desc().nulls_last() if wanted.sort.startswith("-") else column.asc().nulls_last()
    query = (
        _joined(
            select(Current, Newest, Entry.code, Standard.text, Unit.id, Unit.name, Category.path).select_from(Entry)
        )
        .where(*_conditions(wanted, caller, now))
        .order_by(order, Entry.code)
        .limit(PAGE_SIZE)
        .offset(offset_of(page))
        .options(lazyload("*"))
    )
    return [
        EntryLine(
            code=code,
            question=question,
            unit=unit,
            category=category or "",
            status=current.status,
            internal=current.publicity is Publicity.INTERNAL,
            valid_from=current.valid_from,
            valid_to=current.valid_to,
            newer=newest.status if newest.id != current.id and caller.history.holds(unit_id) else None,
        )
        for current, newest, code, question, unit_id, unit, category in session.execute(query)
    ]


def visible_units(session: Session, caller: Caller, now: datetime) -> list[tuple[int, str]]:
    """Units that have entries for this person, for the filter."""
    query = (
        _joined(select(Unit.id, Unit.name).select_from(Entry))
        .where(*_conditions(Wanted(), caller, now))
        .distinct()
        .order_by(Unit.name)
    )
    return [(unit_id, name) for unit_id, name in session.execute(query)]


def visible_categories(session: Session, caller: Caller, now: datetime) -> list[str]:
    """First levels of the category paths that this person's entries have."""
    query = _joined(select(Category.path).select_from(Entry)).where(*_conditions(Wanted(), caller, now)).distinct()
    return sorted({path.split("/")[0] for path in session.scalars(query) if path})


def _joined(query: Select[*Columns]) -> Select[*Columns]:
    """Each entry with the version that stands for it: the live one, else the newest."""
    live = select(Version.id).where(Version.entry_id == Entry.id, Version.status == VersionStatus.PUBLISHED)
    newest = select(Version.id).where(Version.entry_id == Entry.id).order_by(Version.number.desc()).limit(1)
    live_id, newest_id = live.correlate(Entry).scalar_subquery(), newest.correlate(Entry).scalar_subquery()
    return (
        query.join(Unit, Unit.id == Entry.unit_id)
        .join(Current, Current.id == func.coalesce(live_id, newest_id))
        .outerjoin(Category, Category.id == Current.category_id)
        .join(Newest, Newest.id == newest_id)
        .join(Standard, and_(Standard.version_id == Current.id, Standard.position == 0))
    )


def _conditions(wanted: Wanted, caller: Caller, now: datetime) -> list[ColumnElement[bool]]:
    conditions = [_visible(caller, now)]
    if wanted.text:
        conditions.append(
            or_(
                Standard.text.contains(wanted.text, autoescape=True),
                Entry.code.contains(wanted.text, autoescape=True),
            )
        )
    if wanted.unit_id is not None:
        conditions.append(Entry.unit_id == wanted.unit_id)
    if wanted.category:
        conditions.append(
            or_(
                Category.path == wanted.category,
                Category.path.startswith(wanted.category + "/", autoescape=True),
            )
        )
    if wanted.status is not None:
        under_way = and_(_reads_history(caller), Newest.status == wanted.status)
        conditions.append(or_(Current.status == wanted.status, under_way))
    if wanted.due is Due.SOON:
        conditions.append(and_(Current.valid_to > now, Current.valid_to <= now + SOON))
    if wanted.due is Due.OVER:
        conditions.append(Current.valid_to <= now)
    return conditions


def _visible(caller: Caller, now: datetime) -> ColumnElement[bool]:
    """``api.reading.may_read`` of the version that stands for the entry, as a condition."""
    seen = or_(answering(caller.viewer, Current, now), _reads_history(caller))
    hidden = caller.viewer.hidden_entry_ids
    return and_(seen, Entry.id.not_in(hidden)) if hidden else seen


def _reads_history(caller: Caller) -> ColumnElement[bool]:
    return in_units(caller.history)
