"""What a text asks about or speaks of, as bits: aspects (费用 材料 …) and kinds that exclude each other (职工/居民)."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]


class MarkedWords:
    """Words, each with the bits it stands for, looked for by their first characters: few of many are in a text."""

    def __init__(self, marked: Iterable[tuple[str, int]]) -> None:
        self._by_first: dict[str, list[tuple[str, int]]] = {}
        for word, bits in marked:
            self._by_first.setdefault(word[0], []).append((word, bits))

    def bits_in(self, text: str) -> int:
        """Bits of all the words that the text holds."""
        found = 0
        for first in self._by_first.keys() & set(text):
            for word, bits in self._by_first[first]:
                if word in text:
                    found |= bits
        return found


@dataclass(frozen=True)
class Aspect:
    name: str
    asked: tuple[str, ...]
    held: tuple[str, ...]


@cache
def aspects() -> tuple[Aspect, ...]:
    """From ``dictionary/aspects.toml``; at most 64."""
    read = tomllib.loads((files("retrieval") / "dictionary" / "aspects.toml").read_text(encoding="utf-8"))
    return tuple(Aspect(name, tuple(row["asked"]), tuple(row["held"])) for name, row in read.items())


@cache
def contrasts() -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    """Groups of kinds from ``dictionary/contrasts.toml``: (name, kinds), each kind its words."""
    read = tomllib.loads((files("retrieval") / "dictionary" / "contrasts.toml").read_text(encoding="utf-8"))
    return tuple((name, tuple(tuple(kind) for kind in kinds)) for name, kinds in read.items())


def asked_aspects(squeezed: str) -> int:
    """Bits of the aspects that a question (normalised, without spaces) asks about."""
    return _asked_words().bits_in(squeezed)


def aspect_names(bits: int) -> tuple[str, ...]:
    """The names behind the bits."""
    return tuple(aspect.name for i, aspect in enumerate(aspects()) if bits >> i & 1)


def held_aspects(squeezed: str) -> int:
    """Bits of the aspects that an answer tells."""
    return _held_words().bits_in(squeezed)


def kinds_named(squeezed: str) -> tuple[int, ...]:
    """For each group of contrasts the bits of the kinds that the text names."""
    named = _kind_words().bits_in(squeezed)
    return tuple(named >> first & (1 << size) - 1 for first, size in _kind_places())


def kind_table(texts: Sequence[str]) -> Bits:
    """``kinds_named`` of many texts; shape (len(texts), number of groups)."""
    return np.array([kinds_named(text) for text in texts], np.uint64).reshape(len(texts), len(contrasts()))


@cache
def _asked_words() -> MarkedWords:
    return MarkedWords((word, 1 << i) for i, aspect in enumerate(aspects()) for word in aspect.asked)


@cache
def _held_words() -> MarkedWords:
    return MarkedWords((word, 1 << i) for i, aspect in enumerate(aspects()) for word in aspect.held)


@cache
def _kind_places() -> tuple[tuple[int, int], ...]:
    """Of each group of contrasts the first bit and the number of bits when all lie side by side."""
    sizes = [len(kinds) for _, kinds in contrasts()]
    return tuple((sum(sizes[:i]), size) for i, size in enumerate(sizes))


@cache
def _kind_words() -> MarkedWords:
    return MarkedWords(
        (word, 1 << first + i)
        for (first, _), (_, kinds) in zip(_kind_places(), contrasts(), strict=True)
        for i, kind in enumerate(kinds)
        for word in kind
    )
