"""The cache of vectors: the same vectors, encoded once, and never a wrong one."""

import multiprocessing
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

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


def test_who_asks_for_the_same_new_texts_at_once_has_them_encoded_once(tmp_path: Path) -> None:
    begun, asked = Event(), [f"新发布的第 {number} 个问法" for number in range(5)]

    class SlowEncoder(CountingEncoder):
        def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> np.ndarray:
            begun.set()
            time.sleep(0.05)
            return super().encode(texts, max_tokens=max_tokens)

    one, other = SlowEncoder(), SlowEncoder()
    stores = [VectorStore(tmp_path / "v.db", encoder) for encoder in (one, other)]
    found: list[np.ndarray] = []
    first = Thread(target=lambda: found.append(stores[0].encode(asked)))
    first.start()
    assert begun.wait(60)
    found.append(stores[1].encode(asked))
    first.join()
    assert (one.asked, other.asked) == (asked, [])
    np.testing.assert_array_equal(found[0], found[1])


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


def aged(path: Path, days: int) -> None:
    """As if the last use of everything lay so much farther back."""
    with sqlite3.connect(path) as other:
        other.execute("UPDATE used SET day = day - ?", (days,))


def today(path: Path) -> int:
    with sqlite3.connect(path) as other:
        return int(other.execute("SELECT max(day) FROM used").fetchone()[0])


def test_a_vector_that_nobody_uses_is_swept_and_one_in_use_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    encoder = CountingEncoder()
    store = VectorStore(path, encoder)
    store.encode(["医保", "社保", "户口", "公积金"])
    day = today(path)
    aged(path, 40)
    store.encode(["医保"])
    store.touch(["社保"])
    assert sum(store.sweep(part, unused_since=day - 30) for part in range(vector_store.PARTS)) == 2
    encoder.asked.clear()
    store.encode(["医保", "社保", "户口", "公积金"])
    assert encoder.asked == ["户口", "公积金"]


def test_the_day_of_last_use_is_the_calendar_s(tmp_path: Path) -> None:
    VectorStore(tmp_path / "v.db", CountingEncoder()).encode(["医保"])
    assert abs(today(tmp_path / "v.db") - datetime.now(UTC).toordinal()) <= 1


def test_a_file_from_before_the_days_were_kept_loses_nothing_in_its_first_sweep(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    encoder = CountingEncoder()
    store = VectorStore(path, encoder)
    store.encode(["医保", "社保"])
    day = today(path)
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM used")
    assert sum(store.sweep(part, unused_since=day) for part in range(vector_store.PARTS)) == 0
    encoder.asked.clear()
    store.encode(["医保", "社保"])
    assert encoder.asked == []


def test_a_process_that_was_forked_off_goes_on_with_the_cache(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    store = VectorStore(tmp_path / "v.db", encoder)
    store.encode(["医保"])
    child = multiprocessing.get_context("fork").Process(target=store.encode, args=(["医保", "社保"],))
    child.start()
    child.join()
    assert child.exitcode == 0
    store.encode(["医保", "社保"])
    assert encoder.asked == ["医保"]
