"""Many versions at once, each taken through the moves it would take alone.

Everything is built before the first row is written: while SQLite writes, no agent's question can be recorded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import count

from sqlalchemy import func, insert, inspect, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.contents import batches
from models.base import Base
from models.errors import Invalid
from models.knowledge import Basis, Category, Entry, Keyword, Phrasing, Transition, Version
from models.organisation import Person, Region, Unit
from models.values import EntryContent, VersionStatus

S = VersionStatus
PATHS = {S.SUBMITTED: (S.SUBMITTED,), S.PUBLISHED: (S.SUBMITTED, S.PUBLISHED)}
"""The moves that lead from a draft to where an import may end."""
PARTS = ((Phrasing, "phrasings"), (Keyword, "keywords"), (Basis, "bases"), (Transition, "transitions"))
"""What a version carries, and under which name."""

Row = dict[str, object]


@dataclass(frozen=True)
class Arrival:
    """A content that becomes a new entry, or the next version of ``entry_id``."""

    content: EntryContent
    entry_id: int | None = None
    code: str = ""
    """For a new entry; empty: the system gives one."""


def bring_in(
    session: Session, arrivals: Sequence[Arrival], *, to: VersionStatus, actor: Person | None, now: datetime
) -> None:
    """Write the arrivals and take each to ``to``: submitted, or live in place of the version before.

    What the session held of these entries is read anew afterwards. Raises Invalid for an unknown unit or region,
    Conflict when somebody else moved a live version first.
    """
    if not arrivals:
        return
    places = _Places(session, [arrival.content for arrival in arrivals])
    numbers = _next_numbers(session, [a.entry_id for a in arrivals if a.entry_id is not None])
    versions = [
        lifecycle.new_version(Entry(), a.content, number=numbers.get(a.entry_id or 0, 1), actor=None, now=now)
        for a in arrivals
    ]
    for version in versions:
        lifecycle.walk(version, PATHS[to], actor=None, now=now)
    codes = _free_codes(session, arrivals)
    places.write_categories()
    entry_ids = _write_entries(session, arrivals, places, codes, now)
    settled = [places.of(arrival.content) for arrival in arrivals]
    if to is S.PUBLISHED:
        lifecycle.supersede(session, numbers, actor=actor, now=now)
    _write_versions(session, versions, entry_ids, settled, actor)
    if to is S.PUBLISHED:
        lifecycle.record_changes(session, entry_ids, now=now)
    session.expire_all()


def _write_entries(
    session: Session, arrivals: Sequence[Arrival], places: "_Places", codes: Iterator[str], now: datetime
) -> list[int]:
    """Ids of the arrivals' entries, in their order: those that were there, and the new ones."""
    new = [
        {"code": a.code or next(codes), "created_at": now, "unit_id": places.units[a.content.unit]}
        for a in arrivals
        if a.entry_id is None
    ]
    new_ids = iter(_inserted(session, Entry, new))
    return [next(new_ids) if a.entry_id is None else a.entry_id for a in arrivals]


def _write_versions(
    session: Session,
    versions: Sequence[Version],
    entry_ids: Sequence[int],
    places: Sequence[Row],
    actor: Person | None,
) -> None:
    """The versions, each at its place, and all they carry, one table after the other."""
    actor_id = actor.id if actor else None
    rows = [
        {**_columns(version), **place, "entry_id": entry_id, "created_by_id": actor_id}
        for version, entry_id, place in zip(versions, entry_ids, places, strict=True)
    ]
    version_ids = _inserted(session, Version, rows)
    for kind, name in PARTS:
        common: Row = {"actor_id": actor_id} if kind is Transition else {}
        parts = [
            {**_columns(part), **common, "version_id": version_id}
            for version, version_id in zip(versions, version_ids, strict=True)
            for part in getattr(version, name)
        ]
        if parts:
            session.execute(insert(kind), parts)


def _inserted(session: Session, kind: type[Entry] | type[Version], rows: Sequence[Row]) -> list[int]:
    """Ids of the inserted rows, in order."""
    if not rows:
        return []
    return list(session.scalars(insert(kind).returning(kind.id, sort_by_parameter_order=True), rows))


def _columns(part: Base) -> Row:
    """Values of a mapped object that is not in a session, as its table takes them."""
    return {name: getattr(part, name) for name in _column_names(type(part))}


@cache
def _column_names(kind: type[Base]) -> tuple[str, ...]:
    return tuple(attribute.key for attribute in inspect(kind).column_attrs if attribute.key != "id")


class _Places:
    """Units, regions and categories by name, read once for all arrivals."""

    def __init__(self, session: Session, contents: Iterable[EntryContent]) -> None:
        self.session = session
        self.units = {name: unit_id for unit_id, name in session.execute(select(Unit.id, Unit.name))}
        self.regions = {name: region_id for region_id, name in session.execute(select(Region.id, Region.name))}
        self.named: dict[tuple[int, str], None] = {}
        for content in contents:
            if content.unit not in self.units or content.region not in self.regions:
                raise Invalid(f"没有名为“{content.unit}”的单位或名为“{content.region}”的区域。")
            if content.category:
                self.named.setdefault((self.units[content.unit], content.category))
        self.categories = self._stored()

    def write_categories(self) -> None:
        """Add those that are not there yet, in the order in which they were named."""
        missing = [{"unit_id": unit, "path": path} for unit, path in self.named if (unit, path) not in self.categories]
        if missing:
            self.session.execute(insert(Category), missing)
            self.categories = self._stored()

    def of(self, content: EntryContent) -> Row:
        """Where a version with this content stands."""
        unit_id = self.units[content.unit]
        return {
            "region_id": self.regions[content.region],
            "category_id": self.categories[unit_id, content.category] if content.category else None,
        }

    def _stored(self) -> dict[tuple[int, str], int]:
        query = select(Category.unit_id, Category.path, Category.id)
        return {(unit_id, path): category_id for unit_id, path, category_id in self.session.execute(query)}


def _free_codes(session: Session, arrivals: Sequence[Arrival]) -> Iterator[str]:
    """System codes that neither the base nor these arrivals use."""
    taken = {arrival.code for arrival in arrivals}
    numbers = count(lifecycle.next_code_number(session))
    return (code for code in map(lifecycle.system_code, numbers) if code not in taken)


def _next_numbers(session: Session, entry_ids: Sequence[int]) -> dict[int, int]:
    """For each of the entries the number that its next version gets."""
    query = select(Version.entry_id, func.max(Version.number) + 1).group_by(Version.entry_id)
    found = (session.execute(query.where(Version.entry_id.in_(ids))).tuples() for ids in batches(sorted(entry_ids)))
    return dict(pair for pairs in found for pair in pairs)
