"""The review page: what it shows of a version, its moves one after the other, and who is refused."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.wiring import Services
from kb_admin import lifecycle
from models.audit import AuditRecord
from models.knowledge import Version
from models.organisation import Person, RoleGrant
from models.values import Publicity, Role, VersionStatus
from tests.cast import LOST_CARD, NOW, Cast, submitted
from tests.conftest import DATABASES, Visit


def waiting(base: Session, count: int) -> list[Version]:
    """So many entries that wait for the unit's reviewer."""
    versions = []
    for number in range(count):
        content = replace(LOST_CARD, question=f"社会保障卡第{number}问", similar=())
        version = lifecycle.create_entry(base, content, code=f"SB-10{number}", actor=None, now=NOW)
        lifecycle.submit(base, version, actor=None, now=NOW)
        versions.append(version)
    base.commit()
    return versions


def status_of(base: Session, version: Version) -> VersionStatus:
    base.refresh(version)
    return version.status


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_one_after_the_other_is_approved_and_published(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    first, second = waiting(base, 2)
    reviewer = visit(people.reviewer)
    page = reviewer.get("/review").text
    assert "社会保障卡第0问" in page
    assert f'action="/review/{first.id}/approve"' in page
    done = reviewer.post(
        f"/review/{first.id}/approve", data={"ticked": ["typos", "clear"], "following": str(second.id)}
    )
    assert (done.status_code, done.headers["location"]) == (303, f"/review/{second.id}?done={first.id}")
    following = reviewer.get(done.headers["location"]).text
    assert "<b>单位审核通过</b>SB-100" in following
    assert f'action="/review/{second.id}/approve"' in following
    assert status_of(base, first) is VersionStatus.CHECKED
    assert first.transitions[-1].ticked == "有无错别字、表述是否清晰，会不会引起误解或歧义"
    office = visit(people.office)
    assert f'action="/review/{first.id}/publish"' in office.get("/review").text
    office.post(f"/review/{first.id}/publish")
    assert status_of(base, first) is VersionStatus.PUBLISHED
    assert "没有等您审核或发布的条目" in office.get("/review").text


def test_sending_back_needs_a_reason(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    version = submitted(base, services)
    reviewer = visit(people.reviewer)
    assert reviewer.post(f"/review/{version.id}/send-back", data={"reason": " "}).status_code == 422
    assert status_of(base, version) is VersionStatus.SUBMITTED
    reviewer.post(f"/review/{version.id}/send-back", data={"reason": "第二段有错别字"})
    assert status_of(base, version) is VersionStatus.DRAFT
    assert version.transitions[-1].reason == "第二段有错别字"


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("editor", 403),
        ("leader", 403),
        ("office", 403),
        ("county_office", 404),
        ("stranger", 404),
        ("agent", 404),
        ("analyst", 403),
    ],
)
def test_a_step_is_refused_to_who_does_not_take_it(
    visit: Visit, people: Cast, base: Session, who: str, status: int
) -> None:
    (version,) = waiting(base, 1)
    browser = visit(getattr(people, who))
    for move in ("approve", "send-back"):
        assert browser.post(f"/review/{version.id}/{move}", data={"reason": "不行"}).status_code == status
    assert status_of(base, version) is VersionStatus.SUBMITTED


def test_what_one_may_not_see_does_not_exist(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    version = submitted(base, services)
    stranger = visit(people.stranger)
    hidden, missing = stranger.get(f"/review/{version.id}"), stranger.get("/review/99999")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert "没有这一版，或您无权查看。" in hidden.text
    assert "没有这一版，或您无权查看。" in missing.text
    assert "社会保障卡怎样激活" not in stranger.get("/review").text
    assert visit(people.agent).get("/review").status_code == 403


def test_a_version_stands_beside_the_one_that_answers(
    visit: Visit, people: Cast, base: Session, entry: Version
) -> None:
    changed = replace(LOST_CARD, spoken=LOST_CARD.spoken.replace("十六元", "二十元"))
    version = lifecycle.add_version(base, entry.entry, changed, actor=None, now=NOW)
    lifecycle.submit(base, version, actor=None, now=NOW)
    base.commit()
    page = visit(people.reviewer).get(f"/review/{version.id}").text
    assert "与第&thinsp;1&thinsp;版比较" in page
    assert re.findall(r"<(?:del|ins)>[^<]*</(?:del|ins)>", page) == ["<del>十六元</del>", "<ins>二十元</ins>"]


def test_a_mended_version_can_be_compared_with_what_was_sent_back(
    visit: Visit, people: Cast, base: Session, entry: Version
) -> None:
    first = lifecycle.add_version(base, entry.entry, replace(LOST_CARD, spoken="免费。"), actor=None, now=NOW)
    lifecycle.submit(base, first, actor=None, now=NOW)
    lifecycle.send_back(base, first, "写明地点", actor=people.reviewer, now=NOW)
    mended = lifecycle.save_draft(base, first, replace(LOST_CARD, spoken="免费，各网点。"), actor=None, now=NOW)
    lifecycle.submit(base, mended, actor=None, now=NOW)
    base.commit()
    reviewer = visit(people.reviewer)
    assert f"/review/{mended.id}?against=2" in reviewer.get(f"/review/{mended.id}").text
    page = reviewer.get(f"/review/{mended.id}?against=2").text
    assert "与第&thinsp;2&thinsp;版比较" in page
    assert "各网点</ins>" in page


def test_the_checklist_has_its_articles_and_the_checks_are_shown(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    content = replace(LOST_CARD, question="社会保障卡怎样激活", spoken="请打 13812345678 找小王。", similar=())
    version = lifecycle.create_entry(base, content, actor=None, now=NOW)
    lifecycle.submit(base, version, actor=None, now=NOW)
    base.commit()
    page = visit(people.reviewer).get(f"/review/{version.id}").text
    assert re.search(r'<label class="choice" title="[^"]+"><input type="checkbox" name="ticked" value="typos">', page)
    assert "系统检查" in page
    assert "13812345678" in page


def test_an_unknown_point_of_the_checklist_is_refused(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    version = submitted(base, services)
    reply = visit(people.reviewer).post(f"/review/{version.id}/approve", data={"ticked": ["没有这一条"]})
    assert reply.status_code == 422
    assert status_of(base, version) is VersionStatus.SUBMITTED


def test_who_comes_second_is_told_and_goes_on(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    version = submitted(base, services)
    reviewer = visit(people.reviewer)
    reviewer.post(f"/review/{version.id}/approve")
    late = reviewer.post(f"/review/{version.id}/approve")
    assert late.status_code == 409
    assert "已由王审核于" in late.text
    page = reviewer.get(f"/review/{version.id}").text
    assert "不在您的队列中" in page
    assert "单位审核通过" in page


def test_the_same_person_approves_and_publishes_at_one_stroke(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    both = _with_office(base, people.reviewer)
    version = submitted(base, services)
    browser = visit(both)
    assert "通过并发布" in browser.get(f"/review/{version.id}").text
    browser.post(f"/review/{version.id}/approve", data={"then": "publish"})
    assert status_of(base, version) is VersionStatus.PUBLISHED
    assert [move.step for move in version.transitions[-2:]] == ["单位审核通过", "发布"]


def test_who_only_approves_cannot_publish_by_the_form(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    version = submitted(base, services)
    browser = visit(people.reviewer)
    assert "通过并发布" not in browser.get(f"/review/{version.id}").text
    assert browser.post(f"/review/{version.id}/approve", data={"then": "publish"}).status_code == 403
    assert status_of(base, version) is VersionStatus.SUBMITTED  # both or none


def test_many_are_approved_at_once(visit: Visit, people: Cast, base: Session) -> None:
    versions = waiting(base, 3)
    gone = versions[1]
    lifecycle.send_back(base, gone, "重复", actor=people.reviewer, now=NOW)
    base.commit()
    data = {"move": "approve", "version": [str(v.id) for v in versions], "all_ticked": "1", "back": "/review"}
    reply = visit(people.reviewer).post("/bulk", data=data)
    assert "审核通过&thinsp;2&thinsp;条" in reply.text
    assert "1&thinsp;条没有处理" in reply.text
    assert [status_of(base, v) for v in versions] == [
        *(VersionStatus.CHECKED, VersionStatus.DRAFT, VersionStatus.CHECKED)
    ]
    assert "有无错别字" in versions[0].transitions[-1].ticked


def test_a_sight_of_what_is_internal_is_noted(visit: Visit, people: Cast, base: Session) -> None:
    content = replace(LOST_CARD, question="内部联系方式", publicity=Publicity.INTERNAL, similar=())
    version = lifecycle.create_entry(base, content, code="SB-900", actor=None, now=NOW)
    lifecycle.submit(base, version, actor=None, now=NOW)
    base.commit()
    visit(people.reviewer).get(f"/review/{version.id}")
    seen = base.scalars(select(AuditRecord).where(AuditRecord.act == "view")).all()
    assert [(r.actor_id, r.subject) for r in seen] == [(people.reviewer.id, "entry:SB-900")]


def _with_office(base: Session, reviewer: Person) -> Person:
    """The reviewer, who works in the city's office too."""
    reviewer.grants.append(RoleGrant(role=Role.CITY_OFFICE))
    base.commit()
    return reviewer
