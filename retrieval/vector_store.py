"""Vectors of indexed texts, kept in a file, so that a restart does not encode the whole base again.

It is a cache and nothing else: whatever is missing or unreadable is encoded anew.
"""

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from retrieval.vectors import Matrix

BATCH = 500
"""Texts encoded before they are written: what an interrupted start has to do again, at most."""

TIMEOUT_SECONDS = 30.0
"""Another process that fills the same file writes for a moment only."""

log = logging.getLogger(__name__)


class FingerprintedEncoder(Protocol):
    """An encoder whose fingerprint changes with anything that changes a vector."""

    @property
    def dimension(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix: ...


class VectorStore:
    """An encoder that remembers. Vectors come back as half floats hold them, fresh or remembered."""

    def __init__(self, path: Path, encoder: FingerprintedEncoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = _open(path)

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:
        """As the encoder's own; only texts never seen before are encoded."""
        keys = [self._key(text, max_tokens) for text in texts]
        known = {key: self._known(key) for key in dict.fromkeys(keys)}
        new = {key: text for key, text in zip(keys, texts, strict=True) if known[key] is None}
        pending = list(new.items())
        for start in range(0, len(pending), BATCH):
            part = pending[start : start + BATCH]
            vectors = self._encoder.encode([text for _, text in part], max_tokens=max_tokens).astype(np.float16)
            fresh = {key: vector.tobytes() for (key, _), vector in zip(part, vectors, strict=True)}
            known |= fresh
            self._remember(fresh)
        stored = b"".join(known[key] or b"" for key in keys)
        return np.frombuffer(stored, np.float16).reshape(len(keys), self.dimension).astype(np.float32)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _key(self, text: str, max_tokens: int | None) -> bytes:
        described = f"{self._encoder.fingerprint}\n{max_tokens}\n{text}"
        return hashlib.blake2b(described.encode(), digest_size=16).digest()

    def _known(self, key: bytes) -> bytes | None:
        try:
            with self._lock:
                row = self._connection.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        except sqlite3.DatabaseError:
            log.warning("读不了向量缓存，重新计算", exc_info=True)
            return None
        whole = row is not None and len(row[0]) == 2 * self.dimension
        return row[0] if whole else None

    def _remember(self, vectors: Mapping[bytes, bytes]) -> None:
        try:
            with self._lock, self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", vectors.items())
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
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
    connection.commit()
    return connection
