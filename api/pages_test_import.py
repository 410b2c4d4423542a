"""Test sets from a file, looked at before they are kept, and drawn from what was asked."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from api import files, uploads
from api.bench_views import sight_of, titles_of
from api.clock import utc_now
from api.pages_agent import PageCaller
from api.pages_tests import BASE
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from ingest.bench_questions import NO_COLUMN, ReadingChoices, TestFile, read_test_file
from ingest.thesaurus import problems_xlsx
from kb_admin import bench_draws, bench_sets
from kb_admin.bench_sets import SetPlan
from kb_admin.permissions import Action, require
from models.errors import FileRefused, Invalid
from models.values import CHINA

router = APIRouter(include_in_schema=False)
SHOWN = 200
"""Rows listed in the page; the report has all refused ones."""
USUAL_SIZE = 500
USUAL_DAYS = 30
Word = Annotated[str, Query(max_length=200)]


def asked_choices(sheet: Word = "", header: Word = "", question: Word = "", expected: Word = "") -> ReadingChoices:
    """Dependency: the reading that the address asks for."""
    return _choices(sheet, header, question, expected)


def confirmed_choices(
    sheet: Annotated[str, Form()] = "",
    header: Annotated[str, Form()] = "",
    question: Annotated[str, Form()] = "",
    expected: Annotated[str, Form()] = "",
) -> ReadingChoices:
    """Dependency: the reading whose result the person has seen and confirms."""
    return _choices(sheet, header, question, expected)


@router.post(f"{BASE}/import", dependencies=[Depends(check_csrf)])
def receive(services: UsingServices, caller: PageCaller, file: Annotated[UploadFile, File()]) -> RedirectResponse:
    """Keep the file until its owner has decided."""
    require(caller.grants, Action.RUN_TESTS)
    folder = services.settings.uploads_folder
    key = uploads.receive(folder, file.file.read(), file.filename, caller.person_id, utc_now())
    return RedirectResponse(f"{BASE}/import/{key}", 303)


@router.get(f"{BASE}/import/{{key}}")
def trial_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    choices: Annotated[ReadingChoices, Depends(asked_choices)],
) -> HTMLResponse:
    """The columns as understood, and the set that would come of it. Nothing is written."""
    read, plan = _planned(services, session, caller, key, choices)
    codes = {code for case in plan.cases[:SHOWN] for code in case.expected}
    context = {
        "key": key,
        "read": read,
        "plan": plan,
        "choices": choices,
        "no_column": NO_COLUMN,
        "shown": SHOWN,
        "titles": titles_of(session, codes, caller, utc_now()),
        "report": f"{BASE}/import/{key}/refused.xlsx?{request.url.query}",
        "name": read.filename.rpartition(".")[0],
    }
    return page(request, "test_import.html", caller, context)


@router.get(f"{BASE}/import/{{key}}/refused.xlsx")
def report(
    *,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    choices: Annotated[ReadingChoices, Depends(asked_choices)],
) -> Response:
    """Place and reason of each refused row."""
    _, plan = _planned(services, session, caller, key, choices)
    headers = {"Content-Disposition": 'attachment; filename="refused-rows.xlsx"'}
    media_type = files.MEDIA_TYPES[files.FileFormat.XLSX]
    return Response(problems_xlsx(plan.refused), media_type=media_type, headers=headers)


@router.post(f"{BASE}/import/{{key}}/keep", dependencies=[Depends(check_csrf)])
def keep(
    *,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    key: str,
    choices: Annotated[ReadingChoices, Depends(confirmed_choices)],
    name: Annotated[str, Form()] = "",
    all_or_nothing: Annotated[bool, Form()] = True,
) -> RedirectResponse:
    """Keep what the look showed, by the same reading; then delete the file."""
    read, plan = _planned(services, session, caller, key, choices)
    if read.undecided:
        raise Invalid(read.undecided)
    kept = bench_sets.keep_plan(
        session,
        name,
        read.filename,
        plan,
        all_or_nothing=all_or_nothing,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    session.commit()
    uploads.drop(services.settings.uploads_folder, key)
    return RedirectResponse(f"{BASE}/sets/{kept.id}", 303)


@router.post(f"{BASE}/import/{{key}}/drop", dependencies=[Depends(check_csrf)])
def give_up(services: UsingServices, caller: PageCaller, key: str) -> RedirectResponse:
    """Delete the file."""
    require(caller.grants, Action.RUN_TESTS)
    folder = services.settings.uploads_folder
    uploads.drop(folder, uploads.find(folder, key, caller.person_id).key)
    return RedirectResponse(BASE, 303)


@dataclass(frozen=True)
class Drawing:
    """Which part of the log is drawn from, and how much; days of Asia/Shanghai, both included."""

    first: date
    last: date
    size: int
    seed: int

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time(), CHINA)

    @property
    def end(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), CHINA)


def asked_drawing(
    first: Annotated[date | None, Query()] = None,
    last: Annotated[date | None, Query()] = None,
    size: Annotated[int, Query(ge=1, le=bench_sets.MOST_CASES)] = USUAL_SIZE,
    seed: Annotated[int, Query(ge=0, le=2**31)] = 1,
) -> Drawing:
    """Dependency: what the address asks for; by default the last thirty days."""
    return _drawing(first, last, size, seed)


@router.get(f"{BASE}/draw")
def draw_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    drawing: Annotated[Drawing, Depends(asked_drawing)],
) -> HTMLResponse:
    """How much there is to draw from. Nothing is written."""
    require(caller.grants, Action.RUN_TESTS)
    now = utc_now()
    pool = bench_draws.pool_of(session, drawing.start, drawing.end, sight=sight_of(caller), now=now)
    drawn = bench_draws.draw(pool, drawing.size, drawing.seed) if len(pool) else ()
    codes = {code for case in drawn[:SHOWN] for code in case.expected}
    context = {
        "pool": pool,
        "drawn": drawn,
        "drawing": drawing,
        "most": bench_sets.MOST_CASES,
        "shown": SHOWN,
        "titles": titles_of(session, codes, caller, now),
        "name": f"来电抽题 {drawing.first} 至 {drawing.last}，种子 {drawing.seed}",
    }
    return page(request, "test_draw.html", caller, context)


@router.post(f"{BASE}/draw", dependencies=[Depends(check_csrf)])
def keep_drawn(
    *,
    session: UsingSession,
    caller: PageCaller,
    first: Annotated[date, Form()],
    last: Annotated[date, Form()],
    size: Annotated[int, Form(ge=1, le=bench_sets.MOST_CASES)],
    seed: Annotated[int, Form(ge=0, le=2**31)],
    name: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """Draw, and keep what was drawn."""
    require(caller.grants, Action.RUN_TESTS)
    drawing, now = _drawing(first, last, size, seed), utc_now()
    pool = bench_draws.pool_of(session, drawing.start, drawing.end, sight=sight_of(caller), now=now)
    cases = bench_draws.draw(pool, drawing.size, drawing.seed)
    source = f"{drawing.first} 至 {drawing.last} 的来电，可抽 {len(pool)} 题，种子 {drawing.seed}"
    kept = bench_sets.create_set(session, name, source, cases, actor=person_of(session, caller), now=now)
    session.commit()
    return RedirectResponse(f"{BASE}/sets/{kept.id}", 303)


def _drawing(first: date | None, last: date | None, size: int, seed: int) -> Drawing:
    until = last or utc_now().astimezone(CHINA).date()
    since = first or until - timedelta(days=USUAL_DAYS - 1)
    if not date(2000, 1, 1) <= since <= until < date(9000, 1, 1):
        raise Invalid("开始日期不能晚于结束日期。")
    return Drawing(since, until, size, seed)


def _planned(
    services: Services, session: Session, caller: Caller, key: str, choices: ReadingChoices
) -> tuple[TestFile, SetPlan]:
    """Read the waiting file and compare it with the base. One that is refused as a whole is deleted."""
    require(caller.grants, Action.RUN_TESTS)
    folder = services.settings.uploads_folder
    upload = uploads.find(folder, key, caller.person_id)
    try:
        read = read_test_file(upload.content, upload.filename, choices)
    except FileRefused:
        uploads.drop(folder, key)
        raise
    return read, bench_sets.plan_set(session, read.rows, read.problems, sight=sight_of(caller), now=utc_now())


def _choices(sheet: str, header: str, question: str, expected: str) -> ReadingChoices:
    number = int(header) if header.isascii() and header.isdigit() and len(header) < 8 else None
    return ReadingChoices(sheet, number, question, expected)
