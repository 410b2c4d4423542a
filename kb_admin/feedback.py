"""What people say of an answer, and the questions that nobody could answer."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.permissions import Action, grants_of, require
from kb_admin.upserts import insert_into
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.organisation import Person
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import FaultReason, Judgement

LONGEST_WORDS = 2000
"""Characters of a note or of a caller's words: a page, more than anybody types during a call."""

TIME_TO_TAKE_BACK = timedelta(minutes=1)
"""A slip of the hand is noticed at once; later the office may have begun to work on the gap."""


def judge(
    session: Session,
    *,
    question_id: int,
    version_id: int,
    judgement: Judgement,
    reason: FaultReason | None,
    note: str,
    actor: Person,
    now: datetime,
) -> Verdict:
    """A verdict on a version that was shown to the actor; judging it again corrects the verdict.

    Raises NotFound when the question is not the actor's or did not show the version, Invalid when reason and
    judgement do not go together.
    """
    require(grants_of(actor), Action.JUDGE)
    _own_question(session, question_id, actor)
    if session.scalar(select(ShownAnswer.rank).filter_by(question_id=question_id, version_id=version_id)) is None:
        raise NotFound("这次提问没有给出过该条目，不能评价。")
    if judgement is Judgement.INCORRECT and reason is None:
        raise Invalid("判为有误时请选择原因。")
    if judgement is Judgement.CORRECT and reason is not None:
        raise Invalid("判为正确时不应填写有误的原因。")
    said = {"judgement": judgement, "reason": reason, "note": _note(note), "at": now}
    write = (
        insert_into(session, Verdict)
        .values(question_id=question_id, version_id=version_id, person_id=actor.id, **said)
        .on_conflict_do_update(index_elements=["question_id", "version_id", "person_id"], set_=said)
        .returning(Verdict)
    )
    return session.scalars(write, execution_options={"populate_existing": True}).one()


def record_gap(session: Session, *, question_id: int | None, text: str, note: str, actor: Person, now: datetime) -> Gap:
    """A missing piece of knowledge in the caller's words; without words of its own it takes the question's.

    One gap for each question: recording it again corrects its words and note.
    """
    require(grants_of(actor), Action.RECORD_GAP)
    question = _own_question(session, question_id, actor) if question_id is not None else None
    words = readable(text, name="问题", longest=LONGEST_WORDS) or (question.text if question else "")
    if not words:
        raise Invalid("请写下来电人问的内容。")
    said = {"text": words, "note": _note(note)}
    write = (
        insert_into(session, Gap)
        .values(question_id=question_id, person_id=actor.id, at=now, **said)
        .on_conflict_do_update(index_elements=["question_id"], set_=said)
        .returning(Gap)
    )
    return session.scalars(write, execution_options={"populate_existing": True}).one()


def take_back_gap(session: Session, *, question_id: int, actor: Person, now: datetime) -> Question:
    """Delete the gap that the actor has just recorded for the question. Raises Conflict when it is too late."""
    require(grants_of(actor), Action.RECORD_GAP)
    question = _own_question(session, question_id, actor)
    gap = session.scalar(select(Gap).where(Gap.question_id == question_id, Gap.person_id == actor.id))
    if gap is None:
        raise NotFound("这个问题没有记为知识缺失，或已经撤回。")
    if now - gap.at > TIME_TO_TAKE_BACK:
        raise Conflict("记录已超过一分钟，不能撤回。确实记错时请告诉市热线办。")
    session.delete(gap)
    session.flush()
    return question


def _own_question(session: Session, question_id: int, actor: Person) -> Question:
    question = session.get(Question, question_id)
    if question is None or question.person_id != actor.id:
        raise NotFound("没有找到这次提问的记录。")
    return question


def _note(note: str) -> str:
    return readable(note, name="补充说明", longest=LONGEST_WORDS)
