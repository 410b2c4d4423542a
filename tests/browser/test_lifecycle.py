"""An entry from its editor to the agent, and back with a reason, by keyboard; the banner of emergency information."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin import lifecycle
from models.knowledge import Category, Entry, Version
from models.values import VersionStatus
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling, serious_faults
from tests.cast import LOST_CARD, Cast, submitted

QUESTION = "失业保险金怎样申领"
SPOKEN = "请带身份证和失业登记凭证，到参保地经办机构申领，每月发放。"
HOUR = timedelta(hours=1)


@pytest.fixture
def category(base: Session, people: Cast) -> Category:
    """A place in the unit's tree that the office has opened."""
    place = Category(unit_id=people.unit.id, path="社会保险/失业保险")
    base.add(place)
    base.commit()
    return place


def write(page: Page) -> None:
    """Fill in a whole entry and hand it in, without the mouse."""
    page.get_by_label("信息类型").select_option("办事指南")
    page.locator("#f-category").select_option("社会保险/失业保险")
    for name, text in (
        ("question", QUESTION),
        ("spoken", SPOKEN),
        ("answer", "## 材料\n身份证、失业登记凭证。\n## 时限\n十五个工作日。"),
    ):
        page.locator(f"#f-{name}").focus()
        page.keyboard.insert_text(text)
    page.get_by_label("第 1 件文件的名称").focus()
    page.keyboard.insert_text("《失业保险条例》")
    page.keyboard.press("Tab")
    page.keyboard.insert_text("国务院令第258号")
    page.locator("#f-publicity").select_option("public")
    hand_in(page)


def hand_in(page: Page) -> None:
    """Ctrl+Enter; reminders are read and confirmed."""
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    confirmed = page.locator("#f-confirmed")
    if confirmed.count():
        confirmed.focus()
        page.keyboard.press("Space")
        with page.expect_navigation():
            page.keyboard.press("Control+Enter")


def approve(page: Page) -> None:
    """All points ticked, then A."""
    page.keyboard.press("0")
    page.keyboard.press("a")


def test_an_entry_goes_from_its_editor_to_the_agent(
    open_as: Open, people: Cast, base: Session, services: Services, category: Category
) -> None:
    write(open_as(people.editor, "/write"))
    version = base.scalars(select(Version)).one()
    assert version.status is VersionStatus.SUBMITTED

    reviewer = open_as(people.reviewer, "/review")
    expect(reviewer.locator("#opened-title")).to_have_text(QUESTION)
    approve(reviewer)
    expect(reviewer.locator("#said")).to_contain_text("单位审核通过")
    expect(reviewer.locator(".empty")).to_contain_text("没有等您审核或发布的条目")

    office = open_as(people.office, "/review")
    expect(office.locator("#opened-title")).to_have_text(QUESTION)
    office.keyboard.press("a")
    expect(office.locator("#said")).to_contain_text("发布")

    services.follower.catch_up()
    agent = open_as(people.agent)
    agent.keyboard.type("失业保险金怎样申领")
    agent.keyboard.press("Enter")
    expect(agent.locator(".card:visible")).to_contain_text(SPOKEN)


def test_what_is_sent_back_is_mended_and_compared(
    open_as: Open, people: Cast, base: Session, services: Services
) -> None:
    version = submitted(base, services)
    reviewer = open_as(people.reviewer, "/review")
    reviewer.keyboard.press("s")
    expect(reviewer.get_by_label("退回原因", exact=True)).to_be_focused()
    reviewer.keyboard.insert_text("工本费已改为二十元，请核对")
    reviewer.keyboard.press("Enter")
    expect(reviewer.locator("#said")).to_contain_text("退回")
    base.refresh(version)
    assert version.status is VersionStatus.DRAFT

    editor = open_as(people.editor, "/todo")
    expect(editor.get_by_role("region", name="待办表")).to_contain_text("修改 退回或撤回")
    editor.get_by_role("link", name="社会保障卡怎样激活").focus()
    editor.keyboard.press("Enter")
    expect(editor.locator(".banner-warn").first).to_contain_text("工本费已改为二十元，请核对")
    spoken = editor.locator("#f-spoken")
    spoken.focus()
    editor.keyboard.press("Control+A")
    editor.keyboard.insert_text(LOST_CARD.spoken.replace("十六元", "二十元"))
    hand_in(editor)

    base.expire_all()
    entry = base.scalars(select(Entry).where(Entry.code == "SB-002")).one()
    numbers = [v.status for v in base.scalars(select(Version).where(Version.entry_id == entry.id)).all()]
    assert numbers == [VersionStatus.SUPERSEDED, VersionStatus.SUBMITTED]
    reviewer.goto("/review")
    expect(reviewer.locator(".compare del")).to_have_text("十六元")
    expect(reviewer.locator(".compare ins")).to_have_text("二十元")
    reviewer.goto("/entries/SB-002/compare?from=1&to=2")
    expect(reviewer.locator(".compare ins")).to_have_text("二十元")


def waiting(base: Session, count: int) -> list[Version]:
    """So many entries in the reviewer's queue."""
    versions = []
    for number in range(count):
        content = replace(LOST_CARD, question=f"社会保障卡第{number}问", similar=())
        version = lifecycle.create_entry(base, content, code=f"SB-10{number}", actor=None, now=utc_now())
        lifecycle.submit(base, version, actor=None, now=utc_now())
        versions.append(version)
    base.commit()
    return versions


def test_the_queue_is_walked_by_keys(open_as: Open, people: Cast, base: Session) -> None:
    waiting(base, 3)
    page = open_as(people.reviewer, "/review")
    title = page.locator("#opened-title")
    for key, number in (("ArrowDown", 1), ("d", 2), ("ArrowUp", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        expect(title).to_have_text(f"社会保障卡第{number}问")
    approve(page)
    expect(page.locator("#said")).to_contain_text("SB-100")
    expect(title).to_have_text("社会保障卡第1问")  # the next one opens
    expect(page.locator(".queue-list li")).to_have_count(2)


def test_points_left_unticked_are_told_once(open_as: Open, people: Cast, base: Session) -> None:
    (version,) = waiting(base, 1)
    page = open_as(people.reviewer, "/review")
    page.keyboard.press("1")
    expect(page.locator("input[name=ticked]").first).to_be_checked()
    page.keyboard.press("a")
    expect(page.locator("#said")).to_contain_text("还有 3 个审核要点没有勾选")
    page.keyboard.press("a")
    expect(page.locator("#said")).to_contain_text("单位审核通过")
    base.refresh(version)
    assert version.transitions[-1].ticked == "有无错别字"


def test_letters_in_the_reason_are_letters(open_as: Open, people: Cast, base: Session) -> None:
    (version,) = waiting(base, 1)
    page = open_as(people.reviewer, "/review")
    page.keyboard.press("s")
    page.keyboard.type("asd 010")
    expect(page.get_by_label("退回原因", exact=True)).to_have_value("asd 010")
    page.get_by_role("button", name="有无错别字").click()
    expect(page.get_by_label("退回原因", exact=True)).to_have_value("asd 010不符合要点“有无错别字”；")
    page.keyboard.press("Escape")
    expect(page.get_by_label("退回原因", exact=True)).to_be_hidden()
    base.refresh(version)
    assert version.status is VersionStatus.SUBMITTED


def test_it_works_without_a_script(open_as: Open, people: Cast, base: Session) -> None:
    (version,) = waiting(base, 1)
    page = open_as(people.reviewer, "/review", script=False)
    page.get_by_label("退回原因", exact=True).fill("请写明地点")
    page.get_by_role("button", name="确认退回").click()
    base.refresh(version)
    assert version.status is VersionStatus.DRAFT


def test_rows_of_the_list_are_withdrawn_together(open_as: Open, people: Cast, base: Session, entry: Version) -> None:
    page = open_as(people.office, "/entries")
    expect(page.get_by_role("button", name="批量下架")).to_be_disabled()
    page.get_by_label("选中 SB-001").check()
    page.get_by_label("选中 SB-002").check()
    page.get_by_role("button", name="批量下架").click()
    reason = page.get_by_label("下架、失效的原因")
    expect(reason).to_be_focused()  # nothing is sent without a reason
    reason.fill("政策停止执行")
    page.get_by_role("button", name="批量下架").click()
    expect(page.get_by_role("status").filter(has_text="下架")).to_contain_text("下架 2 条")
    base.refresh(entry)
    assert entry.status is VersionStatus.WITHDRAWN


EMERGENCY = replace(
    LOST_CARD,
    question="河东区西关街道今晚停水",
    spoken="今晚八点前恢复供水，请提前储水。",
    similar=(),
    info_type="公共服务紧急临时信息",
)


def announce(base: Session, lasts: timedelta, question: str = EMERGENCY.question) -> Version:
    """Emergency information in force for so long."""
    now = utc_now()
    content = replace(EMERGENCY, question=question, valid_to=now + lasts)
    version = lifecycle.create_entry(base, content, actor=None, now=now)
    lifecycle.submit(base, version, actor=None, now=now)
    base.commit()
    return version


def look_again(page: Page) -> None:
    """As after fifteen seconds."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_emergency_information_comes_to_an_open_page_and_goes_on_the_second(
    open_as: Open, people: Cast, base: Session
) -> None:
    page = open_as(people.agent)
    page.keyboard.type("社保")
    expect(page.locator("[data-emergencies]")).to_be_hidden()
    announce(base, timedelta(seconds=3))
    look_again(page)
    expect(page.locator(".emergency")).to_contain_text("今晚八点前恢复供水")
    expect(page.locator("[data-emergencies-said]")).to_contain_text("河东区西关街道今晚停水")
    expect(page.locator("#q")).to_be_focused()  # whoever types is not disturbed
    expect(page.locator(".emergency")).to_have_count(0, timeout=4_000)
    expect(page.locator("[data-emergencies]")).to_be_hidden()


def test_several_are_stacked_and_the_folded_ones_move_up(open_as: Open, people: Cast, base: Session) -> None:
    announce(base, HOUR, "临时停电")
    announce(base, HOUR, "临时停气")
    page = open_as(people.agent)
    announce(base, timedelta(seconds=3), "临时停水")
    look_again(page)
    expect(page.locator(".emergency:visible")).to_have_count(2)
    expect(page.locator(".emergency-more summary")).to_have_text(re.compile(r"还有\s1\s条应急信息"))
    expect(page.locator(".emergency a").first).to_have_text("临时停水")
    expect(page.locator(".emergency-more")).to_have_count(0, timeout=4_000)
    assert page.locator(".emergency:visible a").all_inner_texts() == ["临时停气", "临时停电"]


PAGES = ("/todo", "/review", "/entries/SB-001", "/entries/SB-001/compare", "/entries")


@pytest.fixture
def busy(base: Session, people: Cast, entry: Version) -> None:
    """Something on each of the pages."""
    waiting(base, 2)
    changed = replace(LOST_CARD, spoken=LOST_CARD.spoken.replace("十六元", "二十元"))
    version = lifecycle.add_version(base, entry.entry, changed, actor=None, now=utc_now())
    lifecycle.submit(base, version, actor=None, now=utc_now() - HOUR)
    announce(base, HOUR)
    base.commit()


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(
    open_as: Open, people: Cast, busy: None, path: str
) -> None:
    page = open_as(people.reviewer, path)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    if path == "/review":
        page.keyboard.press("s")
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)


def test_axe_finds_nothing_serious_in_the_banner(open_as: Open, people: Cast, busy: None) -> None:
    page = open_as(people.agent)
    assert serious_faults(page) == []
