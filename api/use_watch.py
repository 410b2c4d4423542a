"""Suggestions that fit alike come in the order of use: the counts are read anew every few minutes."""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from api.repeating import Repeating
from kb_admin.entry_uses import use_counts

EVERY_SECONDS = 600.0
"""The order changes slowly; on a million recorded uses a look takes about a second of the database."""


class WeighedByUse(Protocol):
    """What of an index is needed."""

    def use_counts(self, uses: Mapping[int, float]) -> None: ...


class UseWatch(Repeating):
    """One in each process that answers. Without any recorded use nothing changes."""

    def __init__(self, open_session: sessionmaker[Session], index: WeighedByUse) -> None:
        super().__init__("uses", self.look, every_seconds=EVERY_SECONDS)
        self._open_session = open_session
        self._index = index
        self._counts: Mapping[int, float] = {}

    def look(self) -> None:
        """Read the counts and let the index have them when they differ."""
        with self._open_session() as session:
            counts = use_counts(session, utc_now())
        if counts != self._counts:
            self._index.use_counts(counts)
            self._counts = counts
