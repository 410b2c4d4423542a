"""Versions that wait for somebody: at the gates whose party they are, for publication, or returned to be mended."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, Subquery, and_, false, func, literal, or_, select, true, union_all
from sqlalchemy.orm import Session, aliased, joinedload

from kb_admin.permissions import UNIT_PARTIES, Grant
from kb_admin.routes import gate_at
from kb_admin.rulebook import Party, Route
from kb_admin.rules_in_force import rules_by_id
from models.knowledge import Entry, Phrasing, Version
from models.notices import Clock, Notice, NoticeVersion
from models.organisation import Unit
from models.values import Choice, Level, NoticeStatus, Role, VersionStatus

S = VersionStatus
UNDER_WAY = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
"""Statuses of a notice in which its clocks may run."""

RUNNING = (Notice.status.in_(UNDER_WAY), Clock.stopped_at.is_(None))


class Wait(Choice):
    """What a version waits for."""

    CHECK = "check", "审核"
    PUBLISH = "publish", "发布"
    AFTER_CHECK = "after_check", "事后审核"
    MEND = "mend", "修改"


RETURNED, ALL_CHECKED = "退回或撤回", "审核已通过"
"""Steps that no gate names."""
WAITS = tuple(Wait)
WAIT_NAMED = {wait.value: wait for wait in Wait}
TO_REVIEW = (Wait.CHECK, Wait.PUBLISH, Wait.AFTER_CHECK)
"""What the queue of a reviewer or an office is made of."""


@dataclass(frozen=True)
class WaitingVersion:
    """One version and what it waits for."""

    wait: Wait
    step: str
    """In the words of its route: the title of the gate, or how far it has come."""
    version_id: int
    entry_id: int
    code: str
    number: int
    question: str
    unit: str
    emergency: bool
    since: datetime
    due_at: datetime | None
    """Of its running clocks the end that comes first: of the notice that it came with, or that it answers."""


@dataclass(frozen=True)
class _Stage:
    """A place on a route, under one rulebook, at which versions stand now; what for, and who is to act."""

    rulebook_id: int
    route: str
    status: VersionStatus
    gates_passed: int
    wait: Wait
    party: Party
    step: str

    def holds(self) -> ColumnElement[bool]:
        emergency = (Version.emergency,) if self.wait is Wait.AFTER_CHECK else ()
        return and_(
            *emergency,
            Version.takes_effect_at.is_(None),
            Version.status == self.status,
            Version.rulebook_id == self.rulebook_id,
            Version.route == self.route,
            Version.gates_passed == self.gates_passed,
        )


def count_waiting(session: Session, grants: Iterable[Grant], waits: Collection[Wait] = WAITS) -> int:
    """How many versions wait for somebody with these roles."""
    parts = _parts(frozenset(grants), _stages(session), waits)
    if not parts:
        return 0
    return session.scalar(select(func.count()).select_from(union_all(*parts).subquery())) or 0


def waiting_versions(
    session: Session, grants: Iterable[Grant], waits: Collection[Wait] = WAITS, *, limit: int, offset: int = 0
) -> list[WaitingVersion]:
    """The versions that wait for somebody with these roles: least time left first, then those without a clock, by how
    long they have waited."""
    stages = _stages(session)
    parts = _parts(frozenset(grants), stages, waits)
    if not parts:
        return []
    waiting, due, standard = union_all(*parts).subquery(), _first_due(), aliased(Phrasing)
    since = func.coalesce(Version.submitted_at, Version.created_at)
    query = (
        select(*waiting.c, Version.entry_id, Entry.code, Version.number, standard.text, Unit.name)
        .add_columns(Version.emergency, since, due.c.due_at)
        .join_from(waiting, Version, Version.id == waiting.c.version_id)
        .join(Entry, Entry.id == Version.entry_id)
        .join(Unit, Unit.id == Entry.unit_id)
        .join(standard, and_(standard.version_id == Version.id, standard.position == 0))
        .outerjoin(due, due.c.version_id == Version.id)
        .order_by(due.c.due_at.asc().nulls_last(), since, Version.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        WaitingVersion(wait=WAIT_NAMED[wait], step=step, version_id=version_id, **dict(zip(FACTS, facts, strict=True)))
        for version_id, wait, step, *facts in session.execute(query)
    ]


FACTS = ("entry_id", "code", "number", "question", "unit", "emergency", "since", "due_at")


def running_clocks(session: Session, version_ids: Collection[int]) -> dict[int, Clock]:
    """Of each of these versions the running clock that ends first, with its notice."""
    about = select(Notice.version_id, Clock).join(Clock, Clock.notice_id == Notice.id)
    answered = (
        select(NoticeVersion.version_id, Clock)
        .join(Notice, Notice.id == NoticeVersion.notice_id)
        .join(Clock, Clock.notice_id == Notice.id)
    )
    found: dict[int, Clock] = {}
    for query, column in ((about, Notice.version_id), (answered, NoticeVersion.version_id)):
        running = query.where(*RUNNING, column.in_(sorted(version_ids))).options(joinedload(Clock.notice))
        for version_id, clock in session.execute(running).tuples():
            if version_id is not None and (version_id not in found or _ends(clock) < _ends(found[version_id])):
                found[version_id] = clock
    return found


def party_sql(grants: Iterable[Grant], party: Party) -> ColumnElement[bool]:
    """``permissions.acts_as`` as a condition on ``Unit``: the units for which these roles make one that party."""
    held = frozenset(grants)
    if party in UNIT_PARTIES:
        role = UNIT_PARTIES[party]
        return Unit.id.in_(sorted(g.unit_id for g in held if g.role is role and g.unit_id is not None))
    city = true() if any(grant.role is Role.CITY_OFFICE for grant in held) else false()
    if party is Party.CITY_OFFICE:
        return city
    counties = sorted(g.region_id for g in held if g.role is Role.COUNTY_OFFICE and g.region_id is not None)
    return or_(and_(Unit.level == Level.COUNTY, Unit.region_id.in_(counties)), and_(Unit.level == Level.CITY, city))


def could_be(grants: Iterable[Grant], party: Party) -> bool:
    """Whether these roles make one that party for any unit at all; quick, before the base is asked."""
    roles = {grant.role for grant in grants}
    if party in UNIT_PARTIES:
        return UNIT_PARTIES[party] in roles
    return Role.CITY_OFFICE in roles or (party is Party.OWN_OFFICE and Role.COUNTY_OFFICE in roles)


def _stages(session: Session) -> tuple[_Stage, ...]:
    """Where versions stand at this moment: a handful, however many versions there are."""
    place = (Version.rulebook_id, Version.route, Version.status, Version.gates_passed)
    known = select(*place).where(Version.rulebook_id.is_not(None), Version.takes_effect_at.is_(None)).distinct()
    on_the_way = known.where(Version.status.in_((S.SUBMITTED, S.CHECKED, S.DRAFT)))
    emergencies = known.where(Version.status == S.PUBLISHED, Version.emergency)
    found = []
    for query in (on_the_way, emergencies):
        for rulebook_id, name, status, passed in sorted(session.execute(query).tuples()):
            assert rulebook_id is not None
            route = rules_by_id(session, rulebook_id).rulebook.route(name)
            step = _next_step(route, status, passed)
            if step is not None:
                found.append(_Stage(rulebook_id, name, status, passed, *step))
    return tuple(found)


def _next_step(route: Route, status: VersionStatus, gates_passed: int) -> tuple[Wait, Party, str] | None:
    """What a version there waits for, and who is to act; None: for nobody any more."""
    gate = gate_at(route, gates_passed)
    if status is S.DRAFT:
        return Wait.MEND, route.writes, RETURNED
    if gate is not None and status is not S.CHECKED:
        return Wait.CHECK if status is S.SUBMITTED else Wait.AFTER_CHECK, gate.by, gate.title
    if status is S.CHECKED and route.publishes is not None:
        return Wait.PUBLISH, route.publishes, ALL_CHECKED
    return None


def _parts(grants: frozenset[Grant], stages: Sequence[_Stage], waits: Collection[Wait]) -> list[Select[int, str, str]]:
    """One query for each stage at which these roles act."""
    return [
        _part(stage).where(stage.holds(), party_sql(grants, stage.party))
        for stage in stages
        if stage.wait in waits and could_be(grants, stage.party)
    ]


def _part(stage: _Stage) -> Select[int, str, str]:
    columns = (
        Version.id.label("version_id"),
        literal(stage.wait.value).label("wait"),
        literal(stage.step).label("step"),
    )
    return select(*columns).join(Entry, Entry.id == Version.entry_id).join(Unit, Unit.id == Entry.unit_id)


def _first_due() -> Subquery:
    """For each version the end of the running clock that ends first."""
    about = select(Notice.version_id, Clock.due_at).join(Clock, Clock.notice_id == Notice.id)
    answered = (
        select(NoticeVersion.version_id, Clock.due_at)
        .join(Notice, Notice.id == NoticeVersion.notice_id)
        .join(Clock, Clock.notice_id == Notice.id)
    )
    both = union_all(about.where(*RUNNING, Notice.version_id.is_not(None)), answered.where(*RUNNING)).subquery()
    return select(both.c.version_id, func.min(both.c.due_at).label("due_at")).group_by(both.c.version_id).subquery()


def _ends(clock: Clock) -> tuple[datetime, int]:
    return clock.due_at, clock.id
