"""知识缺失: groups of questions without a good answer, the ones that cost most first; and what agents recorded, one by
one."""

import io
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from openpyxl import Workbook
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from api import dates, files
from api.bench_views import titles_of
from api.clock import utc_now
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.pages_entries import Number, Word
from api.templating import page
from api.wiring import UsingSession
from ingest.sheet_writing import write_table
from kb_admin import gap_list
from kb_admin.gap_list import GroupLine, Order, Standing, Wanted
from kb_admin.permissions import Action, may, require
from models.usage import Gap
from models.values import GapStatus

router = APIRouter(include_in_schema=False)
SHEET = "知识缺失"
SHEET_HEADERS = (
    *("编号", "问法", "标准问", "状态", "承办单位", "最近的条目", "通知单", "来电（通）", "提问（次）"),
    *("近一周（通）", "此前四周每周（通）", "耗时（分钟）", "首次", "最近", "说明"),
)
STATUSES = (Standing.WAITING, *GapStatus)
ANY = "any"


def wanted_part(
    *, q: Annotated[str, Query(max_length=200)] = "", status: Word = "", unit: Number = None, sort: Word = ""
) -> Wanted:
    """Dependency: the part of the list that the address asks for; without a status what is not settled."""
    chosen = next((value for value in STATUSES if value == status), Standing.WAITING)
    return Wanted(
        text=q.strip(),
        status=None if status == ANY else chosen,
        unit_id=unit,
        order=next((value for value in Order if value == sort), Order.CALLS),
    )


WantedPart = Annotated[Wanted, Depends(wanted_part)]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@router.get("/gaps")
def gap_list_page(
    *, request: Request, session: UsingSession, caller: PageCaller, wanted: WantedPart, page_number: PageNumber = 1
) -> HTMLResponse:
    """For the office and the analysts."""
    require(caller.grants, Action.READ_GAPS)
    now = utc_now()
    filters = filters_of(wanted)
    counted = {
        status: gap_list.count_groups(session, replace(Wanted(), status=status), now)
        for status in (GapStatus.OPEN, GapStatus.SENT, GapStatus.PROPOSED)
    }
    context = {
        "lines": gap_list.list_groups(session, wanted, now, limit=PAGE_SIZE, offset=offset_of(page_number)),
        "listing": Listing("/gaps", filters, page_number, gap_list.count_groups(session, wanted, now)),
        "filters": filters,
        "narrowed": wanted != Wanted(order=wanted.order),
        "counted": counted,
        "statuses": STATUSES,
        "orders": list(Order),
        "units": gap_list.units_with_groups(session),
        "export": f"/gaps/export?{urlencode(filters)}",
    }
    return page(request, "gaps.html", caller, context)


@router.get("/gaps/export")
def export(session: UsingSession, caller: PageCaller, wanted: WantedPart) -> Response:
    """The filtered list as a workbook."""
    require(caller.grants, Action.READ_GAPS)
    now = utc_now()
    book = Workbook(write_only=True)
    lines = gap_list.list_groups(session, wanted, now)
    seen = titles_of(session, {line.group.entry.code for line in lines if line.group.entry}, caller, now)
    write_table(book, SHEET, SHEET_HEADERS, (list(_cells(line, seen)) for line in lines))
    output = io.BytesIO()
    book.save(output)
    headers = {"Content-Disposition": f'attachment; filename="zhida-gaps-{dates.day(now)}.xlsx"'}
    return Response(output.getvalue(), media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


@router.get("/gaps/recorded")
def recorded_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    page_number: PageNumber = 1,
) -> HTMLResponse:
    """What agents recorded with Alt+G, newest first."""
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
    gaps = list(session.scalars(newest))
    count = session.scalar(select(func.count(Gap.id)).where(*conditions)) or 0
    context = {
        "gaps": gaps,
        "groups": gap_list.groups_of_gaps(session, [gap.id for gap in gaps]),
        "listing": Listing("/gaps/recorded", {"q": words}, page_number, count),
        "q": words,
        "may_ask": may(caller.grants, Action.HANDLE_GAPS),
    }
    return page(request, "gaps_recorded.html", caller, context)


def filters_of(wanted: Wanted) -> dict[str, str]:
    """The filters by the names that they have in the address."""
    return {
        "q": wanted.text,
        "status": ANY if wanted.status is None else wanted.status.value,
        "unit": str(wanted.unit_id or ""),
        "sort": wanted.order.value,
    }


def _cells(line: GroupLine, seen: Collection[str]) -> Iterator[str | float]:
    """``seen``: codes of entries that exist for who asks."""
    group = line.group
    code = group.entry.code if group.entry and group.entry.code in seen else ""
    yield from (str(group.id), group.label, group.standard_question, group.status.label)
    yield from (group.unit.name if group.unit else "", code)
    yield from (group.notice.number if group.notice else "", line.calls, line.questions)
    yield from (line.this_week, round(line.weekly_before, 1), round(line.lost_seconds / 60, 1))
    yield from (_moment(line.first_at), _moment(line.last_at), group.remark)


def _moment(at: datetime) -> str:
    return dates.moment(at)
