"""A running service and a real browser: each test has its own base, all share one Chromium."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.security import SESSION_COOKIE, open_login_session
from api.wiring import Services
from models.knowledge import Version
from models.organisation import Person
from tests.cast import LOST_CARD, RESIDENCE_PERMIT, Cast, published

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
WIDE = (1280, 860)
SWITCHED_OFF = os.environ.get("ZHIDA_NO_BROWSER") == "1"
Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands in this folder; leave it out only when somebody said so."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if SWITCHED_OFF:
                item.add_marker(pytest.mark.skip(reason="ZHIDA_NO_BROWSER=1"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next((path for name in NAMES if (path := shutil.which(name))), None)
    if executable is None:
        pytest.fail("没有找到 Chromium：请安装（apt-get install chromium），或设 ZHIDA_NO_BROWSER=1 跳过浏览器测试。")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def site(application: FastAPI) -> Iterator[str]:
    """The address of the service, listening on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # else a page that comes before the server has started is refused
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def entry(base: Session, people: Cast, services: Services) -> Version:
    """Live, searchable entries, two of them siblings; the one that the tests ask for."""
    version = published(base, LOST_CARD, code="SB-001")
    sibling = replace(LOST_CARD, question="社会保障卡密码丢了怎样重置", similar=("社保卡密码忘了怎么办",))
    published(base, sibling, code="SB-002")
    published(base, RESIDENCE_PERMIT, code="HJ-001")
    services.follower.catch_up()
    return version


@pytest.fixture
def open_as(browser: Browser, site: str, services: Services) -> Iterator[Open]:
    """Open a page of the site as a person. A fault in a script fails the test, so does what our policy stops."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(
        person: Person | None, path: str = "/", *, size: tuple[int, int] = WIDE, dark: bool = False, script: bool = True
    ) -> Page:
        context = browser.new_context(
            base_url=site,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            locale="zh-CN",
        )
        contexts.append(context)
        if person is not None:
            context.add_cookies([{"name": SESSION_COOKIE, "value": _log_in(services, person), "url": site}])
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def _log_in(services: Services, person: Person) -> str:
    with services.open_session() as session:
        token = open_login_session(session, person, utc_now(), hours=1)
        session.commit()
    return token
