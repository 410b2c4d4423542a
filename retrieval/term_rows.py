"""Texts as rows of weighted characters and neighbouring pairs of them: how far two texts use the same rare ones.

Beside the encoder's vectors pairs and characters do about as well as words and pairs (docs/decisions/0009).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.vectors import Matrix

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SINGLE = 0.5
"""Weight of a character beside a pair of them; a little better than without characters."""
IMAGINED = 1000
"""Texts without any of the terms that are counted in: of five questions no term can be said to be rare."""
FOLDED = 512
"""Columns of the dense form."""
_SEED = 20_261


@dataclass(frozen=True)
class TermRows:
    """Rows of unit length, or means of such; terms increase within each."""

    start: Ints
    """Row ``i`` is ``start[i]:start[i + 1]``."""
    terms: Ints
    weights: Floats
    term_count: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TermRows":
        """``texts``: normalised, without spaces. Weighted by idf as BM25 has it among these texts."""
        rows, codes, weights = _terms(texts)
        known, terms = np.unique(codes, return_inverse=True)
        seen = np.unique(rows * len(known) + terms)
        df = np.bincount(seen % max(len(known), 1), minlength=len(known))
        idf = np.log1p((len(texts) + IMAGINED - df + 0.5) / (df + 0.5))
        row_of, term_of = np.divmod(seen, max(len(known), 1))
        single = np.zeros(len(known), np.bool_)
        single[terms[weights < 1]] = True
        worth = np.where(single, SINGLE, 1.0)[term_of] * idf[term_of]
        lengths = np.sqrt(np.bincount(row_of, worth**2, len(texts)))
        start = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=len(texts)))]).astype(np.int64)
        return cls(start, term_of, worth / lengths[row_of] if len(row_of) else worth, len(known))

    def __len__(self) -> int:
        return len(self.start) - 1

    def means(self, sizes: Sequence[int]) -> "TermRows":
        """The means of so many rows each, in their order."""
        side = np.repeat(np.arange(len(sizes)), sizes)[np.repeat(np.arange(len(self)), np.diff(self.start))]
        seen, place = np.unique(side * self.term_count + self.terms, return_inverse=True)
        side_of, term_of = np.divmod(seen, max(self.term_count, 1))
        sums = np.bincount(place, self.weights, len(seen))
        start = np.concatenate([[0], np.cumsum(np.bincount(side_of, minlength=len(sizes)))]).astype(np.int64)
        return TermRows(start, term_of, sums / np.array(sizes)[side_of], self.term_count)

    def row(self, row: int) -> dict[int, float]:
        """Weights by term."""
        part = slice(self.start[row], self.start[row + 1])
        return dict(zip(self.terms[part].tolist(), self.weights[part].tolist(), strict=True))

    def overlaps(self, first: Ints, second: Ints) -> Floats:
        """For each pair of rows the dot product, 0..1: between texts the cosine. ``first`` is in increasing order."""
        found = np.zeros(len(first))
        scratch = np.zeros(self.term_count)
        rows, begins = np.unique(first, return_index=True)
        for row, begin, end in zip(rows, begins, [*begins, len(first)][1:], strict=True):
            own = slice(self.start[row], self.start[row + 1])
            scratch[self.terms[own]] = self.weights[own]
            for place in range(begin, end):
                other = slice(self.start[second[place]], self.start[second[place] + 1])
                found[place] = scratch[self.terms[other]] @ self.weights[other]
            scratch[self.terms[own]] = 0
        return found

    def folded(self) -> Matrix:
        """(len, FOLDED): dense rows whose dot products are near the cosines (Weinberger et al. 2009, the hashing
        trick)."""
        random = np.random.default_rng(_SEED)
        column = random.integers(0, FOLDED, self.term_count)
        sign = random.choice([-1.0, 1.0], self.term_count)
        rows = np.repeat(np.arange(len(self)), np.diff(self.start))
        dense = np.bincount(rows * FOLDED + column[self.terms], self.weights * sign[self.terms], len(self) * FOLDED)
        return dense.reshape(len(self), FOLDED).astype(np.float32)


def _terms(texts: Sequence[str]) -> tuple[Ints, Ints, Floats]:
    """The row, the code and the weight of each character and each pair."""
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.int64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    rows = np.repeat(np.arange(len(texts)), lengths)
    joined = rows[1:] == rows[:-1]
    pairs = (points[:-1] + 1 << 21 | points[1:])[joined]
    ones = np.full(len(points), SINGLE)
    return (
        np.concatenate([rows, rows[1:][joined]]),
        np.concatenate([points, pairs]),
        np.concatenate([ones, np.ones(len(pairs))]),
    )
