"""Keeps what each process holds in memory small: now and then it is written to disk, by one process of the machine."""

import fcntl
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from api.repeating import Repeating
from models.errors import ZhidaError
from retrieval.store import Manifest

LOOK_SECONDS = 5.0
MOST_IN_MEMORY = 1000
"""Entries: a few milliseconds of each search, and some seconds of the next start."""
MOST_ROWS = 5000
"""Of the log: withdrawn entries take no memory, but are read again at every start."""
LONGEST_SECONDS = 600.0
"""However little it is: after so long it is written."""
REST_SECONDS = 30.0
"""After each time, so that a child that finds another at work, or writes what this process cannot use, does not come
back at once."""
PATIENCE_SECONDS = (60.0, 300.0, 1800.0)
"""After a failure, after a second, after each further one: a full disk is not emptied by trying."""

log = logging.getLogger(__name__)


class Counted(Protocol):
    """What the keeper must know of the index."""

    @property
    def delta_entries(self) -> int: ...


class Followed(Protocol):
    """And of what fills it."""

    @property
    def loaded(self) -> bool: ...

    @property
    def position(self) -> int: ...

    @property
    def base(self) -> Manifest | None: ...

    @property
    def base_is_old(self) -> bool: ...


class Writing(Protocol):
    """What does the writing: ``api.index_child.IndexChild``."""

    def run(self, arguments: Sequence[str]) -> None: ...

    def stop(self) -> None: ...


class IndexKeeper(Repeating):
    """Starts ``zhida index flush`` as a child when enough has come together. Of all processes of a machine one keeps:
    the first that holds the lock; when it dies another takes its place."""

    def __init__(self, folder: Path, index: Counted, follower: Followed, child: Writing) -> None:
        super().__init__("index keeper", self.look, every_seconds=LOOK_SECONDS)
        self._lock_file = folder / "keeper.lock"
        self._index = index
        self._follower = follower
        self._child = child
        self._held: int | None = None
        self._since: float | None = None
        self._failures = 0
        self._not_before = 0.0

    def look(self) -> bool:
        """Write to disk if it is time; returns whether it was done."""
        if not self._follower.loaded or not self._due() or time.perf_counter() < self._not_before:
            return False
        try:
            if not self._is_mine():
                return False
            self._child.run(["flush", "--polite", "--no-wait"])
        except (ZhidaError, OSError) as error:
            if not self.stopping:
                pause = PATIENCE_SECONDS[min(self._failures, len(PATIENCE_SECONDS) - 1)]
                log.warning("索引没有写到磁盘上，%.0f 分钟后再试；检索不受影响。原因：%s", pause / 60, error)
                self._failures, self._not_before = self._failures + 1, time.perf_counter() + pause
            return False
        self._failures, self._since, self._not_before = 0, None, time.perf_counter() + REST_SECONDS
        return True

    def stop(self) -> None:
        self._stopping.set()
        self._child.stop()
        super().stop()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _due(self) -> bool:
        base = self._follower.base
        rows = self._follower.position - (base.position if base else 0)
        if self._follower.base_is_old:
            return True
        if not rows:
            self._since = None
            return False
        self._since = self._since or time.perf_counter()
        waited = time.perf_counter() - self._since
        return self._index.delta_entries > MOST_IN_MEMORY or rows > MOST_ROWS or waited > LONGEST_SECONDS

    def _is_mine(self) -> bool:
        """Whether this process keeps; once it does, until it ends."""
        if self._held is not None:
            return True
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(opened)
            return False
        self._held = opened
        return True
