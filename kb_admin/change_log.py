"""The change log: one row for each change of what is searchable, in the order of commits."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from models.database import CHANGES_CHANNEL
from models.knowledge import ChangeLog

CHANGE_LOG_LOCK = 0x5A48_4C47
"""Key of PostgreSQL's advisory lock: writers of the log take turns, so that ``seq`` is also the order of commits."""


_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(:key), pg_notify(:channel, '')")
"""Followers are told when the transaction commits, and only then."""


def record_changes(session: Session, entry_ids: Sequence[int], *, now: datetime) -> None:
    """Write the rows of these entries, in the order given; followers of the base read them after commit."""
    _write_log(session, entry_ids, now)


def record_thesaurus_change(session: Session, *, now: datetime) -> None:
    """The same for the thesaurus. From here to the end of the transaction nobody else changes it."""
    _write_log(session, [None], now)


def _write_log(session: Session, entry_ids: Sequence[int | None], now: datetime) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_TAKE_TURNS, {"key": CHANGE_LOG_LOCK, "channel": CHANGES_CHANNEL})
    if entry_ids:
        session.execute(insert(ChangeLog), [{"entry_id": entry_id, "at": now} for entry_id in entry_ids])
