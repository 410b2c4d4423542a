"""通知单: the list with its filters and counts, as a page and as a workbook."""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from openpyxl import Workbook

from api import dates, files, notice_list
from api.clock import utc_now
from api.listing import Listing
from api.notice_list import READS_NOTICES, Due, NoticeLine, Standing, Wanted
from api.pages_agent import PageCaller
from api.pages_entries import Number
from api.security import Caller
from api.templating import page
from api.wiring import UsingSession
from ingest.sheet_writing import write_table
from kb_admin.permissions import Action, require
from models.organisation import Person
from models.values import NoticeKind, NoticeStatus, Role

router = APIRouter(include_in_schema=False)
Word = Annotated[str, Query(max_length=32)]
"""A choice in the address; one that is not offered counts as none."""
COLUMNS = (
    ("number", "编号"),
    ("title", "事项"),
    ("due", "时限"),
    ("status", "状态"),
    ("unit", "承办单位"),
    ("kind", "类型"),
    ("dispatched", "派发时间"),
)
SHEET = "通知单"
SHEET_HEADERS = (
    *("编号", "类型", "事项", "承办单位", "状态", "派发时间", "签收时间", "签收人", "时限", "到期时间", "剩余"),
    *("办结时间", "办结人", "办理结果", "查看时间", "查看人", "查看记录"),
)


def wanted_part(
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    kind: Word = "",
    status: Word = "",
    unit: Number = None,
    due: Word = "",
    sort: Word = "due",
) -> Wanted:
    """Dependency: the part of the list that the address asks for."""
    statuses = (Standing.OPEN, *NoticeStatus)
    return Wanted(
        text=q.strip(),
        kind=next((value for value in NoticeKind if value == kind), None),
        status=next((value for value in statuses if value == status), None),
        unit_id=unit,
        due=next((value for value in Due if value == due), None),
        sort=sort,
    )


WantedPart = Annotated[Wanted, Depends(wanted_part)]


@router.get("/notices")
def notice_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    wanted: WantedPart,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The notices that this person may see, those that end soonest first; every filter is in the address."""
    require(caller.grants, Action.READ_NOTICES)
    now = utc_now()
    count = notice_list.count_notices(session, wanted, caller.grants, now)
    listing = Listing("/notices", filters_of(wanted), page_number, count)
    context = {
        "lines": notice_list.list_notices(session, wanted, caller.grants, now, page=page_number),
        "listing": listing,
        "filters": filters_of(wanted),
        "columns": COLUMNS,
        "counts": notice_list.counts(session, caller.grants, now),
        "kinds": list(NoticeKind),
        "statuses": (Standing.OPEN, *NoticeStatus),
        "dues": list(Due),
        "units": notice_list.visible_units(session, caller.grants),
        "export": f"/notices/export?{urlencode(filters_of(wanted))}",
        "may_open": may_open(caller),
    }
    return page(request, "notices.html", caller, context)


@router.get("/notices/export")
def export(session: UsingSession, caller: PageCaller, wanted: WantedPart) -> Response:
    """The filtered list as a workbook."""
    require(caller.grants, Action.READ_NOTICES)
    now = utc_now()
    lines = notice_list.list_notices(session, wanted, caller.grants, now, page=None)
    book = Workbook(write_only=True)
    write_table(book, SHEET, SHEET_HEADERS, map(_cells, lines))
    output = io.BytesIO()
    book.save(output)
    headers = {"Content-Disposition": f'attachment; filename="zhida-notices-{dates.day(now)}.xlsx"'}
    return Response(output.getvalue(), media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


def may_open(caller: Caller) -> bool:
    """Whether they open notices of some kind: an office, or a unit that registers a change of policy."""
    return any(grant.role in READS_NOTICES - {Role.ANALYST} for grant in caller.grants)


def filters_of(wanted: Wanted) -> dict[str, str]:
    """The filters by the names that they have in the address."""
    return {
        "q": wanted.text,
        "kind": wanted.kind or "",
        "status": wanted.status or "",
        "unit": str(wanted.unit_id or ""),
        "due": wanted.due or "",
        "sort": wanted.sort,
    }


def _cells(line: NoticeLine) -> list[str]:
    """In the order of SHEET_HEADERS."""
    return list(_texts(line))


def _texts(line: NoticeLine) -> Iterator[str]:
    notice, clock = line.notice, line.clock
    yield from (notice.number, notice.kind.label, notice.title, notice.unit.name, notice.status.label)
    yield from (_moment(notice.dispatched_at), _moment(notice.signed_at), _name(notice.signed_by))
    yield from (clock.title, _moment(clock.due_at), clock.left or clock.state.label) if clock else ("", "", "")
    yield from (_moment(notice.completed_at), _name(notice.completed_by), notice.result)
    yield from (_moment(notice.seen_at), _name(notice.seen_by), notice.remark)


def _moment(at: datetime | None) -> str:
    return dates.moment(at) if at else ""


def _name(person: Person | None) -> str:
    return person.name if person else ""
