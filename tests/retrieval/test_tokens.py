"""Words agree with jieba itself; our own words and the bigrams come on top."""

import random

import jieba
import pytest
import rjieba

from retrieval.thesaurus import Thesaurus, read_groups
from retrieval.tokens import Tokeniser, bigrams, stop_words

SENTENCES = (
    "新生儿出生登记需要什么材料",
    "城乡居民基本医疗保险参保缴费",
    "房屋租赁合同备案在哪里办",
    "小区物业不作为向哪个部门投诉",
    "异地就医备案以后报销比例是多少",
)


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return Tokeniser()


def test_the_rust_binding_cuts_as_jieba_does() -> None:
    jieba.initialize()
    shuffler = random.Random(7)
    characters = "".join(SENTENCES)
    samples = [*SENTENCES, *("".join(shuffler.sample(characters, 12)) for _ in range(200))]
    ours = rjieba.Jieba()
    assert [ours.cut_for_search(s) for s in samples] == [list(jieba.cut_for_search(s)) for s in samples]


def test_words_of_city_service_stay_whole_and_keep_their_parts(tokeniser: Tokeniser) -> None:
    words = tokeniser.cut("跨省通办灵活就业人员")
    assert {"跨省通办", "跨省", "灵活就业人员", "就业"} <= set(words)


def test_polite_words_are_dropped_unless_they_are_all_there_is(tokeniser: Tokeniser) -> None:
    assert "请问" in stop_words()
    assert "请问" not in tokeniser.content_words("请问身份证怎么补办")
    assert tokeniser.content_words("请问") == ["请问"]


def test_a_word_of_the_thesaurus_is_asked_for_as_one_thing_but_indexed_with_its_parts() -> None:
    tokeniser = Tokeniser(thesaurus=Thesaurus(read_groups(["最低生活保障: 低保"], "")))
    assert tokeniser.question_words("最低生活保障") == ["最低生活保障"]
    assert {"最低", "生活", "保障", "最低生活保障"} <= set(tokeniser.cut("最低生活保障"))


def test_bigrams_do_not_cross_punctuation() -> None:
    assert bigrams("身份证，丢") == ["身份", "份证", "丢"]


def test_an_office_can_add_words() -> None:
    assert "安澜入学" in Tokeniser(["安澜入学"]).cut("安澜入学平台")
