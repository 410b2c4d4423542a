"""The cache of vectors: the same vectors, encoded once, and never a wrong one."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval import vector_store
from retrieval.vector_store import VectorStore


class CountingEncoder:
    """Encodes by text length and remembers what it was asked."""

    dimension = 4

    def __init__(self, fingerprint: str = "one") -> None:
        self.fingerprint = fingerprint
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> np.ndarray:
        self.asked += texts
        rows = [[len(text[:max_tokens]), 1, 2, len(self.fingerprint)] for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), 4)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_text_is_encoded_once_even_after_a_restart(tmp_path: Path) -> None:
    first = CountingEncoder()
    store = VectorStore(tmp_path / "v.db", first)
    before = store.encode(["医保", "社保", "医保"])
    store.close()
    second = CountingEncoder()
    after = VectorStore(tmp_path / "v.db", second).encode(["医保", "社保", "医保"])
    assert first.asked == ["医保", "社保"]
    assert second.asked == []
    np.testing.assert_array_equal(before, after)


def test_another_model_or_length_is_another_vector(tmp_path: Path) -> None:
    VectorStore(tmp_path / "v.db", CountingEncoder()).encode(["城乡居民"])
    other = CountingEncoder("another")
    store = VectorStore(tmp_path / "v.db", other)
    whole, cut = store.encode(["城乡居民"]), store.encode(["城乡居民"], max_tokens=2)
    assert other.asked == ["城乡居民", "城乡居民"]
    assert not np.array_equal(whole, cut)


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    path.write_bytes(b"not a database" * 100)
    encoder = CountingEncoder()
    assert VectorStore(path, encoder).encode(["户口"]).shape == (1, 4)
    assert encoder.asked == ["户口"]


def test_nothing_to_encode_gives_no_rows(tmp_path: Path) -> None:
    assert VectorStore(tmp_path / "v.db", CountingEncoder()).encode([]).shape == (0, 4)


def test_a_busy_file_is_not_taken_for_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.db"
    store = VectorStore(path, CountingEncoder())
    store.encode(["医保"])
    store.close()
    monkeypatch.setattr(vector_store, "TIMEOUT_SECONDS", 0.05)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            VectorStore(path, CountingEncoder())
        other.execute("ROLLBACK")
    encoder = CountingEncoder()
    VectorStore(path, encoder).encode(["医保"])
    assert encoder.asked == []


def test_what_cannot_be_remembered_is_encoded_all_the_same(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    store = VectorStore(tmp_path / "v.db", encoder)
    with sqlite3.connect(tmp_path / "v.db") as other:
        other.execute("DROP TABLE vectors")
    assert store.encode(["医保", "社保"]).shape == (2, 4)
    assert encoder.asked == ["医保", "社保"]
