"""Takes the pictures in docs/images from a running service that holds the demonstration base.

zhida serve &
.venv/bin/python docs/take_screenshots.py [http://127.0.0.1:8000]
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).with_name("images")
ADDRESS = "http://127.0.0.1:8000"
PASSWORD = "zhida-12345"  # noqa: S105 - the demonstration accounts share it, and serve prints it
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
FULL, HALF = (1280, 800), (640, 860)


def direct(page: Page) -> None:
    """A question with one answer, about one part of it."""
    _ask(page, "我妈把社保卡弄丢了")


def choosing(page: Page) -> None:
    """A question that several entries could mean."""
    _ask(page, "社保卡")


def nothing(page: Page) -> None:
    """A question that the base does not answer."""
    _ask(page, "火星探测器什么时候发射")


def typing(page: Page) -> None:
    """Suggestions."""
    page.keyboard.type("居住证")
    page.locator("[role=option]").first.wait_for()
    page.keyboard.press("ArrowDown")


def entries(page: Page) -> None:
    """The list of entries."""
    page.goto("/entries")


def entry(page: Page) -> None:
    """One entry with its history."""
    page.goto("/entries/GA-001")


PICTURES: tuple[tuple[str, str, tuple[int, int], bool, Callable[[Page], None]], ...] = (
    ("agent-1280", "zuoxi", FULL, False, direct),
    ("agent-640", "zuoxi", HALF, False, direct),
    ("agent-dark-1280", "zuoxi", FULL, True, direct),
    ("suggestions-1280", "zuoxi", FULL, False, typing),
    ("choose-640", "zuoxi", HALF, False, choosing),
    ("no-answer-640", "zuoxi", HALF, False, nothing),
    ("entries-1280", "rexianban", FULL, False, entries),
    ("entry-1280", "rexianban", FULL, False, entry),
)


def main() -> None:
    """Take them all."""
    address = sys.argv[1] if len(sys.argv) > 1 else ADDRESS
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for name, login, size, dark, prepare in PICTURES:
            _take(browser, address, name, login, size=size, dark=dark, prepare=prepare)
        browser.close()


def _take(
    browser: Browser,
    address: str,
    name: str,
    login: str,
    *,
    size: tuple[int, int],
    dark: bool,
    prepare: Callable[[Page], None],
) -> None:
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        locale="zh-CN",
    )
    page = context.new_page()
    page.goto("/login")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.locator("#q, .table, main").first.wait_for()
    page.wait_for_load_state()
    prepare(page)
    page.screenshot(path=IMAGES / f"{name}.png", caret="initial")
    context.close()


def _ask(page: Page, question: str) -> None:
    page.keyboard.insert_text(question)
    page.keyboard.press("Enter")
    page.locator(".result").wait_for()
    page.wait_for_function("document.getElementById('said').textContent !== ''")


if __name__ == "__main__":
    main()
