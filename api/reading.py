"""Reading one entry: what of it the caller may see."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from api.security import Caller
from api.wiring import Services
from kb_admin.lifecycle import live_version
from kb_admin.permissions import Action, may
from models.errors import NotFound
from models.knowledge import ChangeLog, Entry, Transition, Version


@dataclass(frozen=True)
class ReadEntry:
    """An entry as far as the caller may see it."""

    entry: Entry
    live: Version | None
    versions: tuple[Version, ...] | None
    """Newest first, with their moves; None when the caller's roles do not read history."""

    def in_force(self, now: datetime) -> bool:
        """Whether the live version is valid at ``now``."""
        if self.live is None:
            return False
        begun = self.live.valid_from is None or self.live.valid_from <= now
        return begun and (self.live.valid_to is None or now < self.live.valid_to)


def read_entry(session: Session, code: str, caller: Caller) -> ReadEntry:
    """The entry with that code. Raises NotFound when it does not exist or nothing of it is for the caller."""
    entry = session.scalar(select(Entry).where(Entry.code == code))
    if entry is None:
        raise _missing(code)
    live = live_version(session, entry.id)
    viewer = caller.viewer
    shows_live = live is not None and viewer.may_see(entry_id=entry.id, unit_id=entry.unit_id, publicity=live.publicity)
    of_theirs = viewer.everything or entry.unit_id in viewer.unit_ids
    shows_history = of_theirs and may(caller.grants, Action.READ_HISTORY, unit_id=entry.unit_id)
    if not shows_live and not shows_history:
        raise _missing(code)
    return ReadEntry(
        entry=entry,
        live=live if shows_live else None,
        versions=_versions(session, entry) if shows_history else None,
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
    return NotFound(f"没有编码为“{code}”的条目，或您无权查看。")
