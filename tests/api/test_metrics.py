"""What the service says of itself: metrics, request numbers, log lines, whether it lives and whether it is ready."""

import json
import logging
import os
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api import logs
from api.measures import Measures
from api.metrics import SECONDS, Metrics
from api.settings import LogForm
from api.wiring import Services
from tests.cast import LOST_CARD, Cast, published
from tests.conftest import Visit

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]
LOCAL = ("127.0.0.1", 50000)


def read(text: str) -> Numbers:
    """By name and labels, as Prometheus itself reads it."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def number(numbers: Numbers, name: str, **labels: str) -> float:
    return numbers[name, frozenset(labels.items())]


# The numbers


@given(st.lists(st.floats(0, 20), max_size=30), st.text(max_size=8))
def test_times_are_counted_as_prometheus_counts_them(times: list[float], label: str) -> None:
    metrics = Metrics()
    histogram = metrics.histogram("t_seconds", "Times.", ("what",), [(label,)])
    for time in times:
        histogram.observe(time, label)
    numbers = read(metrics.text())
    if not times:
        assert not numbers
        return
    for edge in SECONDS:
        assert number(numbers, "t_seconds_bucket", what=label, le=str(edge)) == sum(time <= edge for time in times)
    assert number(numbers, "t_seconds_bucket", what=label, le="+Inf") == len(times)
    assert number(numbers, "t_seconds_sum", what=label) == pytest.approx(sum(times))


def test_the_numbers_are_those_of_all_processes() -> None:
    metrics = Metrics(places=3)
    counter = metrics.counter("t_total", "Things.", ("kind",), [("a",), ("b",)])
    gauge = metrics.gauge("t_now", "State.")
    for place in (1, 2):
        process_id = os.fork()
        if process_id == 0:
            metrics.take_place(place)
            counter.add("a", amount=place)
            gauge.set(10 * place)
            os._exit(0)
        os.waitpid(process_id, 0)
    counter.add("b")
    numbers = read(metrics.text())
    assert number(numbers, "t_total", kind="a") == 1 + 2
    assert number(numbers, "t_total", kind="b") == 1
    assert (number(numbers, "t_now", worker="1"), number(numbers, "t_now", worker="2")) == (10, 20)
    metrics.forget(2)
    after = read(metrics.text())
    assert number(after, "t_total", kind="a") == 1 + 2
    assert ("t_now", frozenset({("worker", "2")})) not in after


def test_what_was_not_foreseen_makes_no_new_series() -> None:
    measures = Measures()
    measures.declare_routes([("GET", "/ask")])
    for method, route in (("GET", "/ask"), ("GET", "/etc/passwd"), ("BREW", "/pot")):
        measures.count_request(method, route, 200, 0.01)
    measures.count_request("GET", "/ask", 299, 0.01)
    numbers = read(measures.metrics.text())
    assert number(numbers, "zhida_requests_total", method="GET", route="/ask", status="200") == 1
    assert number(numbers, "zhida_requests_total", method="GET", route="/ask", status="other") == 1
    assert number(numbers, "zhida_requests_total", method="GET", route="other", status="200") == 1
    assert number(numbers, "zhida_requests_total", method="other", route="other", status="200") == 1


def test_requests_searches_and_suggestions_are_counted(
    application: FastAPI, services: Services, visit: Visit, people: Cast, base: Session
) -> None:
    published(base, LOST_CARD, code="SB-001")
    services.follower.catch_up()
    browser = visit(people.agent)
    browser.get("/ask?q=社保卡丢了")
    browser.get("/suggest?q=社保")
    browser.get("/entries/SB-001")
    browser.get("/static/suggest.js")
    browser.get("/没有/这一页")
    numbers = read(services.measures.metrics.text())
    for route, status in (("/ask", "200"), ("/suggest", "200"), ("/entries/{code}", "200"), ("other", "404")):
        assert number(numbers, "zhida_requests_total", method="GET", route=route, status=status) == 1
    assert number(numbers, "zhida_request_seconds_count", method="GET", route="/ask") == 1
    assert number(numbers, "zhida_suggest_seconds_count") == 1
    assert sum(value for (name, _), value in numbers.items() if name == "zhida_search_outcomes_total") == 1
    assert number(numbers, "zhida_search_stage_seconds_count", stage="rank") == 1


def test_strangers_do_not_read_the_metrics(application: FastAPI, people: Cast) -> None:
    here = TestClient(application, client=LOCAL)
    assert here.get("/metrics").status_code == 200
    assert TestClient(application, client=("10.0.0.9", 50000)).get("/metrics").status_code == 403
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"):
        assert here.get("/metrics", headers={header: "127.0.0.1"}).status_code == 403


def test_with_a_token_only_who_holds_it_reads_the_metrics(application: FastAPI, services: Services) -> None:
    settings = services.settings.model_validate({"metrics_token": "a-long-enough-token", "data_folder": "x"})
    object.__setattr__(services, "settings", settings)
    for address in (LOCAL, ("10.0.0.9", 50000)):
        browser = TestClient(application, client=address)
        assert browser.get("/metrics").status_code == 403
        assert browser.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
        assert browser.get("/metrics", headers={"Authorization": "Bearer a-long-enough-token"}).status_code == 200


# Numbers of requests, and the log


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, logger="zhida.access")
    yield caplog


def test_a_harmless_number_of_the_proxy_is_kept_and_any_other_replaced(visit: Visit) -> None:
    browser = visit(None)
    assert browser.get("/login", headers={"X-Request-ID": "proxy-1.a_B"}).headers["x-request-id"] == "proxy-1.a_B"
    bad = ("a", "a b" * 9, "x" * 65, '"><b>')
    made = [browser.get("/login", headers={"X-Request-ID": each}).headers["x-request-id"] for each in bad]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("[0-9A-F]{16}", number) for number in made)


def test_each_request_has_one_line_without_what_was_asked(
    visit: Visit, people: Cast, lines: pytest.LogCaptureFixture
) -> None:
    browser = visit(people.agent)
    browser.get("/ask?q=很私密的问题", headers={"X-Request-ID": "proxy-7"})
    browser.post("/api/v1/search", json={"query": "很私密的问题"})
    browser.post("/login", data={"login": "很私密的名字", "password": "很私密的密码"})
    browser.get("/readyz")
    records = [record for record in lines.records if record.name == "zhida.access"]
    found = [(r.method, r.route, r.status, r.person) for r in records]
    assert found == [
        ("GET", "/ask", 200, people.agent.id),
        ("POST", "/api/v1/search", 200, people.agent.id),
        ("POST", "/login", 401, None),
    ]
    assert "私密" not in lines.text
    assert all("私密" not in str(record.__dict__) for record in records)


def test_lines_of_one_request_bear_its_number_in_both_forms(
    application: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    def complain() -> None:
        logging.getLogger("api.somewhere").error("坏了")

    application.add_api_route("/complain", complain)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        for form in LogForm:
            logs.write_to_stderr(form)
            TestClient(application).get("/complain", headers={"X-Request-ID": "number-9"})
            said = capsys.readouterr().err.strip().splitlines()
            assert len(said) == 2
            assert all("number-9" in line for line in said)
            if form is LogForm.JSON:
                error, access = map(json.loads, said)
                assert (error["level"], error["message"], error["request"]) == ("ERROR", "坏了", "number-9")
                assert (access["route"], access["status"], access["person"]) == ("/complain", 200, None)
                assert access["ms"] >= 0
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_an_unforeseen_error_bears_the_number_of_its_request(application: FastAPI, people: Cast) -> None:
    def break_down() -> None:
        raise RuntimeError("something nobody thought of")

    application.add_api_route("/break", break_down)
    browser = TestClient(application, raise_server_exceptions=False)
    reply = browser.get("/break", headers={"X-Request-ID": "number-10"})
    assert (reply.status_code, reply.headers["x-request-id"]) == (500, "number-10")
    assert "错误编号：number-10" in reply.text


def test_errors_of_the_database_do_not_repeat_what_was_asked(services: Services, people: Cast) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    with services.open_session() as session, pytest.raises(SQLAlchemyError) as failed:
        session.execute(text("SELECT * FROM no_such_table WHERE x = :x"), {"x": "很私密的问题"})
    assert "私密" not in str(failed.value)


# Whether it lives, whether it is ready


def test_it_lives_even_without_a_database_and_is_ready_only_with_one(
    application: FastAPI, services: Services, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting = TestClient(application)  # nothing has been started yet
    assert starting.get("/healthz").status_code == 200
    assert starting.get("/readyz").status_code == 503
    services.follower.catch_up()
    with TestClient(application) as browser:
        assert browser.get("/readyz").json() == {"status": "ready"}
        services.state.draining = True
        assert "正在停止" in browser.get("/readyz").json()["reasons"][0]
        services.state.draining = False
        monkeypatch.setattr("api.health.FRESH_SECONDS", 0.0)
        services.engine.dispose()
        with services.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE alembic_version RENAME TO elsewhere")
        reply = browser.get("/readyz")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
        assert reply.json()["reasons"] == ["数据库没有应答。"]
        assert browser.get("/healthz").status_code == 200
    assert TestClient(application).get("/readyz").status_code == 503


def test_a_database_that_hangs_does_not_make_the_question_hang(
    application: FastAPI, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    over = threading.Event()
    monkeypatch.setattr("api.health.PING_SECONDS", 0.05)
    monkeypatch.setattr("api.health.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("api.health._ping", lambda _: over.wait(10))
    services.follower.catch_up()
    services.state.running = True
    monkeypatch.setattr(type(services.follower), "running", True)
    readiness = application.state.readiness
    assert readiness.obstacles() == ("数据库没有应答。",)
    assert readiness.obstacles() == ("数据库没有应答。",)
    over.set()
    monkeypatch.setattr("api.health.PING_SECONDS", 5.0)
    readiness._ping.result(10)
    assert readiness.obstacles() == ()


def test_a_follower_that_lags_makes_it_not_ready(
    application: FastAPI, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.follower.catch_up()
    with TestClient(application) as browser:
        assert browser.get("/readyz").status_code == 200
        late = services.settings.follow_lag_seconds + 1
        monkeypatch.setattr(type(services.follower), "seconds_since_level", lambda _: late)
        assert browser.get("/readyz").json()["reasons"] == ["检索跟不上已发布的改动。"]
