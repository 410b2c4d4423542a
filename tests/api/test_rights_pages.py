"""The pages about rights: sharing, staff lists, release, who may see what, the audit log."""

import re
from datetime import timedelta
from io import BytesIO

import pytest
from openpyxl import load_workbook
from sqlalchemy import text
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin import sharing
from kb_admin.permissions import grants_of
from models.organisation import Person
from models.values import CHINA
from tests.cast import INTERNAL_CONTACT, LOST_CARD, Cast, published
from tests.conftest import Visit

TODAY = utc_now().astimezone(CHINA).date()
SHARING = ("stranger", "editor", "reviewer", "leader", "office")


def wish(cast: Cast, **changed: object) -> dict[str, object]:
    until = (TODAY + timedelta(days=30)).isoformat()
    return {
        "unit_id": cast.unit.id,
        "owner_id": cast.other_unit.id,
        "reason": "核对户籍",
        "until": until,
        **changed,
    }


@pytest.mark.parametrize("who", SHARING)
def test_units_and_the_office_have_a_sharing_page(who: str, visit: Visit, people: Cast) -> None:
    reply = visit(getattr(people, who)).get("/sharing")
    assert reply.status_code == 200
    assert 'aria-current="page">查看共享' in reply.text


@pytest.mark.parametrize("who", ["agent", "county_office", "analyst", "administrator"])
def test_others_have_no_part_in_sharing(who: str, visit: Visit, people: Cast) -> None:
    browser = visit(getattr(people, who))
    assert browser.get("/sharing").status_code == 403
    assert "/sharing" not in browser.get("/").text
    assert browser.post("/sharing", data=wish(people)).status_code == 403


def test_a_share_from_the_wish_to_its_early_end(visit: Visit, base: Session, people: Cast, services: Services) -> None:
    published(base, INTERNAL_CONTACT, code="C-1")
    base.add(Person(login="jingfang", name="何警方", password_hash="-"))
    services.follower.catch_up()
    editor, owner = visit(people.editor), visit(people.stranger)
    assert editor.get("/entries/C-1").status_code == 404
    assert editor.post("/sharing", data=wish(people)).status_code == 303
    assert "待同意" in editor.get("/sharing").text
    assert "其他单位查看本单位" in owner.get("/sharing").text
    asked = sharing.applications(base, grants_of(people.editor))[0]
    sharing._move(base, asked, asked.status, sharing.S.CONSENTED)  # the owner's reviewer has no part in the cast
    sharing.decide(base, asked, granted=True, answer="", actor=people.office, now=utc_now())
    base.commit()
    assert "共享中" in editor.get("/sharing").text
    assert editor.get("/entries/C-1").status_code == 200
    assert editor.get("/api/v1/entries/C-1").json()["versions"] is None
    assert editor.get("/api/v1/entries").json()["count"] == 1
    assert "C-1" in editor.get("/entries").text
    found = editor.post("/api/v1/search", json={"query": INTERNAL_CONTACT.question}).json()
    assert found["hits"][0]["code"] == "C-1"
    assert "C-1" not in editor.get("/api/v1/export?format=jsonl").text
    assert editor.post(f"/sharing/{asked.id}/end", data={"reason": "不要了"}).status_code == 403
    assert visit(people.office).post(f"/sharing/{asked.id}/end", data={"reason": "已不需要"}).status_code == 303
    assert "已结束" in editor.get("/sharing").text
    assert editor.get("/entries/C-1").status_code == 404
    assert editor.get("/api/v1/entries").json()["count"] == 0


def test_a_faulty_wish_is_told_and_kept(visit: Visit, people: Cast) -> None:
    browser = visit(people.editor)
    reply = browser.post("/sharing", data=wish(people, until="1999-01-01", reason="要核对<b>"))
    assert reply.status_code == 422
    assert "到期日应在今天或以后" in reply.text
    assert "要核对&lt;b&gt;" in reply.text
    assert "请填写到期日" in browser.post("/sharing", data=wish(people, until="明天")).text
    assert browser.post("/sharing", data=wish(people, owner_id=999)).status_code == 422
    assert visit(people.stranger).post("/sharing", data=wish(people)).status_code == 403


def test_a_wish_of_others_does_not_exist(visit: Visit, base: Session, people: Cast) -> None:
    visit(people.editor).post("/sharing", data=wish(people))
    asked = sharing.applications(base, grants_of(people.office))[0]
    for who in (people.agent, people.county_office):
        for step in ("take-back", "end"):
            assert visit(who).post(f"/sharing/{asked.id}/{step}", data={"reason": "x"}).status_code == 404
    assert visit(people.stranger).post(f"/sharing/{asked.id}/take-back").status_code == 403
    assert visit(people.editor).post(f"/sharing/{asked.id}/take-back").status_code == 303
    assert "已撤回" in visit(people.editor).get("/sharing").text


def member(name: str = "林采编", **changed: str) -> dict[str, str]:
    return {"name": name, "duty": "editor", "post": "科员", "phone": "1", "since": TODAY.isoformat(), **changed}


def test_a_unit_keeps_its_staff_list_and_reports_it(visit: Visit, people: Cast) -> None:
    browser, address = visit(people.editor), f"/staff/{people.unit.id}"
    assert browser.get("/staff").headers["location"] == address
    assert "还没有登记人员" in browser.get(address).text
    assert browser.post(address, data=member()).status_code == 303
    page = browser.get(address).text
    assert "林采编" in page
    assert "上报现在的名单" in page
    assert "有变动未上报" in visit(people.office).get("/staff").text
    assert browser.post(f"{address}/report").status_code == 303
    assert "有变动未上报" not in browser.get(address).text
    again = browser.post(f"{address}/report")
    assert (again.status_code, "没有待上报" in again.text) == (409, True)
    (number,) = re.findall(rf"{address}/(\d+)/leave", page)
    assert browser.post(f"{address}/{number}/correct", data={"name": "林采编", "phone": "2"}).status_code == 303
    assert browser.post(f"{address}/{number}/leave", data={"until": "不知道"}).status_code == 422
    assert browser.post(f"{address}/{number}/leave", data={"until": TODAY.isoformat()}).status_code == 303
    assert "还没有登记人员" in browser.get(address).text
    assert "离任和将要任职的" in browser.get(address).text
    assert browser.post(f"{address}/999/leave", data={"until": TODAY.isoformat()}).status_code == 404


def test_the_staff_list_as_a_workbook(visit: Visit, people: Cast) -> None:
    browser, address = visit(people.editor), f"/staff/{people.unit.id}"
    browser.post(address, data=member("=1+1"))
    reply = browser.get(f"{address}/list.xlsx")
    assert "filename*=UTF-8''" in reply.headers["content-disposition"]
    rows = list(load_workbook(BytesIO(reply.content)).worksheets[0].values)
    assert rows[1][:5] == ("信息采编员", "=1+1", "科员", "1", TODAY.isoformat())


@pytest.mark.parametrize(
    ("who", "status", "lists"),
    [
        *(("agent", 404, 403), ("analyst", 404, 403), ("administrator", 404, 403), ("stranger", 404, 303)),
        *(("county_office", 404, 303), ("office", 200, 200), ("leader", 200, 303)),
    ],
)
def test_staff_lists_are_for_the_unit_and_its_office(
    who: str, status: int, lists: int, visit: Visit, people: Cast
) -> None:
    browser, address = visit(getattr(people, who)), f"/staff/{people.unit.id}"
    assert browser.get(address).status_code == status
    assert browser.get(f"{address}/list.xlsx").status_code == status
    assert browser.get("/staff").status_code == lists
    if who != "leader":
        assert browser.post(address, data=member()).status_code == (403 if status == 200 else 404)


def test_a_faulty_staff_line_is_told_and_kept(visit: Visit, people: Cast) -> None:
    reply = visit(people.editor).post(f"/staff/{people.unit.id}", data=member(since="昨天"))
    assert reply.status_code == 422
    assert "请填写任职日" in reply.text
    assert 'value="林采编"' in reply.text


def test_the_office_releases_and_takes_back(visit: Visit, base: Session, people: Cast) -> None:
    card = published(base, LOST_CARD, code="A-1")
    contact = published(base, INTERNAL_CONTACT, code="C-1")
    browser = visit(people.office)
    waiting = browser.get("/release").text
    assert "A-1" in waiting
    assert "C-1" not in waiting
    assert browser.post("/release", data={"step": "release"}).status_code == 422
    refused = browser.post("/release", data={"step": "release", "entry_id": [card.entry_id, contact.entry_id]})
    assert refused.status_code == 422
    assert "A-1" not in visit(None).get("/api/v1/public/codes").text  # all or none
    assert browser.post("/release", data={"step": "release", "entry_id": card.entry_id}).status_code == 303
    assert "A-1" in browser.get("/release?show=out").text
    assert "A-1" in visit(None).get("/api/v1/public/codes").text
    browser.post("/release", data={"step": "take_back", "entry_id": card.entry_id})
    assert "已收回" in browser.get("/release").text
    assert "没有含" in browser.get("/release?q=无此").text


@pytest.mark.parametrize("who", ["agent", "editor", "reviewer", "leader", "county_office", "analyst", "administrator"])
def test_nobody_but_the_office_has_a_release_page(who: str, visit: Visit, base: Session, people: Cast) -> None:
    card, browser = published(base, LOST_CARD, code="A-1"), visit(getattr(people, who))
    assert browser.get("/release").status_code == 403
    assert browser.post("/release", data={"step": "release", "entry_id": card.entry_id}).status_code == 403


def test_everybody_reads_the_matrix_with_its_articles(visit: Visit, people: Cast) -> None:
    page = visit(people.editor).get("/rights").text
    assert "本单位、对口的县（市、区）单位" in page
    assert "清远第四条（三）1" in page
    assert people.agent.name not in page
    assert "信息采编员（" + people.unit.name in page


@pytest.mark.parametrize("who", ["office", "administrator"])
def test_who_looks_after_rights_sees_who_has_them(who: str, visit: Visit, people: Cast) -> None:
    page = visit(getattr(people, who)).get("/rights").text
    for person in (people.agent, people.stranger, people.county_office):
        assert person.name in page


def test_the_audit_page_filters_and_verifies(visit: Visit, base: Session, people: Cast) -> None:
    published(base, INTERNAL_CONTACT, code="C-1")
    visit(people.agent).get("/entries/C-1")
    browser = visit(people.administrator)
    page = browser.get("/audit?act=view").text
    assert "打开内部条目" in page
    assert people.agent.name in page
    assert "没有符合条件的记录" in browser.get("/audit?who=nobody").text
    assert "条目 C-1" in browser.get(f"/audit?who={people.agent.login}&day={TODAY}&subject=C-1").text
    assert "没有符合条件的记录" in browser.get("/audit?act=view&day=2020-01-01").text
    assert "日期有误" in browser.get("/audit?day=昨天").text
    assert "日志完整" in browser.get("/audit?check=true").text
    base.execute(text("DROP TRIGGER audit_records_no_delete"))
    base.execute(text("DELETE FROM audit_records WHERE act = 'view'"))
    base.commit()
    assert "日志不完整" in browser.get("/audit?check=true").text


@pytest.mark.parametrize("who", ["agent", "editor", "leader", "county_office", "analyst"])
def test_nobody_else_reads_the_audit_log(who: str, visit: Visit, people: Cast) -> None:
    assert visit(getattr(people, who)).get("/audit").status_code == 403
