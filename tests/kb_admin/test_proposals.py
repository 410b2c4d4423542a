"""Similar questions that use suggests: decided by who writes for the entry, and published only on its own route."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle, proposals
from models.errors import Conflict, Forbidden, Invalid
from models.improvement import Proposal
from models.knowledge import Version
from models.messages import Notification
from models.values import Origin, ProposalStatus, VersionStatus
from tests.cast import LOST_CARD, NOW, Cast, published

S, P = VersionStatus, ProposalStatus
TEXT = "医保社保那张卡找不着了"
EVIDENCE = {"question_ids": [1, 2, 3]}


def propose(session: Session, version: Version, text: str = TEXT) -> Proposal:
    return proposals.propose_similar(
        session, version.entry, text, evidence=EVIDENCE, support=3, against=1, actor=None, now=NOW
    )


@pytest.fixture
def live(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD, code="SB-001")


def versions(session: Session, version: Version) -> list[Version]:
    query = select(Version).where(Version.entry_id == version.entry_id).order_by(Version.number)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def test_the_same_text_is_one_proposal_with_the_newest_evidence(session: Session, live: Version) -> None:
    first = propose(session, live)
    again = proposals.propose_similar(
        session, live.entry, f" {TEXT}\n", evidence={"question_ids": [4]}, support=5, actor=None, now=NOW
    )
    assert again is first
    assert (first.support, first.against, first.evidence) == (5, 0, {"question_ids": [4]})
    assert (first.status, first.made_by) == (P.OPEN, None)


def test_the_units_editors_hear_of_what_a_colleague_proposes_once(session: Session, cast: Cast, live: Version) -> None:
    propose(session, live, "系统自己找到的问法")
    messages = select(Notification).where(Notification.address == "/proposals")
    assert session.scalars(messages).all() == []
    for _ in range(2):
        proposals.propose_similar(session, live.entry, TEXT, evidence={}, actor=cast.office, now=NOW)
    (message,) = session.scalars(messages)
    assert (message.person_id, TEXT in message.text) == (cast.editor.id, True)


@pytest.mark.parametrize("text", [LOST_CARD.question, LOST_CARD.similar[1]])
def test_what_the_entry_has_is_not_proposed(session: Session, live: Version, text: str) -> None:
    with pytest.raises(Conflict, match="SB-001 已有"):
        propose(session, live, text)


def test_what_a_draft_has_is_not_proposed(session: Session, cast: Cast, live: Version) -> None:
    content = replace(LOST_CARD, similar=(*LOST_CARD.similar, TEXT))
    lifecycle.add_version(session, live.entry, content, actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="已有"):
        propose(session, live)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("我手机13812345678的社保卡丢了", "个人手机号码"),
        ("身份证11010519491231002X的卡丢了", "身份证号码"),
        ("  ", "请写下"),
        ("问" * 501, "最多 500 字"),
    ],
)
def test_a_text_that_cannot_stand_is_refused(session: Session, live: Version, text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        propose(session, live, text)


def test_the_unit_accepts_and_its_reviewer_still_checks(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    version = proposals.accept(session, proposal, actor=cast.editor, now=NOW)
    session.commit()
    assert version.status is S.SUBMITTED
    assert version.content() == replace(LOST_CARD, similar=(*LOST_CARD.similar, TEXT))
    assert (live.status, live.similar) == (S.PUBLISHED, LOST_CARD.similar)
    assert (proposal.status, proposal.decided_by, proposal.decided_at) == (P.ACCEPTED, cast.editor, NOW)
    assert proposal.evidence == {**EVIDENCE, "version_id": version.id}
    lifecycle.approve(session, version, actor=cast.reviewer, now=NOW)
    lifecycle.publish(session, version, actor=cast.office, now=NOW)
    assert TEXT in version.similar and version.status is S.PUBLISHED


def test_the_office_accepts_where_it_may_write(session: Session, cast: Cast, live: Version) -> None:
    version = proposals.accept(session, propose(session, live), actor=cast.office, now=NOW)
    assert version.status is not S.PUBLISHED
    assert live.status is S.PUBLISHED


@pytest.mark.parametrize(
    "who", ["stranger", "agent", "reviewer", "leader", "county_office", "analyst", "administrator"]
)
def test_others_do_not_decide(session: Session, cast: Cast, live: Version, who: str) -> None:
    proposal, actor = propose(session, live), getattr(cast, who)
    assert not proposals.may_decide(session, proposal, actor, NOW)
    with pytest.raises(Forbidden):
        proposals.accept(session, proposal, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        proposals.reject(session, proposal, "不是一件事", actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        proposals.propose_similar(session, live.entry, "另一种问法", evidence={}, actor=actor, now=NOW)
    assert proposal.status is P.OPEN
    assert versions(session, live) == [live]


def test_an_entry_of_another_system_stays_as_it_is_there(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    live.entry.origin = Origin.SYNC
    session.flush()
    assert not proposals.may_decide(session, proposal, cast.office, NOW)
    with pytest.raises(Forbidden, match="业务系统"):
        proposals.accept(session, proposal, actor=cast.office, now=NOW)


def test_a_draft_on_its_way_is_named(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    lifecycle.add_version(session, live.entry, replace(LOST_CARD, spoken="新口径"), actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="第 2 版现为“草稿”"):
        proposals.accept(session, proposal, actor=cast.editor, now=NOW)
    assert proposal.status is P.OPEN


def test_a_text_that_came_meanwhile_is_told(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    content = replace(LOST_CARD, similar=(*LOST_CARD.similar, TEXT))
    newer = lifecycle.add_version(session, live.entry, content, actor=None, now=NOW)
    lifecycle.submit(session, newer, actor=None, now=NOW)
    lifecycle.publish(session, newer, actor=None, now=NOW)
    with pytest.raises(Conflict, match="已有“医保社保那张卡找不着了”"):
        proposals.accept(session, proposal, actor=cast.editor, now=NOW)


def test_an_entry_taken_down_gets_none(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    lifecycle.withdraw(session, live, "停办", actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="没有在用的版本"):
        proposals.accept(session, proposal, actor=cast.editor, now=NOW)


def test_the_hundred_first_similar_question_is_refused(session: Session, cast: Cast) -> None:
    full = published(session, replace(LOST_CARD, similar=tuple(f"第{n}种问法" for n in range(100))))
    with pytest.raises(Invalid, match="最多 100 条"):
        proposals.accept(session, propose(session, full), actor=cast.editor, now=NOW)


def test_who_rejects_says_why_and_can_take_it_back(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    with pytest.raises(Invalid, match="写明原因"):
        proposals.reject(session, proposal, " ", actor=cast.editor, now=NOW)
    proposals.reject(session, proposal, "不是一件事", actor=cast.editor, now=NOW)
    assert (proposal.status, proposal.remark, proposal.decided_by) == (P.REJECTED, "不是一件事", cast.editor)
    with pytest.raises(Conflict, match="未采纳：不是一件事"):
        propose(session, live)
    proposals.reopen(session, proposal, actor=cast.editor, now=NOW)
    assert (proposal.status, proposal.remark, proposal.decided_by) == (P.OPEN, "", None)


def test_what_is_decided_is_not_decided_again(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    proposals.reject(session, proposal, "不是一件事", actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="现为“未采纳”"):
        proposals.accept(session, proposal, actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="现为“未采纳”"):
        proposals.reject(session, proposal, "再说一次", actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="现为“未采纳”"):
        proposals.undo(session, proposal, actor=cast.editor, now=NOW)


class TestUndoing:
    def test_a_version_on_its_way_is_discarded(self, session: Session, cast: Cast, live: Version) -> None:
        proposal = propose(session, live)
        version = proposals.accept(session, proposal, actor=cast.editor, now=NOW)
        assert proposals.undo(session, proposal, actor=cast.editor, now=NOW) is None
        assert proposal.status is P.UNDONE
        assert version.status not in (S.DRAFT, S.SUBMITTED, S.CHECKED, S.PUBLISHED)

    def test_from_the_live_version_it_is_taken_by_a_new_one(self, session: Session, cast: Cast, live: Version) -> None:
        proposal = propose(session, live)
        version = proposals.accept(session, proposal, actor=cast.editor, now=NOW)
        lifecycle.publish(session, version, actor=None, now=NOW)
        following = proposals.undo(session, proposal, actor=cast.editor, now=NOW)
        assert following is not None
        assert (following.similar, following.status) == (LOST_CARD.similar, S.SUBMITTED)

    def test_a_stranger_does_not_undo(self, session: Session, cast: Cast, live: Version) -> None:
        proposal = propose(session, live)
        proposals.accept(session, proposal, actor=cast.editor, now=NOW)
        with pytest.raises(Forbidden):
            proposals.undo(session, proposal, actor=cast.stranger, now=NOW)


def test_what_a_person_proposes_too_is_theirs_from_then_on(session: Session, cast: Cast, live: Version) -> None:
    proposal = propose(session, live)
    proposals.propose_similar(session, live.entry, TEXT, evidence={"from": "gap"}, actor=cast.office, now=NOW)
    assert proposal.made_by is cast.office
