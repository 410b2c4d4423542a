"""Entries, feedback, gaps, health and the shape of errors through the API."""

import threading
import time
from dataclasses import replace

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.settings import Settings
from api.wiring import Services
from kb_admin import lifecycle
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, NOW, Cast, published
from tests.conftest import DATABASES, Visit

ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)


@ON_BOTH
def test_an_agent_reads_the_live_version_and_no_history(visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD, code="RS-001")
    entry = visit(people.agent).get("/api/v1/entries/RS-001").json()
    assert entry["live"]["question"] == LOST_CARD.question
    assert entry["in_force"] is True
    assert entry["versions"] is None


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader", "office", "analyst"])
def test_the_unit_and_the_office_read_the_history(who: str, visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD, code="RS-001")
    entry = visit(getattr(people, who)).get("/api/v1/entries/RS-001").json()
    (version,) = entry["versions"]
    assert version["status_label"] == "已发布"
    assert [move["to_status"] for move in version["moves"]] == ["draft", "submitted", "published"]


def test_published_and_searchable_are_two_facts(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    published(base, LOST_CARD, code="RS-001")
    browser = visit(people.agent)
    assert browser.get("/api/v1/entries/RS-001").json()["searchable"] is False
    services.follower.catch_up()
    assert browser.get("/api/v1/entries/RS-001").json()["searchable"] is True


def test_what_one_may_not_see_does_not_exist(visit: Visit, people: Cast, base: Session) -> None:
    published(base, INTERNAL_CONTACT, code="GA-900")
    lifecycle.create_entry(base, replace(LOST_CARD, question="草稿"), code="RS-900", actor=None, now=NOW)
    base.commit()
    missing = visit(people.editor).get("/api/v1/entries/GA-901")
    hidden = visit(people.editor).get("/api/v1/entries/GA-900")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["error"]["message"].replace("GA-900", "GA-901") == missing.json()["error"]["message"]
    assert visit(people.agent).get("/api/v1/entries/GA-900").status_code == 200
    assert visit(people.agent).get("/api/v1/entries/RS-900").status_code == 404  # never published
    assert visit(people.editor).get("/api/v1/entries/RS-900").json()["live"] is None
    assert visit(people.stranger).get("/api/v1/entries/RS-900").status_code == 404


@ON_BOTH
def test_an_agent_judges_what_was_shown(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    version = published(base, LOST_CARD)
    services.follower.catch_up()
    browser = visit(people.agent)
    asked = browser.post("/api/v1/search", json={"query": "社保卡丢了怎么办"}).json()
    body = {"question_id": asked["question_id"], "version_id": version.id, "judgement": "incorrect"}
    refused = browser.post("/api/v1/feedback", json=body)
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, "判为有误时请选择原因。")
    reply = browser.post("/api/v1/feedback", json=body | {"reason": "outdated"})
    assert reply.json()["reason"] == "outdated"
    assert visit(people.office).post("/api/v1/feedback", json=body | {"reason": "other"}).status_code == 404
    assert visit(people.stranger).post("/api/v1/feedback", json=body | {"reason": "other"}).status_code == 403


@ON_BOTH
def test_a_question_without_an_answer_becomes_a_gap(visit: Visit, people: Cast) -> None:
    browser = visit(people.agent)
    asked = browser.post("/api/v1/search", json={"query": "直升机停机坪怎么申请"}).json()
    assert asked["outcome"] == "none"
    first = browser.post("/api/v1/gaps", json={"question_id": asked["question_id"]}).json()
    again = browser.post("/api/v1/gaps", json={"question_id": asked["question_id"]}).json()
    assert first == again
    assert first["text"] == "直升机停机坪怎么申请"


@pytest.mark.parametrize("number", [0, 2**63, -1])
def test_an_impossible_number_is_refused(number: int, visit: Visit, people: Cast) -> None:
    body = {"question_id": number, "version_id": 1, "judgement": "correct"}
    assert visit(people.agent).post("/api/v1/feedback", json=body).status_code == 422


@ON_BOTH
def test_health_is_good_while_the_index_follows(application: FastAPI, people: Cast, base: Session) -> None:
    published(base, LOST_CARD)
    with TestClient(application) as browser:
        application.state.services.follower.catch_up()
        reply = browser.get("/api/v1/health")
    assert reply.status_code == 200
    assert reply.json() == {
        "status": "ok",
        "database": True,
        "index_entries": 1,
        "published_entries": 1,
        "follower_behind": 0,
        "follower_running": True,
        "overdue_seconds": 0.0,
        "model": None,
    }


def test_health_fails_when_nobody_follows(visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD)
    reply = visit(None).get("/api/v1/health")
    assert (reply.status_code, reply.json()["status"], reply.json()["follower_behind"]) == (503, "failing", 1)


@pytest.mark.parametrize("case", [(10.0, 200), (0.001, 503)])
def test_a_change_waits_from_when_it_was_there_and_not_from_when_it_was_begun(
    case: tuple[float, int],
    application: FastAPI,
    people: Cast,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rows of a large import carry the moment at which it began; it commits minutes later."""
    seconds, status = case
    settings = services.settings.model_copy(update={"follow_lag_seconds": seconds})
    application.state.services = replace(services, settings=settings)
    services.follower.catch_up()
    let_go = threading.Event()
    monkeypatch.setattr(services.index, "apply", lambda _changes: let_go.wait(10))
    with TestClient(application) as browser, services.open_session() as session:
        published(session, LOST_CARD, now=NOW - DAY)
        time.sleep(0.01)
        reply = browser.get("/api/v1/health")
        let_go.set()
    assert (reply.status_code, reply.json()["follower_behind"]) == (status, 1)


def test_health_fails_when_the_database_is_of_another_form(services: Services, visit: Visit) -> None:
    with services.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    reply = visit(None).get("/api/v1/health")
    assert (reply.status_code, reply.json()["database"]) == (503, False)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/api/v1/nothing", 404, "not_found"), ("DELETE", "/api/v1/search", 405, "method_not_allowed")],
)
def test_every_error_has_the_one_shape(method: str, path: str, status: int, code: str, visit: Visit) -> None:
    reply = visit(None).request(method, path)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    assert set(reply.json()["error"]) == {"code", "message", "details"}


def test_an_unforeseen_error_shows_no_inside(application: FastAPI) -> None:
    def broken() -> None:
        raise RuntimeError("内部细节")

    application.add_api_route("/api/v1/broken", broken)
    reply = TestClient(application, raise_server_exceptions=False).get("/api/v1/broken")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
    assert "内部细节" not in reply.text
    assert "default-src 'self'" in reply.headers["content-security-policy"]


def test_a_database_out_of_order_is_503_and_shows_no_inside(
    application: FastAPI, services: Services, people: Cast
) -> None:
    with services.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE login_sessions")
    browser = TestClient(application, raise_server_exceptions=False, cookies={"zhida_session": "x"})
    reply = browser.get("/api/v1/suggest")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
    assert "login_sessions" not in reply.text


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_too_large_is_refused(declared: bool, visit: Visit, people: Cast) -> None:
    content = b"x" * 1_000_001
    reply = visit(people.agent).post(
        "/api/v1/search",
        content=content if declared else iter([content]),
        headers={"Content-Type": "application/json"},
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")


def test_every_answer_carries_the_security_headers(visit: Visit) -> None:
    for path in ("/login", "/api/v1/version", "/static/nothing.css", "/nothing"):
        headers = visit(None).get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_each_operation_is_described_in_chinese_and_says_how_it_fails(application: FastAPI) -> None:
    paths = application.openapi()["paths"]
    assert "/api/v1/search" in paths
    assert not [path for path in paths if not path.startswith("/api/v1/")]
    for operations in paths.values():
        for operation in operations.values():
            assert operation["summary"] and operation["description"]
            assert operation["summary"][0] > "\u4e00"
            assert operation["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith(
                "ErrorResponse"
            )


def test_each_setting_is_in_the_manual_with_its_meaning() -> None:
    from pathlib import Path

    manual = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"`ZHIDA_{name.upper()}`" in manual
        assert field.description in manual
