"""The call on the agent's page by keys alone, and the citizen's page on a telephone."""

import re

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin import rating_links
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.usage import Verdict
from models.values import Ending, FaultReason, Judgement, Matter, UseKind
from tests.browser.conftest import Open
from tests.browser.looks import HALF_SCREEN, faults_in_both_themes, needs_sideways_scrolling
from tests.browser.test_agent_page import QUESTION, type_and_ask
from tests.cast import Cast

TELEPHONE = (360, 740)

pytestmark = pytest.mark.usefixtures("entry")


def calls(base: Session) -> list[IncomingCall]:
    base.expire_all()
    return list(base.scalars(select(IncomingCall).order_by(IncomingCall.id)))


def uses(base: Session) -> list[tuple[int, UseKind]]:
    base.expire_all()
    return [(use.version_id, use.kind) for use in base.scalars(select(AnswerUse).order_by(AnswerUse.id))]


def state(page: Page) -> str:
    return page.locator(".call-state").inner_text()


def test_a_call_goes_by_without_a_key_for_it(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    expect(page.locator(".call-state")).to_contain_text("没有来电")
    type_and_ask(page)
    expect(page.locator(".call-state")).to_contain_text("来电")
    expect(page.locator(".call-state")).to_contain_text("1\u2009问")
    expect(page.locator("[data-call-time]")).not_to_have_text("0:00")
    expect(page.locator("#q")).to_be_focused()
    type_and_ask(page, "居住证怎样申领")
    expect(page.locator(".call-state")).to_contain_text("2\u2009问")
    (call,) = calls(base)
    assert call.ended_at is None


def test_one_key_ends_the_call_another_corrects_it_and_the_next_begins(
    open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Control+c")
    expect(page.locator("#said")).to_contain_text("已复制")
    page.keyboard.press("Alt+a")
    expect(page.locator("#said")).to_contain_text("直接解答")
    expect(page.locator("#q")).to_be_focused()
    (call,) = calls(base)
    assert (call.ending, call.version_id) == (Ending.ANSWERED, entry.id)
    page.keyboard.press("Alt+t")
    expect(page.locator("#said")).to_contain_text("三方通话")
    assert [one.ending for one in calls(base)] == [Ending.THREE_WAY]
    page.keyboard.press("Alt+l")
    expect(page.locator("#said")).to_contain_text("新来电")
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator(".result")).to_have_count(0)
    page.keyboard.press("Alt+o")
    expect(page.locator("#said")).to_contain_text("转派工单")
    assert [one.ending for one in calls(base)] == [Ending.THREE_WAY, Ending.WORK_ORDER]


def test_what_is_typed_before_the_new_call_is_confirmed_stays(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    held: list[Route] = []
    page.route("**/call/begin", lambda route: held.append(route))  # noqa: PLW0108 - a built-in method it cannot take
    with page.expect_request("**/call/begin"):
        page.keyboard.press("Alt+l")
    page.keyboard.type("居住证")
    held[0].continue_()
    expect(page.locator("#said")).to_contain_text("新来电")
    expect(page.locator("#q")).to_have_value("居住证")
    page.keyboard.type("怎样申领")
    page.keyboard.press("Enter")
    expect(page.locator(".result")).to_have_attribute("data-q", "居住证怎样申领")
    assert len(calls(base)) == 2


def test_the_key_for_a_new_call_pressed_twice_is_one_call(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    for _ in range(2):
        with page.expect_response("**/call/begin"):
            page.keyboard.press("Alt+l")
        expect(page.locator("#said")).to_contain_text("新来电")
    assert len(calls(base)) == 1


def test_without_a_call_the_keys_end_nothing(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    page.keyboard.press("Alt+a")
    expect(page.locator("#said")).to_contain_text("没有进行中的来电")
    assert calls(base) == []


def test_the_same_words_of_the_next_caller_are_another_call(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.keyboard.press("Alt+a")
    expect(page.locator("#said")).to_contain_text("已登记")
    page.reload()
    expect(page.locator(".call-state")).to_contain_text("已登记")
    page.keyboard.press("Enter")
    expect(page.locator(".call-state")).to_contain_text("1\u2009问")
    assert len(calls(base)) == 2


def test_what_is_opened_and_copied_is_told_without_waiting(
    open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    with page.expect_request("**/use"):
        page.keyboard.press("Alt+2")
    with page.expect_request("**/use"):
        page.keyboard.press("Control+c")
    page.keyboard.press("Escape")
    with page.expect_request("**/use"):
        page.locator(".card:visible .spoken p").select_text()
        page.keyboard.press("Control+c")
    other = page.locator("#card-2").get_attribute("data-version")
    page.wait_for_load_state("networkidle")
    assert sorted(uses(base)) == sorted(
        [(int(other or 0), UseKind.OPENED), (int(other or 0), UseKind.COPIED), (entry.id, UseKind.COPIED)]
    )


def test_the_matter_is_chosen_by_keys_and_kept_at_once(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.locator("#call-matter").focus()
    with page.expect_response("**/call/matter"):
        page.keyboard.press("ArrowDown")
    with page.expect_response("**/call/matter"):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#call-matter")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator(".result")).to_have_attribute("data-q", QUESTION)  # Esc cleared nothing
    assert [call.matter for call in calls(base)] == [Matter.HELP]


def test_what_the_input_method_takes_ends_no_call(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    page.evaluate(
        """() => document.getElementById('q').dispatchEvent(new KeyboardEvent('keydown',
             {key: 'a', code: 'KeyA', altKey: true, isComposing: true, bubbles: true, cancelable: true}))"""
    )
    page.wait_for_timeout(200)
    assert [call.ended_at for call in calls(base)] == [None]


def test_a_window_in_the_background_does_not_end_the_next_call(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.agent)
    type_and_ask(page)
    other = page.context.new_page()
    other.goto("/")
    other.keyboard.press("Alt+l")
    expect(other.locator("#said")).to_contain_text("新来电")
    page.keyboard.press("Alt+a")
    expect(page.locator("#said")).to_contain_text("另一个窗口")
    assert [call.ending for call in calls(base)] == [None, None]
    expect(page.locator("#call")).to_have_attribute("data-call", str(calls(base)[1].id))
    page.keyboard.press("Alt+a")
    expect(page.locator("#said")).to_contain_text("已登记")
    assert [call.ending for call in calls(base)] == [None, Ending.ANSWERED]


def test_a_text_message_is_ready_by_one_key(open_as: Open, people: Cast) -> None:
    page = open_as(people.agent)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_and_ask(page)
    page.keyboard.press("Alt+s")
    expect(page.locator("#said")).to_contain_text("已复制")
    expect(page.locator("#q")).to_be_focused()
    text = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/r/[0-9a-z-]+ ", text)
    assert text == page.locator("#invited-text").input_value()


@pytest.mark.parametrize("script", [True, False])
def test_a_citizen_judges_on_a_telephone(
    script: bool, open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    path = _link(open_as, people, base, entry)
    page = open_as(None, path, size=TELEPHONE, script=script)
    expect(page.locator(".asked")).to_have_text(entry.question)
    assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE[0]
    for button in page.locator(".big:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 48  # wide enough for a thumb: 48 px (Material Design, accessibility)
    page.get_by_text("有误", exact=True).click()
    page.get_by_label("已过期").check()
    page.get_by_label("说明").fill("窗口说不收费")
    page.get_by_role("button", name="提交").click()
    expect(page.get_by_role("heading")).to_have_text("感谢您的评价")
    page.goto(path)
    expect(page.get_by_role("heading")).to_have_text("已经评价过了")
    verdict = base.scalars(select(Verdict)).one()
    assert (verdict.judgement, verdict.reason, verdict.note) == (
        Judgement.INCORRECT,
        FaultReason.OUTDATED,
        "窗口说不收费",
    )


def test_axe_finds_nothing_serious(open_as: Open, people: Cast, base: Session, entry: Version) -> None:
    path = _link(open_as, people, base, entry)
    citizen = open_as(None, path, size=TELEPHONE)
    assert faults_in_both_themes(citizen) == []
    citizen.locator("summary").click()
    assert faults_in_both_themes(citizen) == []
    assert not needs_sideways_scrolling(citizen)
    agent = open_as(people.agent, "/", size=HALF_SCREEN)
    type_and_ask(agent, "社保卡丢了")
    agent.keyboard.press("Alt+1")
    agent.keyboard.press("Alt+s")
    expect(agent.locator(".invited")).to_be_visible()
    agent.keyboard.press("Alt+a")
    expect(agent.locator("#said")).to_contain_text("已登记")
    assert faults_in_both_themes(agent) == []
    assert not needs_sideways_scrolling(agent)
    for address in ("/incoming", f"/incoming/{calls(base)[0].id}"):
        agent.goto(address)
        assert faults_in_both_themes(agent) == []
        assert not needs_sideways_scrolling(agent)


def _link(open_as: Open, people: Cast, base: Session, entry: Version) -> str:
    agent = open_as(people.agent)
    type_and_ask(agent)
    (call,) = calls(base)
    token = rating_links.invite(base, call, entry.id, actor=people.agent, now=utc_now())
    base.commit()
    return f"/r/{token}"
