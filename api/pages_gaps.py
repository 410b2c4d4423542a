"""知识缺失: what nobody could answer, in the callers' words, newest first."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.templating import page
from api.wiring import UsingSession
from kb_admin.permissions import Action, require
from models.usage import Gap
from models.values import Role

router = APIRouter(include_in_schema=False)


@router.get("/gaps")
def gap_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """For the office and the analysts."""
    require(caller.grants, Action.READ_GAPS)
    words = q.strip()
    conditions = [Gap.text.contains(words, autoescape=True)] if words else []
    newest = (
        select(Gap)
        .where(*conditions)
        .order_by(Gap.at.desc(), Gap.id.desc())
        .limit(PAGE_SIZE)
        .offset(offset_of(page_number))
        .options(joinedload(Gap.person))
    )
    count = session.scalar(select(func.count(Gap.id)).where(*conditions)) or 0
    context = {
        "gaps": list(session.scalars(newest)),
        "listing": Listing("/gaps", {"q": words}, page_number, count),
        "q": words,
        "may_ask": any(grant.role is Role.CITY_OFFICE for grant in caller.grants),
    }
    return page(request, "gaps.html", caller, context)
