"""Follows the change log of the base and keeps an index equal to what is published."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ingest.searchable import documents_of
from ingest.thesaurus import thesaurus_of
from models.knowledge import ChangeLog, Entry, Version
from models.thesaurus import newest_versions
from models.values import VersionStatus
from retrieval.documents import Change, Index
from retrieval.thesaurus import Thesaurus

POLL_SECONDS = 0.05
"""A publication is searchable well within the second that the office is promised."""
BATCH = 2000
"""Changes applied at a time: enough to be quick, few enough that memory stays flat."""
RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


class Follower:
    """Reads the log in order of ``seq`` and applies the current state of each changed entry, and of the thesaurus.

    Rows are re-read, so replaying changes nothing. Writers of the log take turns
    (``kb_admin.change_log.record_changes``), so no lower ``seq`` can appear after a higher one was seen.
    """

    def __init__(
        self,
        open_session: sessionmaker[Session],
        index: Index,
        use_thesaurus: Callable[[Thesaurus], None] | None = None,
    ) -> None:
        """``use_thesaurus`` makes the index use what the office has changed; without it those changes are passed
        over."""
        self._open_session = open_session
        self._index = index
        self._use_thesaurus = use_thesaurus
        self._position = 0
        self._level_at = time.perf_counter()
        self._loaded = False
        self._stopping = threading.Event()
        self._catching_up = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def position(self) -> int:
        """``seq`` of the last change that is searchable."""
        return self._position

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def lag(self) -> int:
        """How far the log is ahead of the index, in rows of the log."""
        with self._open_session() as session:
            return session.scalar(select(func.count()).where(ChangeLog.seq > self._position)) or 0

    def seconds_since_level(self) -> float:
        """Since the index last held everything committed: no change that waits has waited longer.

        The log's own times will not do: each says when its change began, and a large import commits minutes later.
        """
        return time.perf_counter() - self._level_at

    def catch_up(self) -> int:
        """Make everything committed so far searchable; returns how many entries were read."""
        with self._catching_up:
            if not self._loaded:
                return self._load()
            applied = 0
            looked = time.perf_counter()
            while changed := self._next_batch():
                with self._open_session() as session:
                    if any(entry_id is None for _, entry_id in changed):
                        self._reload_thesaurus(session)
                    entry_ids = {entry_id for _, entry_id in changed if entry_id is not None}
                    self._index.apply(_current(session, sorted(entry_ids)))
                self._position = changed[-1][0]
                applied += len(changed)
                looked = time.perf_counter()
            self._level_at = looked
            return applied

    def start(self) -> None:
        """Follow in a thread of its own until ``stop``."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = POLL_SECONDS
            try:
                self.catch_up()
            except Exception:
                log.exception("索引暂时跟不上数据库，%s 秒后再试", RETRY_SECONDS)
                pause = RETRY_SECONDS
            self._stopping.wait(pause)

    def _load(self) -> int:
        """The first time: the thesaurus and everything published, and the log's end as it stood before reading."""
        looked = time.perf_counter()
        with self._open_session() as session:
            end = int(session.scalar(select(func.max(ChangeLog.seq))) or 0)
            self._reload_thesaurus(session)
            published = select(Version.entry_id).where(Version.status == VersionStatus.PUBLISHED)
            entry_ids = session.scalars(select(Entry.id).where(Entry.id.in_(published)).order_by(Entry.id)).all()
        changes: list[Change] = []
        for start in range(0, len(entry_ids), BATCH):
            with self._open_session() as session:
                changes += _current(session, entry_ids[start : start + BATCH])
        self._index.apply(changes)
        self._position = end
        self._level_at = looked
        self._loaded = True
        return len(changes)

    def _reload_thesaurus(self, session: Session) -> None:
        """What the office has changed; nothing to do while it has changed nothing."""
        newest = newest_versions(session)
        if newest and self._use_thesaurus is not None:
            self._use_thesaurus(thesaurus_of(newest))

    def _next_batch(self) -> Sequence[tuple[int, int | None]]:
        with self._open_session() as session:
            rows = session.execute(
                select(ChangeLog.seq, ChangeLog.entry_id)
                .where(ChangeLog.seq > self._position)
                .order_by(ChangeLog.seq)
                .limit(BATCH)
            )
            return [(seq, entry_id) for seq, entry_id in rows]


def _current(session: Session, entry_ids: Sequence[int]) -> list[Change]:
    """What the database says of the entries now; one without a published version is gone."""
    documents = {document.entry_id: document for document in documents_of(session, entry_ids)}
    return [Change(entry_id, documents.get(entry_id)) for entry_id in entry_ids]
