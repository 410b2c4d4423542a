"""BM25 against two reference libraries; statistics over live rows only."""

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from retrieval.postings import K1, B, Postings, Reading, Statistics, Vocabulary, bm25, find

ROWS = st.lists(st.lists(st.sampled_from("甲乙丙丁戊己庚辛"), min_size=1, max_size=9), min_size=2, max_size=12)


def scores_of(rows: list[list[str]], query: list[str]) -> np.ndarray:
    vocabulary = Vocabulary()
    postings = Postings.build(rows, vocabulary)
    statistics = Statistics.of([(postings, np.ones(len(rows), bool))], len(vocabulary))
    asked = [vocabulary.readings(token) for token in query]
    return bm25(postings, statistics, [(statistics.idf(r), find(postings, r)) for r in asked])


@settings(max_examples=60, deadline=None)
@given(ROWS, st.lists(st.sampled_from("甲乙丙丁戊己庚辛"), min_size=1, max_size=4, unique=True))
def test_scores_agree_with_bm25s_lucene(rows: list[list[str]], query: list[str]) -> None:
    reference = bm25s.BM25(method="lucene", k1=K1, b=B)
    reference.index(rows, show_progress=False)
    known = [token for token in query if any(token in row for row in rows)]
    expected = reference.get_scores(known) if known else np.zeros(len(rows))
    np.testing.assert_allclose(scores_of(rows, query), expected, rtol=1e-5, atol=1e-6)


def test_term_weighting_agrees_with_rank_bm25_but_for_its_other_idf() -> None:
    rows = [["医保", "缴费", "医保"], ["社保", "缴费"], ["户口", "迁移", "流程"], ["落户"], ["落户", "流程", "材料"]]
    okapi = BM25Okapi(rows, k1=K1, b=B)
    ours = scores_of(rows, ["医保"])
    theirs = okapi.get_scores(["医保"])
    # theirs: idf ln((N - df + .5) / (df + .5)), and a constant factor k1 + 1
    expected = theirs / (K1 + 1) / np.log(4.5 / 1.5) * np.log(1 + 4.5 / 1.5)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_dead_rows_count_nowhere() -> None:
    vocabulary = Vocabulary()
    whole = Postings.build([["甲", "乙"], ["甲"], ["丙", "丙", "丙"]], vocabulary)
    live = np.array([True, True, False])
    statistics = Statistics.of([(whole, live)], len(vocabulary))
    assert (statistics.rows, statistics.total_length) == (2, 3.0)
    assert statistics.document_frequency[vocabulary.known("丙")] == 0


def test_terms_of_rows_are_laid_end_to_end() -> None:
    vocabulary = Vocabulary()
    postings = Postings.build([["甲", "乙", "甲"], [], ["丙"]], vocabulary)
    terms, starts = postings.terms_of(np.array([2, 1, 0]))
    assert terms.tolist() == [2, 0, 1]
    assert starts.tolist() == [0, 1, 1, 3]


def test_a_word_that_entered_the_vocabulary_later_is_in_no_row() -> None:
    vocabulary = Vocabulary()
    postings = Postings.build([["甲"]], vocabulary)
    later = vocabulary.number("乙")
    assert len(postings.rows_with(later)[0]) == 0


@pytest.mark.parametrize("rows", [[], [[], []]])
def test_an_empty_collection_scores_nothing(rows: list[list[str]]) -> None:
    assert not scores_of(rows, ["甲"]).any()


WORDS = st.sampled_from("甲乙丙丁戊")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=8),
    st.lists(
        st.tuples(st.lists(WORDS, min_size=1, max_size=2, unique=True), st.sampled_from([0.5, 0.8, 1.0])), max_size=3
    ),
)
def test_found_is_where_all_terms_of_some_reading_stand(
    rows: list[list[str]], wanted: list[tuple[list[str], float]]
) -> None:
    vocabulary = Vocabulary()
    for word in "甲乙丙丁戊":
        vocabulary.number(word)
    postings = Postings.build(rows, vocabulary)
    readings = tuple(Reading(tuple(map(vocabulary.number, words)), weight) for words, weight in wanted)
    found = find(postings, readings)
    strength = [max((w for words, w in wanted if set(words) <= set(row)), default=0.0) for row in rows]
    np.testing.assert_allclose(found.strength_in(np.arange(len(rows))), strength, rtol=1e-6)
    counts = [sum(w * min(row.count(word) for word in words) for words, w in wanted) for row in rows]
    assert found.rows.tolist() == [i for i, s in enumerate(strength) if s]
    np.testing.assert_allclose(found.counts, [c for c, s in zip(counts, strength, strict=True) if s], rtol=1e-5)
