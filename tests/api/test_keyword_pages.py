"""The page of keywords: the office sets them, and counts and lists hold only what is for the reader."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.lifecycle import live_version
from models.knowledge import Entry
from tests.cast import COUNTY, COUNTY_SOCIAL_SECURITY, INTERNAL_CONTACT, LOST_CARD, Cast, published
from tests.conftest import DATABASES, Visit

BARE = replace(LOST_CARD, question="失业金怎么领", similar=(), keywords=())
OF_COUNTY = replace(
    LOST_CARD, question="区里怎么办社保卡", similar=(), unit=COUNTY_SOCIAL_SECURITY, region=COUNTY, keywords=("区社保",)
)


@pytest.fixture
def base_with_entries(base: Session, people: Cast) -> Session:
    published(base, LOST_CARD, code="SB-001")
    published(base, BARE, code="SB-002")
    published(base, INTERNAL_CONTACT, code="HJ-009")
    published(base, OF_COUNTY, code="QX-001")
    return base


def keywords_of(base: Session, code: str) -> list[str]:
    base.expire_all()
    entry = base.scalars(select(Entry).where(Entry.code == code)).one()
    live = live_version(base, entry.id)
    assert live is not None
    return [keyword.text for keyword in live.keywords]


def codes_in(page: str) -> set[str]:
    return set(re.findall(r'<tr id="k-([^"]+)">', page))


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_office_sets_keywords_and_they_hold_at_once(visit: Visit, people: Cast, base_with_entries: Session) -> None:
    office = visit(people.office)
    reply = office.post("/keywords/SB-002", data={"words": "失业金、失业保险， 失业金", "back": "/keywords?show=none"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/keywords?show=none#k-SB-002")
    assert keywords_of(base_with_entries, "SB-002") == ["失业金", "失业保险"]
    assert codes_in(office.get("/keywords?show=none").text) == set()


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_filters_find_entries(visit: Visit, people: Cast, base_with_entries: Session) -> None:
    office = visit(people.office)
    assert codes_in(office.get("/keywords").text) == {"SB-001", "SB-002", "HJ-009", "QX-001"}
    assert codes_in(office.get("/keywords?show=none").text) == {"SB-002"}
    assert codes_in(office.get("/keywords?word=补领").text) == {"SB-001"}
    assert codes_in(office.get("/keywords?q=失业").text) == {"SB-002"}
    assert codes_in(office.get(f"/keywords?unit={people.county_unit.id}").text) == {"QX-001"}


def test_the_county_office_sees_and_sets_its_own(visit: Visit, people: Cast, base_with_entries: Session) -> None:
    county = visit(people.county_office)
    page = county.get("/keywords").text
    assert codes_in(page) == {"QX-001"}
    assert "户籍窗口" not in page
    assert "社保卡</a>" not in page
    assert county.post("/keywords/HJ-009", data={"words": "改"}).status_code == 404
    assert keywords_of(base_with_entries, "HJ-009") == ["户籍窗口"]


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader", "stranger", "agent", "analyst", "administrator"])
def test_others_set_no_keywords_here(visit: Visit, people: Cast, base_with_entries: Session, who: str) -> None:
    browser = visit(getattr(people, who))
    assert browser.get("/keywords").status_code == 403
    assert browser.post("/keywords/SB-001", data={"words": "改"}).status_code == 403
    assert keywords_of(base_with_entries, "SB-001") == ["社保卡", "补领"]


@pytest.mark.parametrize("words", ["长" * 65, "、".join(f"词{n}" for n in range(200)), "坏\x07字"])
def test_keywords_that_cannot_stand_are_kept_in_the_field(
    visit: Visit, people: Cast, base_with_entries: Session, words: str
) -> None:
    reply = visit(people.office).post("/keywords/SB-001", data={"words": words})
    assert reply.status_code == 422
    assert "没有保存" in reply.text
    assert words in reply.text
    assert keywords_of(base_with_entries, "SB-001") == ["社保卡", "补领"]


def test_an_unknown_entry_is_not_found(visit: Visit, people: Cast, base_with_entries: Session) -> None:
    assert visit(people.office).post("/keywords/没有", data={"words": "词"}).status_code == 404
