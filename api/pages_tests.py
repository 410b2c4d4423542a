"""测试: the sets with their runs, one set with its questions, a new run of it, and its end."""

from dataclasses import dataclass
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from api.bench_indexes import check_model, model_names
from api.bench_views import titles_of
from api.clock import utc_now
from api.form_fields import moment_given
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.schemas import Id
from api.security import check_csrf, person_of
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from kb_admin import bench_runs, bench_sets
from kb_admin.bench_runs import NO_MODEL, SHIPPED, RunSettings
from kb_admin.permissions import Action, require
from models.bench import SeenAs, TestCase, TestRun, TestSet
from models.errors import Invalid
from models.improvement import RankerFit

router = APIRouter(include_in_schema=False)
BASE = "/tests"
LATEST_RUNS = 30
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@dataclass(frozen=True)
class SetLine:
    """One set in the list."""

    test_set: TestSet
    cases: int
    runs: int


@router.get(BASE)
def overview_page(*, request: Request, session: UsingSession, caller: PageCaller, done: str = "") -> HTMLResponse:
    """All sets, and the latest runs."""
    require(caller.grants, Action.RUN_TESTS)
    sets = session.scalars(select(TestSet).options(joinedload(TestSet.created_by)).order_by(TestSet.id.desc())).all()
    cases = bench_sets.count_cases(session, [kept.id for kept in sets])
    counted = select(TestRun.set_id, func.count()).group_by(TestRun.set_id)
    runs = dict(session.execute(counted).tuples().all())
    context = {
        "sets": [SetLine(kept, cases.get(kept.id, 0), runs.get(kept.id, 0)) for kept in sets],
        "runs": _latest_runs(session),
        "done": done,
    }
    return page(request, "tests.html", caller, context)


@router.get(f"{BASE}/sets/{{set_id}}")
def set_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    set_id: Id,
    q: Annotated[str, Query(max_length=200)] = "",
    page_number: PageNumber = 1,
) -> HTMLResponse:
    """Its questions, its runs, and the form for another run."""
    require(caller.grants, Action.RUN_TESTS)
    kept = bench_sets.read_set(session, set_id)
    conditions = [TestCase.set_id == kept.id]
    if q.strip():
        conditions.append(TestCase.question.contains(q.strip(), autoescape=True))
    count = session.scalar(select(func.count(TestCase.id)).where(*conditions)) or 0
    some = select(TestCase).where(*conditions).order_by(TestCase.number)
    cases = session.scalars(some.limit(PAGE_SIZE).offset(offset_of(page_number))).all()
    codes = {code for case in cases for code in case.expected}
    context = {
        "set": kept,
        "whole": bench_sets.count_cases(session, [kept.id]).get(kept.id, 0),
        "cases": cases,
        "listing": Listing(f"{BASE}/sets/{kept.id}", {"q": q.strip()}, page_number, count),
        "q": q.strip(),
        "titles": titles_of(session, codes, caller, utc_now()),
        "runs": _latest_runs(session, kept.id),
        **_choices(services, session),
    }
    return page(request, "test_set.html", caller, context)


@router.post(f"{BASE}/sets/{{set_id}}/run", dependencies=[Depends(check_csrf)])
def start_run(
    *,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    set_id: Id,
    name: Annotated[str, Form()] = "",
    moment: Annotated[str, Form()] = "",
    model: Annotated[str, Form()] = "",
    without_reader: Annotated[bool, Form()] = False,
    weights: Annotated[str, Form(max_length=20)] = "",
    direct: Annotated[str, Form(max_length=20)] = "",
    choose: Annotated[str, Form(max_length=20)] = "",
    viewer: Annotated[SeenAs, Form()] = SeenAs.AGENT,
) -> RedirectResponse:
    """A run with these settings; it is done beside answering."""
    kept = bench_sets.read_set(session, set_id)
    at = moment_given(moment, name="知识库的时点")
    settings = RunSettings(
        moment=at.astimezone(UTC) if at else None,
        model=model,
        reader=not without_reader,
        direct=_threshold(direct, "直接答复阈值"),
        choose=_threshold(choose, "请核对阈值"),
        weights=weights,
        viewer=viewer,
    )
    check_model(services.settings, settings)
    run = bench_runs.start(session, kept, name, settings, actor=person_of(session, caller), now=utc_now())
    session.commit()
    return RedirectResponse(f"{BASE}/runs/{run.id}", 303)


@router.post(f"{BASE}/sets/{{set_id}}/drop", dependencies=[Depends(check_csrf)])
def drop_set(
    session: UsingSession,
    caller: PageCaller,
    set_id: Id,
    sure: Annotated[bool, Form()] = False,
    with_runs: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Delete a set, once its deletion has been confirmed."""
    kept = bench_sets.read_set(session, set_id)
    require(caller.grants, Action.RUN_TESTS)
    if not sure:
        raise Invalid("请先勾选“确定删除”。没有删除任何内容。")
    bench_sets.drop_set(session, kept, with_runs=with_runs, actor=person_of(session, caller))
    session.commit()
    return RedirectResponse(f"{BASE}?done=dropped", 303)


def _latest_runs(session: Session, set_id: int | None = None) -> list[TestRun]:
    query = select(TestRun).options(joinedload(TestRun.set), joinedload(TestRun.started_by))
    mine = query.where(TestRun.set_id == set_id) if set_id else query
    return list(session.scalars(mine.order_by(TestRun.id.desc()).limit(LATEST_RUNS)))


def _choices(services: Services, session: Session) -> dict[str, object]:
    """What the form for a run offers."""
    own = services.encoder.name if services.encoder else ""
    thresholds = services.index.means.thresholds
    return {
        "models": [name for name in model_names(services.settings) if name != own],
        "own_model": own or "仅按词语",
        "no_model": NO_MODEL,
        "shipped": SHIPPED,
        "fits": list(session.scalars(select(RankerFit).order_by(RankerFit.id.desc()).limit(LATEST_RUNS))),
        "viewers": list(SeenAs),
        "thresholds": thresholds,
        "has_reader": services.index.means.reader is not None,
    }


def _threshold(text: str, name: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise Invalid(f"{name}“{text}”不是数字，请写 0 到 1 之间的数，如 0.62。") from None
