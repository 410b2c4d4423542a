"""What people say of an answer, and the questions that nobody could answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin import corrections
from kb_admin.permissions import Action, grants_of, require
from kb_admin.rules_in_force import city_rules
from kb_admin.upserts import insert_into
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.knowledge import Version
from models.organisation import Person
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import CHINA, FaultReason, Judgement, Rater

LONGEST_WORDS = 2000
"""Characters of a note or of a caller's words: a page, more than anybody types during a call."""

TIME_TO_TAKE_BACK = timedelta(minutes=1)
"""A slip of the hand is noticed at once; later the office may have begun to work on the gap."""

UNVOUCHED = "callers-of:"
"""How the key begins under which the unknown callers of one agent count, where no call platform tells of them."""


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
    """A verdict on a version that was shown to the actor; judging it again in the same call, on the same day, corrects
    it. When it takes the entry below the threshold, the correction notice is drafted in the same transaction.

    Raises NotFound when the question is not the actor's or did not show the version, Invalid when reason and
    judgement do not go together, Conflict when the day is over or the day's verdicts are used up.
    """
    require(grants_of(actor), Action.JUDGE)
    question = _own_question(session, question_id, actor)
    by = _By(Rater.AGENT, key_of(actor), actor)
    return _keep(session, question, version_id, by, _Said(judgement, reason, _note(note)), now=now)


def judge_as_citizen(
    session: Session,
    *,
    question: Question,
    version_id: int,
    rater_key: str,
    judgement: Judgement,
    reason: FaultReason | None,
    note: str,
    now: datetime,
) -> Verdict:
    """The same by the caller, who is known by ``rater_key`` only. Whether they may, the edge has seen to."""
    by = _By(Rater.CITIZEN, rater_key, None)
    return _keep(session, question, version_id, by, _Said(judgement, reason, _note(note)), now=now)


def key_of(person: Person) -> str:
    """Under which key a person's verdicts count, however many there are."""
    return f"person:{person.id}"


def occasion_of(question: Question) -> str:
    """The call in which it was asked, else the question itself: of one rater there is one verdict on a version each."""
    return f"question:{question.id}" if question.call_id is None else f"call:{question.call_id}"


def first_moment_of_day(now: datetime) -> datetime:
    """When the day of that moment began in China."""
    return now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class _By:
    rater: Rater
    key: str
    person: Person | None


@dataclass(frozen=True)
class _Said:
    judgement: Judgement
    reason: FaultReason | None
    note: str


def _keep(session: Session, question: Question, version_id: int, by: _By, said: _Said, *, now: datetime) -> Verdict:
    shown = select(ShownAnswer.rank).filter_by(question_id=question.id, version_id=version_id)
    if session.scalar(shown) is None:
        raise NotFound("这次提问没有给出过该条目，不能评价。")
    _check_reason(said)
    occasion = occasion_of(question)
    _check_day(session, version_id, by, occasion, now)
    words = {"question_id": question.id, **vars(said), "at": now}
    write = (
        insert_into(session, Verdict)
        .values(
            version_id=version_id,
            rater=by.rater,
            rater_key=by.key,
            occasion=occasion,
            person_id=by.person.id if by.person else None,
            given_at=now,
            **words,
        )
        .on_conflict_do_update(index_elements=["occasion", "version_id", "rater_key"], set_=words)
        .returning(Verdict)
    )
    verdict = session.scalars(write, execution_options={"populate_existing": True}).one()
    corrections.after_verdict(session, session.get_one(Version, version_id), now=now)
    return verdict


def _check_reason(said: _Said) -> None:
    if said.judgement is Judgement.INCORRECT and said.reason is None:
        raise Invalid("判为有误时请选择原因。")
    if said.judgement is Judgement.CORRECT and said.reason is not None:
        raise Invalid("判为正确时不应填写有误的原因。")


def _check_day(session: Session, version_id: int, by: _By, occasion: str, now: datetime) -> None:
    """A verdict is corrected on the day on which it was given; of new ones a rater has so many a day."""
    day = first_moment_of_day(now)
    mine = select(Verdict.given_at).filter_by(occasion=occasion, version_id=version_id, rater_key=by.key)
    given_at = session.scalar(mine)
    if given_at is not None:
        if given_at < day:
            raise Conflict("评价只能在当天更正，这条评价已经过了当天。再次遇到这个答案时可以重新评价。")
        return
    rule = city_rules(session, now).rulebook.ratings
    one_citizen = by.rater is Rater.CITIZEN and not by.key.startswith(UNVOUCHED)
    most = rule.most_a_day_citizen if one_citizen else rule.most_a_day_agent
    today = select(func.count()).where(Verdict.rater_key == by.key, Verdict.at.between(day, now))
    if (session.scalar(today) or 0) >= most:
        raise Conflict(f"今天已评价 {most} 次，达到一天的上限，请明天再评价。")


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
