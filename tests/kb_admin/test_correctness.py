"""The count itself: exact at the boundary, and the same as when it is counted slowly by hand."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from kb_admin.correctness import NORMAL_95, Correctness, Rating, Standing, correctness, percent, standing_of, wilson
from kb_admin.rulebook import CorrectionRule
from kb_admin.rulebook_files import load_shipped
from models.values import Judgement, Rater
from tests.cast import DAY, NOW

DEFAULT = load_shipped("default")
RULE = DEFAULT.correction


def ratings(correct: int, incorrect: int) -> list[Rating]:
    """Each by another agent."""
    said = [Judgement.CORRECT] * correct + [Judgement.INCORRECT] * incorrect
    return [Rating(Rater.AGENT, f"person:{n}", judgement, NOW) for n, judgement in enumerate(said)]


def counted(correct: int, incorrect: int, rule: CorrectionRule = RULE) -> Correctness:
    return correctness(ratings(correct, incorrect), rule, now=NOW)


@pytest.mark.parametrize(
    ("correct", "incorrect", "below"),
    [
        (4, 1, False),  # 80 % exactly
        (8, 2, False),
        (79, 20, True),  # 79/99 = 79.797… %
        (80, 20, False),
        (7999, 2001, True),  # 79.99 %
        (8000, 2000, False),
        (3, 2, True),
        (3, 1, False),  # 75 %, but four raters are too few
        (0, 0, False),
    ],
)
def test_below_means_below_exactly(correct: int, incorrect: int, below: bool) -> None:
    assert counted(correct, incorrect).below is below


def test_nobody_has_judged() -> None:
    assert counted(0, 0) == Correctness(Fraction(0), Fraction(0), 0, 0, None, enough=False, below=False, interval=None)


def test_a_rater_of_no_weight_does_not_count() -> None:
    rule = replace(RULE, weights={"agent": Fraction(1), "citizen": Fraction(0)})
    citizens = [Rating(Rater.CITIZEN, f"caller:{n}", Judgement.INCORRECT, NOW) for n in range(9)]
    assert correctness(citizens, rule, now=NOW).rate is None
    assert correctness([*citizens, *ratings(5, 0)], rule, now=NOW).raters == 5


def test_the_window_and_the_new_beginning_leave_out_their_first_moment() -> None:
    rule = replace(RULE, window_days=10)
    late = [replace(rating, at=NOW - 10 * DAY) for rating in ratings(1, 0)]
    assert correctness(late, rule, now=NOW).rate is None
    assert correctness(late, rule, now=NOW - timedelta(microseconds=1)).rate == 1
    assert correctness(late, RULE, now=NOW, since=NOW - 10 * DAY).rate is None
    assert correctness(late, RULE, now=NOW, since=NOW - 11 * DAY).rate == 1


def test_what_is_said_later_does_not_count_before() -> None:
    assert correctness(ratings(1, 0), RULE, now=NOW - DAY).rate is None


@pytest.mark.parametrize(
    ("correct", "incorrect", "standing"),
    [
        (3, 1, Standing.FEW),
        (3, 2, Standing.BELOW),
        (4, 1, Standing.NEAR),
        (84, 16, Standing.NEAR),
        (85, 15, Standing.SOUND),
        (5, 0, Standing.SOUND),
    ],
)
def test_standing_against_threshold_and_near(correct: int, incorrect: int, standing: Standing) -> None:
    assert standing_of(counted(correct, incorrect), DEFAULT) is standing


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (Fraction(4, 5), "80.0%"),
        (Fraction(7999, 10000), "79.9%"),
        (Fraction(79, 99), "79.7%"),
        (Fraction(1), "100.0%"),
        (Fraction(0), "0.0%"),
        (Fraction(1, 3), "33.3%"),
    ],
)
def test_a_rate_is_never_written_as_the_threshold_that_it_does_not_reach(rate: Fraction, words: str) -> None:
    assert percent(rate) == words


@pytest.mark.parametrize("trials", [1, 2, 5, 10, 99, 1000])
def test_the_interval_is_wilson_s_as_scipy_has_it(trials: int) -> None:
    assert pytest.approx(norm.ppf(0.975), abs=1e-12) == NORMAL_95
    for successes in {0, 1, trials // 2, trials - 1, trials}:
        theirs = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
        assert wilson(successes, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


moments = st.integers(-20, 2).map(lambda hours: NOW + timedelta(hours=12 * hours))
said = st.builds(
    Rating,
    rater=st.sampled_from(Rater),
    rater_key=st.sampled_from([f"rater:{n}" for n in range(8)]),
    judgement=st.sampled_from(Judgement),
    at=moments,
)
rules = st.builds(
    replace,
    st.just(RULE),
    threshold=st.sampled_from([Fraction(4, 5), Fraction(37, 40), Fraction(1, 3)]),
    minimum_ratings=st.integers(1, 6),
    window_days=st.none() | st.integers(1, 9),
    weights=st.fixed_dictionaries(
        {
            name: st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(1), Fraction(5)])
            for name in ("agent", "citizen")
        }
    ),
)


@given(st.lists(said, max_size=30), rules, st.none() | moments)
def test_the_count_agrees_with_counting_by_hand(
    given_: list[Rating], rule: CorrectionRule, since: datetime | None
) -> None:
    mine = correctness(given_, rule, now=NOW, since=since)
    assert (mine.correct, mine.incorrect, mine.raters) == _by_hand(given_, rule, since)
    total = mine.correct + mine.incorrect
    assert mine.rate == (mine.correct / total if total else None)
    assert mine.enough is (mine.raters >= rule.minimum_ratings)
    assert mine.below is (mine.enough and total > 0 and mine.correct < rule.threshold * total)


def _by_hand(given_: list[Rating], rule: CorrectionRule, since: datetime | None) -> tuple[Fraction, Fraction, int]:
    """Rater by rater: look at everything they said, cross out what does not count, keep the last."""
    sums, raters = {Judgement.CORRECT: Fraction(0), Judgement.INCORRECT: Fraction(0)}, 0
    for key in {rating.rater_key for rating in given_}:
        theirs = [rating for rating in given_ if rating.rater_key == key]
        theirs = [rating for rating in theirs if rating.at <= NOW]
        theirs = [rating for rating in theirs if since is None or rating.at > since]
        if rule.window_days is not None:
            theirs = [rating for rating in theirs if NOW - rating.at < timedelta(days=rule.window_days)]
        theirs = [rating for rating in theirs if rule.weights[rating.rater.value] > 0]
        theirs.sort(key=lambda rating: rating.at)  # stable: of one moment the later one stays last
        if theirs:
            raters += 1
            sums[theirs[-1].judgement] += rule.weights[theirs[-1].rater.value]
    return sums[Judgement.CORRECT], sums[Judgement.INCORRECT], raters
