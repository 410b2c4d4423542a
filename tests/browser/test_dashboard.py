"""The dashboard in a browser: charts drawn, tables one click away and instead of them, nothing serious for axe."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling
from tests.cast import Cast
from tests.kb_admin.call_log import add_work, make_log

ADDRESS = "/dashboard?span=month&day=2026-11-18"


@pytest.fixture
def worked(base: Session, people: Cast) -> Cast:
    """Two months of calls and what came of them. Ask for it before the service starts to collect gaps itself."""
    add_work(base, make_log(base, people, 3, calls=150, entries=30), 3)
    return people


def test_every_chart_is_drawn_and_has_its_table_one_click_away(worked: Cast, open_as: Open) -> None:
    said: list[str] = []
    page = open_as(worked.office, ADDRESS)
    page.on("console", lambda message: said.append(message.text))
    page.reload()
    for box in page.locator("[data-chart]").all():
        expect(box.locator("svg")).to_have_count(1)
    table = page.locator("#table-by-day")
    expect(table).to_be_hidden()
    toggle = page.locator("#chart-by-day .chart-toggle")
    toggle.focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    expect(toggle).to_have_attribute("aria-expanded", "true")
    page.locator("[data-chart='by-day']").hover()
    page.get_by_text("切换深浅色").click()
    assert said == []  # the policy of the page lets no style or script in by the back door


@pytest.mark.parametrize("address", [ADDRESS, "/definitions"])
def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(worked: Cast, open_as: Open, address: str) -> None:
    page = open_as(worked.office, address)
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)


def test_without_scripts_the_tables_stand(worked: Cast, open_as: Open) -> None:
    page = open_as(worked.office, ADDRESS, script=False)
    expect(page.locator("#table-by-day")).to_be_visible()
    expect(page.locator("#table-correctness tbody tr").first).to_be_visible()


def test_it_prints_light_on_a4_and_comes_back(worked: Cast, open_as: Open, tmp_path: Path) -> None:
    page = open_as(worked.office, ADDRESS)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert float(page.locator("[data-chart='by-day'] svg").get_attribute("width") or 0) == 640
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    printed = page.pdf(path=tmp_path / "dashboard.pdf", format="A4")
    assert printed.startswith(b"%PDF")
