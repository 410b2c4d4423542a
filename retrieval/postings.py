"""An inverted index over rows of tokens, with BM25 as Lucene computes it.

Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009); idf as in Lucene:
``ln(1 + (N - df + 0.5) / (df + 0.5))``, without the constant factor k1 + 1.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

K1 = 1.2
B = 0.75
"""Lucene's defaults; questions are short, so neither moves the result much."""

IDF_STEP = 2.0**-30
"""idf is kept in whole steps, so that sums of it are exact and come out alike in whatever order terms are added."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


class Vocabulary:
    """Tokens to numbers. Grows only; one writer at a time, readers any."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, token: str) -> int:
        """The token's number, given on first sight."""
        return self._numbers.setdefault(token, len(self._numbers))

    def known(self, token: str) -> int | None:
        return self._numbers.get(token)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True)
class Postings:
    """Rows of term counts, both ways: by row (``row_start``) and by term (``term_start``)."""

    row_start: Ints
    row_terms: Ints
    """Distinct terms of each row, in increasing order."""
    row_counts: Floats
    lengths: Floats
    """Tokens in each row, repeats counted."""
    term_start: Ints
    term_rows: Ints
    term_counts: Floats

    @classmethod
    def build(cls, rows: Sequence[Sequence[str]], vocabulary: Vocabulary) -> "Postings":
        """Index ``rows`` of tokens; new tokens enter the vocabulary."""
        counted = [sorted((vocabulary.number(t), n) for t, n in Counter(row).items()) for row in rows]
        sizes = np.fromiter((len(row) for row in counted), np.int32, len(counted))
        row_terms = np.fromiter((t for row in counted for t, _ in row), np.int32, int(sizes.sum()))
        row_counts = np.fromiter((n for row in counted for _, n in row), np.float32, len(row_terms))
        lengths = np.fromiter((len(row) for row in rows), np.float32, len(rows))
        return cls._inverted(sizes, row_terms, row_counts, lengths)

    @classmethod
    def joined(cls, parts: Sequence[tuple["Postings", NDArray[np.int64]]], order: NDArray[np.int64]) -> "Postings":
        """The given rows of several postings as one; ``order`` says which of the rows, laid end to end, comes where."""
        taken = [postings._places(rows) for postings, rows in parts]
        sizes = np.concatenate([np.diff(starts) for _, starts in taken])
        terms = np.concatenate([p.row_terms[places] for (p, _), (places, _) in zip(parts, taken, strict=True)])
        counts = np.concatenate([p.row_counts[places] for (p, _), (places, _) in zip(parts, taken, strict=True)])
        lengths = np.concatenate([p.lengths[rows] for p, rows in parts])
        places = runs(_starts(sizes)[order], sizes[order])
        return cls._inverted(sizes[order], terms[places], counts[places], lengths[order])

    @classmethod
    def _inverted(cls, sizes: Ints, row_terms: Ints, row_counts: Floats, lengths: Floats) -> "Postings":
        order = np.argsort(row_terms, kind="stable")
        return cls(
            row_start=_starts(sizes),
            row_terms=row_terms,
            row_counts=row_counts,
            lengths=lengths,
            term_start=_starts(np.bincount(row_terms).astype(np.int32)),
            term_rows=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order],
            term_counts=row_counts[order],
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def rows_with(self, term: int) -> tuple[Ints, Floats]:
        """Rows that hold the term, and how often."""
        if term + 1 >= len(self.term_start):
            return self.term_rows[:0], self.term_counts[:0]
        part = slice(self.term_start[term], self.term_start[term + 1])
        return self.term_rows[part], self.term_counts[part]

    def terms_of(self, rows: NDArray[np.int64]) -> tuple[Ints, Ints]:
        """All distinct terms of the given rows laid end to end, and where each row begins, with the end last."""
        places, starts = self._places(rows)
        return self.row_terms[places], starts

    def _places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Ints]:
        sizes = np.diff(self.row_start)[rows]
        return runs(self.row_start[rows], sizes), _starts(sizes)


@dataclass(frozen=True)
class Statistics:
    """What BM25 must know of the whole live collection, over all segments."""

    rows: int
    total_length: float
    document_frequency: Ints
    """Live rows that hold each term; may be shorter than the vocabulary (unseen: 0)."""

    @classmethod
    def of(cls, parts: Sequence[tuple[Postings, NDArray[np.bool_]]], vocabulary_size: int) -> "Statistics":
        """Count over ``(postings, live rows)``; dead rows count nowhere."""
        frequency = np.zeros(vocabulary_size, np.int32)
        rows, length = 0, 0.0
        for postings, live in parts:
            per_term = np.repeat(live, np.diff(postings.row_start))
            frequency += np.bincount(postings.row_terms[per_term], minlength=vocabulary_size).astype(np.int32)
            rows += int(live.sum())
            length += float(postings.lengths[live].sum())
        return cls(rows, length, frequency)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Inverse document frequency of every term number."""
        df = self.document_frequency
        return _in_steps(np.log1p((self.rows - df + 0.5) / (df + 0.5)))

    def idf(self, term: int | None) -> float:
        """Inverse document frequency; a token that no row holds weighs as much as one can."""
        if term is not None and term < len(self.weights):
            return float(self.weights[term])
        return float(_in_steps(np.log1p(np.array((self.rows + 0.5) / 0.5))))


def bm25(postings: Postings, statistics: Statistics, terms: Sequence[int]) -> Floats:
    """Scores of every row for a query of term numbers (repeats count); shape (rows,), higher is better.

    Terms are added in the order of the query, never of their numbers: those depend on what was indexed first.
    """
    scores = np.zeros(len(postings), np.float32)
    if not len(postings) or statistics.total_length <= 0:
        return scores
    average = statistics.total_length / statistics.rows
    for term, repeats in Counter(terms).items():
        rows, counts = postings.rows_with(term)
        saturation = K1 * (1 - B + B * postings.lengths[rows] / average)
        scores[rows] += repeats * statistics.idf(term) * counts / (counts + saturation)
    return scores


def runs(first: NDArray[np.integer[Any]], sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Whole numbers in runs laid end to end: ``first[i], first[i] + 1, …``, ``sizes[i]`` of them."""
    ends = np.cumsum(sizes, dtype=np.int64)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)


def _in_steps(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.round(value / IDF_STEP) * IDF_STEP)


def _starts(sizes: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes, dtype=np.int32)])
