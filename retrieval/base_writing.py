"""Writes the base: new segments, segments joined, everything anew; each time a manifest makes it so, at one stroke."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np

from retrieval.array_file import put_file, write_arrays
from retrieval.base import (
    Base,
    OpenedSegment,
    find_manifests,
    live_rows,
    open_base,
    open_file,
    open_segment,
    open_segments,
    rows_of,
    vocabularies_of,
)
from retrieval.documents import Document
from retrieval.manifest import Manifest, SegmentFile, Versions, manifest_name, number_in
from retrieval.postings import runs
from retrieval.segment import Segment
from retrieval.tokens import Tokeniser
from retrieval.vectors import Matrix
from retrieval.vocabulary import TokenTable, Vocabularies

GROWTH = 4
"""A segment keeps at least so many times the entries of the next newer one, so that each entry is joined a few times in
its life and a search looks into few segments."""
SMALL = 2_000
"""Segments of so few entries together are always joined."""
SEGMENT_ENTRIES = 25_000
"""Entries that are held in memory while a base is built; then they are a segment of their own until all are joined."""
BATCH_ENTRIES = 5_000
"""Entries that are cut and encoded at a time."""
KEPT_MANIFESTS = 2
"""The newest may prove damaged; then the one before it is still whole."""

Vectors = tuple[Matrix, Matrix]
"""Of all phrasings and of all answers, in the order of the documents."""
Encode = Callable[[Sequence[Document]], Vectors | None]


class Writer:
    """Changes the base, each time by a new manifest. Has the folder to itself while ``Store.writing`` lasts.

    Whatever is raised, OSError when the disk is full, the base is as it was, and no new file is left.
    """

    def __init__(self, folder: Path, versions: Versions) -> None:
        self._folder, self._versions = folder, versions

    def append(
        self,
        base: Base | None,
        documents: Sequence[Document],
        gone: Sequence[int],
        vectors: Vectors | None,
        tokeniser: Tokeniser,
        *,
        position: int,
        mark: str,
    ) -> Base:
        """The base with these documents in the place of what it held of their entries, and without the entries
        ``gone``. ``vectors``: of the documents; None without a model. ``base``: None to begin with nothing."""
        with self._attempt() as attempt:
            opened = open_segments(self._folder, base.manifest) if base else []
            left = _held(opened, set(gone) - {document.entry_id for document in documents})
            for part, part_vectors in _in_order(documents, vectors, at_least_one=bool(left)):
                vocabularies = vocabularies_of(opened)
                segment = Segment.build(part, tokeniser, vocabularies, part_vectors, gone=left)
                opened.append(attempt.write([segment], vocabularies))
            return attempt.publish(opened, position, mark)

    def rebuild(
        self, batches: Iterable[Sequence[Document]], encode: Encode, tokeniser: Tokeniser, *, position: int, mark: str
    ) -> Base:
        """A base of these documents alone. They are read, cut and encoded batch by batch; of an entry that comes twice
        the last counts. Nobody sees anything of it before all of them are written."""
        with self._attempt() as attempt:
            opened: list[OpenedSegment] = []
            for group in _groups(batches):
                vocabularies = vocabularies_of(opened)
                built = [
                    Segment.build(part, tokeniser, vocabularies, vectors)
                    for batch in group
                    for part, vectors in _in_order(batch, encode(batch))
                ]
                opened.append(attempt.write(built, vocabularies))
            if len(opened) > 1:
                opened = [attempt.write_joined(opened, oldest=True)]
            return attempt.publish(opened, position, mark)

    def merge(self, base: Base) -> Base | None:
        """The newest segments joined until each is a good deal larger than the next; None when they are already.

        What is joined gets a checksum of its own, so every byte is first looked at: raises Damaged.
        """
        opened = open_segments(self._folder, base.manifest)
        first = _first_to_join([int(live.sum()) for _, live in live_rows([part.segment for part in opened])])
        if first is None:
            return None
        for part in opened[first:]:
            open_file(self._folder, part.file).check()
        with self._attempt() as attempt:
            joined = attempt.write_joined(opened[first:], oldest=first == 0)
            return attempt.publish([*opened[:first], joined], base.manifest.position, base.manifest.mark)

    def clean(self) -> None:
        """Remove files that neither of the last two manifests names, and what was left half-written."""
        folder = self._folder
        last = find_manifests(folder, self._versions, most=KEPT_MANIFESTS).usable
        half_written = list(folder.glob("*.tmp"))
        kept = {manifest_name(m.generation) for m in last} | {file.name for m in last for file in m.segments}
        outdated = [*folder.glob("manifest-*.json"), *folder.glob("segment-*.arrays")] if last else []
        for path in half_written + [path for path in outdated if path.name not in kept]:
            path.unlink(missing_ok=True)

    @contextmanager
    def _attempt(self) -> Iterator["_Attempt"]:
        attempt = _Attempt(self._folder, self._versions)
        try:
            yield attempt
        except BaseException:
            attempt.undo()
            raise


class _Attempt:
    """The files of one state to come."""

    def __init__(self, folder: Path, versions: Versions) -> None:
        self._folder, self._versions = folder, versions
        self._generation = 1 + max(map(number_in, folder.glob("*-[0-9]*")), default=0)
        self._written: list[Path] = []

    def write(self, segments: Sequence[Segment], vocabularies: Vocabularies) -> OpenedSegment:
        """Segments that follow one another as one, with the tokens that came with them; opened from where it lies."""
        return self._write(segments, vocabularies.words.extension(), vocabularies.pairs.extension(), oldest=False)

    def write_joined(self, opened: Sequence[OpenedSegment], *, oldest: bool) -> OpenedSegment:
        """Segments on disk that follow one another as one. ``oldest``: there are no older ones that they supersede."""
        words, pairs = TokenTable.joined([p.words for p in opened]), TokenTable.joined([p.pairs for p in opened])
        return self._write([part.segment for part in opened], words, pairs, oldest=oldest)

    def publish(self, opened: Sequence[OpenedSegment], position: int, mark: str) -> Base:
        """From now on the base consists of these segments; what else was written on the way goes."""
        named = {part.file.name for part in opened}
        manifest = Manifest(
            generation=self._generation,
            position=position,
            mark=mark,
            versions=self._versions,
            segments=tuple(part.file for part in opened),
            created=datetime.fromtimestamp(self._folder.stat().st_mtime, UTC),
        )
        put_file(self._manifest_path, [manifest.written()])
        base = open_base(self._folder, manifest)
        for path in self._written:
            if path.name not in named:
                path.unlink(missing_ok=True)
        return base

    def undo(self) -> None:
        """Leave nothing behind; the manifest first, so that at no moment it names what is not there."""
        for path in (self._manifest_path, *self._written):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _write(
        self, segments: Sequence[Segment], words: TokenTable, pairs: TokenTable, *, oldest: bool
    ) -> OpenedSegment:
        path = self._folder / f"segment-{self._generation:08d}-{len(self._written)}.arrays"
        self._written.append(path)
        parts = [(segment, np.flatnonzero(live)) for segment, live in live_rows(segments)]
        tables = (("new_words", words), ("new_pairs", pairs))
        tokens = ((f"{prefix}/{name}", array) for prefix, table in tables for name, array in table.arrays().items())
        arrays = chain(tokens, Segment.joined_arrays(parts, oldest=oldest))
        checksum = write_arrays(path, arrays, {"generation": self._generation})
        entries = sum(len(rows) for _, rows in parts)
        phrasings = sum(int(np.diff(segment.phrase_start)[rows].sum()) for segment, rows in parts)
        return open_segment(self._folder, SegmentFile(path.name, path.stat().st_size, checksum, entries, phrasings))

    @property
    def _manifest_path(self) -> Path:
        return self._folder / manifest_name(self._generation)


def _held(opened: Sequence[OpenedSegment], entry_ids: Collection[int]) -> set[int]:
    """Those of the entries that stand in any of the segments."""
    wanted = np.array(sorted(entry_ids), np.int64)
    return {int(i) for part in opened for i in part.segment.columns.entry_ids[rows_of(part.segment, wanted)]}


def _first_to_join(sizes: Sequence[int]) -> int | None:
    """From where on segments with so many living entries, oldest first, are to be joined."""
    alike = [i for i in range(len(sizes) - 1) if _too_alike(sizes[i], sizes[i + 1])]
    if not alike:
        return None
    first = alike[0]
    while first and _too_alike(sizes[first - 1], sum(sizes[first:])):
        first -= 1
    return first


def _too_alike(older: int, newer: int) -> bool:
    return older + newer <= SMALL or older < GROWTH * newer


def _groups(batches: Iterable[Sequence[Document]]) -> Iterator[Iterator[Sequence[Document]]]:
    """Batches of a bearable size, and as many of them together as make a segment."""
    small = (batch[i : i + BATCH_ENTRIES] for batch in batches for i in range(0, len(batch), BATCH_ENTRIES))
    for first in small:
        yield _until_full(first, small)


def _until_full(first: Sequence[Document], more: Iterator[Sequence[Document]]) -> Iterator[Sequence[Document]]:
    yield first
    entries = len(first)
    while entries < SEGMENT_ENTRIES and (batch := next(more, None)):
        yield batch
        entries += len(batch)


def _in_order(
    documents: Sequence[Document], vectors: Vectors | None, *, at_least_one: bool = False
) -> Iterator[tuple[Sequence[Document], Vectors | None]]:
    """Documents by entry id, the last of each entry, with their vectors; as many together as may be one segment."""
    places = {document.entry_id: place for place, document in enumerate(documents)}
    order = np.array([places[entry_id] for entry_id in sorted(places)], np.int64)
    sizes = np.array([len(document.phrasings) for document in documents], np.int64)
    first = np.cumsum(sizes) - sizes
    for begin in range(0, max(len(order), int(at_least_one)), SEGMENT_ENTRIES):
        rows = order[begin : begin + SEGMENT_ENTRIES]
        phrases = runs(first[rows], sizes[rows])
        yield [documents[row] for row in rows], (vectors[0][phrases], vectors[1][rows]) if vectors else None
