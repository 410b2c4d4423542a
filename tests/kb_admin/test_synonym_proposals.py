"""Synonyms that use suggests: into the thesaurus by the office, out of it again in one step."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from kb_admin import proposals, thesaurus
from kb_admin.synonym_proposals import accept_synonym, propose_synonym, undo_synonym
from kb_admin.thesaurus import Shipped
from models.errors import Conflict, Forbidden
from models.improvement import Proposal
from models.thesaurus import GroupSaying, WordGroup, groups_in_force, newest_versions
from models.values import ProposalStatus
from tests.cast import NOW, Cast

P = ProposalStatus
CARD = WordGroup("社会保障卡", (GroupSaying("社保卡"),), "社会保险")
SHIPPED = Shipped((CARD,), str.casefold)


def propose(session: Session, said: str = "医保本", meant: str = "社保卡") -> Proposal:
    proposal = propose_synonym(session, said, meant, evidence={"question_ids": [1, 2]}, support=4, now=NOW)
    assert proposal is not None
    return proposal


def in_force(session: Session) -> dict[str, WordGroup]:
    return {group.head: group for group in groups_in_force(SHIPPED.groups, newest_versions(session))}


def test_it_joins_the_group_of_the_bases_word_one_way(session: Session, cast: Cast) -> None:
    proposal = propose(session)
    assert accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW) == 1
    added = GroupSaying("医保本", both_ways=False)
    assert in_force(session)["社会保障卡"] == replace(CARD, sayings=(*CARD.sayings, added))
    assert (proposal.status, proposal.decided_by) == (P.ACCEPTED, cast.office)


def test_a_word_without_a_group_heads_a_new_one(session: Session, cast: Cast) -> None:
    accept_synonym(session, propose(session, "小黄车", "共享单车"), SHIPPED, actor=cast.office, now=NOW)
    assert in_force(session)["共享单车"].words == ("共享单车", "小黄车")


def test_a_word_that_has_its_group_is_told(session: Session, cast: Cast) -> None:
    proposal = propose(session, "社保卡", "居住证")
    with pytest.raises(Conflict, match="已在“社会保障卡”组中"):
        accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
    assert proposal.status is P.OPEN


@pytest.mark.parametrize("who", ["stranger", "editor", "agent", "reviewer", "county_office", "administrator"])
def test_others_do_not_decide(session: Session, cast: Cast, who: str) -> None:
    proposal, actor = propose(session), getattr(cast, who)
    assert not proposals.may_decide(session, proposal, actor, NOW)
    with pytest.raises(Forbidden):
        accept_synonym(session, proposal, SHIPPED, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        proposals.reject(session, proposal, "两回事", actor=actor, now=NOW)
    accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
    with pytest.raises(Forbidden):
        undo_synonym(session, proposal, SHIPPED, actor=actor, now=NOW)


def test_what_was_decided_is_not_proposed_again(session: Session, cast: Cast) -> None:
    proposals.reject(session, propose(session), "两回事", actor=cast.office, now=NOW)
    assert propose_synonym(session, "医保本", "社保卡", evidence={}, support=9, now=NOW) is None


class TestUndoing:
    def test_the_group_says_again_what_it_said(self, session: Session, cast: Cast) -> None:
        proposal = propose(session)
        accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
        assert undo_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW) == 2
        assert in_force(session)["社会保障卡"] == CARD
        assert proposal.status is P.UNDONE
        with pytest.raises(Conflict, match="已撤销"):
            undo_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)

    def test_what_was_changed_since_stays(self, session: Session, cast: Cast) -> None:
        proposal = propose(session)
        accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
        wider = in_force(session)["社会保障卡"]
        wider = replace(wider, sayings=(*wider.sayings, GroupSaying("社保IC卡")))
        thesaurus.save(session, SHIPPED, wider, based_on=1, actor=cast.office, now=NOW)
        undo_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
        assert in_force(session)["社会保障卡"].words == ("社会保障卡", "社保卡", "社保IC卡")

    def test_a_group_of_one_word_ends(self, session: Session, cast: Cast) -> None:
        proposal = propose(session, "小黄车", "共享单车")
        accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
        undo_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
        assert "共享单车" not in in_force(session)

    def test_a_word_that_is_gone_already_changes_nothing(self, session: Session, cast: Cast) -> None:
        proposal = propose(session)
        accept_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW)
        thesaurus.save(session, SHIPPED, CARD, based_on=1, actor=cast.office, now=NOW)
        assert undo_synonym(session, proposal, SHIPPED, actor=cast.office, now=NOW) is None
        assert proposal.status is P.UNDONE
