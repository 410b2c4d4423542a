"""The embedded index: everything in this process, changes visible when ``apply`` returns."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.values import Viewer
from retrieval.candidates import candidates
from retrieval.documents import Change, Document, Hit, Result, Suggestion
from retrieval.features import NAMES, OWN, Measured, complete, measure
from retrieval.generation import Generation, Mask
from retrieval.marks import aspect_names
from retrieval.postings import Vocabulary
from retrieval.question import Understood, understand
from retrieval.ranker import Ranker, Thresholds, decide
from retrieval.segment import Segment, Vocabularies
from retrieval.suggesting import suggestions
from retrieval.tokens import Tokeniser, alternatives
from retrieval.vectors import Matrix

SMALL = 500
"""Segments of so few entries together are always joined: it takes some milliseconds."""
GROWTH = 4
"""A segment keeps at least so many times the entries of the next newer one. Each entry is thus joined a few times in
its life, and a search looks into few segments: at most five for 100,000 entries."""
ANSWER_TOKENS = 128
"""Tokens of an answer that its vector covers: the beginning says what it is about, the rest costs time."""


class TextEncoder(Protocol):
    """Texts to L2-normalised float32 vectors ``(n, dimension)``."""

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix: ...


class EmbeddedIndex:
    """A few segments, the oldest the largest, and rows switched off in them; readers never wait for the writer."""

    def __init__(
        self,
        encoder: TextEncoder | None,
        *,
        memory: TextEncoder | None = None,
        tokeniser: Tokeniser | None = None,
        ranker: Ranker | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        """Without ``encoder`` the index works on words alone. ``memory``: the same encoder, but one that remembers
        what it has encoded; used for entries, not for questions."""
        self._encoder = encoder
        self._entry_encoder = memory or encoder
        self._tokeniser = tokeniser or Tokeniser()
        self._ranker = ranker or Ranker.load("hybrid" if encoder else "words")
        self._thresholds = thresholds or Thresholds()
        self._vocabularies = Vocabularies(Vocabulary(), Vocabulary())
        self._generation = Generation.of((), self._vocabularies)
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._generation)

    def apply(self, changes: Sequence[Change]) -> None:
        """Make the changes visible. The last change of an entry in the batch wins."""
        latest = {change.entry_id: change.document for change in changes}
        if not latest:
            return
        with self._writing:
            parts = [
                (segment, live & ~np.isin(segment.columns.entry_ids, list(latest)))
                for segment, live in self._generation.parts
            ]
            added = sorted((d for d in latest.values() if d is not None), key=lambda d: d.entry_id)
            if added:
                vectors = self._encode(added)
                segment = Segment.build(added, self._tokeniser, self._vocabularies, vectors)
                parts.append((segment, np.ones(len(segment), np.bool_)))
            self._generation = Generation.of(_merged(parts), self._vocabularies)

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10) -> Result:
        """The best ``k`` entries that ``viewer`` may see and that are valid at ``now``, and what to say of them."""
        watch = _Stopwatch()
        generation = self._generation
        question = understand(query, self._tokeniser, self._vocabularies)
        watch.lap("words")
        if self._encoder:
            question = replace(question, vector=self._encoder.encode([query])[0])
        watch.lap("encode")
        found = [
            (segment, candidates(question, segment, generation, live & segment.columns.visible(viewer, now)))
            for segment, live in generation.parts
        ]
        watch.lap("candidates")
        measured = [measure(question, segment, rows, generation) for segment, rows in found if len(rows)]
        own = np.concatenate([m.features for m in measured]) if measured else np.empty((0, len(OWN)), np.float32)
        features = complete(own, question, generation)
        watch.lap("features")
        ids = [m.segment.columns.entry_ids[m.rows] for m in measured]
        best, scores = self._ranker.rank(features, np.concatenate(ids) if ids else np.empty(0, np.int64))
        places = [(m, i) for m in measured for i in range(len(m.rows))]
        hits = tuple(
            _hit(question, *places[b], score=float(score), features=features[b])
            for b, score in zip(best[:k], scores[:k], strict=True)
        )
        watch.lap("rank")
        return Result(
            hits, decide(scores, features[best], self._thresholds), watch.laps, aspect_names(question.aspects)
        )

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]:
        """Stored phrasings for what has been typed so far, at most one for each entry, same filters as ``search``."""
        return suggestions(typed, self._generation, self._vocabularies, viewer=viewer, now=now, k=k)

    def _encode(self, documents: Sequence[Document]) -> tuple[Matrix, Matrix] | None:
        """Vectors of all phrasings and of all answers; an empty answer has the zero vector."""
        if self._entry_encoder is None:
            return None
        phrases = self._entry_encoder.encode([p for d in documents for p in d.phrasings])
        answers = np.zeros((len(documents), self._entry_encoder.dimension), np.float32)
        spoken = [i for i, d in enumerate(documents) if d.answer.strip()]
        answers[spoken] = self._entry_encoder.encode([documents[i].answer for i in spoken], max_tokens=ANSWER_TOKENS)
        return phrases, answers


def _merged(parts: Sequence[tuple[Segment, Mask]]) -> list[tuple[Segment, Mask]]:
    """The same live rows in few segments: the newest are joined until each is a good deal larger than the next."""
    merged = [(segment, live) for segment, live in parts if live.any()]
    while len(merged) > 1 and _too_alike(*(int(live.sum()) for _, live in merged[-2:])):
        segment = Segment.joined([(segment, np.flatnonzero(live)) for segment, live in merged[-2:]])
        merged[-2:] = [(segment, np.ones(len(segment), np.bool_))]
    return merged


def _too_alike(older: int, newer: int) -> bool:
    return older + newer <= SMALL or older < GROWTH * newer


def _hit(question: Understood, measured: Measured, place: int, *, score: float, features: NDArray[np.float32]) -> Hit:
    document = measured.segment.documents[measured.rows[place]]
    phrase = int(measured.best_phrases[place] - measured.segment.phrase_start[measured.rows[place]])
    text = measured.segment.entry_texts[measured.rows[place]]
    return Hit(
        entry_id=document.entry_id,
        version_id=document.version_id,
        score=score,
        phrasing=document.phrasings[phrase],
        matched=tuple(found for word in question.words for found in alternatives().get(word, (word,)) if found in text),
        features=dict(zip(NAMES, map(float, features), strict=True)),
    )


class _Stopwatch:
    """Milliseconds of each stage."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now
