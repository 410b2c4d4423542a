"""What an index that holds no documents itself must know of them: in how many rows each word stands, by field.

Kept as differences, each the work of one batch, so that any number of processes add to them and any number follow.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from retrieval.segment import Segment
from retrieval.statistics import Statistics
from retrieval.vocabulary import Vocabularies

FIELDS = ("words", "pairs", "answers", "keywords")
"""Of a segment's postings. Words and pairs have a row for each phrasing, the others one for each entry."""


@dataclass
class Tally:
    """Counts of one field: of rows, of tokens in them, and of the rows that hold each token; below 0 what went."""

    rows: int = 0
    length: int = 0
    tokens: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally", sign: int = 1) -> None:
        self.rows += sign * other.rows
        self.length += sign * other.length
        for token, often in other.tokens.items():
            self.tokens[token] += sign * often
            if not self.tokens[token]:
                del self.tokens[token]


@dataclass
class Counts:
    """Counts of all fields, and of entries; of one entry, of a change, or of a whole base."""

    entries: int = 0
    fields: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in FIELDS})

    def add(self, other: "Counts", sign: int = 1) -> None:
        self.entries += sign * other.entries
        for name in FIELDS:
            self.fields[name].add(other.fields[name], sign)

    @property
    def empty(self) -> bool:
        return self == Counts()

    def packed(self) -> bytes:
        """For keeping; ``unpacked`` reads it. About 500 bytes for one entry."""
        said = {name: [tally.rows, tally.length, tally.tokens] for name, tally in self.fields.items()}
        return zlib.compress(json.dumps([self.entries, said], ensure_ascii=False, separators=(",", ":")).encode())

    @classmethod
    def unpacked(cls, packed: bytes) -> "Counts":
        entries, said = json.loads(zlib.decompress(packed))
        return cls(entries, {name: Tally(rows, length, Counter(told)) for name, (rows, length, told) in said.items()})

    @classmethod
    def total(cls, several: Iterable["Counts"]) -> "Counts":
        whole = cls()
        for counts in several:
            whole.add(counts)
        return whole


def counts_of(segment: Segment, vocabularies: Vocabularies) -> Iterator[Counts]:
    """Of each document of the segment, in its order."""
    for row in range(len(segment)):
        phrases = np.arange(segment.phrase_start[row], segment.phrase_start[row + 1])
        itself = np.array([row])
        counts = Counts(entries=1)
        for name in FIELDS:
            postings = getattr(segment, name)
            vocabulary = vocabularies.pairs if name == "pairs" else vocabularies.words
            rows = phrases if name in ("words", "pairs") else itself
            terms, _ = postings.terms_of(rows)
            length = int(postings.lengths[rows].sum())
            counts.fields[name] = Tally(len(rows), length, Counter(vocabulary.tokens(terms.tolist())))
        yield counts


@dataclass(frozen=True)
class LiveCounts:
    """The counts of the whole collection as a search reads them. Never changes once made."""

    vocabularies: Vocabularies
    """Shared with its successors: it only grows, one writer at a time."""
    entries: int
    fields: dict[str, Statistics]

    @classmethod
    def none(cls, vocabularies: Vocabularies) -> "LiveCounts":
        return cls(vocabularies, 0, {name: Statistics(0, 0.0, np.zeros(0, np.int32)) for name in FIELDS})

    def changed(self, by: Counts) -> "LiveCounts":
        """The counts after a change; new tokens enter the vocabularies."""
        return LiveCounts(
            self.vocabularies,
            self.entries + by.entries,
            {name: self._field(name, by.fields[name]) for name in FIELDS},
        )

    def _field(self, name: str, by: Tally) -> Statistics:
        vocabulary = self.vocabularies.pairs if name == "pairs" else self.vocabularies.words
        terms = np.fromiter((vocabulary.number(token) for token in by.tokens), np.int64, len(by.tokens))
        before = self.fields[name]
        frequency = np.zeros(max(len(vocabulary), len(before.document_frequency)), np.int32)
        frequency[: len(before.document_frequency)] = before.document_frequency
        frequency[terms] += np.fromiter(by.tokens.values(), np.int32, len(by.tokens))
        return Statistics(before.rows + by.rows, before.total_length + by.length, frequency)
