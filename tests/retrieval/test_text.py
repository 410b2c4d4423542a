"""Normalisation: what looks different but is the same to a caller becomes the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import normalise


@pytest.mark.parametrize(
    ("written", "same_as"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("請問戶口簿遺失補發", "请问户口簿遗失补发"),
        ("医保，怎么交？", "医保 怎么交"),
        ("首付20.5%", "首付20.5%"),
        ("  多 空　格 ", "多 空 格"),
        ("12345热线。", "12345热线"),
        ("①③号线", "13号线"),
    ],
)
def test_spellings_of_the_same_words_become_one(written: str, same_as: str) -> None:
    assert normalise(written) == normalise(same_as)


def test_a_decimal_point_is_kept_and_a_full_stop_is_not() -> None:
    assert normalise("3.5元.") == "3.5元"


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
