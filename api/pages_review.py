"""待审条目: the queue of a reviewer or an office, one version after the other, by keyboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from api import moves
from api.clock import utc_now
from api.due_times import ShownClock, calendars_of, shown_clock
from api.moves import Said
from api.pages_agent import PageCaller
from api.reviewing import open_version, whole_version
from api.schemas import Id
from api.security import Caller, check_csrf
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from kb_admin.permissions import Action, require
from kb_admin.routes import MoveName
from kb_admin.waiting import TO_REVIEW, WaitingVersion, count_waiting, running_clocks, waiting_versions
from models.knowledge import Transition
from models.values import VersionStatus

router = APIRouter(include_in_schema=False)
QUEUE = 50
"""Versions shown beside the opened one; the next ones come up as these are done."""
Filter = Annotated[str, Query(max_length=32)]


@dataclass(frozen=True)
class QueueLine:
    """One version of the queue with its clock."""

    waiting: WaitingVersion
    clock: ShownClock | None


@router.get("/review")
def review_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    wait: Filter = "",
    done: Id | None = None,
) -> HTMLResponse:
    """The queue with its first version opened; ``done``: the version that was just handled, to say so."""
    return _page(request, services, session, caller, opened=None, wait=wait, done=done, against=None)


@router.get("/review/{version_id}")
def review_version_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    version_id: Id,
    wait: Filter = "",
    done: Id | None = None,
    against: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """The queue with this version opened, waiting or not."""
    return _page(request, services, session, caller, opened=version_id, wait=wait, done=done, against=against)


@router.post("/review/{version_id}/{move}", dependencies=[Depends(check_csrf)])
def review_version(
    *,
    session: UsingSession,
    caller: PageCaller,
    version_id: Id,
    move: str,
    reason: Annotated[str, Form(max_length=1000)] = "",
    ticked: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    then: Annotated[str, Form(max_length=32)] = "",
    following: Annotated[Id | None, Form()] = None,
    wait: Annotated[str, Form(max_length=32)] = "",
) -> RedirectResponse:
    """One move, as a key or a button says; then the next one opens."""
    now, name = utc_now(), moves.move_named(move)
    version, _ = whole_version(session, version_id, caller, now)
    moves.make(session, version, name, Said(reason, tuple(ticked)), caller=caller, now=now)
    if then == MoveName.PUBLISH and version.status is VersionStatus.CHECKED:
        session.refresh(version)
        moves.make(session, version, MoveName.PUBLISH, Said(), caller=caller, now=now)
    session.commit()
    query = urlencode({name: value for name, value in (("done", str(version_id)), ("wait", wait)) if value})
    return RedirectResponse(f"/review/{following}?{query}" if following else f"/review?{query}", 303)


def _page(
    request: Request,
    services: Services,
    session: Session,
    caller: Caller,
    *,
    opened: int | None,
    wait: str,
    done: int | None,
    against: int | None,
) -> HTMLResponse:
    require(caller.grants, Action.REVIEW)
    now = utc_now()
    waits = tuple(value for value in TO_REVIEW if wait in ("", value.value)) or TO_REVIEW
    queue = waiting_versions(session, caller.grants, waits, limit=QUEUE)
    ids = [line.version_id for line in queue]
    version_id = opened if opened is not None else next((i for i in ids if i != done), None)
    place = ids.index(version_id) if version_id in ids else None
    context = {
        "queue": _lines(session, queue, now),
        "count": count_waiting(session, caller.grants, waits),
        "counts": [(value, count_waiting(session, caller.grants, (value,))) for value in TO_REVIEW],
        "wait": wait if wait in set(TO_REVIEW) else "",
        "opened": open_version(services, session, version_id, caller, against=against, now=now) if version_id else None,
        "waits_for_me": queue[place] if place is not None else None,
        "before": ids[place - 1] if place else None,
        "following": _following(ids, place),
        "done": _last_move(session, done, caller),
    }
    session.commit()  # the sight of what is internal
    return page(request, "review.html", caller, context)


def _following(ids: Sequence[int], place: int | None) -> int | None:
    """The next in the queue; after the last one the first."""
    others = ids if place is None else [*ids[place + 1 :], *ids[:place]]
    return next(iter(others), None)


def _lines(session: Session, queue: Sequence[WaitingVersion], now: datetime) -> list[QueueLine]:
    clocks = running_clocks(session, [line.version_id for line in queue])
    calendars = calendars_of(session, (clock.notice.rulebook_id for clock in clocks.values()))
    return [
        QueueLine(line, shown_clock(clock, calendars[clock.notice.rulebook_id], now) if clock else None)
        for line in queue
        for clock in (clocks.get(line.version_id),)
    ]


def _last_move(session: Session, version_id: int | None, caller: Caller) -> Transition | None:
    """What the caller has just done, to be said on the next page; nothing of what others did."""
    if version_id is None:
        return None
    newest = (
        select(Transition)
        .where(Transition.version_id == version_id)
        .order_by(Transition.id.desc())
        .options(joinedload(Transition.version))
        .limit(1)
    )
    last = session.scalar(newest)
    return last if last is not None and last.actor_id == caller.person_id else None
