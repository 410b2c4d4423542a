"""Fitted weights of the ranker: kept with the comparison that speaks for or against them, promoted, taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kb_admin import audit
from kb_admin.bench_comparison import Difference
from kb_admin.permissions import Action, grants_of, require
from models.errors import Conflict, Invalid, NotFound
from models.improvement import RankerFit
from models.organisation import Person
from models.values import Choice

FEWEST_HELD = 100
"""Confirmed questions of the held-back part: with fewer, chance alone moves R@1 by some five points."""
FEWEST_FITTED = 100


class FitState(Choice):
    """What has become of fitted weights."""

    IN_FORCE = "in_force", "使用中"
    FORMER = "former", "已被替换"
    UNDONE = "undone", "已撤销"
    BETTER = "better", "可采用"
    NOT_BETTER = "not_better", "不优于现行"


@dataclass(frozen=True)
class Ruling:
    """Whether fitted weights may take the place of those in force, and why."""

    better: bool
    reason: str


def ruling(fitted: int, first: Difference, wrong_before: int, wrong_after: int) -> Ruling:
    """The one decision: enough questions, the right entry surely first more often, and no more wrong direct answers.

    ``fitted``: confirmed questions that the weights were fitted to. ``first``: whether the right entry stands first,
    over the confirmed questions of the held-back part. ``wrong_…``: direct answers that were wrong there.
    """
    if fitted < FEWEST_FITTED or first.count < FEWEST_HELD:
        return Ruling(
            False,
            f"有确认答案的问题太少：用于拟合 {fitted} 个、留作检验 {first.count} 个，各需至少 "
            f"{FEWEST_FITTED} 个和 {FEWEST_HELD} 个。请积累更多评价后再试。",
        )
    points = 100 * first.change
    how = f"留作检验的 {first.count} 个问题中，正确条目排在首位的由 {first.before} 个变为 {first.after} 个"
    sure = f"（{points:+.1f} 个百分点，改好 {first.gained} 个、改坏 {first.lost} 个，p = {first.p:.3f}）"
    if first.change <= 0:
        return Ruling(False, f"{how}{sure}，没有变好。")
    if not first.sure:
        return Ruling(False, f"{how}{sure}，差别可能只是偶然。")
    if wrong_after > wrong_before:
        return Ruling(False, f"{how}{sure}，但直接答错由 {wrong_before} 个增为 {wrong_after} 个。")
    return Ruling(True, f"{how}{sure}，直接答错由 {wrong_before} 个变为 {wrong_after} 个。")


def keep(
    session: Session,
    weights_name: str,
    weights: Mapping[str, Any],
    comparison: Mapping[str, Any],
    *,
    actor: Person | None,
    now: datetime,
) -> RankerFit:
    """Write fitted weights down. ``comparison`` holds at least ``better``, ``reason`` and ``against``, the id of the
    fit in force or None."""
    if actor is not None:
        require(grants_of(actor), Action.SET_WEIGHTS)
    fit = RankerFit(
        weights_name=weights_name, weights=dict(weights), comparison=dict(comparison), made_by=actor, made_at=now
    )
    session.add(fit)
    session.flush()
    return fit


def fits(session: Session) -> list[RankerFit]:
    """All, newest first."""
    return list(session.scalars(select(RankerFit).order_by(RankerFit.id.desc())))


def fit_numbered(session: Session, number: int) -> RankerFit:
    """Raises NotFound."""
    fit = session.get(RankerFit, number)
    if fit is None:
        raise NotFound(f"没有第 {number} 次拟合的权重。")
    return fit


def in_force(session: Session, weights_name: str) -> RankerFit | None:
    """The fit that searches of that kind use; None: the weights that come with the product."""
    promoted = select(RankerFit).where(
        RankerFit.weights_name == weights_name, RankerFit.promoted_at.is_not(None), RankerFit.undone_at.is_(None)
    )
    return session.scalar(promoted.order_by(RankerFit.promoted_at.desc(), RankerFit.id.desc()).limit(1))


def state_of(session: Session, fit: RankerFit) -> FitState:
    """Where it stands."""
    if fit.undone_at is not None:
        return FitState.UNDONE
    if fit.promoted_at is not None:
        return FitState.IN_FORCE if in_force(session, fit.weights_name) is fit else FitState.FORMER
    return FitState.BETTER if fit.comparison["better"] else FitState.NOT_BETTER


def promote(session: Session, fit: RankerFit, *, actor: Person | None, now: datetime) -> None:
    """Let searches use the weights. ``actor`` None: the administrator at the machine.

    Raises Forbidden for all but office and administrator, Invalid with the reason when the held-back part does not say
    that they are better, Conflict when they were promoted before or compared with weights that are no longer in force.
    """
    _require(actor)
    if not fit.comparison["better"]:
        raise Invalid(f"第 {fit.id} 次拟合不能采用：{fit.comparison['reason']}")
    held = in_force(session, fit.weights_name)
    if fit.promoted_at is not None:
        raise Conflict(f"第 {fit.id} 次拟合{state_of(session, fit).label}，不能再次采用；需要时请重新拟合。")
    if fit.comparison["against"] != (held.id if held else None):
        raise Conflict(f"第 {fit.id} 次拟合之后，现行权重已经更换，当时的比较不再成立。请重新拟合。")
    _stamp(session, fit, RankerFit.promoted_at.is_(None), {"promoted_at": now})
    _record(session, "promote", fit, actor, now)


def undo(session: Session, fit: RankerFit, *, actor: Person | None, now: datetime) -> RankerFit | None:
    """Go back to the former weights, in one step; what is in force then, None: those that come with the product.

    Raises Forbidden as ``promote``, Conflict when other weights are in force.
    """
    _require(actor)
    if in_force(session, fit.weights_name) is not fit:
        raise Conflict(f"第 {fit.id} 次拟合的权重现不在使用（{state_of(session, fit).label}），不需要撤销。")
    _stamp(session, fit, RankerFit.undone_at.is_(None), {"undone_at": now})
    _record(session, "undo", fit, actor, now)
    return in_force(session, fit.weights_name)


def _stamp(session: Session, fit: RankerFit, still: Any, values: Mapping[str, Any]) -> None:
    change = update(RankerFit).where(RankerFit.id == fit.id, still).values(**values).returning(RankerFit.id)
    done = session.scalars(change.execution_options(synchronize_session=False)).all()
    session.refresh(fit)
    if not done:
        raise Conflict("刚刚已有人办理，请刷新后再看。")


def _require(actor: Person | None) -> None:
    if actor is not None:
        require(grants_of(actor), Action.SET_WEIGHTS)


def _record(session: Session, act: str, fit: RankerFit, actor: Person | None, now: datetime) -> None:
    details = {"weights": fit.weights_name, "reason": fit.comparison["reason"]}
    audit.record(session, actor=actor, act=f"ranker.{act}", subject=f"ranker:{fit.id}", details=details, now=now)
