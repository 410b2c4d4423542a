"""What the base says now, read in few queries: for comparing with a file and for writing one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from models.knowledge import Entry, Phrasing, Version
from models.organisation import Unit
from models.values import EntryContent, Origin, PhrasingKind, VersionStatus

T = TypeVar("T")

BATCH = 500
"""Values in one IN list; SQLite takes 32,766, PostgreSQL plans short lists faster."""


@dataclass(frozen=True)
class Standing:
    """A stored version as it was read. It is moved only while it still stands so."""

    version_id: int
    entry_id: int
    number: int
    status: VersionStatus
    gates_passed: int = 0

    @classmethod
    def of(cls, version: Version) -> "Standing":
        return cls(version.id, version.entry_id, version.number, version.status, version.gates_passed)

    @staticmethod
    def query() -> Select[int, int, int, VersionStatus, int]:
        """Rows from which standings are made."""
        return select(Version.id, Version.entry_id, Version.number, Version.status, Version.gates_passed)


@dataclass(frozen=True)
class KnownEntry:
    """An entry with its newest version and the one that answers now, which may be the same."""

    entry_id: int
    code: str
    origin: Origin
    unit_id: int
    unit: str
    newest: Standing
    latest: EntryContent
    live_standing: Standing | None
    live: EntryContent | None


Asked = tuple[str, str]
"""Name of a unit and a standard question: what identifies an entry where no code does."""


@dataclass(frozen=True)
class Footing:
    """Where the rows of a file would touch the base: no contents, so it is quickly read again, to see if it moved."""

    by_code: Mapping[str, int]
    by_question: Mapping[Asked, Sequence[int]]
    standings: Mapping[int, Sequence[Standing]]
    """Of each of these entries the newest and the live version."""

    def part(self, codes: Collection[str], asked: Collection[Asked]) -> "Footing":
        """What would have been read for these alone."""
        by_code = {code: self.by_code[code] for code in codes if code in self.by_code}
        by_question = {key: self.by_question[key] for key in asked if key in self.by_question}
        touched = _touched(by_code, by_question)
        return Footing(by_code, by_question, {i: self.standings[i] for i in touched})


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """The items in runs of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def known_entries(session: Session, entry_ids: Collection[int]) -> dict[int, KnownEntry]:
    """The entries with these ids, by id."""
    found: dict[int, KnownEntry] = {}
    for ids in batches(sorted(set(entry_ids))):
        query = select(Version).where(_is_newest_or_live(), Version.entry_id.in_(ids)).order_by(Version.number)
        by_entry: dict[int, list[Version]] = {}
        for version in session.scalars(query):
            by_entry.setdefault(version.entry_id, []).append(version)
        found.update({entry_id: _known(versions) for entry_id, versions in by_entry.items()})
    return found


def entry_ids_by_code(session: Session, codes: Collection[str]) -> dict[str, int]:
    """Ids of the entries that have one of these codes."""
    return {
        code: entry_id
        for some in batches(sorted(set(codes)))
        for entry_id, code in session.execute(select(Entry.id, Entry.code).where(Entry.code.in_(some)))
    }


def entry_ids_by_question(session: Session, asked: Collection[Asked]) -> dict[Asked, list[int]]:
    """Entries whose newest or live version has the standard question of that unit."""
    found: dict[Asked, list[int]] = {}
    for some in batches(sorted({question for _, question in asked})):
        query = (
            select(Unit.name, Phrasing.text, Entry.id)
            .join(Entry, Entry.unit_id == Unit.id)
            .join(Version, Version.entry_id == Entry.id)
            .join(Phrasing, Phrasing.version_id == Version.id)
            .where(Phrasing.kind == PhrasingKind.STANDARD, Phrasing.text.in_(some), _is_newest_or_live())
            .distinct()
            .order_by(Entry.id)
        )
        for unit, question, entry_id in session.execute(query):
            if (unit, question) in asked:
                found.setdefault((unit, question), []).append(entry_id)
    return found


def read_footing(session: Session, codes: Collection[str], asked: Collection[Asked]) -> Footing:
    """How the base stands now for entries with these codes, and those of these units with these questions."""
    by_code = entry_ids_by_code(session, codes)
    by_question = entry_ids_by_question(session, asked)
    standings: dict[int, list[Standing]] = {}
    for ids in batches(sorted(_touched(by_code, by_question))):
        query = Standing.query().order_by(Version.number)
        for row in session.execute(query.where(_is_newest_or_live(), Version.entry_id.in_(ids))).tuples():
            standings.setdefault(row[1], []).append(Standing(*row))
    return Footing(by_code, by_question, standings)


def _touched(by_code: Mapping[str, int], by_question: Mapping[Asked, Sequence[int]]) -> set[int]:
    return {*by_code.values(), *(entry_id for ids in by_question.values() for entry_id in ids)}


def _is_newest_or_live() -> ColumnElement[bool]:
    """An entry's newest version, or its live one where that is another."""
    sibling = aliased(Version)
    newest = select(func.max(sibling.number)).where(sibling.entry_id == Version.entry_id).scalar_subquery()
    return or_(Version.status == VersionStatus.PUBLISHED, Version.number == newest)


def _known(versions: Sequence[Version]) -> KnownEntry:
    newest = versions[-1]
    live = next((version for version in versions if version.status is VersionStatus.PUBLISHED), None)
    return KnownEntry(
        entry_id=newest.entry_id,
        code=newest.entry.code,
        origin=newest.entry.origin,
        unit_id=newest.entry.unit_id,
        unit=newest.entry.unit.name,
        newest=Standing.of(newest),
        latest=newest.content(),
        live_standing=Standing.of(live) if live else None,
        live=live.content() if live else None,
    )
