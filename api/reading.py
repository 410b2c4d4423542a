"""Reading one entry: what of it the caller may see."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from api.security import Caller
from api.wiring import Services
from kb_admin.lifecycle import live_version
from models.errors import NotFound
from models.knowledge import ChangeLog, Entry, Transition, Version
from models.validity import in_force
from models.values import VersionStatus


@dataclass(frozen=True)
class ReadEntry:
    """An entry as far as the caller may see it."""

    entry: Entry
    live: Version | None
    in_force: bool
    """Whether the live version holds at this moment; always so for those who do not read the history."""
    versions: tuple[Version, ...] | None
    """Newest first, with their moves; None when the caller does not read this entry's history."""


def reads_history(caller: Caller, entry: Entry) -> bool:
    """Whether the caller reads the entry whole: every version, valid or not, and every move."""
    return caller.history.holds(entry.unit_id) and entry.id not in caller.viewer.hidden_entry_ids


def may_read(caller: Caller, version: Version, now: datetime) -> bool:
    """The one decision for a version: published and in force by the rules of retrieval, else by the entry's history.

    ``api.entry_list`` makes the same decision in SQL.
    """
    entry = version.entry
    shown = version.status is VersionStatus.PUBLISHED and in_force(version, now)
    if shown and caller.viewer.may_see(entry_id=entry.id, unit_id=entry.unit_id, publicity=version.publicity):
        return True
    return reads_history(caller, entry)


def read_entry(session: Session, code: str, caller: Caller, now: datetime) -> ReadEntry:
    """The entry with that code. Raises NotFound when it does not exist or nothing of it is for the caller."""
    entry = session.scalar(select(Entry).where(Entry.code == code))
    if entry is None:
        raise _missing(code)
    live = live_version(session, entry.id)
    if live is not None and not may_read(caller, live, now):
        live = None
    whole = reads_history(caller, entry)
    if live is None and not whole:
        raise _missing(code)
    return ReadEntry(
        entry=entry,
        live=live,
        in_force=live is not None and in_force(live, now),
        versions=_versions(session, entry) if whole else None,
    )


def searchable(services: Services, session: Session, entry_id: int) -> bool:
    """Whether every published change of the entry has reached the index of this process."""
    last = session.scalar(select(func.max(ChangeLog.seq)).where(ChangeLog.entry_id == entry_id))
    return last is not None and last <= services.follower.position


def _versions(session: Session, entry: Entry) -> tuple[Version, ...]:
    moves = selectinload(Version.transitions).joinedload(Transition.actor)
    query = select(Version).where(Version.entry_id == entry.id).order_by(Version.number.desc()).options(moves)
    return tuple(session.scalars(query))


def _missing(code: str) -> NotFound:
    return NotFound(f"没有编号为“{code}”的条目，或您无权查看。")
