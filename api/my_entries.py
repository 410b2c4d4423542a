"""我的条目: the entries that somebody wrote, or that their unit has, in every state, with what is to be done next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true
from sqlalchemy.orm import Session, aliased, joinedload

from api import dates
from api.dates import SOON
from api.listing import PAGE_SIZE, offset_of
from api.security import Caller
from kb_admin.courses import course_of, gate_of
from models.errors import Invalid
from models.knowledge import Entry, Phrasing, Transition, Version
from models.notices import Notice
from models.values import Choice, NoticeKind, NoticeStatus, VersionStatus

S = VersionStatus
Columns = TypeVarTuple("Columns")
AT_WORK = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
MENDED = (NoticeKind.CORRECTION, NoticeKind.UPDATE)
"""Notices that ask for a new version of an entry."""


class Whose(Choice):
    MINE = "mine", "我写的"
    UNIT = "unit", "本单位的"


class Stage(Choice):
    """Where an entry stands, for who writes it; an entry may be in several."""

    ALL = "all", "全部"
    RETURNED = "returned", "被退回"
    DRAFT = "draft", "草稿"
    NOTICED = "noticed", "待整改"
    SOON = "soon", "30 天内到期"
    WAITING = "waiting", "审核中"
    LIVE = "live", "在用"
    OFF = "off", "已下架、到期、失效"


@dataclass(frozen=True)
class Wanted:
    """What the filters say."""

    whose: Whose
    stage: Stage = Stage.ALL
    text: str = ""


@dataclass(frozen=True)
class MyEntry:
    """One line."""

    code: str
    question: str
    unit: str
    status: VersionStatus
    """Of the newest version."""
    number: int
    live_number: int | None
    changed_at: datetime
    changed_by: str
    todo: str
    """What is to be done, or what is waited for."""
    is_turn: bool
    """It is the writer's turn."""
    may_write: bool
    """No version waits for somebody else."""
    reason: str
    """Why it came back; empty when it did not."""
    notice_id: int | None
    notice_number: str


Newest = aliased(Version, name="newest")
Live = aliased(Version, name="live")
Standard = aliased(Phrasing, name="standard")
Open = aliased(Notice, name="open_notice")


def count_entries(session: Session, wanted: Wanted, caller: Caller, now: datetime) -> dict[Stage, int]:
    """How many entries each stage has, under the other filters."""
    stages = _stages(now)
    counted = [func.coalesce(func.sum(case((stages[stage], 1), else_=0)), 0) for stage in Stage]
    row = session.execute(_joined(select(*counted).select_from(Entry)).where(*_conditions(wanted, caller))).one()
    return {stage: int(count) for stage, count in zip(Stage, row, strict=True)}


def list_entries(session: Session, wanted: Wanted, caller: Caller, now: datetime, *, page: int) -> list[MyEntry]:
    """One page: what came back first, then drafts, then the rest; the latest change first."""
    changed = select(func.max(Transition.id)).where(Transition.version_id == Newest.id)
    query = (
        _joined(select(Newest, Live.number, Live.valid_from, Live.valid_to, Open.id, Open.number).select_from(Entry))
        .where(*_conditions(wanted, caller), _stages(now)[wanted.stage])
        .order_by(_RETURNED.desc(), (Newest.status == S.DRAFT).desc())
        .order_by(changed.correlate(Newest).scalar_subquery().desc(), Entry.code)
        .limit(PAGE_SIZE)
        .offset(offset_of(page))
        .options(joinedload(Newest.entry))
    )
    found = session.execute(query).tuples().all()
    last = _last_moves(session, [row[0].id for row in found])
    return [_line(session, _Standing(*row, last[row[0].id]), now) for row in found]


@dataclass(frozen=True)
class _Standing:
    newest: Version
    live_number: int | None
    valid_from: datetime | None
    valid_to: datetime | None
    """Both of the live version."""
    notice_id: int | None
    notice_number: str | None
    last: Transition
    """Of the newest version."""

    @property
    def came_back(self) -> bool:
        return self.newest.status is S.DRAFT and self.last.from_status is not None and bool(self.last.reason)


def _line(session: Session, standing: _Standing, now: datetime) -> MyEntry:
    newest, last = standing.newest, standing.last
    todo, is_turn = _next(session, standing, now)
    return MyEntry(
        code=newest.entry.code,
        question=newest.question,
        unit=newest.entry.unit.name,
        status=newest.status,
        number=newest.number,
        live_number=standing.live_number if standing.live_number != newest.number else None,
        changed_at=last.at,
        changed_by=last.actor.name if last.actor else "系统",
        todo=todo,
        is_turn=is_turn,
        may_write=newest.status not in (S.SUBMITTED, S.CHECKED),
        reason=last.reason if standing.came_back else "",
        notice_id=standing.notice_id,
        notice_number=standing.notice_number or "",
    )


def _next(session: Session, standing: _Standing, now: datetime) -> tuple[str, bool]:
    """What is to be done or waited for, and whether it is the writer's turn."""
    newest = standing.newest
    if newest.status is S.DRAFT:
        return ("按退回意见修改后再提交" if standing.came_back else "写完后提交"), True
    if newest.status in (S.SUBMITTED, S.CHECKED):
        return _waited_for(session, newest, now), False
    if standing.notice_id is not None:
        return "核实后修改，重新提交", True
    if standing.valid_to is not None and standing.valid_to <= now + SOON:
        return f"{dates.validity(standing.valid_from, standing.valid_to, now).text}，核对后延期或更新", True
    if standing.live_number is not None:
        return "", False
    return "修改后重新提交", False


def _waited_for(session: Session, version: Version, now: datetime) -> str:
    if version.takes_effect_at is not None:
        return f"{dates.moment(version.takes_effect_at)} 生效"
    try:
        gate = gate_of(course_of(session, version, None, now), version)
    except Invalid:  # its type has gone from the rulebook since
        gate = None
    return f"等待{gate.title}" if gate is not None else "等待发布"


def _last_moves(session: Session, version_ids: Sequence[int]) -> dict[int, Transition]:
    """The last move of each of these versions."""
    last = select(func.max(Transition.id)).where(Transition.version_id.in_(version_ids)).group_by(Transition.version_id)
    moves = session.scalars(select(Transition).where(Transition.id.in_(last)).options(joinedload(Transition.actor)))
    return {move.version_id: move for move in moves}


def _joined(query: Select[*Columns]) -> Select[*Columns]:
    newest = select(Version.id).where(Version.entry_id == Entry.id).order_by(Version.number.desc()).limit(1)
    to_mend = (
        select(Notice.id)
        .where(Notice.entry_id == Entry.id, Notice.status.in_(AT_WORK), Notice.kind.in_(MENDED))
        .order_by(Notice.id)
        .limit(1)
    )
    return (
        query.join(Newest, Newest.id == newest.correlate(Entry).scalar_subquery())
        .join(Standard, and_(Standard.version_id == Newest.id, Standard.position == 0))
        .outerjoin(Live, and_(Live.entry_id == Entry.id, Live.status == S.PUBLISHED))
        .outerjoin(Open, Open.id == to_mend.correlate(Entry).scalar_subquery())
    )


def _conditions(wanted: Wanted, caller: Caller) -> list[ColumnElement[bool]]:
    """Only entries whose drafts the caller reads, whoever wrote them: a right that has gone is gone for one's own."""
    reach = caller.history
    conditions: list[ColumnElement[bool]] = [true() if reach.everything else Entry.unit_id.in_(reach.unit_ids)]
    if caller.viewer.hidden_entry_ids:
        conditions.append(Entry.id.not_in(caller.viewer.hidden_entry_ids))
    if wanted.whose is Whose.MINE:
        own = select(Version.id).where(Version.entry_id == Entry.id, Version.created_by_id == caller.person_id)
        conditions.append(own.correlate(Entry).exists())
    if wanted.text:
        within = (column.contains(wanted.text, autoescape=True) for column in (Standard.text, Entry.code))
        conditions.append(or_(*within))
    return conditions


def _stages(now: datetime) -> dict[Stage, ColumnElement[bool]]:
    return {
        Stage.ALL: true(),
        Stage.RETURNED: _RETURNED,
        Stage.DRAFT: Newest.status == S.DRAFT,
        Stage.NOTICED: Open.id.is_not(None),
        Stage.SOON: Live.valid_to <= now + SOON,
        Stage.WAITING: Newest.status.in_((S.SUBMITTED, S.CHECKED)),
        Stage.LIVE: Live.id.is_not(None),
        Stage.OFF: and_(Live.id.is_(None), Newest.status.in_((S.WITHDRAWN, S.EXPIRED, S.INVALID))),
    }


_RETURNED = and_(
    Newest.status == S.DRAFT,
    select(Transition.id)
    .where(Transition.version_id == Newest.id, Transition.to_status == S.DRAFT, Transition.reason != "")
    .correlate(Newest)
    .exists(),
)
"""Sent back by who checks, and nothing written since: a change of what was handed in is a new version."""
