"""The question in a long story."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.story import KEPT, LONG, focus

STORIES = (
    (
        "我姓王，住在河东区翠湖小区，我跟我老公去年离的婚，孩子归我，今年孩子要上小学了，他户口还在他爸那边，"
        "我打了好几个电话都说不清楚，气死我了，请问孩子的户口能不能迁到我这边来？需要他爸同意吗？谢谢",
        "户口能不能迁",
    ),
    (
        "市民来电反映：其于2026年3月在安澜某健身房办了年卡，现在健身房关门了，联系不上老板，电话13800001234。"
        "诉求：希望相关部门协助退还剩余的会费。",
        "退还剩余的会费",
    ),
)


@pytest.mark.parametrize(("story", "asked"), STORIES)
def test_the_part_that_asks_is_kept(story: str, asked: str) -> None:
    assert asked in focus(story)


@pytest.mark.parametrize("story", [story for story, _ in STORIES])
def test_telephone_numbers_and_labels_are_dropped(story: str) -> None:
    assert "1380000" not in focus(story)
    assert "诉求：" not in focus(story)


@given(st.text("我想问，。？多少钱户口\n：诉求吗1", max_size=300))
def test_a_story_becomes_short_and_a_short_question_stays(text: str) -> None:
    kept = focus(text)
    assert kept == text if len(text) <= LONG else len(kept) <= 2 * KEPT
