"""What the log holds that can be learnt from: confirmed and rejected answers, and questions asked anew in one call."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session, aliased

from kb_admin.learning import Confirmed, Reworded
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.usage import Question, ShownAnswer, Verdict
from models.values import Ending, FaultReason, Judgement, UseKind

LOOK_BACK = timedelta(days=180)
"""Older use speaks of an older base."""
NOT_THE_ENTRY = (FaultReason.OFF_TOPIC, FaultReason.OTHER)
"""Of these faults the wrong entry may be the cause; the others say that the right entry's answer is bad."""


def confirmed_since(session: Session, since: datetime) -> list[Confirmed]:
    """Every verdict on an answer to a question since then; and each answer copied in a call that ended with it."""
    judged = (
        select(*_of_question(), Version.entry_id, Verdict.judgement, Verdict.at)
        .join(Verdict, Verdict.question_id == Question.id)
        .join(Version, Version.id == Verdict.version_id)
        .outerjoin(IncomingCall, IncomingCall.id == Question.call_id)
        .where(Question.asked_at >= since)
        .order_by(Verdict.id)
    )
    found = [
        Confirmed(id_, text, _asker(caller, person_id, id_), entry_id, judgement is Judgement.CORRECT, at)
        for id_, text, person_id, caller, entry_id, judgement, at in session.execute(judged)
    ]
    told = {(one.question_id, one.entry_id) for one in found}
    return [*found, *(one for one in _copied(session, since) if (one.question_id, one.entry_id) not in told)]


def off_topic_since(session: Session, since: datetime) -> list[tuple[int, int]]:
    """Questions and the entries that were judged not to be about them."""
    judged = (
        select(Verdict.question_id, Version.entry_id)
        .join(Version, Version.id == Verdict.version_id)
        .join(Question, Question.id == Verdict.question_id)
        .where(Question.asked_at >= since, Verdict.reason.in_(NOT_THE_ENTRY))
    )
    return [(question_id, entry_id) for question_id, entry_id in session.execute(judged.distinct())]


def reworded_since(session: Session, since: datetime, confirmed: Iterable[Confirmed]) -> list[Reworded]:
    """Pairs of questions of one call: an earlier one for which nothing was confirmed, and that did not show the entry
    first, and the later one for which the entry was."""
    right: dict[int, int] = {one.question_id: one.entry_id for one in confirmed if one.right}
    found = []
    for questions in _calls_with_several(session, since, right):
        for place, (second_id, second, _) in enumerate(questions):
            if second_id not in right:
                continue
            entry_id = right[second_id]
            for first_id, first, shown_first in questions[:place]:
                if first_id not in right and shown_first != entry_id:
                    found.append(Reworded(questions[0][0], first_id, first, second_id, second, entry_id))
    return found


def _copied(session: Session, since: datetime) -> list[Confirmed]:
    answered = aliased(Version)
    query = (
        select(*_of_question(), Version.entry_id, AnswerUse.at)
        .join(AnswerUse, AnswerUse.question_id == Question.id)
        .join(IncomingCall, IncomingCall.id == Question.call_id)
        .join(Version, Version.id == AnswerUse.version_id)
        .join(answered, and_(answered.id == IncomingCall.version_id, answered.entry_id == Version.entry_id))
        .where(
            Question.asked_at >= since,
            AnswerUse.kind == UseKind.COPIED,
            IncomingCall.ending == Ending.ANSWERED,
        )
        .order_by(AnswerUse.id)
    )
    return [
        Confirmed(id_, text, _asker(caller, person_id, id_), entry_id, True, at)
        for id_, text, person_id, caller, entry_id, at in session.execute(query)
    ]


def _calls_with_several(
    session: Session, since: datetime, right: Iterable[int]
) -> Iterable[Sequence[tuple[int, str, int | None]]]:
    """The questions of each call that has several, in order, with the entry that each showed first."""
    wanted = frozenset(right)
    several = (
        select(Question.call_id)
        .where(Question.asked_at >= since, Question.call_id.is_not(None))
        .group_by(Question.call_id)
        .having(func.count() > 1)
    )
    query = (
        select(Question.call_id, Question.id, Question.text, Version.entry_id)
        .outerjoin(ShownAnswer, and_(ShownAnswer.question_id == Question.id, ShownAnswer.rank == 1))
        .outerjoin(Version, Version.id == ShownAnswer.version_id)
        .where(Question.call_id.in_(several))
        .order_by(Question.call_id, Question.id)
    )
    calls: dict[int | None, list[tuple[int, str, int | None]]] = defaultdict(list)
    for call_id, id_, text, entry_id in session.execute(query):
        calls[call_id].append((id_, text, entry_id))
    return [questions for questions in calls.values() if any(id_ in wanted for id_, _, _ in questions)]


def _of_question() -> tuple[ColumnElement[int], ColumnElement[str], ColumnElement[int | None], ColumnElement[str]]:
    return Question.id, Question.text, Question.person_id, IncomingCall.caller  # type: ignore[return-value]


def _asker(caller: str | None, person_id: int | None, question_id: int) -> str:
    if caller:
        return f"caller:{caller}"
    return f"person:{person_id}" if person_id is not None else f"question:{question_id}"
