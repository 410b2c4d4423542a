"""Weights of the ranker corrected by what callers confirmed: pure, numpy only, deterministic.

``order`` alone is fitted: the listwise logistic loss of the confirmed questions (softmax over the candidates of one
question; Cao et al. 2007, ListNet top one) plus a pull toward the weights in force, so that a small log moves little.
The pull is measured in the spread that each feature has among the candidates of one question: a weight is held the
faster, the more it decides. The problem is convex; Newton's method solves it in a few steps.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrieval.answering import CandidateRanker
from retrieval.ranker import Linear, Ranker, Read, never_direct

Floats = NDArray[np.float64]

PULL = 100.0
"""Strength of the pull, in questions: so many speak as loudly as the weights in force. See decision 0010."""
STEPS = 50
"""Newton's method needs about eight."""
ENOUGH = 1e-9
"""Largest slope at which the weights are taken for solved."""
FLOOR = 1e-6
"""Spread of a feature that never differs among the candidates of one question: its weight stays."""
ALIKE = 2 / 3
"""Share of common words (Jaccard) from which two questions are taken for one when the log is divided."""


@dataclass(frozen=True)
class Example:
    """One question of the log with all its candidates."""

    features: NDArray[np.float32]
    """(n, len(NAMES))"""
    entry_ids: NDArray[np.int64]
    relevant: NDArray[np.bool_]
    """(n,): the entries that were confirmed."""
    answerable: bool
    """False: nothing in the base answers it."""
    read: Mapping[int, float]
    """What the reader says of the first rows; empty without one."""

    @property
    def teaches(self) -> bool:
        """Whether an order can be learnt from it."""
        return self.answerable and bool(self.relevant.any()) and not bool(self.relevant.all())


@dataclass(frozen=True)
class Answer:
    """What weights make of one question."""

    score: float
    """Of the first candidate; 0 without one."""
    rank: int | None
    """0-based, of the first confirmed entry; None: it is not among the candidates, or nothing answers the question."""
    direct: bool

    @property
    def right(self) -> bool:
        return self.rank == 0


def refitted(ranker: Ranker, examples: Sequence[Example], *, pull: float = PULL) -> Ranker:
    """The ranker with its order corrected by the examples.

    The probability goes on being taken from the order that it was fitted with, so that what is promised of direct
    answers still holds (decision 0010).
    """
    taught = [(e.features.astype(np.float64), e.relevant) for e in examples if e.teaches]
    order = Linear(nearest_solution(taught, ranker.order.weights, pull=pull), ranker.order.intercept)
    return replace(ranker, order=order, known_order=ranker.known_order or ranker.order)


def nearest_solution(groups: Sequence[tuple[Floats, NDArray[np.bool_]]], prior: Floats, *, pull: float) -> Floats:
    """The weights that minimise loss plus pull, by Newton's method with halved steps; ``prior`` without groups.

    ``groups``: features of the candidates of each question, and which are right.
    """
    if not groups:
        return prior
    problem = _Problem.of(groups, prior, pull)
    weights = prior.copy()
    value, slope, curve = problem.at(weights)
    for _ in range(STEPS):
        if np.abs(slope).max() < ENOUGH * len(groups):
            break
        step = np.linalg.solve(curve, slope)
        share = 1.0
        while (following := problem.value(weights - share * step)) > value and share > 1e-8:
            share /= 2
        if following >= value:
            break
        weights = weights - share * step
        value, slope, curve = problem.at(weights)
    return weights


def spread_of(groups: Sequence[tuple[Floats, NDArray[np.bool_]]]) -> Floats:
    """Mean variance of each feature among the candidates of one question."""
    return np.asarray(np.mean([features.var(0) for features, _ in groups], 0) + FLOOR)


def answers_of(ranker: CandidateRanker, examples: Iterable[Example], *, direct_from: float) -> list[Answer]:
    """What the weights make of each question; ``direct_from``: the score from which it is answered directly."""
    return [_answer(ranker, example, direct_from) for example in examples]


def log_loss(answers: Sequence[Answer]) -> float | None:
    """Mean surprise, in nats, that the first was right or wrong, by its score; lower is better."""
    if not answers:
        return None
    scores = np.clip([answer.score for answer in answers], 1e-6, 1 - 1e-6)
    right = np.array([answer.right for answer in answers])
    return float(-np.mean(np.where(right, np.log(scores), np.log1p(-scores))))


def divided(words: Sequence[frozenset[str]], asked: Sequence[int], *, share: float) -> tuple[list[int], list[int]]:
    """Places of the older and the newer questions, the older ones about ``share`` of all groups, none on both sides.

    ``asked`` says when, in any unit that grows. Questions alike in their words are one group, as old as its oldest;
    a later question of an old group is on neither side: it would be known before it is asked.
    """
    groups = near_groups(words)
    begins: dict[int, int] = {}
    for group, at in zip(groups, asked, strict=True):
        begins[group] = min(at, begins.get(group, at))
    ages = sorted(begins.values())
    if not ages:
        return [], []
    cut = ages[min(len(ages) - 1, int(share * len(ages)))]
    older = [i for i, at in enumerate(asked) if at < cut]
    newer = [i for i, group in enumerate(groups) if begins[group] >= cut]
    return older, newer


def near_groups(words: Sequence[frozenset[str]], *, alike: float = ALIKE) -> list[int]:
    """For each question the number of its group: those that share enough words, directly or through others.

    Exact and quick by comparing only questions that share one of their rarest words (prefix filter; Bayardo, Ma and
    Srikant 2007).
    """
    uses: dict[str, int] = {}
    for one in words:
        for word in one:
            uses[word] = uses.get(word, 0) + 1
    parents = list(range(len(words)))
    holding: dict[Hashable, list[int]] = {}
    for place, one in enumerate(words):
        rarest_first = sorted(one, key=lambda word: (uses[word], word))
        prefix = rarest_first[: len(one) - int(np.ceil(alike * len(one))) + 1]
        for other in {other for word in prefix for other in holding.get(word, ())}:
            if len(one & words[other]) >= alike * len(one | words[other]):
                parents[_root(parents, place)] = _root(parents, other)
        for word in prefix:
            holding.setdefault(word, []).append(place)
    return [_root(parents, place) for place in range(len(words))]


@dataclass(frozen=True)
class _Problem:
    """Loss and pull of all questions laid end to end."""

    features: Floats
    target: Floats
    """Share of each candidate among the right ones of its question."""
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    prior: Floats
    hold: Floats
    """Strength of the pull on each weight."""

    @classmethod
    def of(cls, groups: Sequence[tuple[Floats, NDArray[np.bool_]]], prior: Floats, pull: float) -> "_Problem":
        sizes = np.array([len(right) for _, right in groups])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        target = np.concatenate([right / right.sum() for _, right in groups])
        features = np.concatenate([rows for rows, _ in groups])
        return cls(features, target, starts, sizes, prior, pull * spread_of(groups))

    def value(self, weights: Floats) -> float:
        values = self.features @ weights
        highest = np.maximum.reduceat(values, self.starts)
        whole = np.add.reduceat(np.exp(values - np.repeat(highest, self.sizes)), self.starts)
        away = weights - self.prior
        return float((np.log(whole) + highest).sum() - self.target @ values + 0.5 * self.hold @ away**2)

    def at(self, weights: Floats) -> tuple[float, Floats, Floats]:
        """Value, slope and curvature."""
        values = self.features @ weights
        powers = np.exp(values - np.repeat(np.maximum.reduceat(values, self.starts), self.sizes))
        share = powers / np.repeat(np.add.reduceat(powers, self.starts), self.sizes)
        slope = self.features.T @ (share - self.target) + self.hold * (weights - self.prior)
        weighted = self.features * share[:, None]
        means = np.add.reduceat(weighted, self.starts)
        return self.value(weights), slope, self.features.T @ weighted - means.T @ means + np.diag(self.hold)


def _answer(ranker: CandidateRanker, example: Example, direct_from: float) -> Answer:
    if not len(example.features):
        return Answer(0.0, None, direct=False)
    ranked = ranker.rank(example.features, example.entry_ids, _reading(example))
    places = np.flatnonzero(example.relevant[ranked.rows])
    score = float(ranked.scores[0])
    return Answer(
        score=score,
        rank=int(places[0]) if len(places) and example.answerable else None,
        direct=score >= direct_from and not never_direct(example.features[ranked.rows[0]]),
    )


def _reading(example: Example) -> Read | None:
    """What was read; a candidate that was not is taken for as good as the worst that was."""
    if not example.read:
        return None
    worst = min(example.read.values())
    return lambda row: example.read.get(row, worst)


def _root(parents: list[int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place
