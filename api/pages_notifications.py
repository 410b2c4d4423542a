"""消息: what one is told in the system, how much of it is unread, and the bell that says so on every page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import func, select

from api.clock import utc_now
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.schemas import LARGEST_ID
from api.security import check_csrf, safe_next
from api.templating import page
from api.wiring import UsingSession
from kb_admin import notifications
from models.errors import NotFound
from models.messages import Notification

router = APIRouter(include_in_schema=False)
BASE = "/notifications"
UNREAD = "unread"


@router.get(BASE)
def notification_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    show: Annotated[str, Query(max_length=20)] = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The caller's own messages, unread ones first; none of anybody else's."""
    unread = notifications.unread(session, caller.person_id)
    mine = select(func.count()).where(Notification.person_id == caller.person_id)
    count = unread if show == UNREAD else session.scalars(mine).one()
    size = min(PAGE_SIZE, max(0, count - offset_of(page_number)))
    shown = notifications.list_for(session, caller.person_id, limit=size, offset=offset_of(page_number))
    context = {
        "notifications": shown,
        "listing": Listing(BASE, {"show": UNREAD if show == UNREAD else ""}, page_number, count),
        "unread": unread,
        "only_unread": show == UNREAD,
        "last": max((item.id for item in shown), default=0),
    }
    return page(request, "notifications.html", caller, context)


@router.get(f"{BASE}/bell")
def bell(request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """The piece in the top bar, asked for again by the script now and then."""
    return page(request, "bell.html", caller, {"unread": notifications.unread(session, caller.person_id)})


@router.post(f"{BASE}/read", dependencies=[Depends(check_csrf)])
def read_all(
    session: UsingSession, caller: PageCaller, last: Annotated[int, Form(ge=0, le=LARGEST_ID)]
) -> RedirectResponse:
    """All are read, but those that came after the page was made."""
    mine = select(Notification.id).where(Notification.person_id == caller.person_id, Notification.read_at.is_(None))
    notifications.mark_read(
        session, caller.person_id, session.scalars(mine.where(Notification.id <= last)), now=utc_now()
    )
    session.commit()
    return RedirectResponse(BASE, 303)


@router.post(f"{BASE}/{{notification_id}}/open", dependencies=[Depends(check_csrf)])
def open_notification(
    session: UsingSession, caller: PageCaller, notification_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> RedirectResponse:
    """One is read, and leads to its page."""
    found = session.get(Notification, notification_id)
    if found is None or found.person_id != caller.person_id:
        raise NotFound("没有这条消息。")
    notifications.mark_read(session, caller.person_id, [found.id], now=utc_now())
    session.commit()
    return RedirectResponse(safe_next(found.address), 303)
