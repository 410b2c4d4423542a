"""The banner of emergency information by itself, for pages that stand open."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.clock import utc_now
from api.emergency_banner import banner_for
from api.pages_agent import PageCaller
from api.templating import page
from api.wiring import UsingSession

router = APIRouter(include_in_schema=False)


@router.get("/emergencies")
def emergencies_piece(request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """What is in force now; empty when nothing is."""
    return page(request, "emergencies.html", caller, {"banner": banner_for(session, caller, utc_now())})
