"""The list of 知识需求: ranked by calls, by what has grown, by time lost; one page of it or all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, joinedload

from kb_admin.gap_groups import WAITING
from models.improvement import GapGroup, GapItem
from models.organisation import Unit
from models.usage import Question
from models.values import Choice, GapSignal, GapStatus

WEEK = timedelta(days=7)
WEEKS_BEFORE = 4
"""Weeks that this week is held against."""


class Standing(Choice):
    """Filter by status: those that are not settled, or one status."""

    WAITING = "waiting", "未了结"


class Order(Choice):
    CALLS = "calls", "来电"
    TREND = "trend", "近一周"
    LOST = "lost", "耗时"
    LATEST = "latest", "最近一次"


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: any."""

    text: str = ""
    status: GapStatus | Standing | None = Standing.WAITING
    unit_id: int | None = None
    order: Order = Order.CALLS


@dataclass(frozen=True)
class GroupLine:
    """One group with its figures."""

    group: GapGroup
    calls: int
    """Distinct calls; a question outside calls counts as one."""
    questions: int
    this_week: int
    """Calls of the last seven days."""
    weekly_before: float
    """Calls a week in the WEEKS_BEFORE weeks before."""
    lost_seconds: int
    first_at: datetime
    last_at: datetime

    @property
    def grows(self) -> bool:
        """More than twice as often as before, and not just by one call."""
        return self.this_week >= 2 and self.this_week > 2 * self.weekly_before


def list_groups(
    session: Session, wanted: Wanted, now: datetime, *, limit: int | None = None, offset: int = 0
) -> list[GroupLine]:
    """Groups with questions, in the order wanted; then those asked last, then the newest."""
    figures = _figures(now)
    orders: dict[Order, ColumnElement[Any]] = {
        Order.CALLS: figures.c.calls,
        Order.TREND: figures.c.this_week * WEEKS_BEFORE - figures.c.before,
        Order.LOST: figures.c.lost,
        Order.LATEST: figures.c.last_at,
    }
    query = (
        _wanted(select(GapGroup, *figures.c), figures, wanted)
        .order_by(orders[wanted.order].desc(), figures.c.last_at.desc(), GapGroup.id.desc())
        .options(joinedload(GapGroup.unit), joinedload(GapGroup.entry), joinedload(GapGroup.notice))
        .limit(limit)
        .offset(offset)
    )
    return [_line(row) for row in session.execute(query)]


def count_groups(session: Session, wanted: Wanted, now: datetime) -> int:
    """How many the filters leave."""
    figures = _figures(now)
    return session.scalar(_wanted(select(func.count(GapGroup.id)), figures, wanted)) or 0


def line_of(session: Session, group: GapGroup, now: datetime) -> GroupLine | None:
    """One group with its figures; None when no question stands in it any more."""
    figures = _figures(now)
    query = select(GapGroup, *figures.c).join(figures, figures.c.group_id == GapGroup.id).where(GapGroup.id == group.id)
    row = session.execute(query).first()
    return _line(row) if row else None


def units_with_groups(session: Session) -> Sequence[tuple[int, str]]:
    """Units that groups are meant for, for the filter."""
    query = select(Unit.id, Unit.name).join(GapGroup, GapGroup.unit_id == Unit.id)
    return [(unit_id, name) for unit_id, name in session.execute(query.distinct().order_by(Unit.name))]


def signals_of(session: Session, group: GapGroup) -> dict[GapSignal, int]:
    """How many of its questions show which sign, in the order of the signs."""
    query = select(GapItem.signal, func.count()).where(GapItem.group_id == group.id).group_by(GapItem.signal)
    counted = dict(session.execute(query).tuples().all())
    return {signal: counted[signal] for signal in GapSignal if signal in counted}


@dataclass(frozen=True)
class Example:
    """One way in which callers put it."""

    item: GapItem
    """The last that was asked so."""
    count: int


def examples(session: Session, group: GapGroup, *, limit: int, offset: int = 0) -> list[Example]:
    """Distinct wordings, the most frequent first, then the newest."""
    wordings = (
        select(func.max(GapItem.id).label("id"), func.count().label("count"))
        .where(GapItem.group_id == group.id)
        .group_by(GapItem.text)
        .order_by(func.count().desc(), func.max(GapItem.id).desc())
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    query = select(GapItem, wordings.c.count).join(wordings, wordings.c.id == GapItem.id)
    rows = session.execute(query.order_by(wordings.c.count.desc(), GapItem.id.desc()))
    return [Example(item, count) for item, count in rows]


def count_wordings(session: Session, group: GapGroup) -> int:
    """How many ways of putting it there are."""
    return session.scalar(select(func.count(GapItem.text.distinct())).where(GapItem.group_id == group.id)) or 0


def _figures(now: datetime) -> Subquery:
    week = now - WEEK
    this_week = GapItem.at > week
    before = and_(GapItem.at > week - WEEKS_BEFORE * WEEK, GapItem.at <= week)
    return (
        select(
            GapItem.group_id.label("group_id"),
            _calls().label("calls"),
            func.count(GapItem.id).label("questions"),
            _calls(this_week).label("this_week"),
            _calls(before).label("before"),
            func.sum(GapItem.lost_seconds).label("lost"),
            func.min(GapItem.at).label("first_at"),
            func.max(GapItem.at).label("last_at"),
        )
        .outerjoin(Question, Question.id == GapItem.question_id)
        .where(GapItem.group_id.is_not(None))
        .group_by(GapItem.group_id)
        .subquery()
    )


def _calls(*when: ColumnElement[bool]) -> ColumnElement[int]:
    """Distinct calls, and questions that belong to none."""
    in_call = case((and_(*when, Question.call_id.is_not(None)), Question.call_id))
    outside = case((and_(*when, Question.call_id.is_(None)), GapItem.id))
    return func.count(in_call.distinct()) + func.count(outside.distinct())


def _wanted(query: Select[Any], figures: Subquery, wanted: Wanted) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.text:
        said = exists().where(GapItem.group_id == GapGroup.id, GapItem.text.contains(wanted.text, autoescape=True))
        named = (c.contains(wanted.text, autoescape=True) for c in (GapGroup.label, GapGroup.standard_question))
        conditions.append(or_(said, *named))
    if wanted.status is Standing.WAITING:
        conditions.append(GapGroup.status.in_(WAITING))
    elif wanted.status is not None:
        conditions.append(GapGroup.status == wanted.status)
    if wanted.unit_id is not None:
        conditions.append(GapGroup.unit_id == wanted.unit_id)
    return query.select_from(GapGroup).join(figures, figures.c.group_id == GapGroup.id).where(*conditions)


def _line(row: Row[Any]) -> GroupLine:
    return GroupLine(
        group=row[0],
        calls=row.calls,
        questions=row.questions,
        this_week=row.this_week,
        weekly_before=row.before / WEEKS_BEFORE,
        lost_seconds=row.lost or 0,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def groups_of_gaps(session: Session, gap_ids: Sequence[int]) -> dict[int, GapGroup]:
    """The group of each of these recorded gaps, as far as it has one."""
    query = select(GapItem.gap_id, GapGroup).join(GapGroup, GapGroup.id == GapItem.group_id)
    rows = session.execute(query.where(GapItem.gap_id.in_(gap_ids))).tuples()
    return {gap_id: group for gap_id, group in rows if gap_id is not None}
