"""Features to one number in 0..1, and that number to what the service says.

Two logistic regressions, kept as readable JSON: ``order`` ranks the candidates of one question; ``confidence`` says how
probable it is that the first of them answers the question, and the others keep their distance to it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.values import Outcome
from retrieval.features import NAMES
from retrieval.postings import Floats

CONFIDENCE_NAMES = (*NAMES, "order", "gap")
"""All features of the first candidate, its order value, and how far the second lies behind."""
LONE_GAP = 4.0
"""Gap, in units of the order value, when there is no second candidate; also the largest that counts."""


NEVER_DIRECT = ("year_conflict", "place_conflict")
"""An entry for another year or place is at most as probable as not, however much else agrees."""
_NEVER_DIRECT = [NAMES.index(name) for name in NEVER_DIRECT]
WHOLLY_COVERED = 0.999
SHOWN_FIRST = 5


@dataclass(frozen=True)
class Thresholds:
    """Set by the office; higher answers directly less often and less often wrongly."""

    direct: float = 0.80
    """At least this confident: the answer may be read out."""
    choose: float = 0.30
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

    def __call__(self, features: Floats | NDArray[np.float64]) -> NDArray[np.float64]:
        return features @ self.weights + self.intercept


@dataclass(frozen=True)
class Ranker:
    order: Linear
    confidence: Linear

    @classmethod
    def load(cls, name: str) -> Self:
        """The committed weights ``hybrid`` (with a model) or ``words`` (without)."""
        described = json.loads((files("retrieval") / "weights" / f"{name}.json").read_text(encoding="utf-8"))
        return cls(
            order=Linear.read(described["order"], NAMES),
            confidence=Linear.read(described["confidence"], CONFIDENCE_NAMES),
        )

    def rank(
        self, features: Floats | NDArray[np.float64], entry_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Candidates best first (ties by entry id) and their scores in that order, never increasing."""
        if not len(features):
            return np.empty(0, np.int64), np.empty(0)
        values = self.order(features)
        best_first = np.lexsort((entry_ids, -values.round(9)))
        ordered = values[best_first]
        first = np.append(features[best_first[0]], summary_of_order(ordered))
        confidence = float(self.confidence(first))
        if features[best_first[0], _NEVER_DIRECT].any():
            confidence = min(confidence, 0.0)
        return best_first, _sigmoid(confidence - (ordered[0] - ordered))


def summary_of_order(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """The order value of the first candidate, and its gap to the second."""
    gap = ordered[0] - ordered[1] if len(ordered) > 1 else LONE_GAP
    return float(ordered[0]), float(min(gap, LONE_GAP))


def decide(scores: NDArray[np.float64], features: Floats, thresholds: Thresholds) -> Outcome:
    """Direct answer, candidates to check, or no answer; scores and features of the candidates, best first.

    A question all of whose words stand in the question of one of the first (营业执照, 转学) is too short to be answered
    directly, but its answer is likely among them.
    """
    if not len(scores):
        return Outcome.NONE
    if scores[0] >= thresholds.direct:
        return Outcome.DIRECT
    covered = features[:SHOWN_FIRST, NAMES.index("cover_question")] >= WHOLLY_COVERED
    return Outcome.CHOOSE if scores[0] >= thresholds.choose or covered.any() else Outcome.NONE


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
