"""A notice in a browser, from the office to the unit and back; messages; the monthly look by keyboard; axe."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin import notices
from models.duties import EntryReview, Finding
from models.knowledge import Version
from models.notices import Notice
from models.values import CHINA, NoticeKind
from tests.browser.conftest import Open
from tests.browser.looks import at_half_a_screen, faults_in_both_themes, serious_faults
from tests.cast import SOCIAL_SECURITY, Cast

TITLE = "补充新生儿参保的办事指南"


def test_a_collection_notice_goes_to_the_unit_is_extended_completed_and_seen(
    open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    office = open_as(people.office, "/notices")
    office.locator(".head").get_by_role("link", name="新建").click()
    office.get_by_label("承办单位").select_option(SOCIAL_SECURITY)
    office.get_by_label("事项").fill(TITLE)
    office.get_by_label("具体要求").fill("写明材料和时限")
    office.get_by_role("button", name="派发", exact=True).click()
    expect(office.locator("h1")).to_have_text(TITLE)
    assert serious_faults(office) == []

    unit = open_as(people.editor, "/notifications")
    unit.get_by_role("button", name=TITLE).click()
    expect(unit.locator("h1")).to_have_text(TITLE)
    unit.get_by_role("button", name="签收").focus()
    unit.keyboard.press("Enter")
    expect(unit.get_by_text("办理中")).to_be_visible()
    notice = base.scalars(select(Notice)).one()
    until = max(clock.due_at for clock in notice.clocks) + timedelta(days=1)
    unit.get_by_label("延至").fill(until.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M"))
    unit.get_by_label("具体原因").fill("材料在上级审批")
    unit.get_by_role("button", name="提交延期申请").click()
    expect(unit.get_by_role("button", name="提交延期申请")).to_have_count(0)

    leader = open_as(people.leader, "/applications")
    expect(leader.get_by_role("listitem").filter(has_text="材料在上级审批")).to_be_visible()
    leader.get_by_role("button", name="同意", exact=True).click()
    expect(leader.get_by_text("没有等您办理的申请")).to_be_visible()

    office.goto("/applications")
    assert serious_faults(office) == []
    office.get_by_role("button", name="批准", exact=True).click()
    expect(office.get_by_text("没有等您办理的申请")).to_be_visible()

    unit.reload()
    expect(unit.locator(".clock-box").filter(has_text="原")).to_contain_text(f"{until.astimezone(CHINA):%Y-%m-%d}")
    unit.get_by_label("办理结果").fill("已录入")
    unit.get_by_label("答复此通知的条目编号").fill("SB-001")
    unit.get_by_role("button", name="办结").click()
    expect(unit.get_by_text("已办结")).to_be_visible()

    office.goto(f"/notices/{notice.id}")
    office.get_by_label("查看记录").fill("属实")
    office.get_by_role("button", name="标为已查看").click()
    expect(office.locator("h1 + .status")).to_have_text("已查看")
    expect(office.locator(".history")).to_contain_text("查看并记录")


def test_the_bell_rings_by_itself(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.editor, "/entries")
    bell = page.locator("[data-bell] a")
    expect(bell).to_have_attribute("data-unread", "0")
    notice = notices.open_notice(
        base, kind=NoticeKind.COLLECTION, unit=people.unit, title=TITLE, actor=people.office, now=utc_now()
    )
    notices.dispatch(base, notice, actor=people.office, now=utc_now())
    base.commit()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the window
    expect(bell).to_have_attribute("data-unread", "1")
    expect(page.locator("[data-bell-said]")).to_have_text("有 1 条新消息")


def test_a_unit_looks_through_its_entries_by_keyboard(
    open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    page = open_as(people.editor, "/reviews")
    expect(page.locator(".review-now h2")).to_contain_text("SB-001")
    page.keyboard.press("d")
    expect(page.locator(".review-now h2")).to_contain_text("SB-002")
    page.keyboard.press("3")
    expect(page.locator("[data-review-said]")).to_have_text("判为已失效时请写明原因。")
    expect(page.get_by_label("说明")).to_be_focused()
    page.keyboard.type("1 月起停办")  # digits in the field are text
    page.get_by_role("button", name="需要修改").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".review-now h2")).to_contain_text("SB-001")
    page.keyboard.press("1")
    expect(page.get_by_text("本月的条目都检查过了")).to_be_visible()
    assert serious_faults(page) == []
    found = {review.entry.code: (review.finding, review.note) for review in base.scalars(select(EntryReview))}
    assert found == {"SB-001": (Finding.STILL_RIGHT, ""), "SB-002": (Finding.TO_CHANGE, "1 月起停办")}


@pytest.mark.parametrize(
    "path",
    [
        *("/notices", "/notices/new", "/notices/new?kind=supervision", "/notices/new?kind=update", "/notices/1"),
        *("/notices/1/print", "/calls", "/applications", "/notifications", "/categories", "/keywords", "/reviews"),
    ],
)
def test_axe_finds_nothing_serious(open_as: Open, people: Cast, base: Session, entry: Version, path: str) -> None:
    long_ago = utc_now() - timedelta(days=30)
    notice = notices.open_notice(
        base,
        kind=NoticeKind.CORRECTION,
        unit=people.unit,
        title=TITLE,
        entry=entry.entry,
        actor=people.office,
        now=long_ago,
    )
    notices.dispatch(base, notice, actor=people.office, now=long_ago)
    base.commit()
    page = open_as(people.office, path)
    assert faults_in_both_themes(page) == []
    assert faults_in_both_themes(at_half_a_screen(page)) == []
