"""Reports, the ranking, the cases behind each number, the bulletin: for whom, and that page and workbook agree."""

import io
import re
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.report_workbook import value_cell
from kb_admin import incoming, lifecycle, notices
from kb_admin.definitions import definition
from kb_admin.figures import Figure
from models.organisation import Person
from models.usage import Question, ShownAnswer
from models.values import CHINA, Ending, NoticeKind
from tests.cast import DAY, LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import Visit

MONTH = "span=days&day={first}&until={last}"


@pytest.fixture
def worked(base: Session, people: Cast) -> str:
    """Two units at work within the last days; the query of the period."""
    now = utc_now()
    first = published(base, LOST_CARD, code="SB-001", now=now - 5 * DAY)
    published(base, RESIDENCE_PERMIT, code="HJ-001", now=now - 5 * DAY)
    change = lifecycle.add_version(base, first.entry, replace(LOST_CARD, spoken="新口径。"), actor=None, now=now)
    lifecycle.submit(base, change, actor=None, now=now)
    lifecycle.send_back(base, change, "有错别字", actor=None, now=now)
    asked = notices.open_notice(
        base, kind=NoticeKind.QUESTION, unit=people.unit, title="能否异地补领", actor=None, now=now, dispatched=True
    )
    notices.complete(base, asked, "可以异地补领。", actor=None, now=now)
    base.commit()
    today = now.astimezone(CHINA).date()
    return MONTH.format(first=today - 10 * DAY, last=today)


def test_the_report_shows_each_unit_and_leads_to_each_case(visit: Visit, people: Cast, worked: str) -> None:
    office = visit(people.office)
    shown = office.get(f"/reports?{worked}")
    assert shown.status_code == 200
    assert people.unit.name in shown.text
    assert people.other_unit.name in shown.text
    assert "/definitions#unit_entries_added" in shown.text
    (address,) = {
        a.replace("&amp;", "&")
        for a in re.findall(r'href="(/reports/cases/unit_sent_back[^"]*unit=[^"]*)"', shown.text)
    }
    cases = office.get(address)
    assert "有错别字" in cases.text
    assert 'href="/entries/SB-001"' in cases.text


def test_the_workbook_says_what_the_page_says_in_numbers(visit: Visit, people: Cast, worked: str) -> None:
    answer = visit(people.office).get(f"/reports/export?{worked}")
    book = load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["总览", "单位", "领域与班组", "条目", "知识缺失", "指标定义"]
    sheet = book["单位"]
    heads = [cell.value for cell in sheet[1]]
    rows = {
        row[0].value: dict(zip(heads, (cell.value for cell in row), strict=True)) for row in sheet.iter_rows(min_row=2)
    }
    unit = rows[people.unit.name]
    assert (unit["新增条目"], unit["被退回"], unit["答复知识提问"], unit["超期"]) == (1, 1, 1, 0)
    assert rows[people.other_unit.name]["新增条目"] == 1
    assert sheet.freeze_panes == "B2"


def test_equal_units_share_a_place(visit: Visit, people: Cast, worked: str) -> None:
    shown = visit(people.analyst).get(f"/reports/ranking?{worked}&by=unit_entries_added").text
    rows = re.findall(r'<tr><td class="number">(\S+)</td><th scope="row">([^<]+)</th>', shown)
    assert rows == [("1", people.unit.name), ("1", people.other_unit.name)]


def test_a_leader_reads_the_own_unit_only(visit: Visit, people: Cast, worked: str) -> None:
    leader = visit(people.leader)
    shown = leader.get(f"/reports?{worked}").text
    assert people.other_unit.name not in shown
    other = f"/reports/cases/unit_entries_added?{worked}&unit={people.other_unit.id}"
    assert leader.get(other).status_code == 404
    assert "HJ-001" not in leader.get(f"/reports/cases/unit_entries_added?{worked}").text
    assert leader.get("/reports/bulletin").status_code == 404


@pytest.mark.parametrize("path", ["/reports", "/reports/export", "/reports/ranking", "/reports/bulletin"])
@pytest.mark.parametrize("who", ["agent", "editor", "reviewer", "administrator"])
def test_strangers_are_refused(visit: Visit, people: Cast, path: str, who: str) -> None:
    person: Person = getattr(people, who)
    assert visit(person).get(path).status_code == 403


def test_the_bulletin_names_who_and_why_and_admits_what_it_cannot_know(visit: Visit, people: Cast, worked: str) -> None:
    shown = visit(people.office).get(f"/reports/bulletin?{worked}").text
    assert "知识库报送" in shown
    assert "还没有满意率数据" in shown
    assert "系统没有可以据以通报的数据" in shown
    assert "依据：超过时限的通知单" in shown


def test_a_fault_leads_to_its_cases(visit: Visit, base: Session, people: Cast, worked: str) -> None:
    now = utc_now()
    again = lifecycle.create_entry(base, replace(LOST_CARD, question="社保卡怎样挂失"), actor=None, now=now)
    lifecycle.submit(base, again, actor=None, now=now)
    lifecycle.send_back(base, again, "错别字两处", actor=None, now=now)
    base.commit()
    office = visit(people.office)
    shown = office.get(f"/reports/bulletin?{worked}").text
    (address,) = re.findall(r'href="(/reports/cases/fault:[^"]*unit=[^"]*)"', shown)
    cases = office.get(address.replace("&amp;", "&")).text
    assert "错别字两处" in cases
    assert "有错别字" in cases


def test_an_empty_period_says_so(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    assert "没有可以统计的工作" in office.get("/reports?span=month&day=2020-01-15").text
    assert "没有可以统计的单位" in office.get("/reports/ranking?span=month&day=2020-01-15").text
    assert office.get("/reports?day=31.12.2026").status_code == 422
    assert office.get("/reports/cases/unit_nothing").status_code == 404


def test_without_a_choice_it_is_the_last_whole_month(visit: Visit, people: Cast) -> None:
    today = utc_now().astimezone(CHINA).date()
    last = date(today.year, today.month, 1) - DAY
    assert f"{last.year} 年 {last.month} 月" in visit(people.office).get("/reports").text


def test_the_lists_of_entries_are_those_that_the_figures_count(visit: Visit, base: Session, people: Cast) -> None:
    now = utc_now()
    published(base, LOST_CARD, code="SB-001", now=now - 500 * DAY)
    published(base, RESIDENCE_PERMIT, code="HJ-001", now=now - 500 * DAY)
    published(base, replace(LOST_CARD, question="社会保障卡怎样激活"), code="SB-002", now=now - DAY)
    office = visit(people.office)
    for name in ("entries_unused", "entries_unverified"):
        shown = office.get(f"/reports/entries/{name}?unit=").text
        assert {code for code in ("SB-001", "SB-002", "HJ-001") if f"/entries/{code}" in shown} == {"SB-001", "HJ-001"}
        book = load_workbook(io.BytesIO(office.get(f"/reports/entries/{name}/export?unit={people.unit.id}").content))
        assert [row[0].value for row in book.worksheets[0].iter_rows(min_row=2)] == ["SB-001"]
    leader = visit(people.leader)
    assert "HJ-001" not in leader.get("/reports/entries/entries_unused").text
    assert leader.get(f"/reports/entries/entries_unused?unit={people.other_unit.id}").status_code == 404
    assert office.get("/reports/entries/entries_lost").status_code == 404
    assert visit(people.agent).get("/reports/entries/entries_unused").status_code == 403


def test_a_median_of_hours_is_a_number_in_the_workbook() -> None:
    figure = Figure(definition("gap_hours"), 3, median=Fraction(29, 4))
    assert value_cell(figure) == pytest.approx(7.2)
    assert isinstance(value_cell(figure), float)


def test_a_units_rate_leads_to_each_call(visit: Visit, base: Session, people: Cast) -> None:
    now = utc_now()
    version = published(base, LOST_CARD, code="SB-001", now=now - 5 * DAY)
    other = published(base, RESIDENCE_PERMIT, code="HJ-001", now=now - 5 * DAY)
    for number, shown in enumerate((version, version, other)):
        at = now - DAY + timedelta(minutes=10 * number)
        call = incoming.begin(base, actor=people.agent, now=at, reference=f"P-{number}")
        told = [ShownAnswer(rank=1, version_id=shown.id, score=0.9)]
        question = Question(
            text="怎么办",
            person_id=people.agent.id,
            call_id=call.id,
            asked_at=at,
            outcome="direct",
            took_ms=1,
            shown=told,
        )
        base.add(question)
        base.flush()
        incoming.end(base, call, Ending.ANSWERED, actor=people.agent, now=at + timedelta(minutes=1))
    base.commit()
    today = now.astimezone(CHINA).date()
    worked = MONTH.format(first=today - 10 * DAY, last=today)
    office, leader = visit(people.office), visit(people.leader)
    ranking = office.get(f"/reports/ranking?{worked}").text
    links = {a.replace("&amp;", "&") for a in re.findall(r'href="(/reports/calls/[^"]*)"', ranking)}
    (mine,) = (link for link in links if link.endswith(f"unit={people.unit.id}"))
    assert office.get(mine).text.count("计入分子") == 2
    assert leader.get(f"/reports/calls/direct_answer_rate?{worked}").text.count("计入分子") == 2
    assert leader.get(f"/reports/calls/direct_answer_rate?{worked}&unit={people.other_unit.id}").status_code == 404
    assert visit(people.editor).get(mine).status_code == 403
