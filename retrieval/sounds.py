"""How written characters sound: pinyin without tones, by the word in which they stand; letters and digits sound as
themselves."""

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
LONGEST = 6
"""Letters of the longest syllable: zhuang."""
OTHER = len(LETTERS) + 1
"""Initial of what has no sound (%, a rare character); 0 is the end of the text."""
BASE = OTHER + 1
"""Initials are written as digits to this base."""
BLURRED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"), ("l", "n"))
"""Sounds that half the country does not tell apart, and how the blurred one is written."""


Number = TypeVar("Number", bound=np.generic)


class Readings(NamedTuple):
    """What ``dictionary/pinyin.txt`` holds."""

    syllables: tuple[str, ...]
    """In alphabetical order; then letters and digits, each a sound by itself. Sound number ``n`` is ``syllables[n-1]``;
    0 is no sound."""
    alone: dict[str, int]
    """The sound of each character that stands alone."""
    words: dict[str, tuple[int, ...]]
    """Words in which a character sounds otherwise (银行, 重庆)."""
    longest: int
    """Characters of the longest of these words."""
    first: frozenset[str]
    """Characters with which they begin."""


class SoundTable(NamedTuple):
    """The same as arrays, for the kernels."""

    initials: NDArray[np.uint8]
    """First letter of each sound, from 1; of no sound ``OTHER``."""
    variant_start: NDArray[np.int32]
    """Spellings of sound ``n`` are the rows ``variant_start[n]:variant_start[n + 1]``: its own first, then blurred."""
    variants: NDArray[np.uint8]
    """(v, LONGEST) letters."""
    lengths: NDArray[np.uint8]
    blurred: NDArray[np.uint16]
    """Sounds with the same number are alike to a blurred ear; 0 is no sound."""


@cache
def readings() -> Readings:
    """Read once a process."""
    text = (files("retrieval") / "dictionary" / "pinyin.txt").read_text(encoding="utf-8")
    characters, words = text.split("# words\n")
    lines = [line.split(" ") for line in characters.splitlines() if line and not line.startswith("#")]
    syllables = (*(line[0] for line in lines), *LETTERS)
    # A letter that is also a syllable (a, e, o …) is the letter when it is written as one.
    number = {syllable: n for n, (syllable, *_) in enumerate(lines, 1)}
    alone = {character: number[line[0]] for line in lines for character in "".join(line[1:])}
    alone |= {letter: n for n, letter in enumerate(LETTERS, len(lines) + 1)}
    read = {word: tuple(number[s] for s in sounds) for word, *sounds in map(str.split, words.splitlines())}
    return Readings(syllables, alone, read, max(map(len, read)), frozenset(word[0] for word in read))


@cache
def sound_table() -> SoundTable:
    """Worked out once a process."""
    spellings: list[list[str]] = [[]]
    classes: dict[str, int] = {}
    blurred = [0]
    for syllable in readings().syllables:
        spellings.append([syllable, *sorted(_variants(syllable) - {syllable})])
        blurred.append(classes.setdefault(blur(syllable), len(classes) + 1))
    flat = [spelling for held in spellings for spelling in held]
    letters = np.zeros((len(flat), LONGEST), np.uint8)
    for row, spelling in enumerate(flat):
        letters[row, : len(spelling)] = list(spelling.encode())
    initials = [OTHER, *(LETTERS.index(syllable[0]) + 1 for syllable in readings().syllables)]
    return SoundTable(
        initials=_still(np.array(initials, np.uint8)),
        variant_start=_still(np.cumsum([0, *map(len, spellings)]).astype(np.int32)),
        variants=_still(letters),
        lengths=_still(np.array([len(spelling) for spelling in flat], np.uint8)),
        blurred=_still(np.array(blurred, np.uint16)),
    )


def kernel_table() -> tuple[NDArray[Any], ...]:
    """The same as the kernels take it."""
    table = sound_table()
    return table.variant_start, table.variants, table.lengths, table.blurred, table.initials


@lru_cache(maxsize=65536)
def sounds_of(word: str) -> tuple[int, ...]:
    """The number of each character's sound, as it is read in this word."""
    known = readings()
    sounds: list[int] = []
    while len(sounds) < len(word):
        at = len(sounds)
        if word[at] in known.first:
            for end in range(min(len(word), at + known.longest), at + 1, -1):
                if read := known.words.get(word[at:end]):
                    sounds.extend(read)
                    break
        if len(sounds) == at:
            sounds.append(known.alone.get(word[at], 0))
    return tuple(sounds)


def syllables_of(word: str) -> tuple[str, ...]:
    """The same in letters; what has no sound stands for itself."""
    names = readings().syllables
    return tuple(names[s - 1] if s else c for c, s in zip(word, sounds_of(word), strict=True))


def blur(sound: str) -> str:
    """The same for all sounds that are not told apart: zhang, zang, zan → zan."""
    for heard, kept in BLURRED:
        sound = sound.replace(heard, kept)
    return sound


def sounds_of_character(character: str) -> frozenset[int]:
    """With which sounds the character may stand in a text, whatever the word; 0 is none."""
    return _possible_sounds().get(character, frozenset((0,)))


@cache
def _possible_sounds() -> dict[str, frozenset[int]]:
    known = readings()
    possible = {character: {sound} for character, sound in known.alone.items()}
    for word, sounds in known.words.items():
        for character, sound in zip(word, sounds, strict=True):
            possible.setdefault(character, {0}).add(sound)
    return {character: frozenset(found) for character, found in possible.items()}


def _variants(syllable: str) -> set[str]:
    """All spellings that a blurred ear takes for the same."""
    if len(syllable) == 1:
        return {syllable}
    heads = {syllable}
    for long, short in BLURRED[:3]:
        if syllable.startswith(long):
            heads.add(short + syllable[2:])
        elif syllable.startswith(short):
            heads.add(long + syllable[1:])
    heads |= {"n" + h[1:] for h in heads if h[0] == "l"} | {"l" + h[1:] for h in heads if h[0] == "n"}
    tails = {h[:-1] for h in heads if h.endswith("ng")} | {h + "g" for h in heads if h.endswith("n")}
    return {spelling for spelling in heads | tails if len(spelling) <= LONGEST}


def _still(array: NDArray[Number]) -> NDArray[Number]:
    array.flags.writeable = False
    return array
