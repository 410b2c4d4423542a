"""Three plain baselines, built from the field's own packages: BM25 on words, encoder cosine, and their RRF.

They read question and answer of an entry as one text for words (rank-bm25), its phrasings for vectors. They have no
threshold of their own: their score is only ranked by.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from models.values import Outcome, Viewer
from retrieval.documents import Change, Document, Hit, Result, Suggestion
from retrieval.embedded import TextEncoder
from retrieval.tokens import Tokeniser

RRF_K = 60
"""Cormack, Clarke & Büttcher 2009."""


HALF_WAY = 10.0
"""A BM25 score that is mapped to 0.5; ranks do not depend on it."""


class Baseline:
    """The search half of the index interface, over a base that is applied once."""

    def __init__(self) -> None:
        self._documents: tuple[Document, ...] = ()
        self._known: dict[str, NDArray[np.float64]] = {}
        """Scores by question: a question asked again with entries hidden has the same."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Take the whole base; only once."""
        if self._documents:
            raise NotImplementedError("a baseline is built once")
        self._documents = tuple(change.document for change in changes if change.document is not None)
        self._prepare(self._documents)

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10) -> Result:  # noqa: ARG002
        """The best ``k`` that are not hidden; scores scaled into 0..1 by the method's own bound."""
        scores = self.scores(query)
        order = np.lexsort((np.arange(len(scores)), -scores))
        seen = [i for i in order if self._documents[i].entry_id not in viewer.hidden_entry_ids][:k]
        hits = tuple(
            Hit(self._documents[i].entry_id, i, float(np.clip(scores[i], 0, 1)), self._documents[i].question)
            for i in seen
        )
        return Result(hits, Outcome.CHOOSE if hits else Outcome.NONE)

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]:  # noqa: ARG002
        """A baseline suggests nothing."""
        return ()

    def __len__(self) -> int:
        return len(self._documents)

    def scores(self, query: str) -> NDArray[np.float64]:
        """Of every entry, higher is better."""
        if query not in self._known:
            self._known[query] = self._scores(query)
        return self._known[query]

    def _prepare(self, documents: Sequence[Document]) -> None:
        raise NotImplementedError

    def _scores(self, query: str) -> NDArray[np.float64]:
        raise NotImplementedError


class Words(Baseline):
    """BM25Okapi over the words of question, similar questions and answer."""

    def __init__(self, tokeniser: Tokeniser) -> None:
        super().__init__()
        self._tokeniser = tokeniser

    def _prepare(self, documents: Sequence[Document]) -> None:
        self._bm25 = BM25Okapi([self._tokeniser.cut(" ".join((*d.phrasings, d.answer))) or [""] for d in documents])

    def _scores(self, query: str) -> NDArray[np.float64]:
        raw = np.asarray(self._bm25.get_scores(self._tokeniser.cut(query)))
        return np.asarray(np.maximum(raw, 0) / (np.maximum(raw, 0) + HALF_WAY), np.float64)


class Cosine(Baseline):
    """Highest cosine of the question to a phrasing."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self._encoder = encoder

    def _prepare(self, documents: Sequence[Document]) -> None:
        self._vectors = self._encoder.encode([p for d in documents for p in d.phrasings])
        self._starts = np.concatenate([[0], np.cumsum([len(d.phrasings) for d in documents])[:-1]]).astype(np.int64)

    def _scores(self, query: str) -> NDArray[np.float64]:
        cosines = self._vectors @ self._encoder.encode([query])[0]
        return np.maximum.reduceat(cosines, self._starts).astype(np.float64)


class ReciprocalRanks(Baseline):
    """Sum of 1 / (60 + rank) over the two."""

    def __init__(self, words: Words, cosine: Cosine) -> None:
        super().__init__()
        self._parts: tuple[Baseline, ...] = (words, cosine)

    def _prepare(self, documents: Sequence[Document]) -> None:
        """Its parts are prepared by themselves."""

    def _scores(self, query: str) -> NDArray[np.float64]:
        total = np.zeros(len(self))
        for part in self._parts:
            scores = part.scores(query)
            ranks = np.empty(len(scores))
            ranks[np.lexsort((np.arange(len(scores)), -scores))] = np.arange(1, len(scores) + 1)
            total += 1 / (RRF_K + ranks)
        return total * RRF_K / len(self._parts)


class Mixture(ReciprocalRanks):
    """Half the BM25 score over its highest, plus the cosine between its lowest (0) and its highest (1)."""

    def _scores(self, query: str) -> NDArray[np.float64]:
        saturated, cosine = (part.scores(query) for part in self._parts)
        words = saturated / (1 - saturated)  # in proportion to the plain BM25 score
        spread = float(np.ptp(cosine)) or 1.0
        highest = float(words.max(initial=0.0)) or 1.0
        return np.asarray((0.5 * words / highest + (cosine - cosine.min(initial=1.0)) / spread) / 1.5, np.float64)
