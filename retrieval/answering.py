"""Stage 2 of every backend: measured candidates to ranked hits, an outcome and the reasons for both."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval import reasons
from retrieval.documents import Result
from retrieval.features import NAMES, OWN, Measured, complete
from retrieval.generation import Generation
from retrieval.marks import aspect_names
from retrieval.passages import pair
from retrieval.postings import Floats
from retrieval.question import Understood
from retrieval.ranker import Ranked, Read, Thresholds, decide
from retrieval.reader import Pair


class PairReader(Protocol):
    """How far an entry answers a question, as log odds."""

    def read(self, pair: Pair) -> float: ...


class CandidateRanker(Protocol):
    """What ``Ranker`` does for a search."""

    def rank(self, features: Floats, entry_ids: NDArray[np.int64], read: Read | None = None) -> Ranked: ...

    def direct_threshold(self) -> float: ...


@dataclass(frozen=True)
class Judges:
    """Who decides what the measured candidates are worth."""

    ranker: CandidateRanker
    reader: PairReader | None
    thresholds: Thresholds


class Stopwatch:
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


def answer(
    question: Understood,
    measured: Sequence[Measured],
    generation: Generation,
    judges: Judges,
    *,
    k: int,
    watch: Stopwatch,
) -> Result:
    """The best ``k`` of the candidates, and what the service says to the question."""
    own = np.concatenate([m.features for m in measured]) if measured else np.empty((0, len(OWN)), np.float32)
    features = complete(own, question, generation)
    watch.lap("features")
    places = [(m, i) for m in measured for i in range(len(m.rows))]
    reader, reading = judges.reader, list[float]()

    def read(row: int) -> float:
        measured, place = places[row]
        document, phrasing = measured.document(place)
        started = perf_counter()
        said = reader.read(pair(question, document, phrasing)) if reader else 0.0
        reading.append((perf_counter() - started) * 1000)
        return said

    ids = [m.segment.columns.entry_ids[m.rows] for m in measured]
    entry_ids = np.concatenate(ids) if ids else np.empty(0, np.int64)
    ranked = judges.ranker.rank(features, entry_ids, read if reader else None)
    watch.lap("rank", of_which_read=reading)
    best, scores = ranked.rows, ranked.scores
    hits = tuple(
        reasons.hit(question, places[b], score=float(score), features=_named(features[b]))
        for b, score in zip(best[:k], scores[:k], strict=True)
    )
    outcome = decide(scores, features[best], judges.thresholds)
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


def _named(features: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(NAMES, map(float, features), strict=True))
