"""查看共享: what one's unit sees of others and others of it, asking for more, and ending it (清远 art. 4(3)1(5))."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import dates
from api.clock import utc_now
from api.errors import status_of
from api.pages_agent import PageCaller
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import sharing
from kb_admin.permissions import Action, may, require, unit_ids_of
from kb_admin.rules_in_force import city_rules
from models.errors import Conflict, Invalid, ZhidaError
from models.notices import Application
from models.organisation import Unit
from models.values import CHINA, ApplicationStatus

router = APIRouter(include_in_schema=False)
S = ApplicationStatus
BLANK: dict[str, object] = dict.fromkeys(("unit_id", "owner_id", "reason", "until"), "")


@dataclass(frozen=True)
class Line:
    """One share or wish, and what the reader may do about it."""

    asked: Application
    state: str
    """In words; a granted one is 共享中 or 已结束."""
    tone: str
    last_day: str
    may_take_back: bool
    may_end: bool
    to_answer: bool


@router.get("/sharing")
def sharing_page(*, request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """For units and the city office; nobody else has a part in it."""
    if not may(caller.grants, Action.DECIDE_SHARING):
        require(caller.grants, Action.ASK_SHARING)
    return _shown(request, session, caller, BLANK)


@router.post("/sharing", dependencies=[Depends(check_csrf)])
def ask(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    unit_id: Annotated[Id, Form()],
    owner_id: Annotated[Id, Form()],
    reason: Annotated[str, Form(max_length=2000)] = "",
    until: Annotated[str, Form(max_length=32)] = "",
) -> Response:
    """Ask to see another unit's entries, to the end of a day."""
    unit, owner = session.get(Unit, unit_id), session.get(Unit, owner_id)
    if unit is None or owner is None:
        raise Invalid("没有这个单位，请从列表中选择。")
    now = utc_now()
    try:
        sharing.ask(
            session, unit, owner, reason=reason, until=_end_of(until), actor=person_of(session, caller), now=now
        )
    except (Invalid, Conflict) as error:
        session.rollback()
        given = {"unit_id": unit_id, "owner_id": owner_id, "reason": reason, "until": until}
        return _shown(request, session, caller, given, error)
    session.commit()
    return RedirectResponse("/sharing", 303)


@router.post("/sharing/{application_id}/take-back", dependencies=[Depends(check_csrf)])
def take_back(*, session: UsingSession, caller: PageCaller, application_id: Id) -> RedirectResponse:
    """The unit needs it no more."""
    asked = sharing.application(session, application_id, caller.grants)
    sharing.take_back(session, asked, actor=person_of(session, caller), now=utc_now())
    session.commit()
    return RedirectResponse("/sharing", 303)


@router.post("/sharing/{application_id}/end", dependencies=[Depends(check_csrf)])
def end(
    *,
    session: UsingSession,
    caller: PageCaller,
    application_id: Id,
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> RedirectResponse:
    """The owner or the office ends it before its day."""
    asked = sharing.application(session, application_id, caller.grants)
    sharing.end(session, asked, reason=reason, actor=person_of(session, caller), now=utc_now())
    session.commit()
    return RedirectResponse("/sharing", 303)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    given: Mapping[str, object],
    fault: ZhidaError | None = None,
) -> HTMLResponse:
    now = utc_now()
    rules, mine = city_rules(session, now).rulebook, unit_ids_of(caller.grants)
    units = list(session.scalars(select(Unit).order_by(Unit.name)))
    lines = [_line(one, caller, now) for one in sharing.applications(session, caller.grants)]
    context = {
        "seen": [line for line in lines if line.asked.unit_id in mine],
        "shown": [line for line in lines if line.asked.owner_id in mine],
        "all": lines if may(caller.grants, Action.DECIDE_SHARING) else [],
        "mine": [unit for unit in units if unit.id in mine],
        "others": [unit for unit in units if len(mine) != 1 or unit.id not in mine],
        "allowed": rules.rights.sharing,
        "longest": rules.rights.sharing_longest_days,
        "last_day": now.astimezone(CHINA).date() + timedelta(days=rules.rights.sharing_longest_days),
        "first_day": now.astimezone(CHINA).date(),
        "rule": rules.cite(rules.sources.get("rights.sharing", rules.rights.source)),
        "given": given,
        "fault": str(fault) if fault else "",
    }
    return page(request, "sharing.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _line(asked: Application, caller: Caller, now: datetime) -> Line:
    assert asked.until is not None and asked.owner is not None  # a check of the table; asked for with a day
    live = asked.status is S.GRANTED and now < asked.until
    consents = may(caller.grants, Action.CONSENT_SHARING, unit_id=asked.owner.id, region_id=asked.owner.region_id)
    decides = may(caller.grants, Action.DECIDE_SHARING)
    asks = may(caller.grants, Action.ASK_SHARING, unit_id=asked.unit_id, region_id=asked.unit.region_id)
    over = asked.status is S.GRANTED and not live
    tones = {S.GRANTED: "good", S.ASKED: "soon", S.CONSENTED: "soon", S.REFUSED: "over"}
    return Line(
        asked=asked,
        state="共享中" if live else "已结束" if over else asked.status.label,
        tone="" if over else tones.get(asked.status, ""),
        last_day=dates.last_moment(asked.until),
        may_take_back=asks and asked.status in sharing.UNDER_WAY,
        may_end=live and (consents or decides),
        to_answer=(consents and asked.status is S.ASKED) or (decides and asked.status is S.CONSENTED),
    )


def _end_of(day: str) -> datetime:
    """The midnight at which that day is over."""
    try:
        return datetime.combine(date.fromisoformat(day.strip()) + timedelta(days=1), time(), CHINA)
    except (ValueError, OverflowError) as error:
        raise Invalid("请填写到期日，如 2026-12-31。") from error
