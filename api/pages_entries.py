"""Entries: the list, one entry with all its versions and moves, two versions compared, and the moves themselves."""

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BeforeValidator
from sqlalchemy.orm import Session

from api import bulk, dates, entry_list, entry_view, moves
from api.cautions import cautions_of
from api.clock import utc_now
from api.comparing import compare_contents, unchanged_parts
from api.entry_list import Due, Wanted
from api.listing import Listing
from api.moves import Said
from api.pages_agent import PageCaller
from api.reading import ReadEntry, read_entry, searchable
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.viewing import note_entry
from api.wiring import UsingServices, UsingSession
from kb_admin import withdrawals
from kb_admin.permissions import Action, may
from models.errors import NotFound
from models.knowledge import Version
from models.values import VersionStatus

router = APIRouter(include_in_schema=False)
Number = Annotated[Id | None, BeforeValidator(lambda given: given or None)]
"""An id in the address; a form sends an empty one for "any"."""
Word = Annotated[str, Query(max_length=32)]
"""A choice in the address; one that is not offered counts as none."""

S = VersionStatus
LONGEST_PATH = 256
"""As long as a category's path can be stored."""
COLUMNS = (
    ("code", "编号"),
    ("question", "标准问"),
    ("unit", "责任单位"),
    ("category", "类别"),
    ("status", "状态"),
    ("valid_to", "有效至"),
)


@router.get("/entries")
def entry_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    unit: Number = None,
    category: Annotated[str, Query(max_length=LONGEST_PATH)] = "",
    status: Word = "",
    due: Word = "",
    sort: Word = "code",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The entries that this person may see; every filter is in the address."""
    now = utc_now()
    wanted = Wanted(
        text=q.strip(),
        unit_id=unit,
        category=category,
        status=next((value for value in S if value.value == status), None),
        due=Due(due) if due in set(Due) else None,
        sort=sort,
    )
    filters = {"q": wanted.text, "unit": str(unit or ""), "category": category}
    filters |= {"status": status, "due": due, "sort": sort}
    context = {
        "lines": _lines(session, wanted, caller, now, page_number),
        "listing": Listing("/entries", filters, page_number, entry_list.count_entries(session, wanted, caller, now)),
        "filters": filters,
        "columns": COLUMNS,
        "units": entry_list.visible_units(session, caller, now),
        "categories": entry_list.visible_categories(session, caller, now),
        "statuses": list(S),
        "may_export": may(caller.grants, Action.EXPORT),
        "may_import": may(caller.grants, Action.IMPORT),
        "bulk_moves": bulk.MOVES if may(caller.grants, Action.REVIEW) else (),
    }
    return page(request, "entries.html", caller, context)


@router.get("/entries/{code}")
def entry_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    code: str,
) -> HTMLResponse:
    """One entry as the agent sees it; its versions, moves and buttons for those whose work it is."""
    now = utc_now()
    read = read_entry(session, code, caller, now)
    versions = entry_view.shown_versions(session, read, caller, now)
    asked = entry_view.withdrawals_of(session, read)
    context = {
        "entry": read.entry,
        "standing": versions[0] if read.live is None else next(v for v in versions if v.number == read.live.number),
        "live": read.live,
        "in_force": read.in_force,
        "searchable": read.live is not None and searchable(services, session, read.entry.id),
        "versions": versions if read.versions is not None else (),
        "scheduled": next((v for v in versions if v.takes_effect_at is not None), None),
        "notices": entry_view.notices_of(session, read.entry, caller, now) if read.versions is not None else [],
        "caution": cautions_of(session, [read.entry.id], now).get(read.entry.id, "") if read.live else "",
        "correctness": entry_view.correctness_of_live(session, read, caller, now),
        "withdrawals": asked,
        "may_ask_withdrawal": entry_view.may_ask_withdrawal(read, asked, caller),
        "may_write": entry_view.may_write(session, read, caller, now),
        "address_name": moves.address_name,
    }
    note_entry(session, read, caller, now)
    session.commit()
    return page(request, "entry.html", caller, context)


@router.get("/entries/{code}/compare")
def compare_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    code: str,
    before: Annotated[int | None, Query(alias="from", ge=1)] = None,
    after: Annotated[int | None, Query(alias="to", ge=1)] = None,
) -> HTMLResponse:
    """Two versions side by side, word by word; without numbers the newest beside the one that answers, or before it."""
    now = utc_now()
    read = read_entry(session, code, caller, now)
    if read.versions is None:
        raise NotFound(f"没有编号为“{code}”的条目的历史版本，或您无权查看。")
    new = _numbered(read, after) if after else read.versions[0]
    old = _numbered(read, before) if before else _before(read, new)
    parts = compare_contents(old.content(), new.content(), services.tokeniser) if old else ()
    context = {
        "entry": read.entry,
        "old": old,
        "new": new,
        "numbers": [(v.number, v.status.label) for v in read.versions],
        "parts": parts,
        "unchanged": unchanged_parts(parts),
    }
    note_entry(session, read, caller, now)
    session.commit()
    return page(request, "compare.html", caller, context)


@router.post("/entries/{code}/versions/{number}/{step}", dependencies=[Depends(check_csrf)])
def move_version(
    *,
    session: UsingSession,
    caller: PageCaller,
    code: str,
    number: int,
    step: str,
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> RedirectResponse:
    """Make one move, as one of the buttons says."""
    now, name = utc_now(), moves.move_named(step)
    version = _numbered(read_entry(session, code, caller, now), number)
    moves.make(session, version, name, Said(reason), caller=caller, now=now)
    session.commit()
    return RedirectResponse(f"/entries/{quote(code, safe='')}", 303)


@router.post("/entries/{code}/withdrawal", dependencies=[Depends(check_csrf)])
def ask_withdrawal(
    *,
    session: UsingSession,
    caller: PageCaller,
    code: str,
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> RedirectResponse:
    """撤销申请 (历城 art. 7(1)): the unit asks, the office decides among its applications."""
    now = utc_now()
    read = read_entry(session, code, caller, now)
    withdrawals.apply(session, read.entry, reason, actor=person_of(session, caller), now=now)
    session.commit()
    return RedirectResponse(f"/entries/{quote(code, safe='')}", 303)


def _numbered(read: ReadEntry, number: int) -> Version:
    version = next((v for v in read.versions or () if v.number == number), None)
    if version is None:
        raise NotFound(f"条目“{read.entry.code}”没有第 {number} 版，或您无权查看。")
    return version


def _before(read: ReadEntry, version: Version) -> Version | None:
    """The version that answers, if it is another, else the one before; None: it is the first."""
    others = [v for v in read.versions or () if v.id != version.id]
    live = next((v for v in others if v.status is S.PUBLISHED), None)
    return live or next((v for v in others if v.number < version.number), None)


def _lines(
    session: Session, wanted: Wanted, caller: Caller, now: datetime, page_number: int
) -> list[dict[str, object]]:
    found = entry_list.list_entries(session, wanted, caller, now, page=page_number)
    return [
        {
            "entry": line,
            "validity": dates.validity(line.valid_from, line.valid_to, now),
            "until": dates.last_moment(line.valid_to) if line.valid_to else "长期有效",
        }
        for line in found
    ]
