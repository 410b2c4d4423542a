"""The base as it was at a moment: what was published then, and the thesaurus that held then."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from ingest.searchable import documents_where
from ingest.thesaurus import thesaurus_of
from models.knowledge import Transition, Version
from models.thesaurus import newest_versions
from models.values import VersionStatus
from retrieval.documents import Document
from retrieval.thesaurus import Thesaurus

BATCH = 500


def live_version_ids(session: Session, moment: datetime) -> list[int]:
    """The versions that answered at ``moment``, by entry: those whose last move until then was to be published.

    Of versions that came without history the present status and the day of publication decide.
    """
    last = (
        select(func.max(Transition.id))
        .where(Transition.version_id == Version.id, Transition.at <= moment)
        .correlate(Version)
        .scalar_subquery()
    )
    move = aliased(Transition)
    was_live = exists().where(move.id == last, move.to_status == VersionStatus.PUBLISHED)
    without_history = ~exists().where(Transition.version_id == Version.id)
    came_so = and_(without_history, Version.status == VersionStatus.PUBLISHED, Version.published_at <= moment)
    query = (
        select(Version.entry_id, Version.id).where(or_(was_live, came_so)).order_by(Version.entry_id, Version.number)
    )
    newest = dict(session.execute(query).tuples().all())
    return list(newest.values())


def documents_at(session: Session, version_ids: Sequence[int]) -> Iterator[list[Document]]:
    """The searchable side of these versions, some hundred at a time. Units and regions are named as they are now."""
    for start in range(0, len(version_ids), BATCH):
        yield documents_where(session, Version.id.in_(version_ids[start : start + BATCH]))


def thesaurus_at(session: Session, moment: datetime) -> Thesaurus:
    """What held for search at ``moment``."""
    return thesaurus_of(newest_versions(session, until=moment))
