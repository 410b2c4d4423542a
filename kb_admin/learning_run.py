"""A run of the learning: the log is gone through, and proposals are made, renewed and withdrawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kb_admin.learning import (
    Language,
    SimilarQuestion,
    SynonymPair,
    core_of,
    similar_questions,
    synonym_pairs,
)
from kb_admin.learning_material import LOOK_BACK, confirmed_since, reworded_since
from kb_admin.proposals import decide, propose_similar
from kb_admin.synonym_proposals import propose_synonym
from kb_admin.thesaurus import Shipped, all_groups, owners_of
from kb_admin.upserts import insert_into
from models.errors import Conflict
from models.improvement import Progress, Proposal
from models.knowledge import Phrasing, Version
from models.usage import Question
from models.values import ProposalStatus, VersionStatus

NAME = "learning"
EVERY = timedelta(days=1)
NO_LONGER = "近期的使用记录不再支持这条建议。"


@dataclass(frozen=True)
class Learnt:
    """Proposals after a run."""

    similar: int
    """Open or renewed in this run."""
    synonyms: int
    withdrawn: int
    """Open ones that the log no longer supports."""


def take_turn(session: Session, now: datetime) -> bool:
    """Whether a day has passed since the last run, and nobody else is at it; if so, this one is the next. A new base
    has nothing to teach in its first day."""
    first = insert_into(session, Progress).values(name=NAME, position=0, at=now)
    session.execute(first.on_conflict_do_nothing())
    due = update(Progress).where(Progress.name == NAME, Progress.at <= now - EVERY).values(at=now)
    taken = session.execute(due.returning(Progress.name).execution_options(synchronize_session=False)).all()
    return bool(taken)


def learn(session: Session, language: Language, shipped: Shipped, now: datetime) -> Learnt:
    """Go through the log and bring the proposals up to date; the caller commits."""
    since = now - LOOK_BACK
    confirmed = confirmed_since(session, since)
    renewed: set[int] = set()
    similar = [
        proposal
        for one in similar_questions(confirmed, language)
        if (proposal := _similar(session, one, language, now))
    ]
    reworded = reworded_since(session, since, confirmed)
    said = _said_by_entries(session, {one.entry_id for one in reworded}, language)
    owners = owners_of((held.group for held in all_groups(session, shipped) if not held.removed), shipped.fold)
    synonyms = [
        proposal
        for pair in synonym_pairs(reworded, said, language)
        if shipped.fold(pair.said) not in owners and (proposal := _synonym(session, pair, now))
    ]
    renewed |= {proposal.id for proposal in (*similar, *synonyms)}
    withdrawn = _withdraw(session, renewed, now)
    _note(session, now)
    return Learnt(len(similar), len(synonyms), withdrawn)


def last_run(session: Session) -> datetime | None:
    """When the log was last gone through."""
    return session.scalar(select(Progress.at).where(Progress.name == NAME, Progress.position > 0))


def _similar(session: Session, found: SimilarQuestion, language: Language, now: datetime) -> Proposal | None:
    """None when the entry is gone, or it or another has the question, or people have decided on it."""
    live = session.scalar(
        select(Version).where(Version.entry_id == found.entry_id, Version.status == VersionStatus.PUBLISHED)
    )
    if live is None or _asked_by_others(session, found):
        return None
    core = core_of(found.text, language)
    if any(core_of(text, language) == core for text in (live.question, *live.similar)):
        return None
    evidence = {"from": "confirmed", "question_ids": list(found.question_ids)}
    try:
        return propose_similar(
            session,
            live.entry,
            found.text,
            evidence=evidence,
            support=found.support,
            against=found.against,
            actor=None,
            now=now,
        )
    except Conflict:  # decided before, or in a version on its way
        return None


def _asked_by_others(session: Session, found: SimilarQuestion) -> bool:
    """Whether another live entry has exactly this question."""
    same = (
        select(Phrasing.id)
        .join(Version, Version.id == Phrasing.version_id)
        .where(
            Phrasing.text == found.text,
            Version.status == VersionStatus.PUBLISHED,
            Version.entry_id != found.entry_id,
        )
    )
    return session.scalar(same.limit(1)) is not None


def _synonym(session: Session, pair: SynonymPair, now: datetime) -> Proposal | None:
    evidence = {"from": "reworded", "pairs": [list(ids) for ids in pair.pairs]}
    return propose_synonym(
        session, pair.said, pair.meant, evidence=evidence, support=pair.support, against=pair.against, now=now
    )


def _said_by_entries(session: Session, entry_ids: Iterable[int], language: Language) -> dict[int, str]:
    """All that the live versions say, folded."""
    live = select(Version).where(Version.entry_id.in_(entry_ids), Version.status == VersionStatus.PUBLISHED)
    return {
        version.entry_id: "\n".join(
            map(
                language.fold,
                (version.question, *version.similar, version.answer, *(keyword.text for keyword in version.keywords)),
            )
        )
        for version in session.scalars(live)
    }


def _withdraw(session: Session, renewed: set[int], now: datetime) -> int:
    own = select(Proposal).where(Proposal.status == ProposalStatus.OPEN, Proposal.made_by_id.is_(None))
    gone = [proposal for proposal in session.scalars(own) if proposal.id not in renewed]
    for proposal in gone:
        decide(session, proposal, ProposalStatus.UNDONE, actor=None, now=now, remark=NO_LONGER)
    return len(gone)


def _note(session: Session, now: datetime) -> None:
    last = session.scalar(select(func.max(Question.id))) or 0
    values = {"position": max(1, last), "at": now}
    note = insert_into(session, Progress).values(name=NAME, **values)
    session.execute(note.on_conflict_do_update(index_elements=["name"], set_=values))
