"""对外发布: which public entries the city office lets go to sites, media and the public (清远 art. 4(3)1(4))."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import contains_eager

from api.clock import utc_now
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.schemas import Id
from api.security import check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin.permissions import Action, require
from kb_admin.releasing import is_released, release, released_sql, take_back
from kb_admin.rules_in_force import city_rules
from kb_admin.visibility import answering
from models.errors import Invalid
from models.knowledge import Entry, Phrasing, Version
from models.values import STRANGER, Choice

router = APIRouter(include_in_schema=False)
MOST_AT_ONCE = 200


class Show(Choice):
    """Which of the public entries."""

    WAITING = "waiting", "未对外"
    OUT = "out", "已对外"


class Step(Choice):
    RELEASE = "release", "对外发布"
    TAKE_BACK = "take_back", "收回"


@router.get("/release")
def release_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    show: Annotated[str, Query(max_length=32)] = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """Public entries in force, those that are out or those that are not."""
    require(caller.grants, Action.RELEASE)
    now = utc_now()
    rulebook = city_rules(session, now).rulebook
    part = next((value for value in Show if value.value == show), Show.WAITING)
    out = released_sql(rulebook.rights)
    conditions = [answering(STRANGER, Version, now), out if part is Show.OUT else not_(out), *_found(q.strip())]
    standard = and_(Phrasing.version_id == Version.id, Phrasing.position == 0)
    joined = select(Version).join(Version.entry).join(Phrasing, standard).where(*conditions)
    counted = joined.with_only_columns(func.count(Version.id))
    newest = joined.order_by(Version.published_at.desc(), Version.id.desc()).options(contains_eager(Version.entry))
    versions = session.scalars(newest.limit(PAGE_SIZE).offset(offset_of(page_number))).all()
    filters = {"q": q.strip(), "show": part.value}
    context = {
        "lines": [(version, is_released(version.entry, rulebook.rights)) for version in versions],
        "listing": Listing("/release", filters, page_number, session.scalar(counted) or 0),
        "filters": filters,
        "parts": list(Show),
        "part": part,
        "rule": rulebook.rights.release.label,
        "source": rulebook.cite(rulebook.sources.get("rights.release", rulebook.rights.source)),
        "step": Step.TAKE_BACK if part is Show.OUT else Step.RELEASE,
    }
    return page(request, "release.html", caller, context)


@router.post("/release", dependencies=[Depends(check_csrf)])
def release_entries(
    *,
    session: UsingSession,
    caller: PageCaller,
    step: Annotated[Step, Form()],
    entry_id: Annotated[list[Id] | None, Form()] = None,
    show: Annotated[str, Form(max_length=32)] = "",
) -> RedirectResponse:
    """Let the chosen entries go, or take them back: all of them or, where one cannot, none."""
    require(caller.grants, Action.RELEASE)
    if not entry_id or len(entry_id) > MOST_AT_ONCE:
        raise Invalid(f"请先选择条目，一次最多 {MOST_AT_ONCE} 条。")
    actor, now = person_of(session, caller), utc_now()
    act = release if step is Step.RELEASE else take_back
    for entry in session.scalars(select(Entry).where(Entry.id.in_(entry_id)).order_by(Entry.id)).all():
        act(session, entry, actor=actor, now=now)
    session.commit()
    return RedirectResponse(f"/release?show={show}", 303)


def _found(words: str) -> list[ColumnElement[bool]]:
    if not words:
        return []
    return [or_(Phrasing.text.contains(words, autoescape=True), Entry.code.contains(words, autoescape=True))]
