"""BM25 against two reference libraries; statistics over live rows only."""

from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from retrieval.postings import K1, B, Postings, Reading, best_rows, bm25, find
from retrieval.statistics import Statistics
from retrieval.vocabulary import Vocabulary

ROWS = st.lists(st.lists(st.sampled_from("甲乙丙丁戊己庚辛"), min_size=1, max_size=9), min_size=2, max_size=12)


def scores_of(rows: list[list[str]], query: list[str]) -> np.ndarray:
    vocabulary = Vocabulary()
    postings = Postings.build(rows, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))
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
    statistics = Statistics.of([(whole, np.array([2]))], len(vocabulary))
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


ASKED = st.lists(
    st.lists(
        st.tuples(st.lists(WORDS, min_size=1, max_size=2, unique=True), st.sampled_from([0.5, 1.0])),
        min_size=1,
        max_size=3,
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=40),
    ASKED,
    st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5]), min_size=6, max_size=6),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_the_best_rows_are_those_of_a_full_scan(rows, wanted, weights, k, randomness) -> None:  # type: ignore[no-untyped-def]
    vocabulary = Vocabulary()
    for word in "甲乙丙丁戊":
        vocabulary.number(word)
    postings = Postings.build(rows, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))
    readings = [tuple(Reading(tuple(map(vocabulary.number, ws)), weight) for ws, weight in slot) for slot in wanted]
    asked = [(weight, find(postings, slot)) for weight, slot in zip(weights, readings, strict=False)]
    allowed = None if randomness.random() < 0.3 else np.array([randomness.random() < 0.5 for _ in rows])
    assert best_rows(postings, statistics, asked, allowed, k).tolist() == full_scan(
        postings, statistics, asked, allowed, k
    )


def full_scan(postings: Postings, statistics: Statistics, asked, allowed, k: int) -> list[int]:  # type: ignore[no-untyped-def]
    scores = bm25(postings, statistics, asked)
    possible = [row for row in range(len(postings)) if scores[row] > 0 and (allowed is None or allowed[row])]
    return sorted(sorted(possible, key=lambda row: (-scores[row], row))[:k])


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 1.0])
def test_the_best_rows_of_a_large_base_are_those_of_a_full_scan_whatever_is_allowed(share: float) -> None:
    random = np.random.default_rng(5)
    vocabulary = Vocabulary()
    drawn = np.minimum(random.zipf(1.3, 120_000), 3000)
    lengths = random.integers(1, 12, 20_000)
    ends = np.minimum(np.cumsum(lengths), len(drawn))
    rows = [[f"词{n}" for n in part] for part in np.split(drawn, ends)[:20_000]]
    postings = Postings.build(rows, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))
    allowed = random.random(len(rows)) < share
    for _ in range(30):
        tokens = [f"词{n}" for n in np.minimum(random.zipf(1.3, 8), 3000)]
        asked = [(statistics.idf(r), find(postings, r)) for r in map(vocabulary.readings, tokens)]
        for k in (1, 30, 200):
            assert best_rows(postings, statistics, asked, allowed, k).tolist() == full_scan(
                postings, statistics, asked, allowed, k
            )


def test_the_first_of_equal_rows_come_in() -> None:
    vocabulary = Vocabulary()
    postings = Postings.build([["甲", "乙"]] * 50 + [["甲"]] * 3, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))
    asked = [(1.0, find(postings, vocabulary.readings("甲")))]
    assert best_rows(postings, statistics, asked, None, 6).tolist() == [0, 1, 2, 50, 51, 52]


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_rows_joined_are_as_if_built_together(first, second, randomness) -> None:  # type: ignore[no-untyped-def]
    vocabulary = Vocabulary()
    parts = [Postings.build(rows, vocabulary) for rows in (first, second)]
    chosen = [sorted(randomness.sample(range(len(rows)), randomness.randint(0, len(rows)))) for rows in (first, second)]
    kept = [rows[i] for rows, places in zip((first, second), chosen, strict=True) for i in places]
    order = np.array(randomness.sample(range(len(kept)), len(kept)), np.int64)
    joined = Postings.joined([(p, np.array(c, np.int64)) for p, c in zip(parts, chosen, strict=True)], order)
    built = Postings.build([kept[i] for i in order], vocabulary)
    for name, array in built.arrays().items():
        np.testing.assert_array_equal(joined.arrays()[name], array, err_msg=name)


def test_postings_come_back_from_a_file(tmp_path: Path) -> None:
    vocabulary = Vocabulary()
    postings = Postings.build([["甲", "乙", "甲"], [], ["丙"]], vocabulary)
    mapped = {}
    for name, array in postings.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    again = Postings.of_arrays(mapped)
    assert again.terms_of(np.array([0, 2]))[0].tolist() == [0, 1, 2]
    rows, counts = again.rows_with(0)
    assert (rows.tolist(), counts.tolist()) == ([0], [2])
