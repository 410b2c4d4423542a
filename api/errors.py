"""What an error becomes outside: one table of status codes, one JSON shape, one page."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.database_faults import BUSY, UNFIT, in_words
from api.limits import NOT_KEPT, SECURITY_HEADERS
from api.logs import HEADER, request_id_of, route_of
from api.queueing import RETRY_SECONDS, Overloaded
from api.security import SAFE_METHODS, NotLoggedIn, TooManyAttempts, WrongCredentials
from api.templating import error_page
from models.errors import Conflict, FileRefused, Forbidden, Invalid, NotFound, Unavailable, ZhidaError

logger = logging.getLogger(__name__)

KINDS: tuple[tuple[type[ZhidaError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (NotLoggedIn, 401, "not_logged_in"),
    (WrongCredentials, 401, "wrong_credentials"),
    (TooManyAttempts, 429, "too_many_attempts"),
    (Forbidden, 403, "forbidden"),
    (FileRefused, 422, "file_refused"),
    (Invalid, 422, "invalid"),
    (Conflict, 409, "conflict"),
    (Unavailable, 503, "unavailable"),
)
"""The first kind that fits counts, so a narrower kind stands above the wider one."""

TITLES = {
    400: "请求无法识别",
    401: "需要登录",
    403: "没有权限",
    404: "没有找到",
    405: "不支持的操作",
    408: "发送超时",
    409: "内容已有变化",
    413: "内容过大",
    415: "不支持的格式",
    422: "内容有误",
    429: "操作过于频繁",
    500: "系统出错",
    503: "暂时不可用",
}
MESSAGES = {
    400: "请求的格式无法识别，请检查后重新提交。",
    404: "没有找到您要的页面或内容，可能已被移走，或您无权查看。",
    405: "这个地址不支持此种请求方式。",
    408: "提交的内容没有在规定的时间内传完，请检查网络后重试。",
    422: UNFIT,
    503: BUSY,
    415: "提交的内容不是本系统能读的格式：表单须为 UTF-8 编码，文件只在导入页上传。",
    413: "提交的内容超过了允许的大小，请缩小或分批后再提交。",
    500: "系统出现意外错误，您的上一步操作可能没有保存。请重试；仍不成功时请把错误编号告诉系统管理员。",
}
OVERLOADED = "此刻使用的人太多，请过几秒再试。"
HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    500: "internal",
}

PROBLEMS: dict[str, str] = {
    "missing": "缺少此项",
    "extra_forbidden": "没有这一项",
    "string_type": "应为文字",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_unicode": "含有无法识别的字符",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "float_parsing": "应为数字",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "enum": "应为下列之一：{expected}",
    "literal_error": "应为下列之一：{expected}",
    "json_invalid": "不是有效的 JSON",
    "model_attributes_type": "应为 JSON 对象",
    "dict_type": "应为 JSON 对象",
}
"""Pydantic's kinds of error, in words for people."""


@dataclass(frozen=True)
class Failure:
    """An error as it leaves the service."""

    status: int
    code: str
    message: str
    details: Sequence[Mapping[str, str]] = ()
    """``field`` and ``problem`` of each fault in what was sent."""
    headers: Mapping[str, str] = field(default_factory=dict)


def install(app: FastAPI) -> None:
    """Let every error leave the application in the one shape: JSON for programs, a page for people."""
    app.add_exception_handler(ZhidaError, _our_error)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(Exception, _unforeseen)


def status_of(error: ZhidaError) -> tuple[int, str]:
    """HTTP status and code word of one of our errors."""
    return next((status, code) for kind, status, code in KINDS if isinstance(error, kind))


def is_api(request: Request) -> bool:
    """Whether a program is asking, which gets JSON instead of a page; a person may follow a link to a download."""
    return request.url.path.startswith("/api/") and "text/html" not in request.headers.get("accept", "")


def respond(request: Request, failure: Failure) -> Response:
    """The error as JSON for programs, as a page for people."""
    if not is_api(request):
        context = {
            "status": failure.status,
            "title": TITLES.get(failure.status, "请求没有成功"),
            "message": failure.message,
            "kept": "",
            "request_id": request_id_of(request.scope),
        }
        return error_page(request, context, failure.status, failure.headers)
    shape = {"code": failure.code, "message": failure.message, "details": list(failure.details)}
    return JSONResponse({"error": shape}, failure.status, headers=dict(failure.headers))


def _our_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ZhidaError)
    if isinstance(error, NotLoggedIn) and not is_api(request):
        return _to_login(request)
    status, code = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(max(1, round(error.wait.total_seconds())))
    if isinstance(error, NotLoggedIn):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(request, Failure(status, code, str(error), headers=headers))


def _to_login(request: Request) -> Response:
    """After a form the way back is the page that held it, which we do not know: home."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = asked if request.method in SAFE_METHODS else "/"
    return RedirectResponse(f"/login?next={quote(target, safe='')}", status_code=303)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details = [{"field": _field(e["loc"]), "problem": _problem(e)} for e in error.errors()]
    message = "；".join(f"{d['field']}：{d['problem']}" for d in details)
    return respond(request, Failure(422, "invalid", f"提交的内容有误。{message}。", details))


def _field(loc: Sequence[str | int]) -> str:
    """``("body", "hits", 0, "id")`` → ``hits.0.id``; the body itself has no name of its own."""
    names = [str(part) for part in loc[1:] if not (loc[0] == "body" and isinstance(part, int) and len(loc) == 2)]
    return ".".join(names).encode(errors="replace").decode() or "请求内容"


def _problem(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    sentence = PROBLEMS.get(fault["type"])
    if sentence is None:
        return f"格式不正确（{fault['type']}）"
    facts = dict(fault.get("ctx") or {})
    facts["expected"] = str(facts.get("expected", "")).replace(" or ", "、").replace("'", "")
    return sentence.format_map(facts)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    message = MESSAGES.get(status, f"请求没有成功（{status}）。")
    code = HTTP_CODES.get(status, f"http_{status}")
    return respond(request, Failure(status, code, message, headers=error.headers or {}))


def overloaded(request: Request) -> Response:
    """To who is not let in, because too many wait already."""
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return respond(request, Failure(503, "overloaded", OVERLOADED, headers=headers))


def _overloaded(request: Request, _error: Exception) -> Response:
    return overloaded(request)


def _database_error(request: Request, error: Exception) -> Response:
    """What nobody outside can mend is our own fault and goes the way of the unforeseen."""
    assert isinstance(error, SQLAlchemyError)
    told = in_words(error)
    if told is None:
        raise error
    logger.error("%s %s: %s", request.method, route_of(request.scope), error)
    return _our_error(request, told)


def _unforeseen(request: Request, error: Exception) -> Response:
    """The server logs the traceback; outside, a number leads to it."""
    number = request_id_of(request.scope) or secrets.token_hex(8).upper()
    logger.error("错误 %s：%s %s: %r", number, request.method, route_of(request.scope), error)
    message = f"{MESSAGES[500]}错误编号：{number}。"
    # Starlette answers this one outside our middleware, so the headers are brought along
    return respond(request, Failure(500, "internal", message, headers=SECURITY_HEADERS | NOT_KEPT | {HEADER: number}))
