"""What a person has already said of the answers to the same words, so that nothing is said twice by accident."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

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
    """Verdicts and gaps of the one who asked, on this question and on the same words in this shift."""
    asked = session.get_one(Question, question_id)
    alike = (
        Question.person_id == asked.person_id,
        Question.asked_at > now - SHIFT,
        Question.text == asked.text,
    )
    judged = select(Verdict).join(Question, Question.id == Verdict.question_id).where(*alike)
    recorded = select(Gap).join(Question, Question.id == Gap.question_id).where(*alike)
    verdicts = session.scalars(judged.where(Verdict.person_id == asked.person_id).order_by(Verdict.at, Verdict.id))
    gaps = list(session.scalars(recorded.where(Gap.person_id == asked.person_id).order_by(Gap.at, Gap.id)))
    return SaidBefore(
        verdicts={verdict.version_id: verdict for verdict in verdicts},
        gap=next((gap for gap in gaps if gap.question_id == question_id), None),
        earlier_gap=gaps[-1] if gaps else None,
    )
