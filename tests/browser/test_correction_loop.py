"""The 80 % loop in the browser: five agents judge, office dispatches, unit mends, the new version counts afresh."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin import corrections, defences, notices
from kb_admin.correctness import correctness_of
from models.knowledge import Version
from models.notices import Notice
from models.values import NoticeKind, NoticeStatus, VersionStatus
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling, serious_faults
from tests.browser.test_agent_page import QUESTION, type_and_ask
from tests.browser.test_lifecycle import approve, hand_in
from tests.cast import LOST_CARD, Cast
from tests.kb_admin.raters import RIGHT, WRONG, agents, judged

MENDED = "请带本人身份证，到就近社保卡服务网点补领，当场拿卡，不收工本费。"


def judge(page: Page, *, right: bool) -> None:
    """Ask and judge the answer, by keys."""
    type_and_ask(page, QUESTION)
    expect(page.locator(".card:visible")).to_contain_text("工本费十六元")
    if right:
        page.keyboard.press("Alt+y")
        expect(page.locator(".card:visible .recorded")).to_contain_text("已判正确")
    else:
        page.keyboard.press("Alt+n")
        page.keyboard.press("3")
        expect(page.locator(".card:visible .recorded")).to_contain_text("答案不准确")


def test_from_five_verdicts_to_a_new_version_that_counts_afresh(
    open_as: Open, people: Cast, base: Session, services: Services, entry: Version
) -> None:
    five = agents(base, 5)
    base.commit()
    pages = [open_as(person) for person in five]
    for place, page in enumerate(pages):
        assert base.scalars(select(Notice)).all() == []
        judge(page, right=place < 3)

    agent = pages[-1]
    type_and_ask(agent, QUESTION)
    expect(agent.locator(".card:visible .caution")).to_contain_text("待核实（正确率低于 80%）")

    office = open_as(people.office, "/todo")
    office.get_by_role("link", name="正确率 60.0%").focus()
    office.keyboard.press("Enter")
    expect(office.locator("h1")).to_have_text("正确率 60.0%，请核实：社会保障卡丢失后怎样补领")
    expect(office.locator(".lines").first).to_contain_text("判为有误的原因：答案不准确 2 人。")
    assert serious_faults(office) == []
    office.get_by_role("button", name="派发").click()
    expect(office.get_by_text("办理中")).to_be_visible()
    type_and_ask(agent, QUESTION)
    expect(agent.locator(".card:visible .caution")).to_contain_text("整改中")
    expect(agent.locator("#said")).to_contain_text("整改中")

    editor = open_as(people.editor, "/todo")
    editor.get_by_role("link", name="正确率 60.0%").click()
    expect(editor.get_by_role("button", name="办结")).to_have_count(0)
    editor.get_by_role("link", name="修改条目").click()
    expect(editor.locator("h1")).to_contain_text("修改条目")
    editor.wait_for_load_state()  # with its script, which hears the keys
    spoken = editor.locator("#f-spoken")
    spoken.focus()
    editor.keyboard.press("Control+A")
    editor.keyboard.insert_text(MENDED)
    hand_in(editor)
    reviewer = open_as(people.reviewer, "/review")
    approve(reviewer)
    expect(reviewer.locator("#said")).to_contain_text("通过")
    office.goto("/review")
    office.keyboard.press("a")
    expect(office.locator("#said")).to_contain_text("发布")

    services.follower.catch_up()
    base.expire_all()
    new = base.scalars(select(Version).where(Version.entry_id == entry.entry_id, Version.number == 2)).one()
    notice = base.scalars(select(Notice).where(Notice.kind == NoticeKind.CORRECTION)).one()
    assert (new.status, notice.status) == (VersionStatus.PUBLISHED, NoticeStatus.COMPLETED)
    assert correctness_of(base, new, utc_now()).rate is None
    type_and_ask(agent, QUESTION)
    expect(agent.locator(".card:visible")).to_contain_text("不收工本费")
    expect(agent.locator(".caution")).to_have_count(0)
    judge_new = agent.locator(".card:visible .recorded")
    expect(judge_new).to_have_count(0)
    agent.keyboard.press("Alt+y")
    expect(judge_new).to_contain_text("已判正确")
    office.goto("/correctness/SB-001")
    expect(office.get_by_role("row", name="第 2 版").first).to_contain_text("100.0%")
    expect(office.get_by_role("row", name="第 1 版").first).to_contain_text("60.0%")
    office.goto(f"/notices/{notice.id}")
    office.get_by_role("button", name="标为已查看").click()
    expect(office.locator("h1 + .status")).to_have_text("已查看")
    agent.goto("/verdicts")
    expect(agent.get_by_role("row").filter(has_text="答案不准确")).to_contain_text("已更新")


def test_a_unit_defends_its_answer(open_as: Open, people: Cast, base: Session, entry: Version) -> None:
    judged(base, entry, [RIGHT] * 3 + [WRONG] * 2, utc_now())
    notice = corrections.under_correction(base, [entry.entry_id])[entry.entry_id]
    notices.dispatch(base, notice, actor=people.office, now=utc_now())
    base.commit()
    editor = open_as(people.editor, f"/notices/{notice.id}")
    editor.get_by_text("认为原答案无误，提出申辩…").click()
    editor.get_by_label("原答案无误的理由和依据").fill("收费文件现行有效")
    editor.get_by_role("button", name="提交申辩").click()
    expect(editor.locator("#defence")).to_contain_text("待热线办核实")
    office = open_as(people.office, "/todo")
    office.get_by_role("row").filter(has_text="整改申辩").get_by_role("link").first.click()
    expect(office.locator("#defence")).to_contain_text("收费文件现行有效")
    office.get_by_role("button", name="采纳申辩").click()
    expect(office.locator("h1 + .status")).to_have_text("已办结")
    expect(office.get_by_text("经核实原答案无误：收费文件现行有效")).to_be_visible()


@pytest.mark.parametrize(
    ("who", "path"),
    [
        *[("office", "/correctness"), ("office", "/correctness/SB-001"), ("office", "/notices/1")],
        *[("editor", "/notices/1"), ("agent", "/verdicts"), ("office", "/entries/SB-001")],
        ("agent", f"/?q={QUESTION}"),
    ],
)
def test_axe_finds_nothing_serious(
    *, open_as: Open, people: Cast, base: Session, entry: Version, who: str, path: str
) -> None:
    now = utc_now() - timedelta(days=40)
    for week in range(4):
        judged(base, entry, [RIGHT, RIGHT, WRONG], now + timedelta(days=7 * week), start=10 * week + 1)
    notice = corrections.under_correction(base, [entry.entry_id])[entry.entry_id]
    notices.dispatch(base, notice, actor=people.office, now=utc_now())
    defences.defend(base, notice, f"{LOST_CARD.answer}" * 3, actor=people.editor, now=utc_now())
    base.commit()
    page = open_as(getattr(people, who), path)
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)
