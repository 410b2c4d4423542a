"""The thesaurus: its file form, its directions and weights, and what comes with the product."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import normalise
from retrieval.thesaurus import Group, Saying, Thesaurus, ThesaurusError, read_group, read_groups, shipped

WORD = st.text("低保医社卡证户口学费车", min_size=2, max_size=5)


def said(thesaurus: Thesaurus, word: str) -> dict[str, float]:
    return {reading.word: reading.weight for reading in thesaurus.readings(word)}


def test_either_of_two_way_sayings_means_the_other_and_weights_multiply() -> None:
    thesaurus = Thesaurus([read_group("最低生活保障: 低保, 吃低保, 困难补助@0.5")])
    assert said(thesaurus, "低保") == {"低保": 1, "最低生活保障": 1, "吃低保": 1, "困难补助": 0.5}
    assert said(thesaurus, "困难补助") == {"困难补助": 1, "最低生活保障": 0.5, "低保": 0.5, "吃低保": 0.5}


def test_a_one_way_saying_means_the_head_but_is_not_meant_by_it() -> None:
    thesaurus = Thesaurus([read_group("居住证: >暂住证, 居住卡")])
    assert "居住证" in said(thesaurus, "暂住证")
    assert "暂住证" not in said(thesaurus, "居住证")
    assert "暂住证" not in said(thesaurus, "居住卡")


def test_an_unknown_word_means_itself() -> None:
    assert said(Thesaurus(), "低保") == {"低保": 1}


@pytest.mark.parametrize("line", ["低保", "低保:", ": 低保", "低保: a b", "低保: 医保@1.5", "低保: 医保@0", "低保: >"])
def test_a_line_that_is_no_group_is_refused(line: str) -> None:
    with pytest.raises(ThesaurusError):
        read_group(line)


def test_a_word_in_two_groups_is_refused_with_both_lines() -> None:
    with pytest.raises(ThesaurusError, match=r"第 3 行.*低保.*第 1 行"):
        read_groups(["最低生活保障: 低保", "# 医保", "医疗保险: 低保"], "own.txt")


@given(WORD, st.lists(st.builds(Saying, WORD, st.sampled_from([0.3, 0.65, 1.0]), st.booleans()), min_size=1))
def test_a_group_reads_back_as_it_was_written(head: str, sayings: list[Saying]) -> None:
    group = Group(head, tuple(sayings), "民政")
    line = f"{head}: {', '.join(map(written, sayings))}"
    assert read_group(line, "民政") == group


def written(saying: Saying) -> str:
    weight = f"@{saying.weight:g}" if saying.weight != 1 else ""
    return f"{'' if saying.both_ways else '>'}{saying.word}{weight}"


def test_the_shipped_thesaurus_is_large_and_finds_every_word_of_its_own() -> None:
    groups = shipped().groups
    assert len(groups) >= 1500
    for group in groups:
        assert all(normalise(group.head) in said(shipped(), normalise(s.word)) for s in group.sayings)
