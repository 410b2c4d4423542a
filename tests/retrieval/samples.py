"""Documents and vectors for tests of what is kept of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
from hypothesis import strategies as st

from models.values import Publicity
from retrieval.documents import Document
from retrieval.tokens import Tokeniser
from retrieval.vectors import Matrix

DIMENSION = 64
TOKENISER = Tokeniser()
_WORDS = (
    "公积金",
    "怎么",
    "提取",
    "身份证",
    "河东区",
    "2026年",
    "GJJ",
    "😀",
    "\n",
    " ",
    "１２３４５",
    "戶口",
    "。",
    "é",
)
TEXTS = st.lists(st.sampled_from(_WORDS), max_size=6).map("".join)
_FIRST, _LAST = datetime(2020, 1, 1), datetime(2030, 1, 1)  # noqa: DTZ001 - hypothesis adds the zones
MOMENTS = st.datetimes(_FIRST, _LAST, timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]))
DOCUMENTS = st.lists(
    st.builds(
        Document,
        entry_id=st.integers(1, 12),
        version_id=st.integers(1, 2**40),
        question=TEXTS,
        similar=st.lists(TEXTS, max_size=4).map(tuple),
        keywords=st.lists(TEXTS, max_size=2).map(tuple),
        answer=TEXTS,
        unit_id=st.integers(0, 3),
        publicity=st.sampled_from(Publicity),
        valid_from=st.none() | MOMENTS,
        valid_to=st.none() | MOMENTS,
        places=st.lists(st.sampled_from(["河东", "河西"]), max_size=2).map(tuple),
    ),
    max_size=6,
    unique_by=lambda document: document.entry_id,
).map(lambda documents: sorted(documents, key=lambda document: document.entry_id))


def document(number: int, text: str = "公积金怎么提取", **changes: object) -> Document:
    fields = {"answer": f"第{number}号答复：请到窗口办理。", "similar": (f"{text}{number}",), "keywords": ("公积金",)}
    return Document(entry_id=number, version_id=number * 10, question=text, **(fields | changes))  # type: ignore[arg-type]


def encoded(documents: Sequence[Document]) -> tuple[Matrix, Matrix]:
    """Of each text the same unit vector wherever it stands."""
    return _vectors([p for d in documents for p in d.phrasings]), _vectors([d.answer for d in documents])


def _vectors(texts: Sequence[str]) -> Matrix:
    vectors = np.zeros((len(texts), DIMENSION), np.float32)
    for row, text in enumerate(texts):
        for place, character in enumerate(text):
            vectors[row, (ord(character) + place) % DIMENSION] += 1
        vectors[row] /= max(1.0, float(np.linalg.norm(vectors[row])))
    return vectors
