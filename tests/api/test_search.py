"""Asking through the API: what is found, what is written down, what is hidden from whom."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.clock import utc_now
from api.wiring import Services
from kb_admin import lifecycle
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES, Visit

ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)


@pytest.fixture
def lost_card(base: Session, people: Cast, services: Services) -> Version:
    """Live, among others, and searchable."""
    version = published(base, LOST_CARD, code="RS-001")
    published(base, RESIDENCE_PERMIT)
    published(base, INTERNAL_CONTACT)
    services.follower.catch_up()
    return version


@ON_BOTH
def test_an_agent_gets_the_approved_answer_with_basis_and_unit(visit: Visit, people: Cast, lost_card: Version) -> None:
    reply = _search(visit(people.agent), "社保卡丢了怎么办")
    first = reply["hits"][0]
    assert first["code"] == "RS-001"
    assert first["version_id"] == lost_card.id
    assert first["spoken"] == LOST_CARD.spoken
    assert first["answer_markdown"] == LOST_CARD.answer
    assert first["basis"] == [
        {"document": "《中华人民共和国社会保险法》", "number": "主席令第三十五号", "attachment_count": 0}
    ]
    assert first["unit"] == {"name": LOST_CARD.unit, "phone": "0000-8100001"}
    assert first["phrasing"] == "社保卡丢了怎么办"
    assert first["matched"]
    assert 0 <= first["score"] <= 1
    assert reply["outcome_label"] in ("可直接答复", "请核对", "未找到")


@ON_BOTH
def test_question_and_shown_answers_are_written_down(
    visit: Visit, people: Cast, lost_card: Version, base: Session
) -> None:
    reply = _search(visit(people.agent), "  社保卡丢了怎么办 ")
    question = base.get_one(Question, reply["question_id"])
    assert (question.text, question.person_id, question.outcome.value) == (
        "社保卡丢了怎么办",
        people.agent.id,
        reply["outcome"],
    )
    shown = base.scalars(select(ShownAnswer).order_by(ShownAnswer.rank)).all()
    assert [(s.rank, s.version_id, s.score) for s in shown] == [
        (rank, hit["version_id"], pytest.approx(hit["score"])) for rank, hit in enumerate(reply["hits"], start=1)
    ]


def test_the_same_question_at_once_stays_one_question(
    visit: Visit, people: Cast, lost_card: Version, base: Session
) -> None:
    agent = visit(people.agent)
    first = _search(agent, "社保卡丢了怎么办")
    again = _search(agent, "  社保卡丢了怎么办")
    assert (again["question_id"], again["hits"]) == (first["question_id"], first["hits"])
    assert _search(visit(people.office), "社保卡丢了怎么办")["question_id"] != first["question_id"]
    assert _search(agent, "社保卡丢了怎么补")["question_id"] != first["question_id"]
    assert _search(agent, "社保卡丢了怎么办")["question_id"] != first["question_id"]  # another question came between
    assert len(base.scalars(select(Question)).all()) == 4


def test_a_question_without_an_answer_stays_one_question_too(visit: Visit, people: Cast) -> None:
    agent = visit(people.agent)
    assert _search(agent, "量子纠缠")["question_id"] == _search(agent, "量子纠缠")["question_id"]


def test_the_same_words_two_minutes_later_are_the_next_callers(
    visit: Visit, people: Cast, lost_card: Version, base: Session
) -> None:
    agent = visit(people.agent)
    first = _search(agent, "社保卡丢了怎么办")
    question = base.get_one(Question, first["question_id"])
    question.asked_at -= timedelta(minutes=2)
    base.commit()
    assert _search(agent, "社保卡丢了怎么办")["question_id"] != first["question_id"]


def test_the_same_words_with_other_answers_are_a_new_question(
    visit: Visit, people: Cast, lost_card: Version, base: Session, services: Services
) -> None:
    agent = visit(people.agent)
    first = _search(agent, "社保卡丢了怎么办")
    lifecycle.withdraw(base, lost_card, "停止执行", actor=people.office, now=utc_now())
    base.commit()
    services.follower.catch_up()
    assert _search(agent, "社保卡丢了怎么办")["question_id"] != first["question_id"]


def test_a_stranger_does_not_find_another_units_internal_entry(visit: Visit, people: Cast, lost_card: Version) -> None:
    words = INTERNAL_CONTACT.similar[0]
    assert INTERNAL_CONTACT.question in _questions(_search(visit(people.stranger), words))  # the police's own
    assert INTERNAL_CONTACT.question in _questions(_search(visit(people.agent), words))
    assert INTERNAL_CONTACT.question not in _questions(_search(visit(people.editor), words))
    assert words not in _suggestions(visit(people.editor), words)
    assert words in _suggestions(visit(people.stranger), words)


def test_an_expired_entry_is_not_found(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    published(base, replace(LOST_CARD, valid_to=utc_now() - DAY))
    published(base, replace(RESIDENCE_PERMIT, valid_from=utc_now() + DAY))
    services.follower.catch_up()
    assert _search(visit(people.agent), "社保卡丢了怎么办")["hits"] == []
    assert _search(visit(people.agent), "居住证怎样申领")["hits"] == []


def test_a_withdrawn_entry_is_gone_even_before_the_index_knows(
    visit: Visit, people: Cast, lost_card: Version, base: Session
) -> None:
    lifecycle.withdraw(base, lost_card, "停止执行", actor=people.office, now=utc_now())
    base.commit()
    reply = _search(visit(people.agent), "社保卡丢了怎么办")
    assert lost_card.id not in [hit["version_id"] for hit in reply["hits"]]
    assert reply["outcome"] != "direct"


def test_k_limits_the_answers(visit: Visit, people: Cast, lost_card: Version) -> None:
    body = {"query": "户籍居住证社保卡", "k": 1}
    assert len(visit(people.agent).post("/api/v1/search", json=body).json()["hits"]) == 1


def test_without_k_the_setting_says_how_many(
    application: FastAPI, visit: Visit, people: Cast, lost_card: Version, services: Services
) -> None:
    sibling = replace(LOST_CARD, question="社会保障卡密码丢失后怎样重置", similar=("社保卡密码忘了怎么办",))
    with services.open_session() as session:
        published(session, sibling)
    services.follower.catch_up()
    settings = services.settings.model_copy(update={"shown_answers": 1})
    application.state.services = replace(services, settings=settings)
    agent = visit(people.agent)
    assert len(_search(agent, "社会保障卡")["hits"]) == 1
    body = {"query": "社会保障卡", "k": 2}
    assert len(agent.post("/api/v1/search", json=body).json()["hits"]) == 2


@pytest.mark.parametrize("typed", ["", "  "])
def test_nothing_typed_suggests_nothing(typed: str, visit: Visit, people: Cast, lost_card: Version) -> None:
    assert _suggestions(visit(people.agent), typed) == []


def test_suggestions_continue_what_is_typed(visit: Visit, people: Cast, lost_card: Version) -> None:
    assert "社保卡丢了怎么办" in _suggestions(visit(people.agent), "社保卡")


FAULTS: dict[str, tuple[object, str, str]] = {
    "no question": ({}, "query", "缺少此项"),
    "an empty question": ({"query": "  "}, "", "请输入要查询的问题"),
    "a question too long": ({"query": "问" * 2001}, "", "最多 2000 字"),
    "unreadable characters": ({"query": "甲\0乙"}, "", "不可显示的字符"),
    "half a character": ({"query": "甲\ud800乙"}, "", "不可显示的字符"),
    "a number for a question": ({"query": 5}, "query", "应为文字"),
    "too many answers": ({"query": "甲", "k": 21}, "k", "不能大于 20"),
    "no answers": ({"query": "甲", "k": 0}, "k", "不能小于 1"),
    "a field that does not exist": ({"query": "甲", "top": 3}, "top", "没有这一项"),
    "a nameless field": ({"query": "甲", "\ud800": 3}, "请求内容", "含有无法识别的字符"),
    "a list": ([], "请求内容", "应为 JSON 对象"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_faulty_question_is_refused_in_chinese_and_names_the_field(what: str, visit: Visit, people: Cast) -> None:
    body, field, words = FAULTS[what]
    reply = visit(people.agent).post(
        "/api/v1/search", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    error = reply.json()["error"]
    assert reply.status_code == 422
    assert error["code"] == "invalid"
    assert words in error["message"]
    assert [d["field"] for d in error["details"]] == ([field] if field else [])


def test_broken_json_is_refused(visit: Visit, people: Cast) -> None:
    reply = visit(people.agent).post("/api/v1/search", content=b"{", headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        422,
        "提交的内容有误。请求内容：不是有效的 JSON。",
    )


def _search(browser: TestClient, query: str) -> dict[str, object]:
    reply = browser.post("/api/v1/search", json={"query": query})
    assert reply.status_code == 200, reply.text
    return reply.json()


def _questions(reply: dict[str, object]) -> list[str]:
    return [hit["question"] for hit in reply["hits"]]


def _suggestions(browser: TestClient, typed: str) -> list[str]:
    reply = browser.get("/api/v1/suggest", params={"q": typed})
    assert reply.status_code == 200, reply.text
    return [s["text"] for s in reply.json()["suggestions"]]
