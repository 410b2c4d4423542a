"""Features to one number in 0..1, and that number to what the service says.

Logistic regressions, kept as readable JSON: ``order`` ranks the candidates of one question; where there is a reader,
``reorder`` ranks the first of them anew by what it read; ``confidence`` says how probable it is that the first of all
answers the question, and the others keep their distance to it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.values import Outcome
from retrieval.features import NAMES
from retrieval.postings import Floats

CONFIDENCE_NAMES = (*NAMES, "order", "gap", "read", "read_lead")
"""All features of the first candidate; its order value, and how far the best other lies behind (below 0: before it);
what the reader said of it, and how much less of the best other. The last two are 0 without a reader."""
LONE_GAP = 4.0
"""Gap, of order values or of the reader's log odds, when there is no other; also the largest that counts."""
REORDER_NAMES = ("order", "read")
MOST_READ = 2
"""Candidates that the reader reads at most."""
READ_WITHIN = 1.0
"""A candidate is read only if its order value is so near to the first's: 1.4 reads a question. Three candidates within
2.5, two reads a question, gained 0.002 of R@1."""

Read = Callable[[int], float]
"""What the reader says of a candidate, given by its row: log odds that it answers the question."""


WRONG_PER_100 = (0.5, 1, 2, 3, 5, 8, 12, 20, 30)
"""Promises of quality for which thresholds are measured."""
PROMISE = 5.0
"""Wrong answers in 100 direct ones that an office accepts if it says nothing."""

NEVER_DIRECT = ("year_conflict", "place_conflict")
"""An entry for another year or place is at most as probable as not, however much else agrees (see never_direct)."""
WORD_FOR_WORD = "exact"
"""A question that is one of an entry's own is answered by it, before all others."""
WORD_FOR_WORD_CONFIDENCE = 6.0
"""Log odds, unless several entries have the same question."""
_EXACT = NAMES.index(WORD_FOR_WORD)
_TITLE = NAMES.index("cover_title")
_ONE_WORD = float(np.float32(np.log1p(1) / 4)) + 1e-6
"""The feature ``length`` of a question of one word."""
_LENGTH = NAMES.index("length")
LEAST_CANDIDATE = 0.1
"""A covered question whose best is less probable than this shows no candidates."""
_NEVER_DIRECT = [NAMES.index(name) for name in NEVER_DIRECT]
WHOLLY_COVERED = 0.999
SHOWN_FIRST = 5


@dataclass(frozen=True)
class Thresholds:
    """Set by the office; higher answers directly less often and less often wrongly."""

    direct: float = 0.80
    """At least this confident: the answer may be read out."""
    choose: float = 0.20
    """At least this confident: show the best as something to check. Below: no answer."""


@dataclass(frozen=True)
class Linear:
    """``weights · features + intercept``."""

    weights: NDArray[np.float64]
    intercept: float

    @classmethod
    def read(cls, described: Mapping[str, float], names: tuple[str, ...]) -> Self:
        unknown = set(described) - {*names, "intercept"}
        if unknown:
            raise ValueError(f"weights for unknown features: {sorted(unknown)}")
        return cls(np.array([described.get(name, 0.0) for name in names]), described["intercept"])

    def described(self, names: tuple[str, ...]) -> dict[str, float]:
        """Five digits, by name."""
        values = {name: round(float(weight), 5) for name, weight in zip(names, self.weights, strict=True)}
        return values | {"intercept": round(float(self.intercept), 5)}

    def __call__(self, features: Floats | NDArray[np.float64]) -> NDArray[np.float64]:
        return features @ self.weights + self.intercept


@dataclass(frozen=True)
class Ranked:
    """The candidates of one question, best first."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    """Probabilities in that order, never increasing."""
    read: Mapping[int, float]
    """Rows that were read, and what the reader said of them."""


@dataclass(frozen=True)
class Ranker:
    order: Linear
    confidence: Linear
    reorder: Linear | None = None
    """Of REORDER_NAMES; None: there is no reader."""
    promises: Mapping[float, float] = field(default_factory=dict)
    """Wrong answers in 100 direct ones, and the lowest score that kept to it on bases that the weights never saw,
    within bounds about what the score itself promises (``benchmarks.fit_ranker.thresholds``)."""
    known_order: Linear | None = None
    """The order that ``confidence`` was fitted with, where ``order`` is a later one: what is promised of direct answers
    was measured with it. None: ``order`` itself."""

    @classmethod
    def load(cls, name: str) -> Self:
        """The committed weights ``reader``, ``hybrid`` (a model, but no reader) or ``words`` (neither)."""
        return cls.read(json.loads((files("retrieval") / "weights" / f"{name}.json").read_text(encoding="utf-8")))

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> Self:
        """Weights in the form of those files."""
        return cls(
            order=Linear.read(described["order"], NAMES),
            confidence=Linear.read(described["confidence"], CONFIDENCE_NAMES),
            reorder=Linear.read(described["reorder"], REORDER_NAMES) if "reorder" in described else None,
            promises={float(wrong): score for wrong, score in described.get("direct_threshold", {}).items()},
            known_order=Linear.read(described["known_order"], NAMES) if "known_order" in described else None,
        )

    def described(self) -> dict[str, dict[str, float]]:
        """The weights in the form of those files; ``read`` takes them back."""
        named = {"order": self.order.described(NAMES), "confidence": self.confidence.described(CONFIDENCE_NAMES)}
        if self.reorder is not None:
            named["reorder"] = self.reorder.described(REORDER_NAMES)
        if self.known_order is not None:
            named["known_order"] = self.known_order.described(NAMES)
        return named | {"direct_threshold": {f"{wrong:g}": score for wrong, score in self.promises.items()}}

    def direct_threshold(self, wrong_per_100: float = PROMISE) -> float:
        """The score from which at most so many of 100 direct answers are expected to be wrong; between measured ones
        in proportion. Raises ValueError outside 0…100."""
        if not 0 < wrong_per_100 < 100:
            raise ValueError(f"wrong_per_100={wrong_per_100}：应大于 0、小于 100")
        if not self.promises:
            return 1 - wrong_per_100 / 100
        measured = {0.0: 1.0, **self.promises, 100.0: 0.0}
        wrong = sorted(measured)
        return float(np.interp(wrong_per_100, wrong, [measured[w] for w in wrong]))

    def rank(
        self, features: Floats | NDArray[np.float64], entry_ids: NDArray[np.int64], read: Read | None = None
    ) -> Ranked:
        """Candidates best first, ties by entry id. ``read`` is asked for the first few only."""
        if not len(features):
            return Ranked(np.empty(0, np.int64), np.empty(0), {})
        exact = features[:, _EXACT] > 0
        values = self.order(features)
        best_first = np.lexsort((entry_ids, -values.round(9), ~exact))
        said = {} if exact.any() else self._said(best_first, values, read)
        best_first, distances = self._reordered(best_first, values, entry_ids, said)
        known = values if self.known_order is None else self.known_order(features)
        confidence = float(self.confidence(summary(features, known, best_first, said)))
        if exact.sum() == 1:
            confidence = max(confidence, WORD_FOR_WORD_CONFIDENCE)
        if never_direct(features[best_first[0]]):
            confidence = min(confidence, 0.0)
        return Ranked(best_first, _sigmoid(confidence - distances), said)

    def _said(self, best_first: NDArray[np.int64], values: NDArray[np.float64], read: Read | None) -> dict[int, float]:
        if read is None or self.reorder is None:
            return {}
        near = values[best_first[0]] - READ_WITHIN
        return {int(row): read(int(row)) for row in best_first[:MOST_READ] if values[row] >= near}

    def _reordered(
        self,
        best_first: NDArray[np.int64],
        values: NDArray[np.float64],
        entry_ids: NDArray[np.int64],
        said: Mapping[int, float],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The candidates with those that were read in their new order, and how far each lies behind the first."""
        ordered = values[best_first]
        if self.reorder is None or not said:
            return best_first, np.maximum.accumulate(ordered[0] - ordered)
        rows, logits = best_first[: len(said)], np.array(list(said.values()))
        anew = self.reorder(np.stack([values[rows], logits], 1))
        turns = np.lexsort((entry_ids[rows], -anew.round(9)))
        behind = anew[turns[0]] - anew[turns]
        rest = behind[-1] + ordered[len(said) - 1] - ordered[len(said) :]
        return np.concatenate([rows[turns], best_first[len(said) :]]), np.concatenate([behind, rest])


def never_direct(features: Floats | NDArray[np.float64]) -> bool:
    """Whether a candidate is at most something to check: it is for another year or place; or its question, similar
    questions and keywords hold no word of what is asked, nor a synonym, so that it is about something else; or a single
    word is asked, which says too little."""
    too_short = features[_LENGTH] <= _ONE_WORD and not features[_EXACT]
    return bool(features[_NEVER_DIRECT].any() or features[_TITLE] <= 0 or too_short)


def summary(
    features: Floats | NDArray[np.float64],
    values: NDArray[np.float64],
    best_first: NDArray[np.int64],
    said: Mapping[int, float],
) -> NDArray[np.float64]:
    """What the confidence is taken from, in the order of CONFIDENCE_NAMES."""
    first = int(best_first[0])
    others = values[best_first[1:]]
    gap = float(np.clip(values[first] - others.max(), -LONE_GAP, LONE_GAP)) if len(others) else LONE_GAP
    read, read_lead = said.get(first, 0.0), 0.0
    if said:
        others_read = [logit for row, logit in said.items() if row != first]
        read_lead = min(read - max(others_read), LONE_GAP) if others_read else LONE_GAP
    return np.append(features[first], (values[first], gap, read, read_lead))


def decide(scores: NDArray[np.float64], features: Floats, thresholds: Thresholds) -> Outcome:
    """Direct answer, candidates to check, or no answer; scores and features of the candidates, best first.

    A question all of whose words stand in the question of one of the first (营业执照, 转学) is too short to be answered
    directly, but its answer is likely among them.
    """
    if not len(scores):
        return Outcome.NONE
    if scores[0] >= thresholds.direct and not never_direct(features[0]):
        return Outcome.DIRECT
    covered = features[:SHOWN_FIRST, NAMES.index("cover_question")] >= WHOLLY_COVERED
    likely = scores[:SHOWN_FIRST] >= min(LEAST_CANDIDATE, thresholds.choose)
    return Outcome.CHOOSE if scores[0] >= thresholds.choose or (covered & likely).any() else Outcome.NONE


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
