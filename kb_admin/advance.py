"""The one step by which time passes in the base: what takes effect, ends or falls due up to a moment is done and dated.

It may be taken as often as one likes, by several workers, and after any stop: each thing happens once, dated when it
fell due. A worker that is killed in the middle leaves nothing half done, for the whole step is one transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from kb_admin import clocks, corrections, duties, incoming, taking_effect
from kb_admin.worktime import CalendarNotPublished
from models.knowledge import Version
from models.notices import Clock
from models.values import VersionStatus

ADVANCE_LOCK = 0x5A48_4144
"""Key of PostgreSQL's advisory lock: one worker advances at a time, so that what fell due first is done first."""


@dataclass(frozen=True)
class Advanced:
    """How much one step did."""

    taken_effect: int = 0
    expired: int = 0
    clocks: int = 0
    duties: int = 0
    """Units whose periodic duties were gone through."""
    waiting_for_year: int | None = None
    """Periodic duties wait for the calendar of this year; None: they wait for nothing."""
    corrections: int = 0
    """Correction notices for entries that have come below the threshold without a verdict."""
    calls: int = 0
    """Incoming calls that ended because nothing happened in them any more."""

    @property
    def total(self) -> int:
        return self.taken_effect + self.expired + self.clocks + self.duties + self.corrections + self.calls


def advance(session: Session, now: datetime, *, limit: int = 200) -> Advanced:
    """Do what is due, at most ``limit`` of each kind; call it again until nothing is left. The caller commits.

    Publications come first: what they complete stops its clocks on their day, before those are looked at.
    """
    if not _my_turn(session):
        return Advanced()
    taken_effect = taking_effect.take_effect_due(session, now, limit=limit)
    expired = taking_effect.expire_due(session, now, limit=limit)
    if max(taken_effect, expired) >= limit:
        return Advanced(taken_effect, expired)
    opened, missing_year = _open_periodic(session, now, limit)
    moved = clocks.run_due(session, now, limit=limit)
    calls = incoming.end_idle(session, now, limit=limit)
    drafted = corrections.sweep(session, now, limit=limit)
    return Advanced(taken_effect, expired, moved, opened, missing_year, corrections=drafted, calls=calls)


def waiting_since(session: Session, now: datetime) -> datetime | None:
    """When the first of what is due and not yet done fell due; None when all is done. No worker looks, if it is long
    ago."""
    moments = (
        select(func.min(Clock.next_at)),
        select(func.min(Version.takes_effect_at)).where(Version.status == VersionStatus.CHECKED),
        select(func.min(Version.valid_to)).where(Version.status == VersionStatus.PUBLISHED),
    )
    return min((at for query in moments if (at := session.scalar(query)) is not None and at <= now), default=None)


def _open_periodic(session: Session, now: datetime, limit: int) -> tuple[int, int | None]:
    try:
        return duties.open_periodic(session, now, limit=limit), None
    except CalendarNotPublished as missing:
        return 0, missing.year


def _my_turn(session: Session) -> bool:
    """SQLite has one writer anyway; in PostgreSQL who comes second leaves it to the first."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": ADVANCE_LOCK}))
