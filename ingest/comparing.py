"""Compares an index, entry by entry, with the database that it is said to equal."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session, sessionmaker

from ingest.log_rows import BATCH, current, entries_between, last_row, published_entries
from retrieval.documents import Document
from retrieval.segment import Segment

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Differences:
    """What was found, by entry id."""

    compared: int
    """Entries that are published."""
    missing: tuple[int, ...]
    """Published, but not in the index."""
    superfluous: tuple[int, ...]
    """In the index, but not published."""
    differing: tuple[int, ...]
    """In both, but the index says something else."""

    @property
    def all(self) -> tuple[int, ...]:
        """Every entry that is not as it should be."""
        return tuple(sorted({*self.missing, *self.superfluous, *self.differing}))


@dataclass(frozen=True)
class Held:
    """Where the documents of an index lie."""

    entry_ids: Rows
    """Increasing; an entry that is held twice stands twice."""
    part: Rows
    row: Rows
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, parts: Iterable[tuple[Segment, Rows]]) -> "Held":
        """``parts``: segments, each with the rows of it that live."""
        given = list(parts)
        ids = [np.asarray(segment.columns.entry_ids)[rows] for segment, rows in given]
        whole = np.concatenate([np.empty(0, np.int64), *ids])
        part = np.repeat(np.arange(len(given)), [len(rows) for _, rows in given])
        row = np.concatenate([np.empty(0, np.int64), *(rows for _, rows in given)])
        order = np.argsort(whole, kind="stable")
        return cls(whole[order], part[order], row[order], tuple(segment for segment, _ in given))

    def documents(self, entry_id: int) -> list[Document]:
        """One in a sound index that holds the entry; none in one that does not."""
        first, end = np.searchsorted(self.entry_ids, [entry_id, entry_id + 1])
        return [self.segments[self.part[at]].documents[int(self.row[at])] for at in range(first, end)]


def differences(
    open_session: sessionmaker[Session], held: Held, position: int, tell: Callable[[str], None] = lambda _: None
) -> Differences:
    """``position``: of the log, up to which the index holds everything. What changes meanwhile is left out."""
    with open_session() as session:
        published = published_entries(session)
    missing: list[int] = []
    differing: list[int] = []
    for start in range(0, len(published), BATCH):
        with open_session() as session:
            changes = current(session, published[start : start + BATCH])
        for change in changes:
            found = held.documents(change.entry_id)
            if change.document is None:
                continue  # withdrawn meanwhile
            if not found:
                missing.append(change.entry_id)
            elif found != [change.document]:
                differing.append(change.entry_id)
        tell(f"已核对 {min(start + BATCH, len(published))} / {len(published)} 条")
    superfluous = np.setdiff1d(held.entry_ids, np.array(published, np.int64)).tolist()
    with open_session() as session:
        later = set(entries_between(session, position, last_row(session).seq))
    return Differences(
        compared=len(published),
        missing=_besides(missing, later),
        superfluous=_besides(superfluous, later),
        differing=_besides(differing, later),
    )


def _besides(entry_ids: Sequence[int], later: set[int]) -> tuple[int, ...]:
    return tuple(entry_id for entry_id in entry_ids if entry_id not in later)
