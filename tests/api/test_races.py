"""Two people at the same moment: one is served, the other is told, nothing is half done."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.wiring import Services
from ingest.export import export_xlsx
from models.knowledge import Entry
from models.organisation import Region
from models.values import EntryContent, ExportedEntry
from tests.cast import CITY, SOCIAL_SECURITY, Cast
from tests.conftest import DATABASES, Visit

ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)
WORKBOOK = export_xlsx([ExportedEntry("SB-100", EntryContent("失业金怎么领", "到窗口申领。", SOCIAL_SECURITY, CITY))])
Request = Callable[[], Response]
Twice = Callable[[Request], list[Response]]


@pytest.fixture
def side_by_side(services: Services) -> Iterator[Twice]:
    """Runs the same request twice at once; each has compared its file with the base before either may write."""
    both_have_read = threading.Barrier(2, timeout=10)
    have_met = set[int]()

    def wait_for_the_other(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("UPDATE code_numbers") and threading.get_ident() not in have_met:
            have_met.add(threading.get_ident())
            both_have_read.wait()

    def run(request: Request) -> list[Response]:
        with ThreadPoolExecutor(2) as pool:
            replies = [pool.submit(request) for _ in range(2)]
            return sorted((reply.result() for reply in replies), key=lambda reply: reply.status_code)

    event.listen(services.engine, "before_cursor_execute", wait_for_the_other)
    yield run
    event.remove(services.engine, "before_cursor_execute", wait_for_the_other)


@ON_BOTH
def test_a_program_that_comes_second_gets_a_conflict(
    side_by_side: Twice, visit: Visit, people: Cast, base: Session
) -> None:
    browser = visit(people.office)

    def save() -> Response:
        return browser.post("/api/v1/import", files={"file": ("a.xlsx", WORKBOOK)}, data={"dry_run": "false"})

    first, second = side_by_side(save)
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"]["code"] == "conflict"
    assert "其他人" in second.json()["error"]["message"]
    assert base.scalars(select(Entry.code)).all() == ["SB-100"]
    assert browser.post("/api/v1/import", files={"file": ("a.xlsx", WORKBOOK)}).json()["unchanged"] == 1


@ON_BOTH
def test_a_person_who_comes_second_reads_so_and_can_go_back(
    side_by_side: Twice, visit: Visit, people: Cast, base: Session
) -> None:
    browser = visit(people.office)
    trials = iter([browser.post("/import", files={"file": ("a.xlsx", WORKBOOK)}).headers["location"] for _ in "12"])
    first, second = side_by_side(lambda: browser.post(f"{next(trials)}/apply"))
    assert (first.status_code, second.status_code) == (303, 409)
    assert "<html" in second.text
    assert "其他人" in second.text
    assert base.scalars(select(Entry.code)).all() == ["SB-100"]
    trial = str(second.request.url).removesuffix("/apply")
    assert "<dt>无变化</dt><dd>1</dd>" in browser.get(trial).text


def test_what_breaks_another_rule_is_blamed_on_nobody_else(application: FastAPI, services: Services) -> None:
    def broken() -> None:
        with services.open_session() as session:
            session.add(Region(name="无级别的区域"))
            session.flush()

    application.add_api_route("/api/v1/broken", broken)
    reply = TestClient(application, raise_server_exceptions=False).get("/api/v1/broken")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
