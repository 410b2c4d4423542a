"""Vectors of indexed texts, kept in a file, so that a restart does not encode the whole base again.

It is a cache and nothing else: whatever is missing or unreadable is encoded anew. Each vector bears the day on which it
was last of use, to within a week, so that those of texts long gone can be dropped.
"""

import fcntl
import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from retrieval.vectors import Matrix

BATCH = 500
"""Texts encoded before they are written: what an interrupted start has to do again, at most."""

TIMEOUT_SECONDS = 30.0
"""Another process that fills the same file writes for a moment only."""

FEW = 100
"""So few texts, those of a publication, are encoded by one process for all; whole bases are not waited for."""
LOOKED_UP = 500
"""Keys in one query: SQLite takes 999 parameters in its oldest builds."""
STAMPED_DAYS = 7
"""A vector that is of use again is stamped anew when its stamp is older: one small write a week, not one a search."""
PARTS = 256
"""A sweep goes by the first byte of the keys."""
_TODAY = "CAST(julianday('now') - 1721424.5 AS INTEGER)"
"""The number of this day, as ``date.toordinal`` counts."""

PAGE_BYTES = 16_384
"""In pages of 4 kB a vector of 1 kB takes a page of its own beside the table's."""
_STAMP = f"INSERT OR REPLACE INTO used VALUES (?, {_TODAY})"  # noqa: S608 - nothing from outside

log = logging.getLogger(__name__)


class FingerprintedEncoder(Protocol):
    """An encoder whose fingerprint changes with anything that changes a vector."""

    @property
    def dimension(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix: ...


class VectorStore:
    """An encoder that remembers. Vectors come back as half floats hold them, fresh or remembered.

    A process that was forked off may go on using it: each process has its own connection.
    """

    def __init__(self, path: Path, encoder: FingerprintedEncoder) -> None:
        self._path = path
        self._encoder = encoder
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._opened = _open(path)
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        """Kept, but never touched: SQLite forbids both using and closing them on this side of a fork."""

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:
        """As the encoder's own; only texts never seen before are encoded."""
        keys = [self._key(text, max_tokens) for text in texts]
        known = self._known(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if 0 < len(new) <= FEW:
            with self._turn():
                known |= self._known(list(new))
                known |= self._encode_new({key: text for key, text in new.items() if key not in known}, max_tokens)
        else:
            known |= self._encode_new(new, max_tokens)
        stored = b"".join(known[key] for key in keys)
        return np.frombuffer(stored, np.float16).reshape(len(keys), self.dimension).astype(np.float32)

    def _encode_new(self, texts: Mapping[bytes, str], max_tokens: int | None) -> dict[bytes, bytes]:
        pending = list(texts.items())
        encoded: dict[bytes, bytes] = {}
        for start in range(0, len(pending), BATCH):
            part = pending[start : start + BATCH]
            vectors = self._encoder.encode([text for _, text in part], max_tokens=max_tokens).astype(np.float16)
            fresh = {key: vector.tobytes() for (key, _), vector in zip(part, vectors, strict=True)}
            encoded |= fresh
            self._remember(fresh)
        return encoded

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Processes that follow one publication meet here: the first encodes, the others find what it has written."""
        try:
            file = self._path.with_name(f"{self._path.name}.lock").open("w")
        except OSError:
            yield
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # also of what a process forked meanwhile has inherited

    def touch(self, texts: Sequence[str], *, max_tokens: int | None = None) -> None:
        """Stamp what is held of these texts as of use today; nothing is encoded."""
        self._known([self._key(text, max_tokens) for text in texts])

    def sweep(self, part: int, *, unused_since: int) -> int:
        """Drop the vectors of that one of the PARTS which nobody has used since the day of that number; returns how
        many. Those that bear no stamp yet get today's."""
        first, end = bytes([part]), bytes([part + 1]) if part + 1 < PARTS else b"\xff" * 17
        within = "key >= ? AND key < ?"
        with self._lock, self._connection as connection:
            connection.execute(
                f"INSERT OR IGNORE INTO used SELECT key, {_TODAY} FROM vectors WHERE {within}",  # noqa: S608
                (first, end),
            )
            connection.execute(
                f"DELETE FROM vectors WHERE {within} AND key IN "  # noqa: S608 - nothing from outside
                f"(SELECT key FROM used WHERE {within} AND day < ?)",
                (first, end, first, end, unused_since),
            )
            swept = connection.execute(
                f"DELETE FROM used WHERE {within} AND day < ?",  # noqa: S608
                (first, end, unused_since),
            )
            return swept.rowcount

    def note(self, name: str) -> int | None:
        """A number that was written down beside the vectors."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def write_note(self, **notes: int) -> None:
        """Write numbers down beside the vectors."""
        with self._lock, self._connection as connection:
            connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", notes.items())

    def close(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                self._opened.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        """This process's own; whoever asks holds the lock."""
        if self._process != os.getpid():
            self._inherited.append(self._opened)
            self._opened, self._process = _open(self._path), os.getpid()
        return self._opened

    def _key(self, text: str, max_tokens: int | None) -> bytes:
        described = f"{self._encoder.fingerprint}\n{max_tokens}\n{text}"
        return hashlib.blake2b(described.encode(), digest_size=16).digest()

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those that are held, whole; each is stamped, unless it was lately."""
        known: dict[bytes, bytes] = {}
        stale: list[tuple[bytes]] = []
        try:
            with self._lock:
                for key, vector, is_stale in self._looked_up(list(dict.fromkeys(keys))):
                    if len(vector) == 2 * self.dimension:
                        known[key] = vector
                        if is_stale:
                            stale.append((key,))
                if stale:
                    with self._connection as connection:
                        connection.executemany(_STAMP, stale)
        except sqlite3.DatabaseError:
            log.warning("读不了向量缓存，重新计算", exc_info=True)
        return known

    def _looked_up(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
        for start in range(0, len(keys), LOOKED_UP):
            some = keys[start : start + LOOKED_UP]
            yield from self._connection.execute(
                f"SELECT key, vector, day IS NULL OR day < {_TODAY} - {STAMPED_DAYS} "  # noqa: S608
                f"FROM vectors LEFT JOIN used USING (key) WHERE key IN ({','.join('?' * len(some))})",
                some,
            )

    def _remember(self, vectors: Mapping[bytes, bytes]) -> None:
        try:
            with self._lock, self._connection as connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", vectors.items())
                connection.executemany(_STAMP, [(key,) for key in vectors])
        except sqlite3.DatabaseError:
            log.warning("写不了向量缓存，下次启动时将重新计算", exc_info=True)


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        log.warning("向量缓存 %s 已损坏，删除后重新计算。", path)
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            file.unlink(missing_ok=True)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=TIMEOUT_SECONDS)
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a new file; an old one keeps its own
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
    connection.execute("CREATE TABLE IF NOT EXISTS used (key BLOB PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID")
    connection.execute("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
    connection.commit()
    return connection
