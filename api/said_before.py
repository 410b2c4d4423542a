"""What a person has already said of the answers to the same words, so that nothing is said twice by accident."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from kb_admin.feedback import first_moment_of_day
from models.usage import Gap, Question, Verdict

SHIFT = timedelta(hours=12)
"""A verdict stands beside the same words for a shift; the next day's agent looks at the answer afresh."""


@dataclass(frozen=True)
class SaidBefore:
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    """The last one on each version."""
    gap: Gap | None = None
    """Recorded for this very question."""
    earlier_gap: Gap | None = None
    """Recorded when the same words were asked before."""


def said_before(session: Session, question_id: int, *, now: datetime) -> SaidBefore:
    """Of the one who asked: gaps on the same words in this shift, and verdicts: in a call those given in it, for the
    next caller's answer is judged anew; outside calls those on the same words in this shift."""
    asked = session.get_one(Question, question_id)
    same_words = and_(
        Question.person_id == asked.person_id,
        Question.asked_at > now - SHIFT,
        Question.text == asked.text,
    )
    outside = and_(same_words, Question.call_id.is_(None))
    alike = outside if asked.call_id is None else Question.call_id == asked.call_id
    judged = select(Verdict).join(Question, Question.id == Verdict.question_id).where(alike)
    judged = judged.where(Verdict.given_at >= first_moment_of_day(now))  # an earlier one is not corrected any more
    recorded = select(Gap).join(Question, Question.id == Gap.question_id).where(same_words)
    verdicts = session.scalars(judged.where(Verdict.person_id == asked.person_id).order_by(Verdict.at, Verdict.id))
    gaps = list(session.scalars(recorded.where(Gap.person_id == asked.person_id).order_by(Gap.at, Gap.id)))
    return SaidBefore(
        verdicts={verdict.version_id: verdict for verdict in verdicts},
        gap=next((gap for gap in gaps if gap.question_id == question_id), None),
        earlier_gap=gaps[-1] if gaps else None,
    )
