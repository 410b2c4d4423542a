"""The list of what use suggests, as far as a person sees it: filtered, best supported first, with its evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, or_, select
from sqlalchemy import func as sql
from sqlalchemy.orm import Session, joinedload

from api.listing import PAGE_SIZE, offset_of
from api.security import Caller
from kb_admin.check_privacy import holds_numbers
from kb_admin.permissions import Action, may
from kb_admin.personal_words import names_somebody
from models.errors import NotFound
from models.improvement import Proposal
from models.knowledge import Entry, Phrasing, Version
from models.organisation import Unit
from models.usage import Question
from models.values import PhrasingKind, ProposalKind, ProposalStatus, VersionStatus

SHOWN_EVIDENCE = 12
"""Questions shown with a proposal, the newest; the counts stand beside."""
BEST_FIRST = (Proposal.support.desc(), Proposal.id)
NOT_SHOWN = "（含有个人信息，不显示）"


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: any."""

    kind: ProposalKind = ProposalKind.SIMILAR
    text: str = ""
    status: ProposalStatus | None = ProposalStatus.OPEN
    unit_id: int | None = None


@dataclass(frozen=True)
class Seen:
    """One question of the evidence, or two of one call."""

    at: datetime
    text: str
    then: str = ""
    """What was asked next in the same call, and got the answer."""


@dataclass(frozen=True)
class ProposalLine:
    """One proposal with the standard question of its entry; empty when nothing of the entry is live."""

    proposal: Proposal
    question: str = ""
    similar: tuple[str, ...] = ()


def count_proposals(session: Session, wanted: Wanted, caller: Caller) -> int:
    """How many the filters leave."""
    return session.scalar(select(sql.count()).select_from(_query(wanted, caller).subquery())) or 0


def list_proposals(session: Session, wanted: Wanted, caller: Caller, *, page: int | None) -> list[ProposalLine]:
    """One page of them, or all."""
    query = _query(wanted, caller).order_by(*BEST_FIRST)
    if page is not None:
        query = query.limit(PAGE_SIZE).offset(offset_of(page))
    loaded = query.options(joinedload(Proposal.entry).joinedload(Entry.unit), joinedload(Proposal.decided_by))
    return _lines(session, session.scalars(loaded).all())


def next_proposal(session: Session, wanted: Wanted, caller: Caller, *, after: Proposal | None) -> Proposal | None:
    """The first of the list behind that one, which may have left it; behind the last, or without one, the first."""
    in_order = _query(wanted, caller).order_by(*BEST_FIRST).limit(1)
    if after is not None:
        later = and_(Proposal.support == after.support, Proposal.id > after.id)
        behind = session.scalar(in_order.where(or_(Proposal.support < after.support, later)))
        if behind is not None:
            return behind
    return session.scalar(in_order)


def read_proposal(session: Session, proposal_id: int, caller: Caller) -> Proposal:
    """Raises NotFound when there is none, or none for the caller."""
    proposal = session.get(Proposal, proposal_id)
    if proposal is None or not sees(caller, proposal):
        raise NotFound("没有这条建议，或您无权查看。")
    return proposal


def sees(caller: Caller, proposal: Proposal) -> bool:
    """Whether the proposal exists for the caller: an editor sees their unit's, the office all; synonyms are the
    office's."""
    if proposal.entry is None:
        return may(caller.grants, Action.EDIT_THESAURUS)
    return may(caller.grants, Action.READ_PROPOSALS, unit_id=proposal.entry.unit_id)


def line_of(session: Session, proposal: Proposal) -> ProposalLine:
    """The proposal with what its entry says."""
    return _lines(session, [proposal])[0]


def evidence_of(session: Session, proposal: Proposal) -> list[Seen]:
    """What callers said, newest first; words that name somebody are not shown."""
    evidence = proposal.evidence if isinstance(proposal.evidence, dict) else {}
    pairs = [(int(first), int(second)) for first, second in evidence.get("pairs", [])][-SHOWN_EVIDENCE:]
    ids = [int(id_) for id_ in evidence.get("question_ids", [])][-SHOWN_EVIDENCE:]
    wanted = {id_ for pair in pairs for id_ in pair} | set(ids)
    asked = {q.id: q for q in session.scalars(select(Question).where(Question.id.in_(wanted)))}
    seen = [Seen(asked[id_].asked_at, _shown(asked[id_].text)) for id_ in ids if id_ in asked]
    seen += [
        Seen(asked[second].asked_at, _shown(asked[first].text), _shown(asked[second].text))
        for first, second in pairs
        if first in asked and second in asked
    ]
    return sorted(seen, key=lambda one: one.at, reverse=True)


def visible_units(session: Session, caller: Caller) -> list[tuple[int, str]]:
    """Units that have proposals for this person, for the filter."""
    query = (
        select(Unit.id, Unit.name).join(Entry, Entry.unit_id == Unit.id).join(Proposal, Proposal.entry_id == Entry.id)
    )
    rows = session.execute(query.distinct().order_by(Unit.name))
    return [(id_, name) for id_, name in rows if may(caller.grants, Action.READ_PROPOSALS, unit_id=id_)]


def counts(session: Session, caller: Caller) -> dict[ProposalKind, int]:
    """Open proposals of each kind that the caller sees."""
    return {
        kind: count_proposals(session, Wanted(kind=kind), caller)
        for kind in ProposalKind
        if kind is ProposalKind.SIMILAR or may(caller.grants, Action.EDIT_THESAURUS)
    }


def _query(wanted: Wanted, caller: Caller) -> Select[Proposal]:
    query = select(Proposal).where(Proposal.kind == wanted.kind)
    if wanted.kind is ProposalKind.SIMILAR:
        query = query.join(Entry, Entry.id == Proposal.entry_id)
        if not any(grant.unit_id is None and may([grant], Action.READ_PROPOSALS) for grant in caller.grants):
            own = {g.unit_id for g in caller.grants if g.unit_id and may([g], Action.READ_PROPOSALS, unit_id=g.unit_id)}
            query = query.where(Entry.unit_id.in_(own))
        if wanted.unit_id is not None:
            query = query.where(Entry.unit_id == wanted.unit_id)
    if wanted.status is not None:
        query = query.where(Proposal.status == wanted.status)
    if wanted.text:
        held = [column.contains(wanted.text, autoescape=True) for column in (Proposal.text, Proposal.other)]
        if wanted.kind is ProposalKind.SIMILAR:
            live = (
                select(Version.entry_id)
                .join(Phrasing, Phrasing.version_id == Version.id)
                .where(
                    Version.status == VersionStatus.PUBLISHED,
                    Phrasing.kind == PhrasingKind.STANDARD,
                    Phrasing.text.contains(wanted.text, autoescape=True),
                )
            )
            held += [Entry.code == wanted.text, Proposal.entry_id.in_(live)]
        query = query.where(or_(*held))
    return query


def _lines(session: Session, proposals: Sequence[Proposal]) -> list[ProposalLine]:
    live = _live(session, {p.entry_id for p in proposals if p.entry_id is not None})
    return [
        ProposalLine(p, version.question, version.similar) if version is not None else ProposalLine(p)
        for p in proposals
        for version in [live.get(p.entry_id) if p.entry_id is not None else None]
    ]


def _live(session: Session, entry_ids: Iterable[int]) -> dict[int, Version]:
    published = select(Version).where(Version.entry_id.in_(entry_ids), Version.status == VersionStatus.PUBLISHED)
    return {version.entry_id: version for version in session.scalars(published)}


def _shown(text: str) -> str:
    return NOT_SHOWN if holds_numbers(text) or names_somebody(text) else text
