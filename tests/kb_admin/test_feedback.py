"""Verdicts on exactly what was shown, and gaps in the caller's words."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin.feedback import judge, record_gap
from models.errors import Forbidden, Invalid, NotFound
from models.knowledge import Version
from models.organisation import Person
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import FaultReason, Judgement, Outcome
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published


@pytest.fixture
def shown(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD)


@pytest.fixture
def question(session: Session, cast: Cast, shown: Version) -> Question:
    return _asked(session, cast.agent, shown)


def test_a_verdict_is_on_the_version_that_was_shown(
    session: Session, cast: Cast, question: Question, shown: Version
) -> None:
    verdict = _judge(session, question, shown, cast.agent, Judgement.CORRECT)
    assert (verdict.version_id, verdict.person_id, verdict.judgement) == (
        shown.id,
        cast.agent.id,
        Judgement.CORRECT,
    )


def test_judging_again_corrects_the_verdict(session: Session, cast: Cast, question: Question, shown: Version) -> None:
    first = _judge(session, question, shown, cast.agent, Judgement.CORRECT)
    session.commit()
    fault, said = FaultReason.OUTDATED, "费用已取消"
    second = _judge(session, question, shown, cast.agent, Judgement.INCORRECT, reason=fault, note=said)
    session.commit()
    assert second.id == first.id
    assert session.scalar(select(func.count()).select_from(Verdict)) == 1
    assert (second.judgement, second.reason, second.note) == (
        Judgement.INCORRECT,
        fault,
        said,
    )


def test_a_version_that_was_not_shown_cannot_be_judged(session: Session, cast: Cast, question: Question) -> None:
    elsewhere = published(session, RESIDENCE_PERMIT)
    with pytest.raises(NotFound):
        _judge(session, question, elsewhere, cast.agent, Judgement.CORRECT)


def test_somebody_elses_question_cannot_be_judged(
    session: Session, cast: Cast, question: Question, shown: Version
) -> None:
    with pytest.raises(NotFound):
        _judge(session, question, shown, cast.office, Judgement.CORRECT)


def test_a_fault_needs_a_reason_and_praise_has_none(
    session: Session, cast: Cast, question: Question, shown: Version
) -> None:
    with pytest.raises(Invalid, match="原因"):
        _judge(session, question, shown, cast.agent, Judgement.INCORRECT)
    with pytest.raises(Invalid, match="原因"):
        _judge(session, question, shown, cast.agent, Judgement.CORRECT, reason=FaultReason.OTHER)


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader", "county_office", "analyst", "stranger"])
def test_who_does_not_answer_calls_neither_judges_nor_records(
    who: str, session: Session, cast: Cast, shown: Version
) -> None:
    person: Person = getattr(cast, who)
    question = _asked(session, person, shown)
    with pytest.raises(Forbidden):
        _judge(session, question, shown, person, Judgement.CORRECT)
    with pytest.raises(Forbidden):
        _record(session, person, question.id)


def test_a_gap_keeps_the_words_of_the_question(session: Session, cast: Cast, question: Question) -> None:
    gap = _record(session, cast.agent, question.id)
    assert (gap.text, gap.person_id, gap.at) == ("社保卡掉了咋整", cast.agent.id, NOW)


def test_one_question_has_one_gap_and_recording_again_corrects_it(
    session: Session, cast: Cast, question: Question
) -> None:
    first = _record(session, cast.agent, question.id)
    second = _record(session, cast.agent, question.id, text="社保卡在外地掉了", note="人在外省")
    session.commit()
    assert session.scalar(select(func.count()).select_from(Gap)) == 1
    assert (second.id, second.text, second.note) == (first.id, "社保卡在外地掉了", "人在外省")


def test_a_gap_needs_no_question_but_words(session: Session, cast: Cast) -> None:
    assert _record(session, cast.agent, None, text="直升机停机坪怎么申请").question_id is None
    with pytest.raises(Invalid, match="来电人"):
        _record(session, cast.agent, None, text="  ")


def test_somebody_elses_question_is_not_ones_gap(session: Session, cast: Cast, question: Question) -> None:
    with pytest.raises(NotFound):
        _record(session, cast.office, question.id)


@pytest.mark.parametrize("note", ["甲" * 2001, "甲\0乙", "甲\ud800乙"])
def test_a_note_that_is_too_long_or_unreadable_is_refused(
    note: str, session: Session, cast: Cast, question: Question
) -> None:
    with pytest.raises(Invalid, match="补充说明"):
        _record(session, cast.agent, question.id, note=note)


def _asked(session: Session, person: Person, version: Version) -> Question:
    shown = [ShownAnswer(rank=1, version_id=version.id, score=0.5)]
    question = Question(
        text="社保卡掉了咋整",
        person_id=person.id,
        asked_at=NOW - DAY,
        outcome=Outcome.CHOOSE,
        took_ms=1,
        shown=shown,
    )
    session.add(question)
    session.commit()
    return question


def _judge(
    session: Session,
    question: Question,
    version: Version,
    actor: Person,
    judgement: Judgement,
    *,
    reason: FaultReason | None = None,
    note: str = "",
) -> Verdict:
    return judge(
        session,
        question_id=question.id,
        version_id=version.id,
        judgement=judgement,
        reason=reason,
        note=note,
        actor=actor,
        now=NOW,
    )


def _record(session: Session, actor: Person, question_id: int | None, *, text: str = "", note: str = "") -> Gap:
    return record_gap(session, question_id=question_id, text=text, note=note, actor=actor, now=NOW)
