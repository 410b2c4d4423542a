"""The citizen's page: without login and script, once, and nothing on it that is not for the public."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.clock import utc_now
from api.limits import PerAddress
from api.pages_rating import VISITS
from api.wiring import Services
from kb_admin import lifecycle, rating_links, releasing
from models.incoming import IncomingCall, RatingLink
from models.knowledge import Version
from models.usage import Question, Verdict
from models.values import FaultReason, Judgement, Publicity
from tests.api.test_pages import ask
from tests.cast import DAY, LOST_CARD, NOW, Cast
from tests.conftest import DATABASES, Visit

WRONG = {"judgement": "incorrect", "reason": "outdated", "note": "窗口说已经不收费了"}
ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)


@pytest.fixture
def link(visit: Visit, people: Cast, entry: Version, base: Session) -> str:
    """The path of a link for a caller who was given the entry."""
    ask(visit(people.agent))
    call = base.scalars(select(IncomingCall)).one()
    token = rating_links.invite(base, call, entry.id, actor=people.agent, now=utc_now())
    base.commit()
    return f"/r/{token}"


def form_of(page: str) -> dict[str, str]:
    key = re.search(r'name="form" value="([^"]+)"', page)
    assert key is not None
    return {"form": key[1]}


def send(citizen: TestClient, link: str, **said: str) -> tuple[int, str]:
    reply = citizen.post(link, data={**form_of(citizen.get(link).text), **said})
    return reply.status_code, reply.text


def change(base: Session, entry: Version, **values: object) -> Version:
    newer = lifecycle.add_version(base, entry.entry, replace(LOST_CARD, **values), actor=None, now=utc_now())  # type: ignore[arg-type]
    lifecycle.submit(base, newer, actor=None, now=utc_now())
    lifecycle.publish(base, newer, actor=None, now=utc_now())
    base.commit()
    return newer


@ON_BOTH
def test_a_citizen_judges_and_is_thanked(visit: Visit, entry: Version, base: Session, link: str) -> None:
    citizen = visit(None)
    page = citizen.get(link)
    assert page.status_code == 200
    assert entry.question in page.text
    reply = citizen.post(link, data={**form_of(page.text), **WRONG})
    assert (reply.status_code, reply.headers["location"]) == (303, f"{link}/thanks")
    assert "感谢" in citizen.get(f"{link}/thanks").text
    verdict = base.scalars(select(Verdict)).one()
    assert (verdict.version_id, verdict.judgement, verdict.reason) == (
        entry.id,
        Judgement.INCORRECT,
        FaultReason.OUTDATED,
    )
    assert verdict.note == "窗口说已经不收费了"


def test_a_link_is_good_for_one_verdict(visit: Visit, base: Session, link: str) -> None:
    citizen = visit(None)
    form = form_of(citizen.get(link).text)
    assert citizen.post(link, data={**form, "judgement": "correct"}).status_code == 303
    again = citizen.post(link, data={**form, **WRONG})
    assert again.status_code == citizen.get(link).status_code == 410
    assert "已经评价过了" in again.text
    assert base.scalars(select(Verdict)).one().judgement is Judgement.CORRECT


def test_an_expired_link_says_so(visit: Visit, base: Session, link: str) -> None:
    base.scalars(select(RatingLink)).one().expires_at = utc_now() - timedelta(seconds=1)
    base.commit()
    reply = visit(None).get(link)
    assert reply.status_code == 410
    assert "过期" in reply.text
    assert LOST_CARD.question not in reply.text


@pytest.mark.parametrize("token", ["x", "1-1-aaaaaaaaaaaaaaaa", "1-1-" + "a" * 70, "%00", "１-１-aaaaaaaaaaaaaaaa"])
def test_a_made_up_link_shows_nothing(token: str, visit: Visit, link: str) -> None:
    reply = visit(None).get(f"/r/{token}")
    assert reply.status_code in (404, 422)
    assert LOST_CARD.question not in reply.text
    assert visit(None).post(f"/r/{token}", data=WRONG).status_code in (404, 422)
    assert visit(None).get(f"/r/{token}/thanks").status_code in (404, 422)


def test_looking_at_the_page_uses_nothing_up(visit: Visit, base: Session, link: str) -> None:
    citizen = visit(None)
    for _ in range(3):
        assert citizen.get(link).status_code == 200  # telephones look at links before people do
    assert citizen.get(f"{link}/thanks").headers["location"] == link
    assert base.scalars(select(RatingLink)).one().used_at is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"judgement": ""}, "请选择“正确”或“有误”"),
        ({"judgement": "perfect"}, "请选择“正确”或“有误”"),
        ({"judgement": "incorrect"}, "请选择哪里有误"),
        ({"judgement": "incorrect", "reason": "boring"}, "请选择哪里有误"),
        ({**WRONG, "note": "甲" * 501}, "500"),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_kept(
    said: dict[str, str], told: str, visit: Visit, base: Session, link: str
) -> None:
    status, page = send(visit(None), link, **said)
    assert status == 422
    assert told in page
    assert said.get("note", "") in page
    assert base.scalars(select(Verdict)).all() == []
    assert send(visit(None), link, judgement="correct")[0] == 303


def test_a_form_of_another_page_judges_nothing(visit: Visit, base: Session, link: str) -> None:
    citizen = visit(None)
    for form in ({}, {"form": ""}, {"form": "a" * 16}, {"form": "甲"}):
        reply = citizen.post(link, data={**form, "judgement": "correct"})
        assert reply.status_code == 422
        assert "再按一次" in reply.text
    assert base.scalars(select(Verdict)).all() == []


def test_the_answer_is_shown_only_while_it_is_released_and_the_same(
    visit: Visit, people: Cast, entry: Version, base: Session, link: str
) -> None:
    citizen = visit(None)
    assert "本人有效身份证件" not in citizen.get(link).text
    releasing.release(base, entry.entry, actor=people.office, now=utc_now())
    base.commit()
    assert "本人有效身份证件" in citizen.get(link).text
    assert "工本费十六元" not in citizen.get(link).text  # what agents read aloud stays inside
    change(base, entry, answer="换了。")
    page = citizen.get(link).text
    assert "换了。" not in page
    assert "本人有效身份证件" not in page
    assert LOST_CARD.question in page
    assert send(citizen, link, **WRONG)[0] == 303
    assert base.scalars(select(Verdict)).one().version_id == entry.id


@pytest.mark.parametrize("what", ["internal", "withdrawn"])
def test_an_entry_that_is_no_longer_for_the_public_is_not_named(
    what: str, visit: Visit, entry: Version, base: Session, link: str
) -> None:
    if what == "internal":
        change(base, entry, publicity=Publicity.INTERNAL)
    else:
        lifecycle.withdraw(base, entry, "停用", actor=None, now=utc_now())
        base.commit()
    page = visit(None).get(link).text
    assert LOST_CARD.question not in page
    assert "您刚才来电咨询的问题" in page
    assert send(visit(None), link, judgement="correct")[0] == 303


def test_what_stands_on_the_page_cannot_run_and_says_nothing_of_the_staff(
    visit: Visit, people: Cast, base: Session, link: str
) -> None:
    reply = visit(None).get(link)
    assert "<script" not in reply.text
    assert people.agent.name not in reply.text
    assert people.agent.login not in reply.text
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in reply.headers["X-Robots-Tag"]
    assert reply.headers["Cache-Control"] == "no-store"
    status, page = send(visit(None), link, **{**WRONG, "reason": "", "note": "<script>alert(1)</script>"})
    assert status == 422
    assert "<script>alert" not in page


def test_one_address_does_not_come_endlessly(visit: Visit, base: Session, link: str) -> None:
    citizen = visit(None)
    replies = [citizen.get("/r/1-1-aaaaaaaaaaaaaaaa").status_code for _ in range(VISITS)]
    assert set(replies) == {404}
    stopped = citizen.get(link)
    assert stopped.status_code == 429
    assert stopped.headers["Retry-After"] == "60"
    assert "一分钟" in stopped.text
    assert citizen.post(link, data={"judgement": "correct"}).status_code == 429
    assert base.scalar(select(func.count()).select_from(Verdict)) == 0


def test_an_address_may_come_again_and_others_meanwhile() -> None:
    second = timedelta(seconds=1)
    door = PerAddress(2, 60 * second)
    assert [door.let_in("a", NOW), door.let_in("a", NOW + second), door.let_in("a", NOW + second)] == [1, 1, 0]
    assert door.let_in("b", NOW + second)
    assert not door.let_in("a", NOW + 59 * second)
    assert door.let_in("a", NOW + 60 * second)
    assert not door.let_in("a", NOW + 60 * second)


def test_addresses_that_came_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PerAddress, "LONGEST", 3)
    door = PerAddress(1, timedelta(seconds=60))
    for n in range(10):
        assert door.let_in(str(n), NOW + n * DAY)
    assert len(door._came) <= 5


def test_a_caller_who_has_judged_enough_today_keeps_the_link(
    visit: Visit, services: Services, base: Session, entry: Version, link: str
) -> None:
    question = base.scalars(select(Question)).one()
    record = base.scalars(select(RatingLink)).one()
    record.call.caller = "c" * 64
    for _ in range(10):
        other = Question(text="甲", asked_at=utc_now(), outcome=question.outcome, took_ms=1)
        base.add(other)
        base.flush()
        base.add(
            Verdict(
                question_id=other.id,
                version_id=entry.id,
                rater="citizen",
                rater_key=f"caller:{'c' * 64}",
                occasion=f"question:{other.id}",
                judgement="correct",
                given_at=utc_now(),
                at=utc_now(),
            )
        )
    base.commit()
    status, page = send(visit(None), link, judgement="correct")
    assert status == 409
    assert "上限" in page
    assert base.get_one(RatingLink, record.id, populate_existing=True).used_at is None
