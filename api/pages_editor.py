"""The editor's pages: write an entry, be told what is wrong with it, save it, submit it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BeforeValidator

from api import entry_desk
from api.editor_view import Refusal, Sitting, UsingSitting, beside, beside_piece, editor_page
from api.entry_desk import Desk, Mode, Seat
from api.entry_form import EntryForm, sent_form
from api.errors import status_of
from api.schemas import Id
from api.security import check_csrf, person_of
from api.templating import page
from api.viewing import note_writing
from kb_admin import lifecycle
from kb_admin.changes import changes
from kb_admin.content_rules import Fault, content_faults
from kb_admin.permissions import Action, require
from models.errors import Conflict, Forbidden, Invalid, ZhidaError
from models.notices import Notice
from models.values import Choice, EntryContent, EntryField, Origin

router = APIRouter(include_in_schema=False)
Sent = Annotated[EntryForm, Depends(sent_form)]
OptionalId = Annotated[Id | None, BeforeValidator(lambda given: given or None)]
MEANS = {
    Origin.UNIT: "本单位自己采编",
    Origin.OFFICE: "热线办从文件、网站等处收集，由单位修改审定",
    Origin.WORK_ORDER: "由工单的优秀答复形成，由单位审核确认",
}
NOT_STORABLE = "没有保存：请先改正标出的内容。您写的都还在。"


class Do(Choice):
    SAVE = "save", "保存草稿"
    SUBMIT = "submit", "提交"


@router.get("/write")
def write_page(
    here: UsingSitting,
    *,
    unit: OptionalId = None,
    origin: Annotated[str, Query(max_length=32)] = "",
    notice: OptionalId = None,
    question: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """A new entry; who may write for several units, or in several ways, chooses first."""
    require(here.caller.grants, Action.WRITE)
    asked = entry_desk.notice_for(here.session, notice, here.caller)
    if asked is not None and asked.entry is not None:
        return RedirectResponse(_edit_address(asked.entry.code, notice=asked.id), 303)
    seats = entry_desk.seats_of(here.session, here.caller.grants, here.now)
    if not seats:
        raise Forbidden("按现行规则，您的岗位不编写新条目。")
    wanted = asked.unit_id if asked is not None else unit
    fitting = [seat for seat in seats if wanted in (None, seat.unit.id) and origin in ("", seat.origin.value)]
    named = next((value for value in entry_desk.ORIGINS if value.value == origin), None)
    if len(fitting) != 1 and not (wanted is not None and named is not None):
        return _choose_seat(here, fitting or seats, wanted, notice, question)
    chosen = (wanted, named) if wanted is not None and named is not None else (fitting[0].unit.id, fitting[0].origin)
    desk = entry_desk.desk_for_new(here.session, *chosen, here.caller, here.now)
    form = EntryForm(question=question or _words_of(asked), region=desk.unit.region.name)
    return editor_page(here, desk, form, notice=asked, several=len(seats) > 1)


@router.get("/entries/{code}/edit")
def edit_page(
    here: UsingSitting,
    *,
    code: str,
    notice: OptionalId = None,
    tried: bool = False,
    did: Annotated[str, Query(max_length=16)] = "",
) -> HTMLResponse:
    """The entry's draft, or the beginning of a new version; ``tried``: it was to be submitted and could not be."""
    desk = entry_desk.desk_for(here.session, code, here.caller, here.now)
    asked = entry_desk.notice_for(here.session, notice, here.caller)
    note_writing(here.session, desk.version, here.caller, here.now)
    here.session.commit()
    return editor_page(here, desk, desk.form, notice=asked, tried=tried, saved=did == Do.SAVE.value)


@router.post("/write/check", dependencies=[Depends(check_csrf)])
def check_piece(
    here: UsingSitting,
    *,
    form: Sent,
    code: Annotated[str, Form()] = "",
    unit: Annotated[Id | None, Form()] = None,
    origin: Annotated[Origin, Form()] = Origin.UNIT,
) -> HTMLResponse:
    """The card and the findings for what stands in the form at this moment. Nothing is written."""
    if code:
        desk = entry_desk.desk_for(here.session, code, here.caller, here.now)
    else:
        desk = entry_desk.desk_for_new(here.session, unit or 0, origin, here.caller, here.now)
    return beside_piece(here, desk, form)


@router.post("/write", dependencies=[Depends(check_csrf)])
def save_new(
    here: UsingSitting,
    *,
    form: Sent,
    unit: Annotated[Id, Form()],
    origin: Annotated[Origin, Form()],
    do: Annotated[Do, Form()] = Do.SAVE,
    notice: Annotated[OptionalId, Form()] = None,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """The first version of a new entry, as a draft or on its way."""
    desk = entry_desk.desk_for_new(here.session, unit, origin, here.caller, here.now)
    try:
        return _carry_out(here, desk, form, do, notice=notice, confirmed=confirmed)
    except (Conflict, Invalid) as error:
        here.session.rollback()
        return editor_page(here, desk, form, refusal=_refusal(error))


@router.post("/entries/{code}/edit", dependencies=[Depends(check_csrf)])
def save_existing(
    here: UsingSitting,
    *,
    form: Sent,
    code: str,
    stamp: Annotated[str, Form()] = "",
    do: Annotated[Do, Form()] = Do.SAVE,
    notice: Annotated[OptionalId, Form()] = None,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """The entry's draft or next version, unless somebody else has saved it since the form was opened."""
    try:
        entry_desk.hold(here.session, code)
        desk = entry_desk.desk_for(here.session, code, here.caller, here.now)
        entry_desk.require_unchanged(desk, stamp)
        return _carry_out(here, desk, form, do, notice=notice, confirmed=confirmed)
    except (Conflict, Invalid) as error:
        here.session.rollback()
        return _kept(here, code, form, error)


class Unstorable(Invalid):
    """The text cannot be stored as it is."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(NOT_STORABLE)


def _carry_out(
    here: Sitting, desk: Desk, form: EntryForm, do: Do, *, notice: int | None, confirmed: str
) -> RedirectResponse:
    """Save, then submit if that was asked and nothing stands against it; what cannot be submitted stays a draft."""
    session, person = here.session, person_of(here.session, here.caller)
    asked = entry_desk.notice_for(session, notice, here.caller)
    content = _storable(form, desk)
    version = entry_desk.save(session, desk, content, actor=person, now=here.now)
    entry_desk.answer(session, asked, version)
    code = version.entry.code
    if do is Do.SAVE:
        session.commit()
        return RedirectResponse(_edit_address(code, notice=notice, did=Do.SAVE.value), 303)
    session.flush()
    said = beside(here, replace(desk, entry=version.entry, version=version, newest=version), form)
    if said.blocking or (said.warnings and said.confirmation != confirmed):
        session.commit()
        return RedirectResponse(_edit_address(code, notice=notice, tried="1"), 303)
    if desk.mode is Mode.AMEND:
        lifecycle.approve(session, version, actor=person, now=here.now)
    else:
        lifecycle.submit(session, version, actor=person, now=here.now)
    session.commit()
    return RedirectResponse(f"/mine?{urlencode({'did': code})}", 303)


def _storable(form: EntryForm, desk: Desk) -> EntryContent:
    """Raises Unstorable; an answer that is still missing may be missing in a draft."""
    content, unread = form.read(desk.unit.name)
    faults = [f for f in content_faults(content) if content.answer.strip() or f.field is not EntryField.ANSWER]
    if unread or faults:
        raise Unstorable((*unread, *faults))
    return content


def _kept(here: Sitting, code: str, form: EntryForm, error: ZhidaError) -> HTMLResponse:
    """The page again with all that was typed, and where it differs from what the base says now."""
    refusal = _refusal(error)
    try:
        desk = entry_desk.desk_for(here.session, code, here.caller, here.now)
    except Conflict as closed:
        desk = entry_desk.desk_closed(here.session, code, here.caller, here.now)
        refusal = Refusal(f"没有保存：{closed}您写的内容都还在下面，可以先抄下。", status=409, closed=True)
    if isinstance(error, Conflict) and desk.newest is not None:
        mine, _ = form.read(desk.unit.name)
        refusal = Refusal(
            refusal.message, refusal.faults, refusal.status, changes(desk.newest.content(), mine), refusal.closed
        )
    return editor_page(here, desk, form, refusal=refusal)


def _refusal(error: ZhidaError) -> Refusal:
    faults = error.faults if isinstance(error, Unstorable) else ()
    return Refusal(str(error), faults, status_of(error)[0])


def _choose_seat(
    here: Sitting, seats: Sequence[Seat], unit_id: int | None, notice: int | None, question: str
) -> HTMLResponse:
    """For whom, and how it came to be known; the form leads back here with both in the address."""
    units = list({seat.unit.id: seat.unit for seat in seats}.values())
    origins = [origin for origin in entry_desk.ORIGINS if any(seat.origin is origin for seat in seats)]
    context = {"units": units, "origins": origins, "unit_id": unit_id, "notice": notice, "question": question}
    context["means"] = MEANS
    return page(here.request, "editor_start.html", here.caller, context)


def _words_of(notice: Notice | None) -> str:
    """The caller's words, where the notice asks for what somebody could not be told."""
    return notice.gap.text[:500] if notice is not None and notice.gap is not None else ""


def _edit_address(code: str, *, notice: int | None = None, **more: str) -> str:
    query = {**({"notice": str(notice)} if notice else {}), **more}
    return f"/entries/{quote(code, safe='')}/edit" + (f"?{urlencode(query)}" if query else "")
