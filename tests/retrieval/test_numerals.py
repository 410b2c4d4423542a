"""Counted numbers in one spelling; ordinals and set phrases left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.numerals import in_digits
from retrieval.text import normalise


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("三个月", "3个月"),
        ("十六周岁", "16岁"),
        ("16周岁", "16岁"),
        ("两块钱", "2元"),
        ("二十五天", "25天"),
        ("一百二十元", "120元"),
        ("三千零五十元", "3050元"),
        ("半年", "6个月"),
        ("三年半", "3年半"),
        ("二〇二六年", "2026年"),
        ("十万元", "10万元"),
        ("九十平米", "90平方米"),
    ],
)
def test_counted_numbers_become_digits(written: str, digits: str) -> None:
    assert in_digits(written) == digits


@pytest.mark.parametrize(
    "text", ["第一次", "第三年", "一次性", "上半年", "一年级", "星期二", "周三天", "十百元", "统一", "一般"]
)
def test_what_counts_nothing_stays(text: str) -> None:
    assert in_digits(text) == text


@given(st.integers(1, 9999))
def test_every_number_is_read_as_it_is_spoken(number: int) -> None:
    assert in_digits(f"{spoken(number)}元") == f"{number}元"


@given(st.text("零一二两三十百千万半年个月岁周块钱第上元3 ", max_size=12))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def spoken(number: int) -> str:
    """Written out by the rules of counting, as an oracle: 3050 → 三千零五十."""
    digits, scales = "零一二三四五六七八九", ("千", "百", "十", "")
    parts = [(int(d), s) for d, s in zip(f"{number:04}", scales, strict=True)]
    text, gap = "", False
    for digit, scale in parts:
        if digit:
            text += ("零" if gap and text else "") + digits[digit] + scale
        gap = (gap or bool(text)) and not digit
    return text.removeprefix("一") if text.startswith("一十") else text
