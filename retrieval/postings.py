"""An inverted index over rows of tokens, with BM25 as Lucene computes it.

Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009); idf as in Lucene:
``ln(1 + (N - df + 0.5) / (df + 0.5))``, without the constant factor k1 + 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval import kernels
from retrieval.kernels import K1, B, Lists, fixed

MOST = 65535
"""Counts of one token in one row are kept up to here."""

Ints = NDArray[np.int32]
Counts = NDArray[np.uint16]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NO_MASK = fixed([], np.bool_)
_NO_LISTS = Lists(fixed([], np.int32), fixed([], np.float32))
_SMALL = 8
"""Allowed rows are scored one by one when their number times this is below the entries of all lists."""


class Reading(NamedTuple):
    """One way in which a thing asked for may be written: all of these terms."""

    terms: tuple[int, ...]
    weight: float = 1.0
    """0..1: how probably it means what was asked for."""


Readings = tuple[Reading, ...]
"""All ways of one thing asked for that the index knows, most probable first."""


class Numbering(Protocol):
    """Tokens to numbers."""

    def number(self, token: str) -> int: ...


class _Numbers(dict[str, int]):
    """Those already asked for."""

    def __init__(self, vocabulary: Numbering) -> None:
        super().__init__()
        self._vocabulary = vocabulary

    def __missing__(self, token: str) -> int:
        number = self[token] = self._vocabulary.number(token)
        return number


class Collection(Protocol):
    """What BM25 must know of the whole live collection beside idf."""

    @property
    def rows(self) -> int: ...

    @property
    def total_length(self) -> float:
        """Tokens in all rows, repeats counted."""


@dataclass(frozen=True)
class Postings:
    """Rows of term counts, both ways: by row (``row_start``) and by term (``term_start``). Read-only arrays."""

    row_start: Rows
    row_terms: Ints
    """Distinct terms of each row, in increasing order."""
    row_counts: Counts
    lengths: Floats
    """Tokens in each row, repeats counted."""
    terms: Ints
    """The terms that occur, in increasing order; the following are laid out by their places here."""
    term_start: Rows
    term_rows: Ints
    term_counts: Counts
    term_most: Counts
    """The highest count of each term in a row."""
    term_shortest: Floats
    """The length of the shortest row that holds it."""

    @classmethod
    def build(cls, rows: Sequence[Sequence[str]], vocabulary: Numbering) -> "Postings":
        """Index ``rows`` of tokens; new tokens enter the vocabulary."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        numbers = _Numbers(vocabulary)
        terms = np.fromiter(map(numbers.__getitem__, chain.from_iterable(rows)), np.int64, int(lengths.sum()))
        keys, counts = _counted(np.repeat(np.arange(len(rows)), lengths) << 32 | terms)
        row_of = keys >> 32
        return cls._inverted(
            np.bincount(row_of, minlength=len(rows)),
            (keys & 0xFFFFFFFF).astype(np.int32),
            np.minimum(counts, MOST).astype(np.uint16),
            lengths.astype(np.float32),
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple["Postings", Rows]], order: Rows) -> "Postings":
        """The given rows of several postings as one; ``order`` says which of the rows, laid end to end, comes where."""
        taken = [postings._places(rows) for postings, rows in parts]
        sizes = np.concatenate([np.diff(starts) for _, starts in taken])
        terms = np.concatenate([p.row_terms[places] for (p, _), (places, _) in zip(parts, taken, strict=True)])
        counts = np.concatenate([p.row_counts[places] for (p, _), (places, _) in zip(parts, taken, strict=True)])
        lengths = np.concatenate([p.lengths[rows] for p, rows in parts])
        places = runs(_starts(sizes)[order], sizes[order])
        return cls._inverted(sizes[order], terms[places], counts[places], lengths[order])

    @classmethod
    def _inverted(cls, sizes: NDArray[np.int64], row_terms: Ints, row_counts: Counts, lengths: Floats) -> "Postings":
        keys = np.sort(row_terms.astype(np.int64) << 32 | np.arange(len(row_terms)))
        order = keys & 0xFFFFFFFF
        terms, frequency = _counted(keys >> 32)
        start = _starts(frequency)
        term_rows = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
        term_counts = row_counts[order]
        found = bool(len(terms))
        return cls.of_arrays(
            {
                "row_start": _starts(sizes),
                "row_terms": row_terms,
                "row_counts": row_counts,
                "lengths": lengths,
                "terms": terms,
                "term_start": start,
                "term_rows": term_rows,
                "term_counts": term_counts,
                "term_most": np.maximum.reduceat(term_counts, start[:-1]) if found else term_counts,
                "term_shortest": np.minimum.reduceat(lengths[term_rows], start[:-1]) if found else lengths[:0],
            }
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, by name."""
        return {name: getattr(self, name) for name in _TYPES}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Postings":
        """As ``arrays`` gave them; they may be mapped from a file."""
        return cls(**{name: fixed(arrays[name], dtype) for name, dtype in _TYPES.items()})

    def __len__(self) -> int:
        return len(self.lengths)

    def rows_with(self, term: int) -> tuple[Ints, Counts]:
        """Rows that hold the term, and how often."""
        _, rows, counts = self._list(kernels.place_of(self.terms, term))
        return rows, counts

    def terms_of(self, rows: Rows) -> tuple[Ints, Rows]:
        """All distinct terms of the given rows laid end to end, and where each row begins, with the end last."""
        places, starts = self._places(rows)
        return self.row_terms[places], starts

    def _list(self, place: int) -> tuple[int, Ints, Counts]:
        """Where the list of the term at ``place`` begins, its rows and counts; nothing for a place below 0."""
        first, end = (int(self.term_start[place]), int(self.term_start[place + 1])) if place >= 0 else (0, 0)
        return first, self.term_rows[first:end], self.term_counts[first:end]

    def _places(self, rows: Rows) -> tuple[Rows, Rows]:
        first = self.row_start[rows]
        sizes = self.row_start[np.asarray(rows) + 1] - first
        return runs(first, sizes), _starts(sizes)


_TYPES = {
    "row_start": np.int64,
    "row_terms": np.int32,
    "row_counts": np.uint16,
    "lengths": np.float32,
    "terms": np.int32,
    "term_start": np.int64,
    "term_rows": np.int32,
    "term_counts": np.uint16,
    "term_most": np.uint16,
    "term_shortest": np.float32,
}


class Found(NamedTuple):
    """Rows in which one thing that is asked for was found."""

    rows: Ints
    """In increasing order."""
    often: NDArray[Any]
    """How often, to be multiplied by ``scale``; above 0."""
    strength: Floats | np.float32
    """Weight of the best reading found, 0..1; one number where it is the same in all rows."""
    scale: float = 1.0
    first: int = -1
    """Where ``rows`` begin among the postings' ``term_rows``; -1: they are not a part of those."""
    most: float = 0.0
    """No count times scale is above this."""
    shortest: float = 0.0
    """No row is shorter."""

    @property
    def counts(self) -> Floats:
        """How often, each reading by its weight."""
        return np.asarray(self.often * np.float32(self.scale), np.float32)

    def strength_in(self, rows: Rows) -> Floats:
        """Strength in each of the given rows; 0 where it was not found."""
        if not len(self.rows):
            return np.zeros(len(rows), np.float32)
        places = kernels.places_in(self.rows, fixed(rows, np.int64))
        strength = self.strength if isinstance(self.strength, np.float32) else self.strength[places]
        return np.where(places >= 0, strength, np.float32(0))


_NOTHING = Found(fixed([], np.int32), fixed([], np.float32), np.float32(0))


def find(postings: Postings, readings: Readings) -> Found:
    """Rows that hold all terms of at least one of the readings."""
    if len(readings) == 1:
        return _with_all(postings, readings[0])
    parts = [part for part in (_with_all(postings, reading) for reading in readings) if len(part.rows)]
    if len(parts) < 2:
        return parts[0] if parts else _NOTHING
    first = parts[0]
    rows, counts, strength = first.rows, first.counts, np.full(len(first.rows), first.strength, np.float32)
    for part in parts[1:]:
        rows, counts, strength = kernels.unite(
            fixed(rows, np.int32),
            fixed(counts, np.float32),
            fixed(strength, np.float32),
            part.rows,
            fixed(part.often, np.float32),
            np.float32(part.scale),
        )
    return Found(
        fixed(rows, np.int32),
        fixed(counts, np.float32),
        fixed(strength, np.float32),
        most=sum(part.most for part in parts),
        shortest=min(part.shortest for part in parts),
    )


def _with_all(postings: Postings, reading: Reading) -> Found:
    """Rows with all terms of one reading; each of them as often as the rarest. None for one without weight."""
    weight = reading.weight
    places = [kernels.place_of(postings.terms, term) for term in reading.terms]
    if min(places) < 0 or weight <= 0:
        return _NOTHING
    first, rows, often = postings._list(places[0])
    most, shortest = float(postings.term_most[places[0]]), float(postings.term_shortest[places[0]])
    for place in places[1:]:
        _, others, theirs = postings._list(place)
        rows, often = kernels.intersect(
            fixed(rows, np.int32), fixed(often, np.float32), others, fixed(theirs, np.float32)
        )
        rows, often, first = fixed(rows, np.int32), fixed(often, np.float32), -1
        most = min(most, float(postings.term_most[place]))
        shortest = max(shortest, float(postings.term_shortest[place]))
    return Found(rows, often, np.float32(weight), weight, first, most * weight, shortest)


def bm25(
    postings: Postings,
    statistics: Collection,
    asked: Sequence[tuple[float, Found]],
    rows: Rows | None = None,
) -> Floats:
    """Scores of the given rows (None: of every row) for things asked for, each its idf and where it was found.

    Higher is better. They are added in the order of the question, never of term numbers: those depend on what was
    indexed first.
    """
    wanted = fixed(np.arange(len(postings)) if rows is None else rows, np.int64)
    if not len(wanted) or statistics.total_length <= 0:
        return np.zeros(len(wanted), np.float32)
    average = np.float32(statistics.total_length / statistics.rows)
    slots, lists, merged = _packed(postings, asked, float(average))
    return np.asarray(kernels.score_rows(slots, lists, merged, postings.lengths, average, wanted), np.float32)


def best_rows(
    postings: Postings,
    statistics: Collection,
    asked: Sequence[tuple[float, Found]],
    allowed: Mask | None,
    k: int,
) -> Rows:
    """Up to ``k`` rows among ``allowed`` (by row; None: all) with the highest score above zero, in increasing order.

    Of rows with the same score the first come in. The same rows as scoring all of them would give.
    """
    return np.sort(ranked_rows(postings, statistics, asked, allowed, k)[0])


def ranked_rows(
    postings: Postings,
    statistics: Collection,
    asked: Sequence[tuple[float, Found]],
    allowed: Mask | None,
    k: int,
) -> tuple[Rows, Floats]:
    """The ``best_rows``, best first, and their scores as ``bm25`` gives them."""
    if not len(postings) or statistics.total_length <= 0 or k <= 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    average = np.float32(statistics.total_length / statistics.rows)
    slots, lists, merged = _packed(postings, asked, float(average))
    entries = (slots[:, kernels.END] - slots[:, kernels.FIRST]).sum()
    if allowed is not None and np.count_nonzero(allowed) * _SMALL < entries:
        likely = np.flatnonzero(allowed)
    else:
        mask = _NO_MASK if allowed is None else fixed(allowed, np.bool_)
        scratch = _scratch(len(postings))
        likely = kernels.likely_rows(slots, lists, merged, postings.lengths, average, mask, k, *scratch)
        _free.append(scratch)
        likely.sort()
    scores = kernels.score_rows(slots, lists, merged, postings.lengths, average, fixed(likely, np.int64))
    order = np.argsort(-scores, kind="stable")[:k]
    order = order[scores[order] > 0]
    return likely[order], scores[order]


def _packed(
    postings: Postings, asked: Sequence[tuple[float, Found]], average: float
) -> tuple[NDArray[np.float64], Lists, Lists]:
    """The question as the kernels take it, the postings' lists and the merged ones; what can give nothing is left
    out."""
    slots, at = [], 0
    merged = []
    for weight, found in asked:
        size = len(found.rows)
        if not size or weight <= 0:
            continue
        first, own, scale = found.first, found.first < 0, found.scale
        if own:
            first, at, scale = at, at + size, 1.0
            merged.append(found)
        saturation = K1 * (1 - B + B * found.shortest / average)
        bound = weight * found.most / (found.most + saturation)
        slots.append((first, first + size, own, scale, weight, bound))
    lists = Lists(postings.term_rows, postings.term_counts)
    packed = np.array(slots, np.float64).reshape(len(slots), 6)
    if not merged:
        return packed, lists, _NO_LISTS
    rows = np.concatenate([found.rows for found in merged])
    counts = np.concatenate([found.counts for found in merged])
    return packed, lists, Lists(fixed(rows, np.int32), fixed(counts, np.float32))


_free: list[tuple[Floats, Ints]] = []


def _scratch(rows: int) -> tuple[Floats, Ints]:
    """Zeros and room for row numbers, to be given back to ``_free``; any number of threads at once."""
    try:
        sums, touched = _free.pop()
    except IndexError:
        sums, touched = np.empty(0, np.float32), np.empty(0, np.int32)
    return (sums, touched) if len(sums) >= rows else (np.zeros(rows, np.float32), np.empty(rows + 1, np.int32))


def runs(first: NDArray[np.integer[Any]], sizes: NDArray[np.integer[Any]]) -> Rows:
    """Whole numbers in runs laid end to end: ``first[i], first[i] + 1, …``, ``sizes[i]`` of them."""
    ends = np.cumsum(sizes, dtype=np.int64)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)


def _counted(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys in increasing order, and how often each occurs."""
    keys = np.sort(keys)
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), np.bool_), keys[1:] != keys[:-1]]))
    return keys[first], np.diff(np.append(first, len(keys)))


def _starts(sizes: NDArray[np.integer[Any]]) -> Rows:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
