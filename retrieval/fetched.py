"""Entries that lie elsewhere, fetched for a closer look and kept here for the next: segments as everywhere else."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Document
from retrieval.generation import Part
from retrieval.segment import Segment
from retrieval.tokens import Tokeniser
from retrieval.vectors import Matrix
from retrieval.vocabulary import Vocabularies

MOST_KEPT = 20_000
"""Entries; about 12 KB each with their vectors."""
SMALL = 2_000
"""Newly fetched segments are joined until they hold so many: a search looks into few."""


class Fetched(Protocol):
    """An entry as it lies elsewhere."""

    @property
    def document(self) -> Document: ...

    @property
    def stamp(self) -> str: ...

    @property
    def phrase_vectors(self) -> Matrix | None: ...

    @property
    def answer_vector(self) -> Matrix | None: ...


class FetchedEntries:
    """By entry and stamp; what has changed elsewhere is fetched again. Any number of threads."""

    def __init__(self, vocabularies: Vocabularies, fetch: Callable[[Sequence[int]], Sequence[Fetched]]) -> None:
        self._vocabularies = vocabularies
        self._fetch = fetch
        self._stamps: dict[int, str] = {}
        self._parts: tuple[Part, ...] = ()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._stamps)

    def parts(self, wanted: Mapping[int, str], tokeniser: Tokeniser) -> list[tuple[Part, NDArray[np.int64]]]:
        """Segments that hold the wanted entries, each with its rows of them.

        An entry that has changed again since it was nominated comes as it is now; one that is gone does not come.
        """
        with self._lock:
            stamps, parts = self._stamps, self._parts
        missing = [entry_id for entry_id, stamp in wanted.items() if stamps.get(entry_id) != stamp]
        if missing:
            parts = self._add(self._fetch(missing), missing, parts, tokeniser)
        ids = np.fromiter(wanted, np.int64, len(wanted))
        found = [(part, np.flatnonzero(np.isin(part.segment.columns.entry_ids, ids) & part.live)) for part in parts]
        return [(part, rows) for part, rows in found if len(rows)]

    def forget(self) -> None:
        """Fetch everything again: entries are cut otherwise from now on."""
        with self._lock:
            self._stamps, self._parts = {}, ()

    def _add(
        self, entries: Sequence[Fetched], missing: Sequence[int], held: Sequence[Part], tokeniser: Tokeniser
    ) -> tuple[Part, ...]:
        """``held`` with these entries; of those that were missing and did not come, no older state either. Others may
        have let go of everything meanwhile: whoever held it when the search began still does."""
        ids = np.array(sorted(missing), np.int64)
        if not entries:
            return _without(held, ids)
        in_order = sorted(entries, key=lambda entry: entry.document.entry_id)
        documents = [entry.document for entry in in_order]
        with self._lock:
            added = Part(
                Segment.build(documents, tokeniser, self._vocabularies, _vectors(in_order)), np.empty(0, np.int64)
            )
            parts = (*_without(self._parts, ids), added)
            if sum(map(len, parts)) > MOST_KEPT:
                self._stamps, self._parts = {}, ()
            else:
                gone = set(missing)
                stamps = {entry_id: stamp for entry_id, stamp in self._stamps.items() if entry_id not in gone}
                self._stamps = stamps | {entry.document.entry_id: entry.stamp for entry in in_order}
                self._parts = _joined(parts)
        return (*_without(held, ids), added)


def _without(parts: Sequence[Part], entry_ids: NDArray[np.int64]) -> tuple[Part, ...]:
    return tuple(part.without(entry_ids)[0] for part in parts)


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    joined = [part for part in parts if len(part)]
    while len(joined) > 1 and len(joined[-2]) + len(joined[-1]) <= SMALL:
        segment = Segment.joined([(part.segment, part.live_rows) for part in joined[-2:]])
        joined[-2:] = [Part(segment, np.empty(0, np.int64))]
    return tuple(joined)


def _vectors(entries: Sequence[Fetched]) -> tuple[Matrix, Matrix] | None:
    phrases = [entry.phrase_vectors for entry in entries if entry.phrase_vectors is not None]
    answers = [entry.answer_vector for entry in entries if entry.answer_vector is not None]
    return (np.concatenate(phrases), np.stack(answers)) if phrases and answers else None
