"""The page of what waits for a person, and the count beside it in the rail."""

import re
from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin import lifecycle, notices
from models.values import NoticeKind
from tests.cast import LOST_CARD, NOW, Cast, submitted
from tests.conftest import DATABASES, Visit


def rail_count(page: str) -> str:
    """What stands beside 我的待办."""
    found = re.search(r'<b class="number rail-count"[^>]*>(\d+)</b>', page)
    return found[1] if found else ""


def dispatched(base: Session, people: Cast, now: datetime) -> None:
    """A collection notice on its way to the unit."""
    notices.open_notice(
        base,
        kind=NoticeKind.COLLECTION,
        unit=people.unit,
        title="采集新政策",
        actor=people.office,
        now=now,
        dispatched=True,
    )


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_each_sees_what_waits_for_them(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    submitted(base, services)
    page = visit(people.reviewer).get("/todo").text
    assert "社会保障卡怎样激活" in page
    assert "单位审核" in page
    assert "无时限" in page
    assert rail_count(page) == "1"
    for who in (people.editor, people.leader, people.office, people.stranger, people.county_office):
        other = visit(who).get("/todo").text
        assert "社会保障卡怎样激活" not in other
        assert "没有等您处理的事" in other
        assert rail_count(other) == ""


@pytest.mark.parametrize("who", ["agent", "analyst", "administrator"])
def test_who_takes_no_step_has_no_list(visit: Visit, people: Cast, who: str) -> None:
    browser = visit(getattr(people, who))
    assert browser.get("/todo").status_code == 403
    assert 'href="/todo"' not in browser.get("/").text


def test_time_left_comes_with_its_article(visit: Visit, people: Cast, base: Session) -> None:
    now = utc_now()
    notices.open_notice(
        base,
        kind=NoticeKind.COLLECTION,
        unit=people.unit,
        title="采集新政策",
        actor=people.office,
        now=now,
        dispatched=True,
    )
    base.commit()
    page = visit(people.editor).get("/todo").text
    assert re.search(r'<span class="clock is-\w+" title="[^"]+" tabindex="0">[^<]*(?:<b[^>]*>临期</b> )?还剩', page)
    assert "知识库采集通知单" in page


def test_one_kind_can_be_chosen(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    submitted(base, services)
    version = lifecycle.create_entry(base, LOST_CARD, code="SB-003", actor=None, now=NOW)
    lifecycle.submit(base, version, actor=None, now=NOW)
    notices.open_notice(
        base,
        kind=NoticeKind.COLLECTION,
        unit=people.unit,
        title="采集新政策",
        actor=people.office,
        now=NOW,
        dispatched=True,
    )
    base.commit()
    browser = visit(people.reviewer)
    assert re.findall(r'<td class="number">(SB-\d+|采集[^<]+)</td>', browser.get("/todo?kind=sign").text) == [
        "采集〔2026〕1号"
    ]
    assert re.findall(r'<td class="number">(SB-\d+)</td>', browser.get("/todo?kind=check").text) == ["SB-002", "SB-003"]
    assert "没有“派发”的待办" in browser.get("/todo?kind=dispatch").text
    assert "SB-002" in browser.get("/todo?kind=没有这种").text
