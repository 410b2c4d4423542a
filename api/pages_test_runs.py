"""One test run: its progress, figures, curve and questions; two of them held against each other."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import dates, files
from api.bench_running import waiting_behind
from api.bench_views import (
    CaseLine,
    Changed,
    Shown,
    codes_in,
    drawing_of,
    figures_of,
    lines_of,
    pairs_of,
    percent,
    table_of,
    titles_of,
)
from api.bench_workbooks import comparison_xlsx, differences, points_text, run_xlsx
from api.clock import utc_now
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.pages_tests import BASE, PageNumber
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import bench_runs
from kb_admin.bench_comparison import compare
from kb_admin.bench_curve import Curve
from kb_admin.bench_runs import RunSettings
from kb_admin.permissions import Action, require
from models.bench import TestCase, TestResult, TestRun
from models.errors import NotFound
from models.values import RunStatus

router = APIRouter(include_in_schema=False)
Threshold = Annotated[float | None, Query(gt=0, le=1)]
MOST_SIDE_BY_SIDE = 4


@router.get(f"{BASE}/runs/{{run_id}}")
def run_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    run_id: Id,
    show: Shown = Shown.ALL,
    threshold: Threshold = None,
    page_number: PageNumber = 1,
) -> HTMLResponse:
    """How far it is; once it is done, what it found."""
    require(caller.grants, Action.RUN_TESTS)
    run = bench_runs.read_run(session, run_id)
    found = _found(session, run, caller, show=show, threshold=threshold, page_number=page_number)
    context = {**_state(session, run), **found}
    return page(request, "test_run.html", caller, context)


@router.get(f"{BASE}/runs/{{run_id}}/progress")
def progress_piece(request: Request, session: UsingSession, caller: PageCaller, run_id: Id) -> HTMLResponse:
    """Only how far it is."""
    require(caller.grants, Action.RUN_TESTS)
    return page(request, "test_progress.html", caller, _state(session, bench_runs.read_run(session, run_id)))


@router.post(f"{BASE}/runs/{{run_id}}/stop", dependencies=[Depends(check_csrf)])
def stop_run(session: UsingSession, caller: PageCaller, run_id: Id) -> RedirectResponse:
    """Whoever does it hears of it at the next report."""
    run = bench_runs.read_run(session, run_id)
    bench_runs.stop(session, run, actor=person_of(session, caller), now=utc_now())
    session.commit()
    return RedirectResponse(f"{BASE}/runs/{run_id}", 303)


@router.post(f"{BASE}/runs/{{run_id}}/drop", dependencies=[Depends(check_csrf)])
def drop_run(session: UsingSession, caller: PageCaller, run_id: Id) -> RedirectResponse:
    """Delete a run that has ended."""
    run = bench_runs.read_run(session, run_id)
    set_id = run.set_id
    bench_runs.drop(session, run, actor=person_of(session, caller))
    session.commit()
    return RedirectResponse(f"{BASE}/sets/{set_id}", 303)


@router.get(f"{BASE}/runs/{{run_id}}/export")
def export_run(session: UsingSession, caller: PageCaller, run_id: Id) -> Response:
    """Figures, curve and questions as a workbook."""
    require(caller.grants, Action.RUN_TESTS)
    run, now = bench_runs.read_run(session, run_id), utc_now()
    lines = lines_of(session, run)
    content = run_xlsx(run, lines, titles_of(session, codes_in(lines), caller, now))
    return _workbook(content, f"zhida-test-{run.id}", now)


@router.get(f"{BASE}/compare")
def compare_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    before: Id,
    after: Id,
    show: Changed | None = None,
    page_number: PageNumber = 1,
) -> HTMLResponse:
    """What got better and worse, and how sure that is."""
    require(caller.grants, Action.RUN_TESTS)
    one, other = bench_runs.read_run(session, before), bench_runs.read_run(session, after)
    bench_runs.comparable(one, other)
    pairs = pairs_of(session, one, other)
    chosen = [pair for pair in pairs if show is None or pair.changed is show]
    if show is None:
        chosen.sort(key=lambda pair: (pair.changed is Changed.SAME, pair.changed is Changed.WORSE, pair.case.number))
    rows = chosen[offset_of(page_number) : offset_of(page_number) + PAGE_SIZE]
    found = compare([pair.before.judged for pair in pairs], [pair.after.judged for pair in pairs])
    query = {"before": str(before), "after": str(after)}
    context = {
        "before": one,
        "after": other,
        "settings": [RunSettings.of(run.settings).described() for run in (one, other)],
        "found": found,
        "differences": differences(found),
        "points": points_text,
        "percent": percent,
        "rows": rows,
        "show": show,
        "kinds": list(Changed),
        "counts": {Changed.BETTER: found.better, Changed.WORSE: found.worse, Changed.SAME: found.unchanged},
        "listing": Listing(f"{BASE}/compare", {**query, "show": show or ""}, page_number, len(chosen)),
        "titles": titles_of(session, codes_in(line for p in rows for line in (p.before, p.after)), caller, utc_now()),
    }
    return page(request, "test_compare.html", caller, context)


@router.get(f"{BASE}/compare/export")
def export_comparison(session: UsingSession, caller: PageCaller, before: Id, after: Id) -> Response:
    """The whole comparison as a workbook."""
    require(caller.grants, Action.RUN_TESTS)
    one, other = bench_runs.read_run(session, before), bench_runs.read_run(session, after)
    bench_runs.comparable(one, other)
    pairs, now = pairs_of(session, one, other), utc_now()
    found = compare([pair.before.judged for pair in pairs], [pair.after.judged for pair in pairs])
    titles = titles_of(session, codes_in(line for p in pairs for line in (p.before, p.after)), caller, now)
    return _workbook(comparison_xlsx((one, other), found, pairs, titles), f"zhida-compare-{before}-{after}", now)


@router.get(f"{BASE}/cases/{{case_id}}")
def case_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    case_id: Id,
    run: Annotated[list[Id] | None, Query(max_length=MOST_SIDE_BY_SIDE)] = None,
) -> HTMLResponse:
    """One question: what each of these runs found, side by side; without any named, what the latest found."""
    require(caller.grants, Action.RUN_TESTS)
    case = session.get(TestCase, case_id)
    if case is None:
        raise NotFound("没有这道题，可能测试集已被删除。")
    query = select(TestRun, TestResult).join(TestResult, TestResult.run_id == TestRun.id)
    of_case = query.where(TestResult.case_id == case_id)
    named = of_case.where(TestRun.id.in_(run)).order_by(TestRun.id) if run else of_case.order_by(TestRun.id.desc())
    found = session.execute(named.limit(MOST_SIDE_BY_SIDE)).tuples().all()
    lines = [(r, CaseLine(case, result, bench_runs.judged(result, bool(case.expected)))) for r, result in found]
    codes = {*case.expected, *codes_in(line for _, line in lines)}
    context = {"case": case, "lines": lines, "titles": titles_of(session, codes, caller, utc_now())}
    return page(request, "test_case.html", caller, context)


def _state(session: Session, run: TestRun) -> dict[str, object]:
    """What the head of the page needs."""
    return {
        "run": run,
        "settings": RunSettings.of(run.settings).described(),
        "behind": waiting_behind(session, run),
        "goes_on": run.status in bench_runs.UNDER_WAY,
        "percent_done": round(100 * run.done / run.total) if run.total else 0,
    }


def _found(
    session: Session, run: TestRun, caller: Caller, *, show: Shown, threshold: float | None, page_number: int
) -> dict[str, object]:
    """Figures and curve of a run that is done; questions as far as it went."""
    lines = lines_of(session, run)
    chosen = [line for line in lines if line.is_among(show)]
    rows = chosen[offset_of(page_number) : offset_of(page_number) + PAGE_SIZE]
    filters = {"show": show if show is not Shown.ALL else "", "threshold": f"{threshold:g}" if threshold else ""}
    context: dict[str, object] = {
        "rows": rows,
        "show": show,
        "shown": [(kind, sum(line.is_among(kind) for line in lines)) for kind in Shown],
        "listing": Listing(f"{BASE}/runs/{run.id}", filters, page_number, len(chosen)),
        "titles": titles_of(session, codes_in(rows), caller, utc_now()),
        "figures": [],
        "threshold": threshold,
        "percent": percent,
    }
    if run.status is not RunStatus.DONE:
        return context
    curve, direct = Curve.of([line.judged for line in lines]), float(run.circumstances["direct"])
    point = curve.at(direct)
    others = select(TestRun).where(TestRun.set_id == run.set_id, TestRun.id != run.id)
    comparable = others.where(TestRun.status == RunStatus.DONE).order_by(TestRun.id.desc()).limit(PAGE_SIZE)
    return context | {
        "figures": figures_of(run.summary["figures"]),
        "kinds": run.summary["kinds"],
        "counts": run.summary["figures"],
        "drawing": drawing_of(curve, point),
        "point": point,
        "moves": curve.moves(direct),
        "tried": curve.move(direct, threshold) if threshold else None,
        "points": table_of(curve, direct),
        "others": list(session.scalars(comparable)),
    }


def _workbook(content: bytes, name: str, now: datetime) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}-{dates.day(now)}.xlsx"'}
    return Response(content, media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)
