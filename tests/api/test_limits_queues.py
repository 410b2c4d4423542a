"""Turns under load: who is let in, who waits, who is told to come back, and that nobody is forgotten."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api import limits
from api.measures import Measures
from api.queueing import Bounds, Overloaded, Queue, queue_of
from api.wiring import Services
from tests.cast import Cast
from tests.conftest import Visit


def queue(at_once: int = 1, longest: int = 2, wait_seconds: float = 5.0) -> Queue:
    return Queue("search", Bounds(at_once, longest, wait_seconds), Measures())


def test_as_many_as_may_work_at_once_do_and_the_next_waits_its_turn() -> None:
    async def visit() -> list[str]:
        turns, order = queue(), []
        await turns.enter()

        async def come(name: str) -> None:
            await turns.enter()
            order.append(name)
            turns.leave()

        others = [asyncio.create_task(come(name)) for name in "甲乙"]
        await asyncio.sleep(0)
        assert (turns.under_way, turns.waiting, order) == (1, 2, [])
        turns.leave()
        await asyncio.gather(*others)
        assert (turns.under_way, turns.waiting) == (0, 0)
        return order

    assert asyncio.run(visit()) == ["甲", "乙"]


def test_who_finds_no_place_to_wait_is_refused_at_once() -> None:
    async def visit() -> None:
        turns = queue(longest=1)
        await turns.enter()
        waiting = asyncio.create_task(turns.enter())
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await turns.enter()
        assert refused.value.status_code == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        turns.leave()
        await waiting

    asyncio.run(visit())


def test_who_has_waited_too_long_is_refused_and_takes_no_turn() -> None:
    async def visit() -> None:
        turns = queue(wait_seconds=0.01)
        await turns.enter()
        with pytest.raises(Overloaded):
            await turns.enter()
        assert turns.waiting == 0
        turns.leave()
        assert turns.under_way == 0
        await turns.enter()

    asyncio.run(visit())


def test_who_goes_away_while_waiting_holds_nobody_up() -> None:
    async def visit() -> None:
        turns = queue()
        await turns.enter()
        gone, patient = asyncio.create_task(turns.enter()), asyncio.create_task(turns.enter())
        await asyncio.sleep(0)
        gone.cancel()
        turns.leave()
        await patient
        assert (turns.under_way, turns.waiting) == (1, 0)

    asyncio.run(visit())


@given(
    at_once=st.integers(1, 3),
    longest=st.integers(0, 4),
    steps=st.lists(st.sampled_from(["come", "leave", "cancel", "late"]), max_size=40),
)
def test_no_turn_is_lost_and_none_given_twice(at_once: int, longest: int, steps: list[str]) -> None:
    async def visit() -> None:
        turns = Queue("search", Bounds(at_once, longest, 3600), Measures())
        inside, waiting = 0, []

        async def settle() -> None:
            nonlocal inside
            for _ in range(4):
                await asyncio.sleep(0)
            for task in [task for task in waiting if task.done()]:
                waiting.remove(task)
                if not task.cancelled() and task.exception() is None:
                    inside += 1
            assert inside == turns.under_way <= at_once
            assert len(waiting) == turns.waiting <= longest
            assert not waiting or inside == at_once

        for step in steps:
            if step == "come":
                waiting.append(asyncio.create_task(turns.enter()))
            elif step == "leave" and inside:
                inside -= 1
                turns.leave()
            elif step == "cancel" and waiting:
                waiting[0].cancel()
            elif step == "late" and waiting and inside:  # a turn and a cancellation at the same moment
                inside -= 1
                turns.leave()
                waiting[0].cancel()
            await settle()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(visit())


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("/ask", b"q=x", "search"),
        ("/", b"q=x", "search"),
        ("/", b"", "page"),
        ("/api/v1/search", b"", "search"),
        ("/suggest", b"q=x", "suggest"),
        ("/api/v1/suggest", b"q=x", "suggest"),
        ("/entries", b"q=x", "page"),
    ],
)
def test_searches_suggestions_and_other_pages_wait_apart(path: str, query: bytes, name: str) -> None:
    assert queue_of({"type": "http", "path": path, "query_string": query}) == name


# Around the real application


@pytest.fixture
def services(services: Services) -> Iterator[Services]:
    """One search at a time, and one that waits, for a moment."""
    tight = {"search_at_once": 1, "queue_length": 1, "queue_seconds": 0.05}
    object.__setattr__(services, "settings", services.settings.model_copy(update=tight))
    yield services


@contextmanager
def busy(application: FastAPI, services: Services, path: str) -> Iterator[None]:
    """Somebody's search goes on and on meanwhile."""
    begun, end = threading.Event(), threading.Event()
    search, suggest = services.index.search, services.index.suggest

    def hold(original: Callable[..., object]) -> Callable[..., object]:
        def held(*given: object, **named: object) -> object:
            if not begun.is_set():
                begun.set()
                end.wait(10)
            return original(*given, **named)

        return held

    services.index.search, services.index.suggest = hold(search), hold(suggest)  # type: ignore[method-assign]
    yield_to = threading.Thread(target=_visit, args=(application, path))
    yield_to.start()
    try:
        assert begun.wait(10)
        yield
    finally:
        end.set()
        yield_to.join()
        services.index.search, services.index.suggest = search, suggest  # type: ignore[method-assign]


_visitors: dict[int, TestClient] = {}


def _visit(application: FastAPI, path: str) -> None:
    _visitors[id(application)].get(path)


def test_too_many_searches_are_refused_with_a_sentence_and_a_time(
    application: FastAPI, services: Services, visit: Visit, people: Cast
) -> None:
    browser = visit(people.agent)
    with browser:  # one event loop for all
        _visitors[id(application)] = browser
        with busy(application, services, "/ask?q=社保卡"):
            page = browser.get("/?q=社保卡")
            program = browser.post("/api/v1/search", json={"query": "社保卡"})
            assert browser.get("/suggest?q=社").status_code == 200
            assert browser.get("/entries").status_code == 200
            assert browser.get("/healthz").status_code == 200
            counted = services.measures.metrics.text()
        after = browser.get("/ask?q=社保卡")
    for reply in (page, program):
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.headers["x-request-id"]
    assert "使用的人太多" in page.text
    assert program.json()["error"]["code"] == "overloaded"
    assert "使用的人太多" in program.json()["error"]["message"]
    assert 'zhida_refused_total{queue="search",reason="late"} 2' in counted
    assert 'zhida_queue_running{queue="search",worker="0"} 1' in counted
    assert after.status_code == 200


def test_a_body_that_never_ends_is_given_up(application: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)

    async def ask() -> int:
        status = 0
        parts = iter([{"type": "http.request", "body": b"login=", "more_body": True}])

        async def receive() -> dict[str, object]:
            for part in parts:
                return part
            await asyncio.sleep(3600)
            raise AssertionError

        async def send(message: dict[str, object]) -> None:
            nonlocal status
            status = int(str(message.get("status", status)))

        await application(_scope("POST", "/login", b"application/x-www-form-urlencoded"), receive, send)  # type: ignore[arg-type]
        return status

    assert asyncio.run(ask()) == 408


def test_who_takes_no_answer_is_given_up(application: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READING_SECONDS", 0.05)

    async def ask() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(3600)

        await application(_scope("GET", "/login"), receive, send)  # type: ignore[arg-type]

    with pytest.raises(TimeoutError):
        asyncio.run(ask())


def _scope(method: str, path: str, content_type: bytes = b"") -> dict[str, object]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", content_type)] if content_type else [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
