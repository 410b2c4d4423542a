"""The pages of notices, without a browser: who opens, signs, completes and looks at one, and for whom there is none."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin import lifecycle, notices
from kb_admin.taking_effect import expire_due
from models.notices import Application, Notice
from models.organisation import Person, Unit
from models.usage import Gap
from models.values import ApplicationStatus, NoticeKind, NoticeStatus
from tests.cast import INTERNAL_CONTACT, LOST_CARD, Cast, published
from tests.conftest import Visit

K, S = NoticeKind, NoticeStatus


def sent(
    base: Session, unit: Unit, office: Person, *, kind: NoticeKind = K.COLLECTION, now: datetime | None = None
) -> Notice:
    """A notice that has just been dispatched, committed."""
    notice = notices.open_notice(
        base,
        kind=kind,
        unit=unit,
        title="补充新生儿参保的办事指南",
        content="来电多，库中没有。",
        limit="3 days" if kind is K.SUPERVISION else "",
        actor=office,
        now=now or utc_now(),
    )
    notices.dispatch(base, notice, actor=office, now=now or utc_now())
    base.commit()
    return notice


def the_only(base: Session) -> Notice:
    base.expire_all()
    return base.scalars(select(Notice)).one()


# Opening


def test_the_office_sends_a_collection_notice(visit: Visit, people: Cast, base: Session) -> None:
    office = visit(people.office)
    form = office.get("/notices/new?kind=collection").text
    assert "签收" in form
    assert "1 个工作日" in form
    data = {
        "kind": "collection",
        "unit": str(people.unit.id),
        "title": "采集新政策",
        "content": "含附件",
        "send": "true",
    }
    reply = office.post("/notices/new", data=data)
    notice = the_only(base)
    assert (reply.status_code, reply.headers["location"]) == (303, f"/notices/{notice.id}")
    assert (notice.kind, notice.status, notice.unit_id) == (K.COLLECTION, S.DISPATCHED, people.unit.id)
    assert notice.created_by_id == people.office.id


def test_what_is_not_sent_waits_as_a_draft_that_the_unit_does_not_see(
    visit: Visit, people: Cast, base: Session
) -> None:
    data = {"kind": "collection", "unit": str(people.unit.id), "title": "采集新政策"}
    visit(people.office).post("/notices/new", data=data)
    notice = the_only(base)
    assert notice.status is S.DRAFT
    assert visit(people.editor).get(f"/notices/{notice.id}").status_code == 404
    assert "采集新政策" not in visit(people.editor).get("/notices").text
    assert visit(people.office).post(f"/notices/{notice.id}/dispatch").status_code == 303
    assert "采集新政策" in visit(people.editor).get(f"/notices/{notice.id}").text


def test_a_gap_becomes_a_question_in_the_callers_words(visit: Visit, people: Cast, base: Session) -> None:
    gap = Gap(text="娃落户要几天", note="河东区的", person=people.agent, at=utc_now())
    base.add(gap)
    base.commit()
    office = visit(people.office)
    form = office.get("/notices/new", params={"kind": "question", "gap": gap.id}).text
    assert 'value="娃落户要几天"' in form
    assert "河东区的" in form
    data = {
        "kind": "question",
        "unit": str(people.unit.id),
        "title": "娃落户要几天",
        "gap": str(gap.id),
        "send": "true",
    }
    assert office.post("/notices/new", data=data).status_code == 303
    assert the_only(base).gap_id == gap.id
    assert visit(people.county_office).get("/notices/new", params={"gap": gap.id}).status_code == 403


def test_a_fault_that_was_reported_becomes_a_correction_notice(visit: Visit, people: Cast, base: Session) -> None:
    live = published(base, LOST_CARD, code="SB-001")
    data = {"kind": "correction", "entry": "SB-001", "content": "工本费已取消", "send": "true"}
    assert visit(people.office).post("/notices/new", data=data).status_code == 303
    notice = the_only(base)
    assert (notice.unit_id, notice.version_id) == (people.unit.id, live.id)
    assert notice.title == f"整改：{LOST_CARD.question}"
    again = visit(people.office).post("/notices/new", data=data)
    assert again.status_code == 409
    assert "工本费已取消" in again.text


def test_a_supervision_notice_has_its_own_days(visit: Visit, people: Cast, base: Session) -> None:
    late = sent(base, people.unit, people.office)
    office = visit(people.office)
    form = office.get("/notices/new", params={"kind": "supervision", "about": late.id}).text
    assert f"督办：{late.title}" in form
    data = {
        **{
            "kind": "supervision",
            "unit": str(people.unit.id),
            "title": "督办",
            "content": "请尽快",
            "about": str(late.id),
        },
        **{"count": "3", "counted_in": "days", "send": "true"},
    }
    assert office.post("/notices/new", data=data).status_code == 303
    made = base.scalars(select(Notice).where(Notice.kind == K.SUPERVISION)).one()
    assert (made.limit, made.about_id) == ("3 days", late.id)


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader", "office"])
def test_a_change_of_policy_is_registered_by_the_unit_or_its_office(
    visit: Visit, people: Cast, base: Session, who: str
) -> None:
    data = {"kind": "update", "unit": str(people.unit.id), "title": "缴费比例调整", "announced": "2026-11-20T09:00"}
    reply = visit(getattr(people, who)).post("/notices/new", data=data)
    assert reply.status_code == 303
    notice = the_only(base)
    assert notice.status in notices.OPEN
    assert notice.starts_at is not None
    assert notice.starts_at.isoformat() == "2026-11-20T01:00:00+00:00"


def test_a_unit_opens_nothing_else(visit: Visit, people: Cast, base: Session) -> None:
    data = {"kind": "collection", "unit": str(people.unit.id), "title": "采集"}
    reply = visit(people.editor).post("/notices/new", data=data)
    assert reply.status_code == 403
    assert "热线办" in reply.text
    assert base.scalars(select(Notice)).all() == []


@pytest.mark.parametrize("field", ["gap", "about"])
def test_a_number_that_no_record_can_have_is_told_in_words(visit: Visit, people: Cast, field: str) -> None:
    data = {"kind": "collection", "unit": str(people.unit.id), "title": "采集", field: "9" * 20}
    reply = visit(people.office).post("/notices/new", data=data)
    assert reply.status_code == 422
    assert "不是可用的数字" in reply.text


def test_the_check_of_what_is_over_already_is_one_click_away(visit: Visit, people: Cast, base: Session) -> None:
    """Emergency information whose time has run out stands in no queue any more; its notice leads to it."""
    ended = utc_now() - timedelta(minutes=1)
    urgent = replace(LOST_CARD, info_type="公共服务紧急临时信息", valid_to=ended)
    version = lifecycle.create_entry(base, urgent, actor=None, now=ended - timedelta(hours=1))
    lifecycle.submit(base, version, actor=None, now=ended - timedelta(hours=1))
    expire_due(base, utc_now())
    base.commit()
    reviewer = visit(people.reviewer)
    assert f'href="/review/{version.id}"' in reviewer.get(f"/notices/{the_only(base).id}").text
    assert reviewer.post(f"/review/{version.id}/approve").status_code == 303
    assert the_only(base).status is NoticeStatus.COMPLETED


@pytest.mark.parametrize("who", ["agent", "analyst", "administrator"])
def test_who_is_neither_unit_nor_office_opens_nothing(visit: Visit, people: Cast, who: str) -> None:
    assert visit(getattr(people, who)).get("/notices/new").status_code == 403


def test_the_county_office_asks_its_own_units_only(visit: Visit, people: Cast, base: Session) -> None:
    county = visit(people.county_office)
    form = county.get("/notices/new").text
    assert people.county_unit.name in form
    assert f">{people.unit.name}<" not in form
    data = {"kind": "collection", "unit": str(people.unit.id), "title": "采集", "send": "true"}
    assert county.post("/notices/new", data=data).status_code == 422
    assert county.post("/notices/new", data={**data, "unit": str(people.county_unit.id)}).status_code == 303


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": " "}, "事项"),
        ({"unit": ""}, "承办单位"),
        ({"unit": "abc"}, "承办单位"),
        ({"title": "长" * 201}, "最多 200 字"),
        ({"kind": "supervision", "count": ""}, "督办时限"),
        ({"kind": "supervision", "count": "０"}, "督办时限"),
        ({"kind": "update", "announced": ""}, "公布实施时间"),
        ({"kind": "update", "announced": "明天"}, "公布实施时间"),
        ({"kind": "correction", "entry": ""}, "条目编号"),
        ({"kind": "correction", "entry": "没有"}, "没有"),
    ],
)
def test_what_cannot_be_sent_is_kept_and_explained(
    visit: Visit, people: Cast, base: Session, change: dict[str, str], said: str
) -> None:
    data = {"kind": "collection", "unit": str(people.unit.id), "title": "采集", "content": "我写的话", "send": "true"}
    reply = visit(people.office).post("/notices/new", data=data | change)
    assert reply.status_code == 422
    banner = re.search(r'banner-bad" role="alert">(.*?)</p>', reply.text)
    assert banner is not None
    assert said in banner[1]
    assert "我写的话" in reply.text
    assert base.scalars(select(Notice)).all() == []


# Working on one


def test_the_unit_signs_and_completes_and_the_office_looks(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    published(base, LOST_CARD, code="SB-001")
    unit, office = visit(people.editor), visit(people.office)
    assert "签收" in unit.get(f"/notices/{notice.id}").text
    assert unit.post(f"/notices/{notice.id}/sign").status_code == 303
    page = unit.get(f"/notices/{notice.id}").text
    assert f'href="/write?notice={notice.id}"' in page
    done = unit.post(f"/notices/{notice.id}/complete", data={"text": "已录入", "codes": "SB-001"})
    assert done.status_code == 303
    assert "SB-001" in office.get(f"/notices/{notice.id}").text
    assert office.post(f"/notices/{notice.id}/see", data={"text": "属实"}).status_code == 303
    stands = the_only(base)
    assert (stands.status, stands.result, stands.remark) == (S.SEEN, "已录入", "属实")
    assert stands.signed_by_id == people.editor.id
    history = office.get(f"/notices/{notice.id}").text
    for step in ("派发", "签收", "办结", "查看并记录"):
        assert f"<li>{step} " in history


def test_what_cannot_be_completed_keeps_the_words(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    unit = visit(people.editor)
    unit.post(f"/notices/{notice.id}/sign")
    reply = unit.post(f"/notices/{notice.id}/complete", data={"text": "写了很多", "codes": "没有这条"})
    assert reply.status_code == 422
    assert "写了很多" in reply.text
    assert "没有编号为“没有这条”的条目" in reply.text
    assert the_only(base).status is S.SIGNED


def test_another_units_entry_does_not_exist_for_an_answer(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    published(base, INTERNAL_CONTACT, code="HJ-009")
    unit = visit(people.editor)
    unit.post(f"/notices/{notice.id}/sign")
    reply = unit.post(f"/notices/{notice.id}/complete", data={"text": "好", "codes": "HJ-009"})
    assert "没有编号为“HJ-009”的条目" in reply.text


def test_a_notice_is_signed_once(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    assert visit(people.editor).post(f"/notices/{notice.id}/sign").status_code == 303
    second = visit(people.reviewer).post(f"/notices/{notice.id}/sign")
    assert second.status_code == 409
    assert "办理中" in second.text


def test_the_office_cancels_with_a_reason(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    office = visit(people.office)
    assert office.post(f"/notices/{notice.id}/cancel", data={"text": " "}).status_code == 422
    assert office.post(f"/notices/{notice.id}/cancel", data={"text": "发错单位"}).status_code == 303
    assert "发错单位" in visit(people.editor).get(f"/notices/{notice.id}").text


def test_an_extension_is_asked_for_in_time(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    unit = visit(people.editor)
    page = unit.get(f"/notices/{notice.id}").text
    due = max(clock.due_at for clock in notice.clocks)
    assert "申请延期" in page
    assert "最迟" in page
    until = (due + timedelta(days=2, hours=8)).strftime("%Y-%m-%dT%H:%M")
    reply = unit.post(f"/notices/{notice.id}/extend", data={"text": "材料在上级审批", "until": until})
    assert reply.status_code == 303, reply.text
    asked = base.scalars(select(Application)).one()
    assert (asked.status, asked.reason) == (ApplicationStatus.ASKED, "材料在上级审批")
    assert asked.until is not None
    assert asked.until - due == timedelta(days=2)
    page = unit.get(f"/notices/{notice.id}").text
    assert "材料在上级审批" in page
    assert "提交延期申请" not in page


def test_an_extension_that_comes_too_late_says_until_when_it_was_possible(
    visit: Visit, people: Cast, base: Session
) -> None:
    notice = sent(base, people.unit, people.office, now=utc_now() - timedelta(days=30))
    page = visit(people.editor).get(f"/notices/{notice.id}").text
    assert "已不能申请" in page
    assert "超期" in page
    data = {"text": "忘了", "until": (utc_now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")}
    reply = visit(people.editor).post(f"/notices/{notice.id}/extend", data=data)
    assert reply.status_code == 409
    assert base.scalars(select(Application)).all() == []


ACTS = ("dispatch", "sign", "complete", "extend", "see", "cancel")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("who", ["stranger", "agent", "administrator", "county_office"])
def test_for_strangers_there_is_no_notice(visit: Visit, people: Cast, base: Session, who: str, act: str) -> None:
    notice = sent(base, people.unit, people.office)
    stranger = visit(getattr(people, who))
    data = {"text": "不是我的", "until": "2027-01-01T09:00"}
    assert stranger.post(f"/notices/{notice.id}/{act}", data=data).status_code == 404
    assert the_only(base).status is S.DISPATCHED


@pytest.mark.parametrize("act", ["dispatch", "see", "cancel"])
def test_the_unit_does_not_do_the_offices_part(visit: Visit, people: Cast, base: Session, act: str) -> None:
    notice = sent(base, people.unit, people.office)
    assert visit(people.leader).post(f"/notices/{notice.id}/{act}", data={"text": "好"}).status_code == 403


@pytest.mark.parametrize("act", ["sign", "complete", "extend"])
@pytest.mark.parametrize("who", ["office", "analyst"])
def test_the_office_and_analysts_do_not_do_the_units_part(
    visit: Visit, people: Cast, base: Session, who: str, act: str
) -> None:
    notice = sent(base, people.unit, people.office)
    data = {"text": "好", "until": "2027-01-01T09:00"}
    assert visit(getattr(people, who)).post(f"/notices/{notice.id}/{act}", data=data).status_code == 403


def test_an_act_that_there_is_not_is_not_found(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office)
    assert visit(people.editor).post(f"/notices/{notice.id}/burn").status_code == 404
