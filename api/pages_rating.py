"""/r/…: the page behind the link in a text message, for a telephone, without login and without scripts."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, TypedDict

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.errors import status_of
from api.limits import PerAddress
from api.rating_texts import judged
from api.security import address_of
from api.templating import static, templates
from api.wiring import UsingSession
from kb_admin import rating_links
from kb_admin.rating_links import LinkExpired, LinkUsed
from models.errors import Conflict, Invalid, NotFound, ZhidaError
from models.incoming import RatingLink
from models.values import FaultReason, Judgement

router = APIRouter(include_in_schema=False)
VISITS = 60
VISITS_WITHIN = timedelta(minutes=1)
"""Some twenty callers behind one address may judge in the same minute: each opens, sends, and is thanked."""
LONGEST_NOTE = 500
Token = Annotated[str, Path(max_length=64)]
HEADERS = {"X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}
"""The address is the secret: it is told to no other site and listed by no search engine."""


@dataclass(frozen=True)
class Given:
    """The fields of the form as they came, for nobody has to fill them in again."""

    form: str = ""
    judgement: str = ""
    reason: str = ""
    note: str = ""


def given_part(
    form: Annotated[str, Form(max_length=64)] = "",
    judgement: Annotated[str, Form(max_length=24)] = "",
    reason: Annotated[str, Form(max_length=24)] = "",
    note: Annotated[str, Form()] = "",
) -> Given:
    """Dependency: what the citizen sent."""
    return Given(form, judgement, reason, note)


def visits() -> PerAddress:
    """What one process remembers of who came."""
    return PerAddress(VISITS, VISITS_WITHIN)


@router.get("/r/{token}")
def rating_page(request: Request, session: UsingSession, token: Token) -> Response:
    """What was asked, what may be shown of the answer, and the two buttons. Looking changes nothing."""
    now = utc_now()
    if not _may_come(request, now):
        return _too_often(request)
    try:
        link = rating_links.open_link(session, token, now)
    except (NotFound, LinkUsed, LinkExpired) as error:
        return _closed(request, error)
    return _form(request, session, link, token, now)


@router.post("/r/{token}")
def rate(
    *,
    request: Request,
    session: UsingSession,
    token: Token,
    given: Annotated[Given, Depends(given_part)],
) -> Response:
    """The verdict; what is missing is said above the form, with everything kept."""
    now = utc_now()
    if not _may_come(request, now):
        return _too_often(request)
    try:
        link = rating_links.open_link(session, token, now)
        said = _said(session, token, given, now)
    except (NotFound, LinkUsed, LinkExpired) as error:
        return _closed(request, error)
    except Invalid as error:
        return _form(request, session, link, token, now, fault=str(error), given=given)
    try:
        rating_links.rate(session, token, **said, now=now)
    except (Invalid, Conflict, NotFound) as error:
        session.rollback()
        return _closed(request, error)
    session.commit()
    return RedirectResponse(f"/r/{token}/thanks", HTTPStatus.SEE_OTHER, headers=HEADERS)


@router.get("/r/{token}/thanks")
def thanks_page(request: Request, session: UsingSession, token: Token) -> Response:
    """After a verdict; without one, back to the question."""
    now = utc_now()
    if not _may_come(request, now):
        return _too_often(request)
    try:
        link = rating_links.find_link(session, token, now)
    except NotFound as error:
        return _closed(request, error)
    if link.used_at is None:
        return RedirectResponse(f"/r/{token}", HTTPStatus.SEE_OTHER, headers=HEADERS)
    return _page(request, "rated.html", {"title": "感谢您的评价", "message": "评价已经收到，会用来改进答复。"}, 200)


class Said(TypedDict):
    judgement: Judgement
    reason: FaultReason | None
    note: str


def _said(session: Session, token: str, given: Given, now: datetime) -> Said:
    """What the form says. Raises Invalid, telling the citizen what to do."""
    if not hmac.compare_digest(given.form.encode(), rating_links.form_key(session, token, now).encode()):
        raise Invalid("页面已过期，请再按一次。")
    if len(given.note.strip()) > LONGEST_NOTE:
        raise Invalid(f"说明请不要超过 {LONGEST_NOTE} 字。")
    if given.judgement == Judgement.CORRECT:
        return {"judgement": Judgement.CORRECT, "reason": None, "note": ""}
    if given.judgement != Judgement.INCORRECT:
        raise Invalid("请选择“正确”或“有误”。")
    why = next((value for value in FaultReason if value == given.reason), None)
    if why is None:
        raise Invalid("请选择哪里有误。")
    return {"judgement": Judgement.INCORRECT, "reason": why, "note": given.note}


def _form(
    request: Request,
    session: Session,
    link: RatingLink,
    token: str,
    now: datetime,
    *,
    fault: str = "",
    given: Given | None = None,
) -> HTMLResponse:
    context = {
        "judged": judged(session, link, now),
        "token": token,
        "form_key": rating_links.form_key(session, token, now),
        "reasons": list(FaultReason),
        "fault": fault,
        "given": given or Given(),
        "longest_note": LONGEST_NOTE,
        "expires": link.expires_at,
    }
    return _page(request, "rate.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK)


def _closed(request: Request, error: ZhidaError) -> HTMLResponse:
    gone = isinstance(error, LinkUsed | LinkExpired)
    title = "已经评价过了" if isinstance(error, LinkUsed) else "不能评价"
    return _page(
        request,
        "rated.html",
        {"title": title, "message": str(error)},
        HTTPStatus.GONE if gone else status_of(error)[0],
    )


def _too_often(request: Request) -> HTMLResponse:
    message = "来自您所在网络的访问太多，请一分钟后再打开。"
    return _page(request, "rated.html", {"title": "请稍后再试", "message": message}, HTTPStatus.TOO_MANY_REQUESTS)


def _may_come(request: Request, now: datetime) -> bool:
    came: PerAddress = request.app.state.citizens
    return came.let_in(address_of(request), now)


def _page(request: Request, name: str, context: Mapping[str, object], status: int) -> HTMLResponse:
    whole = {"style": static("public.css"), **context}
    response: HTMLResponse = templates.TemplateResponse(request, name, whole, status, headers=dict(HEADERS))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = str(int(VISITS_WITHIN.total_seconds()))
    return response
