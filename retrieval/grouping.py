"""Questions that ask for one and the same thing, put together: by meaning and by words, a batch at a time.

What is close is joined best first, as long as the two sides are alike on average (Sokal & Michener 1958), so that a
chain of neighbours does not swallow a subject. Groups that are there take new questions and are never joined or split.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.kept_apart import Apart, marks_of
from retrieval.neighbours import nearest
from retrieval.term_rows import TermRows
from retrieval.text import normalise
from retrieval.vectors import Matrix

Floats = NDArray[np.float64]

MEANING = 0.7
"""Share of the vectors' cosine in how alike two questions are; the rest is their terms'."""
ALIKE = 0.75
"""So alike two sides are at least. How both were chosen stands in docs/decisions/0009."""
ALIKE_BY_TERMS = 0.35
"""The same without a model."""
NEAR = 0.72
"""Cosine below which two questions are not compared further."""
NEAR_BY_TERMS = 0.1
NEIGHBOURS = 16
"""Compared further of each question. Among more than so many that are nearly the same, each is near to some."""
STEPS = 10_000
"""Likeness is told apart in steps of 1/STEPS: sums of floats differ in their last digits from machine to machine."""


@dataclass(frozen=True)
class KnownGroup:
    """A group that is there."""

    number: int
    """Above 0."""
    texts: tuple[str, ...]
    """What was asked, once each."""
    vector: Matrix | None
    """Sum of the vectors of its ``count`` questions; None without a model, or of another one."""
    count: int


@dataclass(frozen=True)
class Grouping:
    """What became of the questions of a batch."""

    numbers: tuple[int, ...]
    """For each the number of its group: of a known one, or -1, -2 … of a new one."""
    labels: Mapping[int, int]
    """For each new group the question, by its place in the batch, that speaks best for all."""


def group(texts: Sequence[str], vectors: Matrix | None, known: Sequence[KnownGroup]) -> Grouping:
    """Put each text into a known group or a new one. ``vectors``: (len(texts), d), unit length; None without a model.

    The same texts and groups give the same result in whatever order they come. Texts that are the same but for spelling
    and punctuation stand together, in the group that has them already (of several the last).
    """
    keys = [squeezed(text) for text in texts]
    counts = Counter(keys)
    first: dict[str, int] = {}
    for place in sorted(range(len(texts)), key=lambda place: texts[place]):  # of spellings one speaks, in any order
        first.setdefault(keys[place], place)
    groups = sorted(known, key=lambda g: g.number)
    held = {squeezed(text): g.number for g in groups for text in g.texts}
    new = sorted((key for key in counts if key not in held), key=lambda key: (-counts[key], key))
    sides = _sides(groups, new, vectors[[first[key] for key in new]] if vectors is not None else None)
    joined = _Joined(sides)
    for one, other in _closest_first(sides):
        joined.join(one, other)
    found, labels = joined.numbered([counts[key] for key in new])
    number_of = held | dict(zip(new, found, strict=True))
    return Grouping(
        tuple(number_of[key] for key in keys), {number: first[new[place]] for number, place in labels.items()}
    )


def squeezed(text: str) -> str:
    """How texts are compared: normalised, without spaces; of a text of signs alone the signs."""
    return normalise(text).replace(" ", "") or text.strip()


@dataclass(frozen=True)
class _Sides:
    """All that can be joined: known groups, then new texts."""

    known: Sequence[KnownGroup]
    keys: Sequence[str]
    terms: TermRows
    """One row a side."""
    dense: Matrix
    """Of each side the mean of its vectors; folded terms without a model."""
    by_terms: bool

    @property
    def alike(self) -> float:
        return ALIKE_BY_TERMS if self.by_terms else ALIKE

    def likeness(self, meaning: Floats, terms: Floats) -> Floats:
        """Of products of vectors and of terms; in whole steps."""
        share = 0.0 if self.by_terms else MEANING
        return np.round((share * meaning + (1 - share) * terms) * STEPS) / STEPS

    def texts(self, side: int) -> Sequence[str]:
        """As they are compared."""
        if side < len(self.known):
            return [squeezed(text) for text in self.known[side].texts]
        return [self.keys[side - len(self.known)]]


def _sides(known: Sequence[KnownGroup], keys: Sequence[str], vectors: Matrix | None) -> _Sides:
    sizes = [len(g.texts) for g in known] + [1] * len(keys)
    terms = TermRows.of([squeezed(text) for g in known for text in g.texts] + list(keys)).means(sizes)
    if vectors is None:
        return _Sides(known, keys, terms, terms.folded(), by_terms=True)
    nothing = np.zeros(vectors.shape[1], np.float32)
    centres = [g.vector / g.count if g.vector is not None else nothing for g in known]
    dense = np.concatenate([np.array(centres, np.float32).reshape(len(known), vectors.shape[1]), vectors])
    return _Sides(known, keys, terms, dense, by_terms=False)


def _closest_first(sides: _Sides) -> list[tuple[int, int]]:
    """Pairs of sides, at least one of them a new text, that are alike enough; the most alike first."""
    known, count = len(sides.known), len(sides.dense)
    if known == count:
        return []
    products, found = nearest(sides.dense[known:], sides.dense, NEIGHBOURS + 1)
    one = np.repeat(np.arange(known, count), found.shape[1])
    other, product = found.ravel(), products.ravel()
    near = (other >= 0) & (other != one) & (product >= (NEAR_BY_TERMS if sides.by_terms else NEAR))
    pairs, place = np.unique(np.maximum(one, other)[near] * count + np.minimum(one, other)[near], return_index=True)
    later, earlier = np.divmod(pairs, count)
    likeness = sides.likeness(product[near][place].astype(np.float64), sides.terms.overlaps(later, earlier))
    kept = np.flatnonzero(likeness >= sides.alike)
    order = kept[np.lexsort((later[kept], earlier[kept], -likeness[kept]))]
    return list(zip(later[order].tolist(), earlier[order].tolist(), strict=True))


class _Joined:
    """Which sides stand together; what is needed of each is made when it is first looked at."""

    def __init__(self, sides: _Sides) -> None:
        self._sides = sides
        self._up = list(range(len(sides.dense)))
        self._sizes = [len(g.texts) for g in sides.known] + [1] * len(sides.keys)
        self._is_known = [True] * len(sides.known) + [False] * len(sides.keys)
        self._vectors: dict[int, Matrix] = {}
        self._terms: dict[int, dict[int, float]] = {}
        self._apart: dict[int, Apart] = {}

    def join(self, one: int, other: int) -> None:
        """Let both stand together, unless that would join known groups, or what is apart or on average not alike."""
        a, b = self._root(one), self._root(other)
        if a == b or (self._is_known[a] and self._is_known[b]):
            return
        if self._sizes[a] * self._sizes[b] > 1 and self._likeness(a, b) < self._sides.alike:
            return
        if self._marks(a).from_(self._marks(b)):
            return
        if (self._is_known[b], self._sizes[b], -b) > (self._is_known[a], self._sizes[a], -a):
            a, b = b, a
        self._vectors[a] = self._vector(a) + self._vector(b)
        terms = self._term_sums(a)
        for term, weight in self._term_sums(b).items():
            terms[term] = terms.get(term, 0.0) + weight
        self._marks(a).add(self._marks(b))
        self._up[b] = a
        self._sizes[a] += self._sizes[b]
        for gone in (self._vectors, self._terms, self._apart):
            gone.pop(b, None)

    def numbered(self, counts: Sequence[int]) -> tuple[list[int], dict[int, int]]:
        """The group of each new text, and for each new group the place of the text that speaks best for all."""
        known = len(self._sides.known)
        members: dict[int, list[int]] = defaultdict(list)
        for side in range(known, len(self._up)):
            members[self._root(side)].append(side)
        numbers = [0] * len(self._sides.keys)
        labels: dict[int, int] = {}
        for root, sides in members.items():
            number = self._sides.known[root].number if self._is_known[root] else -len(labels) - 1
            for side in sides:
                numbers[side - known] = number
            if not self._is_known[root]:
                labels[number] = max(sides, key=lambda side: self._speaks_for(side, root, counts)) - known
        return numbers, labels

    def _speaks_for(self, side: int, root: int, counts: Sequence[int]) -> tuple[float, int, int, int]:
        if self._root(side) == side and self._sizes[side] == 1:
            return (1.0, 0, 0, 0)
        terms = self._terms[root]
        overlap = sum(weight * terms.get(term, 0.0) for term, weight in self._sides.terms.row(side).items())
        alike = self._alike(float(self._sides.dense[side] @ self._vectors[root]), overlap, self._sizes[root])
        place = side - len(self._sides.known)
        return (alike, counts[place], -len(self._sides.keys[place]), -side)

    def _likeness(self, a: int, b: int) -> float:
        """The mean over all pairs of a text of the one and a text of the other."""
        few, many = sorted((self._term_sums(a), self._term_sums(b)), key=len)
        overlap = sum(weight * many.get(term, 0.0) for term, weight in few.items())
        product = float(self._vector(a) @ self._vector(b))
        return self._alike(product, overlap, self._sizes[a] * self._sizes[b])

    def _alike(self, product: float, overlap: float, pairs: int) -> float:
        return float(self._sides.likeness(np.array(product / pairs), np.array(overlap / pairs)))

    def _vector(self, root: int) -> Matrix:
        if root not in self._vectors:
            self._vectors[root] = self._sides.dense[root] * np.float32(self._sizes[root])
        return self._vectors[root]

    def _term_sums(self, root: int) -> dict[int, float]:
        if root not in self._terms:
            size = self._sizes[root]
            self._terms[root] = {term: weight * size for term, weight in self._sides.terms.row(root).items()}
        return self._terms[root]

    def _marks(self, root: int) -> Apart:
        if root not in self._apart:
            self._apart[root] = Apart(map(marks_of, self._sides.texts(root)))
        return self._apart[root]

    def _root(self, side: int) -> int:
        while self._up[side] != side:
            self._up[side] = self._up[self._up[side]]
            side = self._up[side]
        return side
