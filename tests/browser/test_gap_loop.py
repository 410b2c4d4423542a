"""From a question that nobody could answer to the entry that answers it: gap, notice, gates, search, closed."""

from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.gap_grouping import group_new, rerun
from api.wiring import Services
from kb_admin.gap_material import TIME_TO_TAKE_BACK
from models.improvement import GapGroup
from models.knowledge import Category, Version
from models.notices import Notice
from models.values import GapStatus, NoticeStatus
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling
from tests.browser.test_lifecycle import approve, hand_in
from tests.cast import SOCIAL_SECURITY, Cast
from tests.kb_admin.test_gap_groups import make_group

QUESTION = "失业保险金怎样申领"
SPOKEN = "请带身份证到参保地经办机构申领失业保险金，每月发放。"
ASKED = "失业金怎么领"


def record_gap(page: Page) -> None:
    """The agent finds nothing, says so with one key, and passes the call on."""
    page.keyboard.type(ASKED)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="记为知识缺失").wait_for()
    page.keyboard.press("Alt+g")
    expect(page.locator(".gap-recorded")).to_contain_text(ASKED)
    page.keyboard.press("Alt+o")
    expect(page.locator(".call-state")).to_contain_text("已登记")


def look_through(services: Services) -> None:
    """What the service does by itself, some minutes later."""
    with services.open_session() as session:
        group_new(services, session, utc_now() + 2 * TIME_TO_TAKE_BACK)
        rerun(services, session, utc_now())
        session.commit()


def write_answer(page: Page) -> None:
    """The unit's editor writes the entry that the notice asks for, and hands it in."""
    page.get_by_label("信息类型").select_option("办事指南")
    page.locator("#f-category").select_option("社会保险/失业保险")
    page.locator("#f-question").fill(QUESTION)
    page.locator("#f-spoken").fill(SPOKEN)
    page.locator("#f-answer").fill("## 材料\n身份证、失业登记凭证。\n## 时限\n十五个工作日。")
    page.get_by_role("textbox", name="相似问法").fill(ASKED)
    page.get_by_label("第 1 件文件的名称").fill("《失业保险条例》")
    page.locator("#f-publicity").select_option("public")
    hand_in(page)


def test_a_gap_becomes_a_notice_an_entry_an_answer_and_is_closed(
    open_as: Open, people: Cast, base: Session, services: Services, entry: Version
) -> None:
    base.add(Category(unit_id=people.unit.id, path="社会保险/失业保险"))
    base.commit()
    record_gap(open_as(people.agent))
    look_through(services)
    base.commit()  # else it goes on seeing what was there before
    group = base.scalars(select(GapGroup).where(GapGroup.label == ASKED)).one()

    office = open_as(people.office, "/gaps")
    office.get_by_role("link", name=ASKED).click()
    expect(office.locator("h1")).to_have_text(ASKED)
    assert faults_in_both_themes(office) == []
    office.get_by_label("承办单位").select_option(SOCIAL_SECURITY)
    office.get_by_role("button", name="派发知识提问").click()
    expect(office.locator("h1 + .status")).to_have_text("已派单位")
    base.commit()
    notice = base.scalars(select(Notice)).one()

    unit = open_as(people.editor, f"/notices/{notice.id}")
    unit.get_by_role("link", name="写条目").click()
    write_answer(unit)
    approve(open_as(people.reviewer, "/review"))
    publisher = open_as(people.office, "/review")
    expect(publisher.locator("#opened-title")).to_have_text(QUESTION)
    publisher.keyboard.press("a")
    expect(publisher.locator("#said")).to_contain_text("发布")
    base.commit()
    base.refresh(notice)
    assert notice.status is NoticeStatus.COMPLETED

    services.follower.catch_up()
    look_through(services)
    base.commit()
    base.refresh(group)
    assert group.status is GapStatus.ANSWERED
    office.reload()
    expect(office.locator("h1 + .status")).to_have_text("已能解答")
    bell = open_as(people.office, "/notifications")
    expect(bell.get_by_role("button", name="现已能解答")).to_be_visible()

    agent = open_as(people.agent)
    agent.keyboard.type(ASKED)
    agent.keyboard.press("Enter")
    expect(agent.locator(".card:visible")).to_contain_text(SPOKEN)


def test_the_pages_are_sound_in_both_themes_and_at_half_a_screen(
    open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    long = "我妈去年在外省住院花了好多钱回来报销说材料不齐跑了三趟窗口每次说的都不一样" * 3
    group = make_group(base, people, "外地能补社保卡吗", long, "异地补办社保卡")
    make_group(base, people, "停机坪怎么预约")
    group.unit_id = people.unit.id
    base.commit()
    for path in ("/gaps", "/gaps/recorded", f"/gaps/{group.id}"):
        page = open_as(people.office, path)
        assert faults_in_both_themes(page) == []
        assert not needs_sideways_scrolling(page)


def test_the_office_puts_groups_together_and_takes_a_question_out(
    open_as: Open, people: Cast, base: Session, entry: Version
) -> None:
    group = make_group(base, people, "外地能补社保卡吗", "异地补办社保卡")
    make_group(base, people, "在外省怎么补社保卡")
    page = open_as(people.office, f"/gaps/{group.id}")
    page.get_by_label("把另一组并进来").select_option("在外省怎么补社保卡")
    page.get_by_role("button", name="并入").click()
    rows = page.get_by_role("region", name="来电人的说法").locator("tbody tr")
    expect(rows).to_have_count(3)
    rows.filter(has_text="异地补办社保卡").get_by_role("button", name="移出").click()
    expect(page.locator("h1")).to_have_text("异地补办社保卡")
    page.go_back()
    page.reload()
    expect(rows).to_have_count(2)
