"""The editor's page in a browser: written by keyboard, shown as agents see it, checked as one writes, nothing lost."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from models.knowledge import Entry, Version
from models.values import VersionStatus
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling, serious_faults
from tests.cast import LOST_CARD, NOW, Cast

PATHS = ("/write", "/entries/SB-001/edit", "/mine", "/mine?stage=draft", "/mine?q=没有")


def write(page: Page, *, number: str = "国发[2021]4号") -> None:
    """An entry, by keyboard alone; the document's number in the wrong brackets unless another is given."""
    page.get_by_label("标准问").focus()
    page.keyboard.type("社会保障卡怎样激活")
    page.keyboard.press("Tab")
    page.keyboard.type("新社保卡怎么用不了")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("请带身份证到服务网点激活社保卡。")
    page.keyboard.press("Tab")
    page.keyboard.type("## 地点\n社保卡服务网点。\n## 材料\n本人身份证。")
    page.get_by_role("textbox", name="关键字").fill("社保卡")
    page.keyboard.press("Enter")
    page.get_by_label("第 1 件文件的名称").fill("《社会保险法》")
    page.keyboard.press("Tab")
    page.keyboard.type(number)
    page.keyboard.press("Tab")
    page.keyboard.type("0")
    page.get_by_label("信息类型").select_option("办事指南")
    page.get_by_label("类别").select_option(LOST_CARD.category)


def test_an_entry_is_written_mended_and_submitted_by_keyboard(
    open_as: Open, people: Cast, entry: Version, base: Session
) -> None:
    page = open_as(people.editor, "/write")
    expect(page.locator(":focus")).to_have_attribute("name", "question")
    write(page)
    card = page.locator(".seen .card")
    expect(card.get_by_role("heading", name="社会保障卡怎样激活")).to_be_visible()
    expect(card.locator(".spoken")).to_contain_text("请带身份证到服务网点")
    expect(card.get_by_role("paragraph").filter(has_text="社保卡服务网点。")).to_be_visible()
    finding = page.locator(".findings li", has_text="国发[2021]4号")
    expect(finding).to_contain_text("应写作“国发〔2021〕4号”")
    finding.get_by_role("button", name="改正").press("Enter")
    expect(page.get_by_label("第 1 件文件的文号")).to_have_value("国发〔2021〕4号")
    expect(page.locator("#checks [data-checks-said]")).to_have_text("没有发现问题")
    expect(page.locator(".route")).to_contain_text("单位审核")
    page.get_by_label("标准问").press("Control+Enter")
    expect(page.locator(".banner-good")).to_contain_text("待审核")
    version = base.scalars(select(Version).join(Entry).where(Entry.code.startswith("ZD-"))).one()
    assert version.status is VersionStatus.SUBMITTED
    assert version.similar == ("新社保卡怎么用不了",)
    assert version.content().bases[0].number == "国发〔2021〕4号"


def test_warnings_are_ticked_before_it_goes_on(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.editor, "/write")
    write(page, number="国发〔2021〕4号")
    page.get_by_label("口径").fill("请打 13812345678 咨询。")
    page.get_by_label("口径").press("Control+Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("还没有提交")
    expect(alert).to_be_focused()
    expect(page.locator(".findings")).to_contain_text("138****5678")
    page.get_by_label("以上提醒已逐条看过").press("Space")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".banner-good")).to_contain_text("待审核")


def test_twenty_pasted_lines_become_twenty_similar_questions(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.editor, "/write")
    lines = "\n".join(f"第{n}种问法" for n in range(20))
    box = page.get_by_role("textbox", name="相似问法")
    box.focus()
    page.evaluate(
        """(text) => {
          const clipboard = new DataTransfer();
          clipboard.setData("text", text);
          const paste = new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true, cancelable: true });
          document.activeElement.dispatchEvent(paste);
        }""",
        lines,
    )
    chips = page.get_by_role("list", name="已有的相似问法").get_by_role("listitem")
    expect(chips).to_have_count(20)
    box.fill("第3种问法")
    box.press("Enter")
    expect(chips).to_have_count(20)  # what is there already is not added again
    page.get_by_role("button", name="删去“第0种问法”").press("Enter")
    expect(chips).to_have_count(19)
    expect(box).to_be_focused()
    box.press("Backspace")
    expect(box).to_have_value("第19种问法")
    page.keyboard.press("Control+S")


def test_what_is_typed_survives_a_reload(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.editor, "/entries/SB-001/edit")
    page.get_by_label("口径").fill("还没有保存的口径")
    expect(page.locator("[data-kept-at]")).to_contain_text("已留存在本机")
    page.reload()
    expect(page.get_by_label("口径")).to_have_value("还没有保存的口径")
    expect(page.get_by_text("已恢复您")).to_be_visible()
    page.get_by_role("button", name="不要了").click()
    expect(page.get_by_label("口径")).to_have_value(LOST_CARD.spoken)
    page.reload()
    expect(page.get_by_label("口径")).to_have_value(LOST_CARD.spoken)


def test_what_is_typed_survives_a_save_that_fails(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.editor, "/entries/SB-001/edit")
    page.get_by_label("口径").fill("服务器不在时写的")
    page.route("**/entries/SB-001/edit", lambda route: route.abort() if route.request.method == "POST" else None)
    page.keyboard.press("Control+S")
    page.wait_for_timeout(300)
    page.unroute("**/entries/SB-001/edit")
    page.goto("/entries/SB-001/edit")
    expect(page.get_by_label("口径")).to_have_value("服务器不在时写的")
    page.keyboard.press("Control+S")
    expect(page.locator(".banner-good")).to_contain_text("草稿已保存")
    page.reload()
    expect(page.get_by_text("未保存的内容")).to_be_hidden()


def test_a_conflict_keeps_what_was_typed(open_as: Open, people: Cast, entry: Version) -> None:
    mine, other = (open_as(people.editor, "/entries/SB-001/edit") for _ in range(2))
    other.get_by_label("口径").fill("别人的口径")
    other.keyboard.press("Control+S")
    expect(other.locator(".banner-good")).to_contain_text("草稿已保存")
    mine.get_by_label("口径").fill("我的口径")
    mine.keyboard.press("Control+S")
    alert = mine.get_by_role("alert")
    expect(alert).to_contain_text("没有保存")
    expect(alert).to_contain_text("现为“别人的口径”")
    expect(alert).to_be_focused()
    expect(mine.get_by_label("口径")).to_have_value("我的口径")
    mine.keyboard.press("Control+S")
    expect(mine.locator(".banner-good")).to_contain_text("已保存")


def test_what_the_type_asks_for_is_marked(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.editor, "/write")
    mark = page.locator('[data-demand="valid_to"]')
    expect(mark).to_be_hidden()
    page.get_by_label("信息类型").select_option("公共服务紧急临时信息")
    expect(mark).to_have_text("必填")
    page.get_by_label("标准问").fill("今天停水吗")
    expect(page.locator(".route")).to_contain_text("立即发布")


def test_a_finding_leads_to_its_place(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.editor, "/entries/SB-001/edit")
    page.get_by_label("口径").fill("请打 13812345678 咨询。")
    page.locator(".findings a", has_text="口径").press("Enter")
    expect(page.locator(":focus")).to_have_attribute("name", "spoken")


def test_a_plain_form_does_it_too(open_as: Open, people: Cast, entry: Version, base: Session) -> None:
    page = open_as(people.editor, "/write", script=False)
    page.get_by_label("标准问").fill("社会保障卡怎样激活")
    page.get_by_label("相似问法").fill("新卡怎么用\n社保卡没激活怎么办")
    page.get_by_label("答案").fill("到网点激活。")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator(".banner-good")).to_contain_text("草稿已保存")
    expect(page.locator(".seen .card")).to_contain_text("到网点激活")
    expect(page.locator(".findings")).to_contain_text("缺少类别")
    version = base.scalars(select(Version).join(Entry).where(Entry.code.startswith("ZD-"))).one()
    assert version.similar == ("新卡怎么用", "社保卡没激活怎么办")


def test_a_returned_entry_is_found_and_mended(open_as: Open, people: Cast, entry: Version, base: Session) -> None:
    version = lifecycle.add_version(base, entry.entry, LOST_CARD, actor=people.editor, now=NOW)
    lifecycle.submit(base, version, actor=people.editor, now=NOW)
    lifecycle.send_back(base, version, "工本费已取消", actor=people.reviewer, now=NOW)
    base.commit()
    page = open_as(people.editor, "/mine")
    page.get_by_role("link", name=re.compile("被退回")).press("Enter")
    page.get_by_role("link", name="按退回意见修改后再提交").press("Enter")
    expect(page.locator(".banner-warn", has_text="退回")).to_contain_text("工本费已取消")


def test_who_may_not_write_is_told_who_may(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.stranger, "/entries/SB-001/edit")
    expect(page.locator("h1")).to_have_text("没有权限")
    expect(page.locator(".message")).to_contain_text("信息采编员")


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(
    open_as: Open, people: Cast, entry: Version, path: str
) -> None:
    page = open_as(people.editor, path)
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)


def test_axe_finds_nothing_serious_in_the_offices_choice(open_as: Open, people: Cast, entry: Version) -> None:
    page = open_as(people.office, "/write")
    expect(page.get_by_label("责任单位")).to_be_focused()
    assert serious_faults(page) == []
