"""来电记录: calls as they happened, as a list, a workbook, and one by one."""

import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from openpyxl import Workbook

from api import dates, files, incoming_list
from api.clock import utc_now
from api.incoming_list import CallLine, Unsaid, Wanted
from api.incoming_view import named, read_call, time_line
from api.listing import Listing
from api.pages_agent import PageCaller
from api.pages_call_bar import MatterGiven, matter_given
from api.pages_entries import Number, Word
from api.schemas import LARGEST_ID
from api.security import check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from ingest.sheet_writing import write_table
from kb_admin import incoming
from kb_admin.feedback import first_moment_of_day
from kb_admin.permissions import Action, require
from models.errors import Invalid
from models.values import CHINA, Ending, Matter, Viewer

router = APIRouter(include_in_schema=False)
CallId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
COLUMNS = (
    ("started", "开始"),
    ("agent", "话务员"),
    ("team", "班组"),
    ("questions", "提问"),
    ("matter", "诉求类别"),
    ("ending", "结束方式"),
)
MOST_EXPORTED = 20_000
"""A large city's day; a workbook of so many rows takes some seconds to write."""
SHEET = "来电记录"
SHEET_HEADERS = (
    *("编号", "话务平台编号", "开始", "结束", "时长（秒）", "话务员", "班组", "诉求类别", "结束方式", "提问次数"),
    *("答复的条目编号", "答复的标准问"),
)


def wanted_part(
    *,
    start: Word = "",
    end: Word = "",
    ending: Word = "",
    matter: Word = "",
    agent: Number = None,
    team: Annotated[str, Query(max_length=64)] = "",
    sort: Word = "-started",
) -> Wanted:
    """Dependency: the part of the list that the address asks for. The last day is in it whole."""
    last = _day(end)
    return Wanted(
        start=_day(start),
        end=last + timedelta(days=1) if last else None,
        ending=next((value for value in (*Ending, *Unsaid) if value == ending), None),
        matter=next((value for value in Matter if value == matter), None),
        person_id=agent,
        team=team.strip(),
        sort=sort,
    )


WantedPart = Annotated[Wanted, Depends(wanted_part)]


@router.get("/incoming")
def call_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    wanted: WantedPart,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The calls that this person may see, newest first; every filter is in the address."""
    require(caller.grants, Action.READ_INCOMING)
    seen = incoming_list.seen_sql(caller.grants, caller.person_id, utc_now())
    filters, sees_all = filters_of(wanted), incoming_list.sees_all(caller.grants)
    lines = incoming_list.list_calls(session, wanted, seen, page=page_number)
    context = {
        "lines": lines,
        "names": {line.call.id: _answer(line, caller.viewer) for line in lines},
        "listing": Listing("/incoming", filters, page_number, incoming_list.count_calls(session, wanted, seen)),
        "filters": filters,
        "filtered": any(value for name, value in filters.items() if name != "sort"),
        "columns": COLUMNS,
        "endings": (*Ending, *Unsaid),
        "matters": list(Matter),
        "agents": incoming_list.agents_of(session) if sees_all else (),
        "teams": incoming_list.teams_of(session, wanted.team) if sees_all else (),
        "sees_all": sees_all,
        "export": f"/incoming/export?{urlencode(filters)}",
    }
    return page(request, "incoming.html", caller, context)


@router.get("/incoming/export")
def export(session: UsingSession, caller: PageCaller, wanted: WantedPart) -> Response:
    """The filtered list as a workbook."""
    require(caller.grants, Action.READ_INCOMING)
    now = utc_now()
    seen = incoming_list.seen_sql(caller.grants, caller.person_id, now)
    count = incoming_list.count_calls(session, wanted, seen)
    if count > MOST_EXPORTED:
        raise Invalid(f"共 {count} 次来电，一次最多导出 {MOST_EXPORTED} 次。请先用日期或其他条件筛选，再分次导出。")
    lines = incoming_list.list_calls(session, wanted, seen, page=None)
    book = Workbook(write_only=True)
    write_table(book, SHEET, SHEET_HEADERS, (list(_cells(line, caller.viewer)) for line in lines))
    output = io.BytesIO()
    book.save(output)
    headers = {"Content-Disposition": f'attachment; filename="zhida-incoming-{dates.day(now)}.xlsx"'}
    return Response(output.getvalue(), media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


@router.get("/incoming/{call_id}")
def call_page(request: Request, session: UsingSession, caller: PageCaller, call_id: CallId) -> HTMLResponse:
    """What happened in one call."""
    require(caller.grants, Action.READ_INCOMING)
    now = utc_now()
    call = read_call(session, call_id, incoming_list.seen_sql(caller.grants, caller.person_id, now))
    over = call.ended_at is None or call.ended_at >= first_moment_of_day(now)
    context = {
        "call": call,
        "lasted": incoming_list.lasted(call),
        "happenings": time_line(session, call, caller.viewer),
        "may_correct": call.person_id == caller.person_id and over,
        "endings": list(Ending),
        "matters": list(Matter),
    }
    return page(request, "incoming_call.html", caller, context)


@router.post("/incoming/{call_id}", dependencies=[Depends(check_csrf)])
def correct(
    *,
    session: UsingSession,
    caller: PageCaller,
    call_id: CallId,
    ending: Annotated[Ending, Form()],
    matter: MatterGiven = "",
) -> RedirectResponse:
    """The agent says afterwards, on the same day, how the call ended and what it was about."""
    now = utc_now()
    actor = person_of(session, caller)
    call = read_call(session, call_id, incoming_list.seen_sql(caller.grants, caller.person_id, now))
    incoming.end(session, call, ending, actor=actor, now=now)
    incoming.say_matter(session, call, matter_given(matter), actor=actor, now=now)
    session.commit()
    return RedirectResponse(f"/incoming/{call_id}", 303)


def filters_of(wanted: Wanted) -> dict[str, str]:
    """The filters by the names that they have in the address."""
    return {
        "start": dates.day(wanted.start) if wanted.start else "",
        "end": dates.day(wanted.end - timedelta(days=1)) if wanted.end else "",
        "ending": wanted.ending or "",
        "matter": wanted.matter or "",
        "agent": str(wanted.person_id or ""),
        "team": wanted.team,
        "sort": wanted.sort,
    }


def _day(text: str) -> datetime | None:
    """The first moment of that day in China; None for none, and for what is no day of our time."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=CHINA) if 2000 <= day.year < 2200 else None


def _cells(line: CallLine, viewer: Viewer) -> Iterator[str | int | None]:
    """In the order of SHEET_HEADERS."""
    call = line.call
    yield from (str(call.id), call.reference or "", _second(call.started_at), _second(call.ended_at))
    yield from (line.seconds, call.person.name, call.team)
    yield from (call.matter.label if call.matter else "", _ending(line), line.questions)
    yield named(call.version, viewer).code if call.version else ""
    yield _answer(line, viewer)


def _answer(line: CallLine, viewer: Viewer) -> str:
    return named(line.call.version, viewer).title if line.call.version else ""


def _ending(line: CallLine) -> str:
    if line.call.ending is not None:
        return line.call.ending.label
    return Unsaid.OPEN.label if line.call.ended_at is None else Unsaid.NONE.label


def _second(at: datetime | None) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S") if at else ""
