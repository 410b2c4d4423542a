"""我的评价: what became of an agent's verdicts (梅州 art. 9(1))."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api.clock import utc_now
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.pages_entries import Word
from api.security import person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin.permissions import Action, require
from kb_admin.verdict_outcomes import count_verdicts_of, verdicts_of
from models.values import Judgement

router = APIRouter(include_in_schema=False)


@router.get("/verdicts")
def verdicts_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    judgement: Word = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The caller's own verdicts, the newest first."""
    require(caller.grants, Action.JUDGE)
    now, person = utc_now(), person_of(session, caller)
    wanted = next((value for value in Judgement if value == judgement), None)
    count = count_verdicts_of(session, person, judgement=wanted)
    context = {
        "outcomes": verdicts_of(session, person, now, judgement=wanted, limit=PAGE_SIZE, offset=offset_of(page_number)),
        "listing": Listing("/verdicts", {"judgement": wanted or ""}, page_number, count),
        "judgements": list(Judgement),
        "chosen": wanted,
    }
    return page(request, "verdicts.html", caller, context)
