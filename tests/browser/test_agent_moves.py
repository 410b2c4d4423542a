"""What may go wrong with a caller on the line: internal text, unopened cards, old answers, lost focus, jumps."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.wiring import Services
from models.knowledge import Version
from models.usage import Gap, Verdict
from tests.browser.conftest import Open
from tests.browser.test_agent_page import QUESTION, type_and_ask
from tests.cast import INTERNAL_CONTACT, LOST_CARD, Cast, published

INTERNAL = "派出所户籍窗口内部联系方式"
CHOICE = "社会保障卡"
"""The standard questions of two entries go on like this: the agent has to choose."""

pytestmark = pytest.mark.usefixtures("entry")


@pytest.fixture
def internal_entry(base: Session, services: Services) -> Version:
    version = published(base, INTERNAL_CONTACT, code="HJ-009")
    services.follower.catch_up()
    return version


@pytest.fixture
def choice(open_as: Open, people: Cast) -> Page:
    """A page that asks which of two entries is meant."""
    page = open_as(people.agent)
    type_and_ask(page, CHOICE)
    expect(page.locator(".result")).to_have_attribute("data-outcome", "choose")
    expect(page.locator(".card:visible")).to_have_count(0)
    return page


def hold(page: Page) -> list[Callable[[], None]]:
    """Questions from now on wait at the door until what is returned lets them through."""
    waiting: list[Callable[[], None]] = []

    def wait(route: Route) -> None:
        waiting.append(route.continue_)

    page.route("**/ask?*", wait)
    return waiting


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


# Internal


def test_internal_text_is_marked_and_copied_only_on_purpose(
    open_as: Open, people: Cast, internal_entry: Version
) -> None:
    page = open_as(people.agent)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('之前的')")
    type_and_ask(page, INTERNAL)
    expect(page.locator(".card:visible h2")).to_contain_text("内部")
    expect(page.locator(".card:visible .spoken-label")).to_have_text("内部提示")
    expect(page.locator(".card:visible").get_by_text("口径", exact=True)).to_have_count(0)
    page.keyboard.press("Control+c")
    expect(page.locator("#said")).to_have_text("内部内容，再按一次 Ctrl+C 复制")
    assert clipboard(page) == "之前的"
    page.keyboard.press("Control+c")
    expect(page.locator("#said")).to_contain_text("已复制内部提示")
    assert clipboard(page) == "内部联络电话见通讯录。"


def test_internal_entries_are_marked_in_the_list(open_as: Open, people: Cast, internal_entry: Version) -> None:
    page = open_as(people.agent, f"/?q={INTERNAL}&open=0")
    entry = page.locator(".others li", has_text=INTERNAL)
    expect(entry.locator(".other-question > .status")).to_have_text("内部")
    expect(page.locator(".others .is-internal")).to_have_count(1)


# Judging


def test_no_card_is_judged_before_it_is_opened(choice: Page, base: Session) -> None:
    choice.keyboard.press("Alt+y")
    expect(choice.locator("#said")).to_have_text("请先打开一条答案")
    choice.keyboard.press("ArrowDown")
    choice.keyboard.press("Alt+y")
    expect(choice.locator("#said")).to_have_text("请先打开一条答案")
    choice.keyboard.press("Enter")
    expect(choice.locator(".card:visible")).to_have_count(1)
    assert base.scalars(select(Verdict)).all() == []
    choice.keyboard.press("Alt+y")
    expect(choice.locator(".card:visible .recorded")).to_contain_text("已判正确")
    opened = choice.locator(".card:visible .verdict [name=version_id]").get_attribute("value")
    assert str(base.scalars(select(Verdict)).one().version_id) == opened


def test_an_unopened_highlight_is_not_taken_for_the_open_card(choice: Page, base: Session) -> None:
    choice.keyboard.press("Alt+1")
    choice.keyboard.press("ArrowDown")
    choice.keyboard.press("Alt+y")
    expect(choice.locator("#said")).to_have_text("选中的一条还没有打开，按 Enter 打开")
    choice.wait_for_timeout(200)
    assert base.scalars(select(Verdict)).all() == []


def test_hints_beside_no_answer_cannot_be_judged(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page, "带身份证去坐飞机行李超重怎么收费")
    expect(page.locator(".result")).to_have_attribute("data-outcome", "none")
    page.keyboard.press("Alt+1")
    expect(page.locator(".card:visible .card-state")).to_have_text("不是答案，仅供参考")
    expect(page.locator(".right")).to_have_count(0)
    page.keyboard.press("Alt+y")
    expect(page.locator("#said")).to_contain_text("不是答案")
    assert base.scalars(select(Verdict)).all() == []


def test_a_verdict_outlives_a_reload_and_contradicts_a_gap(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Alt+y")
    expect(page.locator(".card:visible .recorded")).to_contain_text("已判正确")
    page.reload()
    expect(page.locator(".card:visible .recorded")).to_contain_text("已判正确")
    page.keyboard.press("Alt+g")
    expect(page.locator("#said")).to_contain_text("再按一次 Alt+G")
    assert base.scalars(select(Gap)).all() == []
    page.keyboard.press("Alt+g")
    expect(page.locator(".gap-recorded")).to_be_visible()
    page.reload()
    expect(page.locator(".gap-recorded")).to_contain_text(re.compile(r"\d\d:\d\d"))
    page.get_by_role("button", name="撤回").click()
    expect(page.locator("form.gap")).to_be_visible()
    assert base.scalars(select(Gap)).all() == []


# The answer to the last question


def test_the_old_answer_is_set_aside_while_the_new_question_is_under_way(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    waiting = hold(page)
    page.clock.install()
    page.keyboard.type("居住证怎样申领")
    page.keyboard.press("Enter")
    page.clock.run_for(500)
    expect(page.locator("#said")).to_have_text("正在查询…")
    expect(page.locator("#was")).to_have_text(f"上一个问题：{QUESTION}")
    page.keyboard.press("Control+c")
    page.keyboard.press("Alt+y")
    page.clock.run_for(100)
    expect(page.locator("#said")).to_contain_text("上一个问题")
    expect(page.locator(".recorded")).to_have_count(0)
    page.clock.run_for(3000)
    expect(page.locator("#said")).to_have_text("服务器较慢，Esc 取消")
    waiting[0]()
    expect(page.locator(".card:visible h2")).to_have_text("居住证怎样申领")
    expect(page.locator("#was")).to_be_hidden()
    expect(page.locator("#result")).not_to_have_attribute("inert", "")


def test_escape_calls_the_question_off(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    hold(page)
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#said")).to_have_text("已取消查询")
    expect(page.locator("#q")).to_have_value(QUESTION)


def test_after_ten_seconds_the_question_is_given_up(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    hold(page)
    page.clock.install()
    page.keyboard.type("居住证")
    page.keyboard.press("Enter")
    page.clock.run_for(10_100)
    expect(page.locator("#trouble")).to_have_text("没有查到“居住证”：服务器 10 秒没有回答。按 Enter 重试")
    expect(page.locator("#was")).to_have_text(f"上一个问题：{QUESTION}")
    page.unroute("**/ask?*")
    page.keyboard.press("Enter")
    expect(page.locator(".result")).to_have_attribute("data-q", "居住证")
    expect(page.locator("#trouble")).to_be_hidden()


def test_an_emptied_box_leaves_the_answer_behind(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Delete")
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("#was")).to_have_text(f"上一个问题：{QUESTION}")
    page.keyboard.insert_text(QUESTION)
    expect(page.locator("#was")).to_be_hidden()


# The next question


@pytest.mark.parametrize("way", ["typed", "composed", "pasted"])
def test_the_next_question_replaces_the_last(open_as: Open, people: Cast, way: str) -> None:
    page = open_as(people.agent)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_and_ask(page)
    if way == "typed":
        page.keyboard.type("居住证")
    elif way == "composed":
        ime = page.context.new_cdp_session(page)
        ime.send("Input.imeSetComposition", {"text": "ju zhu", "selectionStart": 6, "selectionEnd": 6})
        ime.send("Input.insertText", {"text": "居住证"})
    else:
        page.evaluate("navigator.clipboard.writeText('居住证')")
        page.keyboard.press("Control+v")
    expect(page.locator("#q")).to_have_value("居住证")


@pytest.mark.parametrize("key", ["ArrowRight", "End", "click"])
def test_a_moved_caret_edits_the_question(open_as: Open, people: Cast, key: str) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    if key == "click":
        page.locator("#q").click()
    else:
        page.keyboard.press(key)
    page.keyboard.type("呢")
    expect(page.locator("#q")).to_have_value(QUESTION + "呢")
    expect(page.locator("#was")).to_be_hidden()


# Focus


def test_keys_reach_the_box_after_a_click_on_the_card(choice: Page) -> None:
    choice.keyboard.press("Alt+1")
    text = choice.locator(".card:visible .spoken p")
    text.click()
    choice.keyboard.press("ArrowDown")
    expect(choice.locator(".others .is-chosen")).to_have_attribute("data-rank", "2")
    text.click()
    choice.keyboard.press("Enter")
    expect(choice.locator(".card:visible")).to_have_attribute("data-rank", "2")
    choice.locator(".card:visible .spoken p").click()
    choice.keyboard.press("Backspace")
    expect(choice.locator("#q")).to_have_value(CHOICE[:-1])
    choice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choice.evaluate("navigator.clipboard.writeText('片')")
    choice.locator("body").click(position={"x": 900, "y": 800})
    choice.keyboard.press("Control+v")
    expect(choice.locator("#q")).to_have_value(CHOICE[:-1] + "片")


def test_other_fields_keep_their_keys(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page, "量子纠缠")
    page.locator("#gap-note").fill("河东")
    page.keyboard.press("Backspace")
    page.keyboard.type("西")
    expect(page.locator("#gap-note")).to_have_value("河西")
    expect(page.locator("#q")).to_have_value("量子纠缠")


# Back


@pytest.mark.parametrize("way", ["Escape", "back"])
def test_the_way_back_leads_from_the_candidate_over_the_list(choice: Page, way: str) -> None:
    def back() -> None:
        choice.keyboard.press("Escape") if way == "Escape" else choice.go_back()

    choice.keyboard.press("Alt+2")
    expect(choice.locator(".card:visible")).to_have_attribute("data-rank", "2")
    back()
    expect(choice.locator(".card:visible")).to_have_count(0)
    expect(choice.locator(".which")).to_be_visible()
    expect(choice).not_to_have_url(re.compile("open="))
    back()
    expect(choice.locator(".result")).to_have_count(0)
    expect(choice.locator("#q")).to_have_value("")


# The list of others


def test_the_list_shows_only_the_others_and_no_percentages(choice: Page) -> None:
    expect(choice.locator(".others li:visible")).to_have_count(2)
    choice.keyboard.press("Alt+1")
    expect(choice.locator(".others li:visible")).to_have_count(1)
    expect(choice.locator(".others li:visible")).to_have_attribute("data-rank", "2")
    assert "%" in choice.locator(".bar-box").first.get_attribute("title")  # type: ignore[operator]
    for word in choice.locator(".result .unseen").all():
        assert word.evaluate("element => element.getBoundingClientRect().width") <= 1


def test_the_others_take_one_line_each_on_a_narrow_screen(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent, f"/?q={CHOICE}&open=1", size=(960, 700))
    line = page.locator(".others li:visible").bounding_box()
    assert line is not None
    assert line["height"] < 2 * 22.4  # body text has lines of 14 px × 1.6


def test_unlikely_entries_are_not_offered(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page, LOST_CARD.question)
    expect(page.locator(".card:visible h2")).to_have_text(LOST_CARD.question)
    expect(page.locator(".others li", has_text="居住证")).to_have_count(0)
