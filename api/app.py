"""The web application: routes, pages, static files, and what surrounds every request."""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from api import VERSION, errors, pages, pages_rating, v1, watching
from api.health import Readiness
from api.limits import BodyLimit, FormEncoding, SecurityHeaders
from api.logs import RequestLog
from api.queueing import Bounds, Queue, Turns
from api.settings import Settings
from api.templating import STATIC_FOLDER
from api.wiring import Services

PAGES = Bounds(at_once=8, longest=128, wait_seconds=10.0)
"""Pages other than the search box: with the searches and suggestions under way they leave threads to spare."""
SUGGESTION_WAIT_SECONDS = 1.0
"""A suggestion that comes later is for something that is no longer typed."""

DESCRIPTION = """直答的程序接口。在 `Authorization` 头中给出令牌（`Bearer …`，由 `zhida token create` 发放），
程序即以该令牌所属人员的权限工作。所有错误的形状相同：`{"error": {"code", "message", "details"}}`。"""


def create_app(services: Services) -> FastAPI:
    """The application of one process. While it runs, its follower keeps the index up to date, and its worker
    does what falls due."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.start()
        try:
            yield
        finally:
            services.stop()

    app = FastAPI(
        title="直答 Zhida",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # Swagger's page loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # it would lead to whatever host the request names
        generate_unique_id_function=_operation_name,
    )
    app.state.services = services
    app.state.citizens = pages_rating.visits()
    app.state.readiness = Readiness(services)
    app.include_router(watching.router)
    app.include_router(v1.router)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    errors.install(app)
    settings = services.settings
    app.add_middleware(BodyLimit, request_bytes=settings.request_bytes, import_bytes=settings.import_bytes)
    app.add_middleware(FormEncoding)
    app.add_middleware(Turns, queues=lambda: queues_of(services), respond=errors.overloaded)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog, measures=services.measures, quiet=watching.QUIET)
    services.measures.declare_routes(list(_routes(app.routes)))
    return app


def queues_of(services: Services) -> dict[str, Queue]:
    """The queues of one process."""
    settings, measures = services.settings, services.measures
    at_once = at_once_of(settings)
    bounds = {
        "search": Bounds(at_once, settings.queue_length, settings.queue_seconds),
        "suggest": Bounds(at_once, settings.queue_length, min(SUGGESTION_WAIT_SECONDS, settings.queue_seconds)),
        "page": PAGES,
    }
    return {name: Queue(name, each, measures) for name, each in bounds.items()}


def at_once_of(settings: Settings) -> int:
    """Searches under way in one process: its share of the cores, and one more, as each also waits for the database."""
    return settings.search_at_once or -(-(os.cpu_count() or 1) // settings.workers) + 1


def _routes(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and path template of each."""
    for context in iter_route_contexts(routes):
        methods = ("GET", "HEAD") if isinstance(context.original_route, Mount) else sorted(context.methods or ())
        yield from ((method, context.path or "") for method in methods)


def _operation_name(route: APIRoute) -> str:
    return route.name
