"""Text to tokens: words of the jieba dictionary plus our own, and character bigrams."""

import itertools
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files

import rjieba

from retrieval.text import normalise
from retrieval.thesaurus import Thesaurus, shipped

PLACE_ENDINGS = frozenset({"省", "市", "州", "区", "县", "镇", "乡", "街道"})
NOT_PLACES = frozenset({"小区", "社区", "校区", "学区", "片区", "园区", "辖区", "超市", "城市", "市区", "县区", "地区"})
_PLACE_ENDING = re.compile(r"(?<=..)(?:省|市|州|区|县|镇|乡|街道)$")


class Tokeniser:
    """Words by jieba's dictionary and cuts (through its Rust binding), with the thesaurus and own words on top."""

    def __init__(self, extra_words: Iterable[str] = (), thesaurus: Thesaurus | None = None) -> None:
        self.thesaurus = thesaurus or shipped()
        self._jieba = rjieba.Jieba()
        for word in map(normalise, (*_lines("words.txt"), *self.thesaurus.words, *extra_words)):
            if len(word) > 1:
                self._jieba.add_word(word, None, None)

    def cut(self, text: str) -> list[str]:
        """Words for the index as they stand, long ones also cut into the shorter ones inside; repeats kept."""
        return [w for w in self._jieba.cut_for_search(normalise(text)) if not w.isspace()]

    def question_words(self, text: str) -> list[str]:
        """As ``cut``, but a word of the thesaurus is one thing that is asked for, not also its parts."""
        words: list[str] = []
        for word in self._jieba.cut(normalise(text)):
            if word in self.thesaurus:
                words.append(word)
            elif not word.isspace():
                words += self._jieba.cut_for_search(word)
        return words

    def parts_of_new(self, word: str) -> list[str]:
        """A word that did not come with the product, as an index cuts it that does not know it; of others nothing."""
        return [] if word in shipped() or word not in self.thesaurus else _plain_jieba().cut_for_search(word)

    def made_of(self, word: str) -> list[str]:
        """The words of jieba's own dictionary that a word is made of."""
        return _bare_jieba().cut(word)

    def pieces(self, text: str) -> list[str]:
        """Normalised text cut once, without gaps: ``"".join(pieces) == text`` normalised."""
        return list(self._jieba.cut(normalise(text)))

    def beginnings(self, piece: str) -> list[int]:
        """Where words begin in a piece, those inside a longer word too: 住房公积金 0, 2, 3."""
        return sorted({start for _, start, _ in self._jieba.tokenize(piece, "search")})

    def as_written(self, text: str) -> list[str]:
        """A text cut once as it stands, nothing made alike: ``"".join(as_written) == text``."""
        return list(self._jieba.cut(text))

    def is_word(self, text: str) -> bool:
        """Whether the dictionary, the thesaurus or the own words hold it."""
        return text in self.thesaurus or bool(self._jieba.has_word(text))

    def places(self, text: str) -> tuple[str, ...]:
        """Places that the text names, without 市, 区, 县 … at the end: 河东区 → 河东."""
        named = []
        tagged = [*self._jieba.tag(normalise(text)), ("", "")]
        for (word, tag), (following, _) in itertools.pairwise(tagged):
            whole = word + following if following in PLACE_ENDINGS else word
            stem = _PLACE_ENDING.sub("", whole)
            if len(stem) > 1 and (
                tag == "ns" or (stem != whole and whole not in NOT_PLACES and tag[:2] in ("nr", "nz"))
            ):
                named.append(stem)
        return tuple(dict.fromkeys(named))

    def content_words(self, text: str) -> list[str]:
        """``cut`` without words that carry no meaning of their own (请问, 怎么, 的 …), unless nothing is left."""
        words = self.cut(text)
        return [word for word in words if word not in stop_words()] or words

    def asked_words(self, text: str) -> list[str]:
        """``question_words`` without those that carry no meaning of their own, unless nothing is left."""
        words = self.question_words(text)
        return [word for word in words if word not in stop_words()] or words


def bigrams(text: str) -> list[str]:
    """Overlapping pairs of neighbouring characters of each run without spaces; a single character stands for itself."""
    pairs: list[str] = []
    for run in normalise(text).split():
        pairs.extend([run] if len(run) == 1 else (run[i : i + 2] for i in range(len(run) - 1)))
    return pairs


@lru_cache(maxsize=4)
def shipped_tokeniser(own_words: tuple[str, ...] = ()) -> Tokeniser:
    """The one with the thesaurus that comes with the product, and an office's own words; it never changes, so one for
    all."""
    return Tokeniser(own_words)


@cache
def _bare_jieba() -> rjieba.Jieba:
    """With no word but its own."""
    return rjieba.Jieba()


@cache
def _plain_jieba() -> rjieba.Jieba:
    """With the words that come with the product alone."""
    return shipped_tokeniser()._jieba


@cache
def stop_words() -> frozenset[str]:
    """Words of politeness and grammar that say nothing of the matter."""
    return frozenset(_lines("stop_words.txt"))


@cache
def _lines(name: str) -> tuple[str, ...]:
    text = (files("retrieval") / "dictionary" / name).read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
