"""Entries on their way out: those that the person may export, as values that a file writer takes."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import permissions
from kb_admin.contents import KnownEntry, batches, known_entries
from kb_admin.permissions import Action, Grant, Reach
from models.errors import Forbidden
from models.knowledge import Entry
from models.values import ExportedEntry


class Wanted(StrEnum):
    """Which version of an entry is written."""

    LIVE = "live"
    NEWEST = "newest"


def entries_to_export(
    session: Session,
    *,
    grants: Iterable[Grant],
    allowed: Reach,
    unit_ids: Sequence[int] | None = None,
    wanted: Wanted = Wanted.LIVE,
) -> tuple[ExportedEntry, ...]:
    """The entries of these units (None: of all that the grants allow), by code.

    ``allowed``: ``visibility.reach_of`` for EXPORT, so that a file shows no more than the pages do. Raises Forbidden
    when the grants allow no export, or not of one of the units named.
    """
    permissions.require(grants, Action.EXPORT)
    rows = session.execute(select(Entry.id, Entry.unit_id)).tuples().all()
    wished = {unit_id for _, unit_id in rows} if unit_ids is None else set(unit_ids)
    chosen = {unit_id for unit_id in wished if allowed.holds(unit_id)}
    if unit_ids is not None and chosen != wished:
        raise Forbidden("您只能导出本单位的条目；全部条目由市热线办或数据分析员导出。")
    exported: list[ExportedEntry] = []
    for ids in batches([entry_id for entry_id, unit_id in rows if unit_id in chosen]):
        for known in known_entries(session, ids).values():
            exported += _chosen(known, wanted)
    return tuple(sorted(exported, key=lambda entry: entry.code))


def _chosen(known: KnownEntry, wanted: Wanted) -> tuple[ExportedEntry, ...]:
    content = known.live if wanted is Wanted.LIVE else known.latest
    return (ExportedEntry(known.code, content),) if content is not None else ()
