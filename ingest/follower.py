"""Follows the change log of the base and keeps an index equal to what is published."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session, sessionmaker

from ingest.base_on_disk import BaseOnDisk, read_as_now
from ingest.log_rows import (
    BEFORE_ALL,
    LogRow,
    current,
    entries_between,
    last_row,
    published_count,
    published_entries,
    rows_behind,
    rows_from,
)
from ingest.thesaurus import thesaurus_of
from ingest.waking import Bell
from models.errors import ZhidaError
from models.thesaurus import newest_versions
from retrieval.documents import Change, Index
from retrieval.store import Base, Manifest
from retrieval.thesaurus import Thesaurus

POLL_SECONDS = 0.05
"""It looks so often by itself, also where nothing wakes it."""
RETRY_SECONDS = 2.0
IN_MEMORY = 1000
"""So many entries are read into memory in a second or two; for more, the base is first written to disk."""
FAR_BEHIND = 500
"""Rows of the log in one look: a process that was started from an old state goes over to the base on disk at once."""
MUCH_BEHIND = 5000
"""Rows of the log behind which a base on disk is first brought up to date there."""

log = logging.getLogger(__name__)


class FollowingIndex(Index, Protocol):
    """An index that can begin with what is on disk."""

    def use_base(self, base: Base | None, later: Sequence[Change]) -> None:
        """From now on search this base, or none, and ``later`` on top of it, and nothing that was there before."""


class Follower:
    """Reads the log in order of ``seq`` and applies the current state of each changed entry, and of the thesaurus.

    Rows are re-read, so replaying changes nothing. Writers of the log take turns
    (``kb_admin.change_log.record_changes``), so no lower ``seq`` can appear after a higher one was seen.

    Where a base is kept on disk, the index begins with that and holds in memory only what has changed since. When
    another process has written a newer one, the index goes over to it between two batches.
    """

    def __init__(
        self,
        open_session: sessionmaker[Session],
        index: FollowingIndex,
        use_thesaurus: Callable[[Thesaurus], None] | None = None,
        *,
        on_disk: BaseOnDisk | None = None,
        bring_up: Callable[[Callable[[str], None]], None] | None = None,
    ) -> None:
        """``use_thesaurus`` makes the index use what the office has changed; without it those changes are passed
        over. Without ``on_disk`` everything is held in memory. ``bring_up`` writes the base on disk, or what it lacks,
        and returns when it is there, telling how far it is; raises ZhidaError when it cannot be had."""
        self._open_session = open_session
        self._index = index
        self._use_thesaurus = use_thesaurus
        self._on_disk = on_disk
        self._bring_up = bring_up
        self._base: Manifest | None = None
        self._reading_is_old = False
        self._has_own_groups = False
        self._last = BEFORE_ALL
        self._level_at = time.perf_counter()
        self._loaded = False
        self._preparing = ""
        self._stopping = threading.Event()
        self._catching_up = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def position(self) -> int:
        """``seq`` of the last change that is searchable."""
        return self._last.seq

    @property
    def base(self) -> Manifest | None:
        """What of the index is on disk; None: everything is in memory."""
        return self._base

    @property
    def base_is_old(self) -> bool:
        """Whether the base was made when documents were read differently: regions had other names, or the program was
        an older one. It answers, and is to be built anew."""
        return self._reading_is_old

    @property
    def loaded(self) -> bool:
        """Whether the index has been filled; before that a search finds nothing."""
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
            return rows_behind(session, self.position)

    def seconds_since_level(self) -> float:
        """Since the index last held everything committed: no change that waits has waited longer.

        The log's own times will not do: each says when its change began, and a large import commits minutes later.
        """
        return time.perf_counter() - self._level_at

    def catch_up(self) -> int:
        """Make everything committed so far searchable; returns how many entries were read."""
        with self._catching_up:
            applied = 0 if self._loaded else self._load()
            looked = time.perf_counter()
            while rows := self._next_rows():
                if len(rows) >= FAR_BEHIND and self._on_disk is not None and self._on_disk.has_changed:
                    applied += self._load()  # what others have written meanwhile need not be read again
                    continue
                with self._open_session() as session:
                    if any(row.entry_id is None for row in rows):
                        self._reload_thesaurus(session)
                    entry_ids = {row.entry_id for row in rows if row.entry_id is not None}
                    self._index.apply(current(session, sorted(entry_ids)))
                self._last = rows[-1]
                applied += len(rows)
                looked = time.perf_counter()
            self._level_at = looked
            self._look_for_newer_base()
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
        failing, bell = False, Bell(self._open_session.kw["bind"])
        while not self._stopping.is_set():
            pause = POLL_SECONDS
            try:
                self.catch_up()
                if failing:
                    log.warning("数据库已恢复，检索已跟上全部改动。")
                failing = False
            except (OperationalError, InterfaceError, NoConnectionFree) as error:
                if not failing:
                    log.warning(
                        "读不到数据库，检索仍用已有内容，每 %s 秒再试：%s", RETRY_SECONDS, error.__cause__ or error
                    )
                failing, pause = True, RETRY_SECONDS
            except Exception:
                if not self._stopping.is_set():
                    log.exception("索引暂时跟不上数据库，%s 秒后再试", RETRY_SECONDS)
                pause = RETRY_SECONDS
            if pause > POLL_SECONDS:
                self._stopping.wait(pause)
            else:
                bell.wait(self._stopping, pause)
        bell.close()

    def _load(self) -> int:
        """Everything from the beginning: the base on disk where there is one, the thesaurus, and whatever of the log
        the base does not hold. What the index held before is gone."""
        base = self._base_to_begin_with()
        looked = time.perf_counter()
        with self._open_session() as session:
            end = last_row(session)
            self._reload_thesaurus(session)
            if base is None:
                entry_ids = published_entries(session)
            else:
                entry_ids = entries_between(session, base.manifest.position, end.seq)
            changes = current(session, entry_ids)
        self._go_over_to(base, changes)
        self._last, self._level_at, self._loaded = end, looked, True
        return len(changes)

    def _base_to_begin_with(self) -> Base | None:
        """The base on disk, after it was written or brought up to date where that is much."""
        if self._on_disk is None:
            return None
        with self._open_session() as session:
            base = self._on_disk.newest(session)
            missing = rows_behind(session, base.manifest.position) if base else published_count(session)
        if self._bring_up is None or missing <= (MUCH_BEHIND if base else IN_MEMORY):
            return base
        try:
            self._tell("正在把知识条目写入磁盘上的索引……")
            self._bring_up(self._tell)
        except (ZhidaError, OSError) as error:
            if self._stopping.is_set():
                raise  # who stops need not read everything into memory before
            log.warning("磁盘上的索引没有写成，先在内存中建立：%s", error)
        finally:
            self._tell("")
        with self._open_session() as session:
            return self._on_disk.newest(session)

    def _tell(self, sentence: str) -> None:
        self._preparing = sentence

    def _look_for_newer_base(self) -> None:
        if self._on_disk is None or not self._on_disk.has_changed:
            return
        with self._open_session() as session:
            newer = self._on_disk.newer(session, self._base, self.position)
            if newer is not None:
                entry_ids = entries_between(session, newer.manifest.position, self.position)
                self._go_over_to(newer, current(session, entry_ids))

    def _go_over_to(self, base: Base | None, later: Sequence[Change]) -> None:
        self._index.use_base(base, later)
        self._base = base.manifest if base else None
        with self._open_session() as session:
            self._reading_is_old = base is not None and not read_as_now(session, base.manifest)

    def _reload_thesaurus(self, session: Session) -> None:
        """What the office has changed; nothing to do while it has changed nothing. In a restored database it may have
        changed nothing any more."""
        newest = newest_versions(session)
        if self._use_thesaurus is not None and (newest or self._has_own_groups):
            self._use_thesaurus(thesaurus_of(newest))
            self._has_own_groups = bool(newest)

    def _next_rows(self) -> list[LogRow]:
        """Those after the last one applied. When that one is no longer there, the database is another: it was restored
        while this process ran, and everything is loaded anew."""
        with self._open_session() as session:
            rows = rows_from(session, self.position)
        if self._last is BEFORE_ALL:
            return rows
        if not rows or rows[0] != self._last:
            log.warning("数据库已换成另一个，或已恢复到较早的日子：重新载入全部知识条目。")
            self._load()
            return self._next_rows()
        return rows[1:]
