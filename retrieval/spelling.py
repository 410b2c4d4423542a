"""Slips of the keyboard mended by what the base itself knows: 公机金, gongjijin, gjj → 公积金; 身证 → 身份证.

Only what neither the base nor the dictionary knows is touched, and only a word of the base takes its place.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

from pypinyin import Style, lazy_pinyin

from retrieval.documents import Mended
from retrieval.tokens import Tokeniser, stop_words

LONGEST = 8
"""Characters of the longest word that is put in for a slip."""
LONG_ENOUGH = 3
"""Characters from which a word of like sound is hardly a coincidence; a shorter one must be in the thesaurus, and a
shorter word of the dictionary is never taken for a slip."""
WINDOW = 3
"""Neighbouring pieces that may together be one slipped word."""
_IDEOGRAPHS = re.compile(r"[一-鿿]+")
_LATIN = re.compile(r"[a-z]{2,}")
_GRAMMAR = frozenset(
    "不没无未中上下里外内时后前将已第一二三四五六七八九十两个次只再就都还也被把向和与或及等者所之其该此每各几多少大小老新"
)
"""Characters that stand alone in good Chinese, so that nothing odd is seen in them."""
_ASKING = frozenset("谁哪什怎咋几多")
"""Words with these are phrases of asking (去哪办), of which a shorter one (去哪) is no slip."""
_BLURRED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"), ("l", "n"))
"""Sounds that half the country does not tell apart."""


class WordsOfBase(Protocol):
    """What a base and its asker know of words."""

    @property
    def tokeniser(self) -> Tokeniser: ...

    def use(self, word: str) -> int:
        """How often live entries hold the word."""

    def titles_with(self, word: str) -> int:
        """How well titles that the asker may see know the word or a synonym. Only known ones are put in: nobody learns
        of a word that only others may read, or that stands in no entry any more."""


class Speller:
    """Words by their sound, their initials and their shape with one character dropped. One writer, many readers."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._by_sound: dict[str, tuple[str, ...]] = {}
        self._by_pinyin: dict[str, tuple[str, ...]] = {}
        self._by_initials: dict[str, tuple[str, ...]] = {}
        self._by_rest: dict[str, tuple[str, ...]] = {}
        self._longest_pinyin = 0

    @classmethod
    def of(cls, words: Iterable[str]) -> "Speller":
        """One that knows these words; what is worked out for a thesaurus is worked out once a process."""
        return _learned(tuple(words))._copy()

    def _copy(self) -> "Speller":
        copied = Speller()
        copied._known = set(self._known)
        copied._longest_pinyin = self._longest_pinyin
        for index in ("_by_sound", "_by_pinyin", "_by_initials", "_by_rest"):
            getattr(copied, index).update(getattr(self, index))
        return copied

    def learn(self, words: Iterable[str]) -> None:
        """Normalised words of titles and keywords; those of one character or not of ideographs are passed over."""
        for word in words:
            if word in self._known or not 2 <= len(word) <= LONGEST or not _IDEOGRAPHS.fullmatch(word):
                continue
            self._known.add(word)
            syllables = _syllables(word)
            _add(self._by_sound, _blurred(syllables), word)
            pinyin = "".join(syllables)
            _add(self._by_pinyin, pinyin, word)
            self._longest_pinyin = max(self._longest_pinyin, len(pinyin))
            _add(self._by_initials, "".join(s[0] for s in syllables), word)
            if len(word) > 2:
                for i in range(len(word)):
                    _add(self._by_rest, word[:i] + word[i + 1 :], word)

    def mend(self, text: str, base: WordsOfBase) -> tuple[str, tuple[Mended, ...]]:
        """``text`` (normalised) with its slips mended, and which."""
        pieces = base.tokeniser.pieces(text)
        unknown = [_is_odd(piece, base) for piece in pieces]
        out: list[str] = []
        mended: list[Mended] = []
        at = 0
        while at < len(pieces):
            for width in range(min(WINDOW, len(pieces) - at), 0, -1):
                typed = "".join(pieces[at : at + width])
                meant = self._meant(typed, pieces[at : at + width], unknown[at : at + width], base)
                if meant:
                    out.append(meant)
                    mended.append(Mended(typed, meant))
                    at += width
                    break
            else:
                out.append(pieces[at])
                at += 1
        return "".join(out), tuple(mended)

    def _meant(self, typed: str, pieces: list[str], unknown: list[bool], base: WordsOfBase) -> str | None:
        tokeniser = base.tokeniser
        if len(pieces) == 1 and _LATIN.fullmatch(typed):
            return self._of_latin(typed, base.titles_with) if unknown[0] else None
        if not _IDEOGRAPHS.fullmatch(typed) or len(typed) < 2:
            return None
        if not any(unknown) or (tokeniser.is_word(typed) and (len(typed) < LONG_ENOUGH or base.use(typed))):
            return None
        if len(pieces) > 1 and any(piece in stop_words() for piece in (pieces[0], pieces[-1])):
            return None
        alike = [w for w in self._by_sound.get(_blurred(_syllables(typed)), ()) if _shared(w, typed) or len(w) > 3]
        # A short word, or one that begins or ends with a word as it should be, may sound alike by coincidence.
        sure = LONG_ENOUGH if all(unknown) else LONGEST + 1
        best = _most_used((w for w in alike if len(w) >= sure or w in tokeniser.thesaurus), base.titles_with)
        if best is None and all(unknown) and not tokeniser.is_word(typed):
            longer = (w for w in self._by_rest.get(typed, ()) if tokeniser.is_word(w) and _ASKING.isdisjoint(w))
            best = _most_used(longer, base.titles_with)
        return best if best != typed else None

    def _of_latin(self, typed: str, use: Callable[[str], int]) -> str | None:
        """Fewest words whose pinyin is exactly what was typed; else one word with these initials."""
        best: list[tuple[int, int, str] | None] = [(0, 0, "")] + [None] * len(typed)
        for end in range(1, len(typed) + 1):
            for start in range(max(0, end - self._longest_pinyin), end):
                before = best[start]
                word = _most_used(self._by_pinyin.get(typed[start:end], ()), use) if before else None
                if before and word:
                    option = (before[0] + 1, before[1] - use(word), before[2] + word)
                    now = best[end]
                    best[end] = option if now is None or option < now else now
        whole = best[len(typed)]
        return whole[2] if whole else _most_used(self._by_initials.get(typed, ()), use)


def _add(index: dict[str, tuple[str, ...]], key: str, word: str) -> None:
    index[key] = (*index.get(key, ()), word)


def _is_odd(piece: str, base: WordsOfBase) -> bool:
    """Nothing that the base knows: a word it never uses, or a lone character that is no word of grammar."""
    known = piece in base.tokeniser.thesaurus or piece in stop_words() or piece in _GRAMMAR
    if known or not piece.strip(" 0123456789"):
        return False
    return len(piece) == 1 or not base.use(piece)


def _most_used(words: Iterable[str], use: Callable[[str], int]) -> str | None:
    used = sorted((-use(word), word) for word in words)
    return used[0][1] if used and used[0][0] < 0 else None


def _shared(word: str, typed: str) -> bool:
    return len(word) == len(typed) and any(a == b for a, b in zip(word, typed, strict=True))


@lru_cache(maxsize=2)
def _learned(words: tuple[str, ...]) -> Speller:
    speller = Speller()
    speller.learn(words)
    return speller


@lru_cache(maxsize=65536)
def _syllables(text: str) -> tuple[str, ...]:
    return tuple(lazy_pinyin(text, style=Style.NORMAL))


@lru_cache(maxsize=65536)
def _blurred(syllables: tuple[str, ...]) -> str:
    sound = " ".join(syllables)
    for heard, kept in _BLURRED:
        sound = sound.replace(heard, kept)
    return sound
