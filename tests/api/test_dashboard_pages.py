"""The dashboard and the page of definitions: who reads which units' figures, every figure with its definition."""

import json
import re
from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from api.pages_dashboard import period_given
from kb_admin.definitions import all_definitions, call_rates
from kb_admin.periods import Period, Span
from models.errors import Invalid
from models.incoming import IncomingCall
from models.organisation import RoleGrant
from models.values import Ending, Matter, Role
from tests.cast import LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES, Visit
from tests.kb_admin.call_log import add_work, make_log

READERS = ("office", "analyst", "county_office", "leader")
DAY = {"day": "2026-11-18"}


@pytest.mark.parametrize("who", READERS)
def test_who_reads_statistics_has_both_pages(who: str, visit: Visit, people: Cast) -> None:
    browser = visit(getattr(people, who))
    for path, name in (("/dashboard", "看板"), ("/definitions", "指标定义")):
        reply = browser.get(path)
        assert reply.status_code == 200
        assert f'aria-current="page">{name}' in reply.text


@pytest.mark.parametrize("who", ["agent", "editor", "reviewer", "stranger", "administrator"])
def test_others_are_refused_and_have_no_link(who: str, visit: Visit, people: Cast) -> None:
    browser = visit(getattr(people, who))
    for path in ("/dashboard", "/definitions"):
        reply = browser.get(path)
        assert reply.status_code == 403
        assert "数据分析员" in reply.text
        assert f'href="{path}"' not in browser.get("/entries").text


@pytest.mark.parametrize("path", ["/dashboard", "/definitions"])
def test_who_is_not_logged_in_is_led_to_the_door(path: str, visit: Visit, people: Cast) -> None:
    assert visit(None).get(path).status_code == 303


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_every_figure_on_the_page_links_to_a_definition_that_the_page_of_definitions_lists(
    visit: Visit, base: Session, people: Cast
) -> None:
    log = make_log(base, people, 3, calls=80)
    add_work(base, log, 3)
    browser = visit(people.office)
    text = browser.get("/dashboard", params=DAY).text
    told = browser.get("/definitions").text
    listed = set(re.findall(r'<section class="panel definition" id="(\w+)"', told))
    assert listed == set(all_definitions())
    figures = re.findall(r'<div class="figure">(.*?)</div>', text, re.DOTALL)
    charts = re.findall(r"<figcaption>(.*?)</figcaption>", text, re.DOTALL)
    assert len(figures) >= 15
    assert len(charts) == 8
    for piece in (*figures, *charts):
        link = re.search(r'href="/definitions#(\w+)"', piece)
        assert link is not None, piece
        assert link[1] in listed
    for piece in figures:
        assert "不计" in piece
        assert "2026 年第 47 周" in piece or "的情况" in piece
    for one in all_definitions().values():
        assert f'<h2 id="h-{one.name}">{one.title}' in told
        assert one.numerator in told


def test_the_page_says_what_the_figures_say(visit: Visit, base: Session, people: Cast) -> None:
    """Of four consultations in the week two were answered from the base; the week before one of two."""
    version = published(base, LOST_CARD)
    monday = Period.week(date(2026, 11, 18)).start
    answered = {"ending": Ending.ANSWERED, "version": version}
    ordered, connected, unsaid = ({"ending": ending} for ending in (Ending.WORK_ORDER, Ending.THREE_WAY, None))
    week = [answered, answered, ordered, connected, unsaid]
    for after, more in (*enumerate(week), (-1, answered), (-2, ordered)):
        at = monday + timedelta(hours=after)
        base.add(IncomingCall(person=people.agent, matter=Matter.CONSULTATION, started_at=at, ended_at=at, **more))
    base.commit()
    text = visit(people.analyst).get("/dashboard", params=DAY).text
    assert "直接解答率 50.0\u2009%，与上周持平" in text
    assert "2 ÷ 4" in text
    assert "不计 1\u2009通：没有记录结束方式 1" in text
    drawings = _drawings(text)
    assert drawings["by-day"]["series"][0]["values"] == [50.0, None, None, None, None, None, None]
    assert drawings["by-day"]["marks"][0]["value"] == 50.0
    assert drawings["by-unit"]["categories"] == ["没有显示条目", version.entry.unit.name]
    assert drawings["by-unit"]["series"][0]["values"] == [0.0, 100.0]
    assert drawings["by-field"]["categories"] == ["没有显示条目", "社会保险"]
    other = visit(people.analyst).get("/dashboard", params={**DAY, "rate": "direct_answer_rate_without_orders"}).text
    assert "2 ÷ 3" in other


def test_a_leader_reads_the_own_unit_only_and_a_county_its_own(visit: Visit, base: Session, people: Cast) -> None:
    own, other = published(base, LOST_CARD), published(base, RESIDENCE_PERMIT)
    at = Period.week(date(2026, 11, 18)).start
    for version, count in ((own, 2), (other, 5)):
        for _ in range(count):
            call = IncomingCall(
                person=people.agent, started_at=at, ended_at=at, ending=Ending.ANSWERED, version=version
            )
            base.add(call)
    base.commit()
    whole = visit(people.office).get("/dashboard", params=DAY).text
    assert "7 ÷ 7" in whole
    assert people.other_unit.name in whole
    leader = visit(people.leader).get("/dashboard", params=DAY).text
    assert "2 ÷ 2" in leader
    assert people.other_unit.name not in leader
    assert "没有答案的提问" not in leader
    assert set(_drawings(leader)) == {"by-day", "by-field"}
    county = visit(people.county_office).get("/dashboard", params=DAY).text
    assert "0 ÷ 0" in county
    assert people.other_unit.name not in county
    assert people.unit.name not in county


def test_a_leader_of_two_units_reads_both(visit: Visit, base: Session, people: Cast) -> None:
    people.leader.grants.append(RoleGrant(role=Role.UNIT_LEADER, unit=people.other_unit))
    base.commit()
    published(base, LOST_CARD)
    published(base, RESIDENCE_PERMIT)
    text = visit(people.leader).get("/dashboard", params=DAY).text
    assert people.unit.name in text
    assert people.other_unit.name in text
    for address in re.findall(r'href="(/reports[^"]*)"', text):
        assert visit(people.leader).get(address.replace("&amp;", "&")).status_code == 200, address


@pytest.mark.parametrize("span", Span)
def test_an_empty_base_has_a_page_for_every_kind_of_period(span: Span, visit: Visit, people: Cast) -> None:
    reply = visit(people.office).get("/dashboard", params={"span": span.value, **DAY})
    assert reply.status_code == 200
    assert "这段时间没有可以统计的数据" in reply.text
    assert "0 ÷ 0" in reply.text


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"day": "昨天"}, "不是日期"),
        ({"span": "days", "day": "2026-11-18", "until": "2026-11-01"}, "颠倒"),
        ({"span": "days", "day": "2025-11-18", "until": "2026-11-19"}, "最多 366 天"),
        ({"span": "year", "day": "9999-12-31"}, "1949 年至"),
        ({"span": "week", "day": "9999-12-31"}, "1949 年至"),
        ({"day": "1800-01-01"}, "日期应在"),
        ({"rate": "gap_hours"}, "不是来电的比率"),
    ],
)
def test_a_period_that_makes_no_sense_is_told(params: dict[str, str], said: str, visit: Visit, people: Cast) -> None:
    reply = visit(people.office).get("/dashboard", params=params)
    assert reply.status_code == 422
    assert said in reply.text


def test_an_unknown_rate_is_not_found(visit: Visit, people: Cast) -> None:
    assert visit(people.office).get("/dashboard", params={"rate": "best_rate"}).status_code == 404


def test_without_a_period_it_is_this_week() -> None:
    today = date(2026, 11, 20)
    assert period_given("", "", "", today=today) == Period.week(today)
    assert period_given("month", "", "", today=today) == Period.month(today)
    assert period_given("days", "2026-11-01", "2026-11-20", today=today).words == "2026-11-01 至 2026-11-20"
    with pytest.raises(Invalid):
        period_given("days", "x", "", today=today)


def test_the_rates_to_choose_from_name_the_published_one(visit: Visit, people: Cast) -> None:
    text = visit(people.analyst).get("/dashboard").text
    assert re.findall(r"<option [^>]*>([^<]*)（本市公布）", text) == ["直接解答率"]
    for one in call_rates():
        assert f'value="{one.name}"' in text


def test_charts_come_with_the_page_and_only_there(visit: Visit, people: Cast) -> None:
    browser = visit(people.office)
    text = browser.get("/dashboard").text
    address = re.search(r'src="(/static/vendor/echarts[^"]+)"', text)
    assert address is not None
    assert browser.get(address[1]).status_code == 200
    assert "echarts" not in browser.get("/definitions").text
    assert "echarts" not in browser.get("/entries").text
    for name in ("LICENSE", "NOTICE"):
        assert "Apache" in browser.get(f"/static/vendor/echarts.{name}").text


def _drawings(text: str) -> dict[str, dict[str, object]]:
    block = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    return {one["name"]: one for one in json.loads(block[1])}
