"""What watches over the service asks these: liveness, readiness, metrics. For machines, so without pages."""

import hmac

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from api.health import Readiness
from api.metrics import CONTENT_TYPE
from api.wiring import get_services
from models.errors import Forbidden

router = APIRouter(include_in_schema=False)
LOCAL = frozenset({"127.0.0.1", "::1"})
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
"""With one of these, a request came through a proxy: from where, its sender may have said."""
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds: no line in the log for each."""


@router.get("/healthz")
async def alive() -> Response:
    """The process lives: it answers this. Nothing else is looked at, so a database that is away restarts nobody."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """Whether a request may be sent here now; if not, why."""
    readiness: Readiness = request.app.state.readiness
    obstacles = await run_in_threadpool(readiness.obstacles)
    if obstacles:
        return JSONResponse({"status": "not ready", "reasons": obstacles}, 503, headers={"Retry-After": "2"})
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """All that is counted, of all processes of the service; for those who hold the token or sit at this machine."""
    services = get_services(request)
    _require_watcher(request, services.settings.metrics_token.get_secret_value())
    return PlainTextResponse(services.measures.metrics.text(), media_type=CONTENT_TYPE)


def _require_watcher(request: Request, token: str) -> None:
    if token:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        allowed = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    else:
        local = request.client is not None and request.client.host in LOCAL
        allowed = local and not any(name in request.headers for name in FORWARDED)
    if not allowed:
        raise Forbidden("运行指标只供本机或持有令牌的监控程序读取，见 docs/operations.md。")
