"""Drops cached vectors of texts that nobody uses any more, a little at a time, and never one that is in use.

Rounds: first the texts of all versions that answer, or were written lately, are stamped as of use; then what has not
been of use for a month before that round began is swept. Where it stands is written down beside the vectors.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ingest.searchable import documents_where
from models.knowledge import Version
from models.values import VersionStatus
from retrieval.embedded import ANSWER_TOKENS
from retrieval.vector_store import PARTS, VectorStore

KEPT = timedelta(days=30)
"""A text that comes back within so long is not encoded again; longer than a stamp may be late (STAMPED_DAYS)."""
MARKED_AT_ONCE = 1000
"""Versions: below a second."""
SWEPT_AT_ONCE = 8
"""Of the store's PARTS: some ten thousand keys at a million phrasings."""


def prune(session: Session, vectors: VectorStore, now: datetime) -> int:
    """The next piece of work, small; returns how many vectors were dropped."""
    begun = vectors.note("round_begun")
    if begun is None:
        vectors.write_note(round_begun=now.toordinal(), marked=0, swept=-1)
        begun = now.toordinal()
    swept = vectors.note("swept")
    if swept is None or swept < 0:
        _mark(session, vectors, now)
        return 0
    parts = range(swept, min(PARTS, swept + SWEPT_AT_ONCE))
    dropped = sum(vectors.sweep(part, unused_since=begun - KEPT.days) for part in parts)
    if parts.stop < PARTS:
        vectors.write_note(swept=parts.stop)
    else:
        vectors.write_note(round_begun=now.toordinal(), marked=0, swept=-1)
    return dropped


def _mark(session: Session, vectors: VectorStore, now: datetime) -> None:
    """Stamp the texts of the next versions; after the last one the sweep may begin."""
    marked = vectors.note("marked") or 0
    of_use = or_(Version.status == VersionStatus.PUBLISHED, Version.created_at >= now - KEPT)
    query = select(Version.id).where(Version.id > marked, of_use).order_by(Version.id).limit(MARKED_AT_ONCE)
    version_ids = session.scalars(query).all()
    documents = documents_where(session, Version.id.in_(version_ids))
    vectors.touch([phrasing for document in documents for phrasing in document.phrasings])
    vectors.touch([document.answer for document in documents if document.answer.strip()], max_tokens=ANSWER_TOKENS)
    if len(version_ids) < MARKED_AT_ONCE:
        vectors.write_note(swept=0)
    else:
        vectors.write_note(marked=version_ids[-1])
