"""来电记录: the calls that a person may see, filtered; agents see their own of today, office and analysts all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import Session, joinedload

from api.listing import PAGE_SIZE, offset_of
from kb_admin.feedback import first_moment_of_day
from kb_admin.permissions import Grant
from models.incoming import IncomingCall
from models.organisation import Person
from models.usage import Question
from models.values import Choice, Ending, Matter, Role

READS_ALL = frozenset({Role.CITY_OFFICE, Role.ANALYST})


class Unsaid(Choice):
    """Filter: calls of which nobody said how they ended, and those that have not ended."""

    NONE = "none", "未登记"
    OPEN = "open", "进行中"


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: any."""

    start: datetime | None = None
    """Calls that began then or later."""
    end: datetime | None = None
    """Calls that began before then."""
    ending: Ending | Unsaid | None = None
    matter: Matter | None = None
    person_id: int | None = None
    team: str = ""
    sort: str = "-started"


@dataclass(frozen=True)
class CallLine:
    """One call in the list."""

    call: IncomingCall
    questions: int
    seconds: int | None
    """How long it lasted; None: it has not ended."""


QUESTIONS = (
    select(func.count(Question.id)).where(Question.call_id == IncomingCall.id).correlate(IncomingCall).scalar_subquery()
)
ORDERS = {
    "started": IncomingCall.started_at,
    "agent": Person.name,
    "team": IncomingCall.team,
    "matter": IncomingCall.matter,
    "ending": IncomingCall.ending,
    "questions": QUESTIONS,
}


def sees_all(grants: Iterable[Grant]) -> bool:
    """Whether other agents' calls exist for the holder."""
    return any(grant.role in READS_ALL for grant in grants)


def seen_sql(grants: Iterable[Grant], person_id: int, now: datetime) -> ColumnElement[bool]:
    """Which calls exist for somebody."""
    held = list(grants)
    if sees_all(held):
        return true()
    if not any(grant.role is Role.AGENT for grant in held):
        return false()
    today = first_moment_of_day(now)
    of_today = or_(IncomingCall.ended_at.is_(None), IncomingCall.ended_at >= today)
    return and_(IncomingCall.person_id == person_id, of_today)


def count_calls(session: Session, wanted: Wanted, seen: ColumnElement[bool]) -> int:
    """How many calls the filters leave."""
    return session.scalar(select(func.count(IncomingCall.id)).where(seen, *_conditions(wanted))) or 0


def list_calls(session: Session, wanted: Wanted, seen: ColumnElement[bool], *, page: int | None) -> list[CallLine]:
    """One page of them, or all; ties newest first."""
    column = ORDERS.get(wanted.sort.removeprefix("-"), IncomingCall.started_at)
    order = column.desc().nulls_last() if wanted.sort.startswith("-") else column.asc().nulls_last()
    query = (
        select(IncomingCall, QUESTIONS)
        .join(Person, Person.id == IncomingCall.person_id)
        .where(seen, *_conditions(wanted))
        .order_by(order, IncomingCall.id.desc())
        .options(joinedload(IncomingCall.person), joinedload(IncomingCall.version))
    )
    if page is not None:
        query = query.limit(PAGE_SIZE).offset(offset_of(page))
    return [CallLine(call, count, lasted(call)) for call, count in session.execute(query).tuples()]


def lasted(call: IncomingCall) -> int | None:
    """Whole seconds from its beginning to its end; None while it has none."""
    return int((call.ended_at - call.started_at).total_seconds()) if call.ended_at else None


def agents_of(session: Session) -> Sequence[tuple[int, str]]:
    """Agents who have taken calls, for the filter of who sees all."""
    has_calls = exists().where(IncomingCall.person_id == Person.id)
    query = select(Person.id, Person.name).where(has_calls).order_by(Person.name, Person.id)
    return session.execute(query).tuples().all()


def teams_of(session: Session, chosen: str) -> list[str]:
    """班组 that there are, for the same filter, with the one chosen: nobody may be in it any more."""
    teams = session.scalars(select(Person.team).where(Person.team != "").distinct())
    return sorted({*teams, chosen} - {""})


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.start is not None:
        conditions.append(IncomingCall.started_at >= wanted.start)
    if wanted.end is not None:
        conditions.append(IncomingCall.started_at < wanted.end)
    if wanted.ending is Unsaid.OPEN:
        conditions.append(IncomingCall.ended_at.is_(None))
    elif wanted.ending is Unsaid.NONE:
        conditions.append(and_(IncomingCall.ended_at.is_not(None), IncomingCall.ending.is_(None)))
    elif wanted.ending is not None:
        conditions.append(IncomingCall.ending == wanted.ending)
    if wanted.matter is not None:
        conditions.append(IncomingCall.matter == wanted.matter)
    if wanted.person_id is not None:
        conditions.append(IncomingCall.person_id == wanted.person_id)
    if wanted.team:
        conditions.append(IncomingCall.team == wanted.team)
    return conditions
