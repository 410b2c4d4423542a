"""The thesaurus in a browser: found, changed and tried by keyboard, with and without scripts, in both themes."""

import pytest
from playwright.sync_api import expect

from api.wiring import Services
from models.knowledge import Version
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling
from tests.cast import Cast

OPENED = "/thesaurus?q=社会保障卡&open=社会保障卡&try=社保卡丢了要花多少钱"
PATHS = ("/thesaurus", OPENED, "/thesaurus?new=", "/thesaurus?q=没有这样的词")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_saying_is_added_by_keyboard_and_understood_at_once(
    open_as: Open, people: Cast, entry: Version, services: Services, script: bool
) -> None:
    page = open_as(people.office, "/thesaurus", script=script)
    page.get_by_label("主词、说法或备注").fill("社会保障卡")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="社会保障卡", exact=True).press("Enter")
    expect(page.locator(":focus")).to_have_attribute("name", "word")
    page.keyboard.type("金蓝卡")
    page.keyboard.press("Enter")
    expect(page.locator(".banner-good")).to_contain_text("已保存")
    services.follower.catch_up()
    page.get_by_label("输入一个问题").fill("金蓝卡丢了")
    page.keyboard.press("Enter")
    expect(page.locator(".read-words")).to_contain_text("社会保障卡")
    agent = open_as(people.agent, "/?q=金蓝卡丢了怎么补")
    expect(agent.locator("main")).to_contain_text("社会保障卡丢失后怎样补领")


def test_a_conflict_keeps_what_was_typed(open_as: Open, people: Cast) -> None:
    mine, other = (open_as(people.office, "/thesaurus?q=社会保障卡&open=社会保障卡") for _ in range(2))
    other.locator(":focus").fill("别人的词")
    other.get_by_role("button", name="保存").click()
    mine.locator(":focus").fill("我的词")
    mine.get_by_role("button", name="保存").click()
    expect(mine.locator(".banner-bad[role=alert]")).to_contain_text("没有保存")
    expect(mine.locator(".banner-bad[role=alert]")).to_be_focused()
    expect(mine.locator("input[value=我的词]")).to_be_visible()
    mine.get_by_role("link", name="打开现行版本再改").click()
    expect(mine.locator("input[value=别人的词]")).to_be_visible()


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(open_as: Open, people: Cast, path: str) -> None:
    page = open_as(people.office, path)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)
