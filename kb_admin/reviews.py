"""定期回顾检查 (梅州 art. 8(3)): each month a unit looks at each of its entries and says what it found."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import audit, lifecycle
from kb_admin.courses import is_party, require_party
from kb_admin.permissions import grants_of
from kb_admin.review_progress import ToReview, complete_if_done, period_of, progress, review_queue
from kb_admin.routes import MoveName
from kb_admin.rulebook import Party
from kb_admin.taking_effect import settle
from kb_admin.wording import readable
from models.duties import EntryReview, Finding
from models.errors import Conflict, Invalid
from models.knowledge import Entry, Version
from models.organisation import Person

__all__ = ["ToReview", "may_review", "period_of", "progress", "review_entry", "review_queue"]

REVIEWERS = (Party.EDITOR, Party.REVIEWER)
LONGEST_NOTE = 500


def may_review(person: Person, entry: Entry) -> bool:
    """Whether the person looks at this entry for its unit."""
    return is_party(grants_of(person), REVIEWERS, entry.unit)


def review_entry(
    session: Session, entry: Entry, finding: Finding, note: str, *, actor: Person, now: datetime
) -> EntryReview:
    """Record what somebody of the unit found in the live version. Who has looked may correct their own finding.

    What is found invalid is marked so at once if the actor may; otherwise whoever may sees it in the list. With the
    last entry the month's notice to the unit is done. Raises Conflict when a colleague has looked already.
    """
    require_party(REVIEWERS, entry.unit, actor, doing="回顾检查")
    words = readable(note, name="说明", longest=LONGEST_NOTE)
    if finding is Finding.INVALID and not words:
        raise Invalid("判为已失效时请写明原因。")
    settle(session, [entry.id], now)
    live = lifecycle.live_version(session, entry.id)
    if live is None:
        raise Conflict(f"条目 {entry.code} 没有在用的版本，不需要回顾检查。")
    review = _record(session, live, finding, words, actor=actor, now=now)
    details = {"period": review.period, "finding": finding.value, "note": words}
    subject = f"entry:{entry.code}/v{live.number}"
    audit.record(session, actor=actor, act="review", subject=subject, details=details, now=now)
    if finding is Finding.INVALID and _may_mark(session, live, actor, now):
        lifecycle.mark_invalid(session, live, words, actor=actor, now=now)
    complete_if_done(session, entry.unit, review.period, actor=actor, now=now)
    return review


def _record(
    session: Session, live: Version, finding: Finding, note: str, *, actor: Person, now: datetime
) -> EntryReview:
    """One record for each entry and month, whoever is first."""
    entry, period = live.entry, period_of(now)
    known = select(EntryReview).where(EntryReview.entry_id == entry.id, EntryReview.period == period)
    review = session.scalar(known)
    if review is None:
        review = EntryReview(entry=entry, period=period, person=actor)
        _say(review, live, finding, note, now)
        try:
            with session.begin_nested():
                session.add(review)
        except IntegrityError:  # a colleague has just done the same
            review = session.scalars(known).one()
    if review.person_id != actor.id:
        raise Conflict(f"{review.person.name}本月已检查过条目 {entry.code}，结论是“{review.finding.label}”。")
    _say(review, live, finding, note, now)
    session.flush()
    return review


def _say(review: EntryReview, live: Version, finding: Finding, note: str, now: datetime) -> None:
    review.version, review.finding, review.note, review.at = live, finding, note, now


def _may_mark(session: Session, live: Version, actor: Person, now: datetime) -> bool:
    moves = lifecycle.possible_moves(session, live, grants_of(actor), now)
    return any(move.name is MoveName.MARK_INVALID for move in moves)
