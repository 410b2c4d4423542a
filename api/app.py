"""The web application: routes, pages, static files, and what surrounds every request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from api import VERSION, errors, pages, pages_rating, v1
from api.limits import BodyLimit, FormEncoding, SecurityHeaders
from api.templating import STATIC_FOLDER
from api.wiring import Services

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
    app.include_router(v1.router)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    errors.install(app)
    settings = services.settings
    app.add_middleware(BodyLimit, request_bytes=settings.request_bytes, import_bytes=settings.import_bytes)
    app.add_middleware(FormEncoding)
    app.add_middleware(SecurityHeaders)
    return app


def _operation_name(route: APIRoute) -> str:
    return route.name
