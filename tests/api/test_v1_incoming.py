"""What a call platform does through the API: begin, end, verdicts by key, links; who may, and what is never kept."""

import hashlib
import logging

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.clock import utc_now
from api.wiring import Services
from kb_admin import incoming, rating_links
from models.base import Base
from models.incoming import IncomingCall
from models.knowledge import Version
from models.organisation import Person, RoleGrant
from models.usage import Verdict
from models.values import Ending, FaultReason, Judgement, Matter, Rater, Role
from tests.cast import INTERNAL_CONTACT, Cast, published
from tests.conftest import DATABASES, Visit

NUMBER = "13812345678"
CALL = {"reference": "T/2026-1", "agent": "zuoxi", "caller": NUMBER}
PLATFORMS = ["office", "administrator"]
STRANGERS = ["editor", "reviewer", "leader", "county_office", "analyst", "stranger"]
ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)


def begin(browser: TestClient, **given: str) -> tuple[int, dict[str, object]]:
    reply = browser.post("/api/v1/calls", json={**CALL, **given})
    told: dict[str, object] = reply.json()
    return reply.status_code, told


def answered(visit: Visit, people: Cast, question: str = "社保卡丢了怎么办") -> None:
    """The agent looks something up in the call that the platform has begun."""
    assert begin(visit(people.administrator))[0] == 200
    assert visit(people.agent).post("/api/v1/search", json={"query": question}).status_code == 200


def the_call(base: Session) -> IncomingCall:
    base.expire_all()
    return base.scalars(select(IncomingCall).where(IncomingCall.reference == CALL["reference"])).one()


@ON_BOTH
@pytest.mark.parametrize("who", PLATFORMS)
def test_a_platform_begins_and_ends_an_agents_call(who: str, visit: Visit, people: Cast, base: Session) -> None:
    platform = visit(getattr(people, who))
    status, told = begin(platform, matter="help")
    assert (status, told["agent"], told["ended_at"], told["matter"]) == (200, "zuoxi", None, "help")
    assert begin(platform)[1]["call_id"] == told["call_id"]
    reply = platform.post(f"/api/v1/calls/{CALL['reference']}/end", json={"ending": "work_order"})
    assert reply.status_code == 200
    assert reply.json()["ending"] == "work_order"
    call = the_call(base)
    assert (call.person_id, call.ending, call.matter) == (people.agent.id, Ending.WORK_ORDER, Matter.HELP)


def test_the_agents_own_program_tells_of_their_own_calls(visit: Visit, people: Cast, base: Session) -> None:
    own = visit(people.agent)
    assert begin(own, agent="")[0] == 200
    assert own.post(f"/api/v1/calls/{CALL['reference']}/end", json={}).status_code == 200
    assert the_call(base).person_id == people.agent.id


def test_what_the_agent_has_said_stays(visit: Visit, people: Cast, base: Session) -> None:
    platform, agent = visit(people.administrator), visit(people.agent)
    call_id = begin(platform)[1]["call_id"]
    said = {"call_id": str(call_id), "ending": "three_way", "matter": "complaint"}
    assert agent.post("/call/end", data=said, headers={"X-Piece": "1"}).status_code == 200
    end = {"ending": "broken_off", "matter": "other"}
    assert platform.post(f"/api/v1/calls/{CALL['reference']}/end", json=end).status_code == 200
    assert (the_call(base).ending, the_call(base).matter) == (Ending.THREE_WAY, Matter.COMPLAINT)


@pytest.mark.parametrize("who", STRANGERS)
def test_who_is_no_platform_is_refused(who: str, visit: Visit, people: Cast, base: Session) -> None:
    begin(visit(people.office))
    browser = visit(getattr(people, who))
    assert begin(browser, reference="T-2")[0] == 403
    assert begin(browser, reference="T-2", agent="")[0] == 403
    for act, body in (("end", {}), ("ratings", {"judgement": "correct"}), ("rating-link", {})):
        assert browser.post(f"/api/v1/calls/{CALL['reference']}/{act}", json=body).status_code == 403
    assert the_call(base).ended_at is None


def test_another_agents_call_does_not_exist(visit: Visit, people: Cast, base: Session) -> None:
    begin(visit(people.office))
    other = Person(login="zuoxi2", name="丁坐席", password_hash="x", grants=[RoleGrant(role=Role.AGENT)])
    base.add(other)
    base.commit()
    browser = visit(other)
    assert begin(browser, reference="T-2")[0] == 403  # in another's name
    assert begin(browser, agent="")[0] == 409  # the reference is another's
    for act, body in (("end", {}), ("rating-link", {})):
        reply = browser.post(f"/api/v1/calls/{CALL['reference']}/{act}", json=body)
        missing = browser.post(f"/api/v1/calls/T-9/{act}", json=body)
        assert (reply.status_code, reply.json()) == (missing.status_code, missing.json())
        assert reply.status_code == 404


def test_nobody_without_a_token_is_heard(visit: Visit, people: Cast) -> None:
    assert visit(None).post("/api/v1/calls", json=CALL).status_code == 401


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reference": ""}, "reference"),
        ({"reference": "甲" * 65}, "reference"),
        ({"caller": "1" * 65}, "caller"),
        ({"matter": "求助"}, "matter"),
        ({"number": "1"}, "number"),
    ],
)
def test_what_is_wrong_is_named_without_repeating_a_number(
    given: dict[str, str], field: str, visit: Visit, people: Cast
) -> None:
    status, told = begin(visit(people.office), **given)
    assert status == 422
    assert field in str(told)
    assert NUMBER not in str(told)


def test_an_unknown_agent_is_named(visit: Visit, people: Cast) -> None:
    status, told = begin(visit(people.office), agent="meiyou")
    assert status == 404
    assert "meiyou" in str(told)
    assert begin(visit(people.office), agent="caibian")[0] == 403  # an editor takes no calls


@ON_BOTH
def test_the_callers_number_is_kept_nowhere(
    visit: Visit, people: Cast, base: Session, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert begin(visit(people.office))[0] == 200
    assert NUMBER not in caplog.text
    tables = Base.metadata.sorted_tables
    everything = "\n".join(str(row) for table in tables for row in base.execute(table.select()))
    assert NUMBER not in everything
    assert hashlib.sha256(NUMBER.encode()).hexdigest() not in everything  # a bare hash would be guessed in seconds
    assert base.execute(text("SELECT length(caller) FROM incoming_calls")).scalar_one() == 64


@ON_BOTH
def test_a_caller_judges_by_key(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    answered(visit, people)
    platform = visit(people.administrator)
    address = f"/api/v1/calls/{CALL['reference']}/ratings"
    reply = platform.post(address, json={"judgement": "incorrect"})
    assert reply.status_code == 200
    assert reply.json()["version_id"] == entry.id
    verdict = base.scalars(select(Verdict)).one()
    assert (verdict.rater, verdict.reason, verdict.rater_key) == (
        Rater.CITIZEN,
        FaultReason.OTHER,
        f"caller:{the_call(base).caller}",
    )
    assert platform.post(address, json={"judgement": "correct", "version_id": entry.id}).status_code == 200
    base.expire_all()
    assert base.scalars(select(Verdict)).one().judgement is Judgement.CORRECT
    assert platform.post(address, json={"judgement": "correct", "reason": "other"}).status_code == 422


def test_where_nothing_was_answered_there_is_nothing_to_judge(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    begin(visit(people.office))
    for act, body in (("ratings", {"judgement": "correct"}), ("rating-link", {})):
        reply = visit(people.office).post(f"/api/v1/calls/{CALL['reference']}/{act}", json=body)
        assert reply.status_code == 409
        body["version_id"] = entry.id
        reply = visit(people.office).post(f"/api/v1/calls/{CALL['reference']}/{act}", json=body)
        assert reply.status_code == 404  # not shown in this call


@ON_BOTH
def test_a_platform_gets_a_link_to_send(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    answered(visit, people)
    address = f"/api/v1/calls/{CALL['reference']}/rating-link"
    told = visit(people.administrator).post(address, json={}).json()
    assert told["url"].startswith("http://testserver/r/")
    assert told["url"] in told["text"]
    assert visit(people.agent).post(address, json={"version_id": entry.id}).json()["url"] == told["url"]
    rating_links.rate(
        base, told["url"].rpartition("/")[2], judgement=Judgement.CORRECT, reason=None, note="", now=utc_now()
    )
    base.commit()
    assert visit(people.administrator).post(address, json={}).status_code == 409


def test_no_link_leads_to_an_internal_entry(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    published(base, INTERNAL_CONTACT, code="HJ-009")
    services.follower.catch_up()
    answered(visit, people, "派出所户籍窗口内部联系方式")
    reply = visit(people.administrator).post(f"/api/v1/calls/{CALL['reference']}/rating-link", json={})
    assert reply.status_code == 422
    assert "内部" in reply.json()["error"]["message"]


def test_an_agent_does_not_judge_in_the_callers_name(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    """With numbers made up, one agent could be any number of callers."""
    answered(visit, people)
    reply = visit(people.agent).post(f"/api/v1/calls/{CALL['reference']}/ratings", json={"judgement": "correct"})
    assert reply.status_code == 403
    assert base.scalars(select(Verdict)).all() == []


def test_what_the_agent_says_at_the_same_moment_stays(
    visit: Visit, people: Cast, base: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform has read the call, and the agent's key comes before it writes."""
    platform, agent = visit(people.administrator), visit(people.agent)
    call_id, real = begin(platform)[1]["call_id"], incoming.by_reference

    def slowly(session: Session, reference: str) -> IncomingCall:
        call = real(session, reference)
        said = {"call_id": str(call_id), "ending": "three_way", "matter": "complaint"}
        assert agent.post("/call/end", data=said, headers={"X-Piece": "1"}).status_code == 200
        return call

    monkeypatch.setattr(incoming, "by_reference", slowly)
    end = {"ending": "broken_off", "matter": "other"}
    reply = platform.post(f"/api/v1/calls/{CALL['reference']}/end", json=end)
    assert (reply.status_code, reply.json()["ending"]) == (200, "three_way")
    assert (the_call(base).ending, the_call(base).matter) == (Ending.THREE_WAY, Matter.COMPLAINT)
