"""The change log as an index reads it: rows in order, whose log it is, and what an entry is now."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest.searchable import DOCUMENT_FORM, documents_of, places_of_regions
from models.knowledge import ChangeLog, Version
from models.organisation import Region
from models.values import VersionStatus
from retrieval.documents import Change

BATCH = 2000
"""Rows read, and entries applied, at a time: enough to be quick, few enough that memory stays flat."""
READ_AT_ONCE = 500
"""Entries read in one query: below what any database takes as parameters."""


@dataclass(frozen=True)
class LogRow:
    """One change; ``entry_id`` None: of the thesaurus."""

    seq: int
    entry_id: int | None
    mark: str
    """Tells this row from one of the same number in another database, or in this one restored to an earlier day."""


BEFORE_ALL = LogRow(0, None, "0")
"""Where an empty log ends."""


def rows_from(session: Session, seq: int, limit: int = BATCH) -> list[LogRow]:
    """Rows in order, beginning with the one of that number itself."""
    rows = session.execute(
        select(ChangeLog.seq, ChangeLog.entry_id, ChangeLog.at)
        .where(ChangeLog.seq >= seq)
        .order_by(ChangeLog.seq)
        .limit(limit)
    )
    return [LogRow(seq, entry_id, f"{seq}/{entry_id}/{at.isoformat()}") for seq, entry_id, at in rows]


def row_at(session: Session, seq: int) -> LogRow | None:
    """The row of that number; None where the log does not reach so far, or is another."""
    if seq == BEFORE_ALL.seq:
        return BEFORE_ALL
    return next((row for row in rows_from(session, seq, 1) if row.seq == seq), None)


def last_row(session: Session) -> LogRow:
    """The end of the log as this session sees it."""
    end = session.scalar(select(func.max(ChangeLog.seq)))
    found = row_at(session, end) if end else None
    return found or BEFORE_ALL


def rows_behind(session: Session, position: int) -> int:
    """How many rows come after that number."""
    return session.scalar(select(func.count()).where(ChangeLog.seq > position)) or 0


def entries_between(session: Session, after: int, until: int) -> list[int]:
    """The entries that rows after ``after`` up to ``until`` name, each once."""
    named = select(ChangeLog.entry_id).where(
        ChangeLog.seq > after, ChangeLog.seq <= until, ChangeLog.entry_id.is_not(None)
    )
    return sorted(entry_id for entry_id in session.scalars(named.distinct()) if entry_id is not None)


def published_entries(session: Session) -> list[int]:
    """All entries that have a published version."""
    published = select(Version.entry_id).where(Version.status == VersionStatus.PUBLISHED)
    return list(session.scalars(published.distinct().order_by(Version.entry_id)))


def published_count(session: Session) -> int:
    """How many entries are published."""
    return session.scalar(select(func.count()).where(Version.status == VersionStatus.PUBLISHED)) or 0


def current(session: Session, entry_ids: Sequence[int]) -> list[Change]:
    """What the database says of the entries now; one without a published version is gone."""
    changes: list[Change] = []
    for start in range(0, len(entry_ids), READ_AT_ONCE):
        some = entry_ids[start : start + READ_AT_ONCE]
        documents = {document.entry_id: document for document in documents_of(session, some)}
        changes += [Change(entry_id, documents.get(entry_id)) for entry_id in some]
    return changes


def current_in_batches(session: Session, entry_ids: Sequence[int]) -> Iterator[list[Change]]:
    """The same, ``BATCH`` entries at a time."""
    for start in range(0, len(entry_ids), BATCH):
        yield current(session, entry_ids[start : start + BATCH])


def reading_of(session: Session) -> str:
    """A digest of what goes into every document beside its own version: the names of the regions, and how documents
    are made. No row of the log tells of a change in these."""
    places = places_of_regions(session.scalars(select(Region).order_by(Region.id)).all())
    told = json.dumps([DOCUMENT_FORM, sorted(places.items())], ensure_ascii=False)
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
