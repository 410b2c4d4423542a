"""What the city office has released (清远 art. 4(3)1(4)): pages and a JSON Feed that anybody may read without login."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from pydantic import AwareDatetime

from api.clock import utc_now
from api.listing import PAGE_SIZE, offset_of
from api.pages_attachments import SHOWN_IN_PAGE
from api.public_entries import LINKS, PublicEntry, laid_out, titles_of
from api.schemas import Id
from api.templating import static, templates
from api.wiring import UsingServices, UsingSession
from kb_admin.releasing import count_public, public_codes, public_units, public_version, public_versions, released_files
from kb_admin.rules_in_force import city_rules
from models.errors import NotFound, Unavailable
from models.organisation import Unit

pages = APIRouter(include_in_schema=False)
api = APIRouter(tags=["对外发布"])

FEED_VERSION = "https://jsonfeed.org/version/1.1"
FEED_TYPE = "application/feed+json"
ASK_EACH_TIME = {"Cache-Control": "no-cache"}
"""May be kept, and is asked for again each time: what has been taken back is gone at once."""
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000, description="第几页。")]
Since = Annotated[AwareDatetime | None, Query(description="只要此刻起有变化的，如 2026-11-20T00:00:00+08:00。")]


@pages.get("/public")
def public_index(request: Request, session: UsingSession) -> Response:
    """Units, and how many entries of each are public."""
    now = utc_now()
    units = public_units(session, city_rules(session, now).rulebook.rights, now)
    return _page(request, "public_index.html", {"units": units, "links": LINKS})


@pages.get("/public/units/{unit_id}")
def public_unit(request: Request, session: UsingSession, unit_id: Id) -> Response:
    """One unit's entries, by category."""
    now = utc_now()
    unit = session.get(Unit, unit_id)
    categories = titles_of(session, unit_id, city_rules(session, now).rulebook.rights, now) if unit else []
    if unit is None or not categories:
        raise NotFound("没有这个单位，或它没有对外发布的信息。")
    return _page(request, "public_unit.html", {"unit": unit.name, "categories": categories, "links": LINKS})


@pages.get("/public/entries/{code:path}")
def public_entry(request: Request, session: UsingSession, code: str) -> Response:
    """One entry."""
    now = utc_now()
    version = public_version(session, code, city_rules(session, now).rulebook.rights, now)
    if version is None:
        raise NotFound("没有这条信息，或它没有对外发布。")
    (entry,) = laid_out(session, [version], now)
    return _page(request, "public_entry.html", {"entry": entry, "unit_id": version.entry.unit_id, "links": LINKS})


@pages.get("/public/files/{sha256}")
def public_file(
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], services: UsingServices, session: UsingSession
) -> FileResponse:
    """A picture or a form that belongs to a released entry."""
    now = utc_now()
    found = released_files(session, city_rules(session, now).rulebook.rights, now, sha256=sha256)
    if not found:
        raise NotFound("没有这个附件，或它没有对外发布。")
    file = services.settings.attachments_folder / sha256
    if not file.is_file():
        raise Unavailable(f"附件“{found[0].filename}”的文件不在服务器上。")
    shown = found[0].media_type in SHOWN_IN_PAGE
    return FileResponse(
        file,
        media_type=found[0].media_type if shown else "application/octet-stream",
        filename=found[0].filename,
        content_disposition_type="inline" if shown else "attachment",
        headers=ASK_EACH_TIME,
    )


@api.get("/public/feed.json", summary="公开条目", response_class=JSONResponse)
def feed(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    page_number: PageNumber = 1,
    since: Since = None,
) -> Response:
    """对外发布、此刻有效的公开条目（JSON Feed 1.1），新的在前，每页 50 条，`next_url` 为下一页。无需登录。

    `since` 只给出此刻起有变化的；收回、下架、到期的不会出现，对照 `codes` 删去副本中已没有的。
    每条的 `_zhida` 中有有效期：到了 `valid_to`，副本应自行撤下。
    """
    now, site = utc_now(), services.settings.site_url.rstrip("/")
    rights = city_rules(session, now).rulebook.rights
    count = count_public(session, rights, now, since=since)
    versions = public_versions(session, rights, now, since=since, limit=PAGE_SIZE, offset=offset_of(page_number))
    entries = laid_out(session, versions, now, file_address=lambda sha256: f"{site}/public/files/{sha256}")
    told: dict[str, Any] = {
        "version": FEED_VERSION,
        "title": "12345 热线知识库公开信息",
        "language": "zh-CN",
        "home_page_url": f"{site}/public",
        "feed_url": f"{site}{request.url.path}",
        "_zhida": {"count": count, "page": page_number},
    }
    if count > page_number * PAGE_SIZE:
        more = f"&since={since.isoformat().replace('+', '%2B')}" if since else ""
        told["next_url"] = f"{site}{request.url.path}?page={page_number + 1}{more}"
    told["items"] = [_item(entry, site) for entry in entries]
    return _unless_known(request, JSONResponse(told, media_type=FEED_TYPE))


@api.get("/public/codes", summary="公开条目的编号", response_class=JSONResponse)
def codes(request: Request, session: UsingSession) -> Response:
    """此刻对外发布的全部条目的编号：保存副本的网站据此撤下已没有的。无需登录。"""
    now = utc_now()
    listed = list(public_codes(session, city_rules(session, now).rulebook.rights, now))
    return _unless_known(request, JSONResponse({"codes": listed}))


def _item(entry: PublicEntry, site: str) -> dict[str, Any]:
    return {
        "id": entry.code,
        "url": f"{site}{LINKS.entry(entry.entry_id, entry.code)}",
        "title": entry.question,
        "content_html": str(entry.html),
        "date_modified": entry.changed_at.isoformat(timespec="seconds"),
        "authors": [{"name": entry.unit}],
        "tags": list(entry.keywords),
        "_zhida": {
            "category": entry.category,
            "bases": [{"document": b.document, "number": b.number} for b in entry.bases],
            "valid_from": _moment(entry.valid_from),
            "valid_to": _moment(entry.valid_to),
        },
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _page(request: Request, name: str, context: Mapping[str, object]) -> Response:
    whole = {"style": static("public.css"), **context}
    response: HTMLResponse = templates.TemplateResponse(request, name, whole)
    return _unless_known(request, response)


def _unless_known(request: Request, response: Response) -> Response:
    """304 for who has exactly this already."""
    tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    headers = {**ASK_EACH_TIME, "ETag": tag}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
