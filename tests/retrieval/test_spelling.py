"""Slips are mended from the base's own words; what means something is left alone."""

from dataclasses import dataclass

import numpy as np
import pytest

from retrieval.documents import Mended
from retrieval.spelling import Speller
from retrieval.spelling_table import SpellingTable
from retrieval.thesaurus import Thesaurus
from retrieval.tokens import Tokeniser

WORDS = {
    "公积金": 9,
    "身份证": 7,
    "居住证": 6,
    "社保卡": 5,
    "失业": 3,
    "提取": 4,
    "贷款": 4,
    "驾驶证": 2,
    "办公": 1,
    "机关": 1,
}


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return Tokeniser(thesaurus=Thesaurus())


@pytest.fixture(scope="module")
def speller() -> Speller:
    made = Speller()
    made.learn(WORDS)
    return made


@dataclass(frozen=True)
class Base:
    """A base that uses WORDS, of which the asker may see some."""

    tokeniser: Tokeniser
    hidden: frozenset[str] = frozenset()

    def use(self, word: str) -> int:
        return WORDS.get(word, 0)

    def titles_with(self, word: str) -> int:
        return 0 if word in self.hidden else WORDS.get(word, 0)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("公机金怎么提取", "公积金怎么提取"),
        ("居主证", "居住证"),
        ("社宝卡", "社保卡"),
        ("gongjijin", "公积金"),
        ("gongjijindaikuan", "公积金贷款"),
        ("sfz", "身份证"),
        ("身证", "身份证"),
    ],
)
def test_homophones_pinyin_initials_and_dropped_characters(
    typed: str, meant: str, tokeniser: Tokeniser, speller: Speller
) -> None:
    assert speller.mend(typed, Base(tokeniser))[0] == meant


@pytest.mark.parametrize(
    "typed", ["办公机关在哪", "实业", "户口不", "身份证", "今天天气怎么样", "etc 怎么办", "abc", "", "3", "公积金贷款"]
)
def test_what_means_something_or_nothing_known_is_left_alone(
    typed: str, tokeniser: Tokeniser, speller: Speller
) -> None:
    assert speller.mend(typed, Base(tokeniser)) == (typed, ())


def test_what_was_mended_is_told(tokeniser: Tokeniser, speller: Speller) -> None:
    assert speller.mend("sfz 公机金", Base(tokeniser))[1] == (Mended("sfz", "身份证"), Mended("公机金", "公积金"))


def test_a_word_that_the_asker_may_not_see_is_never_put_in(tokeniser: Tokeniser, speller: Speller) -> None:
    assert speller.mend("gongjijin", Base(tokeniser, frozenset(WORDS))) == ("gongjijin", ())


def test_the_order_in_which_words_were_learnt_does_not_matter(tokeniser: Tokeniser, speller: Speller) -> None:
    backwards = Speller()
    backwards.learn(reversed(WORDS))
    for typed in ("gjj", "sfz", "shenfenzheng", "居主证", "身证", "社宝卡"):
        assert backwards.mend(typed, Base(tokeniser)) == speller.mend(typed, Base(tokeniser))


def test_words_from_the_tables_of_a_base_are_known_as_if_they_had_been_learnt(
    tokeniser: Tokeniser, speller: Speller
) -> None:
    words = list(WORDS)
    halves = [SpellingTable.of(list(enumerate(words))[i::2]) for i in range(2)]
    joined = SpellingTable.joined(halves, np.arange(len(words)))
    read = [SpellingTable.of_arrays(joined.arrays())]
    of_tables = Speller.of((), read, lambda numbers: [words[number] for number in numbers])
    for typed in ("gjj", "gongjijin", "gongjijindaikuan", "sfz", "居主证", "身证", "社宝卡", "公机金怎么提取", "abc"):
        assert of_tables.mend(typed, Base(tokeniser)) == speller.mend(typed, Base(tokeniser))
    none = SpellingTable.joined(halves, np.array([words.index("失业")]))
    assert len(none) == len(SpellingTable.of([(words.index("失业"), "失业")]))
