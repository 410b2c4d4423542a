"""The pages of 知识缺失: lists with filters and export, a group with the office's acts, strangers turned away."""

import io

import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import security
from kb_admin import gap_groups
from kb_admin.visibility import NO_RIGHTS
from models.improvement import GapGroup, GapItem, Proposal
from models.knowledge import Version
from models.notices import Notice
from models.values import GapStatus, NoticeKind
from tests.cast import INTERNAL_CONTACT, NOW, Cast, published
from tests.conftest import DATABASES, Visit
from tests.kb_admin.test_gap_groups import make_group

S = GapStatus


@pytest.fixture
def group(base: Session, people: Cast, entry: Version) -> GapGroup:
    made = make_group(base, people, "外地能补社保卡吗", "异地补办社保卡", "我叫张三电话 13912345678 社保卡在外地丢了")
    made.standard_question, made.unit_id, made.entry_id = "外地能补社保卡吗", people.unit.id, entry.entry_id
    base.commit()
    return made


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_list_ranks_filters_and_is_exported(visit: Visit, people: Cast, base: Session, group: GapGroup) -> None:
    other = make_group(base, people, *["停机坪怎么预约"] * 4)
    browser = visit(people.office)
    page = browser.get("/gaps").text
    assert page.index("停机坪怎么预约") < page.index("外地能补社保卡吗")
    assert "停机坪怎么预约" not in browser.get("/gaps?q=社保卡").text
    assert "停机坪怎么预约" not in browser.get(f"/gaps?unit={people.unit.id}").text
    assert "没有符合条件的需求" in browser.get("/gaps?status=dismissed").text
    for order in ("trend", "lost", "latest", "没有"):
        assert browser.get(f"/gaps?sort={order}").status_code == 200
    rows = list(load_workbook(io.BytesIO(browser.get("/gaps/export?q=社保卡").content)).active.values)
    assert [row[1] for row in rows] == ["问法", group.label]
    assert rows[1][:5] == (str(group.id), group.label, "外地能补社保卡吗", "待处理", people.unit.name)
    assert other.label not in str(rows)


def test_an_empty_list_says_what_would_stand_there(visit: Visit, people: Cast) -> None:
    assert "没有未了结的知识需求" in visit(people.office).get("/gaps").text
    assert "还没有知识缺失" in visit(people.office).get("/gaps/recorded").text


def test_a_group_shows_callers_words_signs_and_what_comes_near(visit: Visit, people: Cast, group: GapGroup) -> None:
    page = visit(people.office).get(f"/gaps/{group.id}").text
    for words in ("外地能补社保卡吗", "异地补办社保卡", "未找到", "SB-001", "派发知识库采集通知单", "派发知识提问"):
        assert words in page
    quoted = page.split("<textarea")[1].split("</textarea>")[0]
    assert "异地补办社保卡" in quoted
    assert "13912345678" not in quoted  # nobody's number goes to the unit


def test_nobodys_number_is_suggested_as_what_the_unit_is_told(
    visit: Visit, people: Cast, group: GapGroup, base: Session
) -> None:
    group.standard_question = "电话 13912345678 社保卡在外地丢了"
    base.commit()
    page = visit(people.office).get(f"/gaps/{group.id}").text
    for field in ('id="g-title"', 'id="g-text"', "<textarea"):
        assert "13912345678" not in page.split(field)[1].split(">")[0]


def test_the_analyst_reads_and_does_nothing(visit: Visit, people: Cast, group: GapGroup, base: Session) -> None:
    browser = visit(people.analyst)
    page = browser.get(f"/gaps/{group.id}").text
    assert "异地补办社保卡" in page
    assert "<form" not in page.split("<h1>")[1]
    assert browser.get("/gaps/export").status_code == 200
    for act in ("send", "propose", "describe", "dismiss", "reopen", "merge", "take-out"):
        assert browser.post(f"/gaps/{group.id}/{act}", data={"reason": "没有用"}).status_code == 403
    assert group.status is S.OPEN


def test_an_entry_that_the_analyst_may_not_see_is_not_named(
    visit: Visit, people: Cast, group: GapGroup, base: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = published(base, INTERNAL_CONTACT, code="HJ-002")
    gap_groups.close_answered(base, group, hidden, now=NOW)
    base.commit()
    paths = (f"/gaps/{group.id}", "/gaps/export?status=any")

    def read(path: str) -> str:
        reply = visit(people.analyst).get(path)
        if "export" not in path:
            return reply.text
        return str(list(load_workbook(io.BytesIO(reply.content)).active.values))

    assert all("HJ-002" in read(path) for path in paths)
    monkeypatch.setattr(security, "city_rights", lambda *_: NO_RIGHTS)
    assert not any("HJ-002" in read(path) for path in paths)


@pytest.mark.parametrize("who", ["agent", "editor", "reviewer", "leader", "county_office", "administrator", "stranger"])
def test_others_see_nothing_of_it(visit: Visit, people: Cast, group: GapGroup, who: str) -> None:
    browser = visit(getattr(people, who))
    for path in ("/gaps", "/gaps/recorded", "/gaps/export", f"/gaps/{group.id}"):
        assert browser.get(path).status_code == 403
    assert browser.post(f"/gaps/{group.id}/dismiss", data={"reason": "没有用"}).status_code == 403


@pytest.mark.parametrize("kind", ["collection", "question"])
def test_one_click_sends_it(visit: Visit, people: Cast, group: GapGroup, base: Session, kind: str) -> None:
    form = {"unit": str(people.unit.id), "title": "外地补领社保卡", "content": "来电人这样问", "kind": kind}
    reply = visit(people.office).post(f"/gaps/{group.id}/send", data=form)
    assert (reply.status_code, reply.headers["location"]) == (303, f"/gaps/{group.id}")
    notice = base.scalars(select(Notice)).one()
    base.refresh(group)
    assert (notice.kind, group.status, group.notice) == (NoticeKind(kind), S.SENT, notice)
    assert notice.number in visit(people.office).get(f"/gaps/{group.id}").text


def test_what_was_typed_stays_when_it_cannot_be_sent(
    visit: Visit, people: Cast, group: GapGroup, base: Session
) -> None:
    form = {"unit": "", "title": "外地补领", "content": "写明材料", "kind": "collection"}
    reply = visit(people.office).post(f"/gaps/{group.id}/send", data=form)
    assert reply.status_code == 422
    for words in ("没有保存", "请选择由哪个单位提供知识", "外地补领", "写明材料"):
        assert words in reply.text
    assert base.scalars(select(Notice)).all() == []


def test_one_click_suggests_it_as_a_similar_question(
    visit: Visit, people: Cast, group: GapGroup, base: Session
) -> None:
    browser = visit(people.office)
    assert browser.post(f"/gaps/{group.id}/propose", data={"text": "外地能补卡吗", "entry": "没有"}).status_code == 422
    reply = browser.post(f"/gaps/{group.id}/propose", data={"text": "外地能补卡吗", "entry": "SB-001"})
    assert reply.status_code == 303
    assert base.scalars(select(Proposal.text)).all() == ["外地能补卡吗"]
    again = browser.post(f"/gaps/{group.id}/propose", data={"text": "社保卡丢了怎么办", "entry": "SB-001"})
    assert again.status_code == 409
    assert "已有" in again.text


def test_it_is_dismissed_and_opened_again(visit: Visit, people: Cast, group: GapGroup, base: Session) -> None:
    browser = visit(people.office)
    assert browser.post(f"/gaps/{group.id}/dismiss", data={"reason": ""}).status_code == 422
    browser.post(f"/gaps/{group.id}/dismiss", data={"reason": "不属本市事项"})
    page = browser.get(f"/gaps/{group.id}").text
    assert "不属本市事项" in page
    assert "派发知识" not in page
    assert browser.post(f"/gaps/{group.id}/dismiss", data={"reason": "再说一次"}).status_code == 409
    browser.post(f"/gaps/{group.id}/reopen")
    base.refresh(group)
    assert group.status is S.OPEN


def test_groups_are_put_together_and_taken_apart(visit: Visit, people: Cast, group: GapGroup, base: Session) -> None:
    other = make_group(base, people, "在外省怎么补社保卡")
    browser = visit(people.office)
    assert "在外省怎么补社保卡" in browser.get(f"/gaps/{group.id}").text
    browser.post(f"/gaps/{group.id}/merge", data={"other": str(other.id)})
    assert gap_groups.count_items(base, group) == 4
    assert browser.get(f"/gaps/{other.id}").status_code == 404
    item = base.scalars(select(GapItem).where(GapItem.text == "在外省怎么补社保卡")).one()
    reply = browser.post(f"/gaps/{group.id}/take-out", data={"item": str(item.id)})
    assert "在外省怎么补社保卡" in browser.get(reply.headers["location"]).text
    assert browser.post(f"/gaps/{group.id}/take-out", data={"item": str(item.id)}).status_code == 404


def test_the_question_is_the_offices_to_word(visit: Visit, people: Cast, group: GapGroup, base: Session) -> None:
    form = {"question": "社会保障卡可以在外地补领吗", "unit": str(people.unit.id)}
    assert visit(people.office).post(f"/gaps/{group.id}/describe", data=form).status_code == 303
    base.refresh(group)
    assert (group.standard_question, group.unit) == ("社会保障卡可以在外地补领吗", people.unit)


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/gaps/999999/dismiss", {"reason": "没有用"}, 404),
        ("/gaps/1/fly", {}, 404),
        ("/gaps/1/merge", {"other": "一"}, 422),
        ("/gaps/1/merge", {"other": ""}, 422),
        ("/gaps/1/merge", {"other": "77"}, 404),
        ("/gaps/1/send", {"unit": "77", "title": "问", "kind": "collection"}, 422),
        ("/gaps/1/send", {"unit": "1", "title": "问", "kind": "correction"}, 422),
        ("/gaps/1/describe", {"question": ""}, 422),
        ("/gaps/1/take-out", {"item": "77"}, 404),
    ],
)
def test_bad_input_gets_a_sentence(
    visit: Visit, people: Cast, group: GapGroup, *, path: str, data: dict[str, str], status: int
) -> None:
    assert visit(people.office).post(path, data=data).status_code == status


def test_recorded_gaps_name_their_group(visit: Visit, people: Cast, group: GapGroup, base: Session) -> None:
    agent = visit(people.agent)
    agent.post("/api/v1/gaps", json={"text": "停机坪怎么预约"})
    assert "尚未归组" in visit(people.office).get("/gaps/recorded?q=停机坪").text
    base.add(
        GapItem(gap_id=1, group_id=group.id, signal="recorded", text="停机坪怎么预约", at=NOW),
    )
    base.commit()
    assert f'href="/gaps/{group.id}"' in visit(people.office).get("/gaps/recorded").text
