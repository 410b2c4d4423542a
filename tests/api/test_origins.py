"""Requests that another site makes a browser send: they log nobody in, ask nothing, and lead nowhere else."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from api.origins import Sender, sender_of
from api.security import SESSION_COOKIE
from api.wiring import Services
from models.organisation import LoginSession
from models.usage import Question
from tests.cast import LOST_CARD, PASSWORD, Cast, published
from tests.conftest import Visit

DOOR = {"login": "zuoxi", "password": PASSWORD}
ASKED = {"q": "社保卡丢了怎么办"}


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://zhida.example"}, Sender.OURS),
        ({"Sec-Fetch-Site": "none"}, Sender.OURS),
        ({"Sec-Fetch-Site": "same-site"}, Sender.ANOTHER),
        ({"Sec-Fetch-Site": "cross-site"}, Sender.ANOTHER),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://zhida"}, Sender.ANOTHER),
        ({"Origin": "http://zhida"}, Sender.OURS),
        ({"Origin": "http://ZHIDA:80"}, Sender.OURS),
        ({"Origin": "http://zhida:8080"}, Sender.ANOTHER),
        ({"Origin": "https://zhida"}, Sender.OURS),  # a proxy speaks https for us
        ({"Origin": "http://mail"}, Sender.ANOTHER),
        ({"Origin": "null"}, Sender.ANOTHER),
        ({"Origin": "http://zhida:port"}, Sender.ANOTHER),
        ({"Origin": "http://["}, Sender.ANOTHER),
        ({"Referer": "http://zhida/?q=社保卡"}, Sender.OURS),
        ({"Referer": "http://mail/zhida/"}, Sender.ANOTHER),
        ({"Origin": "http://mail", "Referer": "http://zhida/"}, Sender.ANOTHER),
        ({}, Sender.UNSAID),
    ],
)
def test_who_sent_a_request_is_told_by_the_browser(headers: dict[str, str], sender: Sender) -> None:
    raw = {"Host": "zhida", **headers}
    assert sender_of(Headers(raw=[(n.lower().encode(), v.encode("utf-8")) for n, v in raw.items()])) is sender


def test_a_host_of_another_port_or_an_address_in_brackets_is_compared_whole() -> None:
    assert sender_of(Headers({"Host": "[::1]:8000", "Origin": "http://[::1]:8000"})) is Sender.OURS
    assert sender_of(Headers({"Host": "zhida:443", "Origin": "https://zhida"})) is Sender.OURS
    assert sender_of(Headers({"Host": "zhida:8000", "Origin": "http://zhida"})) is Sender.ANOTHER


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "http://testserver.elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_cannot_log_a_browser_in(headers: dict[str, str], people: Cast, plain: TestClient) -> None:
    reply = plain.post("/login", data=DOOR, headers=headers)
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://testserver"}, {"Sec-Fetch-Site": "same-origin"}])
def test_our_own_door_opens_over_plain_http_too(headers: dict[str, str], people: Cast, plain: TestClient) -> None:
    assert plain.post("/login", data=DOOR, headers=headers).status_code == 303


def test_logging_in_again_ends_the_session_that_the_browser_had(
    visit: Visit, people: Cast, base: Session, plain: TestClient
) -> None:
    plain.post("/login", data=DOOR)
    first = plain.cookies[SESSION_COOKIE]
    plain.post("/login", data=DOOR | {"login": "caibian"})
    assert base.scalars(select(LoginSession.person_id)).all() == [people.editor.id]
    plain.cookies.clear()
    plain.cookies.set(SESSION_COOKIE, first)
    assert plain.get("/").status_code == 303


def test_a_wrong_password_leaves_the_session_open(people: Cast, plain: TestClient) -> None:
    plain.post("/login", data=DOOR)
    assert plain.post("/login", data=DOOR | {"password": "不对"}).status_code == 401
    assert plain.get("/").status_code == 200


# Asking


@pytest.mark.parametrize("path", ["/", "/ask"])
@pytest.mark.parametrize(
    ("headers", "written"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Referer": "http://testserver/gaps"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Referer": "http://elsewhere.example/"}, False),
        ({}, False),
    ],
)
def test_a_link_elsewhere_asks_nothing_in_a_persons_name(
    *,
    path: str,
    headers: dict[str, str],
    written: bool,
    people: Cast,
    base: Session,
    services: Services,
    plain: TestClient,
) -> None:
    published(base, LOST_CARD, code="SB-001")
    services.follower.catch_up()
    plain.post("/login", data=DOOR)
    reply = plain.get(path, params=ASKED, headers=headers)
    assert reply.status_code == 200
    assert "当场拿卡" in reply.text
    assert len(base.scalars(select(Question)).all()) == written
    assert ("没有记录" not in reply.text) is written
    assert ('action="/judge"' in reply.text) is ('action="/gap"' in reply.text) is written


def test_who_could_say_nothing_of_an_answer_is_not_told_to_ask_again(
    people: Cast, base: Session, plain: TestClient
) -> None:
    plain.post("/login", data=DOOR | {"login": "caibian"})
    assert "没有记录" not in plain.get("/", params=ASKED).text


# Leading elsewhere


@pytest.mark.parametrize("path", ["/entries/", "/login/", "/api/v1/version/", "/static"])
def test_no_address_leads_to_the_host_that_the_request_names(path: str, plain: TestClient) -> None:
    reply = plain.get(path, headers={"Host": "elsewhere.example"})
    assert reply.status_code == 404
    assert "location" not in reply.headers


@pytest.fixture
def plain(visit: Visit) -> TestClient:
    """A browser over plain http that says nothing of where it comes from."""
    browser = visit(None)
    del browser.headers["Sec-Fetch-Site"]
    return browser
