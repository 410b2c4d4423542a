"""The JSON API under /api/v1: asking, suggestions, entries, feedback, gaps, health."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api import VERSION, asking, health, public, reading, schemas, v1_entries, v1_files, v1_incoming, v1_thesaurus
from api.clock import utc_now
from api.security import UsingCaller, person_of
from api.viewing import note_entry
from api.wiring import UsingServices, UsingSession
from kb_admin import feedback

ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.ErrorResponse, "description": "没有登录，或令牌无效。"},
    403: {"model": schemas.ErrorResponse, "description": "您的岗位不能进行此项操作。"},
    422: {"model": schemas.ErrorResponse, "description": "提交的内容有误，逐项列出。"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ErrorResponse, "description": "不存在，或您无权查看：两者不加区分。"}
}

router = APIRouter(prefix="/api/v1", responses=ERRORS)


@router.post("/search", summary="提问", tags=["查询"])
def search(
    asked: schemas.SearchRequest, services: UsingServices, session: UsingSession, caller: UsingCaller
) -> schemas.SearchResponse:
    """按来电人的原话查找条目。答复取自已发布的条目，一字不改；结论为可直接答复、请核对或未找到。

    只返回您有权查看、此刻有效的条目。每次提问都记录在案，评价和登记缺失时要用 `question_id`。
    """
    found = asking.ask(services, session, asked.query, caller, utc_now(), k=asked.k, literal=asked.literal)
    response = schemas.search_response(found)
    session.commit()
    return response


@router.get("/suggest", summary="输入提示", tags=["查询"])
def suggest(
    services: UsingServices, caller: UsingCaller, q: Annotated[str, Query(description="已输入的文字。")] = ""
) -> schemas.SuggestResponse:
    """已有问法中与正在输入的文字相符的，每个条目至多一个。"""
    found = asking.suggest(services, q, caller, utc_now())
    return schemas.SuggestResponse(
        suggestions=[schemas.SuggestionShown(entry_id=s.entry_id, text=s.text, internal=s.internal) for s in found]
    )


@router.get("/entries/{code}", summary="查看条目", tags=["条目"], responses=NOT_FOUND)
def entry(code: str, services: UsingServices, session: UsingSession, caller: UsingCaller) -> schemas.EntryResponse:
    """条目的现行版本；有权查看经过的岗位，另得全部版本及其每一步流转。"""
    now = utc_now()
    read = reading.read_entry(session, code, caller, now)
    response = schemas.EntryResponse(
        code=read.entry.code,
        live=schemas.content_of(read.live) if read.live else None,
        in_force=read.in_force,
        searchable=reading.searchable(services, session, read.entry.id),
        versions=None if read.versions is None else [schemas.version_shown(v) for v in read.versions],
    )
    note_entry(session, read, caller, now)
    session.commit()
    return response


@router.post("/feedback", summary="评价答复", tags=["反馈"], responses=NOT_FOUND)
def judge(given: schemas.FeedbackRequest, session: UsingSession, caller: UsingCaller) -> schemas.FeedbackResponse:
    """评价某次提问中给出的某个版本。同一人对同一次提问再次评价，以后一次为准。"""
    verdict = feedback.judge(
        session,
        question_id=given.question_id,
        version_id=given.version_id,
        judgement=given.judgement,
        reason=given.reason,
        note=given.note,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    response = schemas.FeedbackResponse(verdict_id=verdict.id, judgement=verdict.judgement, reason=verdict.reason)
    session.commit()
    return response


@router.post("/gaps", summary="登记知识缺失", tags=["反馈"], responses=NOT_FOUND)
def record_gap(given: schemas.GapRequest, session: UsingSession, caller: UsingCaller) -> schemas.GapResponse:
    """没有答案的问题，用来电人的原话记下来，供热线办组织采编。同一次提问只记一条，再次提交即为更正。"""
    gap = feedback.record_gap(
        session,
        question_id=given.question_id,
        text=given.text,
        note=given.note,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    response = schemas.GapResponse(gap_id=gap.id, text=gap.text)
    session.commit()
    return response


@router.get(
    "/health",
    summary="健康检查",
    tags=["运行"],
    responses={503: {"model": schemas.HealthResponse, "description": "有一项不正常。"}},
)
def check_health(services: UsingServices, response: Response) -> schemas.HealthResponse:
    """数据库、检索和跟随进程此刻是否正常；不正常时状态码为 503。无需登录。"""
    found = health.examine(services)
    response.status_code = 200 if found.well else 503
    return schemas.HealthResponse(
        status="ok" if found.well else "failing",
        database=found.database,
        index_entries=found.index_entries,
        published_entries=found.published_entries,
        follower_behind=found.follower_behind,
        follower_running=found.follower_running,
        overdue_seconds=found.overdue_seconds,
        model=found.model,
    )


@router.get("/version", summary="版本", tags=["运行"])
def version() -> schemas.VersionResponse:
    """程序与接口的版本。无需登录。"""
    return schemas.VersionResponse(name="zhida", version=VERSION, api="v1")


router.include_router(v1_entries.router)
router.include_router(v1_files.router)
router.include_router(v1_incoming.router)
router.include_router(v1_thesaurus.router)
router.include_router(public.api)
