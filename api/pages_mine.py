"""我的条目: what I and my unit have written, and what is to be done with it."""

from collections.abc import Iterable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import my_entries
from api.editor_view import UsingSitting
from api.entry_desk import seats_of
from api.listing import Listing
from api.my_entries import Stage, Wanted, Whose
from api.security import Caller
from api.templating import page
from kb_admin.permissions import UNIT_ROLES, Action, Grant, require
from models.knowledge import Entry, Version
from models.values import Choice

router = APIRouter(include_in_schema=False)
C = TypeVar("C", bound=Choice)


@router.get("/mine")
def mine_page(
    here: UsingSitting,
    *,
    whose: Annotated[str, Query(max_length=16)] = "",
    stage: Annotated[str, Query(max_length=16)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    did: Annotated[str, Query(max_length=64)] = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The list; ``did``: the entry that has just been handed in."""
    require(here.caller.grants, Action.READ_MINE)
    wanted = Wanted(_named(Whose, whose, _usual(here.caller.grants)), _named(Stage, stage, Stage.ALL), q.strip())
    counts = my_entries.count_entries(here.session, wanted, here.caller, here.now)
    filters = {"whose": wanted.whose.value, "stage": wanted.stage.value, "q": wanted.text}
    context = {
        "lines": my_entries.list_entries(here.session, wanted, here.caller, here.now, page=page_number),
        "listing": Listing("/mine", filters, page_number, counts[wanted.stage]),
        "filters": filters,
        "counts": counts,
        "wanted": wanted,
        "whoses": list(Whose),
        "stages": list(Stage),
        "done": _done(here.session, did, here.caller) if did else None,
        "writes": bool(seats_of(here.session, here.caller.grants, here.now)),
    }
    return page(here.request, "mine.html", here.caller, context)


def _usual(grants: Iterable[Grant]) -> Whose:
    """A unit's people begin with their unit's entries, an office with what it wrote itself."""
    return Whose.UNIT if any(grant.role in UNIT_ROLES for grant in grants) else Whose.MINE


def _done(session: Session, code: str, caller: Caller) -> Version | None:
    """The newest version of the entry that was handed in."""
    newest = select(Version).join(Entry, Entry.id == Version.entry_id).where(Entry.code == code)
    version = session.scalar(newest.order_by(Version.number.desc()).limit(1))
    return version if version is not None and caller.history.holds(version.entry.unit_id) else None


def _named(kind: type[C], word: str, otherwise: C) -> C:
    return next((member for member in kind if member.value == word), otherwise)
