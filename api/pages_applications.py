"""申请: what units ask of their leaders, of each other and of the office, and what is said to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true
from sqlalchemy.orm import Session, joinedload

from api.answering_applications import Answer, answer_application
from api.clock import utc_now
from api.due_times import ShownClock, calendars_of, shown_clock
from api.errors import status_of
from api.listing import PAGE_SIZE, Listing, offset_of
from api.notice_list import next_clock
from api.pages_agent import PageCaller
from api.schemas import LARGEST_ID
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import categories, todo
from kb_admin.permissions import UNIT_ROLES, Action, Grant, acts_as, require
from kb_admin.sharing import OWNER_PARTIES
from models.errors import Conflict, Invalid, NotFound
from models.notices import Application, Notice
from models.organisation import Unit
from models.values import ApplicationKind, ApplicationStatus, Choice, Role

router = APIRouter(include_in_schema=False)
A = ApplicationStatus
UNDER_WAY = (A.ASKED, A.CONSENTED)
LONGEST_ANSWER = 500
Word = Annotated[str, Query(max_length=32)]


class Show(Choice):
    """Which part of the list."""

    WAITING = "waiting", "待我办理"
    OPEN = "open", "正在办理"
    DONE = "done", "已有结果"


@dataclass(frozen=True)
class Line:
    """One application, and what the reader may say to it."""

    asked: Application
    answers: tuple[Answer, ...]
    clock: ShownClock | None
    """Extension: the clock that is asked to run longer."""


@router.get("/applications")
def application_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    show: Word = "",
    kind: Word = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """What waits for the reader; all that is under way; all that has been decided."""
    return _shown(request, session, caller, show, kind, page_number=page_number)


@router.post("/applications/{application_id}/{answer}", dependencies=[Depends(check_csrf)])
def answer(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    application_id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
    answer: Answer,
    text: Annotated[str, Form(max_length=5000)] = "",
    show: Annotated[str, Form(max_length=32)] = "",
    kind: Annotated[str, Form(max_length=32)] = "",
) -> Response:
    """Consent, grant, refuse or take back."""
    require(caller.grants, Action.READ_APPLICATIONS)
    asked = session.scalar(_seen(caller.grants).where(Application.id == application_id))
    if asked is None:
        raise NotFound("没有这项申请，或您无权查看。")
    actor, now = person_of(session, caller), utc_now()
    try:
        answer_application(session, asked, answer, text.strip(), actor=actor, now=now)
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, session, caller, show, kind, fault=error, about=application_id)
    session.commit()
    return RedirectResponse(Listing("/applications", {"show": show, "kind": kind}, 1, 0).address, 303)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    show: str,
    kind: str,
    *,
    page_number: int = 1,
    fault: Invalid | Conflict | None = None,
    about: int = 0,
) -> HTMLResponse:
    require(caller.grants, Action.READ_APPLICATIONS)
    now = utc_now()
    open_lines = _lines(session, caller, _under_way(session, caller.grants), now)
    waiting = [line for line in open_lines if waits_for(session, line.asked, caller.grants, now)]
    default = Show.WAITING if waiting else Show.OPEN
    part = next((value for value in Show if value == show), default)
    of_kind = next((value for value in ApplicationKind if value == kind), None)
    chosen = {Show.WAITING: waiting, Show.OPEN: open_lines}
    if part is Show.DONE:
        count = session.scalar(_done(caller.grants, of_kind).with_only_columns(func.count(Application.id))) or 0
        lines = _lines(session, caller, _done_page(session, caller.grants, of_kind, page_number), now)
    else:
        lines = [line for line in chosen[part] if of_kind in (None, line.asked.kind)]
        count = len(lines)
        lines = lines[offset_of(page_number) :][:PAGE_SIZE]
    context = {
        "lines": lines,
        "listing": Listing("/applications", {"show": part.value, "kind": of_kind or ""}, page_number, count),
        "part": part,
        "parts": list(Show),
        "counts": {Show.WAITING.value: len(waiting), Show.OPEN.value: len(open_lines)},
        "kind": of_kind,
        "kinds": list(ApplicationKind),
        "longest": LONGEST_ANSWER,
        "fault": str(fault) if fault else "",
        "about": about if any(line.asked.id == about for line in lines) else 0,
    }
    return page(request, "applications.html", caller, context, status=status_of(fault)[0] if fault else 200)


def waits_for(session: Session, asked: Application, grants: Iterable[Grant], now: datetime) -> bool:
    """Whether it waits for the consent or the decision of somebody with these roles."""
    if asked.status not in UNDER_WAY:
        return False
    if asked.kind is ApplicationKind.SHARING and asked.status is A.ASKED:
        owner = asked.owner
        return owner is not None and any(acts_as(grants, party, owner) for party in OWNER_PARTIES)
    if asked.kind is ApplicationKind.CATEGORY:
        return acts_as(grants, categories.configures(session, asked.unit, now), asked.unit)
    rulebook_id = asked.notice.rulebook_id if asked.notice else None
    parties = todo.answered_by(session, asked.kind, asked.status, rulebook_id, now)
    return any(acts_as(grants, party, asked.unit) for party in parties)


def answers_for(session: Session, asked: Application, grants: Iterable[Grant], now: datetime) -> tuple[Answer, ...]:
    """What the holder of the roles may say to it: the actions themselves ask again."""
    if asked.status not in UNDER_WAY:
        return ()
    held = frozenset(grants)
    if waits_for(session, asked, held, now):
        return (Answer.CONSENT if asked.status is A.ASKED else Answer.GRANT, Answer.REFUSE)
    is_own = any(grant.role in UNIT_ROLES and grant.unit_id == asked.unit_id for grant in held)
    return (Answer.TAKE_BACK,) if is_own else ()


def _lines(session: Session, caller: Caller, found: Iterable[Application], now: datetime) -> list[Line]:
    held = list(found)
    calendars = calendars_of(session, (asked.notice.rulebook_id for asked in held if asked.notice))
    return [
        Line(
            asked=asked,
            answers=answers_for(session, asked, caller.grants, now),
            clock=shown_clock(clock, calendars[asked.notice.rulebook_id], now) if asked.notice and clock else None,
        )
        for asked in held
        for clock in [next_clock(asked.notice) if asked.notice else None]
    ]


def _under_way(session: Session, grants: Iterable[Grant]) -> list[Application]:
    waiting = _seen(grants).where(Application.status.in_(UNDER_WAY))
    return list(session.scalars(waiting.order_by(Application.asked_at, Application.id)))


def _done(grants: Iterable[Grant], kind: ApplicationKind | None) -> Select[Application]:
    done = _seen(grants).where(Application.status.not_in(UNDER_WAY))
    return done if kind is None else done.where(Application.kind == kind)


def _done_page(
    session: Session, grants: Iterable[Grant], kind: ApplicationKind | None, page_number: int
) -> list[Application]:
    newest = _done(grants, kind).order_by(Application.decided_at.desc().nulls_last(), Application.id.desc())
    return list(session.scalars(newest.limit(PAGE_SIZE).offset(offset_of(page_number))))


def _seen(grants: Iterable[Grant]) -> Select[Application]:
    """The applications that exist for the holder: of their unit, to their unit, to their office; for the city's
    office all."""
    return (
        select(Application)
        .join(Unit, Unit.id == Application.unit_id)
        .where(_seen_sql(frozenset(grants)))
        .options(
            joinedload(Application.unit),
            joinedload(Application.owner),
            joinedload(Application.entry),
            joinedload(Application.asked_by),
            joinedload(Application.consented_by),
            joinedload(Application.decided_by),
            joinedload(Application.notice).selectinload(Notice.clocks),
        )
    )


def _seen_sql(grants: frozenset[Grant]) -> ColumnElement[bool]:
    if any(grant.role is Role.CITY_OFFICE for grant in grants):
        return true()
    units = sorted({g.unit_id for g in grants if g.role in UNIT_ROLES and g.unit_id is not None})
    counties = sorted({g.region_id for g in grants if g.role is Role.COUNTY_OFFICE and g.region_id is not None})
    to_county = and_(Unit.region_id.in_(counties), Application.kind != ApplicationKind.SHARING)
    return or_(false(), Application.unit_id.in_(units), Application.owner_id.in_(units), to_county)
