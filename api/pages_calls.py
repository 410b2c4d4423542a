"""联系清单: units that the office must call because a limit ran out, and what they said (济源 art. 9(3)3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from api.clock import utc_now
from api.due_times import ShownClock, calendars_of, shown_clock
from api.errors import status_of
from api.notice_list import seen_sql
from api.pages_agent import PageCaller
from api.schemas import LARGEST_ID
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import calls
from kb_admin.permissions import Action, require
from models.errors import Conflict, Invalid, NotFound
from models.notices import CallTask, Clock, Notice
from models.organisation import Unit

router = APIRouter(include_in_schema=False)
SHOWN_DONE = 50
"""Calls that were made, newest first: about a month of a busy office."""


@dataclass(frozen=True)
class CallLine:
    """One unit to be called, and why."""

    task: CallTask
    notice: Notice
    clock: ShownClock


@router.get("/calls")
def call_list_page(request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """Those that wait, longest first; under them the last that were made."""
    return _shown(request, session, caller)


@router.post("/calls/{task_id}", dependencies=[Depends(check_csrf)])
def record_call(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    task_id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
    answer: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """Write down that the unit was called and what it said."""
    require(caller.grants, Action.CALL_UNITS)
    seen = _with_notices().where(CallTask.id == task_id, seen_sql(caller.grants))
    task = session.scalar(seen)
    if task is None:
        raise NotFound("联系清单中没有这一件，或您无权查看。")
    try:
        calls.record_call(session, task, answer, actor=person_of(session, caller), now=utc_now())
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, session, caller, fault=error)
    session.commit()
    return RedirectResponse("/calls", 303)


def _shown(
    request: Request, session: Session, caller: Caller, *, fault: Invalid | Conflict | None = None
) -> HTMLResponse:
    require(caller.grants, Action.CALL_UNITS)
    now = utc_now()
    done = (
        _with_notices()
        .where(CallTask.called_at.is_not(None), seen_sql(caller.grants))
        .order_by(CallTask.called_at.desc(), CallTask.id.desc())
        .limit(SHOWN_DONE)
    )
    context = {
        "waiting": _lines(session, calls.open_calls(session, caller.grants, now), now),
        "done": _lines(session, session.scalars(done), now),
        "fault": str(fault) if fault else "",
    }
    return page(request, "calls.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _with_notices() -> Select[CallTask]:
    return (
        select(CallTask)
        .join(CallTask.clock)
        .join(Clock.notice)
        .join(Unit, Unit.id == Notice.unit_id)
        .options(joinedload(CallTask.clock).joinedload(Clock.notice), joinedload(CallTask.called_by))
    )


def _lines(session: Session, tasks: Iterable[CallTask], now: datetime) -> list[CallLine]:
    held = list(tasks)
    calendars = calendars_of(session, (task.clock.notice.rulebook_id for task in held))
    return [
        CallLine(task, notice, shown_clock(task.clock, calendars[notice.rulebook_id], now))
        for task in held
        for notice in [task.clock.notice]
    ]
