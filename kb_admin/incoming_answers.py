"""What a call shows of its answers: with which it was answered, and when something last happened in it."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select, union_all
from sqlalchemy.orm import Session

from models.errors import NotFound
from models.incoming import AnswerUse, IncomingCall
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import Judgement, Outcome, Rater, UseKind


def answered_with(session: Session, call: IncomingCall, version_id: int | None = None) -> int | None:
    """The version that the caller was given: the one named, else judged correct last, else copied last, else opened
    last, else the last direct answer, leaving out what the agent judged wrong; None when there was none. Raises
    NotFound for one that was not shown."""
    if version_id is not None:
        if not shown_in(session, call, version_id):
            raise NotFound("这次来电没有给出过该条目。")
        return version_id
    wrong = set(session.scalars(_judged(call, Judgement.INCORRECT)))
    ways = (
        _judged(call, Judgement.CORRECT),
        _used(call, UseKind.COPIED),
        _used(call, UseKind.OPENED),
        _direct(call),
    )
    return next((version for way in ways for version in session.scalars(way) if version not in wrong), None)


def last_act(session: Session, call: IncomingCall) -> datetime:
    """When the agent last did something in the call; its beginning, if nothing."""
    of_call = Question.call_id == call.id
    moments = union_all(
        select(func.max(Question.asked_at).label("at")).where(of_call),
        select(func.max(AnswerUse.at)).join(Question, Question.id == AnswerUse.question_id).where(of_call),
        select(func.max(Verdict.at))
        .join(Question, Question.id == Verdict.question_id)
        .where(of_call, Verdict.rater == Rater.AGENT),
        select(func.max(Gap.at)).join(Question, Question.id == Gap.question_id).where(of_call),
    )
    return max((at for at in session.scalars(moments) if at is not None), default=call.started_at)


def shown_in(session: Session, call: IncomingCall, version_id: int) -> int | None:
    """The last question of the call that showed the version; None when none did."""
    query = (
        select(Question.id)
        .join(ShownAnswer, ShownAnswer.question_id == Question.id)
        .where(Question.call_id == call.id, ShownAnswer.version_id == version_id)
        .order_by(Question.id.desc())
    )
    return session.scalar(query.limit(1))


def was_shown(session: Session, question_id: int, version_id: int) -> bool:
    """Whether the question was answered with that version, at whatever rank."""
    query = select(ShownAnswer.rank).filter_by(question_id=question_id, version_id=version_id)
    return session.scalar(query.limit(1)) is not None


def _judged(call: IncomingCall, judgement: Judgement) -> Select[int]:
    by_agent = (Verdict.rater == Rater.AGENT, Verdict.person_id == call.person_id)
    judged = select(Verdict.version_id).join(Question, Question.id == Verdict.question_id)
    said = judged.where(Question.call_id == call.id, Verdict.judgement == judgement, *by_agent)
    return said.order_by(Verdict.at.desc(), Verdict.id.desc())


def _used(call: IncomingCall, kind: UseKind) -> Select[int]:
    uses = select(AnswerUse.version_id).join(Question, Question.id == AnswerUse.question_id)
    return uses.where(Question.call_id == call.id, AnswerUse.kind == kind).order_by(
        AnswerUse.at.desc(), AnswerUse.id.desc()
    )


def _direct(call: IncomingCall) -> Select[int]:
    first: ColumnElement[bool] = ShownAnswer.rank == 1
    shown = select(ShownAnswer.version_id).join(Question, Question.id == ShownAnswer.question_id)
    direct = shown.where(Question.call_id == call.id, Question.outcome == Outcome.DIRECT, first)
    return direct.order_by(Question.asked_at.desc(), Question.id.desc())
