"""批量处理: one move with all the rows that were ticked in a list, and what became of each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse

from api import bulk, moves
from api.clock import utc_now
from api.pages_agent import PageCaller
from api.schemas import Id
from api.security import check_csrf, safe_next
from api.templating import page
from api.wiring import UsingSession
from kb_admin.permissions import Action, require

router = APIRouter(include_in_schema=False)


@router.post("/bulk", dependencies=[Depends(check_csrf)])
def move_many(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    move: Annotated[str, Form(max_length=32)],
    version: Annotated[list[Id], Form()] = [],  # noqa: B006 - FastAPI copies it
    entry: Annotated[list[str], Form()] = [],  # noqa: B006
    reason: Annotated[str, Form(max_length=1000)] = "",
    all_ticked: Annotated[bool, Form()] = False,
    back: Annotated[str, Form(max_length=2000)] = "/entries",
) -> HTMLResponse:
    """``version``: ids from the review queue; ``entry``: codes from the list of entries."""
    require(caller.grants, Action.REVIEW)
    now, name = utc_now(), moves.move_named(move)
    bulk.check_size(len(version) + len(entry))
    chosen = [
        *bulk.versions_by_id(session, version, caller, now),
        *bulk.versions_by_code(session, entry, name, caller, now),
    ]
    done = bulk.make_all(session, chosen, name, reason, all_ticked=all_ticked, caller=caller, now=now)
    context = {
        "move": name,
        "done": done,
        "made": sum(not one.refused for one in done),
        "unknown": len(set(version)) + len(set(entry)) - len(done),
        "back": safe_next(back),
    }
    return page(request, "bulk.html", caller, context)
