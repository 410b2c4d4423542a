"""Follows what feeders have written to Milvus: the counts of the whole, the thesaurus, and how far they are."""

import logging
import threading
import time
from collections.abc import Callable

from pymilvus.exceptions import MilvusException
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ingest.feeding import Feeder
from ingest.log_rows import last_row, rows_behind
from ingest.thesaurus import thesaurus_of
from models.errors import Unavailable
from models.feeding import FeedCounts, FeedTask, IndexFeed
from models.knowledge import ChangeLog
from models.thesaurus import newest_versions
from retrieval.counts import Counts
from retrieval.manifest import Manifest
from retrieval.milvus import MilvusIndex
from retrieval.thesaurus import Thesaurus

POLL_SECONDS = 0.1
"""A publication is searchable well within the second that the office is promised."""
RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


class FedFollower:
    """What ``ingest.follower.Follower`` is to the embedded index; every process also feeds while there is work."""

    def __init__(
        self,
        open_session: sessionmaker[Session],
        index: MilvusIndex,
        feeder: Feeder,
        use_thesaurus: Callable[[Thesaurus], None] | None = None,
    ) -> None:
        self._open_session = open_session
        self._index = index
        self._feeder = feeder
        self._use_thesaurus = use_thesaurus
        self._position = 0
        self._counted = 0
        self._thesaurus_seen = -1
        self._level_at = time.perf_counter()
        self._prepared = False
        self._loaded = False
        self._preparing = ""
        self._stopping = threading.Event()
        self._catching_up = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def position(self) -> int:
        """``seq`` of the last change that is searchable, with all before it."""
        return self._position

    @property
    def base(self) -> Manifest | None:
        """Nothing of the index is on this machine's disk."""
        return None

    @property
    def loaded(self) -> bool:
        """Whether the index has once held everything; before that a search may find nothing."""
        return self._loaded

    @property
    def preparing(self) -> str:
        """What is being waited for before the first answer, as people read it; empty otherwise."""
        return self._preparing

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def lag(self) -> int:
        """How far the log is ahead of the index, in rows of the log."""
        with self._open_session() as session:
            return rows_behind(session, self._position)

    def seconds_since_level(self) -> float:
        """Since the index last held everything committed: no change that waits has waited longer."""
        return time.perf_counter() - self._level_at

    def catch_up(self) -> int:
        """Make everything committed so far searchable, as far as others have not claimed it; how many were written.
        Raises Unavailable."""
        try:
            return self._catch_up()
        except MilvusException as error:
            raise Unavailable(f"Milvus 没有答复：{error.message}。") from error

    def _catch_up(self) -> int:
        with self._catching_up:
            self._look()
            if not self._prepared:
                self._feeder.prepare()
                self._prepared = True
            written = 0
            while some := self._feeder.feed():
                written += some
                if self._look() or self._stopping.is_set():
                    break  # what is only to be written again is left for later rounds
            self._look()
            return written

    def start(self) -> None:
        """Feed and follow in a thread of its own until ``stop``."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._stopping.clear()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = POLL_SECONDS
            try:
                self.catch_up()
            except Exception as error:
                foreseen = isinstance(error, Unavailable)
                log.error("Milvus 暂时跟不上数据库，%s 秒后再试：%s", RETRY_SECONDS, error, exc_info=not foreseen)
                self._prepared = False  # it may come back empty
                pause = RETRY_SECONDS
            self._stopping.wait(pause)

    def _look(self) -> bool:
        """Take over what has been written since the last look; whether that was all that had changed.

        The position is read before the tasks and these before the counts: whatever is committed between can only make
        the index know more than is said of it.
        """
        looked = time.perf_counter()
        name = self._feeder.name
        with self._open_session() as session:
            end = last_row(session).seq
            self._reload_thesaurus(session, end)
            planned = session.scalar(select(IndexFeed.position).where(IndexFeed.name == name))
            waiting = session.scalar(select(func.min(FeedTask.seq)).where(FeedTask.feed == name, FeedTask.seq > 0))
            again = session.scalar(select(func.count()).where(FeedTask.feed == name, FeedTask.seq == 0)) or 0
            self._take_over(session)
        if planned is None:
            return False
        self._position = planned if waiting is None else waiting - 1
        self._preparing = "" if self._loaded or not again else f"正在向 Milvus 写入知识条目，还有 {again} 条……"
        self._loaded = self._loaded or not again
        level = self._position >= end
        if level:
            self._level_at = looked
        return level and self._loaded

    def _take_over(self, session: Session) -> None:
        rows = session.execute(
            select(FeedCounts.id, FeedCounts.whole, FeedCounts.counted, FeedCounts.written)
            .where(FeedCounts.feed == self._feeder.name, FeedCounts.id > self._counted)
            .order_by(FeedCounts.id)
        ).all()
        if not rows:
            return
        change, anew = Counts(), False
        for _, whole, counted, _ in rows:
            change, anew = (Counts() if whole else change), anew or whole
            change.add(Counts.unpacked(counted))
        first = self._counted == 0
        self._index.follow(change, max(written for *_, written in rows), whole=anew or first)
        self._counted = rows[-1][0]

    def _reload_thesaurus(self, session: Session, end: int) -> None:
        """What the office has changed since the last look."""
        if self._use_thesaurus is None or end == self._thesaurus_seen:
            return
        changed = select(func.count()).where(ChangeLog.entry_id.is_(None), ChangeLog.seq > self._thesaurus_seen)
        if session.scalar(changed):
            newest = newest_versions(session)
            if newest:
                self._use_thesaurus(thesaurus_of(newest))
        self._thesaurus_seen = end
