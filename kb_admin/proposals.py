"""学习建议: a similar question that use suggests for an entry, and what the unit's editor or the office says to it.

Nothing is written into an entry by itself: who accepts hands in a new version on the entry's normal route.
Synonyms, which are the office's alone, are decided in ``synonym_proposals``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.check_privacy import holds_numbers
from kb_admin.content_rules import MAX_PHRASING, content_faults
from kb_admin.courses import is_party, origins_of, refuse_other_systems, require_writer, writers
from kb_admin.notifications import parties, tell_inside
from kb_admin.permissions import Action, grants_of, may, require
from kb_admin.rulebook import Party
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.wording import readable
from models.errors import Conflict, Invalid
from models.improvement import Proposal
from models.knowledge import Entry, Version
from models.organisation import Person
from models.values import EntryField, Origin, ProposalKind, ProposalStatus, VersionStatus

P, S = ProposalStatus, VersionStatus
LONGEST_REMARK = 500
ON_THE_WAY = (S.DRAFT, S.SUBMITTED, S.CHECKED)
PERSONAL = "含有个人手机号码或身份证号码，不能作为相似问法。"
THERE_ALREADY = "条目 {code} 已有“{text}”这一问法。"


def propose_similar(
    session: Session,
    entry: Entry,
    text: str,
    *,
    evidence: Mapping[str, Any],
    support: int = 1,
    against: int = 0,
    actor: Person | None,
    now: datetime,
) -> Proposal:
    """The open proposal of that text for the entry: a new one, or the one that is there with the newer evidence.

    ``actor`` None is the system. Raises Invalid for a text that cannot stand or names somebody's number, Conflict when
    it is a phrasing of the entry already or was decided before.
    """
    if actor is not None:
        require(grants_of(actor), Action.READ_PROPOSALS, unit_id=entry.unit_id)
    words = " ".join(readable(text, name="相似问法", longest=MAX_PHRASING).split())
    if not words:
        raise Invalid("请写下相似问法。")
    if holds_numbers(words):
        raise Invalid(PERSONAL)
    if words in phrasings_of(session, entry):
        raise Conflict(THERE_ALREADY.format(code=entry.code, text=words))
    same = select(Proposal).where(
        Proposal.kind == ProposalKind.SIMILAR, Proposal.entry_id == entry.id, Proposal.text == words
    )
    proposal = session.scalar(same)
    if proposal is None:
        proposal = Proposal(
            kind=ProposalKind.SIMILAR, status=P.OPEN, entry=entry, text=words, made_by=actor, created_at=now
        )
        session.add(proposal)
    elif not taken_up_again(proposal):
        said = f"：{proposal.remark}" if proposal.remark else ""
        raise Conflict(f"“{words}”已经建议过，{proposal.status.label}{said}。")
    proposal.made_by = proposal.made_by or actor
    proposal.evidence, proposal.support, proposal.against = dict(evidence), support, against
    session.flush()
    if actor is not None:
        _tell_editors(session, proposal, entry, asked_by=actor, at=now)
    return proposal


def _tell_editors(session: Session, proposal: Proposal, entry: Entry, *, asked_by: Person, at: datetime) -> None:
    """What a colleague asks for waits for nobody's visit to the list; what the system finds is listed daily."""
    others = [person for person in parties(session, entry.unit, Party.EDITOR) if person.id != asked_by.id]
    text = f"{asked_by.name}建议为 {entry.code} 增加相似问法“{proposal.text}”，请采纳或写明不采纳的原因。"
    tell_inside(session, others, f"proposal:{proposal.id}:asked", text=text, address="/proposals", at=at)


def taken_up_again(proposal: Proposal) -> bool:
    """Open one that only the system withdrew again; whether it is open now, nobody having decided on it."""
    if proposal.status is P.UNDONE and proposal.decided_by_id is None:
        proposal.status, proposal.decided_at, proposal.remark = P.OPEN, None, ""
    return proposal.status is P.OPEN


def phrasings_of(session: Session, entry: Entry) -> frozenset[str]:
    """What the live version is found by, and what those on their way would be."""
    standing = select(Version).where(Version.entry_id == entry.id, Version.status.in_((S.PUBLISHED, *ON_THE_WAY)))
    return frozenset(text for version in session.scalars(standing) for text in (version.question, *version.similar))


def may_decide(session: Session, proposal: Proposal, actor: Person, now: datetime) -> bool:
    """Whether the proposal is this person's to accept or reject."""
    grants = grants_of(actor)
    if proposal.entry is None:
        return may(grants, Action.EDIT_THESAURUS)
    entry = proposal.entry
    if entry.origin is Origin.SYNC or not may(grants, Action.READ_PROPOSALS, unit_id=entry.unit_id):
        return False
    rulebook = rules_of_unit(session, entry.unit, now).rulebook
    return is_party(grants, writers(rulebook, origins_of(entry)), entry.unit)


def accept(session: Session, proposal: Proposal, *, actor: Person, now: datetime) -> Version:
    """The entry with the question among its similar ones: a new version, handed in on the entry's normal route.

    Raises Forbidden for who does not write there, Conflict when the proposal is decided, when nothing of the entry is
    live, when another version of it is on its way, or when it has the question by now.
    """
    entry = _entry_of(proposal)
    _require_decider(session, entry, actor, now)
    require_status(proposal, P.OPEN)
    live = _free_to_change(session, entry)
    if proposal.text in (live.question, *live.similar):
        raise Conflict(THERE_ALREADY.format(code=entry.code, text=proposal.text) + "请作为未采纳处理，原因写“已有”。")
    content = live.content()
    version = _hand_in(session, live, (*content.similar, proposal.text), actor, now)
    decide(session, proposal, P.ACCEPTED, actor=actor, now=now, evidence={"version_id": version.id})
    return version


def reject(session: Session, proposal: Proposal, remark: str, *, actor: Person, now: datetime) -> None:
    """未采纳, with a reason. Raises Invalid without one, Forbidden for whose it is not, Conflict when it is decided."""
    _require_any_decider(session, proposal, actor, now)
    why = readable(remark, name="原因", longest=LONGEST_REMARK)
    if not why:
        raise Invalid("不采纳时请写明原因。")
    decide(session, proposal, P.REJECTED, actor=actor, now=now, remark=why)


def reopen(session: Session, proposal: Proposal, *, actor: Person, now: datetime) -> None:
    """Take a rejection back: the proposal is open again."""
    _require_any_decider(session, proposal, actor, now)
    _move(session, proposal, P.REJECTED, {"status": P.OPEN, "decided_by_id": None, "decided_at": None, "remark": ""})


def undo(session: Session, proposal: Proposal, *, actor: Person, now: datetime) -> Version | None:
    """Take an accepted question back in one step: a version that is still on its way is discarded; from a live one the
    question is taken out by a new version on the entry's normal route, which is returned.

    Raises Forbidden, and Conflict when the proposal was not accepted or another version is on its way.
    """
    entry = _entry_of(proposal)
    _require_decider(session, entry, actor, now)
    require_status(proposal, P.ACCEPTED)
    brought = session.get(Version, proposal.evidence.get("version_id", 0))
    following = None
    if brought is not None and brought.status in (S.DRAFT, S.SUBMITTED):
        if brought.status is S.SUBMITTED:
            lifecycle.recall(session, brought, actor=actor, now=now)
        lifecycle.discard(session, brought, "撤销采纳的相似问法。", actor=actor, now=now)
    else:
        live = _free_to_change(session, entry)
        left = tuple(text for text in live.similar if text != proposal.text)
        if left != live.similar:
            following = _hand_in(session, live, left, actor, now)
    _move(session, proposal, P.ACCEPTED, {"status": P.UNDONE, "decided_by_id": actor.id, "decided_at": now})
    return following


def decide(
    session: Session,
    proposal: Proposal,
    status: ProposalStatus,
    *,
    actor: Person | None,
    now: datetime,
    remark: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Close an open proposal; ``evidence`` is added to what it holds. Raises Conflict when somebody was quicker."""
    values = {
        "status": status,
        "decided_by_id": actor.id if actor else None,
        "decided_at": now,
        "remark": remark,
        "evidence": {**proposal.evidence, **(evidence or {})},
    }
    _move(session, proposal, P.OPEN, values)


def mark_undone(session: Session, proposal: Proposal, *, actor: Person, now: datetime) -> None:
    """Raises Conflict when it is not accepted."""
    _move(session, proposal, P.ACCEPTED, {"status": P.UNDONE, "decided_by_id": actor.id, "decided_at": now})


def require_status(proposal: Proposal, status: ProposalStatus) -> None:
    """Raise Conflict when the proposal stands otherwise."""
    if proposal.status is not status:
        raise Conflict(f"这条建议现为“{proposal.status.label}”，请刷新后再看。")


def _move(session: Session, proposal: Proposal, before: ProposalStatus, values: Mapping[str, Any]) -> None:
    moved = session.execute(
        update(Proposal).where(Proposal.id == proposal.id, Proposal.status == before).values(**values),
        execution_options={"synchronize_session": False},
    )
    session.refresh(proposal)
    if not moved.rowcount:  # type: ignore[attr-defined]
        require_status(proposal, before)


def _entry_of(proposal: Proposal) -> Entry:
    if proposal.entry is None:
        raise Invalid("这是同义词建议，由市热线办在词库中办理。")
    return proposal.entry


def _require_decider(session: Session, entry: Entry, actor: Person, now: datetime) -> None:
    require(grants_of(actor), Action.READ_PROPOSALS, unit_id=entry.unit_id)
    refuse_other_systems(entry, actor)
    require_writer(session, entry.unit, origins_of(entry), actor=actor, now=now)


def _require_any_decider(session: Session, proposal: Proposal, actor: Person, now: datetime) -> None:
    if proposal.entry is None:
        require(grants_of(actor), Action.EDIT_THESAURUS)
    else:
        require(grants_of(actor), Action.READ_PROPOSALS, unit_id=proposal.entry.unit_id)
        require_writer(session, proposal.entry.unit, origins_of(proposal.entry), actor=actor, now=now)


def _free_to_change(session: Session, entry: Entry) -> Version:
    """The live version, if no other is on its way to take its place."""
    live = lifecycle.live_version(session, entry.id)
    if live is None:
        raise Conflict(f"条目 {entry.code} 没有在用的版本，不能增减相似问法。")
    waiting = session.scalar(
        select(Version)
        .where(Version.entry_id == entry.id, Version.status.in_(ON_THE_WAY))
        .order_by(Version.number.desc())
        .limit(1)
    )
    if waiting is not None:
        raise Conflict(
            f"条目 {entry.code} 的第 {waiting.number} 版现为“{waiting.status.label}”，请先办完，"
            "或直接在那一版里增减这一问法。"
        )
    return live


def _hand_in(session: Session, live: Version, similar: Sequence[str], actor: Person, now: datetime) -> Version:
    content = replace(live.content(), similar=tuple(similar))
    fault = next((fault for fault in content_faults(content) if fault.field is EntryField.SIMILAR), None)
    if fault is not None:
        raise Invalid(f"不能采纳：{fault.reason}")
    version = lifecycle.add_version(session, live.entry, content, actor=actor, now=now)
    lifecycle.submit(session, version, actor=actor, now=now)
    return version
