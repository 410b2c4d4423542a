"""What keeps two questions apart although nearly all words are the same: 一般 and 较重, 城镇 and 城乡, 30 and 60."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from retrieval.marks import contrasts

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Marks:
    """What one question names of all that excludes each other."""

    kinds: Mapping[int, int]
    """Bits of the kinds named, by group of contrasts."""
    numbers: frozenset[str]


class Apart:
    """The marks of several questions that stand together."""

    def __init__(self, marks: Iterable[Marks]) -> None:
        self._kinds: dict[int, set[int]] = defaultdict(set)
        self._numbers: set[frozenset[str]] = set()
        for mark in marks:
            self._add(mark.kinds.items(), [mark.numbers] if mark.numbers else [])

    def from_(self, other: "Apart") -> bool:
        """Whether any two of them name different kinds of one thing, or different numbers."""
        for group in self._kinds.keys() & other._kinds.keys():
            if any(not a & b for a in self._kinds[group] for b in other._kinds[group]):
                return True
        return any(a.isdisjoint(b) for a in self._numbers for b in other._numbers)

    def add(self, other: "Apart") -> None:
        """From now on those of the others too."""
        self._add(((group, bits) for group, held in other._kinds.items() for bits in held), other._numbers)

    def _add(self, kinds: Iterable[tuple[int, int]], numbers: Iterable[frozenset[str]]) -> None:
        for group, bits in kinds:
            self._kinds[group].add(bits)
        self._numbers.update(numbers)


def marks_of(squeezed: str) -> Marks:
    """Of a question, normalised and without spaces. A word inside a longer one of its group is not named: 非全日制 says
    nothing of 全日制."""
    words = _words()
    found = [
        (start, start + len(word), group, bit)
        for start, character in enumerate(squeezed)
        for word, group, bit in words.get(character, ())
        if squeezed.startswith(word, start)
    ]
    kinds: dict[int, int] = {}
    for start, end, group, bit in found:
        if not any(g == group and s <= start and end <= e and (s, e) != (start, end) for s, e, g, _ in found):
            kinds[group] = kinds.get(group, 0) | bit
    return Marks(kinds, frozenset(_NUMBER.findall(squeezed)))


@cache
def _words() -> dict[str, tuple[tuple[str, int, int], ...]]:
    """Words of ``contrasts.toml`` and ``kept_apart.toml`` by their first character: word, group, bit of its kind."""
    read = tomllib.loads((files("retrieval") / "dictionary" / "kept_apart.toml").read_text(encoding="utf-8"))
    groups = [*(kinds for _, kinds in contrasts()), *read.values()]
    by_first: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for group, kinds in enumerate(groups):
        for place, kind in enumerate(kinds):
            for word in kind:
                by_first[word[0]].append((word, group, 1 << place))
    return {first: tuple(words) for first, words in by_first.items()}
