"""The list of notices that a person may see: filtered, ordered by time left, one page of it or all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import Session, selectinload

from api.due_times import ShownClock, calendars_of, shown_clock
from api.listing import PAGE_SIZE, offset_of
from kb_admin.permissions import UNIT_ROLES, Grant
from models.errors import NotFound
from models.notices import Clock, Notice
from models.organisation import Unit
from models.values import Choice, NoticeKind, NoticeStatus, Role

READS_ALL = frozenset({Role.CITY_OFFICE, Role.ANALYST})
READS_NOTICES = READS_ALL | UNIT_ROLES | {Role.COUNTY_OFFICE}
UNDER_WAY = (NoticeStatus.DRAFT, NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)


class Due(Choice):
    """Filter by how a notice stands to its limits."""

    SOON = "soon", "临期"
    OVER = "over", "超期"
    LATE = "late", "逾期办结"


class Standing(Choice):
    """Filter by status: those that are not done yet, or one status."""

    OPEN = "open", "未办结"


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: any."""

    text: str = ""
    kind: NoticeKind | None = None
    status: NoticeStatus | Standing | None = None
    unit_id: int | None = None
    due: Due | None = None
    sort: str = "due"


@dataclass(frozen=True)
class NoticeLine:
    """One notice in the list, with the clock that ends next."""

    notice: Notice
    clock: ShownClock | None
    """The running clock that ends first, else the last one that was stopped; None when none ever ran."""


def _clock(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Clock.notice_id == Notice.id, *conditions)


NEXT_DUE = (
    select(func.min(Clock.due_at))
    .where(Clock.notice_id == Notice.id, Clock.stopped_at.is_(None))
    .correlate(Notice)
    .scalar_subquery()
)
ORDERS = {
    "due": NEXT_DUE,
    "number": Notice.id,
    "kind": Notice.kind,
    "title": Notice.title,
    "unit": Unit.name,
    "status": Notice.status,
    "dispatched": Notice.dispatched_at,
}


def sees(grants: Iterable[Grant], notice: Notice) -> bool:
    """Whether the notice exists for the holder: the unit's people see theirs once it is sent, the county's office its
    county's, the city's office and the analysts all."""
    return any(_sees(grant, notice) for grant in grants)


def seen_sql(grants: Iterable[Grant]) -> ColumnElement[bool]:
    """``sees`` as a condition of a query that joins ``Unit``."""
    held = list(grants)
    if any(grant.role in READS_ALL for grant in held):
        return true()
    counties = {grant.region_id for grant in held if grant.role is Role.COUNTY_OFFICE}
    units = {grant.unit_id for grant in held if grant.role in UNIT_ROLES}
    own = and_(Notice.unit_id.in_(units), Notice.dispatched_at.is_not(None))
    return or_(false(), Unit.region_id.in_(counties), own)


def read_notice(session: Session, notice_id: int, grants: Iterable[Grant]) -> Notice:
    """The notice of that id. Raises NotFound when there is none, or none for the holder of the roles."""
    notice = session.get(Notice, notice_id)
    if notice is None or not sees(grants, notice):
        raise NotFound("没有这份通知单，或您无权查看。")
    return notice


def count_notices(session: Session, wanted: Wanted, grants: Iterable[Grant], now: datetime) -> int:
    """How many notices the filters leave."""
    query = select(func.count(Notice.id)).join(Unit, Unit.id == Notice.unit_id)
    return session.scalar(query.where(*_conditions(wanted, grants, now))) or 0


def list_notices(
    session: Session, wanted: Wanted, grants: Iterable[Grant], now: datetime, *, page: int | None
) -> list[NoticeLine]:
    """One page of them, or all; those without a running clock stand last, ties newest first."""
    name = wanted.sort.removeprefix("-")
    column = ORDERS.get(name, NEXT_DUE)
    order = column.desc().nulls_last() if wanted.sort.startswith("-") else column.asc().nulls_last()
    query = (
        select(Notice)
        .join(Unit, Unit.id == Notice.unit_id)
        .where(*_conditions(wanted, grants, now))
        .order_by(order, Notice.id.desc())
        .options(selectinload(Notice.clocks))
    )
    if page is not None:
        query = query.limit(PAGE_SIZE).offset(offset_of(page))
    return lines_of(session, session.scalars(query).all(), now)


def lines_of(session: Session, notices: Sequence[Notice], now: datetime) -> list[NoticeLine]:
    """Each with its time left."""
    calendars = calendars_of(session, (notice.rulebook_id for notice in notices))
    return [
        NoticeLine(notice, shown_clock(clock, calendars[notice.rulebook_id], now) if clock else None)
        for notice in notices
        for clock in [next_clock(notice)]
    ]


def counts(session: Session, grants: Iterable[Grant], now: datetime) -> dict[str, int]:
    """How many are not done yet, run short of time, and have run out of it: by the names of the filters."""
    held = list(grants)
    wanted = {
        Standing.OPEN.value: Wanted(status=Standing.OPEN),
        Due.SOON.value: Wanted(due=Due.SOON),
        Due.OVER.value: Wanted(due=Due.OVER),
    }
    return {name: count_notices(session, filters, held, now) for name, filters in wanted.items()}


def visible_units(session: Session, grants: Iterable[Grant]) -> list[tuple[int, str]]:
    """Units that have notices for this person, for the filter."""
    query = select(Unit.id, Unit.name).join(Notice, Notice.unit_id == Unit.id).where(seen_sql(grants))
    return [(unit_id, name) for unit_id, name in session.execute(query.distinct().order_by(Unit.name))]


def next_clock(notice: Notice) -> Clock | None:
    """The running clock that ends first, else the last one that was stopped."""
    running = [clock for clock in notice.clocks if clock.stopped_at is None]
    if running:
        return min(running, key=lambda clock: (clock.due_at, clock.id))
    return max(notice.clocks, key=lambda clock: (clock.stopped_at, clock.id), default=None)


def _sees(grant: Grant, notice: Notice) -> bool:
    if grant.role in READS_ALL:
        return True
    if grant.role is Role.COUNTY_OFFICE:
        return grant.region_id == notice.unit.region_id
    return grant.role in UNIT_ROLES and grant.unit_id == notice.unit_id and notice.dispatched_at is not None


def _conditions(wanted: Wanted, grants: Iterable[Grant], now: datetime) -> list[ColumnElement[bool]]:
    conditions = [seen_sql(grants)]
    if wanted.text:
        named = (column.contains(wanted.text, autoescape=True) for column in (Notice.title, Notice.number))
        conditions.append(or_(*named))
    if wanted.kind is not None:
        conditions.append(Notice.kind == wanted.kind)
    if wanted.status is Standing.OPEN:
        conditions.append(Notice.status.in_(UNDER_WAY))
    elif wanted.status is not None:
        conditions.append(Notice.status == wanted.status)
    if wanted.unit_id is not None:
        conditions.append(Notice.unit_id == wanted.unit_id)
    if wanted.due is not None:
        conditions.append(_due(wanted.due, now))
    return conditions


def _due(due: Due, now: datetime) -> ColumnElement[bool]:
    running = Clock.stopped_at.is_(None)
    if due is Due.SOON:
        return and_(_clock(running, Clock.warn_at <= now, Clock.due_at > now), ~_clock(running, Clock.due_at <= now))
    if due is Due.OVER:
        return _clock(running, Clock.due_at <= now)
    return _clock(Clock.stopped_at >= Clock.due_at)
