"""One consistent state of the index: its segments, which of their rows live, and the statistics over them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from models.values import Viewer
from retrieval.postings import runs
from retrieval.segment import Segment
from retrieval.statistics import Counted, Rows, Statistics
from retrieval.vocabulary import Vocabularies

Mask = NDArray[np.bool_]

VIEWERS = 24
"""Whose visible rows are kept: agents of one office see the same. At a million phrasings each takes 1.2 MB."""


KEPT_FROM = 2_000
"""Documents of a segment from which on what is seen of it is kept; of smaller ones it is worked out anew, so that they,
which come and go, do not push out the large."""


@dataclass(frozen=True)
class Part:
    """A segment and which of it lives."""

    segment: Segment
    dead: Rows
    """Its documents that are superseded or withdrawn, in increasing order."""

    def __len__(self) -> int:
        return len(self.segment) - len(self.dead)

    @property
    def live(self) -> Mask:
        """By document."""
        mask = np.ones(len(self.segment), np.bool_)
        mask[self.dead] = False
        return mask

    @property
    def live_rows(self) -> Rows:
        return np.flatnonzero(self.live)

    def without(self, entry_ids: NDArray[np.int64]) -> tuple["Part", Rows]:
        """The part when these entries (sorted) are gone from it, and the rows that this kills."""
        ids = self.segment.columns.entry_ids
        places = np.searchsorted(ids, entry_ids)
        places = places[places < len(ids)]
        rows = places[np.isin(ids[places], entry_ids)]
        killed = np.setdiff1d(rows, self.dead)
        return (Part(self.segment, np.union1d(self.dead, killed)) if len(killed) else self), killed


@dataclass(frozen=True)
class Seen:
    """What one viewer may see of one part: documents that live, are in force and open to him."""

    part: Part
    documents: Mask
    phrases: Mask
    """The same by phrasing."""

    @property
    def segment(self) -> Segment:
        return self.part.segment


class Sight:
    """Remembers what viewers may see of segments until a validity date changes it. Any number of threads."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Viewer], tuple[Segment, float, float, Mask, Mask]] = {}
        self._lock = Lock()

    def of(self, part: Part, viewer: Viewer, now: datetime) -> Seen:
        """What the viewer may see of the part at ``now``, to the second."""
        documents, phrases = self._whole(part.segment, viewer, now)
        if len(part.dead):
            documents, phrases = documents.copy(), phrases.copy()
            documents[part.dead] = False
            phrases[_phrases_of(part.segment, part.dead)] = False
        return Seen(part, documents, phrases)

    def _whole(self, segment: Segment, viewer: Viewer, now: datetime) -> tuple[Mask, Mask]:
        """The masks as if all of the segment lived."""
        key = (id(segment), viewer)
        moment = now.timestamp()
        kept = self._kept.get(key)
        if kept is not None and kept[0] is segment and kept[1] <= moment < kept[2]:
            return kept[3], kept[4]
        documents = segment.columns.visible(viewer, now)
        phrases = np.repeat(documents, np.diff(segment.phrase_start))
        if len(segment) < KEPT_FROM:
            return documents, phrases
        until = segment.columns.next_change(now)
        with self._lock:
            self._kept.pop(key, None)
            while len(self._kept) >= VIEWERS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (segment, moment, until, documents, phrases)
        return documents, phrases


@dataclass(frozen=True)
class Generation:
    """Never changes once made; a search works on the one it started with."""

    parts: tuple[Part, ...]
    vocabularies: Vocabularies
    words: Statistics
    pairs: Statistics
    answers: Statistics
    keywords: Statistics
    _sight: Sight = field(default_factory=Sight, compare=False, repr=False)

    @classmethod
    def of(cls, parts: Sequence[Part], vocabularies: Vocabularies) -> "Generation":
        words, pairs = len(vocabularies.words), len(vocabularies.pairs)
        dead_phrases = [_phrases_of(part.segment, part.dead) for part in parts]
        return cls(
            parts=tuple(parts),
            vocabularies=vocabularies,
            words=Statistics.of([(p.segment.words, d) for p, d in zip(parts, dead_phrases, strict=True)], words),
            pairs=Statistics.of([(p.segment.pairs, d) for p, d in zip(parts, dead_phrases, strict=True)], pairs),
            answers=Statistics.of([(p.segment.answers, p.dead) for p in parts], words),
            keywords=Statistics.of([(p.segment.keywords, p.dead) for p in parts], words),
        )

    def changed(self, entry_ids: NDArray[np.int64], added: Segment | None) -> "Generation":
        """Without these entries (sorted), and with the segment beside what is left."""
        parts: list[Part] = []
        killed: list[tuple[Segment, Rows]] = []
        for part in self.parts:
            left, rows = part.without(entry_ids)
            killed.append((part.segment, rows))
            parts.append(left)
        fresh = [] if added is None else [(added, np.arange(len(added)))]
        parts += [] if added is None else [Part(added, np.empty(0, np.int64))]
        words, pairs = len(self.vocabularies.words), len(self.vocabularies.pairs)
        gone_phrases = [(segment, _phrases_of(segment, rows)) for segment, rows in killed]
        new_phrases = [(segment, np.arange(len(segment.phrase_texts))) for segment, _ in fresh]
        return Generation(
            parts=tuple(parts),
            vocabularies=self.vocabularies,
            words=self.words.changed(
                gone=[(s.words, r) for s, r in gone_phrases],
                added=[(s.words, r) for s, r in new_phrases],
                vocabulary_size=words,
            ),
            pairs=self.pairs.changed(
                gone=[(s.pairs, r) for s, r in gone_phrases],
                added=[(s.pairs, r) for s, r in new_phrases],
                vocabulary_size=pairs,
            ),
            answers=self.answers.changed(
                gone=_field(killed, "answers"), added=_field(fresh, "answers"), vocabulary_size=words
            ),
            keywords=self.keywords.changed(
                gone=_field(killed, "keywords"), added=_field(fresh, "keywords"), vocabulary_size=words
            ),
            _sight=self._sight,
        )

    def with_parts(self, parts: Sequence[Part]) -> "Generation":
        """The same live rows in other segments."""
        return Generation(
            tuple(parts), self.vocabularies, self.words, self.pairs, self.answers, self.keywords, self._sight
        )

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def visible(self, viewer: Viewer, now: datetime) -> tuple[Seen, ...]:
        """Every part with what of it the viewer may see and is in force at ``now``."""
        return tuple(self._sight.of(part, viewer, now) for part in self.parts)

    def all_live(self) -> tuple[Seen, ...]:
        """Every part with all of it that lives, whoever may see it."""
        return tuple(
            Seen(part, part.live, np.repeat(part.live, np.diff(part.segment.phrase_start))) for part in self.parts
        )

    def in_titles(self, term: int) -> bool:
        """Whether any live phrasing or keyword list holds the word."""
        return self.words.frequency(term) + self.keywords.frequency(term) > 0

    def use(self, term: int | None) -> int:
        """In how many live phrasings, answers and keyword lists the word stands."""
        return 0 if term is None else sum(s.frequency(term) for s in (self.words, self.answers, self.keywords))


def _phrases_of(segment: Segment, rows: Rows) -> Rows:
    """All phrasings of the given documents."""
    return runs(segment.phrase_start[rows], np.diff(segment.phrase_start)[rows])


def _field(parts: Sequence[tuple[Segment, Rows]], name: str) -> Counted:
    return [(getattr(segment, name), rows) for segment, rows in parts]
