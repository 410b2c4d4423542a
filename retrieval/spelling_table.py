"""Words by their sound, their initials and their shape with one character dropped, as arrays that may lie on disk."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.sounds import blur, syllables_of
from retrieval.vocabulary import text_key

LONGEST = 8
"""Characters of the longest word that is put in for a slip."""
_IDEOGRAPHS = re.compile(r"[一-鿿]+")


class Likeness(StrEnum):
    """How a slip may be like the word that was meant."""

    SOUND = "s"
    """The same to an ear that does not tell zh from z."""
    PINYIN = "p"
    INITIALS = "i"
    REST = "r"
    """The same with one character dropped."""


@dataclass(frozen=True, eq=False)
class SpellingTable:
    """Of some words, each with a number. Never changes once made."""

    keys: NDArray[np.uint64]
    """Of every likeness of every word, in increasing order."""
    numbers: NDArray[np.int32]
    """The word of each key."""

    @classmethod
    def of(cls, words: Iterable[tuple[int, str]]) -> "SpellingTable":
        """Of those words, each with its number, that may be put in for a slip."""
        found = sorted((text_key(key), n) for n, word in words if may_be_meant(word) for key in likenesses_of(word))
        return cls(np.array([key for key, _ in found], np.uint64), np.array([n for _, n in found], np.int32))

    @classmethod
    def joined(cls, tables: Sequence["SpellingTable"], numbers: NDArray[np.integer[Any]]) -> "SpellingTable":
        """Those of the given words that stand in any of the tables; nothing is worked out again."""
        keys = np.concatenate([table.keys for table in tables])
        held = np.concatenate([table.numbers for table in tables])
        keys, held = keys[wanted := np.isin(held, numbers)], held[wanted]
        order = np.lexsort((held, keys))
        keys, held = keys[order], held[order]
        first = np.ones(len(keys), np.bool_)
        first[1:] = (keys[1:] != keys[:-1]) | (held[1:] != held[:-1])
        return cls(keys[first], held[first])

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "SpellingTable":
        return cls(np.asarray(arrays["keys"]), np.asarray(arrays["numbers"]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"keys": self.keys, "numbers": self.numbers}

    def __len__(self) -> int:
        return len(self.keys)

    def alike(self, key: int) -> NDArray[np.int32]:
        """Words with this likeness, given as ``text_key`` of ``likeness``."""
        first = end = int(np.searchsorted(self.keys, np.uint64(key)))
        while end < len(self.keys) and self.keys[end] == key:
            end += 1
        return self.numbers[first:end]


def may_be_meant(word: str) -> bool:
    """Only words of some length and of ideographs are put in for a slip."""
    return 2 <= len(word) <= LONGEST and bool(_IDEOGRAPHS.fullmatch(word))


def likeness(kind: Likeness, text: str) -> str:
    """One likeness as it is kept."""
    return f"{kind}:{text}"


def likenesses_of(word: str) -> set[str]:
    """All ways in which a slip may be like the word."""
    syllables = syllables_of(word)
    found = {
        likeness(Likeness.SOUND, blurred_sound(word)),
        likeness(Likeness.PINYIN, "".join(syllables)),
        likeness(Likeness.INITIALS, "".join(s[0] for s in syllables)),
    }
    if len(word) > 2:
        found |= {likeness(Likeness.REST, word[:i] + word[i + 1 :]) for i in range(len(word))}
    return found


@lru_cache(maxsize=4096)
def blurred_sound(text: str) -> str:
    """How it sounds to an ear that does not tell zh from z."""
    return blur(" ".join(syllables_of(text)))
