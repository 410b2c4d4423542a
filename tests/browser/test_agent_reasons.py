"""The agent sees what was looked for, chooses by what differs, and cannot read out what is no answer."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.wiring import Services
from models.usage import Verdict
from tests.api.test_reasons import ALL, EMPLOYEES, FUND, NO_ANSWER
from tests.browser.conftest import Open
from tests.browser.test_agent_page import type_and_ask
from tests.cast import Cast, published

SLIP = "公机金怎么提取"


@pytest.fixture(autouse=True)
def _live(base: Session, people: Cast, services: Services) -> None:
    for content in ALL:
        published(base, content)
    services.follower.catch_up()


def test_a_mended_slip_can_be_looked_for_literally_and_back(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page, SLIP)
    expect(page.locator(".taken")).to_contain_text("已按“公积金”查找（您输入“公机金”）")
    page.get_by_role("link", name="按原样查找").click()
    expect(page.locator(".taken")).to_contain_text("没有更正")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value(SLIP)
    assert "literal=1" in page.url
    page.reload()
    expect(page.locator(".taken")).to_contain_text("没有更正")
    page.go_back()
    expect(page.locator(".taken")).to_contain_text("您输入“公机金”")
    assert "literal" not in page.url
    page.go_forward()
    expect(page.locator(".taken")).to_contain_text("没有更正")
    page.keyboard.press("Enter")  # asked anew, it is mended again
    expect(page.locator(".taken")).to_contain_text("您输入“公机金”")


def test_literally_works_without_a_script(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent, script=False)
    page.fill("#q", SLIP)
    page.click(".ask button")
    page.get_by_role("link", name="按原样查找").click()
    expect(page.locator(".taken")).to_contain_text("没有更正")


def test_candidates_are_chosen_by_number_by_what_differs(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page, "医保住院报销比例")
    expect(page.locator(".facet")).to_contain_text("按“参保身份”区分")
    item = page.locator(".others li", has=page.locator(".kind", has_text="职工"))
    expect(item.locator(".other-question")).to_have_text(EMPLOYEES.question)
    page.keyboard.press(f"Alt+{item.get_attribute('data-rank')}")
    expect(page.locator(".card:visible h2")).to_have_text(EMPLOYEES.question)
    expect(page.locator(".card:visible .kind")).to_have_text("职工")
    expect(page.locator(".facet")).to_be_hidden()


def test_a_hint_is_not_copied_read_out_or_judged(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('之前的')")
    type_and_ask(page, NO_ANSWER)
    expect(page.locator("#others-title")).to_have_text("以下相近内容不是答案，仅供参考")
    page.keyboard.press("Alt+1")
    expect(page.locator(".card:visible .spoken")).to_have_count(0)
    page.keyboard.press("Control+c")
    expect(page.locator("#said")).to_contain_text("不是答案")
    page.keyboard.press("Alt+y")
    expect(page.locator("#said")).to_contain_text("不是答案")
    assert page.evaluate("navigator.clipboard.readText()") == "之前的"
    assert base.scalars(select(Verdict)).all() == []


def test_initials_lead_to_suggestions(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.keyboard.type("gjj")
    expect(page.get_by_role("option").first).to_contain_text("公积金")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".card h2").first).to_contain_text(FUND.question)


def test_an_internal_suggestion_is_marked_and_asked_without_the_mark(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.keyboard.type("户籍窗口")
    expect(page.get_by_role("option").first).to_contain_text("内部")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#q")).to_have_value("派出所户籍窗口内部联系方式")
