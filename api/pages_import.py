"""Import in the browser: drop a file, see and correct its columns, see what would happen, then let it happen."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import files, uploads
from api.clock import utc_now
from api.pages_agent import PageCaller
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from ingest.columns import ColumnChoices, HeaderRows
from ingest.refusals import refusals_xlsx
from ingest.rows import Defaults
from ingest.spreadsheets import ReadFile, read_file
from kb_admin.importing import apply_import, plan_import
from kb_admin.permissions import UNIT_ROLES, Action, may, require
from models.errors import FileRefused, Invalid, NotFound
from models.organisation import Region, Unit
from models.values import EntryField, Publicity

router = APIRouter(include_in_schema=False)

SHOWN_ROWS = 200
"""Rows listed in the page; the report to download has them all."""
CHOOSE_HEADER = "没有认出表头，请先选择表头所在的行（或选“没有表头”）"


@dataclass(frozen=True)
class Reading:
    """How the person wants the file read; the same fields stand in the address and in the form that confirms."""

    column: list[str]
    """Corrections as "sheet!column=field"; an empty one leaves the guess as it is."""
    header: list[str]
    """Header rows as "sheet=row", 0 for none; an empty one leaves the guess as it is."""
    unit: str
    region: str
    publicity: Publicity

    def choices(self) -> ColumnChoices:
        """For the reader of files. Raises Invalid for a field that does not exist."""
        return files.column_choices(choice for choice in self.column if choice)

    def header_rows(self) -> HeaderRows:
        """For the reader of files. Raises Invalid for what is no row."""
        return files.header_rows(told for told in self.header if told)

    def defaults(self) -> Defaults:
        return Defaults(unit=self.unit, region=self.region, publicity=self.publicity)


def asked_reading(
    *,
    session: UsingSession,
    caller: PageCaller,
    column: Annotated[list[str] | None, Query()] = None,
    header: Annotated[list[str] | None, Query()] = None,
    unit: str | None = None,
    region: str | None = None,
    publicity: Publicity = Publicity.INTERNAL,
) -> Reading:
    """Dependency: the reading that the address asks for; a unit's editor starts with that unit."""
    own = _own_unit(session, caller)
    return Reading(
        column or [],
        header or [],
        unit if unit is not None else (own.name if own else ""),
        region if region is not None else (own.region.name if own else files.usual_region(session)),
        publicity,
    )


def confirmed_reading(
    column: Annotated[list[str] | None, Form()] = None,
    header: Annotated[list[str] | None, Form()] = None,
    unit: Annotated[str, Form()] = "",
    region: Annotated[str, Form()] = "",
    publicity: Annotated[Publicity, Form()] = Publicity.INTERNAL,
) -> Reading:
    """Dependency: the reading whose result the person has seen and confirms."""
    return Reading(column or [], header or [], unit, region, publicity)


@router.get("/import")
def start_page(request: Request, caller: PageCaller) -> HTMLResponse:
    """The place to drop a file."""
    require(caller.grants, Action.IMPORT)
    return page(request, "import.html", caller, {})


@router.post("/import", dependencies=[Depends(check_csrf)])
def receive(services: UsingServices, caller: PageCaller, file: Annotated[UploadFile, File()]) -> RedirectResponse:
    """Keep the file until its owner has decided. Reading it shows the columns, so a refused file says so there."""
    require(caller.grants, Action.IMPORT)
    folder = services.settings.uploads_folder
    key = uploads.receive(folder, file.file.read(), file.filename, caller.person_id, utc_now())
    return RedirectResponse(f"/import/{key}", 303)


@router.get("/import/{key}")
def trial_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    reading: Annotated[Reading, Depends(asked_reading)],
) -> HTMLResponse:
    """Columns as understood, and what an import would do. Nothing is written."""
    require(caller.grants, Action.IMPORT)
    read = _read(services, caller, key, reading)
    plan = plan_import(session, read.rows, read.problems, grants=caller.grants, faulty=read.faulty, now=utc_now())
    context = {
        "key": key,
        "read": read,
        "plan": plan,
        "reading": reading,
        "header_rows": reading.header_rows(),
        "undecided": _undecided(read, reading),
        "choose_header": CHOOSE_HEADER,
        "refused": [read.located(problem) for problem in plan.refused[:SHOWN_ROWS]],
        "shown_rows": SHOWN_ROWS,
        "report_address": f"/import/{key}/refused.xlsx?{request.url.query}",
        "fields": list(EntryField),
        "not_imported": files.NOT_IMPORTED,
        "units": _units(session, caller),
        "regions": list(session.scalars(select(Region.name).order_by(Region.id))),
        "publicities": list(Publicity),
        "may_publish": may(caller.grants, Action.PUBLISH),
    }
    return page(request, "import_trial.html", caller, context)


@router.get("/import/{key}/refused.xlsx")
def trial_report(
    *,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    reading: Annotated[Reading, Depends(asked_reading)],
) -> Response:
    """The rows that would be refused, as a file to mend and import again."""
    require(caller.grants, Action.IMPORT)
    read = _read(services, caller, key, reading)
    plan = plan_import(session, read.rows, read.problems, grants=caller.grants, faulty=read.faulty, now=utc_now())
    return _download(refusals_xlsx(read, plan.refused))


@router.post("/import/{key}/apply", dependencies=[Depends(check_csrf)])
def carry_out(
    *,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    reading: Annotated[Reading, Depends(confirmed_reading)],
    all_or_nothing: Annotated[bool, Form()] = True,
    publish: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Do what the trial showed, by the same reading, in one transaction; then delete the file."""
    require(caller.grants, Action.IMPORT)
    read = _read(services, caller, key, reading)
    if undecided := _undecided(read, reading):
        raise Invalid(f"{'、'.join(undecided)}：{CHOOSE_HEADER}。")
    plan = plan_import(session, read.rows, read.problems, grants=caller.grants, faulty=read.faulty, now=utc_now())
    report = apply_import(
        session,
        plan,
        all_or_nothing=all_or_nothing,
        publish=publish,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    session.commit()
    folder = services.settings.uploads_folder
    uploads.drop(folder, key)
    result = uploads.keep(
        folder, refusals_xlsx(read, plan.refused), read.filename, caller.person_id, figures=vars(report)
    )
    return RedirectResponse(f"/import/result/{result}", 303)


@router.post("/import/{key}/drop", dependencies=[Depends(check_csrf)])
def give_up(services: UsingServices, caller: PageCaller, key: str) -> RedirectResponse:
    """Delete the file without importing it."""
    folder = services.settings.uploads_folder
    uploads.drop(folder, uploads.find(folder, key, caller.person_id).key)
    return RedirectResponse("/import", 303)


@router.get("/import/result/{key}")
def result_page(request: Request, services: UsingServices, caller: PageCaller, key: str) -> HTMLResponse:
    """What the import did, and the report to download."""
    done = uploads.find(services.settings.uploads_folder, key, caller.person_id)
    if not done.figures:
        raise NotFound("没有这次导入的结果。")
    return page(request, "import_result.html", caller, {"key": key, "done": done})


@router.get("/import/result/{key}/refused.xlsx")
def result_report(services: UsingServices, caller: PageCaller, key: str) -> Response:
    """The rows that were refused."""
    return _download(uploads.find(services.settings.uploads_folder, key, caller.person_id).content)


def _read(services: Services, caller: Caller, key: str, reading: Reading) -> ReadFile:
    """Read the waiting file. One that is refused as a whole is of no more use and is deleted."""
    folder = services.settings.uploads_folder
    upload = uploads.find(folder, key, caller.person_id)
    try:
        return read_file(
            upload.content,
            upload.filename,
            mapping=reading.choices(),
            header_rows=reading.header_rows(),
            defaults=reading.defaults(),
        )
    except FileRefused:
        uploads.drop(folder, key)
        raise


def _undecided(read: ReadFile, reading: Reading) -> list[str]:
    """Sheets read without a header that may have one all the same: only the person can tell."""
    told = reading.header_rows()
    tables = [table for table in read.tables if table.first_rows and not table.passed_over]
    return [table.sheet for table in tables if not table.layout.header_row and table.sheet not in told]


def _units(session: Session, caller: Caller) -> list[str]:
    """Units for which this person may import."""
    units = session.scalars(select(Unit).order_by(Unit.id))
    return [unit.name for unit in units if may(caller.grants, Action.IMPORT, unit_id=unit.id)]


def _own_unit(session: Session, caller: Caller) -> Unit | None:
    """The one unit whose roles the person holds, if there is exactly one and no office role beside it."""
    held = {grant.unit_id for grant in caller.grants if grant.role in UNIT_ROLES}
    whole = any(grant.role not in UNIT_ROLES for grant in caller.grants)
    return session.get(Unit, next(iter(held))) if len(held) == 1 and not whole else None


def _download(content: bytes) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="refused-rows.xlsx"'}
    return Response(content, media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)
