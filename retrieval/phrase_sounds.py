"""What a segment keeps of its phrasings for suggestions: characters, sounds, and where to look for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retrieval.kernels import fixed
from retrieval.postings import runs
from retrieval.sound_kernels import GAP, HEAD, SOUND, WORD
from retrieval.sounds import BASE, sound_table, sounds_of
from retrieval.text import normalise
from retrieval.tokens import Tokeniser

INITIALS = 4
"""Initials of what follows the first sound, by which words are sorted: with the sound they fit 32 bits."""
RARE = 200
"""A character that stands in fewer than one phrasing of so many has a list of them; others are met soon enough."""
PRIVATE, PRIVATE_SIZE = 0xE000, 0x1900
"""Characters beyond 16 bits are kept in the private area: two of them may be taken for one another."""

Rows = NDArray[np.int32]

_TYPES: dict[str, Any] = {
    "start": np.int32,
    "characters": np.uint16,
    "sounds": np.uint16,
    "preference": np.int32,
    "head_keys": np.uint32,
    "head_rows": np.int32,
    "inner_keys": np.uint32,
    "inner_start": np.int32,
    "inner_places": np.int32,
    "rare": np.uint16,
    "rare_start": np.int32,
    "rare_rows": np.int32,
    "common": np.uint16,
}


@dataclass(frozen=True)
class Sounds:
    """One row for each phrasing, in the order of the segment."""

    start: Rows
    """Characters of row ``i`` are ``start[i]:start[i + 1]``."""
    characters: NDArray[np.uint16]
    """Of the normalised phrasing without spaces."""
    sounds: NDArray[np.uint16]
    """Number of each character's sound, with WORD where a word begins and GAP after punctuation."""
    preference: Rows
    """All rows, shorter first, then in their order."""
    head_keys: NDArray[np.uint32]
    """First sound of each row and the initials that follow, in increasing order."""
    head_rows: Rows
    inner_keys: NDArray[np.uint32]
    """The same of the words inside, each once."""
    inner_start: Rows
    inner_places: Rows
    """Where they stand among the characters."""
    rare: NDArray[np.uint16]
    """Characters that few rows hold."""
    rare_start: Rows
    rare_rows: Rows
    common: NDArray[np.uint16]
    """All other characters."""

    @classmethod
    def build(cls, phrasings: Sequence[str], tokeniser: Tokeniser) -> Self:
        """Of phrasings as they are written, those of entries with smaller ids first."""
        kept: dict[str, tuple[bytes, bytes]] = {}
        characters, sounds, sizes = [], [], []
        for phrasing in phrasings:
            size, gap = 0, False
            for piece in tokeniser.as_written(normalise(phrasing)):
                if piece.isspace():
                    gap = True
                    continue
                known = kept.get(piece)
                if known is None:
                    known = kept[piece] = _encoded(piece, tokeniser)
                written, heard = known
                mark = HEAD if not size else GAP if gap else 0
                if mark:
                    heard = (np.frombuffer(heard[:2], np.uint16) | np.uint16(mark)).tobytes() + heard[2:]
                characters.append(written)
                sounds.append(heard)
                size += len(written) // 2
                gap = False
            sizes.append(size)
        return cls._arranged(
            np.array(sizes, np.int32),
            np.frombuffer(b"".join(characters), np.uint16),
            np.frombuffer(b"".join(sounds), np.uint16),
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple["Sounds", NDArray[np.int64]]], order: NDArray[np.int64]) -> Self:
        """The given rows of several as one; ``order`` says which of the rows, laid end to end, comes where."""
        sizes = np.concatenate([np.diff(part.start)[rows] for part, rows in parts])
        places = [runs(part.start[rows], np.diff(part.start)[rows]) for part, rows in parts]
        characters = np.concatenate([part.characters[p] for (part, _), p in zip(parts, places, strict=True)])
        sounds = np.concatenate([part.sounds[p] for (part, _), p in zip(parts, places, strict=True)])
        starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
        ordered = runs(starts[order], sizes[order])
        return cls._arranged(sizes[order].astype(np.int32), characters[ordered], sounds[ordered])

    @classmethod
    def _arranged(cls, sizes: Rows, characters: NDArray[np.uint16], sounds: NDArray[np.uint16]) -> Self:
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        row_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        initials = sound_table().initials[sounds & SOUND].astype(np.uint32)
        head_keys = _keys(sounds & SOUND, initials, start[:-1][sizes > 0], start[1:][sizes > 0])
        by_head = np.argsort(head_keys, kind="stable")
        words = np.flatnonzero(sounds & WORD)
        words = words[words != start[row_of[words]]]
        inner_keys = _keys(sounds & SOUND, initials, words, start[row_of[words] + 1])
        by_inner = np.argsort(inner_keys, kind="stable")
        distinct, first = np.unique(inner_keys[by_inner], return_index=True)
        rare, rare_start, rare_rows, common = _rare(characters, row_of, len(sizes))
        return cls.of_arrays(
            {
                "start": start,
                "characters": characters,
                "sounds": sounds,
                "preference": np.argsort(sizes, kind="stable"),
                "head_keys": head_keys[by_head],
                "head_rows": np.flatnonzero(sizes > 0)[by_head],
                "inner_keys": distinct,
                "inner_start": np.append(first, len(words)),
                "inner_places": words[by_inner],
                "rare": rare,
                "rare_start": rare_start,
                "rare_rows": rare_rows,
                "common": common,
            }
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is written to disk."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The same, from memory or from a file; nothing is read."""
        return cls(**{name: fixed(arrays[name], dtype) for name, dtype in _TYPES.items()})

    def __len__(self) -> int:
        return len(self.start) - 1

    def beginning(self, keys: NDArray[np.uint32]) -> list[Rows]:
        """Rows that begin with one of these ranges of keys."""
        bounds = np.searchsorted(self.head_keys, keys).tolist()
        return [self.head_rows[first:end] for first, end in bounds if first < end]

    def within(self, keys: NDArray[np.uint32]) -> list[Rows]:
        """Places among the characters where a word with one of these ranges of keys stands, beginnings of phrasings
        excepted."""
        bounds = self.inner_start[np.searchsorted(self.inner_keys, keys)].tolist()
        return [self.inner_places[first:end] for first, end in bounds if first < end]

    def with_character(self, character: int) -> Rows | None:
        """Rows that hold the character; None when they are many."""
        place = int(np.searchsorted(self.rare, np.uint16(character)))
        if place < len(self.rare) and self.rare[place] == character:
            return self.rare_rows[self.rare_start[place] : self.rare_start[place + 1]]
        place = int(np.searchsorted(self.common, np.uint16(character)))
        is_common = place < len(self.common) and self.common[place] == character
        return None if is_common else self.rare_rows[:0]


def codes(text: str) -> NDArray[np.uint16]:
    """Characters as they are kept."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.where(points < 0x10000, points, PRIVATE + points % PRIVATE_SIZE).astype(np.uint16)


def _encoded(word: str, tokeniser: Tokeniser) -> tuple[bytes, bytes]:
    piece = word.replace(" ", "")
    sounds = np.array(sounds_of(piece), np.uint16)
    sounds[tokeniser.beginnings(piece)] |= WORD
    return codes(piece).tobytes(), sounds.tobytes()


def key_ranges(beginnings: Iterable[tuple[int, Sequence[int]]]) -> NDArray[np.uint32]:
    """The keys that begin with a sound and the initials that follow it, the end excluded, without overlaps: (r, 2)."""
    bounds: list[tuple[int, int]] = []
    for sound, initials in beginnings:
        low = sound
        for initial in initials[:INITIALS]:
            low = low * BASE + initial
        step = BASE ** (INITIALS - len(initials[:INITIALS]))
        bounds.append((low * step, (low + 1) * step))
    merged: list[tuple[int, int]] = []
    for low, high in sorted(bounds):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return np.array(merged, np.uint32).reshape(-1, 2)


def _keys(
    sounds: NDArray[np.integer[Any]],
    initials: NDArray[np.uint32],
    first: NDArray[np.integer[Any]],
    end: NDArray[np.integer[Any]],
) -> NDArray[np.uint32]:
    """The sound at each place and the initials after it as one number; past the end of the row they count as 0."""
    keys: NDArray[np.uint32] = sounds[first].astype(np.uint32)
    padded = np.append(initials, np.zeros(INITIALS + 1, np.uint32)).astype(np.uint32)
    for i in range(1, INITIALS + 1):
        keys = keys * np.uint32(BASE) + np.where(first + i < end, padded[first + i], np.uint32(0))
    return keys


def _rare(
    characters: NDArray[np.uint16], row_of: Rows, rows: int
) -> tuple[NDArray[np.uint16], NDArray[np.int64], Rows, NDArray[np.uint16]]:
    counts = np.bincount(characters, minlength=0x10000)
    held = np.flatnonzero(counts)
    many = counts[held] > max(rows // RARE, 1)
    rare = held[~many].astype(np.uint16)
    is_rare = np.zeros(0x10000, np.bool_)
    is_rare[rare] = True
    places = np.flatnonzero(is_rare[characters])
    places = places[np.argsort(characters[places], kind="stable")]
    starts = np.append(0, np.cumsum(counts[rare]))
    return rare, starts, row_of[places], held[many].astype(np.uint16)
