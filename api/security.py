"""Who is calling: passwords, login sessions, bearer tokens, CSRF, and the dependencies that routes ask."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import tee
from typing import Annotated

from fastapi import Depends, Form, Header, Request, Response
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.logs import note_person
from api.origins import Sender, sender_of
from api.passwords import LONGEST_PASSWORD, hash_password, is_outdated, password_fits, turn
from api.settings import Settings
from api.wiring import get_services
from kb_admin.permissions import Grant, Reach, grants_of, unit_ids_of
from kb_admin.rules_in_force import city_rights
from kb_admin.sharing import shared_unit_ids
from kb_admin.visibility import Onlooker, readable_history, viewer_of
from models.errors import Forbidden, Invalid, NotFound, ZhidaError
from models.organisation import ApiToken, FailedLogin, LoginSession, Person, Unit
from models.values import Viewer

SESSION_COOKIE = "zhida_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_BYTES = 32
LONGEST_LOGIN = 64
LONGEST_ADDRESS = 64
FROM_EVERYWHERE = 10
"""Wrong passwords for one login from all addresses together, as a multiple of those from one: a stranger at one desk
cannot shut somebody out elsewhere, many desks together can for a while."""
FOR_EVERYBODY = 20
"""Wrong passwords from one address for all logins together, likewise: a whole office may share one address."""


class NotLoggedIn(ZhidaError):
    """The request carries no valid session or token."""


class WrongCredentials(ZhidaError):
    """Unknown login, wrong password or closed account: the three are not told apart."""


class TooManyAttempts(ZhidaError):
    """Too many wrong passwords for one login name, or from one address."""

    def __init__(self, wait: timedelta, *, of_login: bool) -> None:
        self.wait = wait
        minutes = max(1, -(-int(wait.total_seconds()) // 60))
        who, else_what = ("该登录名", "，或请管理员重设密码") if of_login else ("您所在的网络地址", "")
        super().__init__(f"{who}输错密码次数过多，请 {minutes} 分钟后再试{else_what}。")


@dataclass(frozen=True)
class Caller:
    """The person behind a request and what they may do, as plain values."""

    person_id: int
    name: str
    login: str
    unit_name: str
    """The units and counties of their roles; empty for roles of the whole city."""
    grants: frozenset[Grant]
    viewer: Viewer
    history: Reach
    """The units whose entries they read whole; ``viewer`` sees at least those."""
    csrf_token: str
    """Empty for programs with a bearer token, which need none."""


def page_caller(request: Request) -> Caller:
    """Dependency of pages: the logged-in person, else a redirect to the login page and back."""
    now = utc_now()
    with get_services(request).open_session() as session:
        held = _login_session(session, request.cookies.get(SESSION_COOKIE), now)
        if held is None:
            raise NotLoggedIn("请先登录。")
        note_person(held.person_id)
        return caller_of(session, held.person, held.csrf_token, now)


def api_caller(
    request: Request,
    authorization: Annotated[str, Header(include_in_schema=False)] = "",
    x_csrf_token: Annotated[str, Header(include_in_schema=False)] = "",
) -> Caller:
    """Dependency of the API: a bearer token, or a session cookie with, on unsafe methods, the CSRF header."""
    now = utc_now()
    with get_services(request).open_session() as session:
        if authorization:
            holder = _token_holder(session, authorization)
            note_person(holder.id)
            return caller_of(session, holder, "", now)
        held = _login_session(session, request.cookies.get(SESSION_COOKIE), now)
        if held is None:
            raise NotLoggedIn("请先登录，或在 Authorization 头中给出有效的令牌（Bearer …）。")
        if request.method not in SAFE_METHODS:
            _require_csrf(held.csrf_token, x_csrf_token)
        note_person(held.person_id)
        return caller_of(session, held.person, held.csrf_token, now)


UsingCaller = Annotated[Caller, Depends(api_caller)]


def person_of(session: Session, caller: Caller) -> Person:
    """The caller as a mapped object, for actions that write who did it."""
    person = session.get(Person, caller.person_id)
    if person is None:
        raise NotFound("您的登录名刚刚被删除，请联系管理员。")
    return person


def check_csrf(
    caller: Annotated[Caller, Depends(page_caller)],
    csrf: Annotated[str, Form()] = "",
    x_csrf_token: Annotated[str, Header(include_in_schema=False)] = "",
) -> None:
    """Dependency of pages that change something: the hidden field ``csrf``, or the header for scripts."""
    _require_csrf(caller.csrf_token, csrf or x_csrf_token)


def refuse_cross_site(request: Request) -> None:
    """Dependency of the login form, which has no session for a token yet: other sites may not post to it."""
    if sender_of(request.headers) is Sender.ANOTHER:
        raise Forbidden("登录只能从本系统的登录页进行。")


def log_in(session: Session, login: str, password: str, now: datetime, *, settings: Settings, address: str = "") -> str:
    """The token of a new login session. Commits by itself, because a failed attempt must be remembered.

    An attempt is written down before the password is looked at, so that guesses made at the same moment count
    too; a right password strikes out all that came from the same ``address``. Raises WrongCredentials,
    TooManyAttempts, or Unavailable when too many log in at this moment.
    """
    login, address = login.strip(), address[:LONGEST_ADDRESS]
    if not login or len(login) > LONGEST_LOGIN or "\0" in login or len(password) > LONGEST_PASSWORD:
        raise WrongCredentials("登录名或密码不正确。")
    with turn():
        _write_attempt(session, login, address, now, settings)
        person = session.scalar(select(Person).where(Person.login == login))
        right = password_fits(person.password_hash if person else None, password)
        if person is None or not right or not person.active:
            raise WrongCredentials("登录名或密码不正确。")
        if is_outdated(person.password_hash):
            person.password_hash = hash_password(password)
    session.execute(delete(FailedLogin).where(FailedLogin.login == login, FailedLogin.address == address))
    token = open_login_session(session, person, now, hours=settings.session_hours)
    session.commit()
    return token


def address_of(request: Request) -> str:
    """Where the request comes from; behind a proxy that the settings name, what the proxy says."""
    return request.client.host if request.client else ""


def set_password(session: Session, person: Person, password: str) -> None:
    """A new password: whoever was logged in is out, and wrong tries at the old one are forgotten."""
    person.password_hash = hash_password(password)
    session.execute(delete(LoginSession).where(LoginSession.person_id == person.id))
    session.execute(delete(FailedLogin).where(FailedLogin.login == person.login))


def open_login_session(session: Session, person: Person, now: datetime, *, hours: int) -> str:
    """The token of a new login session for somebody whose identity is already proven."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
    session.add(
        LoginSession(
            token_hash=_digest(token),
            person_id=person.id,
            csrf_token=secrets.token_urlsafe(TOKEN_BYTES),
            created_at=now,
            expires_at=now + timedelta(hours=hours),
        )
    )
    session.flush()
    return token


def log_out(session: Session, token: str | None) -> None:
    """End the login session that the token opened; an unknown one changes nothing."""
    session.execute(delete(LoginSession).where(LoginSession.token_hash == _digest(token or "")))


def set_session_cookie(response: Response, token: str, request: Request) -> None:
    """Hand the browser its token: not for scripts, not for other sites, over https where there is one."""
    settings = get_services(request).settings
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=settings.session_hours * 3600,
        path="/",
        secure=settings.https_only or request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(response: Response) -> None:
    """Take the token back from the browser."""
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax")


def safe_next(target: str) -> str:
    """``target`` when it is a path of this site, else the home page: a login link must not lead elsewhere."""
    elsewhere = not target.startswith("/") or target.startswith("//") or "\\" in target
    return "/" if elsewhere or not target.isprintable() else target


def create_token(session: Session, person: Person, name: str, now: datetime) -> str:
    """A bearer token for a program that acts with the person's rights; only its digest is kept."""
    if not name.strip():
        raise Invalid("请给令牌起一个名称，写明由哪个程序使用。")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(ApiToken(token_hash=_digest(token), person_id=person.id, name=name.strip(), created_at=now))
    session.flush()
    return token


def _write_attempt(session: Session, login: str, address: str, now: datetime, settings: Settings) -> None:
    """Note the attempt, or raise TooManyAttempts; one that is not let through counts for nothing."""
    window = timedelta(minutes=settings.login_wait_minutes)
    session.execute(delete(FailedLogin).where(FailedLogin.at <= now - window))
    attempt = FailedLogin(login=login, address=address, at=now)
    session.add(attempt)
    session.commit()
    of_login, from_there = FailedLogin.login == login, FailedLogin.address == address
    limits = (
        (of_login & from_there, settings.login_attempts, True),
        (of_login, settings.login_attempts * FROM_EVERYWHERE, True),
        (from_there, settings.login_attempts * FOR_EVERYBODY, False),
    )
    for those, limit, names_login in limits:
        earlier = select(func.count(), func.min(FailedLogin.at)).where(those, FailedLogin.id < attempt.id)
        count, first = session.execute(earlier).one()
        if count >= limit:
            session.delete(attempt)
            session.commit()
            raise TooManyAttempts(first + window - now, of_login=names_login)


def _login_session(session: Session, token: str | None, now: datetime) -> LoginSession | None:
    if not token:
        return None
    held = session.get(LoginSession, _digest(token))
    return held if held is not None and held.expires_at > now and held.person.active else None


def _token_holder(session: Session, authorization: str) -> Person:
    scheme, _, token = authorization.partition(" ")
    held = session.scalar(select(ApiToken).where(ApiToken.token_hash == _digest(token.strip())))
    if scheme.lower() != "bearer" or held is None or held.revoked_at is not None or not held.person.active:
        raise NotLoggedIn("令牌无效或已停用。请向管理员申请新的令牌。")
    return held.person


def caller_of(session: Session, person: Person, csrf_token: str, now: datetime) -> Caller:
    """The person as they stand at ``now``: their roles, what is shared with their units, what they see."""
    grants, rights = grants_of(person), city_rights(session, now)
    onlooker = Onlooker(grants, shared_unit_ids(session, unit_ids_of(grants), now))
    seen, read = tee(_units(session))
    places = {g.unit.name if g.unit else g.region.name if g.region else "" for g in person.grants} - {""}
    return Caller(
        person_id=person.id,
        name=person.name,
        login=person.login,
        unit_name="、".join(sorted(places)),
        grants=grants,
        viewer=viewer_of(onlooker, seen, rights),
        history=readable_history(grants, read, rights),
        csrf_token=csrf_token,
    )


def _units(session: Session) -> Iterator[Unit]:
    """Read only once somebody asks: most roles see every unit and need no list."""
    yield from session.scalars(select(Unit))


def _require_csrf(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forbidden("页面已过期或请求不是从本系统页面发出。请刷新页面后重试。")


def _digest(token: str) -> str:
    """Tokens are 256 random bits: a plain digest keeps them as safe as a slow one."""
    return hashlib.sha256(token.encode()).hexdigest()
