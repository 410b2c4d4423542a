"""How much each entry has been used of late: what agents opened, copied, answered with, and what was found first."""

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Float, Select, case, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from models.values import Outcome

MONTH = timedelta(days=30)
MONTHS = 3
"""What was asked longer ago says little of what is asked now; each month counts half of the next."""
SHOWN_FIRST = 0.25
ANSWERED_WITH = 2.0
"""Uses that count as so many of an answer opened or copied."""


def use_counts(session: Session, now: datetime) -> dict[int, float]:
    """Uses by entry id over the last months, recent ones in full; entries that nobody used are left out."""
    total: defaultdict[int, float] = defaultdict(float)
    for query in (_opened_or_copied(now), _answered_with(now), _shown_first(now)):
        for entry_id, uses in session.execute(query):
            total[entry_id] += float(uses)
    return dict(total)


def _opened_or_copied(now: datetime) -> Select[int, float]:
    query = select(Version.entry_id, _weighed(AnswerUse.at, now)).join(AnswerUse, AnswerUse.version_id == Version.id)
    return query.where(*_of_late(AnswerUse.at, now)).group_by(Version.entry_id)


def _answered_with(now: datetime) -> Select[int, float]:
    weight = _weighed(IncomingCall.started_at, now) * ANSWERED_WITH
    query = select(Version.entry_id, weight).join(IncomingCall, IncomingCall.version_id == Version.id)
    return query.where(*_of_late(IncomingCall.started_at, now)).group_by(Version.entry_id)


def _shown_first(now: datetime) -> Select[int, float]:
    query = (
        select(Version.entry_id, _weighed(Question.asked_at, now) * SHOWN_FIRST)
        .join(ShownAnswer, ShownAnswer.version_id == Version.id)
        .join(Question, Question.id == ShownAnswer.question_id)
    )
    found = ShownAnswer.rank == 1, Question.outcome == Outcome.DIRECT
    return query.where(*found, *_of_late(Question.asked_at, now)).group_by(Version.entry_id)


def _of_late(at: InstrumentedAttribute[datetime], now: datetime) -> tuple[ColumnElement[bool], ...]:
    return at >= now - MONTHS * MONTH, at <= now


def _weighed(at: InstrumentedAttribute[datetime], now: datetime) -> ColumnElement[float]:
    by_age = [(at >= now - (month + 1) * MONTH, literal(0.5**month, Float)) for month in range(MONTHS)]
    return func.sum(case(*by_age, else_=literal(0.0, Float)))
