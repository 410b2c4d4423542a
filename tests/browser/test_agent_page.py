"""An agent with a caller on the line, hands on the keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.knowledge import Version
from models.usage import Gap, Question, Verdict
from models.values import FaultReason, Judgement
from tests.browser.conftest import Open
from tests.cast import LOST_CARD, Cast

QUESTION = "社保卡丢了怎么办"
LONG_QUESTION = (
    "我妈今年七十多岁了，上个月在菜市场把社保卡弄丢了，她自己也说不清是什么时候丢的，现在要去医院看病拿药，"
    "我在外地上班回不来，家里只有我弟弟在，想问一下能不能让我弟弟拿着户口本去帮她补一张，需要带哪些材料，去哪个"
    "窗口办，是不是当天就能拿到，要是当天拿不到这几天看病怎么办，药费能不能先记着以后再报销，之前打过一次电话说"
    "要本人去，可是老人腿脚不方便根本走不了那么远的路，麻烦你们帮我问清楚到底怎么办才好，谢谢了，我等你们回话。"
)

pytestmark = pytest.mark.usefixtures("entry")


def type_and_ask(page: Page, question: str = QUESTION) -> None:
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    expect(page.locator(".result")).to_have_attribute("data-q", question)


def test_an_agent_types_chooses_and_reads_by_keyboard_alone(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("社保卡")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    words = chosen.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#q")).to_have_value(words)
    expect(page.locator(".card:visible .spoken")).to_contain_text("当场拿卡")
    expect(page.locator(".card:visible .confidence b")).to_have_text("可直接答复")
    expect(page.locator("#said")).to_contain_text("可直接答复")
    expect(page.locator("#q")).to_be_focused()
    expect(page.get_by_role("listbox", include_hidden=True)).to_be_hidden()


def test_the_address_brings_the_question_back(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Escape")
    expect(page.locator(".result")).to_have_count(0)
    expect(page.locator("#q")).to_have_value("")
    type_and_ask(page, "居住证怎样申领")
    page.go_back()
    page.go_back()
    expect(page.locator("#q")).to_have_value(QUESTION)
    expect(page.locator(".card:visible .spoken")).to_contain_text("当场拿卡")
    page.reload()
    expect(page.locator(".card:visible .spoken")).to_contain_text("当场拿卡")


def test_what_the_input_method_takes_is_not_ours(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ime = page.context.new_cdp_session(page)
    ime.send("Input.imeSetComposition", {"text": "she bao ka", "selectionStart": 10, "selectionEnd": 10})
    page.wait_for_timeout(200)
    assert [url for url in asked if "/suggest" in url] == []
    # The Enter that commits a composition arrives as key code 229 and chooses nothing.
    page.evaluate(
        """() => document.getElementById('q').dispatchEvent(new KeyboardEvent('keydown',
             {key: 'Enter', keyCode: 229, isComposing: true, bubbles: true, cancelable: true}))"""
    )
    ime.send("Input.insertText", {"text": "社保卡"})
    expect(page.get_by_role("option").first).to_be_visible()
    assert [url for url in asked if "/ask" in url] == []
    expect(page.locator(".result")).to_have_count(0)


def test_typing_anywhere_goes_into_the_box(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 900, "y": 700})
    page.locator(".rail a").first.focus()
    page.keyboard.type("12345")
    expect(page.locator("#q")).to_have_value("12345")


def test_escape_closes_suggestions_first_then_clears(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.keyboard.type("社保卡")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(page.locator("#q")).to_have_value("社保卡")
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_have_value("")


def test_ctrl_c_copies_the_spoken_answer_unless_text_is_selected(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_and_ask(page)
    page.keyboard.press("Control+c")
    expect(page.locator("#said")).to_have_text("已复制口径")
    assert page.evaluate("navigator.clipboard.readText()") == LOST_CARD.spoken
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == QUESTION


def test_one_key_judges_right(open_as: Open, people: Cast, base: Session, entry: Version) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Alt+y")
    expect(page.locator(".card:visible .recorded")).to_contain_text("已判正确")
    expect(page.locator("#q")).to_be_focused()
    verdict = base.scalars(select(Verdict)).one()
    assert (verdict.judgement, verdict.version_id) == (Judgement.CORRECT, entry.id)


def test_two_keys_judge_wrong_with_a_reason(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Alt+n")
    page.keyboard.press("4")
    expect(page.locator(".card:visible .recorded")).to_contain_text("已过期")
    expect(page.locator("#q")).to_have_value(QUESTION)
    verdict = base.scalars(select(Verdict)).one()
    assert (verdict.judgement, verdict.reason) == (Judgement.INCORRECT, FaultReason.OUTDATED)


def test_enter_in_the_note_of_a_fault_judges_nothing(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Alt+n")
    page.locator(".card:visible .wrong input").fill("工本费已取消")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert base.scalars(select(Verdict)).all() == []
    page.locator(".card:visible .wrong button", has_text="答案不准确").click()
    expect(page.locator(".card:visible .recorded")).to_contain_text("已判有误")
    assert base.scalars(select(Verdict)).one().note == "工本费已取消"


def test_no_answer_is_said_plainly_and_one_key_records_the_gap(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page, "量子纠缠")
    expect(page.locator(".notice-none")).to_contain_text("未找到")
    expect(page.locator(".card:visible")).to_have_count(0)
    page.keyboard.press("Alt+g")
    expect(page.locator(".recorded")).to_contain_text("已记录")
    gap = base.scalars(select(Gap)).one()
    assert gap.text == "量子纠缠"
    assert gap.question_id == base.scalars(select(Question.id)).one()


def test_candidates_open_by_number_and_by_arrow(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Alt+2")
    expect(page.locator(".card:visible")).to_have_attribute("data-rank", "2")
    expect(page).to_have_url(re.compile(r"open=2"))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".card:visible")).to_have_attribute("data-rank", "1")


def test_the_box_grows_with_a_long_question(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    assert len(LONG_QUESTION) >= 200
    one_line = page.locator("#q").bounding_box()
    page.keyboard.insert_text(LONG_QUESTION)
    grown = page.locator("#q").bounding_box()
    assert one_line is not None
    assert grown is not None
    assert grown["height"] > 2 * one_line["height"]
    page.keyboard.press("Enter")
    expect(page.locator(".result")).to_have_attribute("data-q", LONG_QUESTION)


def test_the_keys_are_shown_on_request(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#q")).to_be_focused()


def test_stale_suggestions_are_dropped(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)

    def slow_first(route):  # type: ignore[no-untyped-def]
        if route.request.url.endswith("q=" + "%E7%A4%BE"):
            page.wait_for_timeout(400)
        route.continue_()

    page.route("**/suggest?*", slow_first)
    page.keyboard.type("社")
    page.wait_for_timeout(80)
    page.keyboard.press("Backspace")
    page.keyboard.type("居住证")
    expect(page.get_by_role("option").first).to_contain_text("居住证")
    page.wait_for_timeout(500)
    expect(page.get_by_role("option").first).to_contain_text("居住证")


def test_without_a_script_the_form_still_answers(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent, script=False)
    page.fill("#q", QUESTION)
    page.click(".ask button")
    expect(page.locator(".card:visible .spoken")).to_contain_text("当场拿卡")
    page.locator(".card:visible button.right").click()
    expect(page.locator(".card:visible .spoken")).to_contain_text("当场拿卡")
    assert base.scalars(select(Verdict)).one().judgement is Judgement.CORRECT


def test_a_lost_login_leads_to_the_door_with_the_question_kept(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.context.clear_cookies()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_url("**/login?*")
    page.fill("#login", "zuoxi")
    page.fill("#password", "一二三四五六七八")
    page.keyboard.press("Enter")
    expect(page.locator(".card:visible .spoken")).to_contain_text("当场拿卡")


def test_a_lost_server_loses_no_question(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.route("**/ask?*", lambda route: route.abort())
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("#trouble")).to_contain_text("连不上服务器")
    expect(page.locator("#q")).to_have_value(QUESTION)
