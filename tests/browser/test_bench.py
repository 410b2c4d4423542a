"""The analysts' bench in a browser: upload a test, run it, change the thesaurus, run again, compare."""

import io
from pathlib import Path

import pytest
from openpyxl import Workbook
from playwright.sync_api import Page, expect

from models.knowledge import Version
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling
from tests.cast import Cast

ROWS = (
    ("社会保障卡丢失后怎样补领", "SB-001"),
    ("金蓝卡不见了哪里补", "社会保障卡丢失后怎样补领"),
    ("居住证怎样申领", "HJ-001"),
    ("量子纠缠", "无"),
    ("没有这个条目的题", "XX-123"),
)
PATIENCE_MS = 20_000


@pytest.fixture
def spreadsheet(tmp_path: Path) -> Path:
    book = Workbook()
    for row in (("问题", "应答条目"), *ROWS):
        book.active.append(row)
    output = io.BytesIO()
    book.save(output)
    path = tmp_path / "社保题.xlsx"
    path.write_bytes(output.getvalue())
    return path


def uploaded(page: Page, spreadsheet: Path) -> str:
    """Upload, look, keep the good rows; the address of the set."""
    page.set_input_files("#file", spreadsheet)
    if page.get_by_role("heading", name="核对结果").count() == 0 and page.get_by_role("button", name="上传").count():
        page.get_by_role("button", name="上传并核对").click()
    expect(page.get_by_role("heading", name="核对结果")).to_be_visible()
    expect(page.get_by_role("region", name="有误的行明细")).to_contain_text("XX-123")
    page.get_by_label("只保存没有问题的").check()
    page.get_by_role("button", name="保存").click()
    expect(page.locator("h1")).to_have_text("社保题")
    return page.url


def run(page: Page, address: str, name: str) -> None:
    """Start a run and wait for its figures, as the page itself shows them."""
    page.goto(address)
    page.get_by_label("名称").fill(name)
    page.get_by_role("button", name="开始运行").click()
    expect(page.locator("h1")).to_have_text(name)
    expect(page.get_by_text("首位正确率", exact=True)).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_upload_run_change_the_thesaurus_run_and_compare(
    open_as: Open, people: Cast, entry: Version, spreadsheet: Path, script: bool
) -> None:
    page = open_as(people.office, "/tests", script=script)
    address = uploaded(page, spreadsheet)
    run(page, address, "改词库前")
    expect(page.locator("svg.curve")).to_be_visible()
    words = open_as(people.office, "/thesaurus?q=社会保障卡&open=社会保障卡", script=script)
    words.locator("input[name=word]").last.fill("金蓝卡")
    words.get_by_role("button", name="保存").click()
    expect(words.locator(".banner-good")).to_contain_text("已保存")
    run(page, address, "改词库后")
    page.goto(address)
    page.get_by_role("button", name="比较").click()
    expect(page.get_by_role("region", name="差别", exact=True)).to_contain_text("首位正确率")
    page.get_by_role("link", name="变好").click()
    page.get_by_role("link", name="金蓝卡不见了哪里补").click()
    expect(page.locator(".side-by-side section")).to_have_count(2)
    expect(page.locator(".side-by-side")).to_contain_text("改词库前")
    page.get_by_role("link", name="现在查一次").click()
    expect(page.locator("main")).to_contain_text("社会保障卡丢失后怎样补领")


def test_exports_are_downloaded_and_filters_narrow_the_list(
    open_as: Open, people: Cast, entry: Version, spreadsheet: Path
) -> None:
    page = open_as(people.analyst, "/tests")
    run(page, uploaded(page, spreadsheet), "一次")
    with page.expect_download() as file:
        page.get_by_role("link", name="导出（xlsx）").click()
    assert file.value.suggested_filename.endswith(".xlsx")
    page.get_by_role("link", name="应无答案").click()
    expect(page.get_by_role("region", name="逐题结果").locator("tbody tr")).to_have_count(1)
    page.get_by_label("试一个阈值").fill("0.5")
    page.keyboard.press("Enter")
    expect(page.locator(".effect")).to_contain_text("降到 0.50：直接答复")


def test_a_stranger_is_refused_in_words(open_as: Open, people: Cast) -> None:
    page = open_as(people.stranger, "/tests")
    expect(page.locator("h1")).to_have_text("没有权限")
    expect(page.locator(".message")).to_contain_text("数据分析员")


def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(
    open_as: Open, people: Cast, entry: Version, spreadsheet: Path
) -> None:
    page = open_as(people.analyst, "/tests")
    look_over(page)
    page.set_input_files("#file", spreadsheet)
    expect(page.get_by_role("heading", name="核对结果")).to_be_visible()
    look_over(page)
    page.get_by_label("只保存没有问题的").check()
    page.get_by_role("button", name="保存").click()
    address = page.url
    for name in ("甲", "乙"):
        run(page, address, name)
    look_over(page)
    for path in (address, "/tests", "/tests/draw", "/tests/compare?before=1&after=2", "/tests/cases/1?run=1&run=2"):
        page.goto(path)
        look_over(page)


def look_over(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page), page.url
