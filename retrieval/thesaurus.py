"""The thesaurus: callers' words and documents' words for the same thing, with direction and weight.

One group a line in ``dictionary/thesaurus.txt``: ``最低生活保障: 低保, 吃低保, >困难补助@0.6``. The head is the word of
documents. A plain saying is two-way; ``>`` before it: whoever says it may mean the head, but who says the head does not
mean it (outdated, vaguer); ``@0.6``: it only probably means the head.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from retrieval.text import normalise

LINE = re.compile(r"(?P<head>[^:：,，@>＞\s]+)\s*[:：]\s*(?P<rest>.+)")
SAYING = re.compile(r"(?P<way>[>＞]?)\s*(?P<word>[^:：,，@>＞\s]+?)(?:@(?P<weight>\d(?:\.\d+)?))?")


class ThesaurusError(ValueError):
    """A group that cannot be read; the message says what and where."""


@dataclass(frozen=True)
class Saying:
    """Another word for the head of a group."""

    word: str
    weight: float = 1.0
    """0..1: how probably it means the head."""
    both_ways: bool = True


@dataclass(frozen=True)
class Group:
    head: str
    sayings: tuple[Saying, ...]
    field: str = ""


@dataclass(frozen=True)
class Reading:
    """A word that a typed one may stand for."""

    word: str
    weight: float


class Thesaurus:
    """Groups, ready to be looked up by normalised words. Where groups share a word, the first holds."""

    def __init__(self, groups: Sequence[Group] = ()) -> None:
        self.groups = tuple(groups)
        self._readings: dict[str, tuple[Reading, ...]] = {}
        for group in self.groups:
            head = normalise(group.head)
            means_it = [Saying(head), *(replace(s, word=normalise(s.word)) for s in group.sayings)]
            sought = [s for s in means_it if s.both_ways]
            for said in means_it:
                if said.word in self._readings:
                    continue
                others = (Reading(s.word, said.weight * s.weight) for s in sought if s.word != said.word)
                best_first = sorted(others, key=lambda r: (-r.weight, r.word != head, r.word))
                self._readings[said.word] = (Reading(said.word, 1.0), *best_first)

    def __contains__(self, word: str) -> bool:
        return word in self._readings

    @property
    def words(self) -> Iterable[str]:
        return self._readings.keys()

    def readings(self, word: str) -> tuple[Reading, ...]:
        """The word itself and what else it may mean, most probable first."""
        return self._readings.get(word) or (Reading(word, 1.0),)


def read_groups(lines: Iterable[str], name: str) -> list[Group]:
    """Groups of a text file; ``# …`` lines name the field of those that follow. Raises ThesaurusError."""
    groups: list[Group] = []
    seen: dict[str, int] = {}
    field = ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("#"):
            field = text.lstrip("# ").strip()
        elif text:
            try:
                group = read_group(text, field)
            except ThesaurusError as error:
                raise ThesaurusError(f"{name} 第 {number} 行：{error}") from error
            for word in (group.head, *(s.word for s in group.sayings)):
                if " " in normalise(word):
                    raise ThesaurusError(f"{name} 第 {number} 行：“{word}”中间的符号在检索中会把词断开。")
                if word in seen:
                    raise ThesaurusError(
                        f"{name} 第 {number} 行：“{word}”在第 {seen[word]} 行已有，一个词只能在一组里。"
                    )
                seen[word] = number
            groups.append(group)
    return groups


def read_group(line: str, field: str = "") -> Group:
    """One line of the file. Raises ThesaurusError."""
    match = LINE.fullmatch(line.strip())
    if match is None:
        raise ThesaurusError(f"“{line}”应写成“主词: 说法, 说法”。")
    return Group(match["head"], tuple(_saying(part) for part in re.split("[,，]", match["rest"])), field)


@cache
def shipped() -> Thesaurus:
    """The thesaurus that comes with the product."""
    text = (files("retrieval") / "dictionary" / "thesaurus.txt").read_text(encoding="utf-8")
    return Thesaurus(read_groups(text.splitlines(), "thesaurus.txt"))


def _saying(part: str) -> Saying:
    match = SAYING.fullmatch(part.strip())
    if match is None:
        raise ThesaurusError(f"“{part.strip()}”不是一个说法：写词本身，前加 > 表示单向，后加 @0.6 表示权重。")
    weight = float(match["weight"] or 1)
    if not 0 < weight <= 1:
        raise ThesaurusError(f"“{part.strip()}”的权重应在 0 到 1 之间。")
    return Saying(match["word"], weight, both_ways=not match["way"])
