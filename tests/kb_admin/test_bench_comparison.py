"""The statistics of test runs agree with scipy and scikit-learn, and say in words what they mean."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from kb_admin.bench_comparison import bootstrap, compare, difference, mcnemar
from kb_admin.bench_curve import Curve
from kb_admin.bench_figures import Grade, Judged, by_kind, run_figures
from models.values import Outcome

D, C, N = Outcome.DIRECT, Outcome.CHOOSE, Outcome.NONE


def one(
    score: float = 0.9, rank: int | None = 0, outcome: Outcome = D, *, answerable: bool = True, may: bool = True
) -> Judged:
    return Judged(score, rank, outcome is D, answerable, outcome, may, 10.0)


def some_run(seed: int, size: int = 300) -> list[Judged]:
    dice = random.Random(seed)
    run = []
    for _ in range(size):
        answerable, score = dice.random() < 0.7, round(dice.random(), 2)
        rank = dice.choice([0, 0, 0, 1, 4, None]) if answerable else None
        run.append(one(score, rank, D if score >= 0.6 else dice.choice([C, N]), answerable=answerable))
    return run


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_exact_test_is_scipys_two_sided_binomial_test(gained: int, lost: int) -> None:
    expected = binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    """One of six the other way: 2 · (1 + 6) / 64."""
    assert mcnemar(5, 1) == pytest.approx(14 / 64)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    assert mcnemar(30_000, 20_000) < 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_scikit_learns(seed: int) -> None:
    run = some_run(seed)
    expected = roc_auc_score([j.correct for j in run], [j.score for j in run])
    assert run_figures(run)["auroc"] == pytest.approx(expected)


def test_the_bootstrap_interval_is_the_one_of_drawing_questions_anew() -> None:
    changes = np.array([1] * 40 + [-1] * 22 + [0] * 138)
    dice = np.random.default_rng(7)
    drawn = [dice.choice(changes, len(changes)).mean() for _ in range(6000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert bootstrap(40, 22, 200) == pytest.approx((low, high), abs=0.006)
    assert bootstrap(40, 22, 200) == bootstrap(40, 22, 200)


def test_figures_by_hand() -> None:
    run = [
        one(0.95, 0, D),  # direct and right
        one(0.90, 2, D),  # direct and wrong
        one(0.50, 0, C),  # first
        one(0.40, 3, C),  # among ten
        one(0.10, None, N),  # missed
        one(0.85, None, D, answerable=False),  # nothing answers it, and it was answered
        one(0.30, None, C, answerable=False),
        one(0.05, None, N, answerable=False),
    ]
    found = run_figures(run)
    assert (found["n"], found["n_answerable"], found["n_unanswerable"]) == (8, 5, 3)
    assert (found["R@1"], found["R@10"]) == (2 / 5, 4 / 5)
    assert found["MRR@10"] == pytest.approx((1 + 1 / 3 + 1 + 1 / 4) / 5)
    assert (found["direct"], found["right_direct"], found["wrong_direct"]) == (3 / 8, 1 / 8, 2 / 8)
    assert found["precision_of_direct"] == 1 / 3
    assert (found["abstained"], found["told_none"]) == (2 / 3, 1 / 3)
    assert [j.grade for j in run] == [
        *(Grade.DIRECT_RIGHT, Grade.DIRECT_WRONG, Grade.FIRST, Grade.AMONG_TEN, Grade.MISSED),
        *(Grade.DIRECT_WRONG, Grade.CAUTIOUS, Grade.LEFT_ALONE),
    ]
    kinds = by_kind(run)
    assert kinds["answerable"] == {
        **{"direct": 2, "choose": 2, "none": 1},
        **{"direct_right": 1, "choose_right": 1, "none_right": 0},
    }
    assert kinds["unanswerable"]["none_right"] == 1


def test_nothing_to_divide_by_is_no_figure() -> None:
    assert run_figures([])["R@1"] is None
    assert run_figures([one(rank=0)])["told_none"] is None
    assert run_figures([one(rank=0)])["auroc"] is None


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_what_each_threshold_gives_when_counted(seed: int) -> None:
    run = some_run(seed)
    curve = Curve.of(run)
    for threshold in (0.05, 0.3, 0.6, 0.61, 0.99, 1.0):
        direct = [j for j in run if j.score >= threshold]
        point = curve.at(threshold)
        assert point.direct == pytest.approx(len(direct) / len(run))
        assert point.wrong == pytest.approx(sum(not j.correct for j in direct) / len(run))
    shares = [point.direct for point in curve.points()]
    assert shares == sorted(shares)


def test_an_entry_for_another_year_is_on_no_curve() -> None:
    curve = Curve.of([one(0.4, 0, C, may=False), one(0.4, 0, C)])
    assert curve.at(0.3).direct == 0.5


def test_what_moving_the_threshold_would_do_is_told_in_points() -> None:
    run = [one(0.70, 0)] * 50 + [one(0.58, 0)] * 8 + [one(0.57, 1)] * 2 + [one(0.1, None, N)] * 40
    move = Curve.of(run).move(0.62, 0.55)
    assert str(move) == "阈值从 0.62 降到 0.55：直接答复 +10.0 个百分点，错误 +2.0 个百分点"
    assert str(Curve.of(run).move(0.62, 0.65)).endswith("直接答复 ±0.0 个百分点，错误 ±0.0 个百分点")


def test_an_empty_curve_has_a_point() -> None:
    assert Curve.of([]).at(0.5).direct == 0
    assert [p.threshold for p in Curve.of([]).points()] == [1.0]


def test_better_worse_and_unchanged() -> None:
    before = [one(rank=1, outcome=C), one(rank=0), one(rank=None, outcome=N), one(rank=0, outcome=C)]
    after = [one(rank=0), one(rank=2), one(rank=None, outcome=N), one(rank=0)]
    found = compare(before, after)
    assert (found.better, found.worse, found.unchanged) == (2, 1, 1)
    assert (found.first_place.gained, found.first_place.lost) == (1, 1)
    assert "可能只是偶然" in found.verdict


def test_the_sentence_names_each_figure_that_moved_and_which_may_be_chance() -> None:
    before = [one(rank=0, outcome=C)] * 40 + [one(rank=1, outcome=C)] * 3
    after = [one(rank=0)] * 40 + [one(rank=1)] * 3
    verdict = compare(before, after).verdict
    assert verdict == (
        "后一次与前一次确有差别：直接答复升高 100.0 个百分点，直接答对升高 93.0 个百分点；"
        "直接答错升高 7.0 个百分点，可能只是偶然。"
    )


def test_a_sure_difference_is_called_one_and_a_small_one_chance() -> None:
    sure = difference([(False, True)] * 30 + [(True, True)] * 70)
    assert sure.sure
    assert "确有升高" in sure.verdict
    assert sure.interval is not None
    assert sure.interval[0] > 0
    chance = difference([(False, True)] * 3 + [(True, False)] * 2 + [(True, True)] * 95)
    assert not chance.sure
    assert chance.verdict.startswith("差别可能只是偶然（3 题由否变是，2 题由是变否")
    assert difference([(True, True)] * 5).verdict.startswith("没有差别")
    assert difference([]).interval is None
