"""The other pages in a browser: import by dropping a file, who is refused, what axe finds."""

import io
from pathlib import Path

import pytest
from openpyxl import Workbook
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.wiring import Services
from models.knowledge import Entry, Version
from tests.browser.conftest import Open
from tests.browser.looks import HALF_SCREEN, faults_in_both_themes, needs_sideways_scrolling, serious_faults
from tests.cast import CITY, SOCIAL_SECURITY, Cast

PATHS = (
    *("/", "/?q=社保卡丢了怎么办", "/?q=社保卡", "/?q=量子纠缠", "/entries", "/entries/SB-001"),
    *("/import", "/gaps", "/entries/没有", "/entries?q=没有"),
)


@pytest.fixture
def spreadsheet(tmp_path: Path) -> Path:
    """One good row, one without a question."""
    book = Workbook()
    for row in (
        ("标准问", "答案", "责任单位", "适用区域"),
        ("失业金怎么领", "带身份证到窗口申领。", SOCIAL_SECURITY, CITY),
        ("", "这一行没有问题", SOCIAL_SECURITY, CITY),
    ):
        book.active.append(row)
    output = io.BytesIO()
    book.save(output)
    path = tmp_path / "知识.xlsx"
    path.write_bytes(output.getvalue())
    return path


def test_a_spreadsheet_is_imported_and_found(
    open_as: Open, people: Cast, base: Session, services: Services, spreadsheet: Path
) -> None:
    page = open_as(people.office, "/import")
    page.set_input_files("#file", spreadsheet)
    expect(page.get_by_role("heading", name="试算结果")).to_be_visible()
    expect(page.get_by_role("region", name="拒绝的行明细")).to_contain_text("3")
    with page.expect_download() as report:
        page.get_by_role("link", name="下载拒绝的行").click()
    assert report.value.suggested_filename.endswith(".xlsx")
    assert base.scalars(select(Entry)).all() == []
    page.get_by_label("直接发布").check()
    page.get_by_role("button", name="确认导入").click()
    expect(page.locator(".banner-good")).to_contain_text("已导入")
    services.follower.catch_up()
    page.goto("/?q=失业金怎么领")
    expect(page.locator(".card:visible")).to_contain_text("带身份证到窗口申领")


def test_correcting_a_column_tries_again_at_once(open_as: Open, people: Cast, spreadsheet: Path) -> None:
    page = open_as(people.office, "/import")
    page.set_input_files("#file", spreadsheet)
    page.get_by_label("B 答案").select_option("口径")
    expect(page.get_by_text("由您指定")).to_be_visible()
    expect(page.locator(".totals .is-bad dd")).to_have_text("2")


def test_pointing_out_the_header_tries_again_at_once(open_as: Open, people: Cast, tmp_path: Path) -> None:
    file = tmp_path / "知识.csv"
    file.write_text("事项,怎么说\n失业金怎么领,带身份证到窗口申领。\n居住证怎么办,到派出所办理。\n", encoding="utf-8")
    page = open_as(people.office, "/import")
    page.set_input_files("#file", file)
    expect(page.get_by_text("没有认出表头")).to_be_visible()
    expect(page.get_by_role("heading", name="知识.csv 3 行")).to_be_visible()
    page.get_by_label("知识.csv 的表头在").select_option("第 1 行：事项 | 怎么说")
    expect(page.get_by_text("没有认出表头")).to_have_count(0)
    expect(page.get_by_role("heading", name="知识.csv 2 行")).to_be_visible()
    expect(page.get_by_label("A 事项")).to_have_value("")
    page.get_by_label("知识.csv 的表头在").select_option("没有表头")
    expect(page.get_by_role("heading", name="知识.csv 3 行")).to_be_visible()


def test_the_office_withdraws_an_entry_and_agents_no_longer_find_it(
    open_as: Open, people: Cast, entry: Version
) -> None:
    page = open_as(people.office, "/entries/SB-001")
    page.get_by_label("下架原因").fill("政策停止执行")
    page.get_by_role("button", name="下架").click()
    expect(page.get_by_text("政策停止执行")).to_be_visible()
    agent = open_as(people.agent, "/entries")
    expect(agent.get_by_role("link", name="SB-001")).to_have_count(0)


def test_a_stranger_is_refused_in_words(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.stranger, "/gaps")
    expect(page.locator("h1")).to_have_text("没有权限")
    expect(page.locator(".message")).to_contain_text("市热线办")
    page.get_by_role("link", name="回到知识查询").click()
    expect(page.get_by_role("link", name="知识缺失")).to_have_count(0)


def test_nobody_enters_without_logging_in(open_as: Open, people: Cast) -> None:
    page = open_as(None, "/entries?sort=-code")
    page.get_by_label("登录名").fill("zuoxi")
    page.get_by_label("密码").fill("一二三四五六七八")
    page.get_by_role("button", name="登录").click()
    expect(page).to_have_url("/entries?sort=-code")


def test_filters_stay_in_the_address(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.office, "/entries")
    page.get_by_label("责任单位").select_option(SOCIAL_SECURITY)
    expect(page.locator(".list tbody tr")).to_have_count(2)
    page.reload()
    expect(page.locator(".list tbody tr")).to_have_count(2)
    page.get_by_role("link", name="标准问").click()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("标准问")
    expect(page.locator(".list tbody tr")).to_have_count(2)


def test_the_rail_folds_at_half_a_screen(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.office, "/", size=HALF_SCREEN)
    expect(page.get_by_role("link", name="知识缺失")).to_be_hidden()
    page.get_by_role("button", name="菜单").click()
    expect(page.get_by_role("link", name="知识缺失")).to_be_visible()


def test_the_chosen_theme_is_kept(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.agent)
    light = page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
    page.get_by_role("button", name="切换深浅色").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") != light


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(
    open_as: Open, people: Cast, entry: Version, path: str
) -> None:
    page = open_as(people.office, path)
    if page.locator("dialog").count():
        page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)


def test_axe_finds_nothing_serious_at_the_door(open_as: Open, people: Cast) -> None:
    assert serious_faults(open_as(None, "/login")) == []


def test_axe_finds_nothing_serious_in_a_trial(open_as: Open, people: Cast, spreadsheet: Path) -> None:
    page = open_as(people.office, "/import")
    page.set_input_files("#file", spreadsheet)
    expect(page.get_by_role("heading", name="试算结果")).to_be_visible()
    assert serious_faults(page) == []
