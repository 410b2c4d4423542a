"""The log: a number for every request, in all that is logged while it is answered, and one line when it is.

Never in the log: what was asked, what was typed into a form, tokens and passwords. An address is logged by its template
(``/entries/{code}``), without what stands behind the question mark.
"""

import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.measures import Measures
from api.metrics import OTHER
from api.settings import LogForm

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{3,63}")
"""What a proxy may give as the number of a request: nothing that breaks a line, a header or a page."""
IN_SCOPE = "zhida.request"
KNOWN_ABSENT = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request_id", "taskName"}
"""Fields of every log record; others were given by who logs."""

access = logging.getLogger("zhida.access")


@dataclass
class RequestFacts:
    """What the lines about a request say of it."""

    id: str
    person_id: int | None = None
    """Once it is known who asks."""


_current: ContextVar[RequestFacts | None] = ContextVar("request", default=None)


def note_person(person_id: int) -> None:
    """Who asks, for the line that the request ends with."""
    facts = _current.get()
    if facts is not None:
        facts.person_id = person_id


def request_id_of(scope: Scope) -> str:
    """The number of the request; empty where nobody has given it one."""
    facts = scope.get(IN_SCOPE)
    return facts.id if isinstance(facts, RequestFacts) else ""


def write_to_stderr(form: LogForm, level: int = logging.INFO) -> None:
    """Let everything that is logged go to standard error in that form; of other people's libraries only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if form is LogForm.JSON else _TextLines())
    handler.addFilter(_with_request_id)
    root = logging.getLogger()
    for former in root.handlers[:]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    access.setLevel(level)


class RequestLog:
    """Outermost of what surrounds the application: numbers the request, counts it, writes its line.

    A number that the proxy gives in X-Request-ID is kept if it is harmless, so that both logs can be laid side by side.
    """

    def __init__(self, app: ASGIApp, measures: Measures, quiet: frozenset[str] = frozenset()) -> None:
        """``quiet``: paths that get no line, because they are asked for every few seconds."""
        self.app = app
        self.measures = measures
        self.quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        facts = RequestFacts(_id_of(Headers(scope=scope).get(HEADER)))
        scope[IN_SCOPE] = facts
        token = _current.set(facts)
        started = time.perf_counter()
        status = 500  # what escapes is answered outside, with this
        name = (HEADER.lower().encode(), facts.id.encode())

        async def send_numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), name]
            await send(message)

        try:
            await self.app(scope, receive, send_numbered)
        finally:
            took = time.perf_counter() - started
            route = route_of(scope)
            self.measures.count_request(scope["method"], route, status, took)
            if scope["path"] not in self.quiet:
                _write_line(scope["method"], route, status, took, facts)
            _current.reset(token)


def route_of(scope: Scope) -> str:
    """The template of the path, as the route declares it; OTHER where no route fits."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(included, "path", None) or getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else OTHER


def _write_line(method: str, route: str, status: int, seconds: float, facts: RequestFacts) -> None:
    if access.isEnabledFor(logging.INFO):
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "person": facts.person_id,
        }
        access.info("%s %s %s", method, route, status, extra=fields)


def _id_of(given: str | None) -> str:
    return given if given is not None and SANE.fullmatch(given) else secrets.token_hex(8).upper()


def _with_request_id(record: logging.LogRecord) -> bool:
    facts = _current.get()
    record.request_id = facts.id if facts is not None else ""
    return True


class _TextLines(logging.Formatter):
    """For people: time, level, who says it, in which request, what."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        line = super().formatMessage(record)
        given = " ".join(f"{key}={value}" for key, value in _given(record).items() if key not in SAID_ALREADY)
        number = f"[{_number(record)}]" if _number(record) else ""
        return " ".join(part for part in (line, given, number) if part)


SAID_ALREADY = frozenset({"method", "route", "status"})


class _JsonLines(logging.Formatter):
    """One object a line, for what collects logs."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **({"request": _number(record)} if _number(record) else {}),
            **_given(record),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def _given(record: logging.LogRecord) -> dict[str, Any]:
    """What was given beside the sentence."""
    return {key: value for key, value in record.__dict__.items() if key not in KNOWN_ABSENT}


def _number(record: logging.LogRecord) -> str:
    """Of the request in which it was logged; empty outside of one."""
    return str(record.__dict__.get("request_id", ""))
