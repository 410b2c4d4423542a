"""Weights fitted to a log: the optimum that other solvers find, a small log moves little, nothing leaks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.metrics import log_loss as sklearn_log_loss

from retrieval.features import NAMES
from retrieval.fitting import (
    ALIKE,
    Answer,
    Example,
    answers_of,
    divided,
    log_loss,
    near_groups,
    nearest_solution,
    refitted,
    spread_of,
)
from retrieval.ranker import Linear, Ranker

SHIPPED = [Ranker.load(name) for name in ("reader", "hybrid", "words")]
Groups = list[tuple[np.ndarray, np.ndarray]]
WORDS = st.lists(st.frozensets(st.sampled_from("甲乙丙丁戊己庚辛"), max_size=6), max_size=25)


def groups(seed: int, count: int = 40, features: int = 6) -> Groups:
    """Questions with 2 to 9 candidates, of which the first and sometimes the second are right."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        size = int(random.integers(2, 10))
        right = np.zeros(size, bool)
        right[: 1 + (size > 3 and random.random() < 0.2)] = True
        rows = random.normal(size=(size, features))
        rows[right, 0] += 1
        made.append((rows, right))
    return made


def slow_loss(weights: np.ndarray, made: Groups, prior: np.ndarray, pull: float) -> float:
    """The definition, one question after the other."""
    total = 0.0
    for rows, right in made:
        values = rows @ weights
        total += np.log(np.exp(values - values.max()).sum()) + values.max() - values[right].mean()
    return float(total + 0.5 * pull * (spread_of(made) * (weights - prior) ** 2).sum())


@pytest.mark.parametrize("pull", [0.1, 10.0, 1000.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_solver_finds_better_weights(seed: int, pull: float) -> None:
    made, prior = groups(seed), np.linspace(-1, 1, 6)
    found = nearest_solution(made, prior, pull=pull)
    other = minimize(slow_loss, prior, args=(made, prior, pull), method="BFGS", options={"gtol": 1e-8})
    assert slow_loss(found, made, prior, pull) <= other.fun + 1e-9
    np.testing.assert_allclose(found, other.x, atol=1e-4)


def test_the_more_it_is_held_the_less_it_moves_and_the_more_questions_the_further() -> None:
    prior = np.zeros(6)
    moved = [np.abs(nearest_solution(groups(1), prior, pull=pull)).sum() for pull in (1, 10, 100, 1000, 1e6)]
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] < 1e-3
    few, many = (np.abs(nearest_solution(groups(1, count), prior, pull=100)).sum() for count in (5, 500))
    assert few < many / 3


def test_without_questions_nothing_moves() -> None:
    prior = np.linspace(-1, 1, 6)
    assert nearest_solution([], prior, pull=1) is prior
    for ranker in SHIPPED:
        np.testing.assert_array_equal(refitted(ranker, []).order.weights, ranker.order.weights)


def test_a_feature_that_is_the_same_for_all_candidates_keeps_its_weight() -> None:
    made = [(np.hstack([rows, np.full((len(rows), 1), 3.0)]), right) for rows, right in groups(2)]
    assert nearest_solution(made, np.full(7, 0.5), pull=1.0)[-1] == pytest.approx(0.5)


def example(rows: np.ndarray, right: np.ndarray, *, answerable: bool = True) -> Example:
    features = np.zeros((len(rows), len(NAMES)), np.float32)
    used = [NAMES.index(n) for n in ("cosine_phrase", "cover_question", "cover_entry", "cover_title", "pairs_phrase")]
    features[:, used] = np.abs(rows[:, :5])
    features[:, NAMES.index("length")] = 0.5
    return Example(features, np.arange(len(rows)), right, answerable, {})


class TestConfidence:
    """What is promised of direct answers was measured with the order that the probability was fitted with."""

    @pytest.mark.parametrize("shipped", SHIPPED[1:])
    def test_where_the_same_entry_stays_first_its_probability_stays(self, shipped: Ranker) -> None:
        examples = [example(rows, right) for rows, right in groups(3, 60)]
        fitted = refitted(shipped, examples, pull=1.0)
        same = other = 0
        for one in examples:
            before, after = (ranker.rank(one.features.astype(float), one.entry_ids) for ranker in (shipped, fitted))
            if before.rows[0] == after.rows[0]:
                assert after.scores[0] == pytest.approx(before.scores[0])
                same += 1
            other += before.rows[0] != after.rows[0]
        assert same > 10
        assert other > 2

    def test_a_fit_of_a_fit_keeps_the_first_ones(self) -> None:
        examples = [example(rows, right) for rows, right in groups(4)]
        once = refitted(SHIPPED[1], examples)
        assert refitted(once, examples).known_order is SHIPPED[1].order

    @pytest.mark.parametrize("shipped", SHIPPED)
    def test_weights_are_read_back_as_they_were_kept(self, shipped: Ranker) -> None:
        fitted = refitted(shipped, [example(rows, right) for rows, right in groups(5)])
        back = Ranker.read(fitted.described())
        assert back.known_order is not None
        np.testing.assert_allclose(back.order.weights, fitted.order.weights, atol=1e-5)
        np.testing.assert_allclose(back.known_order.weights, shipped.order.weights, atol=1e-5)
        assert back.promises == shipped.promises
        assert "known_order" not in shipped.described()

    def test_weights_of_unknown_features_are_refused(self) -> None:
        kept = SHIPPED[1].described()
        kept["order"]["moon"] = 1.0
        with pytest.raises(ValueError, match="moon"):
            Ranker.read(kept)


class TestAnswers:
    def test_they_tell_score_rank_and_whether_it_is_direct(self) -> None:
        order = Linear.read({"cosine_phrase": 1.0, "intercept": 0.0}, NAMES)
        ranker = replace(SHIPPED[1], order=order, reorder=None)
        rows = np.array([[0.9, 1, 1, 1, 1], [0.5, 1, 1, 1, 1], [0.1, 1, 1, 1, 1]])
        (answer,) = answers_of(ranker, [example(rows, np.array([False, True, False]))], direct_from=0.0)
        assert (answer.rank, answer.right, answer.direct) == (1, False, True)
        (none,) = answers_of(ranker, [example(rows, np.zeros(3, bool), answerable=False)], direct_from=1.1)
        assert (none.rank, none.direct) == (None, False)

    def test_a_question_without_candidates_has_no_answer(self) -> None:
        empty = example(np.empty((0, 5)), np.empty(0, bool))
        assert answers_of(SHIPPED[0], [empty], direct_from=0.0) == [Answer(0.0, None, direct=False)]

    def test_log_loss_is_sklearns(self) -> None:
        random = np.random.default_rng(0)
        answers = [
            Answer(float(s), 0 if r else 1, direct=False)
            for s, r in zip(random.random(50), random.random(50) < 0.5, strict=True)
        ]
        expected = sklearn_log_loss([a.right for a in answers], [a.score for a in answers])
        assert log_loss(answers) == pytest.approx(expected)
        assert log_loss([]) is None


def slow_groups(words: list[frozenset[str]]) -> list[set[int]]:
    """Every pair compared."""
    found = [{i} for i in range(len(words))]
    for i, one in enumerate(words):
        for j in range(i):
            union = one | words[j]
            if union and len(one & words[j]) >= ALIKE * len(union) and found[i] is not found[j]:
                merged = found[i] | found[j]
                for k in merged:
                    found[k] = merged
    return found


class TestDividing:
    @settings(max_examples=150, deadline=None)
    @given(words=WORDS)
    def test_groups_are_those_of_comparing_every_pair(self, words: list[frozenset[str]]) -> None:
        numbers = near_groups(words)
        expected = slow_groups(words)
        for i in range(len(words)):
            assert {j for j, number in enumerate(numbers) if number == numbers[i]} == expected[i]

    @settings(max_examples=150, deadline=None)
    @given(words=WORDS, random=st.randoms(use_true_random=False))
    def test_no_group_stands_on_both_sides_and_the_newer_are_newer(
        self, words: list[frozenset[str]], random: object
    ) -> None:
        asked = [random.randrange(100) for _ in words]  # type: ignore[attr-defined]
        older, newer = divided(words, asked, share=0.7)
        numbers = near_groups(words)
        assert {numbers[i] for i in older}.isdisjoint(numbers[i] for i in newer)
        assert not set(older) & set(newer)
        if older and newer:
            assert max(asked[i] for i in older) < min(asked[i] for i in newer)

    def test_a_later_question_of_an_old_group_is_on_neither_side(self) -> None:
        words = [frozenset(text) for text in ("甲乙丙", "丁戊己", "庚辛壬", "甲乙丙")]
        assert divided(words, [1, 2, 3, 4], share=0.7) == ([0, 1], [2])
