"""What a text asks about or speaks of, as bits: aspects (费用 材料 …) and kinds that exclude each other (职工/居民)."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]


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
    return sum(1 << i for i, aspect in enumerate(aspects()) if any(word in squeezed for word in aspect.asked))


def aspect_names(bits: int) -> tuple[str, ...]:
    """The names behind the bits."""
    return tuple(aspect.name for i, aspect in enumerate(aspects()) if bits >> i & 1)


def held_aspects(squeezed: str) -> int:
    """Bits of the aspects that an answer tells."""
    return sum(1 << i for i, aspect in enumerate(aspects()) if any(word in squeezed for word in aspect.held))


def kinds_named(squeezed: str) -> tuple[int, ...]:
    """For each group of contrasts the bits of the kinds that the text names."""
    return tuple(
        sum(1 << i for i, kind in enumerate(kinds) if any(word in squeezed for word in kind))
        for _, kinds in contrasts()
    )


def kind_table(texts: Sequence[str]) -> Bits:
    """``kinds_named`` of many texts; shape (len(texts), number of groups)."""
    return np.array([kinds_named(text) for text in texts], np.uint64).reshape(len(texts), len(contrasts()))
