"""The contract of an index: changes are seen, rights and validity hold, order of import does not matter."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.values import STRANGER, Outcome, Publicity, Viewer
from retrieval import embedded
from retrieval.documents import Change, Document
from retrieval.embedded import EmbeddedIndex
from retrieval.ranker import Thresholds
from retrieval.thesaurus import Thesaurus, read_group
from retrieval.tokens import Tokeniser

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
ALL = Viewer(everything=True)
TOKENISER = Tokeniser()
QUESTIONS = (
    "新生儿怎么上户口",
    "身份证丢了怎么补办",
    "城乡居民医保怎么缴费",
    "职工医保断缴怎么办",
    "公积金贷款额度是多少",
    "老年人优待证怎么办理",
    "电动自行车如何上牌",
    "居住证到期怎么续签",
)


class LetterEncoder:
    """A real, if simple, encoder: hashed characters. Enough for what an index promises of vectors."""

    dimension = 32

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> np.ndarray:
        vectors = np.full((len(texts), self.dimension), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for character in text[:max_tokens]:
                vectors[row, ord(character) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def document(number: int, **changes: object) -> Document:
    base = Document(
        entry_id=number,
        version_id=number * 10,
        question=QUESTIONS[number % len(QUESTIONS)],
        answer=f"第{number}号答复：请带身份证到窗口办理。",
        unit_id=number % 3,
        publicity=Publicity.PUBLIC,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def index_of(*documents: Document, vectors: bool = True) -> EmbeddedIndex:
    index = EmbeddedIndex(LetterEncoder() if vectors else None, tokeniser=TOKENISER)
    index.apply([Change(d.entry_id, d) for d in documents])
    return index


def found(index: EmbeddedIndex, query: str, viewer: Viewer = ALL, now: datetime = NOW) -> list[int]:
    return [hit.entry_id for hit in index.search(query, viewer, now).hits]


@pytest.mark.parametrize("vectors", [True, False])
def test_the_entry_that_was_asked_for_comes_first(vectors: bool) -> None:
    index = index_of(*(document(i) for i in range(8)), vectors=vectors)
    for number, question in enumerate(QUESTIONS):
        result = index.search(question, ALL, NOW)
        assert result.hits[0].entry_id == number
        assert all(0 <= hit.score <= 1 for hit in result.hits)
        assert [h.score for h in result.hits] == sorted((h.score for h in result.hits), reverse=True)


def test_an_empty_index_and_an_empty_question_have_no_answer() -> None:
    assert EmbeddedIndex(None, tokeniser=TOKENISER).search("医保", ALL, NOW).outcome is Outcome.NONE
    assert index_of(document(1), vectors=False).search("？？", ALL, NOW).hits == ()


def test_an_unrelated_question_is_not_answered_without_a_model() -> None:
    index = index_of(*(document(i) for i in range(8)), vectors=False)
    assert index.search("今晚有什么好看的电影", ALL, NOW).outcome is Outcome.NONE


def test_a_changed_entry_is_found_by_its_new_words_only() -> None:
    index = index_of(document(1), document(2), vectors=False)
    index.apply([Change(1, document(1, version_id=11, question="暖气费怎么退"))])
    assert found(index, "暖气费怎么退")[0] == 1
    assert 1 not in found(index, "补办")
    assert len(index) == 2


def test_a_removed_entry_is_gone_and_removing_it_again_changes_nothing() -> None:
    index = index_of(document(1), document(2))
    for _ in range(2):
        index.apply([Change(1, None)])
        assert 1 not in found(index, QUESTIONS[1])
        assert len(index) == 1


def test_an_entry_expires_on_the_second_without_a_change() -> None:
    index = index_of(document(1, valid_from=NOW, valid_to=NOW + timedelta(hours=1)))
    second = timedelta(seconds=1)
    assert found(index, QUESTIONS[1], now=NOW - second) == []
    assert found(index, QUESTIONS[1], now=NOW) == [1]
    assert found(index, QUESTIONS[1], now=NOW + timedelta(hours=1) - second) == [1]
    assert found(index, QUESTIONS[1], now=NOW + timedelta(hours=1)) == []


def test_a_stranger_sees_public_entries_only_also_in_suggestions() -> None:
    index = index_of(document(1, publicity=Publicity.INTERNAL), document(9))
    assert found(index, QUESTIONS[1], STRANGER) == [9]
    assert [s.entry_id for s in index.suggest("身份证", STRANGER, NOW)] == [9]
    assert {s.entry_id for s in index.suggest("身份证", ALL, NOW)} == {1, 9}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12),
    st.booleans(),
    st.frozensets(st.integers(0, 3)),
    st.frozensets(st.integers(0, 11)),
)
def test_retrieval_shows_exactly_what_the_viewer_may_see(
    world: list[tuple[int, bool]], everything: bool, units: frozenset[int], hidden: frozenset[int]
) -> None:
    documents = [
        document(i, question="身份证", unit_id=unit, publicity=Publicity.PUBLIC if public else Publicity.INTERNAL)
        for i, (unit, public) in enumerate(world)
    ]
    viewer = Viewer(everything=everything, unit_ids=units, hidden_entry_ids=hidden)
    index = index_of(*documents, vectors=False)
    shown = {hit.entry_id for hit in index.search("身份证", viewer, NOW, 50).hits}
    assert shown == {
        d.entry_id for d in documents if viewer.may_see(entry_id=d.entry_id, unit_id=d.unit_id, publicity=d.publicity)
    }


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(8)), st.integers(1, 8))
def test_the_order_and_batches_of_import_change_no_answer(order: list[int], batch: int) -> None:
    at_once = index_of(*(document(i) for i in range(8)))
    piecemeal = EmbeddedIndex(LetterEncoder(), tokeniser=TOKENISER)
    for start in range(0, 8, batch):
        piecemeal.apply([Change(i, document(i)) for i in order[start : start + batch]])
    for question in QUESTIONS:
        one, other = at_once.search(question, ALL, NOW), piecemeal.search(question, ALL, NOW)
        assert [h.entry_id for h in one.hits] == [h.entry_id for h in other.hits]
        np.testing.assert_allclose([h.score for h in one.hits], [h.score for h in other.hits], atol=1e-4)


def test_joining_segments_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SMALL", 1)
    index = index_of(*(document(i) for i in range(6)))
    for number in (6, 7, 1, 4):
        index.apply([Change(number, document(number, version_id=number * 10 + 1))])
    index.apply([Change(3, None)])
    fresh = index_of(*(document(i, version_id=i * 10 + (i in (6, 7, 1, 4))) for i in range(8) if i != 3))
    for question in QUESTIONS:
        one, other = index.search(question, ALL, NOW), fresh.search(question, ALL, NOW)
        assert [(h.version_id, h.phrasing) for h in one.hits] == [(h.version_id, h.phrasing) for h in other.hits]
        np.testing.assert_allclose([h.score for h in one.hits], [h.score for h in other.hits], atol=1e-6)
        assert index.suggest(question[:4], ALL, NOW) == fresh.suggest(question[:4], ALL, NOW)


def test_matched_words_are_found_whatever_the_spelling_of_the_entry() -> None:
    index = index_of(document(1, question="戶口名簿遺失怎麼補辦"), vectors=False)
    assert {"户口名簿", "遗失", "补办"} <= set(index.search("户口名簿遗失怎么补办", ALL, NOW).hits[0].matched)


def test_an_entry_for_another_place_or_year_is_never_answered_directly() -> None:
    of_county = document(1, question="河西区长者食堂就餐补贴怎么享受", places=("河西区", "安澜市"))
    of_year = document(2, question="2027年度居民医保缴费标准是多少", places=("安澜市", "河西区", "河东区"))
    index = index_of(of_county, of_year, vectors=False)
    for asked, other in (
        ("河西区长者食堂就餐补贴怎么享受", "河东区长者食堂就餐补贴怎么享受"),
        ("2027年度居民医保缴费标准是多少", "2024年度居民医保缴费标准是多少"),
    ):
        assert index.search(asked, ALL, NOW).outcome is Outcome.DIRECT
        assert index.search(other, ALL, NOW).outcome is not Outcome.DIRECT
    assert index.search("河东区2027年度居民医保缴费标准是多少", ALL, NOW).hits[0].features["place_conflict"] == 0


def test_a_bare_subject_shows_candidates_rather_than_nothing() -> None:
    index = index_of(*(document(i) for i in range(8)), vectors=False)
    assert index.search("居住证", ALL, NOW).outcome is not Outcome.NONE


def test_the_asked_aspect_is_named() -> None:
    assert "费用" in index_of(document(1), vectors=False).search("补办身份证多少钱", ALL, NOW).aspects


def test_suggestions_begin_with_what_was_typed_first_then_contain_it() -> None:
    index = index_of(document(1), document(2, question="补办身份证要钱吗"), document(3, question="社保卡"))
    assert [s.text for s in index.suggest("身份证", ALL, NOW)] == ["身份证丢了怎么补办", "补办身份证要钱吗"]
    assert [s.text for s in index.suggest("社", ALL, NOW)] == ["社保卡"]
    assert index.suggest("  ", ALL, NOW) == ()


def test_a_similar_question_finds_the_entry_and_is_named_as_what_matched() -> None:
    index = index_of(document(1, similar=("证件掉了想重办一张",)), document(2))
    hit = index.search("证件掉了重办", ALL, NOW).hits[0]
    assert (hit.entry_id, hit.phrasing) == (1, "证件掉了想重办一张")
    assert "证件" in hit.matched


def test_nobody_learns_from_a_mended_slip_of_words_that_only_others_may_read() -> None:
    index = EmbeddedIndex(None, tokeniser=TOKENISER)
    index.apply([Change(1, Document(1, 1, "蓝盾计划怎么报名", keywords=("蓝盾计划",), unit_id=1))])
    assert index.search("landunjihua", ALL, NOW).mended
    assert not index.search("landunjihua", Viewer(unit_ids=frozenset({2})), NOW).mended


def test_what_others_alone_may_read_changes_no_mending_and_no_suggestion() -> None:
    stranger = Viewer(unit_ids=frozenset({2}))
    seen = Change(2, Document(2, 2, "蓝顿计划怎么报名", keywords=("蓝顿计划",), unit_id=2))
    hidden = Change(1, Document(1, 1, "蓝盾计划在哪报名", keywords=("蓝盾计划",), unit_id=1))
    alone, beside = EmbeddedIndex(None, tokeniser=TOKENISER), EmbeddedIndex(None, tokeniser=TOKENISER)
    alone.apply([seen])
    beside.apply([seen, hidden])
    for typed in ("蓝盾计划", "landunjihua", "ldjh", "蓝盾", "蓝", "l"):
        assert beside.search(typed, stranger, NOW).mended == alone.search(typed, stranger, NOW).mended
        assert beside.suggest(typed, stranger, NOW) == alone.suggest(typed, stranger, NOW)


def test_suggestions_come_in_the_order_of_use() -> None:
    index = index_of(document(1, question="社保卡丢了"), document(2, question="社保卡怎么激活"), vectors=False)
    assert [s.entry_id for s in index.suggest("社保", ALL, NOW)] == [1, 2]
    index.use_counts({2: 5.0})
    assert [s.entry_id for s in index.suggest("社保", ALL, NOW)] == [2, 1]


def test_a_question_is_answered_while_entries_with_new_words_are_being_added() -> None:
    index = EmbeddedIndex(None, tokeniser=TOKENISER)
    index.apply([Change(1, Document(1, 1, "社保卡丢了怎么补"))])
    index._state.generation.vocabularies.words.number("鎏金")  # as while a segment is being built
    index._state.generation.vocabularies.pairs.number("鎏金")
    assert index.search("社保卡鎏金", ALL, NOW).hits


def test_a_word_new_to_the_thesaurus_finds_entries_from_before_and_after() -> None:
    index = EmbeddedIndex(None, tokeniser=Tokeniser())
    index.apply([Change(1, Document(1, 1, "随车津贴怎么申请"))])
    index.use(Tokeniser(thesaurus=Thesaurus([read_group("随车津贴: 跟车钱")])))
    index.apply([Change(2, Document(2, 2, "随车津贴发多少"))])
    assert {hit.entry_id for hit in index.search("跟车钱", ALL, NOW).hits} == {1, 2}
    index.apply([Change(2, None)])
    assert [hit.entry_id for hit in index.search("跟车钱", ALL, NOW).hits] == [1]


def test_no_threshold_makes_another_years_rule_a_direct_answer() -> None:
    index = EmbeddedIndex(None, tokeniser=TOKENISER, thresholds=Thresholds(direct=0.01, choose=0.01))
    index.apply([Change(1, Document(1, 1, "2024年度居民医保缴费标准是多少"))])
    assert index.search("2026年度居民医保缴费标准是多少", ALL, NOW).outcome is Outcome.CHOOSE
