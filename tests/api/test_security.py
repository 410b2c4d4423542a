"""The door: passwords, sessions, tokens, CSRF, throttling, and where a login may lead."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api import passwords, security
from api.clock import utc_now
from api.security import TooManyAttempts, WrongCredentials, create_token, log_in, safe_next
from api.settings import Settings
from api.wiring import Services
from models.errors import Invalid
from models.organisation import ApiToken, FailedLogin, LoginSession, Person
from tests.cast import NOW, PASSWORD, Cast
from tests.conftest import Visit

SETTINGS = Settings(login_attempts=3, login_wait_minutes=10)
MINUTE = timedelta(minutes=1)


def test_the_right_password_opens_a_session(session: Session, cast: Cast) -> None:
    token = log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS)
    held = session.scalars(select(LoginSession)).one()
    assert held.person_id == cast.agent.id
    assert held.expires_at == NOW + timedelta(hours=12)
    assert token not in (held.token_hash, held.csrf_token)  # the database cannot open the door


@pytest.mark.parametrize(
    ("login", "password"),
    [("zuoxi", "错误的密码"), ("nobody", PASSWORD), ("", PASSWORD), ("zuoxi", ""), ("甲\0", "x"), ("z" * 65, "x")],
)
def test_wrong_password_and_unknown_login_get_the_same_answer(
    login: str, password: str, session: Session, cast: Cast
) -> None:
    with pytest.raises(WrongCredentials, match=r"^登录名或密码不正确。$"):
        log_in(session, login, password, NOW, settings=SETTINGS)


def test_a_closed_account_gets_the_same_answer_and_its_sessions_end(visit: Visit, people: Cast, base: Session) -> None:
    browser = visit(people.agent)
    people.agent.active = False
    base.commit()
    with pytest.raises(WrongCredentials, match=r"^登录名或密码不正确。$"):
        log_in(base, "zuoxi", PASSWORD, NOW, settings=SETTINGS)
    assert browser.get("/api/v1/suggest").status_code == 401


def test_after_three_wrong_passwords_even_the_right_one_waits(session: Session, cast: Cast) -> None:
    for minute in range(3):
        with pytest.raises(WrongCredentials):
            log_in(session, "zuoxi", "错误的密码", NOW + minute * MINUTE, settings=SETTINGS)
    with pytest.raises(TooManyAttempts, match="7 分钟后再试"):  # the first counts until minute 10
        log_in(session, "zuoxi", PASSWORD, NOW + 3 * MINUTE, settings=SETTINGS)
    assert log_in(session, "caibian", PASSWORD, NOW + 3 * MINUTE, settings=SETTINGS)
    assert log_in(session, "zuoxi", PASSWORD, NOW + 10 * MINUTE, settings=SETTINGS)


def test_an_unknown_login_is_throttled_just_the_same(session: Session, cast: Cast) -> None:
    for _ in range(3):
        with pytest.raises(WrongCredentials):
            log_in(session, "nobody", "错误的密码", NOW, settings=SETTINGS)
    with pytest.raises(TooManyAttempts):
        log_in(session, "nobody", "错误的密码", NOW, settings=SETTINGS)


def test_the_right_password_forgets_the_wrong_ones(session: Session, cast: Cast) -> None:
    for _ in range(2):
        with pytest.raises(WrongCredentials):
            log_in(session, "zuoxi", "错误的密码", NOW, settings=SETTINGS)
    log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS)
    assert session.scalar(select(func.count()).select_from(FailedLogin)) == 0


def test_a_stranger_at_another_desk_does_not_shut_somebody_out(session: Session, cast: Cast) -> None:
    _guess(session, "zuoxi", 3, address="10.0.0.66")
    with pytest.raises(TooManyAttempts):
        log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.66")
    assert log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.1")
    with pytest.raises(TooManyAttempts):  # the stranger's tries are not forgotten with it
        log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.66")


def test_guesses_from_everywhere_together_are_stopped(session: Session, cast: Cast) -> None:
    for desk in range(10):
        _guess(session, "zuoxi", 3, address=f"10.0.0.{desk}")
    with pytest.raises(TooManyAttempts, match="该登录名"):
        log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.99")
    assert log_in(session, "caibian", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.99")


def test_one_address_cannot_go_through_all_logins(session: Session, cast: Cast) -> None:
    for number in range(20):
        _guess(session, f"nobody{number}", 3, address="10.0.0.66")
    with pytest.raises(TooManyAttempts, match="您所在的网络地址"):
        log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.66")
    assert log_in(session, "zuoxi", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.1")


def test_the_address_of_a_login_is_that_of_the_browser(visit: Visit, people: Cast, base: Session) -> None:
    visit(None).post("/login", data={"login": "zuoxi", "password": "错误的密码"})
    assert base.scalars(select(FailedLogin.address)).all() == ["testclient"]


def test_a_new_password_opens_the_door_at_once(session: Session, cast: Cast) -> None:
    _guess(session, "zuoxi", 3, address="10.0.0.1")
    _guess(session, "caibian", 3, address="10.0.0.2")
    security.set_password(session, cast.agent, "另一个更长的密码")
    assert log_in(session, "zuoxi", "另一个更长的密码", NOW, settings=SETTINGS, address="10.0.0.1")
    with pytest.raises(TooManyAttempts):
        log_in(session, "caibian", PASSWORD, NOW, settings=SETTINGS, address="10.0.0.2")


def test_only_two_passwords_are_worked_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[int] = []
    running = 0

    class Slow:
        def verify(self, _hash: str, _password: str) -> bool:
            nonlocal running
            running += 1
            at_work.append(running)
            time.sleep(0.02)
            running -= 1
            return True

    monkeypatch.setattr(passwords, "_hasher", Slow())
    with ThreadPoolExecutor(passwords.WAITING) as pool:
        assert all(pool.map(lambda _: passwords.password_fits("x", "y"), range(passwords.WAITING)))
    assert max(at_work) <= 2


def test_a_crowd_at_the_door_is_asked_to_come_again_and_counts_for_nothing(
    visit: Visit, people: Cast, base: Session
) -> None:
    with ExitStack() as crowd:
        for _ in range(passwords.WAITING):
            crowd.enter_context(passwords.turn())
        reply = visit(None).post("/login", data={"login": "zuoxi", "password": PASSWORD})
        assert (reply.status_code, "稍等几秒" in reply.text) == (503, True)
    assert base.scalars(select(FailedLogin)).all() == []
    assert visit(None).post("/login", data={"login": "zuoxi", "password": PASSWORD}).status_code == 303


@pytest.mark.parametrize("password", ["1234567", "", "长" * 257])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(Invalid, match="8 至 256"):
        passwords.hash_password(password)


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/entries/RS-001?a=1", "/entries/RS-001?a=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_only_into_this_site(target: str, leads_to: str) -> None:
    assert safe_next(target) == leads_to


def test_without_a_session_programs_get_401_and_people_the_login_page(visit: Visit) -> None:
    stranger = visit(None)
    reply = stranger.get("/api/v1/suggest")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "not_logged_in")
    reply = stranger.get("/?q=社保卡")
    assert reply.status_code == 303
    assert reply.headers["location"].startswith("/login?next=%2F%3Fq%3D")


def test_a_session_past_its_hours_is_over(visit: Visit, people: Cast, base: Session) -> None:
    browser = visit(people.agent)
    base.scalars(select(LoginSession)).one().expires_at = utc_now()
    base.commit()
    assert browser.get("/api/v1/suggest").status_code == 401


def test_a_browser_cannot_post_without_the_csrf_token(visit: Visit, people: Cast) -> None:
    browser = visit(people.agent)
    for guess in ("", "猜的".encode(), "x" * 43):
        reply = browser.post("/api/v1/gaps", json={"text": "停机坪"}, headers={"X-CSRF-Token": guess})
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")


def test_a_bearer_token_acts_with_its_owners_rights(visit: Visit, people: Cast, base: Session) -> None:
    program = _with_token(visit(None), base, people.agent)
    assert program.post("/api/v1/gaps", json={"text": "停机坪"}).status_code == 200
    program = _with_token(visit(None), base, people.editor)
    assert program.post("/api/v1/gaps", json={"text": "停机坪"}).status_code == 403


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic eHg6eXk=", "Bearer", "x"])
def test_a_wrong_token_is_refused_even_beside_a_good_cookie(header: str, visit: Visit, people: Cast) -> None:
    browser = visit(people.agent)
    assert browser.get("/api/v1/suggest", headers={"Authorization": header}).status_code == 401


def test_a_revoked_token_is_refused(visit: Visit, people: Cast, base: Session) -> None:
    program = _with_token(visit(None), base, people.agent)
    base.scalars(select(ApiToken)).one().revoked_at = NOW
    base.commit()
    assert program.get("/api/v1/suggest").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visit: Visit, people: Cast) -> None:
    reply = visit(None).post("/login", data={"login": "zuoxi", "password": PASSWORD})
    cookie = reply.headers["set-cookie"].lower()
    assert reply.status_code == 303
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie


def test_over_https_the_cookie_stays_on_https(visit: Visit, people: Cast) -> None:
    browser = visit(None)
    browser.base_url = "https://testserver"
    reply = browser.post("/login", data={"login": "zuoxi", "password": PASSWORD})
    assert "secure" in reply.headers["set-cookie"].lower()


def test_another_site_cannot_log_a_browser_in(visit: Visit, people: Cast) -> None:
    reply = visit(None).post(
        "/login",
        data={"login": "zuoxi", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert reply.status_code == 403


def test_logging_out_ends_the_session(visit: Visit, people: Cast, services: Services) -> None:
    browser = visit(people.agent)
    token = browser.cookies[security.SESSION_COOKIE]
    assert browser.post("/logout", data={"csrf": browser.headers["X-CSRF-Token"]}).status_code == 303
    browser.cookies.set(security.SESSION_COOKIE, token)
    assert browser.get("/api/v1/suggest").status_code == 401


def _guess(session: Session, login: str, times: int, *, address: str) -> None:
    for _ in range(times):
        with pytest.raises(WrongCredentials):
            log_in(session, login, "错误的密码", NOW, settings=SETTINGS, address=address)


def _with_token(browser: TestClient, base: Session, person: Person) -> TestClient:
    token = create_token(base, person, "工单系统", NOW)
    base.commit()
    browser.headers["Authorization"] = f"Bearer {token}"
    return browser
