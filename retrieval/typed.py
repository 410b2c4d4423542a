"""What has been typed so far, as the ways in which a phrasing may fit it, the best fit first."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.phrase_sounds import INITIALS, codes, key_ranges
from retrieval.sound_kernels import BEGINS, FARTHEST, INSIDE, SOUND_AT_WORD, SOUND_BEGINS
from retrieval.sounds import LETTERS, LONGEST, sound_table, sounds_of, sounds_of_character
from retrieval.text import normalise

MOST_READINGS = 24
"""Ways to read what was typed that are looked up; of more, less is looked up, which only widens them."""
_LETTER = re.compile("[a-z]")


@dataclass(frozen=True)
class Run:
    """A part of what was typed that must stand somewhere in one piece."""

    text: str
    way: int
    """How it may stand: BEGINS, INSIDE, SOUND_BEGINS or SOUND_AT_WORD."""


@dataclass(frozen=True)
class Fit:
    """One way in which a phrasing may fit: all of these runs."""

    runs: tuple[Run, ...]
    blurred: bool = False
    """By sounds that half the country does not tell apart."""

    @cached_property
    def patterns(self) -> tuple[Any, ...]:
        """As ``sound_kernels.pick`` takes them."""
        texts = [run.text for run in self.runs]
        return (
            codes("".join(texts)),
            np.array([sound for text in texts for sound in sounds_of(text)], np.uint16),
            np.cumsum([0, *map(len, texts)]).astype(np.int64),
            np.array([run.way for run in self.runs], np.int64),
            self.blurred,
        )


def fits(typed: str) -> tuple[tuple[Fit, ...], tuple[Fit, ...]]:
    """Ways to fit: those that come before phrasings that share a part of what was typed, and those after."""
    words = normalise(typed).split()
    whole = "".join(words)
    by_sound = bool(_LETTER.search(whole)) and len(whole) <= FARTHEST
    first = [Fit((Run(whole, BEGINS),))]
    if len(words) == 1:
        first.append(Fit((Run(whole, INSIDE),)))
    elif words:
        first.append(Fit(tuple(_word(word) for word in words)))
    if by_sound:
        first += [Fit((Run(whole, SOUND_BEGINS),)), Fit((Run(whole, SOUND_AT_WORD),))]
    last = []
    if 2 <= len(whole) <= FARTHEST:
        last = [Fit((Run(whole, way),), blurred=True) for way in (SOUND_BEGINS, SOUND_AT_WORD)]
    return tuple(first) if whole else (), tuple(last)


@lru_cache(maxsize=4096)
def keys_of(text: str, *, blurred: bool) -> NDArray[np.uint32]:
    """Ranges of keys under which phrasings stand that may say ``text``."""
    found = set(_readings(text, blurred)) if text else set()
    size = INITIALS
    while len(found) > MOST_READINGS and size:
        size -= 1
        found = {(sounds, initials[:size]) for sounds, initials in found}
    return key_ranges((sound, initials) for sounds, initials in found for sound in sounds)


def _word(word: str) -> Run:
    return Run(word, SOUND_AT_WORD if _LETTER.search(word) and len(word) <= FARTHEST else INSIDE)


def _readings(text: str, blurred: bool) -> Iterator[tuple[frozenset[int], tuple[int, ...]]]:
    """The first sound, as far as it is told, and the initials after it, of all ways to read ``text``."""
    for sounds, size in _first(text, 0, blurred):
        for initials in _sequences(text, size, (), blurred, set()):
            yield sounds, initials


def _sequences(
    text: str, at: int, before: tuple[int, ...], blurred: bool, been: set[tuple[int, tuple[int, ...]]]
) -> Iterator[tuple[int, ...]]:
    if at >= len(text) or len(before) == INITIALS:
        yield before
        return
    initials = sound_table().initials
    for sounds, size in _first(text, at, blurred):
        for initial in {int(initials[sound]) for sound in sounds}:
            if (at + size, (*before, initial)) not in been:
                been.add((at + size, (*before, initial)))
                yield from _sequences(text, at + size, (*before, initial), blurred, been)


@lru_cache(maxsize=4096)
def _first(text: str, at: int, blurred: bool) -> tuple[tuple[frozenset[int], int], ...]:
    """Sounds that the text at this place may stand for, and how many of its characters each takes."""
    character = text[at]
    if character not in LETTERS:
        possible = sounds_of_character(character)
        sound = sounds_of(text)[at]
        return ((possible | _alike(sound) if blurred and sound else possible, 1),)
    rest = text[at:]
    spellings = _spellings(blurred)
    unfinished = spellings.beginning.get(rest)
    if unfinished:
        return ((unfinished, len(rest)),)
    found = [(spellings.beginning[character], 1)]
    if rest[:2] in ("zh", "ch", "sh"):
        found.append((spellings.beginning[rest[:2]], 2))
    whole = ((spellings.whole.get(rest[:size]), size) for size in range(1, LONGEST + 1))
    return (*found, *((sounds, size) for sounds, size in whole if sounds))


def _alike(sound: int) -> frozenset[int]:
    blurred = sound_table().blurred
    return frozenset(np.flatnonzero(blurred == blurred[sound]).tolist())


class Spellings(NamedTuple):
    """Sounds by what is typed for them."""

    whole: dict[str, frozenset[int]]
    beginning: dict[str, frozenset[int]]


@cache
def _spellings(blurred: bool) -> Spellings:
    table = sound_table()
    whole: defaultdict[str, set[int]] = defaultdict(set)
    beginning: defaultdict[str, set[int]] = defaultdict(set)
    for sound in range(1, len(table.initials)):
        first, end = table.variant_start[sound], table.variant_start[sound + 1]
        for variant in range(first, end if blurred else first + 1):
            spelling = bytes(table.variants[variant][: table.lengths[variant]]).decode()
            whole[spelling].add(sound)
            for size in range(1, len(spelling) + 1):
                beginning[spelling[:size]].add(sound)
    return Spellings(
        {spelling: frozenset(sounds) for spelling, sounds in whole.items()},
        {spelling: frozenset(sounds) for spelling, sounds in beginning.items()},
    )


def pair_codes(pairs: list[str]) -> NDArray[np.uint16]:
    """Pairs of characters, (p, 2)."""
    return codes("".join(pairs)).reshape(-1, 2)
