"""Features to an order and a probability: what never depends on the weights that happen to be in force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.features import NAMES
from retrieval.ranker import CONFIDENCE_NAMES, LONE_GAP, MOST_READ, Linear, Ranker, summary

SHIPPED = [Ranker.load(name) for name in ("reader", "hybrid", "words")]
FEATURES = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=8)
USED = [NAMES.index(name) for name in ("cosine_phrase", "cover_question", "cover_entry")]


def features_of(rows: list[list[float]]) -> np.ndarray:
    features = np.zeros((len(rows), len(NAMES)))
    features[:, USED] = rows
    return features


@pytest.mark.parametrize("ranker", SHIPPED)
@settings(max_examples=60, deadline=None)
@given(rows=FEATURES, said=st.floats(-5, 5))
def test_scores_are_probabilities_that_never_rise_and_every_candidate_stands_once(
    ranker: Ranker, rows: list[list[float]], said: float
) -> None:
    ranked = ranker.rank(features_of(rows), np.arange(len(rows)), lambda row: said * (row + 1))
    assert sorted(ranked.rows) == list(range(len(rows)))
    assert np.all(np.diff(ranked.scores) <= 1e-12)
    assert np.all((ranked.scores >= 0) & (ranked.scores <= 1))
    assert len(ranked.read) <= MOST_READ


@settings(max_examples=60, deadline=None)
@given(rows=FEATURES, order=st.randoms())
def test_the_order_in_which_candidates_come_changes_nothing(rows: list[list[float]], order: object) -> None:
    ids = np.arange(len(rows))
    features = features_of(rows)
    turned = np.array(sorted(ids, key=lambda _: order.random()))  # type: ignore[attr-defined]
    one = SHIPPED[0].rank(features, ids, lambda row: float(ids[row]))
    other = SHIPPED[0].rank(features[turned], ids[turned], lambda row: float(ids[turned][row]))
    assert ids[one.rows].tolist() == ids[turned][other.rows].tolist()
    np.testing.assert_allclose(one.scores, other.scores)


@pytest.mark.parametrize("ranker", SHIPPED)
def test_a_question_word_for_word_is_answered_whatever_else_is_like_it(ranker: Ranker) -> None:
    features = features_of([[1.0, 1.0, 1.0], [0.3, 0.1, 0.1]])
    features[1, [NAMES.index("exact"), NAMES.index("cover_title")]] = 1
    ranked = ranker.rank(features, np.array([7, 8]))
    assert ranked.rows[0] == 1
    assert ranked.scores[0] >= ranker.direct_threshold()


@pytest.mark.parametrize("conflict", ["year_conflict", "place_conflict"])
def test_another_year_or_place_is_never_likelier_than_not(conflict: str) -> None:
    features = features_of([[1.0, 1.0, 1.0]])
    features[0, [NAMES.index("exact"), NAMES.index(conflict)]] = 1
    assert SHIPPED[1].rank(features, np.array([1])).scores[0] <= 0.5


def test_what_was_read_decides_between_the_first_few() -> None:
    order = Linear.read({"cosine_phrase": 1.0, "intercept": 0.0}, NAMES)
    ranker = Ranker(order, Linear(np.zeros(len(CONFIDENCE_NAMES)), 0.0), Linear(np.array([1.0, 1.0]), 0.0))
    features = features_of([[0.9, 0, 0], [0.8, 0, 0], [0.1, 0, 0]])
    asked: list[int] = []

    def read(row: int) -> float:
        asked.append(row)
        return [-3.0, 2.0, 9.0][row]

    ranked = ranker.rank(features, np.arange(3), read)
    assert ranked.rows.tolist() == [1, 0, 2]
    assert asked == [0, 1], "only the first few are read"


def test_the_summary_of_a_lone_candidate_says_that_nothing_is_near() -> None:
    row = summary(features_of([[0.5, 0.5, 0.5]]), np.array([1.5]), np.array([0]), {0: 0.7})
    named = dict(zip(CONFIDENCE_NAMES, row, strict=True))
    assert (named["order"], named["gap"], named["read"], named["read_lead"]) == (1.5, LONE_GAP, 0.7, LONE_GAP)


@pytest.mark.parametrize("ranker", SHIPPED)
def test_fewer_wrong_answers_want_a_higher_score(ranker: Ranker) -> None:
    wanted = [ranker.direct_threshold(wrong) for wrong in (0.5, 1, 4, 5, 10, 25, 30, 60)]
    assert wanted == sorted(wanted, reverse=True)
    assert all(0 < score <= 1 for score in wanted)
    for wrong in (0, 100, -1):
        with pytest.raises(ValueError, match="wrong_per_100"):
            ranker.direct_threshold(wrong)
