"""Text to tokens: words of the jieba dictionary plus our own, and character bigrams."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import rjieba

from retrieval.text import normalise


class Tokeniser:
    """Words by jieba's dictionary and cuts (through its Rust binding) with a user dictionary on top."""

    def __init__(self, extra_words: Iterable[str] = ()) -> None:
        self._jieba = rjieba.Jieba()
        for word in (*_lines("words.txt"), *extra_words):
            self._jieba.add_word(word, None, None)

    def words(self, text: str) -> list[str]:
        """Words for search, long ones also cut into the shorter ones inside; in order, repeats kept."""
        return [w for w in self._jieba.cut_for_search(normalise(text)) if not w.isspace()]

    def content_words(self, text: str) -> list[str]:
        """``words`` without those that carry no meaning of their own (请问, 怎么, 的 …), unless nothing is left."""
        words = self.words(text)
        return [w for w in words if w not in stop_words()] or words


def bigrams(text: str) -> list[str]:
    """Overlapping pairs of neighbouring characters of each run without spaces; a single character stands for itself."""
    pairs: list[str] = []
    for run in normalise(text).split():
        pairs.extend([run] if len(run) == 1 else (run[i : i + 2] for i in range(len(run) - 1)))
    return pairs


@cache
def stop_words() -> frozenset[str]:
    """Words of politeness and grammar that say nothing of the matter."""
    return frozenset(_lines("stop_words.txt"))


@cache
def _lines(name: str) -> tuple[str, ...]:
    text = (files("retrieval") / "dictionary" / name).read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
