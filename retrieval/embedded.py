"""The embedded index: everything in this process, changes visible when ``apply`` returns."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.values import Viewer
from retrieval import reasons
from retrieval.candidates import LookedUp, candidates
from retrieval.documents import Change, Document, Result, Suggestion
from retrieval.features import NAMES, OWN, complete, measure
from retrieval.generation import Generation, Mask
from retrieval.marks import aspect_names
from retrieval.passages import pair
from retrieval.postings import Floats, Vocabulary
from retrieval.question import Context, Understood, mend, understand
from retrieval.ranker import Ranked, Ranker, Read, Thresholds, decide
from retrieval.reader import Pair
from retrieval.segment import Segment, Vocabularies
from retrieval.spelling import Speller
from retrieval.suggesting import suggestions
from retrieval.tokens import Tokeniser, shipped_tokeniser
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


class PairReader(Protocol):
    """How far an entry answers a question, as log odds."""

    def read(self, pair: Pair) -> float: ...


class CandidateRanker(Protocol):
    """What ``Ranker`` does for a search."""

    def rank(self, features: Floats, entry_ids: NDArray[np.int64], read: Read | None = None) -> Ranked: ...

    def direct_threshold(self) -> float: ...


def weights_for(encoder: TextEncoder | None, reader: PairReader | None) -> str:
    """The name of the weights that fit what the machine has."""
    if encoder is None:
        return "words"
    return "hybrid" if reader is None else "reader"


@dataclass(frozen=True)
class Means:
    """What an index searches with, beside its entries."""

    encoder: TextEncoder | None
    reader: PairReader | None
    ranker: CandidateRanker
    thresholds: Thresholds


class EmbeddedIndex:
    """A few segments, the oldest the largest, and rows switched off in them; readers never wait for the writer."""

    def __init__(
        self,
        encoder: TextEncoder | None,
        *,
        memory: TextEncoder | None = None,
        reader: PairReader | None = None,
        tokeniser: Tokeniser | None = None,
        ranker: CandidateRanker | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        """Without ``encoder`` the index works on words alone. ``memory``: the same encoder, but one that remembers
        what it has encoded; used for entries, not for questions. ``reader``: reads the best few anew."""
        self._encoder = encoder
        self._entry_encoder = memory or encoder
        self._tokeniser = tokeniser or shipped_tokeniser()
        self._reader = reader
        self._ranker = ranker or Ranker.load(weights_for(encoder, reader))
        self._thresholds = thresholds or Thresholds(direct=self._ranker.direct_threshold())
        self._vocabularies = Vocabularies(Vocabulary(), Vocabulary())
        self._generation = Generation.of((), self._vocabularies)
        self._speller = Speller.of(self._tokeniser.thesaurus.words)
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._generation)

    @property
    def tokeniser(self) -> Tokeniser:
        """The one in use now."""
        return self._tokeniser

    @property
    def means(self) -> Means:
        """What is in use now."""
        return Means(self._encoder, self._reader, self._ranker, self._thresholds)

    def frozen(self, means: Means) -> "EmbeddedIndex":
        """The entries as they are at this moment, searched by these means; no later change reaches it.

        The vectors of the entries are those that are here: ``means`` has this encoder or none.
        """
        with self._writing:
            copy = EmbeddedIndex(
                means.encoder,
                reader=means.reader,
                tokeniser=self._tokeniser,
                ranker=means.ranker,
                thresholds=means.thresholds,
            )
            copy._vocabularies, copy._generation, copy._speller = self._vocabularies, self._generation, self._speller
            return copy

    def use_weights(self, ranker: CandidateRanker, thresholds: Thresholds) -> None:
        """From the next question on; one that is being searched now is ranked by either."""
        with self._writing:
            self._ranker, self._thresholds = ranker, thresholds

    def use(self, tokeniser: Tokeniser) -> None:
        """From now on questions, and entries still to come, are cut and read by this one.

        Entries that are here already keep their cut: a question looks for a new word also by its parts.
        """
        with self._writing:
            self._speller.learn(tokeniser.thesaurus.words)
            self._tokeniser = tokeniser

    def explain(self, text: str) -> Understood:
        """How a question is read, as ``search`` would read it, without its vectors."""
        return understand(text, self._context(self._generation, self._generation.parts, self._speller))

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
                self._speller.learn(segment.title_words(self._vocabularies))
                parts.append((segment, np.ones(len(segment), np.bool_)))
            self._generation = Generation.of(_merged(parts), self._vocabularies)

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10, *, literal: bool = False) -> Result:
        """The best ``k`` entries that ``viewer`` may see and that are valid at ``now``, and what to say of them.

        ``literal``: the words are taken as typed, slips are not mended.
        """
        watch = _Stopwatch()
        generation = self._generation
        visible = _visible(generation, viewer, now)
        question = understand(query, self._context(generation, visible, None if literal else self._speller))
        watch.lap("words")
        question = self._with_vectors(question)
        watch.lap("encode")
        found = [
            (looked_up, candidates(question, looked_up, generation, seen))
            for segment, seen in visible
            for looked_up in (LookedUp.of(question, segment),)
        ]
        watch.lap("candidates")
        measured = [measure(question, looked_up, rows, generation) for looked_up, rows in found if len(rows)]
        own = np.concatenate([m.features for m in measured]) if measured else np.empty((0, len(OWN)), np.float32)
        features = complete(own, question, generation)
        watch.lap("features")
        ids = [m.segment.columns.entry_ids[m.rows] for m in measured]
        places = [(m, i) for m in measured for i in range(len(m.rows))]

        def read(row: int) -> float:
            measured, place = places[row]
            document, phrasing = measured.document(place)
            started = perf_counter()
            said = reader.read(pair(question, document, phrasing)) if reader else 0.0
            reading.append((perf_counter() - started) * 1000)
            return said

        reader, reading = self._reader, list[float]()
        entry_ids = np.concatenate(ids) if ids else np.empty(0, np.int64)
        ranked = self._ranker.rank(features, entry_ids, read if reader else None)
        watch.lap("rank", of_which_read=reading)
        best, scores = ranked.rows, ranked.scores
        hits = tuple(
            reasons.hit(question, places[b], score=float(score), features=_named(features[b]))
            for b, score in zip(best[:k], scores[:k], strict=True)
        )
        outcome = decide(scores, features[best], self._thresholds)
        watch.lap("reasons")
        return Result(
            hits=hits,
            outcome=outcome,
            timings_ms=watch.laps,
            aspects=aspect_names(question.aspects),
            mended=question.mended,
            searched=question.focus_to_encode,
            focus=question.told_as if question.is_story else "",
            facet=reasons.facet([places[b] for b in best[: reasons.COMPARED]], scores),
        )

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]:
        """Stored phrasings for what has been typed so far, at most one for each entry, same filters as ``search``.

        When they are few, those for what was probably meant (gjj, 公机金 → 公积金) follow.
        """
        generation = self._generation
        found = suggestions(typed, generation, self._vocabularies, viewer=viewer, now=now, k=k)
        if len(found) == k:
            return found
        visible = _visible(generation, viewer, now)
        meant, slips = mend(typed, self._context(generation, visible, self._speller))
        if not slips:
            return found
        held = {suggestion.entry_id for suggestion in found}
        more = suggestions(meant, generation, self._vocabularies, viewer=viewer, now=now, k=k)
        return (*found, *(suggestion for suggestion in more if suggestion.entry_id not in held))[:k]

    def _context(
        self, generation: Generation, visible: tuple[tuple[Segment, Mask], ...], speller: Speller | None
    ) -> Context:
        return Context(self._tokeniser, self._vocabularies, generation, visible, speller)

    def _with_vectors(self, question: Understood) -> Understood:
        if self._encoder is None:
            return question
        vector = self._encoder.encode([question.to_encode])[0]
        focus_vector = self._encoder.encode([question.focus_to_encode])[0] if question.is_story else vector
        return replace(question, vector=vector, focus_vector=focus_vector)

    def _encode(self, documents: Sequence[Document]) -> tuple[Matrix, Matrix] | None:
        """Vectors of all phrasings and of all answers; an empty answer has the zero vector."""
        if self._entry_encoder is None:
            return None
        phrases = self._entry_encoder.encode([p for d in documents for p in d.phrasings])
        answers = np.zeros((len(documents), self._entry_encoder.dimension), np.float32)
        spoken = [i for i, d in enumerate(documents) if d.answer.strip()]
        answers[spoken] = self._entry_encoder.encode([documents[i].answer for i in spoken], max_tokens=ANSWER_TOKENS)
        return phrases, answers


def _visible(generation: Generation, viewer: Viewer, now: datetime) -> tuple[tuple[Segment, Mask], ...]:
    """The segments with the documents that the viewer may see and that are in force."""
    return tuple((segment, live & segment.columns.visible(viewer, now)) for segment, live in generation.parts)


def _merged(parts: Sequence[tuple[Segment, Mask]]) -> list[tuple[Segment, Mask]]:
    """The same live rows in few segments: the newest are joined until each is a good deal larger than the next."""
    merged = [(segment, live) for segment, live in parts if live.any()]
    while len(merged) > 1 and _too_alike(*(int(live.sum()) for _, live in merged[-2:])):
        segment = Segment.joined([(segment, np.flatnonzero(live)) for segment, live in merged[-2:]])
        merged[-2:] = [(segment, np.ones(len(segment), np.bool_))]
    return merged


def _too_alike(older: int, newer: int) -> bool:
    return older + newer <= SMALL or older < GROWTH * newer


def _named(features: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(NAMES, map(float, features), strict=True))


class _Stopwatch:
    """Milliseconds of each stage."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str, *, of_which_read: Sequence[float] = ()) -> None:
        now = perf_counter()
        if of_which_read:
            self.laps["read"] = sum(of_which_read)
        self.laps[name] = (now - self._last) * 1000 - sum(of_which_read)
        self._last = now
