"""同义词建议: what callers say for what the base says, put into the thesaurus by the office and taken out again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import thesaurus
from kb_admin.permissions import Action, grants_of, require
from kb_admin.proposals import decide, mark_undone, require_status, taken_up_again
from kb_admin.thesaurus import Shipped, all_groups, clash, owners_of
from models.errors import Conflict, Invalid
from models.improvement import Proposal
from models.organisation import Person
from models.thesaurus import GroupSaying, WordGroup
from models.values import ProposalKind, ProposalStatus

NOTE = "由使用记录建议"


def propose_synonym(
    session: Session,
    said: str,
    meant: str,
    *,
    evidence: Mapping[str, Any],
    support: int,
    against: int = 0,
    now: datetime,
) -> Proposal | None:
    """The system's open proposal that who says ``said`` means ``meant``, with the newest evidence; None when people
    have decided on it before."""
    same = select(Proposal).where(Proposal.kind == ProposalKind.SYNONYM, Proposal.text == said, Proposal.other == meant)
    proposal = session.scalar(same)
    if proposal is None:
        proposal = Proposal(
            kind=ProposalKind.SYNONYM, status=ProposalStatus.OPEN, text=said, other=meant, created_at=now
        )
        session.add(proposal)
    elif not taken_up_again(proposal):
        return None
    proposal.evidence, proposal.support, proposal.against = dict(evidence), support, against
    session.flush()
    return proposal


def accept_synonym(session: Session, proposal: Proposal, shipped: Shipped, *, actor: Person, now: datetime) -> int:
    """Write it into the thesaurus, one way: who says the one may mean the other, not the reverse. The number of the
    group's version that then holds.

    Raises Forbidden for all but the office, Conflict when it is decided or the word stands in a group already.
    """
    require(grants_of(actor), Action.EDIT_THESAURUS)
    if proposal.kind is not ProposalKind.SYNONYM:
        raise Invalid("这是相似问法建议，请按相似问法办理。")
    require_status(proposal, ProposalStatus.OPEN)
    held = {version.group.head: version for version in all_groups(session, shipped)}
    owners = owners_of((version.group for version in held.values() if not version.removed), shipped.fold)
    said, meant = shipped.fold(proposal.text), shipped.fold(proposal.other)
    if said in owners:
        raise Conflict(clash(proposal.text, owners[said]))
    saying = GroupSaying(proposal.text, both_ways=False)
    head = owners.get(meant)
    if head is None:
        group, based_on = WordGroup(proposal.other, (saying,), note=NOTE), None
    else:
        group, based_on = replace(held[head].group, sayings=(*held[head].group.sayings, saying)), held[head].number
    number = thesaurus.save(session, shipped, group, based_on=based_on, actor=actor, now=now)
    kept = {"thesaurus": {"head": group.head, "number": number}}
    decide(session, proposal, ProposalStatus.ACCEPTED, actor=actor, now=now, evidence=kept)
    return number


def undo_synonym(session: Session, proposal: Proposal, shipped: Shipped, *, actor: Person, now: datetime) -> int | None:
    """Take the word out of its group again, in one step: a new version of the group, or its end when nothing else is
    left. The number of that version; None when somebody has taken the word out before.

    Raises Forbidden for all but the office, Conflict when the proposal was not accepted.
    """
    require(grants_of(actor), Action.EDIT_THESAURUS)
    mark_undone(session, proposal, actor=actor, now=now)
    head = str(proposal.evidence["thesaurus"]["head"])
    held = thesaurus.standing(session, shipped, head)
    left = tuple(saying for saying in held.group.sayings if saying.word != proposal.text)
    if held.removed or left == held.group.sayings:
        return None
    if not left:
        return thesaurus.remove(session, shipped, head, based_on=held.number, actor=actor, now=now)
    group = replace(held.group, sayings=left)
    return thesaurus.save(session, shipped, group, based_on=held.number, actor=actor, now=now)
