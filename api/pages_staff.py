"""人员名单: who does the work for a unit; kept by the unit, reported to the office when it changes (济源 art. 6(1))."""

from collections.abc import Mapping
from datetime import date, datetime
from io import BytesIO
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from openpyxl import Workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.due_times import calendars_of, shown_clock
from api.errors import status_of
from api.files import MEDIA_TYPES, FileFormat
from api.pages_agent import PageCaller
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from ingest.sheet_writing import write_table
from kb_admin import staff
from kb_admin.permissions import Action, may, require
from kb_admin.staff import StaffLine
from models.duties import StaffDuty, StaffMember
from models.errors import Conflict, Invalid, NotFound, ZhidaError
from models.organisation import Unit
from models.values import CHINA

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=200)]
BLANK: dict[str, object] = dict.fromkeys(("name", "duty", "post", "phone", "since"), "")
HEADERS = ("岗位", "姓名", "职务", "电话", "任职", "离任", "登记人", "登记时间")


@router.get("/staff")
def staff_lists_page(*, request: Request, session: UsingSession, caller: PageCaller) -> Response:
    """The units whose lists one reads; who reads only one goes there at once."""
    require(caller.grants, Action.READ_STAFF)
    units = [unit for unit in session.scalars(select(Unit).order_by(Unit.name)) if _reads(caller, unit)]
    if len(units) == 1:
        return RedirectResponse(f"/staff/{units[0].id}", 303)
    day = _today(utc_now())
    lines = [(unit, staff.staff_of(session, unit, day), staff.to_report(session, unit)) for unit in units]
    return page(request, "staff_lists.html", caller, {"lines": lines})


@router.get("/staff/{unit_id}")
def staff_page(*, request: Request, session: UsingSession, caller: PageCaller, unit_id: Id) -> HTMLResponse:
    """One unit's list as it stands, and as it was."""
    return _shown(request, session, caller, _unit(session, caller, unit_id))


@router.get("/staff/{unit_id}/list.xlsx")
def staff_file(*, session: UsingSession, caller: PageCaller, unit_id: Id) -> Response:
    """The same as a workbook: today's list, and everybody who ever stood on it."""
    unit, day = _unit(session, caller, unit_id), _today(utc_now())
    book, content = Workbook(write_only=True), BytesIO()
    write_table(book, "现在的名单", HEADERS, [_row(member) for member in staff.staff_of(session, unit, day)])
    write_table(book, "全部经过", HEADERS, [_row(member) for member in staff.history_of(session, unit)])
    book.save(content)
    name = quote(f"{unit.name}人员名单.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(content.getvalue(), media_type=MEDIA_TYPES[FileFormat.XLSX], headers=headers)


@router.post("/staff/{unit_id}", dependencies=[Depends(check_csrf)])
def join(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    unit_id: Id,
    name: Text = "",
    duty: Annotated[StaffDuty, Form()] = StaffDuty.EDITOR,
    post: Text = "",
    phone: Text = "",
    since: Text = "",
) -> Response:
    """Somebody does the work from a day on."""
    unit, line = _unit(session, caller, unit_id), StaffLine(name, duty, post, phone)
    try:
        day = _day(since, name="任职日")
        staff.join(session, unit, line, since=day, actor=person_of(session, caller), now=utc_now())
    except (Invalid, Conflict) as error:
        session.rollback()
        given = {"name": name, "duty": duty, "post": post, "phone": phone, "since": since}
        return _shown(request, session, caller, unit, given=given, fault=error)
    session.commit()
    return RedirectResponse(f"/staff/{unit_id}", 303)


@router.post("/staff/{unit_id}/report", dependencies=[Depends(check_csrf)])
def report(*, request: Request, session: UsingSession, caller: PageCaller, unit_id: Id) -> Response:
    """上报 the list as it stands."""
    unit = _unit(session, caller, unit_id)
    try:
        staff.report(session, unit, actor=person_of(session, caller), now=utc_now())
    except Conflict as error:
        session.rollback()
        return _shown(request, session, caller, unit, fault=error)
    session.commit()
    return RedirectResponse(f"/staff/{unit_id}", 303)


@router.post("/staff/{unit_id}/{member_id}/leave", dependencies=[Depends(check_csrf)])
def leave(
    *, request: Request, session: UsingSession, caller: PageCaller, unit_id: Id, member_id: Id, until: Text = ""
) -> Response:
    """Somebody does it no longer."""
    unit = _unit(session, caller, unit_id)
    member = _member(session, unit, member_id)
    try:
        day = _day(until, name="离任日")
        staff.leave(session, member, until=day, actor=person_of(session, caller), now=utc_now())
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, session, caller, unit, fault=error)
    session.commit()
    return RedirectResponse(f"/staff/{unit_id}", 303)


@router.post("/staff/{unit_id}/{member_id}/correct", dependencies=[Depends(check_csrf)])
def correct(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    unit_id: Id,
    member_id: Id,
    name: Text = "",
    post: Text = "",
    phone: Text = "",
) -> Response:
    """A slip of the pen, or a new telephone number."""
    unit = _unit(session, caller, unit_id)
    member = _member(session, unit, member_id)
    line = StaffLine(name, member.duty, post, phone)
    try:
        staff.correct(session, member, line, actor=person_of(session, caller), now=utc_now())
    except Invalid as error:
        session.rollback()
        return _shown(request, session, caller, unit, fault=error)
    session.commit()
    return RedirectResponse(f"/staff/{unit_id}", 303)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    unit: Unit,
    *,
    given: Mapping[str, object] = BLANK,
    fault: ZhidaError | None = None,
) -> HTMLResponse:
    now = utc_now()
    due = staff.to_report(session, unit)
    calendars = calendars_of(session, (notice.rulebook_id for notice in due))
    context = {
        "unit": unit,
        "members": staff.staff_of(session, unit, _today(now)),
        "past": [m for m in staff.history_of(session, unit) if m.until is not None or m.since > _today(now)],
        "due": [(n, [shown_clock(clock, calendars[n.rulebook_id], now) for clock in n.clocks]) for n in due],
        "writes": may(caller.grants, Action.WRITE_STAFF, unit_id=unit.id, region_id=unit.region_id),
        "duties": list(StaffDuty),
        "today": _today(now),
        "given": given,
        "fault": str(fault) if fault else "",
    }
    return page(request, "staff.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _unit(session: Session, caller: Caller, unit_id: int) -> Unit:
    unit = session.get(Unit, unit_id)
    if unit is None or not _reads(caller, unit):
        raise NotFound("没有这个单位的人员名单，或您无权查看。")
    return unit


def _member(session: Session, unit: Unit, member_id: int) -> StaffMember:
    member = session.get(StaffMember, member_id)
    if member is None or member.unit_id != unit.id:
        raise NotFound("名单上没有这个人。")
    return member


def _reads(caller: Caller, unit: Unit) -> bool:
    return may(caller.grants, Action.READ_STAFF, unit_id=unit.id, region_id=unit.region_id)


def _row(member: StaffMember) -> tuple[str, ...]:
    until = member.until.isoformat() if member.until else ""
    moment = member.written_at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
    person = (member.duty.label, member.name, member.post, member.phone)
    return (*person, member.since.isoformat(), until, member.written_by.name, moment)


def _today(now: datetime) -> date:
    return now.astimezone(CHINA).date()


def _day(text: str, *, name: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise Invalid(f"请填写{name}，如 2026-11-20。") from error
