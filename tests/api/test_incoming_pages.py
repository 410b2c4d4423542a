"""The call on the agent's page, and the pages of calls: who sees which, and what they tell."""

import io
import re
from datetime import timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api import pages_incoming
from api.clock import utc_now
from api.incoming_view import time_line
from api.wiring import Services
from kb_admin import incoming
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.organisation import Person, RoleGrant
from models.usage import Question
from models.values import STRANGER, Ending, Matter, Role, UseKind
from tests.api.test_pages import PIECE, ask
from tests.cast import DAY, INTERNAL_CONTACT, Cast, published
from tests.conftest import DATABASES, Visit

STRANGERS = ["editor", "reviewer", "leader", "county_office", "administrator", "stranger"]
ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)


def only_call(base: Session) -> IncomingCall:
    base.expire_all()
    return base.scalars(select(IncomingCall)).one()


def end(browser: TestClient, call: IncomingCall, ending: Ending, **more: str) -> tuple[int, str]:
    reply = browser.post("/call/end", data={"call_id": str(call.id), "ending": ending, **more}, headers=PIECE)
    return reply.status_code, reply.text


def use(browser: TestClient, base: Session, entry: Version, kind: UseKind = UseKind.OPENED) -> int:
    question = base.scalars(select(Question).order_by(Question.id.desc()).limit(1)).one()
    data = {"question_id": str(question.id), "version_id": str(entry.id), "kind": kind}
    return browser.post("/use", data=data).status_code


# The call on the agent's page


@ON_BOTH
def test_nobody_has_to_press_anything_for_a_call(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    assert "没有来电" in browser.get("/").text
    piece = ask(browser)
    assert re.search(r'<template class="call-now">\s*<section class="call"', piece)
    ask(browser, "居住证怎样申领")
    call = only_call(base)
    assert (call.person_id, call.ended_at) == (people.agent.id, None)
    assert "2&thinsp;问" in browser.get("/call").text


@ON_BOTH
def test_one_key_ends_the_call_and_names_the_answer(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    assert use(browser, base, entry, UseKind.COPIED) == 204
    status, bar = end(browser, only_call(base), Ending.ANSWERED, matter="consultation")
    assert status == 200
    assert f"直接解答：{entry.question}" in bar
    call = only_call(base)
    assert (call.ending, call.version_id, call.matter) == (Ending.ANSWERED, entry.id, Matter.CONSULTATION)
    status, bar = end(browser, call, Ending.THREE_WAY)
    assert "三方通话" in bar
    assert only_call(base).ending is Ending.THREE_WAY


def test_a_minute_later_the_keys_mean_no_call(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    end(browser, only_call(base), Ending.REFUSED)
    call = only_call(base)
    assert call.ended_at is not None
    call.started_at = call.ended_at = call.ended_at - timedelta(seconds=61)
    base.commit()
    assert "没有来电" in browser.get("/call").text


def test_a_call_that_ended_by_itself_is_told_of_later(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    """The caller talked on for six minutes, and nothing had to be looked up."""
    browser = visit(people.agent)
    ask(browser)
    call, question = only_call(base), base.scalars(select(Question)).one()
    call.started_at = question.asked_at = call.started_at - incoming.IDLE - timedelta(minutes=1)
    base.commit()
    assert "已自动结束" in browser.get("/call").text
    assert end(browser, call, Ending.ANSWERED)[0] == 200
    assert only_call(base).ending is Ending.ANSWERED
    assert only_call(base).ended_at == only_call(base).started_at


def test_without_a_script_the_forms_do_the_same(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    page = browser.get("/", params={"q": "社保卡丢了怎么办"}).text
    assert 'action="/call/end"' in page
    call = only_call(base)
    reply = browser.post("/call/end", data={"call_id": str(call.id), "ending": "work_order", "matter": ""})
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert only_call(base).ending is Ending.WORK_ORDER
    reply = browser.post("/call/begin")
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert base.scalar(select(func.count()).select_from(IncomingCall)) == 2


def test_a_card_opened_by_its_address_counts_as_opened(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.agent)
    browser.get("/", params={"q": "社保卡丢了怎么办", "open": "1"})  # it opens by itself
    assert base.scalars(select(AnswerUse)).all() == []
    browser.get("/", params={"q": "社保卡", "open": "1"})
    browser.get("/", params={"q": "社保卡", "open": "1"})
    uses = base.scalars(select(AnswerUse)).all()
    assert [one.kind for one in uses] == [UseKind.OPENED]


@ON_BOTH
def test_two_callers_with_the_same_words_ask_two_questions(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.agent)
    ask(browser)
    ask(browser)
    browser.post("/call/begin", headers=PIECE)
    ask(browser)
    questions = base.scalars(select(Question).order_by(Question.id)).all()
    assert len({question.call_id for question in questions}) == len(questions) == 2


def test_reloading_after_the_end_begins_no_call(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    end(browser, only_call(base), Ending.ANSWERED)
    assert browser.get("/", params={"q": "社保卡丢了怎么办"}).status_code == 200
    assert only_call(base).ending is Ending.ANSWERED
    ask(browser)  # asked, not reloaded
    assert base.scalar(select(func.count()).select_from(IncomingCall)) == 2


def test_an_old_window_does_not_end_the_new_call(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    old = only_call(base)
    browser.post("/call/begin", headers=PIECE)
    status, page = end(browser, old, Ending.ANSWERED)
    assert status == 409
    assert "另一个窗口" in page
    assert base.get_one(IncomingCall, old.id, populate_existing=True).ending is None


def test_the_matter_is_kept_at_once(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    data = {"call_id": str(only_call(base).id)}
    browser.post("/call/matter", data={**data, "matter": "help"})
    assert only_call(base).matter is Matter.HELP
    assert '<option value="help" selected>' in browser.get("/call").text
    browser.post("/call/matter", data={**data, "matter": ""})
    assert only_call(base).matter is None
    assert browser.post("/call/matter", data={**data, "matter": "求助"}).status_code == 422


@pytest.mark.parametrize("who", [*STRANGERS, "office", "analyst"])
def test_who_takes_no_calls_has_no_call_on_the_page(
    who: str, visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    ask(visit(people.agent))
    call, browser = only_call(base), visit(getattr(people, who))
    assert 'id="call"' not in browser.get("/", params={"q": "社保卡丢了怎么办"}).text
    assert base.scalars(select(Question).order_by(Question.id.desc())).first().call_id is None  # type: ignore[union-attr]
    assert browser.get("/call").status_code == 404
    assert browser.post("/call/begin", headers=PIECE).status_code == 403
    assert end(browser, call, Ending.ANSWERED)[0] in (403, 404)
    assert use(browser, base, entry) == 403
    assert only_call(base).ended_at is None


def test_a_form_of_another_site_ends_nothing(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    del browser.headers["X-CSRF-Token"]
    for path in ("/call/end", "/call/begin", "/call/matter", "/use", "/rating-link"):
        data = {"call_id": "1", "ending": "answered", "question_id": "1", "version_id": "1", "kind": "opened"}
        assert browser.post(path, data=data).status_code == 403, path


# The link for the caller


@ON_BOTH
def test_the_agent_gets_a_text_to_send(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    assert 'action="/rating-link"' in ask(browser)
    question = base.scalars(select(Question)).one()
    data = {"question_id": str(question.id), "version_id": str(entry.id)}
    piece = browser.post("/rating-link", data=data, headers=PIECE).text
    link = re.search(r"http://testserver/r/[0-9a-z-]+", piece)
    assert link is not None
    assert visit(None).get(link[0]).status_code == 200
    assert link[0] in browser.post("/rating-link", data={**data, "q": "社保卡"}).text  # without a script: a whole page


def test_an_internal_answer_offers_no_link(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    secret = published(base, INTERNAL_CONTACT, code="HJ-009")
    services.follower.catch_up()
    browser = visit(people.agent)
    assert "/rating-link" not in ask(browser, "派出所户籍窗口内部联系方式")
    question = base.scalars(select(Question)).one()
    data = {"question_id": str(question.id), "version_id": str(secret.id)}
    assert browser.post("/rating-link", data=data, headers=PIECE).status_code == 422


def test_outside_calls_there_is_nobody_to_ask(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.office)
    assert "/rating-link" not in ask(browser)
    data = {"question_id": str(base.scalars(select(Question)).one().id), "version_id": str(entry.id)}
    assert browser.post("/rating-link", data=data, headers=PIECE).status_code == 404


# The pages of calls


@pytest.fixture
def calls(base: Session, people: Cast) -> list[IncomingCall]:
    """Of today: one answered, one without an ending, one going on; one of yesterday; one of another agent, by team."""
    now = utc_now()
    other = Person(login="zuoxi2", name="丁坐席", password_hash="x", team="夜班", grants=[RoleGrant(role=Role.AGENT)])
    base.add(other)
    base.flush()

    def call(person: Person, ago: timedelta, ending: Ending | None, *, over: bool = True) -> IncomingCall:
        at = now - ago
        ended = at + timedelta(seconds=75) if over else None
        made = IncomingCall(person_id=person.id, team=person.team, started_at=at, ended_at=ended, ending=ending)
        base.add(made)
        base.flush()
        return made

    minute = timedelta(minutes=1)
    made = [
        call(people.agent, 4 * minute, Ending.ANSWERED),
        call(people.agent, 2 * minute, None),
        call(people.agent, timedelta(), None, over=False),
        call(people.agent, 2 * DAY, Ending.THREE_WAY),
        call(other, minute, Ending.WORK_ORDER),
    ]
    base.commit()
    return made


def listed(browser: TestClient, **filters: str) -> set[int]:
    reply = browser.get("/incoming", params=filters)
    assert reply.status_code == 200
    return {int(found) for found in re.findall(r'href="/incoming/(\d+)"', reply.text)}


def test_an_agent_sees_their_own_of_today_office_and_analysts_all(
    visit: Visit, people: Cast, calls: list[IncomingCall]
) -> None:
    answered, unsaid, going_on, yesterdays, other = (call.id for call in calls)
    agent = visit(people.agent)
    assert listed(agent) == {answered, unsaid, going_on}
    assert agent.get(f"/incoming/{answered}").status_code == 200
    for hidden in (yesterdays, other, 999):
        reply = agent.get(f"/incoming/{hidden}")
        assert reply.status_code == 404
    for who in (people.office, people.analyst):
        assert listed(visit(who)) == {call.id for call in calls}
        assert visit(who).get(f"/incoming/{other}").status_code == 200


@pytest.mark.parametrize("who", STRANGERS)
def test_calls_are_nobody_elses_business(who: str, visit: Visit, people: Cast, calls: list[IncomingCall]) -> None:
    browser = visit(getattr(people, who))
    for path in ("/incoming", "/incoming/export", f"/incoming/{calls[0].id}"):
        assert browser.get(path).status_code == 403
    assert 'href="/incoming"' not in browser.get("/entries").text


def test_the_filters_leave_what_they_say(visit: Visit, people: Cast, calls: list[IncomingCall]) -> None:
    answered, unsaid, going_on, yesterdays, other = (call.id for call in calls)
    office = visit(people.office)
    assert listed(office, ending="answered") == {answered}
    assert listed(office, ending="none") == {unsaid}
    assert listed(office, ending="open") == {going_on}
    assert listed(office, team="夜班") == {other}
    assert listed(office, agent=str(people.agent.id)) == {answered, unsaid, going_on, yesterdays}
    day = (calls[3].started_at + timedelta(hours=8)).date().isoformat()  # Shanghai is eight hours ahead, all year
    assert listed(office, start=day, end=day) == {yesterdays}
    assert listed(office, end=day) == {yesterdays}
    assert listed(office, start="2026-02-30", ending="nonsense") == {call.id for call in calls}
    assert "没有符合条件" in office.get("/incoming", params={"team": "早班"}).text


def test_the_workbook_holds_what_the_list_shows(visit: Visit, people: Cast, calls: list[IncomingCall]) -> None:
    reply = visit(people.office).get("/incoming/export", params={"ending": "answered"})
    header, row = load_workbook(io.BytesIO(reply.content)).active.iter_rows(values_only=True)
    told = dict(zip(header, row, strict=True))
    assert (told["编号"], told["话务员"], told["结束方式"]) == (str(calls[0].id), "陈坐席", "直接解答")
    assert told["时长（秒）"] == 75


def test_more_than_a_workbook_holds_is_refused_with_what_to_do(
    visit: Visit, people: Cast, calls: list[IncomingCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_incoming, "MOST_EXPORTED", 4)
    reply = visit(people.office).get("/incoming/export")
    assert reply.status_code == 422
    assert "共 5 次来电" in reply.text
    assert visit(people.office).get("/incoming/export", params={"ending": "none"}).status_code == 200


def test_the_page_of_a_call_tells_what_happened_in_order(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.agent)
    ask(browser, "社保卡丢了怎么办")
    use(browser, base, entry, UseKind.COPIED)
    question = base.scalars(select(Question)).one()
    judged = {"question_id": str(question.id), "version_id": str(entry.id), "reason": "outdated", "note": "窗口说免费"}
    browser.post("/judge", data=judged, headers=PIECE)
    end(browser, only_call(base), Ending.ANSWERED)
    page = browser.get(f"/incoming/{only_call(base).id}").text
    order = [
        "来电开始",
        "提问：可直接答复",
        "社保卡丢了怎么办",
        "复制",
        "话务员判有误",
        "窗口说免费",
        "来电结束：直接解答",
    ]
    places = [page.index(words) for words in order]
    assert places == sorted(places)


def test_an_entry_that_one_may_not_see_has_no_name_in_a_call(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    published(base, INTERNAL_CONTACT, code="HJ-009")
    services.follower.catch_up()
    ask(visit(people.agent), "派出所户籍窗口内部联系方式")
    call = only_call(base)
    assert 'href="/entries/HJ-009"' in visit(people.agent).get(f"/incoming/{call.id}").text
    (asked,) = [one for one in time_line(base, call, STRANGER) if one.shown]
    assert [(one.entry.title, one.entry.code) for one in asked.shown] == [("（您无权查看的条目）", "")]


def test_the_agent_says_afterwards_how_it_ended(
    visit: Visit, people: Cast, calls: list[IncomingCall], base: Session
) -> None:
    path = f"/incoming/{calls[1].id}"
    said = {"ending": "broken_off", "matter": "complaint"}
    assert visit(people.agent).post(path, data=said).headers["location"] == path
    base.expire_all()
    assert (calls[1].ending, calls[1].matter) == (Ending.BROKEN_OFF, Matter.COMPLAINT)
    assert "登记、更正" not in visit(people.office).get(path).text
    assert visit(people.office).post(path, data=said).status_code in (403, 404)
    assert visit(people.agent).post(f"/incoming/{calls[3].id}", data=said).status_code == 404


def test_empty_lists_say_what_to_do(visit: Visit, people: Cast) -> None:
    assert "您今天还没有来电" in visit(people.agent).get("/incoming").text
    assert "还没有来电记录" in visit(people.office).get("/incoming").text


def test_an_idle_call_is_over_when_the_page_is_opened(
    visit: Visit, people: Cast, calls: list[IncomingCall], base: Session
) -> None:
    calls[2].started_at -= incoming.IDLE
    base.commit()
    assert "data-open" not in visit(people.agent).get("/call").text
    base.expire_all()
    assert calls[2].ended_at == calls[2].started_at
