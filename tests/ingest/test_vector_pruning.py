"""The cache of vectors is pruned: what nobody uses goes, what answers stays, however the rounds fall."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.orm import Session

from api.clock import utc_now
from ingest import vector_pruning
from ingest.searchable import documents_of
from ingest.vector_pruning import prune
from kb_admin import lifecycle
from models.knowledge import Version
from retrieval.embedded import ANSWER_TOKENS
from retrieval.vector_store import PARTS, VectorStore
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

ENOUGH_STEPS = 1 + PARTS // vector_pruning.SWEPT_AT_ONCE
"""For a whole round over so small a base."""


class Remembering:
    """An encoder that says what it was asked."""

    dimension = 4
    fingerprint = "one"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text[:max_tokens]), 1, 2, 3] for text in texts], np.float32).reshape(len(texts), 4)


def encode_all(session: Session, vectors: VectorStore, *versions: Version) -> None:
    for document in documents_of(session, [version.entry_id for version in versions]):
        vectors.encode(document.phrasings)
        vectors.encode([document.answer], max_tokens=ANSWER_TOKENS)


@pytest.mark.parametrize("marked_at_once", [1, 1000])
def test_texts_of_live_versions_stay_and_others_go_when_they_are_old(
    session: Session, cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked_at_once: int
) -> None:
    monkeypatch.setattr(vector_pruning, "MARKED_AT_ONCE", marked_at_once)
    encoder = Remembering()
    vectors = VectorStore(tmp_path / "v.db", encoder)
    live, gone = published(session, LOST_CARD), published(session, RESIDENCE_PERMIT, code="P-2", now=NOW - 100 * DAY)
    encode_all(session, vectors, live, gone)
    lifecycle.withdraw(session, gone, "政策已废止", actor=cast.office, now=NOW)
    session.commit()
    with sqlite3.connect(tmp_path / "v.db") as other:
        other.execute("UPDATE used SET day = day - 100")
    dropped = sum(prune(session, vectors, utc_now()) for _ in range(2 * ENOUGH_STEPS))
    assert dropped == 1 + len(RESIDENCE_PERMIT.similar) + 1
    encoder.asked.clear()
    encode_all(session, vectors, live)
    assert encoder.asked == []


def test_a_text_that_came_into_use_after_the_marking_is_not_swept(session: Session, cast: Cast, tmp_path: Path) -> None:
    encoder = Remembering()
    vectors = VectorStore(tmp_path / "v.db", encoder)
    vectors.encode([LOST_CARD.question])
    with sqlite3.connect(tmp_path / "v.db") as other:
        other.execute("UPDATE used SET day = day - 100")
    prune(session, vectors, utc_now())  # marks: nothing is published
    encode_all(session, vectors, published(session, LOST_CARD))
    assert sum(prune(session, vectors, utc_now()) for _ in range(ENOUGH_STEPS)) == 0
