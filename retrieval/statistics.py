"""What BM25 and the features must know of the whole live collection, over all segments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.postings import Postings, Readings

IDF_STEP = 2.0**-30
"""idf is kept in whole steps, so that sums of it are exact and come out alike in whatever order terms are added."""

Rows = NDArray[np.int64]
Counted = Sequence[tuple[Postings, Rows]]
"""Rows of several postings."""


@dataclass(frozen=True)
class Statistics:
    """Counts over live rows. Never changes once made."""

    rows: int
    total_length: float
    """Tokens in all rows, repeats counted; a whole number."""
    document_frequency: NDArray[np.int32]
    """Live rows that hold each term, by term number; shorter than the vocabulary where the last terms are unseen."""

    @classmethod
    def of(cls, parts: Sequence[tuple[Postings, Rows]], vocabulary_size: int) -> "Statistics":
        """``parts``: each with the rows of it that are dead; they count nowhere."""
        frequency = np.zeros(vocabulary_size, np.int32)
        rows, length = 0, 0.0
        for postings, _ in parts:
            frequency[postings.terms] += np.diff(postings.term_start).astype(np.int32)
            rows += len(postings)
            length += float(postings.lengths.sum(dtype=np.float64))
        return cls(rows, length, frequency).changed(gone=parts, added=())

    def changed(self, *, gone: Counted, added: Counted, vocabulary_size: int = 0) -> "Statistics":
        """The counts once these rows have gone and these have come; the cost is that of the rows, and of one copy."""
        frequency = np.zeros(max(vocabulary_size, len(self.document_frequency)), np.int32)
        frequency[: len(self.document_frequency)] = self.document_frequency
        rows, length = self.rows, self.total_length
        for sign, counted in ((-1, gone), (1, added)):
            for postings, chosen in counted:
                if not len(chosen):
                    continue
                terms, counts = np.unique(postings.terms_of(chosen)[0], return_counts=True)
                frequency[terms] += (sign * counts).astype(np.int32)
                rows += sign * len(chosen)
                length += sign * float(postings.lengths[chosen].sum(dtype=np.float64))
        return Statistics(rows, length, frequency)

    def idf(self, readings: Readings) -> float:
        """Inverse document frequency of one thing asked for; what no row holds weighs as much as one can."""
        df = min(self.rows, sum(min(map(self.frequency, reading.terms)) for reading in readings))
        return round(math.log1p((self.rows - df + 0.5) / (df + 0.5)) / IDF_STEP) * IDF_STEP

    def idfs(self, terms: NDArray[np.int32]) -> NDArray[np.float64]:
        """Inverse document frequencies of the given terms, in their order."""
        df = self.frequencies(terms)
        return in_steps(np.log1p((self.rows - df + 0.5) / (df + 0.5)))

    def frequency(self, term: int) -> int:
        """Live rows that hold the term."""
        return int(self.document_frequency[term]) if term < len(self.document_frequency) else 0

    def frequencies(self, terms: NDArray[np.int32]) -> NDArray[np.int64]:
        """Live rows that hold each of the terms."""
        if not len(self.document_frequency):
            return np.zeros(len(terms), np.int64)
        known = np.minimum(terms, len(self.document_frequency) - 1)
        return np.where(terms == known, self.document_frequency[known], 0).astype(np.int64)


def in_steps(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to whole steps of IDF_STEP."""
    return np.asarray(np.round(value / IDF_STEP) * IDF_STEP)
