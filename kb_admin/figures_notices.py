"""通知单: how many are open, overdue and sent twice, and how many were done in time; by unit and kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.orm import Session

from kb_admin.definitions import definition
from kb_admin.figures import Figure
from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.visibility import in_units
from models.notices import Clock, ClockEvent, Notice
from models.values import ClockEventKind, NoticeKind, NoticeStatus

UNDER_WAY = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
DONE = (NoticeStatus.COMPLETED, NoticeStatus.SEEN)


@dataclass(frozen=True)
class OpenNotices:
    """Notices of one kind that one unit has not done yet."""

    unit_id: int
    kind: NoticeKind
    count: int
    overdue: int
    second: int


@dataclass(frozen=True)
class DoneNotices:
    """Notices that one unit has done in a period."""

    unit_id: int
    on_time: int
    count: int
    """Those that had a limit."""
    unlimited: int


def open_notices(session: Session, reach: Reach, now: datetime) -> list[OpenNotices]:
    """By unit and kind, in that order."""
    overdue = exists().where(Clock.notice_id == Notice.id, Clock.stopped_at.is_(None), Clock.due_at <= now)
    second = (
        select(ClockEvent.id)
        .join(Clock, Clock.id == ClockEvent.clock_id)
        .where(Clock.notice_id == Notice.id, ClockEvent.kind == ClockEventKind.SECOND_NOTICE)
        .correlate(Notice)
    )
    query = (
        select(Notice.unit_id, Notice.kind, func.count(), _how_many(overdue), _how_many(exists(second)))
        .where(Notice.status.in_(UNDER_WAY), in_units(reach, Notice.unit_id))
        .group_by(Notice.unit_id, Notice.kind)
        .order_by(Notice.unit_id, Notice.kind)
    )
    return [
        OpenNotices(unit, kind, count, int(late), int(again))
        for unit, kind, count, late, again in session.execute(query)
    ]


def done_notices(session: Session, reach: Reach, period: Period) -> list[DoneNotices]:
    """By unit. One is late when one of its limits had run out before it was stopped, from the moment itself on."""
    late = exists().where(Clock.notice_id == Notice.id, Clock.stopped_at >= Clock.due_at)
    limited = exists().where(Clock.notice_id == Notice.id)
    query = (
        select(Notice.unit_id, func.count(), _how_many(limited), _how_many(late))
        .where(Notice.status.in_(DONE), in_units(reach, Notice.unit_id))
        .where(Notice.completed_at >= period.start, Notice.completed_at < period.end)
        .group_by(Notice.unit_id)
        .order_by(Notice.unit_id)
    )
    rows = [(unit, count, int(had), int(missed)) for unit, count, had, missed in session.execute(query)]
    return [DoneNotices(unit, had - missed, had, count - had) for unit, count, had, missed in rows]


def standing_figures(notices: Iterable[OpenNotices]) -> tuple[Figure, Figure, Figure]:
    """未办结的, 超期的, 已再次通知的."""
    held = list(notices)
    return (
        Figure(definition("notices_open"), sum(one.count for one in held)),
        Figure(definition("notices_overdue"), sum(one.overdue for one in held)),
        Figure(definition("notices_second"), sum(one.second for one in held)),
    )


def on_time_rate(done: Iterable[DoneNotices], period: Period) -> Figure:
    """按时办结率."""
    held = list(done)
    return Figure(
        definition("notices_on_time_rate"),
        sum(one.on_time for one in held),
        sum(one.count for one in held),
        excluded=sum(one.unlimited for one in held),
        period=period,
    )


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))
