"""Two versions beside each other: every word of both is there, and what is marked is what differs."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from random import Random
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.comparing import ComparedPart, Piece, compare_contents, compare_texts
from models.values import BasisContent, EntryField, Publicity
from retrieval.tokens import Tokeniser
from tests.cast import DAY, LOST_CARD, NOW

TOKENISER = Tokeniser()
TEXTS = st.text(alphabet="社保卡补领窗口当场办结工本费 16元20，。\n#-", max_size=60)


def marked(pieces: tuple[Piece, ...]) -> str:
    """What differs in brackets."""
    return "".join(f"[{piece.text}]" if piece.changed else piece.text for piece in pieces)


def compared(old: str, new: str) -> tuple[str, str]:
    before, after = compare_texts(old, new, TOKENISER)
    return marked(before), marked(after)


def test_words_are_marked_and_not_characters() -> None:
    assert compared("窗口当场办结，工本费 16 元。", "窗口三日内办结，工本费 16 元。") == (
        "窗口[当场]办结，工本费 16 元。",
        "窗口[三日内]办结，工本费 16 元。",
    )


def test_a_number_is_one_word() -> None:
    assert compared("工本费 16 元", "工本费 160 元") == ("工本费 [16] 元", "工本费 [160] 元")


def test_what_is_put_in_or_taken_out_stands_on_one_side_alone() -> None:
    assert compared("本人身份证。", "本人有效身份证。") == ("本人身份证。", "本人[有效]身份证。")
    assert compared("材料\n身份证\n照片\n", "材料\n身份证\n") == ("材料\n身份证\n[照片\n]", "材料\n身份证\n")


def test_punctuation_between_two_changes_belongs_to_them() -> None:
    old, new = compared("市民，老人，可以办理", "居民，儿童，可以办理")
    assert (old, new) == ("[市民，老人]，可以办理", "[居民，儿童]，可以办理")


def test_the_same_text_has_nothing_marked() -> None:
    assert compared(LOST_CARD.answer, LOST_CARD.answer) == (LOST_CARD.answer, LOST_CARD.answer)


@given(TEXTS, TEXTS)
@settings(max_examples=300, deadline=None)
def test_every_character_of_both_is_there_and_the_unmarked_ones_are_alike(old: str, new: str) -> None:
    before, after = compare_texts(old, new, TOKENISER)
    assert "".join(piece.text for piece in before) == old
    assert "".join(piece.text for piece in after) == new
    assert "".join(p.text for p in before if not p.changed) == "".join(p.text for p in after if not p.changed)
    assert all(piece.text for piece in (*before, *after))
    assert all(a.changed != b.changed for side in (before, after) for a, b in pairwise(side))


def test_only_the_parts_that_differ_are_shown_in_the_order_of_a_file() -> None:
    changed = replace(
        LOST_CARD,
        question="社保卡丢失后怎样补领",
        similar=(*LOST_CARD.similar, "医保卡丢了"),
        bases=(BasisContent("《中华人民共和国社会保险法》", "主席令第二十五号", 2),),
        valid_to=NOW + DAY,
        publicity=Publicity.INTERNAL,
    )
    parts = {part.field: part for part in compare_contents(LOST_CARD, changed, TOKENISER)}
    assert list(parts) == [
        *(EntryField.QUESTION, EntryField.SIMILAR, EntryField.BASIS),
        *(EntryField.VALID_TO, EntryField.PUBLICITY),
    ]
    assert parts[EntryField.BASIS].name == "依据"
    assert marked(parts[EntryField.SIMILAR].after).endswith("[\n医保卡丢了]")
    assert marked(parts[EntryField.BASIS].after).endswith("[ 附件 2 件]")
    assert parts[EntryField.VALID_TO] == ComparedPart(EntryField.VALID_TO, (), (Piece("2026-11-21 10:30", True),))
    assert marked(parts[EntryField.PUBLICITY].before) == "[公开]"


def test_an_end_at_midnight_is_named_by_its_last_day() -> None:
    midnight = NOW.replace(hour=16, minute=0) + timedelta(days=9)  # 00:00 of the 30th in Shanghai
    (part,) = compare_contents(LOST_CARD, replace(LOST_CARD, valid_to=midnight), TOKENISER)
    assert marked(part.after) == "[2026-11-29]"


@pytest.mark.parametrize("words", [400, 40_000])
def test_long_answers_are_compared_while_one_waits(words: int) -> None:
    random = Random(words)
    said = ("身份证", "社保卡", "办理", "窗口", "材料", "时限", "工作日", "费用", "，", "。", "的", "到")
    old, new = ("".join(random.choice(said) for _ in range(words)) for _ in "12")
    began = perf_counter()
    compare_texts(old, new, TOKENISER)
    assert perf_counter() - began < 2
