"""The door: log in, log out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.security import (
    SESSION_COOKIE,
    TooManyAttempts,
    WrongCredentials,
    address_of,
    check_csrf,
    clear_session_cookie,
    log_in,
    log_out,
    refuse_cross_site,
    safe_next,
    set_session_cookie,
)
from api.templating import home_of, templates
from api.wiring import UsingServices, UsingSession, get_services
from kb_admin.permissions import Grant, grants_of
from models.organisation import Person

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page(request: Request, next: str = "/") -> HTMLResponse:
    """The form."""
    return _form(request, next, login="", message="", status=200)


@router.post("/login", dependencies=[Depends(refuse_cross_site)])
def enter(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    login: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Open a login session in place of the one the browser had, or show the form again with what was wrong.

    The password is not sent back.
    """
    try:
        address = address_of(request)
        token = log_in(session, login, password, utc_now(), settings=services.settings, address=address)
    except WrongCredentials as error:
        return _form(request, next, login=login, message=str(error), status=401)
    except TooManyAttempts as error:
        return _form(request, next, login=login, message=str(error), status=429)
    log_out(session, request.cookies.get(SESSION_COOKIE))
    session.commit()
    target = safe_next(next)
    response = RedirectResponse(home_of(_grants(session, login)) if target == "/" else target, 303)
    set_session_cookie(response, token, request)
    return response


@router.post("/logout", dependencies=[Depends(check_csrf)])
def leave(request: Request, session: UsingSession) -> Response:
    """End the login session."""
    log_out(session, request.cookies.get(SESSION_COOKIE))
    session.commit()
    response = RedirectResponse("/login", 303)
    clear_session_cookie(response)
    return response


def _grants(session: Session, login: str) -> frozenset[Grant]:
    """Roles of who has just logged in."""
    return grants_of(session.scalars(select(Person).where(Person.login == login.strip())).one())


def _form(request: Request, target: str, *, login: str, message: str, status: int) -> HTMLResponse:
    context = {
        "next": safe_next(target),
        "login": login,
        "message": message,
        "demonstration": get_services(request).demonstration,
    }
    return templates.TemplateResponse(request, "login.html", context, status)
