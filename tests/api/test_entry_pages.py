"""The pages of entries: the list, what each person sees of one, its moves, and two versions compared."""

import re
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from api.wiring import Services
from kb_admin import lifecycle
from models.knowledge import Version
from models.values import VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, Cast, published, submitted
from tests.conftest import DATABASES, Visit


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_list_counts_filters_and_sorts(visit: Visit, people: Cast, entry: Version) -> None:
    browser = visit(people.agent)

    def codes(**filters: str) -> list[str]:
        return re.findall(
            r'<td class="number"><a href="/entries/([^"]+)"', browser.get("/entries", params=filters).text
        )

    assert codes() == ["HJ-001", "SB-001"]
    assert codes(sort="-code") == ["SB-001", "HJ-001"]
    assert codes(q="居住证") == ["HJ-001"]
    assert codes(unit=str(people.unit.id)) == ["SB-001"]
    assert codes(category="户籍") == ["HJ-001"]
    assert codes(status="withdrawn") == []
    assert "没有符合条件的条目" in browser.get("/entries", params={"q": "没有这样的"}).text


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_an_entry_under_review_is_for_its_unit_and_the_office(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    submitted(base, services)
    seen = {
        who: "SB-002" in visit(getattr(people, who)).get("/entries").text
        for who in ("editor", "reviewer", "office", "analyst", "agent", "stranger", "county_office")
    }
    assert seen == {
        "editor": True,
        "reviewer": True,
        "office": True,
        "analyst": True,
        "agent": False,
        "stranger": False,
        "county_office": False,
    }
    assert visit(people.stranger).get("/entries/SB-002").status_code == 404


def test_published_and_searchable_are_two_facts(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    published(base, LOST_CARD, code="SB-001")
    before = visit(people.office).get("/entries/SB-001").text
    services.follower.catch_up()
    after = visit(people.office).get("/entries/SB-001").text
    assert "已发布" in before
    assert "正在进入检索" in before
    assert "可以查到" in after


def test_an_agent_sees_no_history(visit: Visit, people: Cast, entry: Version) -> None:
    assert 'class="history"' not in visit(people.agent).get("/entries/SB-001").text
    assert 'class="history"' in visit(people.reviewer).get("/entries/SB-001").text


def test_the_reviewer_sends_back_and_approves_and_the_office_publishes_and_withdraws(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    version = submitted(base, services)
    reviewer, office = visit(people.reviewer), visit(people.office)
    address = "/entries/SB-002/versions/1"
    assert reviewer.post(f"{address}/send-back", data={"reason": " "}).status_code == 422
    reviewer.post(f"{address}/send-back", data={"reason": "请写明费用"})
    base.refresh(version)
    assert version.status is VersionStatus.DRAFT
    assert "请写明费用" in visit(people.editor).get("/entries/SB-002").text
    visit(people.editor).post(f"{address}/submit")
    reviewer.post(f"{address}/approve")
    base.refresh(version)
    assert version.status is VersionStatus.CHECKED
    office.post(f"{address}/publish")
    base.refresh(version)
    assert version.status is VersionStatus.PUBLISHED
    assert office.post(f"{address}/withdraw", data={"reason": " "}).status_code == 422
    office.post(f"{address}/withdraw", data={"reason": "政策停止执行"})
    base.refresh(version)
    assert version.status is VersionStatus.WITHDRAWN


def test_moves_are_refused_to_who_may_not(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    version = submitted(base, services)
    address = "/entries/SB-002/versions/1/approve"
    assert visit(people.editor).post(address).status_code == 403
    assert visit(people.leader).post(address).status_code == 403
    assert visit(people.office).post(address).status_code == 403
    assert visit(people.analyst).post(address).status_code == 403
    assert visit(people.stranger).post(address).status_code == 404
    assert visit(people.agent).post(address).status_code == 404
    assert visit(people.reviewer).post("/entries/SB-002/versions/1/leap").status_code == 404
    assert visit(people.reviewer).post("/entries/SB-002/versions/7/approve").status_code == 404
    base.refresh(version)
    assert version.status is VersionStatus.SUBMITTED
    assert 'class="step"' not in visit(people.analyst).get("/entries/SB-002").text


def test_who_comes_second_is_told_who_was_first(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    submitted(base, services)
    reviewer, office = visit(people.reviewer), visit(people.office)
    reviewer.post("/entries/SB-002/versions/1/approve")
    late = reviewer.post("/entries/SB-002/versions/1/approve")
    assert late.status_code == 409
    assert re.search(rf"已由{people.reviewer.name}于 [-\d]+ [:\d]+ 改为“待发布”，不能再审核通过。", late.text)
    office.post("/entries/SB-002/versions/1/publish")
    again = office.post("/entries/SB-002/versions/1/publish").text
    assert re.search(rf"已由{people.office.name}于 [-\d]+ [:\d]+ 改为“已发布”，无须再发布。", again)


def test_the_history_says_who_when_from_to_why_under_which_rule(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    version = submitted(base, services)
    lifecycle.approve(base, version, ticked=["typos"], actor=people.reviewer, now=NOW)
    lifecycle.send_back(base, version, "请写明费用", actor=people.office, now=NOW)
    base.commit()
    page = re.sub(r"<[^>]+>|\s+", " ", visit(people.editor).get("/entries/SB-002").text)
    assert re.search(r"单位审核通过 +待审核 → 待发布 +2026-11-20 10:30 +王审核，依据 +系统默认", page)
    assert "已核对：有无错别字" in page
    assert re.search(r"退回 +待发布 → 草稿 +2026-11-20 10:30 +刘热线办，依据 +[^ ]+ +请写明费用", page)


def test_a_version_that_waits_for_its_moment_is_announced(
    visit: Visit, people: Cast, base: Session, entry: Version
) -> None:
    following = replace(LOST_CARD, spoken="明年起免收工本费。", valid_from=NOW + 3650 * DAY)
    version = lifecycle.add_version(base, entry.entry, following, actor=None, now=NOW)
    lifecycle.submit(base, version, actor=None, now=NOW)
    lifecycle.publish(base, version, actor=None, now=NOW)
    base.commit()
    page = visit(people.editor).get("/entries/SB-001").text
    assert "新版待生效" in page
    assert "仍以第&thinsp;1&thinsp;版答复" in page
    assert "新版待生效" not in visit(people.agent).get("/entries/SB-001").text


# Comparing


def two_versions(base: Session, entry: Version) -> None:
    """A second version of the entry, on its way."""
    changed = replace(LOST_CARD, spoken=LOST_CARD.spoken.replace("十六元", "二十元"))
    lifecycle.add_version(base, entry.entry, changed, actor=None, now=NOW)
    base.commit()


def test_two_versions_are_compared_word_by_word(visit: Visit, people: Cast, base: Session, entry: Version) -> None:
    two_versions(base, entry)
    page = visit(people.editor).get("/entries/SB-001/compare").text
    assert re.findall(r"<(?:del|ins)>[^<]*</(?:del|ins)>", page) == ["<del>十六元</del>", "<ins>二十元</ins>"]
    assert "没有改动：标准问" in page
    turned = visit(people.editor).get("/entries/SB-001/compare?from=2&to=1").text
    assert "<del>二十元</del>" in turned


def test_versions_are_compared_by_who_reads_the_history_alone(
    visit: Visit, people: Cast, base: Session, entry: Version
) -> None:
    two_versions(base, entry)
    refused = {who: visit(getattr(people, who)).get("/entries/SB-001/compare") for who in ("agent", "stranger")}
    assert {who: reply.status_code for who, reply in refused.items()} == {"agent": 404, "stranger": 404}
    assert all("二十元" not in reply.text for reply in refused.values())
    assert visit(people.editor).get("/entries/SB-001/compare?from=7").status_code == 404


def test_one_version_alone_has_nothing_to_be_compared_with(visit: Visit, people: Cast, entry: Version) -> None:
    assert "只有一版" in visit(people.editor).get("/entries/SB-001/compare").text


# Many at once


def test_many_are_withdrawn_at_once_and_each_refusal_is_told(
    visit: Visit, people: Cast, base: Session, entry: Version, services: Services
) -> None:
    waiting = submitted(base, services)
    reply = visit(people.office).post(
        "/bulk", data={"move": "withdraw", "entry": ["SB-001", "SB-002", "没有"], "reason": "政策停止执行"}
    )
    assert reply.status_code == 200
    base.refresh(entry)
    base.refresh(waiting)
    assert (entry.status, waiting.status) == (VersionStatus.WITHDRAWN, VersionStatus.SUBMITTED)
    assert "下架&thinsp;1&thinsp;条" in reply.text
    assert "1&thinsp;条没有处理" in reply.text
    assert "1&thinsp;条已不存在，或您无权处理" in reply.text
    assert entry.transitions[-1].reason == "政策停止执行"


def test_many_at_once_is_for_who_may_alone(visit: Visit, people: Cast, base: Session, entry: Version) -> None:
    data = {"move": "withdraw", "entry": ["SB-001"], "reason": "政策停止执行"}
    assert visit(people.agent).post("/bulk", data=data).status_code == 403
    assert "1&thinsp;条已不存在，或您无权处理" in visit(people.stranger).post("/bulk", data=data).text
    assert (
        "单位岗位" in visit(people.editor).post("/bulk", data=data).text
        or "没有处理" in visit(people.editor).post("/bulk", data=data).text
    )
    assert visit(people.office).post("/bulk", data={"move": "withdraw", "reason": "无"}).status_code == 409
    base.refresh(entry)
    assert entry.status is VersionStatus.PUBLISHED
    assert 'id="bulk"' not in visit(people.agent).get("/entries").text
    assert 'id="bulk"' in visit(people.office).get("/entries").text


# Asking for an entry to be taken down


def test_a_unit_asks_for_its_entry_to_be_withdrawn(visit: Visit, people: Cast, base: Session, entry: Version) -> None:
    editor = visit(people.editor)
    assert "向热线办申请撤销" in editor.get("/entries/SB-001").text
    assert editor.post("/entries/SB-001/withdrawal", data={"reason": " "}).status_code == 422
    assert editor.post("/entries/SB-001/withdrawal", data={"reason": "政策停止执行"}).status_code == 303
    page = editor.get("/entries/SB-001").text
    assert "政策停止执行" in page
    assert "待批准" in page
    assert "向热线办申请撤销" not in page  # one at a time
    assert editor.post("/entries/SB-001/withdrawal", data={"reason": "再申请"}).status_code == 409
    assert "去办理" in visit(people.office).get("/entries/SB-001").text
    base.refresh(entry)
    assert entry.status is VersionStatus.PUBLISHED


def test_others_cannot_ask_for_it(visit: Visit, people: Cast, base: Session, entry: Version) -> None:
    for who in (people.agent, people.stranger, people.office, people.analyst):
        assert visit(who).post("/entries/SB-001/withdrawal", data={"reason": "不要了"}).status_code == 403
        assert "向热线办申请撤销" not in visit(who).get("/entries/SB-001").text
    visit(people.editor).post("/entries/SB-001/withdrawal", data={"reason": "政策停止执行"})
    assert "政策停止执行" not in visit(people.agent).get("/entries/SB-001").text
