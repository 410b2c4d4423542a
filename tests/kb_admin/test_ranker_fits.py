"""Fitted weights: only what the held-back part calls better is promoted, and one step leads back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.bench_comparison import Difference, difference
from kb_admin.permissions import Action, grants_of, may
from kb_admin.ranker_fits import (
    FEWEST_FITTED,
    FEWEST_HELD,
    FitState,
    fit_numbered,
    fits,
    in_force,
    keep,
    promote,
    ruling,
    state_of,
    undo,
)
from models.audit import AuditRecord
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.improvement import RankerFit
from models.organisation import Person
from tests.cast import NOW, Cast


def held(both: int, gained: int, lost: int, neither: int) -> Difference:
    return difference(
        [(True, True)] * both + [(False, True)] * gained + [(True, False)] * lost + [(False, False)] * neither
    )


BETTER = held(150, 20, 5, 25)
"""p = 0.004."""


class TestRuling:
    def test_surely_better_is_better(self) -> None:
        ruled = ruling(FEWEST_FITTED, BETTER, 3, 3)
        assert ruled.better
        assert "由 155 个变为 170 个（+7.5 个百分点，改好 20 个、改坏 5 个，p = 0.004）" in ruled.reason

    @pytest.mark.parametrize(
        ("fitted", "first", "wrong", "why"),
        [
            (FEWEST_FITTED - 1, BETTER, (3, 3), "问题太少"),
            (FEWEST_FITTED, held(FEWEST_HELD - 21, 20, 0, 0), (3, 3), "问题太少"),
            (FEWEST_FITTED, held(150, 10, 6, 34), (3, 3), "可能只是偶然"),
            (FEWEST_FITTED, held(150, 5, 20, 25), (3, 3), "没有变好"),
            (FEWEST_FITTED, held(150, 0, 0, 50), (3, 3), "没有变好"),
            (FEWEST_FITTED, BETTER, (3, 4), "直接答错由 3 个增为 4 个"),
        ],
    )
    def test_all_else_is_not(self, fitted: int, first: Difference, wrong: tuple[int, int], why: str) -> None:
        ruled = ruling(fitted, first, *wrong)
        assert not ruled.better
        assert why in ruled.reason


def kept(session: Session, *, better: bool = True, against: int | None = None, name: str = "hybrid") -> RankerFit:
    comparison: dict[str, Any] = {"better": better, "reason": "留作检验的问题说的。", "against": against, "model": ""}
    fit = keep(session, name, {"order": {"intercept": 0.0}}, comparison, actor=None, now=NOW)
    session.commit()
    return fit


def later(minutes: int) -> Any:
    return NOW + timedelta(minutes=minutes)


def test_promoted_weights_are_in_force_and_undoing_leads_back_step_by_step(session: Session, cast: Cast) -> None:
    first = kept(session)
    assert state_of(session, first) is FitState.BETTER
    assert in_force(session, "hybrid") is None
    promote(session, first, actor=cast.office, now=later(1))
    second = kept(session, against=first.id)
    promote(session, second, actor=cast.administrator, now=later(2))
    assert in_force(session, "hybrid") is second
    assert (state_of(session, first), state_of(session, second)) == (FitState.FORMER, FitState.IN_FORCE)
    assert undo(session, second, actor=cast.office, now=later(3)) is first
    assert (state_of(session, first), state_of(session, second)) == (FitState.IN_FORCE, FitState.UNDONE)
    assert undo(session, first, actor=None, now=later(4)) is None
    session.commit()
    acts = [r.act for r in session.scalars(select(AuditRecord).order_by(AuditRecord.seq)) if r.act.startswith("ranker")]
    assert acts == ["ranker.promote", "ranker.promote", "ranker.undo", "ranker.undo"]


def test_weights_of_another_kind_stay(session: Session, cast: Cast) -> None:
    promote(session, kept(session, name="words"), actor=cast.office, now=NOW)
    assert in_force(session, "hybrid") is None


def test_what_is_not_better_is_refused_with_the_reason(session: Session, cast: Cast) -> None:
    fit = kept(session, better=False)
    assert state_of(session, fit) is FitState.NOT_BETTER
    with pytest.raises(Invalid, match="留作检验的问题说的"):
        promote(session, fit, actor=cast.office, now=NOW)
    assert in_force(session, "hybrid") is None


def test_a_comparison_with_weights_that_are_gone_proves_nothing(session: Session, cast: Cast) -> None:
    first, second = kept(session), kept(session)
    promote(session, first, actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="现行权重已经更换"):
        promote(session, second, actor=cast.office, now=NOW)


def test_nothing_is_promoted_or_undone_twice(session: Session, cast: Cast) -> None:
    fit = kept(session)
    with pytest.raises(Conflict, match="不在使用"):
        undo(session, fit, actor=cast.office, now=NOW)
    promote(session, fit, actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="使用中"):
        promote(session, fit, actor=cast.office, now=NOW)
    undo(session, fit, actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="不在使用"):
        undo(session, fit, actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="重新拟合"):
        promote(session, fit, actor=cast.office, now=NOW)


def people(cast: Cast) -> list[Person]:
    return [value for value in vars(cast).values() if isinstance(value, Person)]


def test_all_others_are_refused(session: Session, cast: Cast) -> None:
    fit, spare = kept(session), kept(session)
    promote(session, fit, actor=None, now=NOW)
    others = [person for person in people(cast) if not may(grants_of(person), Action.SET_WEIGHTS)]
    assert cast.stranger in others and len(others) == 7
    for person in others:
        with pytest.raises(Forbidden):
            promote(session, spare, actor=person, now=NOW)
        with pytest.raises(Forbidden):
            undo(session, fit, actor=person, now=NOW)
        with pytest.raises(Forbidden):
            keep(session, "hybrid", {}, {"better": True}, actor=person, now=NOW)
    assert in_force(session, "hybrid") is fit


def test_they_are_listed_newest_first(session: Session) -> None:
    first, second = kept(session), kept(session)
    assert fits(session) == [second, first]
    assert fit_numbered(session, first.id) is first
    with pytest.raises(NotFound, match="第 99 次"):
        fit_numbered(session, 99)
