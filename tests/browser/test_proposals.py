"""学习建议 and 排序权重 in a browser: decided by keyboard, with and without scripts, in both themes."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin.proposals import propose_similar
from kb_admin.synonym_proposals import propose_synonym
from models.improvement import Proposal
from models.knowledge import Version
from models.usage import Question
from models.values import Outcome, ProposalStatus
from tests.api.test_proposal_pages import TestWeights
from tests.browser.conftest import Open
from tests.browser.looks import faults_in_both_themes, needs_sideways_scrolling
from tests.cast import Cast

FIRST, SECOND, LONG = (
    "医保社保那张卡找不着了",
    "卡掉了咋整",
    "我那张用来看病和领养老金的社保卡上个礼拜坐公交的时候不晓得丢到哪里去了现在要去哪个窗口补",
)
PATHS = (
    "/proposals",
    "/proposals?kind=synonym",
    "/proposals?status=rejected",
    "/proposals?q=没有这样的词",
    "/ranker",
    "/ranker?ask=promote&number=2",
)


@pytest.fixture
def proposed(base: Session, entry: Version) -> None:
    now = utc_now()
    for support, text in ((5, FIRST), (4, SECOND), (3, LONG)):
        asked = Question(text=f"{text}？", asked_at=now, outcome=Outcome.CHOOSE, took_ms=1.0)
        base.add(asked)
        base.flush()
        evidence = {"question_ids": [asked.id]}
        propose_similar(base, entry.entry, text, evidence=evidence, support=support, against=1, actor=None, now=now)
    propose_synonym(base, "旧货本本", "跳蚤市场证", evidence={"pairs": []}, support=4, against=2, now=now)
    base.commit()
    TestWeights.kept(base, better=False)
    TestWeights.kept(base)


def status_of(base: Session, text: str) -> ProposalStatus:
    base.expire_all()
    return base.scalars(select(Proposal.status).where(Proposal.text == text)).one()


@pytest.mark.usefixtures("proposed")
def test_the_queue_is_worked_off_by_keyboard(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.editor, "/proposals")
    title = page.locator("#proposal-title")
    expect(title).to_have_text(f"“{FIRST}”")
    page.keyboard.press("d")
    expect(title).to_have_text(f"“{SECOND}”")
    page.keyboard.press("s")
    expect(page.locator("[data-proposal-said]")).to_contain_text("请写明不采纳的原因")
    expect(page.locator(":focus")).to_have_attribute("name", "remark")
    page.keyboard.type("说的是个别情况")
    page.keyboard.press("Enter")
    expect(page.locator(".banner-good")).to_contain_text("已记为未采纳")
    expect(title).to_have_text(f"“{LONG}”")
    page.keyboard.press("d")
    expect(title).to_have_text(f"“{FIRST}”")
    page.keyboard.press("a")
    expect(page.locator(".banner-good")).to_contain_text("已采纳")
    assert (status_of(base, FIRST), status_of(base, SECOND)) == (ProposalStatus.ACCEPTED, ProposalStatus.REJECTED)
    page.keyboard.press("a")
    expect(page.locator(".banner-bad")).to_contain_text("第 2 版现为“待审核”")
    assert status_of(base, LONG) is ProposalStatus.OPEN


@pytest.mark.usefixtures("proposed")
def test_without_scripts_the_buttons_do_the_same(open_as: Open, people: Cast, base: Session) -> None:
    page = open_as(people.office, "/proposals", script=False)
    page.get_by_role("button", name="不采纳").click()
    expect(page.locator(".banner-bad")).to_contain_text("请写明原因")
    page.get_by_label("原因", exact=True).fill("不是一件事")
    page.get_by_role("button", name="不采纳").click()
    assert status_of(base, FIRST) is ProposalStatus.REJECTED
    page.get_by_role("button", name="采纳", exact=False).first.click()
    assert status_of(base, SECOND) is ProposalStatus.ACCEPTED


@pytest.mark.usefixtures("proposed")
def test_weights_are_promoted_after_a_confirmation(open_as: Open, people: Cast) -> None:
    page = open_as(people.office, "/ranker")
    page.get_by_role("link", name="采用").click()
    page.get_by_role("button", name="确认采用").click()
    expect(page.locator(".banner-good")).to_contain_text("已采用")
    page.get_by_role("link", name="撤销").click()
    page.get_by_role("button", name="确认撤销").click()
    expect(page.locator(".banner-good")).to_contain_text("回到此前的权重")


@pytest.mark.usefixtures("proposed")
@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_and_half_a_screen_is_enough(open_as: Open, people: Cast, path: str) -> None:
    page = open_as(people.office, path)
    assert faults_in_both_themes(page) == []
    assert not needs_sideways_scrolling(page)
