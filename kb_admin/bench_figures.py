"""How good the answers to a test set are: the figures of one run, by the definitions of the quality runs.

Answerable questions count in R@k and MRR; all questions count in direct answers and in wrong ones, where a question
that nothing answers is always answered wrongly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.values import Choice, Outcome

DEPTH = 10
"""Places among which the right entry is looked for."""


class Grade(Choice):
    """What became of one question, best first."""

    DIRECT_RIGHT = "direct_right", "直接答对"
    LEFT_ALONE = "left_alone", "应无答案，未给答案"
    FIRST = "first", "排在首位"
    CAUTIOUS = "cautious", "应无答案，只请核对"
    HINTED = "hinted", "排在首位，却判为未找到"
    AMONG_TEN = "among_ten", "在前十位中"
    MISSED = "missed", "未找到应答条目"
    DIRECT_WRONG = "direct_wrong", "直接答错"

    @property
    def right(self) -> bool:
        """The right entry stands first; or nothing answers the question, and nothing was answered directly."""
        return self in (Grade.DIRECT_RIGHT, Grade.LEFT_ALONE, Grade.FIRST, Grade.CAUTIOUS, Grade.HINTED)

    @property
    def worth(self) -> int:
        """Higher is better; only to tell whether a question got better or worse."""
        return _WORTH[self]


_WORTH = {
    Grade.DIRECT_RIGHT: 4,
    Grade.LEFT_ALONE: 4,
    Grade.FIRST: 3,
    Grade.CAUTIOUS: 3,
    Grade.HINTED: 2,
    Grade.AMONG_TEN: 2,
    Grade.MISSED: 1,
    Grade.DIRECT_WRONG: 0,
}


@dataclass(frozen=True)
class Judged:
    """One question with its result, reduced to what the figures need."""

    score: float
    """Of the first entry found; 0 without one."""
    rank: int | None
    """0-based rank of the first right entry among the first ten."""
    direct: bool
    answerable: bool
    outcome: Outcome = Outcome.CHOOSE
    may_be_direct: bool = True
    """Whether a lower threshold could make it a direct answer; never so for an entry of another year or place."""
    ms: float = 0.0

    @property
    def correct(self) -> bool:
        """The first entry found is right."""
        return self.answerable and self.rank == 0

    @property
    def grade(self) -> Grade:
        if self.direct:
            return Grade.DIRECT_RIGHT if self.correct else Grade.DIRECT_WRONG
        if not self.answerable:
            return Grade.LEFT_ALONE if self.outcome is Outcome.NONE else Grade.CAUTIOUS
        if self.rank is None:
            return Grade.MISSED
        if self.rank > 0:
            return Grade.AMONG_TEN
        return Grade.HINTED if self.outcome is Outcome.NONE else Grade.FIRST


Figures = dict[str, float | int | None]


def run_figures(judged: Sequence[Judged]) -> Figures:
    """The figures of a run, shares in 0..1; None where there is nothing to divide by."""
    answerable = [j for j in judged if j.answerable]
    strangers = [j for j in judged if not j.answerable]
    direct = [j for j in judged if j.direct]
    good = sum(j.correct for j in direct)
    milliseconds = np.array([j.ms for j in judged] or [0.0])
    return {
        "n": len(judged),
        "n_answerable": len(answerable),
        "n_unanswerable": len(strangers),
        **retrieval_figures(answerable),
        "direct": share(len(direct), len(judged)),
        "right_direct": share(good, len(judged)),
        "wrong_direct": share(len(direct) - good, len(judged)),
        "precision_of_direct": share(good, len(direct)),
        "abstained": share(sum(not j.direct for j in strangers), len(strangers)),
        "told_none": share(sum(j.outcome is Outcome.NONE for j in strangers), len(strangers)),
        "auroc": auroc(np.array([j.score for j in judged]), np.array([j.correct for j in judged], bool)),
        "p50_ms": float(np.percentile(milliseconds, 50)),
        "p95_ms": float(np.percentile(milliseconds, 95)),
    }


def retrieval_figures(answerable: Sequence[Judged]) -> Figures:
    """R@1, R@3, R@10 and MRR@10 (Voorhees 1999) of the questions that have an answer."""
    ranks = [j.rank for j in answerable if j.rank is not None]
    return {
        "R@1": share(sum(r == 0 for r in ranks), len(answerable)),
        "R@3": share(sum(r < 3 for r in ranks), len(answerable)),
        "R@10": share(len(ranks), len(answerable)),
        "MRR@10": share(sum(1 / (r + 1) for r in ranks), len(answerable)),
    }


def by_kind(judged: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """How many questions with and without an answer came to which outcome, and how many of those are right."""
    counts = {
        kind: {f"{outcome}{suffix}": 0 for outcome in Outcome for suffix in ("", "_right")}
        for kind in ("answerable", "unanswerable")
    }
    for j in judged:
        row = counts["answerable" if j.answerable else "unanswerable"]
        row[j.outcome.value] += 1
        row[f"{j.outcome}_right"] += j.grade.right
    return counts


def auroc(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> float | None:
    """P(score of a correct first hit > score of an incorrect one), ties one half: Mann and Whitney's U."""
    positive, negative = scores[correct], np.sort(scores[~correct])
    if not len(positive) or not len(negative):
        return None
    below = np.searchsorted(negative, positive, side="left")
    up_to = np.searchsorted(negative, positive, side="right")
    return float((below + up_to).sum() / 2 / (len(positive) * len(negative)))


def share(part: float, whole: int) -> float | None:
    """None where there is nothing to divide by."""
    return part / whole if whole else None
