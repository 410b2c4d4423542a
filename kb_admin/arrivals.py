"""Many versions at once, each taken through the moves it would take alone.

Everything is built before the first row is written: while SQLite writes, no agent's question can be recorded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Table, insert, inspect, select
from sqlalchemy.orm import Session

from kb_admin import codes, notices
from kb_admin.arrival_routes import Way, Ways
from kb_admin.contents import Standing, batches
from kb_admin.courses import Course, gate_of
from kb_admin.going_live import go_live, supersede, tell_followers
from kb_admin.moving import Act
from kb_admin.routes import LOADING, MoveName, system_move
from kb_admin.taking_effect import settle
from kb_admin.versions import new_version
from models.base import Base
from models.errors import Invalid
from models.knowledge import Basis, Category, Entry, Keyword, Phrasing, Transition, Version
from models.notices import Notice
from models.organisation import Person, Region, Unit
from models.values import EntryContent, VersionStatus

S = VersionStatus
IMPORTED = "导入"
"""Step of the first transition."""
PARTS = ((Phrasing, "phrasings"), (Keyword, "keywords"), (Basis, "bases"), (Transition, "transitions"))
"""What a version carries, and under which name."""

Row = dict[str, object]


@dataclass(frozen=True)
class Arrival:
    """A content that becomes a new entry, or version ``number`` of ``entry_id``."""

    content: EntryContent
    entry_id: int | None = None
    number: int = 1
    code: str = ""
    """For a new entry; empty: the system gives one."""


@dataclass(frozen=True)
class Prepared:
    """Arrivals as they will be written; ids and places are still to be filled in."""

    arrivals: Sequence[Arrival]
    places: "_Places"
    ways: Sequence[Way]
    """Where each of the arrivals goes."""
    versions: Sequence[Row]
    """One for each arrival."""
    parts: Sequence[tuple[type[Base], Sequence[Sequence[Row]]]]
    """What the versions carry, table by table: for each arrival its rows."""


def prepare(
    session: Session, arrivals: Sequence[Arrival], *, to: VersionStatus, actor: Person | None, now: datetime
) -> Prepared:
    """Build the versions: live at once for ``to`` PUBLISHED, else handed in, each on its route. Nothing is written.

    Raises Invalid for an unknown unit or region, or a type that no route takes.
    """
    places = _Places(session, [arrival.content for arrival in arrivals])
    known = [a.entry_id for a in arrivals if a.entry_id is not None]
    ways = Ways.read(session, {places.units[arrival.content.unit] for arrival in arrivals}, known, now)
    chosen = [_way(ways, places, arrival, to, now) for arrival in arrivals]
    versions = [
        new_version(
            Entry(), a.content, number=a.number, moves=way.moves, step=IMPORTED, rule=way.rule, actor=None, now=now
        )
        for a, way in zip(arrivals, chosen, strict=True)
    ]
    actor_id = actor.id if actor else None
    parts = []
    for kind, name in PARTS:
        common: Row = {"actor_id": actor_id} if kind is Transition else {}
        parts.append((kind, [[_columns(part) | common for part in getattr(version, name)] for version in versions]))
    rows = [
        _columns(version) | way.columns(now) | {"created_by_id": actor_id}
        for version, way in zip(versions, chosen, strict=True)
    ]
    return Prepared(arrivals, places, chosen, rows, parts)


def write(session: Session, prepared: Prepared, *, actor: Person | None, now: datetime) -> None:
    """Write what is prepared; live versions take the place of those before, the others wait where their routes say.

    What the session held of these entries is read anew afterwards. Raises Conflict when somebody else moved a live
    version first.
    """
    arrivals = prepared.arrivals
    if not arrivals:
        return
    act = Act(actor, now)
    prepared.places.write_categories()
    entry_ids = _write_entries(session, prepared, now)
    known = [(a.entry_id, a.number, w) for a, w in zip(arrivals, prepared.ways, strict=True) if a.entry_id is not None]
    settle(session, [entry_id for entry_id, _, _ in known], now)
    supersede(session, {entry_id: number for entry_id, number, way in known if way.status is S.PUBLISHED}, act)
    later = {entry_id: number for entry_id, number, way in known if way.takes_effect_at is not None}
    supersede(session, later, act, also_live=False)
    version_ids = _write_versions(session, prepared, entry_ids)
    live = [i for i, way in zip(entry_ids, prepared.ways, strict=True) if way.status is S.PUBLISHED]
    tell_followers(session, live, act)
    session.expire_all()
    for version_id, way in zip(version_ids, prepared.ways, strict=True):
        if way.course is not None and way.has_notice:
            _arrive(session, version_id, way.course, actor, now)


def publish_waiting(session: Session, standings: Sequence[Standing], *, actor: Person | None, now: datetime) -> None:
    """Make versions live that wait for something else, as an import of the office does; those whose moment is set go
    on waiting for it."""
    ids = [standing.version_id for standing in standings]
    settled: set[int] = set()
    for some in batches(ids):
        query = select(Version.id).where(Version.id.in_(some), Version.takes_effect_at.is_not(None))
        settled.update(session.scalars(query))
        at_gate = select(Version).where(Version.id.in_(select(Notice.version_id).where(Notice.version_id.in_(some))))
        for version in session.scalars(at_gate).all():
            notices.left_gate(session, version, actor=actor, now=now, result="由热线办批量导入发布。")
    settle(session, [standing.entry_id for standing in standings], now)
    for status in (S.DRAFT, S.SUBMITTED, S.CHECKED):
        move = system_move(MoveName.LOAD, status)
        chosen = [s for s in standings if s.status is status and s.version_id not in settled]
        go_live(session, chosen, move, Act(actor, now, LOADING.why))


def _way(ways: Ways, places: "_Places", arrival: Arrival, to: VersionStatus, now: datetime) -> Way:
    unit_id = places.units[arrival.content.unit]
    if to is S.PUBLISHED:
        return ways.loaded(unit_id, arrival.content, arrival.entry_id, now)
    return ways.handed_in(unit_id, arrival.content, arrival.entry_id, now)


def _arrive(session: Session, version_id: int, course: Course, actor: Person | None, now: datetime) -> None:
    """The notice of the gate at which the version has come to stand."""
    version = session.get_one(Version, version_id)
    gate = gate_of(course, version)
    if gate is not None:
        notices.arrived_at_gate(session, version, gate, course.rules, actor=actor, now=now)


def _write_entries(session: Session, prepared: Prepared, now: datetime) -> list[int]:
    """Ids of the arrivals' entries, in their order: those that were there, and the new ones."""
    arrivals, units = prepared.arrivals, prepared.places.units
    codes.take_over(session, [a.code for a in arrivals if a.entry_id is None])
    given = iter(codes.give(session, sum(a.entry_id is None and not a.code for a in arrivals)))
    new = [
        {"code": a.code or next(given), "created_at": now, "unit_id": units[a.content.unit], "origin": way.origin}
        for a, way in zip(arrivals, prepared.ways, strict=True)
        if a.entry_id is None
    ]
    new_ids = iter(_inserted(session, Entry, new))
    return [next(new_ids) if a.entry_id is None else a.entry_id for a in arrivals]


def _write_versions(session: Session, prepared: Prepared, entry_ids: Sequence[int]) -> list[int]:
    """The versions, each at its place, and all they carry, one table after the other; their ids."""
    rows = [
        version | prepared.places.of(arrival.content) | {"entry_id": entry_id}
        for version, arrival, entry_id in zip(prepared.versions, prepared.arrivals, entry_ids, strict=True)
    ]
    version_ids = _inserted(session, Version, rows)
    for kind, listed in prepared.parts:
        parts = [
            row | {"version_id": version_id} for version_id, own in zip(version_ids, listed, strict=True) for row in own
        ]
        if parts:
            session.execute(insert(_table(kind)), parts)
    return version_ids


def _inserted(session: Session, kind: type[Entry] | type[Version], rows: Sequence[Row]) -> list[int]:
    """Ids of the inserted rows, in order."""
    if not rows:
        return []
    table = _table(kind)
    return list(session.scalars(insert(table).returning(table.c.id, sort_by_parameter_order=True), rows))


def _table(kind: type[Base]) -> Table:
    """Written to as a table, not as a class: that takes half the time."""
    table = kind.__table__
    assert isinstance(table, Table)
    return table


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
