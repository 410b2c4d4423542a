"""Who answers while the service still starts: a small process that says so, and that the process lives."""

import json
import os
import signal
import socket
from html import escape

import uvicorn
from starlette.types import Receive, Scope, Send

from api.connections import Connection
from api.limits import NOT_KEPT, SECURITY_HEADERS
from api.supervisor import end_with_parent

RETRY_SECONDS = 3
SENTENCE = "服务正在启动，正在载入知识条目，请过几秒再试。"
PAGE = (
    '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta http-equiv="refresh" content="{seconds}">'
    "<title>正在启动</title><main><h1>正在启动</h1><p>{sentence}</p></main></html>"
)
GRACE_SECONDS = 1


def greet(listener: socket.socket) -> int:
    """Forks off the process that answers until it is told to end; its process id. To be called before any thread."""
    parent = os.getpid()
    process_id = os.fork()
    if process_id:
        return process_id
    try:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.default_int_handler)
        end_with_parent(parent)
        config = uvicorn.Config(
            answer,
            http=Connection,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        os._exit(0)


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    """The process lives and is not ready; whoever asks something else is told to come back."""
    path = scope["path"]
    if path == "/healthz":
        status, kind, body = 200, "application/json", json.dumps({"status": "ok"})
    elif path == "/readyz":
        status, kind = 503, "application/json"
        body = json.dumps({"status": "not ready", "reasons": ["正在载入知识条目。"]}, ensure_ascii=False)
    elif path.startswith("/api/"):
        status, kind = 503, "application/json"
        shape = {"code": "starting", "message": SENTENCE, "details": []}
        body = json.dumps({"error": shape}, ensure_ascii=False)
    else:
        status, kind = 503, "text/html; charset=utf-8"
        body = PAGE.format(seconds=RETRY_SECONDS, sentence=escape(SENTENCE))
    content = body.encode()
    headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"}
    if status != 200:
        headers["Retry-After"] = str(RETRY_SECONDS)
    pairs = [(k.encode(), v.encode()) for k, v in {**headers, **SECURITY_HEADERS, **NOT_KEPT}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})
