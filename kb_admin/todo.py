"""我的待办: all that waits for one person, least time left first; what has no clock comes last.

The order is that of the ends of the clocks: within one calendar the less working time is left, the sooner it ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from kb_admin.permissions import Grant, grants_of
from kb_admin.rulebook import Party
from kb_admin.rules_in_force import city_rules, rules_by_id
from kb_admin.sharing import OWNER_PARTIES
from kb_admin.waiting import (
    UNDER_WAY,
    Wait,
    WaitingVersion,
    could_be,
    count_waiting,
    party_sql,
    running_clocks,
    waiting_versions,
)
from models.improvement import Defence
from models.knowledge import Version
from models.notices import Application, CallTask, Clock, Notice
from models.organisation import Person, Unit
from models.values import LATEST, ApplicationKind, ApplicationStatus, Choice, NoticeKind, NoticeStatus, VersionStatus

A = ApplicationStatus
MOST = 200
"""Of each kind: more than anybody does in a day; the counts are of all."""
UNIT_PARTIES = (Party.EDITOR, Party.REVIEWER, Party.LEADER)
WITH_THE_VERSION = frozenset({NoticeKind.AMENDMENT, NoticeKind.CONFIRMATION, NoticeKind.AFTER_CHECK})
"""What they ask is done by checking the version that they came with: it is listed itself."""
LOOKED_AT = (NoticeKind.COLLECTION, NoticeKind.CORRECTION, NoticeKind.QUESTION, NoticeKind.SUPERVISION)
"""The office looks at their result and records it (济源 art. 9(3)4)."""


class TaskKind(Choice):
    CHECK = "check", "审核"
    PUBLISH = "publish", "发布"
    AFTER_CHECK = "after_check", "事后审核"
    MEND = "mend", "修改"
    SIGN = "sign", "签收"
    COMPLETE = "complete", "办理"
    REVIEW = "review", "回顾检查"
    DISPATCH = "dispatch", "派发"
    SEE = "see", "查看结果"
    CONSENT = "consent", "同意"
    DECIDE = "decide", "批准"
    CALL = "call", "电话联系"


KIND_OF_WAIT = {
    Wait.CHECK: TaskKind.CHECK,
    Wait.PUBLISH: TaskKind.PUBLISH,
    Wait.AFTER_CHECK: TaskKind.AFTER_CHECK,
    Wait.MEND: TaskKind.MEND,
}


@dataclass(frozen=True)
class Task:
    """One thing that waits for a person, and the page on which it is done."""

    kind: TaskKind
    step: str
    """What exactly: 单位审核, 采集通知单签收."""
    title: str
    unit: str
    subject: str
    """Code of the entry, or number of the notice."""
    address: str
    since: datetime
    clock: Clock | None
    """The running clock that ends first; None: nothing runs."""
    emergency: bool = False


def todo(session: Session, person: Person, now: datetime) -> tuple[Task, ...]:
    """All that waits for the person, at most ``MOST`` of each kind."""
    return todo_of(session, grants_of(person), now)


def todo_of(session: Session, grants: Iterable[Grant], now: datetime) -> tuple[Task, ...]:
    """The same for who holds these roles."""
    held = frozenset(grants)
    tasks = (
        *_versions(session, held),
        *_notices(session, held),
        *_applications(session, held, now),
        *_defences(session, held),
        *_calls(session, held),
    )
    return tuple(sorted(tasks, key=_urgency))


def count_todo(session: Session, grants: Iterable[Grant], now: datetime) -> int:
    """How many things wait for somebody with these roles: all of them, however long the list."""
    held = frozenset(grants)
    if not any(could_be(held, party) for party in Party):
        return 0
    queries = (_notices_sql(held), _applications_sql(session, held, now), _defences_sql(held), _calls_sql(held))
    counted = (session.scalar(q.with_only_columns(func.count(), maintain_column_froms=True)) or 0 for q in queries)
    return count_waiting(session, held) + sum(counted)


def _urgency(task: Task) -> tuple[datetime, datetime, str]:
    return (task.clock.due_at if task.clock else LATEST, task.since, task.address)


def _versions(session: Session, grants: frozenset[Grant]) -> list[Task]:
    waiting = waiting_versions(session, grants, limit=MOST)
    clocks = running_clocks(session, [version.version_id for version in waiting])
    return [
        Task(
            kind=KIND_OF_WAIT[version.wait],
            step=version.step,
            title=version.question,
            unit=version.unit,
            subject=version.code,
            address=address_of(version),
            since=version.since,
            clock=clocks.get(version.version_id),
            emergency=version.emergency,
        )
        for version in waiting
    ]


def address_of(version: WaitingVersion) -> str:
    """Where it is done: the review page, or for a returned draft the editor's."""
    if version.wait is Wait.MEND:
        return f"/entries/{version.code}/edit"
    return f"/review/{version.version_id}"


def _notices(session: Session, grants: frozenset[Grant]) -> list[Task]:
    first = select(func.min(Clock.due_at)).where(Clock.notice_id == Notice.id, Clock.stopped_at.is_(None))
    due = first.correlate(Notice).scalar_subquery()
    query = _notices_sql(grants).options(contains_eager(Notice.unit), selectinload(Notice.clocks))
    rows = session.scalars(query.order_by(due.asc().nulls_last(), Notice.id).limit(MOST)).all()
    return [
        Task(
            kind=(kind := _task_of(session, notice)),
            step=notice.kind.label,
            title=notice.title,
            unit=notice.unit.name,
            subject=notice.number,
            address=f"/notices/{notice.id}" if kind is not TaskKind.REVIEW else f"/reviews?unit={notice.unit_id}",
            since=notice.completed_at or notice.signed_at or notice.dispatched_at or notice.created_at,
            clock=_first_running(notice),
        )
        for notice in rows
    ]


def _task_of(session: Session, notice: Notice) -> TaskKind:
    """What the notice asks for as it stands."""
    if notice.status is NoticeStatus.DRAFT:
        return TaskKind.DISPATCH
    if notice.status is NoticeStatus.COMPLETED:
        return TaskKind.SEE
    if notice.kind is NoticeKind.REVIEW:
        return TaskKind.REVIEW
    rule = rules_by_id(session, notice.rulebook_id).rulebook.notices[notice.kind]
    return TaskKind.SIGN if notice.status is NoticeStatus.DISPATCHED and rule.sign else TaskKind.COMPLETE


def _notices_sql(grants: frozenset[Grant]) -> Select[Notice]:
    """Notices that the unit has to do something about, or its office."""
    with_version = and_(
        Notice.kind.in_(WITH_THE_VERSION), Version.status.in_((VersionStatus.SUBMITTED, VersionStatus.PUBLISHED))
    )
    for_unit = and_(Notice.status.in_(UNDER_WAY), _any_party(grants, UNIT_PARTIES), ~func.coalesce(with_version, False))
    looked_at = and_(Notice.status == NoticeStatus.COMPLETED, Notice.kind.in_(LOOKED_AT))
    for_office = and_(or_(Notice.status == NoticeStatus.DRAFT, looked_at), party_sql(grants, Party.OWN_OFFICE))
    stands = Notice.status.in_((*UNDER_WAY, NoticeStatus.DRAFT, NoticeStatus.COMPLETED))
    return (
        select(Notice)
        .join(Unit, Unit.id == Notice.unit_id)
        .outerjoin(Version, Version.id == Notice.version_id)
        .where(stands, or_(for_unit, for_office))
    )


def _any_party(grants: frozenset[Grant], parties: Iterable[Party]) -> ColumnElement[bool]:
    return or_(*(party_sql(grants, party) for party in parties))


def _first_running(notice: Notice) -> Clock | None:
    running = [clock for clock in notice.clocks if clock.stopped_at is None]
    return min(running, key=lambda clock: (clock.due_at, clock.id), default=None)


def _applications(session: Session, grants: frozenset[Grant], now: datetime) -> list[Task]:
    whole = (
        joinedload(Application.unit),
        joinedload(Application.owner),
        joinedload(Application.entry),
        joinedload(Application.notice).selectinload(Notice.clocks),
    )
    query = _applications_sql(session, grants, now).options(*whole)
    return [
        Task(
            kind=TaskKind.CONSENT if asked.status is A.ASKED else TaskKind.DECIDE,
            step=asked.kind.label,
            title=asked.reason,
            unit=asked.unit.name,
            subject=_subject(asked),
            address=f"/applications#a{asked.id}",
            since=asked.consented_at or asked.asked_at,
            clock=_first_running(asked.notice) if asked.notice else None,
        )
        for asked in session.scalars(query.order_by(Application.asked_at, Application.id).limit(MOST))
    ]


def _subject(asked: Application) -> str:
    """What is asked for, in a word."""
    if asked.entry is not None:
        return asked.entry.code
    if asked.notice is not None:
        return asked.notice.number
    return asked.path or (asked.owner.name if asked.owner else "")


def _applications_sql(session: Session, grants: frozenset[Grant], now: datetime) -> Select[Application]:
    """Applications that wait for the consent or the decision of somebody with these roles."""
    query = select(Application).outerjoin(Notice, Notice.id == Application.notice_id)
    open_ = Application.status.in_((A.ASKED, A.CONSENTED))
    stages = session.execute(
        query.with_only_columns(Application.kind, Application.status, Notice.rulebook_id).where(open_).distinct()
    )
    conditions = [
        and_(
            Application.kind == kind,
            Application.status == status,
            Notice.rulebook_id == rulebook_id if rulebook_id is not None else Notice.id.is_(None),
            _of_owner(grants)
            if kind is ApplicationKind.SHARING and status is A.ASKED
            else _any_party(grants, answered_by(session, kind, status, rulebook_id, now)),
        )
        for kind, status, rulebook_id in stages.tuples()
    ]
    return query.join(Unit, Unit.id == Application.unit_id).where(open_, or_(false(), *conditions))


def _of_owner(grants: frozenset[Grant]) -> ColumnElement[bool]:
    """The units that own the entries which somebody wishes to see."""
    owners = select(Unit.id).where(_any_party(grants, OWNER_PARTIES)).correlate(None)
    return Application.owner_id.in_(owners)


def answered_by(
    session: Session, kind: ApplicationKind, status: ApplicationStatus, rulebook_id: int | None, now: datetime
) -> tuple[Party, ...]:
    """Who answers such an application now."""
    if kind is ApplicationKind.SHARING:
        return (Party.CITY_OFFICE,)
    if kind is ApplicationKind.EXTENSION and rulebook_id is not None:
        rule = rules_by_id(session, rulebook_id).rulebook.extension
        return (rule.consent if status is A.ASKED else rule.decides,)
    if kind is ApplicationKind.CATEGORY:
        return (city_rules(session, now).rulebook.categories_by,)
    return (Party.LEADER,) if status is A.ASKED else (Party.OWN_OFFICE,)


def _defences(session: Session, grants: frozenset[Grant]) -> list[Task]:
    query = _defences_sql(grants).options(joinedload(Defence.notice).selectinload(Notice.clocks))
    return [
        Task(
            kind=TaskKind.DECIDE,
            step="整改申辩",
            title=defence.notice.title,
            unit=defence.notice.unit.name,
            subject=defence.notice.number,
            address=f"/notices/{defence.notice_id}#defence",
            since=defence.asked_at,
            clock=_first_running(defence.notice),
        )
        for defence in session.scalars(query.order_by(Defence.asked_at, Defence.id).limit(MOST))
    ]


def _defences_sql(grants: frozenset[Grant]) -> Select[Defence]:
    """Units that hold that their entry is right, and wait for the office."""
    return (
        select(Defence)
        .join(Notice, Notice.id == Defence.notice_id)
        .join(Unit, Unit.id == Notice.unit_id)
        .where(Defence.status == A.CONSENTED, party_sql(grants, Party.OWN_OFFICE))
    )


def _calls(session: Session, grants: frozenset[Grant]) -> list[Task]:
    query = _calls_sql(grants).options(joinedload(CallTask.clock).joinedload(Clock.notice))
    return [
        Task(
            kind=TaskKind.CALL,
            step=f"{task.clock.title}超期",
            title=task.clock.notice.title,
            unit=task.clock.notice.unit.name,
            subject=task.clock.notice.number,
            address="/calls",
            since=task.created_at,
            clock=None,
        )
        for task in session.scalars(query.order_by(CallTask.created_at, CallTask.id).limit(MOST))
    ]


def _calls_sql(grants: frozenset[Grant]) -> Select[CallTask]:
    """Units that the office must call and has not."""
    return (
        select(CallTask)
        .join(Clock, Clock.id == CallTask.clock_id)
        .join(Notice, Notice.id == Clock.notice_id)
        .join(Unit, Unit.id == Notice.unit_id)
        .where(CallTask.called_at.is_(None), party_sql(grants, Party.OWN_OFFICE))
    )
