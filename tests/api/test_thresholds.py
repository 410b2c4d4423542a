"""How many wrong direct answers the office bears, and the threshold that follows."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from api.settings import Settings
from api.wiring import thresholds_of
from models.errors import Invalid
from retrieval.ranker import Ranker

RANKER = Ranker.load("hybrid")


def settings(folder: Path, **set_to: float) -> Settings:
    return Settings(data_folder=folder, **set_to)


def test_fewer_wrong_answers_want_a_higher_threshold(tmp_path: Path) -> None:
    strict, default, lax = (
        thresholds_of(settings(tmp_path, **given), RANKER).direct
        for given in ({"wrong_per_100": 0.5}, {}, {"wrong_per_100": 30})
    )
    assert lax <= default <= strict
    assert lax < strict


def test_a_threshold_that_is_set_holds(tmp_path: Path) -> None:
    set_to = thresholds_of(settings(tmp_path, wrong_per_100=1, direct_threshold=0.7, choose_threshold=0.4), RANKER)
    assert (set_to.direct, set_to.choose) == (0.7, 0.4)


def test_candidates_never_need_more_than_an_answer(tmp_path: Path) -> None:
    following = thresholds_of(settings(tmp_path, wrong_per_100=30, choose_threshold=0.95), RANKER)
    assert following.choose <= following.direct
    with pytest.raises(Invalid, match="ZHIDA_CHOOSE_THRESHOLD 不能高于 ZHIDA_DIRECT_THRESHOLD"):
        settings(tmp_path, direct_threshold=0.3, choose_threshold=0.4)


@pytest.mark.parametrize("wrong", [0, 0.4, 31, -1])
def test_none_wrong_is_no_promise_and_thirty_is_the_most(wrong: float, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        settings(tmp_path, wrong_per_100=wrong)
