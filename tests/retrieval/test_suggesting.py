"""Suggestions against a plain reading of all phrasings: what fits, in which order, and for whose eyes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypinyin import lazy_pinyin

from models.values import Publicity, Viewer
from retrieval import suggesting
from retrieval.documents import Document, Suggestion
from retrieval.generation import Generation, Part
from retrieval.phrase_sounds import Sounds
from retrieval.segment import Segment
from retrieval.sounds import blur, readings, sounds_of, syllables_of
from retrieval.suggesting import Uses, suggestions
from retrieval.text import normalise
from retrieval.thesaurus import Thesaurus, shipped
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vocabulary import Vocabularies, Vocabulary

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
ALL = Viewer(everything=True)
TOKENISER = Tokeniser(thesaurus=Thesaurus())
LETTERS = set("abcdefghijklmnopqrstuvwxyz")


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small bases go the ways of large ones: lists, from the best on, and all that may be seen."""
    monkeypatch.setattr(suggesting, "SMALL", 3)
    monkeypatch.setattr(suggesting, "SHORT", 2)
    monkeypatch.setattr(suggesting, "FROM_BEST", 4)


def document(number: int, *phrasings: str, public: bool = True, unit: int = 1) -> Document:
    publicity = Publicity.PUBLIC if public else Publicity.INTERNAL
    return Document(number, number, phrasings[0], similar=phrasings[1:], unit_id=unit, publicity=publicity)


class Base:
    """Documents in one segment or several."""

    def __init__(self, documents: Sequence[Document], *, parts: int = 1, uses: Mapping[int, float] | None = None):
        vocabularies = Vocabularies(Vocabulary(), Vocabulary())
        held = [documents[i::parts] for i in range(parts)]
        segments = [Segment.build(d, TOKENISER, vocabularies, None) for d in held if d]
        self.generation = Generation.of([Part(s, np.empty(0, np.int64)) for s in segments], vocabularies)
        self.uses = Uses(uses)

    def suggest(self, typed: str, viewer: Viewer = ALL, k: int = 8) -> tuple[Suggestion, ...]:
        return suggestions(typed, self.generation, self.generation.visible(viewer, NOW), self.uses, k)

    def texts(self, typed: str, viewer: Viewer = ALL) -> list[str]:
        return [suggestion.text for suggestion in self.suggest(typed, viewer)]


FUND = document(1, "公积金提取需要什么材料", "怎样提取住房公积金")
LOAN = document(2, "住房公积金贷款额度是多少")
CARD = document(3, "身份证丢了怎么补办")
BANK = document(4, "银行卡被冻结找谁")
TOLL = document(5, "ETC怎么办理")
GUIDE = document(6, "2024年度居民医保缴费标准")
NURSE = document(7, "张阿姨申请长期护理险")
BASE = Base([FUND, LOAN, CARD, BANK, TOLL, GUIDE, NURSE])


@pytest.mark.parametrize(
    ("typed", "entries"),
    [
        ("公积金", [1, 2]),  # begins, then inside
        ("提取 公积金", [1, 2]),
        ("公积金 提取", [1, 2]),
        ("gongjijin", [1, 2]),
        ("gongjij", [1, 2]),
        ("gjj", [1, 2]),
        ("gjjtq", [1]),
        ("gongjj", [1, 2]),
        ("公积金tq", [1]),
        ("tiqu gjj", [1]),
        ("yinhang", [4]),
        ("yinxing", []),
        ("etc", [5]),
        ("etczmbl", [5]),
        ("2024", [6]),
        ("年度jm", [6]),
        ("zan a yi", [7]),  # zh and z, ng and n
        ("sengfenzheng", [3]),
        ("身分证", [3]),
        ("鎏", []),
        ("", []),
        (" ？", []),
    ],
)
def test_what_has_been_typed_is_found_by_text_sound_and_initials(typed: str, entries: list[int]) -> None:
    assert [s.entry_id for s in BASE.suggest(typed)] == entries


@pytest.mark.parametrize(
    ("typed", "matched"),
    [
        ("gjjtq", ("公积金提取",)),
        ("gongjij", ("公积金",)),
        ("tiqu 公积金", ("提取", "公积金")),
        ("2024", ("2024",)),
    ],
)
def test_the_matched_part_is_told(typed: str, matched: tuple[str, ...]) -> None:
    assert BASE.suggest(typed)[0].matched == matched


def test_of_those_that_fit_alike_the_more_used_then_the_shorter_then_the_older_comes_first() -> None:
    texts = ["社保卡丢了", "社保卡怎么办", "社保卡在哪", "社保卡激活"]
    base = Base([document(n, text) for n, text in enumerate(texts, 1)], uses={2: 40.0, 4: 3.0, 9: 100.0})
    assert [s.entry_id for s in base.suggest("社保卡")] == [2, 4, 1, 3]
    assert [s.entry_id for s in base.suggest("sbk")] == [2, 4, 1, 3]


def test_nobody_is_shown_what_others_alone_may_read() -> None:
    base = Base([document(1, "蓝盾计划怎么报名", public=False, unit=1), document(2, "蓝天计划", unit=2)])
    stranger = Viewer(unit_ids=frozenset({2}))
    for typed in ("蓝盾", "蓝", "ld", "landun", "lan盾", "报名 蓝盾", "lantun"):
        shown = [s.entry_id for s in base.suggest(typed, stranger)]
        assert 1 not in shown
        assert shown == [s.entry_id for s in Base([document(2, "蓝天计划", unit=2)]).suggest(typed, stranger)]
    assert 1 not in [s.entry_id for s in base.suggest("蓝", replace(ALL, hidden_entry_ids=frozenset({1})))]


def test_one_of_very_many_is_found_by_who_may_see_no_other() -> None:
    documents = [document(n, f"公积金{n}号窗口怎么走", public=n == 777, unit=n) for n in range(1, 1500)]
    base = Base(documents)
    for typed in ("公", "公积金", "gjj", "g", "金", "走", "窗口 公积金", "窗ko", "gonjijin"):
        assert [s.entry_id for s in base.suggest(typed, Viewer(unit_ids=frozenset()))] == [777], typed


@pytest.mark.parametrize("length", [62, 63, 64, 500])
@pytest.mark.parametrize("typed", ["a", "公", "公 ", "gjj", "a1", "𠮷", "%"])
def test_however_much_is_typed_nothing_breaks(typed: str, length: int) -> None:
    for text in (typed * length, "公积金提取需要什么材料" + typed * length):
        assert len(BASE.suggest(text[:length])) <= 8


def test_a_part_read_from_arrays_and_a_joined_part_say_the_same() -> None:
    sounds = Sounds.build(["公积金，提取", "身份证丢了怎么补办", "", "𠮷祥etc"], TOKENISER)
    again = Sounds.of_arrays(sounds.arrays())
    joined = Sounds.joined([(sounds, np.array([1, 3])), (again, np.array([0, 2]))], np.array([2, 0, 3, 1]))
    for name, array in sounds.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
        np.testing.assert_array_equal(array, joined.arrays()[name])


def test_words_of_the_trade_are_read_as_pypinyin_reads_them() -> None:
    words = [word for word in shipped().words if all("一" <= c <= "鿿" for c in word)]
    assert [w for w in words if syllables_of(w) != tuple(lazy_pinyin(w))] == []
    assert syllables_of("重庆银行长期户") == ("chong", "qing", "yin", "hang", "chang", "qi", "hu")


# The slow and plain reading


def slow(documents: Sequence[Document], generation: Generation, uses: Mapping[int, float], typed: str) -> list[int]:
    best: dict[int, tuple[float, ...]] = {}
    for d in documents:
        for place, phrasing in enumerate(d.phrasings):
            fit = slow_fit(typed, phrasing, generation)
            if fit is not None:
                steps = int(min(255, max(1, 2 * np.log2(1 + uses[d.entry_id])))) if uses.get(d.entry_id) else 0
                key = (*fit, -steps, len(normalise(phrasing).replace(" ", "")), d.entry_id, place)
                best[d.entry_id] = min(best.get(d.entry_id, key), key)
    return [entry for entry, _ in sorted(best.items(), key=lambda item: item[1])]


def slow_fit(typed: str, phrasing: str, generation: Generation) -> tuple[int, int] | None:
    words = normalise(typed).split()
    whole, runs, said = "".join(words), normalise(phrasing).split(), heard(phrasing)
    if not whole:
        return None
    letters = bool(LETTERS & set(whole))
    share = slow_share(typed, runs, generation)
    fits = (
        "".join(runs).startswith(whole),
        all(any(word in run for run in runs) for word in words)
        if not letters or len(words) == 1
        else all(slow_sounds(w, said) if LETTERS & set(w) else any(w in run for run in runs) for w in words),
        letters and slow_sounds(whole, said[:1]),
        letters and slow_sounds(whole, said),
        share >= 0.5,
        len(whole) > 1 and slow_sounds(whole, said[:1], blurred=True),
        len(whole) > 1 and slow_sounds(whole, said, blurred=True),
    )
    if not any(fits):
        return None
    best = fits.index(True)
    return best, 8 - int(8 * share) if best == 4 else 0


def slow_share(typed: str, runs: Sequence[str], generation: Generation) -> float:
    pairs = sorted({pair for pair in bigrams(typed) if len(pair) == 2})
    if len(pairs) < 2:
        return 0.0
    known = generation.vocabularies.pairs
    weights = {pair: generation.pairs.idf(known.readings(pair)) for pair in pairs}
    return sum(w for pair, w in weights.items() if any(pair in run for run in runs)) / sum(weights.values())


def heard(phrasing: str) -> list[list[tuple[str, int]]]:
    """For each beginning of a word: the characters from there on with their sounds."""
    characters: list[tuple[str, int]] = []
    starts: list[int] = []
    for piece in TOKENISER.pieces(phrasing):
        if not piece.isspace():
            starts += [len(characters) + at for at in TOKENISER.beginnings(piece)]
            characters += zip(piece, sounds_of(piece), strict=True)
    return [characters[at:] for at in starts]


def slow_sounds(typed: str, beginnings: Sequence[Sequence[tuple[str, int]]], *, blurred: bool = False) -> bool:
    return any(says(typed, sounds_of(typed), rest, blurred) for rest in beginnings)


def says(typed: str, sounds: Sequence[int], rest: Sequence[tuple[str, int]], blurred: bool) -> bool:
    if not typed:
        return True
    if not rest:
        return False
    (character, sound), after = rest[0], rest[1:]
    eaten = {1} if character == typed[0] else set()
    names = readings().syllables
    if blurred and sounds[0] and sound and blur(names[sounds[0] - 1]) == blur(names[sound - 1]):
        eaten.add(1)
    if typed[0].isascii() and sound:
        for spelling in spellings(names[sound - 1]) if blurred else [names[sound - 1]]:
            if spelling.startswith(typed):
                return True
            eaten |= {len(spelling)} if typed.startswith(spelling) else set()
            eaten |= {1} if typed[0] == spelling[0] else set()
            eaten |= {2} if spelling[1:2] == "h" and typed.startswith(spelling[:2]) else set()
    return any(says(typed[n:], sounds[n:], after, blurred) for n in eaten)


@cache
def spellings(syllable: str) -> frozenset[str]:
    """Everything of up to six letters that sounds the same to a blurred ear."""
    if len(syllable) == 1:
        return frozenset((syllable,))
    head = 2 if syllable[1] == "h" else 1
    heads = {syllable[:head]}
    for ear in ({"zh", "z"}, {"ch", "c"}, {"sh", "s"}, {"n", "l"}):
        heads |= ear if heads & ear else set()
    rest = syllable[head:]
    tails = {rest, rest.removesuffix("g") if rest.endswith("ng") else rest}
    tails |= {t + "g" for t in tails if t.endswith("n")}
    return frozenset(s for s in ("".join(p) for p in product(heads, tails)) if len(s) <= 6)


PIECES = re.split(" ", "公积金 提取 住房 贷款 银行 重庆 行政 长期 社保卡 怎么 办理 ETC 12 ， 三 绿色 年 安 昂")
TYPED = re.split(
    " ", "公 积 公积金 提取 gjj tiqu t q y yh yinhang hang zhong cong etc 1 12 a an n lv 卡 怎么 银行 ， 3"
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), min_size=1, max_size=3), max_size=8),
    st.lists(st.sampled_from([*TYPED, " "]), min_size=1, max_size=3),
    st.dictionaries(st.integers(1, 8), st.sampled_from([1.0, 5.0, 30.0])),
    st.integers(1, 3),
)
def test_suggestions_are_those_of_a_plain_reading(
    said: list[list[list[str]]], typed: list[str], uses: dict[int, float], parts: int
) -> None:
    documents = [document(n, *map("".join, phrasings)) for n, phrasings in enumerate(said, 1)]
    base = Base(documents, parts=parts, uses=uses)
    expected = slow(documents, base.generation, uses, "".join(typed))
    assert [s.entry_id for s in base.suggest("".join(typed))] == expected[:8]
    assert [s.entry_id for s in base.suggest("".join(typed), k=2)] == expected[:2]
