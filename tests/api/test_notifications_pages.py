"""Messages and their bell, and the list of units to be called: one's own, and nobody else's."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin import clocks, notices, notifications
from models.messages import Notification
from models.notices import CallTask, Notice
from models.values import NoticeKind
from tests.cast import LOST_CARD, Cast, published
from tests.conftest import DATABASES, Visit


def told(base: Session, people: Cast, *, count: int = 1) -> list[Notification]:
    """Messages to the editor, the newest last."""
    for number in range(count):
        notifications.tell(base, [people.editor], f"test:{number}", f"第{number}件事", "/notices", utc_now())
    base.commit()
    mine = select(Notification).where(Notification.person_id == people.editor.id).order_by(Notification.id)
    return list(base.scalars(mine))


def overdue_correction(base: Session, people: Cast) -> Notice:
    """A correction notice that ran out weeks ago, after the worker has looked."""
    long_ago = utc_now() - timedelta(days=30)
    entry = published(base, LOST_CARD, code="SB-001", now=long_ago).entry
    notice = notices.open_notice(
        base,
        kind=NoticeKind.CORRECTION,
        unit=people.unit,
        title="整改：工本费已取消",
        entry=entry,
        actor=people.office,
        now=long_ago,
    )
    notices.dispatch(base, notice, actor=people.office, now=long_ago)
    clocks.run_due(base, utc_now())
    base.commit()
    return notice


def test_the_bell_counts_what_is_unread_on_every_page(visit: Visit, people: Cast, base: Session) -> None:
    told(base, people, count=3)
    page = visit(people.editor).get("/entries").text
    assert 'data-unread="3"' in page
    assert "3 条未读" in page
    assert 'data-unread="0"' in visit(people.reviewer).get("/entries").text


def test_the_bell_as_a_piece(visit: Visit, people: Cast, base: Session) -> None:
    told(base, people, count=120)
    piece = visit(people.editor).get("/notifications/bell").text
    assert "<html" not in piece
    assert "99+" in piece


def test_a_message_is_read_by_opening_it_and_leads_to_its_page(visit: Visit, people: Cast, base: Session) -> None:
    first, second = told(base, people, count=2)
    browser = visit(people.editor)
    reply = browser.post(f"/notifications/{first.id}/open")
    assert (reply.status_code, reply.headers["location"]) == (303, "/notices")
    base.expire_all()
    assert first.read_at is not None
    assert second.read_at is None
    page = browser.get("/notifications").text
    assert page.index("第1件事") < page.index("第0件事")
    assert "第0件事" not in browser.get("/notifications?show=unread").text


def test_a_message_leads_nowhere_else(visit: Visit, people: Cast, base: Session) -> None:
    notifications.tell(base, [people.editor], "odd", "奇怪的消息", "//elsewhere.example/", utc_now())
    base.commit()
    odd = base.scalars(select(Notification)).one()
    assert visit(people.editor).post(f"/notifications/{odd.id}/open").headers["location"] == "/"


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_all_are_marked_but_those_that_came_meanwhile(visit: Visit, people: Cast, base: Session) -> None:
    first, second = told(base, people, count=2)
    visit(people.editor).post("/notifications/read", data={"last": str(first.id)})
    base.expire_all()
    assert (first.read_at is not None, second.read_at is None) == (True, True)


def test_nobody_reads_or_opens_anothers_messages(visit: Visit, people: Cast, base: Session) -> None:
    (mine,) = told(base, people)
    for stranger in (people.stranger, people.office, people.administrator):
        browser = visit(stranger)
        assert browser.post(f"/notifications/{mine.id}/open").status_code == 404
        browser.post("/notifications/read", data={"last": str(mine.id)})
        assert "第0件事" not in browser.get("/notifications").text
    base.expire_all()
    assert mine.read_at is None


def test_an_empty_list_says_what_will_come(visit: Visit, people: Cast) -> None:
    page = visit(people.agent).get("/notifications").text
    assert "还没有消息" in page
    assert "全部标为已读" not in page


def test_without_the_token_of_the_page_nothing_is_read(visit: Visit, people: Cast, base: Session) -> None:
    (mine,) = told(base, people)
    browser = visit(people.editor)
    del browser.headers["X-CSRF-Token"]
    assert browser.post(f"/notifications/{mine.id}/open").status_code == 403


# The list of calls


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_office_calls_and_writes_down_what_was_said(visit: Visit, people: Cast, base: Session) -> None:
    notice = overdue_correction(base, people)
    office = visit(people.office)
    page = office.get("/calls").text
    assert notice.number in page
    assert people.unit.phone in page
    task = base.scalars(select(CallTask)).one()
    assert office.post(f"/calls/{task.id}", data={"answer": " "}).status_code == 422
    assert office.post(f"/calls/{task.id}", data={"answer": "明天办结"}).status_code == 303
    base.expire_all()
    assert (task.answer, task.called_by_id) == ("明天办结", people.office.id)
    again = office.get("/calls").text
    assert "没有须联系的单位" in again
    assert "明天办结" in again
    assert office.post(f"/calls/{task.id}", data={"answer": "又打了一次"}).status_code == 409


@pytest.mark.parametrize("who", ["editor", "leader", "stranger", "agent", "analyst", "administrator"])
def test_only_offices_have_a_list_of_calls(visit: Visit, people: Cast, base: Session, who: str) -> None:
    overdue_correction(base, people)
    task = base.scalars(select(CallTask)).one()
    browser = visit(getattr(people, who))
    assert browser.get("/calls").status_code == 403
    assert browser.post(f"/calls/{task.id}", data={"answer": "好"}).status_code == 403


def test_another_office_sees_no_call(visit: Visit, people: Cast, base: Session) -> None:
    notice = overdue_correction(base, people)
    task = base.scalars(select(CallTask)).one()
    county = visit(people.county_office)
    assert notice.number not in county.get("/calls").text
    assert county.post(f"/calls/{task.id}", data={"answer": "好"}).status_code == 404
