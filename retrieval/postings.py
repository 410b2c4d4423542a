"""An inverted index over rows of tokens, with BM25 as Lucene computes it.

Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009); idf as in Lucene:
``ln(1 + (N - df + 0.5) / (df + 0.5))``, without the constant factor k1 + 1.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

K1 = 1.2
B = 0.75
"""Lucene's defaults; questions are short, so neither moves the result much."""

IDF_STEP = 2.0**-30
"""idf is kept in whole steps, so that sums of it are exact and come out alike in whatever order terms are added."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


class Reading(NamedTuple):
    """One way in which a thing asked for may be written: all of these terms."""

    terms: tuple[int, ...]
    weight: float = 1.0
    """0..1: how probably it means what was asked for."""


Readings = tuple[Reading, ...]
"""All ways of one thing asked for that the index knows, most probable first."""


class Vocabulary:
    """Tokens to numbers. Grows only; one writer at a time, readers any."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._tokens: list[str] = []

    def number(self, token: str) -> int:
        """The token's number, given on first sight."""
        number = self._numbers.setdefault(token, len(self._tokens))
        if number == len(self._tokens):
            self._tokens.append(token)
        return number

    def tokens(self, numbers: Iterable[int]) -> list[str]:
        """The tokens of the given numbers."""
        return [self._tokens[number] for number in numbers]

    def known(self, token: str) -> int | None:
        return self._numbers.get(token)

    def readings(self, token: str) -> Readings:
        """The token as the only reading of itself; none when it was never seen."""
        term = self.known(token)
        return () if term is None else (Reading((term,)),)

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

    def idf(self, readings: Readings) -> float:
        """Inverse document frequency of one thing asked for; what no row holds weighs as much as one can."""
        df = min(self.rows, sum(min(map(self.frequency, reading.terms)) for reading in readings))
        return float(_in_steps(np.log1p(np.array((self.rows - df + 0.5) / (df + 0.5)))))

    def frequency(self, term: int) -> int:
        """Live rows that hold the term."""
        return int(self.document_frequency[term]) if term < len(self.document_frequency) else 0


@dataclass(frozen=True)
class Found:
    """Rows in which one thing that is asked for was found."""

    rows: Ints
    """In increasing order."""
    counts: Floats
    """How often, each reading by its weight."""
    strength: Floats
    """Weight of the best reading found, 0..1."""

    def strength_in(self, rows: NDArray[np.int64]) -> Floats:
        """Strength in each of the given rows; 0 where it was not found."""
        if not len(self.rows):
            return np.zeros(len(rows), np.float32)
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[places] == rows, self.strength[places], np.float32(0))


def find(postings: Postings, readings: Readings) -> Found:
    """Rows that hold all terms of at least one of the readings."""
    if not readings:
        return Found(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))
    if len(readings) == 1 and len(readings[0].terms) == 1:
        rows, counts = postings.rows_with(readings[0].terms[0])
        weight = np.float32(readings[0].weight)
        return Found(rows, counts * weight, np.full(len(rows), weight, np.float32))
    parts = [(*_with_all(postings, reading.terms), np.float32(reading.weight)) for reading in readings]
    rows, place = np.unique(np.concatenate([[], *(r for r, _, _ in parts)]).astype(np.int32), return_inverse=True)
    counts, strength = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    start = 0
    for held, often, weight in parts:  # a row stands once in each part, so that plain indexing adds all
        there = place[start : start + len(held)]
        counts[there] += often * weight
        strength[there] = np.maximum(strength[there], weight)
        start += len(held)
    return Found(rows, counts, strength)


def _with_all(postings: Postings, terms: tuple[int, ...]) -> tuple[Ints, Floats]:
    rows, counts = postings.rows_with(terms[0])
    for term in terms[1:]:
        others, often = postings.rows_with(term)
        rows, here, there = np.intersect1d(rows, others, assume_unique=True, return_indices=True)
        counts = np.minimum(counts[here], often[there])
    return rows, counts


def bm25(postings: Postings, statistics: Statistics, asked: Sequence[tuple[float, Found]]) -> Floats:
    """Scores of every row for things asked for, each its idf and where it was found; shape (rows,), higher is better.

    They are added in the order of the question, never of term numbers: those depend on what was indexed first.
    """
    scores = np.zeros(len(postings), np.float32)
    if not len(postings) or statistics.total_length <= 0:
        return scores
    average = statistics.total_length / statistics.rows
    for weight, found in asked:
        saturation = K1 * (1 - B + B * postings.lengths[found.rows] / average)
        scores[found.rows] += weight * found.counts / (found.counts + saturation)
    return scores


def runs(first: NDArray[np.integer[Any]], sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Whole numbers in runs laid end to end: ``first[i], first[i] + 1, …``, ``sizes[i]`` of them."""
    ends = np.cumsum(sizes, dtype=np.int64)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)


def _in_steps(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.round(value / IDF_STEP) * IDF_STEP)


def _starts(sizes: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes, dtype=np.int32)])
