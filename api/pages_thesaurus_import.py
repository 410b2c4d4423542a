"""词库 from a file: upload, see what would change, confirm."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from api import files, uploads
from api.clock import utc_now
from api.pages_agent import PageCaller
from api.pages_thesaurus import BASE, Did
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.thesaurus import shipped
from api.wiring import Services, UsingServices, UsingSession
from ingest.thesaurus import ReadGroups, problems_xlsx, read_groups_file
from kb_admin.permissions import Action, require
from kb_admin.thesaurus_importing import GroupsPlan, apply_groups, plan_groups
from models.errors import FileRefused

router = APIRouter(include_in_schema=False)
SHOWN = 200
"""Groups, and refused rows, listed in the page."""


@router.post(f"{BASE}/import", dependencies=[Depends(check_csrf)])
def receive(services: UsingServices, caller: PageCaller, file: Annotated[UploadFile, File()]) -> RedirectResponse:
    """Keep the file until its owner has decided."""
    require(caller.grants, Action.EDIT_THESAURUS)
    folder = services.settings.uploads_folder
    key = uploads.receive(folder, file.file.read(), file.filename, caller.person_id, utc_now())
    return RedirectResponse(f"{BASE}/import/{key}", 303)


@router.get(f"{BASE}/import/{{key}}")
def trial_page(
    request: Request, services: UsingServices, session: UsingSession, caller: PageCaller, key: str
) -> HTMLResponse:
    """What an import would do. Nothing is written."""
    filename, read, plan = _planned(services, session, caller, key)
    context = {
        "key": key,
        "filename": filename,
        "plan": plan,
        "passed_over": read.passed_over,
        "coming": plan.coming[:SHOWN],
        "refused": plan.refused[:SHOWN],
        "shown": SHOWN,
    }
    return page(request, "thesaurus_import.html", caller, context)


@router.get(f"{BASE}/import/{{key}}/refused.xlsx")
def report(services: UsingServices, session: UsingSession, caller: PageCaller, key: str) -> Response:
    """Place and reason of each refused row."""
    _, _, plan = _planned(services, session, caller, key)
    headers = {"Content-Disposition": 'attachment; filename="refused-rows.xlsx"'}
    media_type = files.MEDIA_TYPES[files.FileFormat.XLSX]
    return Response(problems_xlsx(plan.refused), media_type=media_type, headers=headers)


@router.post(f"{BASE}/import/{{key}}/apply", dependencies=[Depends(check_csrf)])
def carry_out(
    *,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    seen: Annotated[int, Form()],
    all_or_nothing: Annotated[bool, Form()] = True,
) -> RedirectResponse:
    """Do what the trial showed, in one transaction; then delete the file."""
    _, _, plan = _planned(services, session, caller, key)
    actor = person_of(session, caller)
    apply_groups(session, shipped(), plan, seen=seen, all_or_nothing=all_or_nothing, actor=actor, now=utc_now())
    session.commit()
    uploads.drop(services.settings.uploads_folder, key)
    did = Did.IMPORTED if plan.coming else Did.NOTHING
    return RedirectResponse(f"{BASE}?did={did}", 303)


@router.post(f"{BASE}/import/{{key}}/drop", dependencies=[Depends(check_csrf)])
def give_up(services: UsingServices, caller: PageCaller, key: str) -> RedirectResponse:
    """Delete the file without importing it."""
    require(caller.grants, Action.EDIT_THESAURUS)
    folder = services.settings.uploads_folder
    uploads.drop(folder, uploads.find(folder, key, caller.person_id).key)
    return RedirectResponse(BASE, 303)


def _planned(services: Services, session: Session, caller: Caller, key: str) -> tuple[str, ReadGroups, GroupsPlan]:
    """Read the waiting file and compare it. One that is refused as a whole is of no more use and is deleted."""
    require(caller.grants, Action.EDIT_THESAURUS)
    folder = services.settings.uploads_folder
    upload = uploads.find(folder, key, caller.person_id)
    try:
        read = read_groups_file(upload.content, upload.filename)
    except FileRefused:
        uploads.drop(folder, key)
        raise
    return upload.filename, read, plan_groups(session, shipped(), read.rows, read.problems, read.faulty_heads)
