"""The monthly look at a unit's entries: what was found is kept as evidence, and nobody looks for another unit."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin.reviews import period_of
from models.duties import EntryReview, Finding
from tests.cast import LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES, Visit

SECOND = replace(LOST_CARD, question="社会保障卡密码丢了怎样重置", similar=())


@pytest.fixture
def two_entries(base: Session, people: Cast) -> Session:
    long_ago = utc_now() - timedelta(days=200)
    published(base, LOST_CARD, code="SB-001", now=long_ago)
    published(base, SECOND, code="SB-002", now=long_ago)
    published(base, RESIDENCE_PERMIT, code="HJ-001", now=long_ago)
    return base


def found(base: Session) -> list[tuple[str, Finding, str]]:
    base.expire_all()
    reviews = base.scalars(select(EntryReview).order_by(EntryReview.id))
    return [(review.entry.code, review.finding, review.person.name) for review in reviews]


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_one_entry_after_the_other_until_all_are_looked_at(visit: Visit, people: Cast, two_entries: Session) -> None:
    editor = visit(people.editor)
    page = editor.get("/reviews").text
    assert 'name="code" value="SB-001"' in page
    assert '共&thinsp;<b class="number">2</b>' in page
    reply = editor.post("/reviews", data={"code": "SB-001", "finding": "still_right"})
    assert reply.status_code == 303
    page = editor.get(reply.headers["location"]).text
    assert 'name="code" value="SB-002"' in page
    reply = editor.post("/reviews", data={"code": "SB-002", "finding": "to_change", "note": "费用变了"})
    page = editor.get(reply.headers["location"]).text
    assert "本月的条目都检查过了" in page
    assert "费用变了" in page
    assert 'href="/entries/SB-002/edit"' in page
    assert found(two_entries) == [
        ("SB-001", Finding.STILL_RIGHT, people.editor.name),
        ("SB-002", Finding.TO_CHANGE, people.editor.name),
    ]


def test_an_entry_is_passed_over_and_comes_again(visit: Visit, people: Cast, two_entries: Session) -> None:
    editor = visit(people.editor)
    assert 'name="code" value="SB-002"' in editor.get("/reviews?after=SB-001").text
    assert 'name="code" value="SB-001"' in editor.get("/reviews?after=SB-002").text


def test_what_is_found_invalid_needs_a_reason(visit: Visit, people: Cast, two_entries: Session) -> None:
    reply = visit(people.editor).post("/reviews", data={"code": "SB-001", "finding": "invalid"})
    assert reply.status_code == 422
    assert "请写明原因" in reply.text
    assert 'name="code" value="SB-001"' in reply.text
    assert found(two_entries) == []


def test_a_colleagues_finding_stands(visit: Visit, people: Cast, two_entries: Session) -> None:
    visit(people.reviewer).post("/reviews", data={"code": "SB-001", "finding": "still_right"})
    reply = visit(people.editor).post("/reviews", data={"code": "SB-001", "finding": "to_change"})
    assert reply.status_code == 409
    assert people.reviewer.name in reply.text
    assert len(found(two_entries)) == 1


def test_the_office_sees_how_far_its_units_are(visit: Visit, people: Cast, two_entries: Session) -> None:
    visit(people.editor).post("/reviews", data={"code": "SB-001", "finding": "still_right"})
    office = visit(people.office)
    page = office.get("/reviews").text
    assert people.unit.name in page
    assert "未完成" in page
    evidence = office.get(f"/reviews?unit={people.unit.id}").text
    assert people.editor.name in evidence
    assert "data-review" not in evidence
    assert "SB-002" in evidence


@pytest.mark.parametrize("who", ["office", "leader"])
def test_only_editor_and_reviewer_look(visit: Visit, people: Cast, two_entries: Session, who: str) -> None:
    reply = visit(getattr(people, who)).post("/reviews", data={"code": "SB-001", "finding": "still_right"})
    assert reply.status_code == 403
    assert found(two_entries) == []


@pytest.mark.parametrize("who", ["stranger", "county_office"])
def test_for_strangers_there_is_no_such_queue(visit: Visit, people: Cast, two_entries: Session, who: str) -> None:
    browser = visit(getattr(people, who))
    assert browser.get(f"/reviews?unit={people.unit.id}").status_code == 404
    assert LOST_CARD.question not in browser.get("/reviews").text
    assert browser.post("/reviews", data={"code": "SB-001", "finding": "still_right"}).status_code == 404


@pytest.mark.parametrize("who", ["agent", "analyst", "administrator"])
def test_who_has_no_part_in_the_look(visit: Visit, people: Cast, two_entries: Session, who: str) -> None:
    browser = visit(getattr(people, who))
    assert browser.get("/reviews").status_code == 403
    assert browser.post("/reviews", data={"code": "SB-001", "finding": "still_right"}).status_code == 403


def test_a_past_month_is_only_to_be_read(visit: Visit, people: Cast, two_entries: Session) -> None:
    past = period_of(utc_now() - timedelta(days=60))
    page = visit(people.editor).get(f"/reviews?period={past}").text
    assert "data-review" not in page
    assert "未检查" in page
    assert visit(people.editor).get("/reviews?period=2026-13").status_code == 200


def test_a_month_before_there_were_entries_says_so(visit: Visit, people: Cast, two_entries: Session) -> None:
    assert "没有须检查的条目" in visit(people.editor).get("/reviews?period=2020-01").text
    assert "没有单位须检查" in visit(people.office).get("/reviews?period=2020-01").text
