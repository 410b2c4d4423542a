"""The pages of applications and of categories: who asks, who consents, who decides, and for whom there is nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin import categories, extensions, notices, sharing, withdrawals
from models.knowledge import Category, Version
from models.notices import Application
from models.values import ApplicationStatus, NoticeKind, VersionStatus
from tests.cast import LOST_CARD, Cast, published
from tests.conftest import DATABASES, Visit

A = ApplicationStatus
Make = Callable[[Session, Cast], Application]


def an_extension(base: Session, people: Cast) -> Application:
    """Asked for by the unit's editor, committed."""
    now = utc_now()
    notice = notices.open_notice(
        base, kind=NoticeKind.COLLECTION, unit=people.unit, title="采集新政策", actor=people.office, now=now
    )
    notices.dispatch(base, notice, actor=people.office, now=now)
    until = max(clock.due_at for clock in notice.clocks) + timedelta(days=1)
    asked = extensions.ask(base, notice, reason="材料在上级审批", until=until, actor=people.editor, now=now)
    base.commit()
    return asked


def a_withdrawal(base: Session, people: Cast) -> Application:
    version = published(base, LOST_CARD, code="SB-001")
    asked = withdrawals.apply(base, version.entry, "文件已废止", actor=people.editor, now=utc_now())
    base.commit()
    return asked


def a_category(base: Session, people: Cast) -> Application:
    asked = categories.apply_for(base, people.unit, "社会保险/生育", "新增业务", actor=people.editor, now=utc_now())
    base.commit()
    return asked


def a_share(base: Session, people: Cast, *, until: datetime | None = None) -> Application:
    """The stranger's unit wishes to see ours."""
    ends = until or utc_now() + timedelta(days=20)
    asked = sharing.ask(
        base, people.other_unit, people.unit, reason="联办需要", until=ends, actor=people.stranger, now=utc_now()
    )
    base.commit()
    return asked


def status_of(base: Session, asked: Application) -> ApplicationStatus:
    base.expire_all()
    return asked.status


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_an_extension_goes_from_the_unit_by_its_leader_to_the_office(visit: Visit, people: Cast, base: Session) -> None:
    asked = an_extension(base, people)
    assert "材料在上级审批" in visit(people.editor).get("/applications").text
    assert ">撤回申请<" in visit(people.editor).get("/applications").text
    leader = visit(people.leader)
    assert ">同意<" in leader.get("/applications").text
    assert leader.post(f"/applications/{asked.id}/consent").status_code == 303
    assert status_of(base, asked) is A.CONSENTED
    office = visit(people.office)
    assert ">批准<" in office.get("/applications").text
    assert office.post(f"/applications/{asked.id}/grant", data={"text": "同意延期"}).status_code == 303
    assert status_of(base, asked) is A.GRANTED
    assert asked.notice is not None
    assert asked.until in {clock.due_at for clock in asked.notice.clocks}
    assert "同意延期" in visit(people.editor).get("/applications?show=done").text


@pytest.mark.parametrize("make", [an_extension, a_share])
def test_who_does_not_consent_says_why(visit: Visit, people: Cast, base: Session, make: Make) -> None:
    asked = make(base, people)
    leader = visit(people.leader)
    silent = leader.post(f"/applications/{asked.id}/refuse", data={"show": "waiting"})
    assert silent.status_code == 422
    assert status_of(base, asked) is A.ASKED
    assert leader.post(f"/applications/{asked.id}/refuse", data={"text": "不必"}).status_code == 303
    assert status_of(base, asked) is A.REFUSED


def test_the_office_takes_an_entry_down_that_the_unit_gives_up(visit: Visit, people: Cast, base: Session) -> None:
    asked = a_withdrawal(base, people)
    page = visit(people.office).get("/applications").text
    assert "文件已废止" in page
    assert "SB-001" in page
    assert visit(people.office).post(f"/applications/{asked.id}/grant").status_code == 303
    assert status_of(base, asked) is A.GRANTED
    assert base.scalars(select(Version)).one().status is VersionStatus.WITHDRAWN


def test_what_is_taken_back_is_not_decided(visit: Visit, people: Cast, base: Session) -> None:
    asked = a_withdrawal(base, people)
    assert visit(people.reviewer).post(f"/applications/{asked.id}/take_back").status_code == 303
    reply = visit(people.office).post(f"/applications/{asked.id}/grant")
    assert reply.status_code == 409
    assert "已撤回" in reply.text
    assert base.scalars(select(Version)).one().status is VersionStatus.PUBLISHED


def test_a_share_waits_for_the_owner_and_then_for_the_city_office(visit: Visit, people: Cast, base: Session) -> None:
    asked = a_share(base, people)
    assert "没有正在办理" not in visit(people.stranger).get("/applications").text
    assert ">同意<" not in visit(people.editor).get("/applications").text
    assert visit(people.reviewer).post(f"/applications/{asked.id}/consent").status_code == 303
    assert visit(people.office).post(f"/applications/{asked.id}/grant").status_code == 303
    assert status_of(base, asked) is A.GRANTED


@pytest.mark.parametrize("answer", ["consent", "grant", "refuse", "take_back"])
@pytest.mark.parametrize("make", [an_extension, a_withdrawal, a_category])
def test_for_strangers_there_is_no_application(
    visit: Visit, people: Cast, base: Session, make: Make, answer: str
) -> None:
    asked = make(base, people)
    before = asked.status
    for stranger in (people.stranger, people.county_office):
        browser = visit(stranger)
        assert asked.reason not in browser.get("/applications?show=open").text
        assert browser.post(f"/applications/{asked.id}/{answer}", data={"text": "好"}).status_code == 404
    for outsider in (people.agent, people.analyst, people.administrator):
        assert visit(outsider).post(f"/applications/{asked.id}/{answer}", data={"text": "好"}).status_code == 403
    assert status_of(base, asked) is before


@pytest.mark.parametrize("who", ["editor", "reviewer", "office"])
def test_only_the_leader_consents_to_an_extension(visit: Visit, people: Cast, base: Session, who: str) -> None:
    asked = an_extension(base, people)
    assert visit(getattr(people, who)).post(f"/applications/{asked.id}/consent").status_code == 403


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader"])
@pytest.mark.parametrize("make", [a_withdrawal, a_category])
def test_the_unit_does_not_decide_what_it_asks(visit: Visit, people: Cast, base: Session, make: Make, who: str) -> None:
    asked = make(base, people)
    assert visit(getattr(people, who)).post(f"/applications/{asked.id}/grant").status_code == 403


@pytest.mark.parametrize("who", ["agent", "analyst", "administrator"])
def test_who_asks_nothing_of_the_office_has_no_list(visit: Visit, people: Cast, who: str) -> None:
    assert visit(getattr(people, who)).get("/applications").status_code == 403


def test_an_answer_that_does_not_fit_is_refused_in_words(visit: Visit, people: Cast, base: Session) -> None:
    asked = an_extension(base, people)
    reply = visit(people.office).post(f"/applications/{asked.id}/grant", data={"show": "open"})
    assert reply.status_code == 409
    assert "待同意" in reply.text
    assert visit(people.office).post(f"/applications/{asked.id}/burn").status_code == 422


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_kind_filters(visit: Visit, people: Cast, base: Session) -> None:
    a_withdrawal(base, people)
    a_category(base, people)
    page = visit(people.office).get("/applications?show=open&kind=category").text
    assert "新增业务" in page
    assert "文件已废止" not in page


# Categories


def paths(base: Session) -> set[tuple[str, bool]]:
    base.expire_all()
    return {(category.path, category.active) for category in base.scalars(select(Category))}


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_office_sets_up_the_tree(visit: Visit, people: Cast, base: Session) -> None:
    office, unit = visit(people.office), str(people.unit.id)
    for above, name in (("", "社会保险"), ("社会保险", "生育")):
        reply = office.post("/categories/add", data={"unit": unit, "above": above, "name": name})
        assert reply.status_code == 303, reply.text
    office.post("/categories/rename", data={"unit": unit, "path": "社会保险", "name": "社保"})
    assert ("社保/生育", True) in paths(base)
    office.post("/categories/close", data={"unit": unit, "path": "社保/生育"})
    assert ("社保/生育", False) in paths(base)
    office.post("/categories/reopen", data={"unit": unit, "path": "社保/生育"})
    office.post("/categories/move", data={"unit": unit, "path": "社保/生育", "above": ""})
    assert ("生育", True) in paths(base)
    page = visit(people.editor).get("/categories").text
    assert "生育" in page
    assert "申请设置类别" in page


def test_a_unit_asks_and_the_office_sets_up(visit: Visit, people: Cast, base: Session) -> None:
    data = {"unit": str(people.unit.id), "above": "", "name": "生育", "reason": "新增业务"}
    assert visit(people.editor).post("/categories/apply", data=data).status_code == 303
    asked = base.scalars(select(Application)).one()
    assert "新增业务" in visit(people.editor).get("/categories").text
    assert visit(people.office).post(f"/applications/{asked.id}/grant").status_code == 303
    assert ("生育", True) in paths(base)


@pytest.mark.parametrize("do", ["add", "rename", "move", "close", "reopen"])
@pytest.mark.parametrize("who", ["editor", "leader"])
def test_a_unit_does_not_set_up_its_tree(visit: Visit, people: Cast, base: Session, who: str, do: str) -> None:
    published(base, LOST_CARD, code="SB-001")
    before = paths(base)
    data = {"unit": str(people.unit.id), "path": "社会保险/社会保障卡", "name": "别的", "above": ""}
    assert visit(getattr(people, who)).post(f"/categories/{do}", data=data).status_code == 403
    assert paths(base) == before


@pytest.mark.parametrize("who", ["stranger", "county_office"])
def test_another_units_tree_does_not_exist(visit: Visit, people: Cast, base: Session, who: str) -> None:
    published(base, LOST_CARD, code="SB-001")
    browser = visit(getattr(people, who))
    assert browser.get(f"/categories?unit={people.unit.id}").status_code == 404
    data = {"unit": str(people.unit.id), "name": "生育", "reason": "要"}
    assert browser.post("/categories/apply", data=data).status_code == 404
    assert people.unit.name not in browser.get("/categories").text


@pytest.mark.parametrize("who", ["agent", "analyst", "administrator"])
def test_who_has_nothing_to_do_with_categories(visit: Visit, people: Cast, who: str) -> None:
    assert visit(getattr(people, who)).get("/categories").status_code == 403


@pytest.mark.parametrize(
    ("do", "change", "said"),
    [
        ("add", {"name": ""}, "请写明类别"),
        ("add", {"name": "甲//乙"}, "空的一级"),
        ("rename", {"path": "没有", "name": "新"}, "没有“没有”"),
        ("rename", {"path": "社会保险", "name": "a/b"}, "“/”"),
        ("move", {"path": "社会保险", "above": "社会保险"}, "下级"),
        ("add", {"name": "长" * 300}, "最多"),
    ],
)
def test_a_change_of_the_tree_that_cannot_be_is_explained(
    visit: Visit, people: Cast, base: Session, *, do: str, change: dict[str, str], said: str
) -> None:
    published(base, LOST_CARD, code="SB-001")
    data = {"unit": str(people.unit.id), **change}
    reply = visit(people.office).post(f"/categories/{do}", data=data)
    assert reply.status_code in (409, 422)
    assert said in reply.text
