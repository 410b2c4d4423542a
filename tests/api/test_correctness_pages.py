"""正确率, the entry's verdicts, the caution on the agent's page, the defence on the notice's, and 我的评价."""

import io
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin import corrections, lifecycle, notices
from models.improvement import Defence
from models.knowledge import Version
from models.notices import Notice
from models.organisation import Person
from models.values import ApplicationStatus, NoticeStatus
from tests.cast import COUNTY_SOCIAL_SECURITY, LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES, Visit
from tests.kb_admin.raters import RIGHT, WRONG, judged, say, say_as_citizen

HOUR = timedelta(hours=1)
COUNTY_CARD = replace(LOST_CARD, unit=COUNTY_SOCIAL_SECURITY, region="河东区", question="区级社保卡怎样补领")


@pytest.fixture
def now() -> datetime:
    return utc_now() - HOUR


@pytest.fixture
def entry(base: Session, people: Cast, services: Services) -> Version:
    version = published(base, LOST_CARD, code="SB-001")
    services.follower.catch_up()
    return version


@pytest.fixture
def below(base: Session, entry: Version, now: datetime) -> Notice:
    """The entry after three right and two wrong verdicts: 60 %, with a draft."""
    judged(base, entry, [RIGHT] * 3 + [WRONG] * 2, now)
    base.commit()
    return corrections.under_correction(base, [entry.entry_id])[entry.entry_id]


@pytest.fixture
def sent(base: Session, people: Cast, below: Notice, now: datetime) -> Notice:
    notices.dispatch(base, below, actor=people.office, now=now)
    base.commit()
    return below


def codes(page: str) -> list[str]:
    return re.findall(r'href="/correctness/([A-Z]+-\d+)"', page)


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_list_shows_the_worst_first_with_its_counts(
    visit: Visit, people: Cast, base: Session, below: Notice, now: datetime
) -> None:
    permit = published(base, RESIDENCE_PERMIT, code="HJ-001")
    judged(base, permit, [RIGHT] * 9, now, start=50)
    published(base, COUNTY_CARD, code="QX-001")  # nobody has judged it
    base.commit()
    browser = visit(people.office)
    page = browser.get("/correctness").text
    assert codes(page) == ["SB-001", "HJ-001"]
    row = page.split('href="/correctness/SB-001"')[0].rpartition("<tr>")[2]
    assert ("60.0%" in row, "低于" in row, "23%–88%" in row) == (True, True, True)
    assert f'href="/notices/{below.id}"' in page
    assert codes(browser.get("/correctness?sort=-rate").text) == ["HJ-001", "SB-001"]
    assert codes(browser.get("/correctness?standing=below").text) == ["SB-001"]
    assert codes(browser.get("/correctness?standing=sound").text) == ["HJ-001"]
    assert codes(browser.get("/correctness?mending=1").text) == ["SB-001"]
    assert codes(browser.get("/correctness?q=居住证").text) == ["HJ-001"]
    assert codes(browser.get(f"/correctness?unit={people.unit.id}").text) == ["SB-001"]
    assert "没有符合条件的条目" in browser.get("/correctness?q=直升机").text


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        *[("editor", ["SB-001"]), ("reviewer", ["SB-001"]), ("leader", ["SB-001"]), ("stranger", ["HJ-001"])],
        *[("county_office", ["QX-001"]), ("office", ["HJ-001", "QX-001", "SB-001"])],
        ("analyst", ["HJ-001", "QX-001", "SB-001"]),
    ],
)
def test_everybody_sees_their_own_part(
    *, who: str, expected: list[str], visit: Visit, people: Cast, base: Session, entry: Version, now: datetime
) -> None:
    for n, version in enumerate(
        (entry, published(base, RESIDENCE_PERMIT, code="HJ-001"), published(base, COUNTY_CARD, code="QX-001"))
    ):
        judged(base, version, [RIGHT] * 5, now, start=10 * n + 1)
    base.commit()
    browser = visit(getattr(people, who))
    assert sorted(codes(browser.get("/correctness").text)) == expected
    for code in ("SB-001", "HJ-001", "QX-001"):
        assert browser.get(f"/correctness/{code}").status_code == (200 if code in expected else 404)
    sheet = load_workbook(io.BytesIO(browser.get("/correctness/export").content)).active
    assert sorted(row[0] for row in sheet.iter_rows(min_row=2, values_only=True)) == expected


@pytest.mark.parametrize("who", ["agent", "administrator"])
def test_who_has_no_part_in_it_is_told(who: str, visit: Visit, people: Cast, entry: Version) -> None:
    browser = visit(getattr(people, who))
    for address in ("/correctness", "/correctness/export", "/correctness/SB-001"):
        assert browser.get(address).status_code == 403
    assert 'href="/correctness"' not in browser.get("/").text


def test_the_workbook_says_what_the_page_says(visit: Visit, people: Cast, below: Notice) -> None:
    sheet = load_workbook(io.BytesIO(visit(people.office).get("/correctness/export?standing=below").content)).active
    head, row = sheet.iter_rows(values_only=True)
    said = dict(zip(head, row, strict=True))
    assert (said["编号"], said["正确率"], said["状态"], said["95%置信区间"]) == ("SB-001", 0.6, "低于", "23%–88%")
    assert (said["判为正确（人）"], said["判为有误（人）"]) == (3, 2)
    assert (said["整改通知单"], said["整改状态"]) == (below.number, "待派发")


def test_an_entry_s_verdicts_with_the_count_of_each_version(
    *, visit: Visit, people: Cast, base: Session, entry: Version, below: Notice, now: datetime
) -> None:
    say_as_citizen(base, "caller:1", entry, RIGHT, now, asker=people.agent)
    new = lifecycle.add_version(base, entry.entry, replace(LOST_CARD, answer="新。"), actor=None, now=now)
    lifecycle.submit(base, new, actor=None, now=now)
    lifecycle.publish(base, new, actor=None, now=now)
    say(base, people.agent, new, WRONG, now, "网点搬了")
    base.commit()
    page = visit(people.office).get("/correctness/SB-001").text
    assert page.index("第&thinsp;2&thinsp;版</a>") < page.index("第&thinsp;1&thinsp;版</a>")
    assert "网点搬了" in page
    assert page.count("评价的是旧版") == 6
    assert page.count("计入正确率") == 1
    assert {"话务1", "陈坐席", "市民"} <= set(re.findall(r'<td class="nowrap">([^<]+)</td>', page))
    first = visit(people.office).get("/correctness/SB-001?version=1").text
    assert "网点搬了" not in first
    assert visit(people.office).get("/correctness/SB-001?version=9").status_code == 404


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader"])
def test_the_unit_reads_what_is_wrong_and_not_who_said_so(
    *, who: str, visit: Visit, people: Cast, base: Session, entry: Version, now: datetime
) -> None:
    say(base, people.agent, entry, WRONG, now, "网点搬了")
    base.commit()
    browser = visit(getattr(people, who))
    page = browser.get("/correctness/SB-001").text
    assert "网点搬了" in page
    assert people.agent.name not in page
    assert people.agent.name in visit(people.analyst).get("/correctness/SB-001").text


def test_the_agent_is_warned_until_the_new_version_is_there(
    *, visit: Visit, people: Cast, base: Session, services: Services, below: Notice, now: datetime
) -> None:
    agent, question = visit(people.agent), {"q": "社保卡丢了怎么办"}
    assert "待核实（正确率低于 80%）" in agent.get("/ask", params=question).text
    assert "待核实（正确率低于 80%）" in agent.get("/entries/SB-001").text
    notices.dispatch(base, below, actor=people.office, now=now)
    base.commit()
    assert '<b class="status is-soon">整改中</b>' in agent.get("/ask", params=question).text
    assert below.entry is not None
    new = lifecycle.add_version(base, below.entry, replace(LOST_CARD, spoken="新口径。"), actor=None, now=now)
    lifecycle.submit(base, new, actor=None, now=now)
    lifecycle.publish(base, new, actor=None, now=now)
    base.commit()
    services.follower.catch_up()
    page = agent.get("/ask", params=question).text
    assert "新口径。" in page
    assert "整改中" not in page


def test_the_entry_page_has_its_correctness_for_who_reads_verdicts(visit: Visit, people: Cast, below: Notice) -> None:
    assert 'href="/correctness/SB-001"><b class="number">60.0%</b>' in visit(people.editor).get("/entries/SB-001").text
    for who in (people.agent, people.stranger, people.county_office):
        assert "/correctness/SB-001" not in visit(who).get("/entries/SB-001").text


def test_the_unit_defends_and_the_office_accepts(
    visit: Visit, people: Cast, base: Session, entry: Version, sent: Notice
) -> None:
    address = f"/notices/{sent.id}"
    editor, office = visit(people.editor), visit(people.office)
    page = editor.get(address).text
    assert "提出申辩" in page
    assert "新版发布时，本通知单自动办结" in page
    assert f'action="{address}/complete"' not in page
    assert editor.post(f"{address}/defend", data={"text": " "}).status_code == 422
    assert editor.post(f"{address}/defend", data={"text": "工本费仍是 16 元"}).status_code == 303
    assert f'action="{address}/defend"' not in editor.get(address).text
    assert editor.post(f"{address}/defend", data={"text": "又一份"}).status_code == 409
    assert editor.post(f"{address}/accept-defence", data={"text": "自己同意"}).status_code == 403
    shown = office.get(address).text
    assert "工本费仍是 16 元" in shown
    assert "采纳申辩" in shown
    assert f"{address}#defence" in office.get("/todo").text
    assert office.post(f"{address}/refuse-defence", data={"text": ""}).status_code == 422
    assert office.post(f"{address}/accept-defence", data={"text": "同意"}).status_code == 303
    base.refresh(sent)
    assert (sent.status, sent.result) == (NoticeStatus.COMPLETED, "经核实原答案无误：工本费仍是 16 元")
    assert "申辩已采纳" in editor.get(address).text
    assert "重新统计" in office.get("/correctness/SB-001").text


def test_a_refused_defence_and_one_that_is_taken_back(visit: Visit, people: Cast, base: Session, sent: Notice) -> None:
    address = f"/notices/{sent.id}"
    editor, office = visit(people.editor), visit(people.office)
    editor.post(f"{address}/defend", data={"text": "无误"})
    office.post(f"{address}/refuse-defence", data={"text": "文件已废止"})
    page = editor.get(address).text
    assert "文件已废止" in page
    assert f'action="{address}/defend"' in page
    editor.post(f"{address}/defend", data={"text": "另有依据"})
    assert editor.post(f"{address}/take-back-defence").status_code == 303
    statuses = base.scalars(select(Defence.status).order_by(Defence.id)).all()
    assert statuses == [ApplicationStatus.REFUSED, ApplicationStatus.CANCELLED]
    assert office.post(f"{address}/accept-defence", data={"text": ""}).status_code == 409


@pytest.mark.parametrize("who", ["stranger", "agent", "county_office"])
def test_strangers_cannot_defend_or_decide(who: str, visit: Visit, people: Cast, sent: Notice) -> None:
    person: Person = getattr(people, who)
    for act in ("defend", "accept-defence", "refuse-defence", "take-back-defence"):
        assert visit(person).post(f"/notices/{sent.id}/{act}", data={"text": "无误"}).status_code in {403, 404}


def test_an_agent_sees_what_became_of_each_verdict(
    visit: Visit, people: Cast, base: Session, entry: Version, now: datetime
) -> None:
    say(base, people.agent, entry, WRONG, now, "工本费已取消")
    judged(base, entry, [WRONG] * 4, now)
    base.commit()
    notice = corrections.under_correction(base, [entry.entry_id])[entry.entry_id]
    browser = visit(people.agent)
    page = browser.get("/verdicts").text
    for words in ("工本费已取消", "计入正确率", notice.number, "待派发", "仍是这一版"):
        assert words in page, words
    assert f"/notices/{notice.id}" not in page
    new = lifecycle.add_version(base, entry.entry, replace(LOST_CARD, answer="新。"), actor=None, now=now)
    lifecycle.submit(base, new, actor=None, now=now)
    lifecycle.publish(base, new, actor=None, now=now)
    say(base, people.agent, new, RIGHT, now)
    say(base, people.agent, new, RIGHT, now)
    base.commit()
    page = browser.get("/verdicts").text
    assert [page.count(words) for words in ("评价的是旧版", "计入正确率", "以本人后来的评价为准")] == [1, 1, 1]
    assert "已更新" in page
    assert "工本费已取消" not in browser.get("/verdicts?judgement=correct").text
    assert "您还没有评价过答复" in visit(people.office).get("/verdicts").text
    assert visit(people.editor).get("/verdicts").status_code == 403


def test_pages_of_an_empty_base_say_so(visit: Visit, people: Cast, base: Session) -> None:
    assert "还没有人评价过条目" in visit(people.office).get("/correctness").text
    assert visit(people.office).get("/correctness/无此条").status_code == 404
    assert "您还没有评价过答复" in visit(people.agent).get("/verdicts").text
