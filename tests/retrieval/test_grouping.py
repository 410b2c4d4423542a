"""Questions that ask for the same stand together; what is nearly the same and is not stays apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.grouping import Grouping, KnownGroup, group, squeezed
from retrieval.neighbours import nearest
from retrieval.term_rows import TermRows
from retrieval.vectors import Matrix

CARD = ("社保卡丢了怎么补办", "社保卡丢了怎么补", "社保卡丢失怎么补办")
PERMIT = ("居住证在哪里办理", "居住证到哪里办理")
SAYINGS = (
    *CARD,
    *PERMIT,
    "灵活就业人员怎样参加养老保险",
    "新生儿医保怎么交",
    "火星探测器什么时候发射",
    "停机坪怎么预约",
)


def sets(texts: tuple[str, ...], found: Grouping) -> set[frozenset[str]]:
    """The groups as sets of texts."""
    by_number: dict[int, set[str]] = {}
    for text, number in zip(texts, found.numbers, strict=True):
        by_number.setdefault(number, set()).add(text)
    return {frozenset(held) for held in by_number.values()}


def pointing(*angles: float) -> Matrix:
    """Unit vectors in a plane."""
    turned = np.radians(angles)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def test_without_a_model_the_words_decide() -> None:
    found = sets(SAYINGS, group(SAYINGS, None, ()))
    assert frozenset(CARD) in found
    assert frozenset(PERMIT) in found
    assert len(found) == 2 + len(SAYINGS) - len(CARD) - len(PERMIT)


def test_the_meaning_joins_other_words_and_parts_the_same_ones() -> None:
    texts = ("社保卡没了去哪里补", "社会保障卡没有了去哪补", "社保卡没有了去哪里补钱")
    assert len(set(group(texts, pointing(0, 5, 80), ()).numbers)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("工伤一般怎么认定赔偿标准", "工伤较重怎么认定赔偿标准"),
        ("城镇居民医疗保险缴费标准是多少", "城乡居民医疗保险缴费标准是多少"),
        ("满30年工龄退休金怎么计算", "满15年工龄退休金怎么计算"),
        ("全日制学校学生落户条件", "非全日制学校学生落户条件"),
        ("二级残疾人补贴标准是多少", "三级残疾人补贴标准是多少"),
    ],
)
def test_terms_that_are_nearly_the_same_keep_groups_apart(one: str, other: str) -> None:
    texts = (one, other, f"请问{one}")
    first, second, third = group(texts, pointing(0, 0, 0), ()).numbers
    assert first == third != second
    known = (KnownGroup(7, (one,), pointing(0)[0], 1),)
    assert group((other, f"请问{one}"), pointing(0, 0), known).numbers == (-1, 7)


def test_a_chain_of_neighbours_does_not_swallow_a_subject() -> None:
    texts = tuple(f"{'甲乙丙丁戊己庚辛'[n]}的问题" for n in range(8))
    found = group(texts, pointing(*(20 * n for n in range(8))), ())
    assert len(set(found.numbers)) > 1


def test_known_groups_take_what_belongs_to_them_and_are_never_joined() -> None:
    known = (KnownGroup(3, ("社保卡丢了怎么补办",), None, 1), KnownGroup(9, ("社保卡丢失怎么补办",), None, 1))
    found = group(("社保卡丢了怎么补办？", "社保卡丢失怎么补办！", "社保卡丢了怎么补"), None, known)
    assert found.numbers[:2] == (3, 9)
    assert found.numbers[2] in (3, 9)
    assert found.labels == {}


def test_of_two_groups_with_the_same_text_the_later_one_has_it() -> None:
    """The office took it out of the first."""
    known = (KnownGroup(3, ("社保卡丢了怎么补办",), None, 2), KnownGroup(9, ("社保卡丢了怎么补办",), None, 1))
    assert group(("社保卡丢了怎么补办",), None, known).numbers == (9,)


def test_a_group_is_named_by_what_is_said_most() -> None:
    texts = ("居住证到哪里办理", "居住证在哪里办理", "居住证在哪里办理")
    found = group(texts, None, ())
    assert [texts[place] for place in found.labels.values()] == ["居住证在哪里办理"]


def test_signs_alone_stand_together_only_with_the_same_signs() -> None:
    assert group(("？？", "？？", "！"), None, ()).numbers in ((-1, -1, -2), (-2, -2, -1))


def test_nothing_gives_nothing() -> None:
    assert group((), None, ()) == Grouping((), {})
    assert group((), np.zeros((0, 2), np.float32), (KnownGroup(1, ("甲",), None, 1),)) == Grouping((), {})


def test_of_two_spellings_the_same_one_speaks_whichever_comes_first() -> None:
    texts, vectors = ("社保卡补办", "社保卡补办？", "社会保障卡补办"), pointing(0, 80, 5)
    found = sets(texts, group(texts, vectors, ()))
    turned = (texts[1], texts[0], texts[2])
    assert sets(turned, group(turned, vectors[[1, 0, 2]], ())) == found


batches = st.lists(st.lists(st.sampled_from(SAYINGS), min_size=1, max_size=8), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(batches, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_the_same_text_never_stands_in_two_groups(batches, chance) -> None:  # type: ignore[no-untyped-def]
    places: dict[str, int] = {}
    known: dict[int, KnownGroup] = {}
    for batch in batches:
        found = group(batch, None, tuple(known.values()))
        order = list(range(len(batch)))
        chance.shuffle(order)
        again = group([batch[i] for i in order], None, tuple(reversed(known.values())))
        assert sets(tuple(batch[i] for i in order), again) == sets(tuple(batch), found)
        numbers = {number: number if number > 0 else len(known) - number for number in found.numbers}
        for text, number in zip(batch, found.numbers, strict=True):
            held = known.get(numbers[number], KnownGroup(numbers[number], (), None, 0))
            known[held.number] = KnownGroup(
                held.number, tuple(dict.fromkeys((*held.texts, text))), None, held.count + 1
            )
            assert places.setdefault(squeezed(text), held.number) == held.number


def test_many_rows_are_looked_through_by_cells_and_hardly_any_neighbour_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(3)
    centres = random.normal(size=(300, 32))
    rows = np.repeat(centres, 10, axis=0) + 0.1 * random.normal(size=(3000, 32))
    rows = (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)
    _, exact = nearest(rows, rows, 5)
    monkeypatch.setattr("retrieval.neighbours.EXACT", 0)
    _, found = nearest(rows, rows, 5)
    kept = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact, found, strict=True)])
    assert kept > 0.98


def test_overlaps_are_cosines_of_weighted_terms() -> None:
    rows = TermRows.of(["社保卡", "社保卡", "居住证", "社保局"])
    same, none, part = rows.overlaps(np.array([1, 2, 3]), np.array([0, 0, 0]))
    assert same == pytest.approx(1)
    assert none == 0
    assert 0 < part < 1
    mean = rows.means([2, 2])
    assert mean.overlaps(np.array([1]), np.array([0]))[0] == pytest.approx(part / 2)


def test_folded_rows_are_near_to_the_whole_ones() -> None:
    rows = TermRows.of(SAYINGS)
    one, other = np.triu_indices(len(SAYINGS))
    order = np.argsort(one, kind="stable")
    exact = rows.overlaps(one[order], other[order])
    folded = (rows.folded() @ rows.folded().T)[one[order], other[order]]
    assert np.abs(exact - folded).mean() < 0.05
