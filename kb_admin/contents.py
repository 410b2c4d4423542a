"""What the base says now, read in few queries: for comparing with a file and for writing one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from models.knowledge import Entry, Phrasing, Version
from models.values import EntryContent, PhrasingKind, VersionStatus

T = TypeVar("T")

BATCH = 500
"""Values in one IN list; SQLite takes 32,766, PostgreSQL plans short lists faster."""


@dataclass(frozen=True)
class KnownEntry:
    """An entry with its newest version and the one that answers now, which may be the same."""

    entry_id: int
    code: str
    unit_id: int
    unit: str
    latest_number: int
    latest: EntryContent
    live_version_id: int | None
    live: EntryContent | None


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """The items in runs of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def known_entries(session: Session, entry_ids: Sequence[int]) -> dict[int, KnownEntry]:
    """The entries with these ids, by id."""
    found: dict[int, KnownEntry] = {}
    for ids in batches(sorted(set(entry_ids))):
        query = select(Version).where(_is_newest_or_live(), Version.entry_id.in_(ids)).order_by(Version.number)
        by_entry: dict[int, list[Version]] = {}
        for version in session.scalars(query):
            by_entry.setdefault(version.entry_id, []).append(version)
        found.update({entry_id: _known(versions) for entry_id, versions in by_entry.items()})
    return found


def entry_ids_by_code(session: Session, codes: Sequence[str]) -> dict[str, int]:
    """Ids of the entries that have one of these codes."""
    return {
        code: entry_id
        for some in batches(sorted(set(codes)))
        for entry_id, code in session.execute(select(Entry.id, Entry.code).where(Entry.code.in_(some)))
    }


def entry_ids_by_question(session: Session, questions: Sequence[str]) -> dict[tuple[int, str], list[int]]:
    """Entries whose newest or live version has one of these standard questions, by unit id and question."""
    found: dict[tuple[int, str], list[int]] = {}
    for some in batches(sorted(set(questions))):
        query = (
            select(Entry.unit_id, Phrasing.text, Entry.id)
            .join(Version, Version.entry_id == Entry.id)
            .join(Phrasing, Phrasing.version_id == Version.id)
            .where(Phrasing.kind == PhrasingKind.STANDARD, Phrasing.text.in_(some), _is_newest_or_live())
            .distinct()
            .order_by(Entry.id)
        )
        for unit_id, question, entry_id in session.execute(query):
            found.setdefault((unit_id, question), []).append(entry_id)
    return found


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
        unit_id=newest.entry.unit_id,
        unit=newest.entry.unit.name,
        latest_number=newest.number,
        latest=newest.content(),
        live_version_id=live.id if live else None,
        live=live.content() if live else None,
    )
