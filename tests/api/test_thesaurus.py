"""The thesaurus in pages and in the API: what the office does takes effect, and nobody else does it."""

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api import pages_thesaurus, pages_thesaurus_import, v1_thesaurus
from api.wiring import Services
from models.knowledge import Version
from models.thesaurus import GroupVersion
from models.usage import Question
from models.values import Outcome
from tests.cast import LOST_CARD, NOW, Cast, published
from tests.conftest import DATABASES, Visit

HEAD = "社会保障卡"
API = f"/api/v1/thesaurus/{HEAD}"
OTHERS = ["agent", "editor", "reviewer", "leader", "county_office", "analyst", "administrator", "stranger"]
CSV = "主词,说法,方向,权重,领域,备注\n本市一卡通,蓝卡,单向,0.5,交通,\n".encode()


@pytest.fixture
def entry(base: Session, people: Cast, services: Services) -> Version:
    version = published(base, LOST_CARD, code="SB-001")
    services.follower.catch_up()
    return version


def form(*words: str, head: str = HEAD, based_on: str = "0", **more: str) -> dict[str, str | list[str]]:
    lines = {"word": [*words, ""], "way": ["both"] * (len(words) + 1), "weight": ["1"] * (len(words) + 1)}
    return {"head": head, "based_on": based_on, **lines, **more}


def sayings(browser: TestClient, head: str = HEAD) -> list[dict[str, object]]:
    reply = browser.get(f"/api/v1/thesaurus/{head}")
    assert reply.status_code == 200, reply.text
    return list(reply.json()["group"]["sayings"])


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_a_saying_added_on_the_page_is_found_at_once(
    visit: Visit, people: Cast, entry: Version, services: Services
) -> None:
    office, agent = visit(people.office), visit(people.agent)
    words = [str(s["word"]) for s in sayings(office)]
    assert "金蓝卡" not in words
    reply = office.post("/thesaurus/save", data=form(*words, more="金蓝卡\n小蓝卡、蓝本本"))
    assert reply.status_code == 303, reply.text
    services.follower.catch_up()
    assert "已保存" in office.get(reply.headers["location"]).text
    assert [s["word"] for s in sayings(office)][-3:] == ["金蓝卡", "小蓝卡", "蓝本本"]
    found = agent.post("/api/v1/search", json={"query": "小蓝卡丢了怎么补"}).json()
    assert found["hits"][0]["code"] == "SB-001"


def test_what_was_typed_stays_when_it_cannot_be_saved(visit: Visit, people: Cast, base: Session) -> None:
    office = visit(people.office)
    reply = office.post("/thesaurus/save", data=form("低保", head="新的一组", based_on="", note="记一笔"))
    assert reply.status_code == 422
    assert "“低保”已在“最低生活保障”组中" in reply.text
    assert 'value="新的一组"' in reply.text
    assert 'value="记一笔"' in reply.text
    reply = office.post("/thesaurus/save", data={**form("蓝卡"), "weight": ["很大", "1"]})
    assert (reply.status_code, "的权重“很大”不是数字" in reply.text) == (422, True)
    assert base.scalars(select(GroupVersion)).all() == []


def test_a_conflict_is_said_with_what_holds_now(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    assert office.post("/thesaurus/save", data=form("先保存的词")).status_code == 303
    reply = office.post("/thesaurus/save", data=form("后保存的词"))
    assert reply.status_code == 409
    assert "改为第 1 版，您改的是第 0 版" in reply.text
    assert "先保存的词" in reply.text
    assert 'value="后保存的词"' in reply.text
    assert [s["word"] for s in sayings(office)] == ["先保存的词"]


def test_the_preview_writes_nothing(visit: Visit, people: Cast, base: Session) -> None:
    base.add(Question(text="蓝卡丢了", person_id=people.agent.id, asked_at=NOW, outcome=Outcome.NONE, took_ms=1.0))
    base.commit()
    reply = visit(people.office).post("/thesaurus/save", data=form("蓝卡", preview="true"))
    assert reply.status_code == 200
    assert "蓝卡丢了" in reply.text
    assert "还没有保存" in reply.text
    assert base.scalars(select(GroupVersion)).all() == []


def test_a_group_is_removed_listed_as_such_and_restored(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    assert office.post("/thesaurus/remove", data={"head": HEAD, "based_on": "0"}).status_code == 303
    removed = office.get("/thesaurus?origin=removed").text
    assert HEAD in removed
    assert "已停用" in removed
    restored = office.post("/thesaurus/restore", data={"head": HEAD, "number": "0", "based_on": "1"})
    assert "did=restored" in restored.headers["location"]
    assert HEAD not in re.findall(r'class="head-word">.*?</td>', office.get("/thesaurus?origin=removed").text)
    assert len(office.get(API).json()["history"]) == 3


def test_the_try_box_shows_slips_and_synonyms(visit: Visit, people: Cast, entry: Version) -> None:
    text = visit(people.office).get("/thesaurus", params={"try": "社宝卡丢了"}).text
    assert "更正输入" in text
    assert "社保卡" in text
    assert HEAD in text
    assert "遗失" in text


def test_a_word_with_a_percent_sign_has_an_address_too(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    body = {"sayings": [{"word": "甲%乙证"}]}
    assert office.put("/api/v1/thesaurus/甲%25乙", json=body).json() == {"head": "甲%乙", "version": 1}
    assert sayings(office, "甲%25乙") == [{"word": "甲%乙证", "weight": 1.0, "both_ways": True}]


def test_the_api_reads_writes_and_removes(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    listed = office.get("/api/v1/thesaurus", params={"q": HEAD}).json()
    assert listed["groups"][0]["head"] == HEAD
    said = {"word": "蓝卡", "weight": 0.5, "both_ways": False}
    body = {"sayings": [said], "field": "人社", "note": "试", "based_on": 0}
    assert office.put(API, json=body).json() == {"head": HEAD, "version": 1}
    read = office.get(API).json()
    assert read["group"]["sayings"] == [said]
    assert [held["version"] for held in read["history"]] == [1, 0]
    assert office.get("/api/v1/thesaurus").json()["groups"][0]["changed_by"] == people.office.name
    assert office.delete(API, params={"based_on": 1}).json() == {"head": HEAD, "version": 2}
    assert office.get(API).json()["group"]["removed"] is True


@pytest.mark.parametrize(
    ("method", "address", "body", "answer"),
    [
        ("GET", "/api/v1/thesaurus/没有这一组", None, (404, "not_found")),
        ("PUT", API, {"sayings": [{"word": "蓝卡"}]}, (409, "conflict")),
        ("PUT", API, {"sayings": [{"word": "蓝卡"}], "based_on": 5}, (409, "conflict")),
        ("PUT", API, {"sayings": [{"word": "蓝卡", "weight": 7}], "based_on": 0}, (422, "invalid")),
        ("PUT", API, {"sayings": [{"word": "蓝卡", "wieght": 1}], "based_on": 0}, (422, "invalid")),
        ("PUT", API, {"sayings": [], "based_on": 0}, (422, "invalid")),
        ("DELETE", f"{API}?based_on=9", None, (409, "conflict")),
        ("DELETE", API, None, (422, "invalid")),
    ],
)
def test_bad_requests_have_the_one_shape(
    visit: Visit, people: Cast, method: str, address: str, *, body: object, answer: tuple[int, str]
) -> None:
    reply = visit(people.office).request(method, address, json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == answer, reply.text
    assert set(reply.json()["error"]) == {"code", "message", "details"}


def test_a_file_is_tried_confirmed_and_exported_again(visit: Visit, people: Cast, base: Session) -> None:
    office = visit(people.office)
    trial = office.post("/thesaurus/import", files={"file": ("词库.csv", CSV)}).headers["location"]
    page = office.get(trial).text
    assert "本市一卡通" in page
    assert base.scalars(select(GroupVersion)).all() == []
    seen = re.search(r'name="seen" value="(\d+)"', page)
    assert seen is not None
    assert office.post(f"{trial}/apply", data={"seen": "7"}).status_code == 409
    done = office.post(f"{trial}/apply", data={"seen": seen[1]})
    assert "已导入" in office.get(done.headers["location"]).text
    assert office.get(trial).status_code == 404  # the file is gone
    exported = office.get("/thesaurus/export?format=csv").text
    assert "本市一卡通,蓝卡,单向,0.5,交通," in exported
    again = office.post("/thesaurus/import", files={"file": ("词库.csv", exported.encode())}).headers["location"]
    assert "文件内容与词库完全一致" in office.get(again).text
    assert office.get("/thesaurus/export?format=xlsx").content.startswith(b"PK")
    assert office.get("/thesaurus/export?format=jsonl").status_code == 404


def test_refused_rows_are_shown_and_downloaded(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    content = CSV + "新组,低保,,,,\n".encode()
    trial = office.post("/thesaurus/import", files={"file": ("词库.csv", content)}).headers["location"]
    assert "“低保”已在“最低生活保障”组中" in office.get(trial).text
    assert office.get(f"{trial}/refused.xlsx").content.startswith(b"PK")
    assert office.post(f"{trial}/apply", data={"seen": "0"}).status_code == 422  # all or nothing
    assert office.post(f"{trial}/drop").headers["location"] == "/thesaurus"
    wrong = office.post("/thesaurus/import", files={"file": ("a.csv", "标准问,答案\n问,答\n".encode())})
    assert office.get(wrong.headers["location"]).status_code == 422


def _doors() -> Iterator[tuple[str, str]]:
    for prefix, router in (("", pages_thesaurus), ("", pages_thesaurus_import), ("/api/v1", v1_thesaurus)):
        for route in router.router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods:
                yield method, prefix + route.path.replace("{head:path}", HEAD).replace("{key}", "x")


BODIES = {
    "/thesaurus/save": {"data": form("蓝卡")},
    "/thesaurus/remove": {"data": {"head": HEAD, "based_on": "0"}},
    "/thesaurus/restore": {"data": {"head": HEAD, "based_on": "0", "number": "0"}},
    "/thesaurus/import": {"files": {"file": ("a.csv", CSV)}},
    "/thesaurus/import/x/apply": {"data": {"seen": "0"}},
}


@pytest.mark.parametrize("who", OTHERS)
def test_everybody_else_is_refused_at_every_door(visit: Visit, people: Cast, base: Session, who: str) -> None:
    browser = visit(getattr(people, who))
    doors = list(_doors())
    assert len(doors) == 14
    for method, address in doors:
        more: dict[str, object] = dict(BODIES.get(address, {}))
        if method == "PUT":
            more = {"json": {"sayings": [{"word": "蓝卡"}], "based_on": 0}}
        if method == "DELETE":
            more = {"params": {"based_on": 0}}
        reply = browser.request(method, address, **more)  # type: ignore[arg-type]
        assert reply.status_code == 403, (method, address, reply.text)
        assert "市热线办" in reply.text
    assert base.scalars(select(GroupVersion)).all() == []
    assert "词库" not in browser.get("/").text


def test_nobody_enters_without_logging_in_and_no_form_works_without_its_token(visit: Visit, people: Cast) -> None:
    assert visit(None).get("/thesaurus").headers["location"].startswith("/login")
    assert visit(None).get(API).status_code == 401
    office = visit(people.office)
    del office.headers["X-CSRF-Token"]
    assert office.post("/thesaurus/save", data=form("蓝卡")).status_code == 403
    assert office.put(API, json={"sayings": [{"word": "蓝卡"}], "based_on": 0}).status_code == 403
