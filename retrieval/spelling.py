"""Slips of the keyboard mended by what the base itself knows: 公机金, gongjijin, gjj → 公积金; 身证 → 身份证.

Only what neither the base nor the dictionary knows is touched, and only a word of the base takes its place.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Protocol

from retrieval.documents import Mended
from retrieval.sounds import readings
from retrieval.spelling_table import (
    LONGEST,
    Likeness,
    SpellingTable,
    blurred_sound,
    likeness,
    likenesses_of,
    may_be_meant,
)
from retrieval.tokens import Tokeniser, stop_words
from retrieval.vocabulary import text_key

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


Tokens = Callable[[Iterable[int]], list[str]]
"""Words of numbers."""


class WordsOfBase(Protocol):
    """What a base and its asker know of words."""

    @property
    def tokeniser(self) -> Tokeniser: ...

    def use(self, word: str) -> int:
        """More than 0 when an entry that the asker may see holds the word."""

    def titles_with(self, word: str) -> int:
        """How well titles that the asker may see know the word or a synonym. Only known ones are put in: nobody learns
        of a word that only others may read, or that stands in no entry any more."""


class Speller:
    """Words of a base, in tables that may lie on disk, and words learnt since. One writer, many readers."""

    def __init__(self, tables: Sequence[tuple[SpellingTable, Tokens]] = ()) -> None:
        self._tables = tuple((table, tokens) for table, tokens in tables if len(table))
        self._known: set[str] = set()
        self._learnt: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, words: Iterable[str], tables: Sequence[SpellingTable] = (), tokens: Tokens | None = None) -> "Speller":
        """One that knows these words, and those of a base's ``tables``, whose numbers ``tokens`` reads. What is worked
        out for a thesaurus is worked out once a process."""
        of_base = [(table, tokens) for table in tables] if tokens else []
        return cls((_table_of(tuple(words)), *of_base))

    def learn(self, words: Iterable[str]) -> None:
        """Normalised words of titles and keywords; those of one character or not of ideographs are passed over."""
        for word in words:
            if word in self._known or not may_be_meant(word):
                continue
            self._known.add(word)
            for key in likenesses_of(word):
                self._learnt[key] = (*self._learnt.get(key, ()), word)

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
        alike = [w for w in self._alike(Likeness.SOUND, blurred_sound(typed)) if _shared(w, typed) or len(w) > 3]
        # A short word, or one that begins or ends with a word as it should be, may sound alike by coincidence.
        sure = LONG_ENOUGH if all(unknown) else LONGEST + 1
        best = _most_used((w for w in alike if len(w) >= sure or w in tokeniser.thesaurus), base.titles_with)
        if best is None and all(unknown) and not tokeniser.is_word(typed):
            longer = (w for w in self._alike(Likeness.REST, typed) if tokeniser.is_word(w) and _ASKING.isdisjoint(w))
            best = _most_used(longer, base.titles_with)
        return best if best != typed else None

    def _of_latin(self, typed: str, use: Callable[[str], int]) -> str | None:
        """Fewest words whose pinyin is exactly what was typed; else one word with these initials."""
        used = cache(use)
        best: list[tuple[int, int, str] | None] = [(0, 0, "")] + [None] * len(typed)
        for start in range(len(typed)):
            before = best[start]
            for end in _spoken_to(typed, start) if before else ():
                word = _most_used(self._alike(Likeness.PINYIN, typed[start:end]), used)
                if before and word:
                    option = (before[0] + 1, before[1] - used(word), before[2] + word)
                    now = best[end]
                    best[end] = option if now is None or option < now else now
        whole = best[len(typed)]
        return whole[2] if whole else _most_used(self._alike(Likeness.INITIALS, typed), used)

    def _alike(self, kind: Likeness, text: str) -> set[str]:
        """Words with this likeness."""
        kept = likeness(kind, text)
        key = text_key(kept)
        return {
            *self._learnt.get(kept, ()),
            *(word for table, tokens in self._tables for word in tokens(table.alike(key))),
        }


def _spoken_to(typed: str, start: int) -> Iterator[int]:
    """Where a word of some syllables that begins at ``start`` may end."""
    ends = {start}
    reached: set[int] = set()
    for count in range(1, LONGEST + 1):
        ends = {end + n for end in ends for n in range(1, 7) if typed[end : end + n] in _syllables()}
        ends = {end for end in ends if end <= len(typed)}
        reached |= ends if count > 1 else set()
    return iter(sorted(reached))


@cache
def _syllables() -> frozenset[str]:
    return frozenset(readings().syllables)


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
def _table_of(words: tuple[str, ...]) -> tuple[SpellingTable, Tokens]:
    return SpellingTable.of(enumerate(words)), lambda numbers: [words[number] for number in numbers]
