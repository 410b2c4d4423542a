"""One state of the base as it lies on disk: its segments, the tokens that came with each, and what of them lives."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.array_file import ArrayFile, Damaged, part_of
from retrieval.manifest import Manifest, SegmentFile, Versions, number_in
from retrieval.segment import Segment
from retrieval.vectors import VectorTable
from retrieval.vocabulary import TokenTable, Vocabularies, Vocabulary

Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Base:
    """One state of the base, opened. Its vocabularies are its own: they may grow."""

    manifest: Manifest
    vocabularies: Vocabularies
    parts: tuple[tuple[Segment, Mask], ...]
    """Segments that hold anything that lives, oldest first, each with its live documents."""


@dataclass(frozen=True)
class OpenedSegment:
    """A segment that lies on disk, with the tokens that came with it."""

    file: SegmentFile
    segment: Segment
    words: TokenTable
    pairs: TokenTable


@dataclass(frozen=True)
class Found:
    """What a folder holds for one program."""

    usable: tuple[Manifest, ...]
    """Newest first."""
    refused: str
    """Why the newest was not taken; empty when it was, or when there is none."""


def find_manifests(folder: Path, versions: Versions, *, most: int, before: int | None = None) -> Found:
    """Up to ``most`` manifests of these versions that are whole and whose segments are there, as far as a quick look
    tells, of generations older than ``before``. A damaged one is passed over, and the log says so."""
    usable: list[Manifest] = []
    refused = ""
    for path in sorted(folder.glob("manifest-*.json"), reverse=True):
        if before is not None and number_in(path) >= before:
            continue
        try:
            manifest = Manifest.read(path)
            refusal = versions.refusal(manifest.versions)
            if not refusal:
                for file in manifest.segments:
                    open_file(folder, file)
                usable.append(manifest)
        except Damaged as damage:
            _warn(str(damage))
            refusal = str(damage)
        if not usable:
            refused = refused or refusal
        if len(usable) == most:
            break
    return Found(tuple(usable), refused)


@cache
def _warn(sentence: str) -> None:
    """Once in each process: the folder is looked at every few seconds."""
    log.warning("%s", sentence)


def open_base(folder: Path, manifest: Manifest) -> Base:
    """Map the segments. Raises Damaged when one of them is not there or not what the manifest says."""
    opened = open_segments(folder, manifest)
    with_live = live_rows([part.segment for part in opened])
    return Base(manifest, vocabularies_of(opened), tuple((s, live) for s, live in with_live if live.any()))


def open_segments(folder: Path, manifest: Manifest) -> list[OpenedSegment]:
    """All segments of a manifest, oldest first. Raises Damaged."""
    return [open_segment(folder, file) for file in manifest.segments]


def open_segment(folder: Path, file: SegmentFile) -> OpenedSegment:
    """Raises Damaged."""
    held = open_file(folder, file)
    return OpenedSegment(
        file=file,
        segment=_reading_rows(Segment.of_arrays(held.arrays), held),
        words=TokenTable.of_arrays(part_of(held.arrays, "new_words")),
        pairs=TokenTable.of_arrays(part_of(held.arrays, "new_pairs")),
    )


def open_file(folder: Path, file: SegmentFile) -> ArrayFile:
    """Raises Damaged when it is not there or not the one that the manifest names."""
    held = ArrayFile.open(folder / file.name)
    if held.checksum != file.checksum:
        raise Damaged(f"索引文件 {held.path} 不是清单所说的那一个。请运行 zhida index rebuild 重建索引。")
    return held


def vocabularies_of(opened: Sequence[OpenedSegment]) -> Vocabularies:
    """All tokens of the segments, and none beyond."""
    return Vocabularies(
        Vocabulary.of_parts([part.words for part in opened]), Vocabulary.of_parts([part.pairs for part in opened])
    )


def live_rows(segments: Sequence[Segment]) -> list[tuple[Segment, Mask]]:
    """Each with the documents that no later one has superseded."""
    found = []
    for number, segment in enumerate(segments):
        live = np.ones(len(segment), np.bool_)
        for later in segments[number + 1 :]:
            live[rows_of(segment, later.touched)] = False
        found.append((segment, live))
    return found


def rows_of(segment: Segment, entry_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of those of the entries that the segment holds."""
    ids = segment.columns.entry_ids
    places = np.searchsorted(ids, entry_ids)
    inside = places < len(ids)
    rows = places[inside]
    return np.asarray(rows[ids[rows] == entry_ids[inside]], np.int64)


def _reading_rows(segment: Segment, held: ArrayFile) -> Segment:
    """The segment with those tables of vectors reading from the file of whose rows only a few are looked at, because
    codes tell which."""

    def reading(table: VectorTable | None, name: str) -> VectorTable | None:
        if table is None or table.codes is None:
            return table
        return replace(table, in_file=held.place_of(f"{name}/halves"))

    return replace(
        segment,
        phrase_vectors=reading(segment.phrase_vectors, "phrase_vectors"),
        answer_vectors=reading(segment.answer_vectors, "answer_vectors"),
    )
