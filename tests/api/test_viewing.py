"""Who sees an internal entry is written down: each answer, each page, each file; public ones are nobody's business."""

import hashlib

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.wiring import Services
from kb_admin.audit import verify
from models.audit import AuditRecord
from models.knowledge import Attachment, Entry
from tests.cast import INTERNAL_CONTACT, LOST_CARD, Cast, published
from tests.conftest import DATABASES, Visit

HERS = ("search", "view", "view_file", "export")


@pytest.fixture
def entries(services: Services, base: Session, people: Cast) -> None:
    published(base, LOST_CARD, code="A-1")
    contact = published(base, INTERNAL_CONTACT, code="C-1")
    digest = hashlib.sha256(b"x").hexdigest()
    base.add(Attachment(version_id=contact.id, filename="a.png", media_type="image/png", sha256=digest, size_bytes=1))
    base.commit()
    services.settings.attachments_folder.mkdir(parents=True, exist_ok=True)
    (services.settings.attachments_folder / digest).write_bytes(b"x")
    services.follower.catch_up()


def written(base: Session) -> list[tuple[str, str, int | None]]:
    base.expire_all()
    query = select(AuditRecord).where(AuditRecord.act.in_(HERS)).order_by(AuditRecord.seq)
    return [(one.act, one.subject, one.actor_id) for one in base.scalars(query)]


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_each_way_to_see_an_internal_entry_leaves_one_record(visit: Visit, people: Cast, base: Session) -> None:
    browser, who = visit(people.agent), people.agent.id
    assert browser.get("/", params={"q": INTERNAL_CONTACT.question}).status_code == 200
    assert browser.get("/", params={"q": INTERNAL_CONTACT.question}).status_code == 200
    answer = browser.post("/api/v1/search", json={"query": INTERNAL_CONTACT.question, "k": 1}).json()
    assert browser.get("/entries/C-1").status_code == 200
    assert browser.get("/api/v1/entries/C-1").status_code == 200
    assert browser.get(f"/attachments/{hashlib.sha256(b'x').hexdigest()}").status_code == 200
    assert visit(people.office).get("/api/v1/export?format=csv").status_code == 200
    first, again, by_api, *rest = written(base)
    assert first == again == ("search", first[1], who)
    assert by_api == ("search", f"question:{answer['question_id']}", who)
    assert rest == [
        ("view", "entry:C-1", who),
        ("view", "entry:C-1", who),
        ("view_file", "entry:C-1", who),
        ("export", "entries", people.office.id),
    ]
    search = base.scalars(select(AuditRecord).where(AuditRecord.act == "search")).first()
    assert search is not None
    assert search.details == {"entries": ["C-1"]}
    export = base.scalars(select(AuditRecord).where(AuditRecord.act == "export")).one()
    assert export.details == {
        "entries": 2,
        "internal": 1,
        "units": sorted([LOST_CARD.unit, INTERNAL_CONTACT.unit]),
        "format": "csv",
    }
    assert verify(base).broken_at is None


@pytest.mark.usefixtures("entries")
def test_a_link_from_elsewhere_shows_it_too_and_is_written_down(visit: Visit, people: Cast, base: Session) -> None:
    browser = visit(people.agent)
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert browser.get("/", params={"q": INTERNAL_CONTACT.question}, headers=elsewhere).status_code == 200
    assert written(base) == [("search", "question", people.agent.id)]


@pytest.mark.usefixtures("entries")
def test_the_monthly_look_shows_it_and_is_written_down(visit: Visit, people: Cast, base: Session) -> None:
    unit_id = base.scalars(select(Entry.unit_id).where(Entry.code == "C-1")).one()
    browser = visit(people.office)
    assert INTERNAL_CONTACT.answer in browser.get(f"/reviews?unit={unit_id}&entry=C-1").text
    assert browser.get(f"/reviews?unit={unit_id}").status_code == 200  # says no more than the list of entries
    assert written(base) == [("view", "entry:C-1", people.office.id)]


@pytest.mark.usefixtures("entries")
def test_public_entries_leave_no_record(visit: Visit, people: Cast, base: Session) -> None:
    browser = visit(people.stranger)
    assert browser.get("/entries/A-1").status_code == 200
    assert browser.get("/api/v1/entries/A-1").status_code == 200
    editor = visit(people.editor)
    assert editor.get("/", params={"q": LOST_CARD.question}).status_code == 200
    assert written(base) == []


@pytest.mark.usefixtures("entries")
def test_who_may_not_see_it_leaves_no_record_either(visit: Visit, people: Cast, base: Session) -> None:
    browser = visit(people.editor)
    assert browser.get("/entries/C-1").status_code == 404
    assert browser.get("/", params={"q": INTERNAL_CONTACT.question}).status_code == 200
    assert written(base) == []
