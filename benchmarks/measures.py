"""Figures of a quality run, by the definitions that the hotline's results files are scored with everywhere.

Answerable questions count in R@k, MRR and the direct-answer rate; all questions count in wrong direct answers, AUROC
and the calibration error, where an unanswerable question is always wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Query
from kb_admin.bench_figures import DEPTH, Judged, auroc, retrieval_figures, share


@dataclass(frozen=True)
class Answered:
    """What one question got: hits best first with scores in 0..1, direct or not, milliseconds."""

    id: str
    hits: tuple[tuple[str, float], ...]
    direct: bool
    ms: float = 0.0


def judge(queries: Sequence[Query], answers: Sequence[Answered]) -> list[Judged]:
    """Hold each question against its result; a question without one counts as a miss."""
    by_id = {answer.id: answer for answer in answers}
    judged = []
    for query in queries:
        answer = by_id.get(query.id, Answered(query.id, (), False))
        first = dict(reversed(answer.hits))
        hits = [(key, first.pop(key)) for key, _ in answer.hits if key in first and key not in query.exclude]
        rank = next((i for i, (hit, _) in enumerate(hits[:DEPTH]) if hit in query.relevant), None)
        judged.append(
            Judged(
                score=hits[0][1] if hits else 0.0,
                rank=rank if query.answerable else None,
                direct=answer.direct and bool(hits),
                answerable=query.answerable,
            )
        )
    return judged


def figures(judged: Sequence[Judged]) -> dict[str, float | int | None]:
    """All figures of one run; None where there is nothing to divide by."""
    answerable = [j for j in judged if j.answerable]
    direct = sum(j.direct for j in judged)
    good = sum(j.direct and j.correct for j in judged)
    scores = np.array([j.score for j in judged])
    correct = np.array([j.correct for j in judged], bool)
    best, threshold = best_direct_rate(scores, correct, precision=0.95)
    return {
        "n": len(judged),
        "n_answerable": len(answerable),
        **retrieval_figures(answerable),
        "direct_rate": share(good, len(answerable)),
        "wrong_direct": share(direct - good, len(judged)),
        "precision_of_direct": share(good, direct),
        "abstain_on_unanswerable": share(
            sum(not j.direct for j in judged if not j.answerable), len(judged) - len(answerable)
        ),
        "best_direct_rate_p95": share(best, len(answerable)),
        "threshold_p95": threshold,
        "auroc_top1": auroc(scores, correct),
        "ece_top1": calibration_error(scores, correct),
    }


def best_direct_rate(
    scores: NDArray[np.float64], correct: NDArray[np.bool_], *, precision: float
) -> tuple[int, float | None]:
    """Most correct direct answers reachable by one threshold on the score at the given precision, and that threshold.

    A score of exactly 0 stands for "no hit" and is never answered.
    """
    shown = scores > 0
    order = np.argsort(-scores[shown], kind="stable")
    sorted_scores, good = scores[shown][order], np.cumsum(correct[shown][order])
    last_of_tie = np.append(sorted_scores[1:] != sorted_scores[:-1], True) if len(good) else np.empty(0, bool)
    reaching = last_of_tie & (good >= precision * np.arange(1, len(good) + 1))
    if not reaching.any():
        return 0, None
    best = int(good[reaching].max())
    if best == 0:
        return 0, None
    place = int(np.flatnonzero(reaching & (good == best))[0])
    return best, int(sorted_scores[place] * 1e6) / 1e6


def calibration_error(scores: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = 10) -> float | None:
    """Expected calibration error with equal bins (Guo et al. 2017): mean gap between score and share correct."""
    if not len(scores):
        return None
    place = np.minimum(bins - 1, (scores * bins).astype(int))
    gaps = np.bincount(place, scores, bins) - np.bincount(place, correct, bins)
    return float(np.abs(gaps).sum() / len(scores))
