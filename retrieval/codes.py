"""Signs of centred vectors: one bit a component, by whose Hamming distance the rows worth an exact look are found.

Charikar, Similarity Estimation Techniques from Rounding Algorithms (2002). Of the nearest by Hamming distance those are
looked at that are nearest to the question as it is, its numbers against their signs (Dong, Charikar and Li, Asymmetric
Distance Estimation with Sketches, 2008): a few hundred are enough then. Centred, because the vectors of a sentence
encoder all lean to one side; a rotation before the signs gained too little (docs/decisions/0011).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import kernels
from retrieval.kernels import fixed

Halves = NDArray[np.float16]
Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

WORD = 64
"""Bits that are compared at once."""
CENTRED_BY = 20_000
"""Rows whose mean is the centre."""
SAMPLE = 100
"""Rows by which the depth is found; each is asked halfway to another, which is as hard as a real question."""
BEST = 10
GATE = 0.998
"""Share of the BEST that must be among the rows looked at."""
LOST = 0.004
"""Share of the BEST that may be lost when only the nearest to the question itself are looked at."""
DEPTHS = (400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400, 9600)
WORTH = 8
"""A row looked at costs that many rows of a full scan, at most."""
FINE = (100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400, 9600)
_BITS_OF = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.float32)
"""(256, 8)"""
_BLOCK = 8192
_SEED = 20_261


@dataclass(frozen=True)
class SignCodes:
    """Codes of all rows of a table."""

    words: NDArray[np.uint64]
    """(n, d / 64): bit set where the component is above the centre's."""
    centre: Matrix
    """(d,)"""
    depth: int
    """Rows nearest by Hamming distance among which the best are sought."""
    fine: int
    """Those of them nearest to the question itself, of which the cosines are computed."""

    @classmethod
    def of(cls, halves: Halves) -> "SignCodes | None":
        """None when the vectors do not lend themselves to it: no depth finds the best rows often enough."""
        if halves.shape[1] % WORD:
            return None
        centre = halves[:: max(1, len(halves) // CENTRED_BY)].mean(0, dtype=np.float64).astype(np.float32)
        words = np.empty((len(halves), halves.shape[1] // WORD), np.uint64)
        for start in range(0, len(halves), _BLOCK):
            words[start : start + _BLOCK] = _signs(halves[start : start + _BLOCK], centre)
        words, centre = fixed(words, np.uint64), fixed(centre, np.float32)
        depths = _depths(halves, words, centre)
        return None if depths is None else cls(words, centre, *depths)

    def near(self, query: Matrix, allowed: Mask) -> Rows:
        """Some ``fine`` allowed rows that lie near to ``query`` (d,), those as near as the last too; increasing."""
        rows = _near(self.words, _signs(query[None], self.centre)[0], allowed, self.depth)
        if len(rows) <= self.fine:
            return rows
        likenesses = _likenesses(self.words, query - self.centre, rows)
        edge = np.partition(likenesses, len(rows) - self.fine)[len(rows) - self.fine]
        return np.asarray(rows[likenesses >= edge])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, by name."""
        return {"words": self.words, "centre": self.centre, "depth": np.array([self.depth, self.fine], np.int64)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "SignCodes":
        """As ``arrays`` gave them; they may be mapped from a file."""
        return cls(fixed(arrays["words"], np.uint64), fixed(arrays["centre"], np.float32), *map(int, arrays["depth"]))


def _signs(vectors: NDArray[Any], centre: Matrix) -> NDArray[np.uint64]:
    return np.packbits(vectors.astype(np.float32) > centre, axis=1, bitorder="little").view(np.uint64)


def _near(words: NDArray[np.uint64], asked: NDArray[np.uint64], allowed: Mask, depth: int) -> Rows:
    return np.asarray(kernels.nearest_codes(words, fixed(asked, np.uint64), allowed, depth), np.int64)


def _likenesses(words: NDArray[np.uint64], query: Matrix, rows: Rows) -> Matrix:
    """How near each of the rows lies to the centred query: the sum of its components where their bits are set."""
    worth = query.reshape(-1, 8).astype(np.float32) @ _BITS_OF.T
    return np.asarray(kernels.likenesses(words.view(np.uint8), fixed(worth, np.float32), fixed(rows, np.int64)))


def _depths(halves: Halves, words: NDArray[np.uint64], centre: Matrix) -> tuple[int, int] | None:
    """The least of DEPTHS at which the gate holds on a sample, and the least of FINE among what is found there; None
    when no depth is worth it."""
    pairs = np.random.default_rng(_SEED).integers(0, len(halves), (SAMPLE, 2))
    queries = halves[pairs].astype(np.float32).sum(1)
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-9)
    best = _exact(halves, queries)
    asked = _signs(queries, centre)
    allowed = fixed([], np.bool_)
    for depth in DEPTHS:
        if depth * WORTH > len(halves):
            return None
        near = [_near(words, asked[i], allowed, depth) for i in range(SAMPLE)]
        reached = np.mean([np.isin(best[i], near[i]).mean() for i in range(SAMPLE)])
        if reached >= GATE:
            likenesses = [_likenesses(words, queries[i] - centre, near[i]) for i in range(SAMPLE)]
            return depth, _fine(near, likenesses, best, reached)
    return None


def _fine(near: Sequence[Rows], likenesses: Sequence[Matrix], best: Rows, reached: float) -> int:
    """The least of FINE that loses no more than LOST of what is among the rows found."""
    places = [rows[np.argsort(-likeness, kind="stable")] for rows, likeness in zip(near, likenesses, strict=True)]
    for fine in FINE:
        if np.mean([np.isin(wanted, rows[:fine]).mean() for wanted, rows in zip(best, places, strict=True)]) >= (
            reached - LOST
        ):
            return fine
    return max(map(len, near))


def _exact(halves: Halves, queries: Matrix) -> Rows:
    """(queries, BEST) rows with the highest cosines."""
    best = np.full((len(queries), BEST), -np.inf, np.float32)
    rows = np.zeros((len(queries), BEST), np.int64)
    for start in range(0, len(halves), _BLOCK):
        cosines = queries @ halves[start : start + _BLOCK].astype(np.float32).T
        both = np.hstack([best, cosines])
        numbers = np.hstack([rows, np.tile(np.arange(start, start + cosines.shape[1]), (len(queries), 1))])
        top = np.argpartition(-both, BEST - 1, axis=1)[:, :BEST]
        best, rows = np.take_along_axis(both, top, 1), np.take_along_axis(numbers, top, 1)
    return rows
