"""Which questions of a call had no good answer, and why; each is written down once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import feedback
from kb_admin.gap_material import Heard, HeardCall, collect, material_of
from kb_admin.gap_words import close_in_words, says_something
from models.improvement import GapItem
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.usage import Gap, Question, ShownAnswer
from models.values import Ending, FaultReason, GapSignal, Judgement, Outcome, UseKind
from tests.cast import LOST_CARD, NOW, Cast, published

MINUTE = timedelta(minutes=1)
S, O = GapSignal, Outcome  # noqa: E741
CARD, AGAIN, OTHER = "社保卡丢了怎么补办", "社保卡补办要带什么", "居住证在哪里办理"


def call(*questions: Heard, ending: Ending | None = None, minutes: int = 9) -> HeardCall:
    return HeardCall(questions, NOW + minutes * MINUTE, ending)


def heard(number: int, text: str, outcome: Outcome, **done: object) -> Heard:
    """Asked that many minutes after the call began."""
    return Heard(number, text, NOW + number * MINUTE, outcome, **done)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "signals"),
    [
        (call(heard(1, CARD, O.DIRECT, gap_id=3, gap_text="补卡")), [S.RECORDED]),
        (call(heard(1, CARD, O.NONE, gap_id=3, gap_text="补卡")), [S.RECORDED]),
        (call(heard(1, CARD, O.DIRECT, wrong=True, touched=True)), [S.JUDGED_WRONG]),
        (call(heard(1, CARD, O.CHOOSE, wrong=True, right=True)), []),
        (call(heard(1, CARD, O.NONE)), [S.NO_ANSWER]),
        (call(heard(1, CARD, O.NONE, right=True)), []),
        (call(heard(1, CARD, O.DIRECT), heard(2, AGAIN, O.DIRECT)), [S.REFORMULATED]),
        (call(heard(1, CARD, O.DIRECT), heard(2, OTHER, O.DIRECT, right=True)), []),
        (call(heard(1, CARD, O.CHOOSE), heard(2, OTHER, O.DIRECT, right=True)), [S.REFORMULATED]),
        (call(heard(1, CARD, O.CHOOSE), heard(2, OTHER, O.DIRECT)), [S.LOW_CONFIDENCE]),
        (call(heard(1, CARD, O.CHOOSE)), [S.LOW_CONFIDENCE]),
        (call(heard(1, CARD, O.CHOOSE, touched=True)), []),
        (call(heard(1, CARD, O.DIRECT)), []),
        (call(heard(1, CARD, O.DIRECT), ending=Ending.BROKEN_OFF), [S.ABANDONED]),
        (call(heard(1, CARD, O.DIRECT, touched=True), ending=Ending.BROKEN_OFF), []),
        (call(heard(1, OTHER, O.DIRECT, right=True), heard(2, CARD, O.DIRECT), ending=Ending.BROKEN_OFF), []),
        (call(heard(1, "喂，您好，听得到吗", O.NONE), heard(2, "谢谢", O.NONE)), []),
    ],
)
def test_the_first_sign_that_fits(what: HeardCall, signals: list[GapSignal]) -> None:
    assert [found.signal for found in material_of(what)] == signals


def test_time_is_lost_until_the_next_question_or_the_end_and_ten_minutes_at_most() -> None:
    asked = (heard(1, CARD, O.NONE), heard(3, OTHER, O.NONE))
    assert [found.lost_seconds for found in material_of(call(*asked, minutes=9))] == [120, 360]
    assert [found.lost_seconds for found in material_of(call(*asked, minutes=60))] == [120, 600]


@pytest.mark.parametrize(
    "text", ["喂", "您好请问在吗", "谢谢再见", "12345", "？？？", "嗯嗯好的", "想咨询一下", "测试 test"]
)
def test_chit_chat_is_no_gap(text: str) -> None:
    assert not says_something(text)


@pytest.mark.parametrize("text", ["医保", "落户", "您好，请问社保卡丢了怎么办", "停水了", "ETC 怎么办", "办证"])
def test_a_matter_is(text: str) -> None:
    assert says_something(text)


def test_closeness_looks_at_the_matter_alone() -> None:
    assert close_in_words("请问社保卡丢了怎么办", "社保卡补办")
    assert not close_in_words("请问社保卡丢了怎么办", "请问居住证在哪里办")


@pytest.fixture
def version(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD, code="SB-001")


def a_call(session: Session, cast: Cast, *, ended: bool = True, at: datetime = NOW) -> IncomingCall:
    made = IncomingCall(person_id=cast.agent.id, started_at=at, ended_at=at + 5 * MINUTE if ended else None)
    session.add(made)
    session.flush()
    return made


def ask(session: Session, cast: Cast, text: str, outcome: Outcome, **more: object) -> Question:
    """``call``, ``version`` that was shown, ``at``."""
    held, version = more.get("call"), more.get("version")
    question = Question(
        text=text,
        person_id=cast.agent.id,
        call_id=held.id if isinstance(held, IncomingCall) else None,
        asked_at=more.get("at", NOW),
        outcome=outcome,
        took_ms=1.0,
        shown=[ShownAnswer(rank=1, version_id=version.id, score=0.5)] if isinstance(version, Version) else [],
    )
    session.add(question)
    session.flush()
    return question


def collected(session: Session, now: datetime = NOW + 10 * MINUTE) -> dict[str, GapSignal]:
    collect(session, now)
    session.commit()
    return {item.text: item.signal for item in session.scalars(select(GapItem).order_by(GapItem.id))}


def test_a_call_is_looked_at_when_it_is_over(session: Session, cast: Cast, version: Version) -> None:
    held = a_call(session, cast, ended=False)
    ask(session, cast, CARD, O.NONE, call=held)
    assert collected(session) == {}
    held.ended_at = NOW + 20 * MINUTE
    assert collected(session) == {}  # not yet at that moment
    assert collected(session, NOW + 21 * MINUTE) == {CARD: S.NO_ANSWER}
    assert session.scalars(select(GapItem)).one().lost_seconds == 600


def test_a_call_that_is_ended_hours_later_at_its_last_act_is_not_missed(session: Session, cast: Cast) -> None:
    """The call platform never told the end; meanwhile others' calls were looked at again and again."""
    held = a_call(session, cast, ended=False)
    ask(session, cast, CARD, O.NONE, call=held)
    for hours in range(1, 10):
        assert collected(session, NOW + timedelta(hours=hours)) == {}
    held.ended_at = NOW + MINUTE
    assert collected(session, NOW + timedelta(hours=10)) == {CARD: S.NO_ANSWER}


def test_what_was_done_with_the_answers_counts(session: Session, cast: Cast, version: Version) -> None:
    opened = ask(session, cast, CARD, O.CHOOSE, call=a_call(session, cast), version=version)
    session.add(AnswerUse(question_id=opened.id, version_id=version.id, kind=UseKind.OPENED, at=NOW))
    answered = a_call(session, cast)
    answered.ending, answered.version_id = Ending.ANSWERED, version.id
    ask(session, cast, AGAIN, O.CHOOSE, call=answered, version=version)
    judged = ask(session, cast, OTHER, O.CHOOSE, call=a_call(session, cast), version=version)
    feedback.judge(
        session,
        question_id=judged.id,
        version_id=version.id,
        judgement=Judgement.INCORRECT,
        reason=FaultReason.OFF_TOPIC,
        note="",
        actor=cast.agent,
        now=NOW,
    )
    assert collected(session) == {OTHER: S.JUDGED_WRONG}


def test_a_recorded_gap_counts_in_the_callers_words_once_it_cannot_be_taken_back(session: Session, cast: Cast) -> None:
    question = ask(session, cast, CARD, O.DIRECT)
    actor, soon = cast.agent, NOW + MINUTE / 2
    feedback.record_gap(session, question_id=question.id, text="卡没了上哪补", note="", actor=actor, now=NOW)
    feedback.record_gap(session, question_id=None, text="停机坪怎么预约", note="", actor=actor, now=NOW)
    assert collected(session, soon) == {}
    assert collected(session) == {"卡没了上哪补": S.RECORDED, "停机坪怎么预约": S.RECORDED}
    assert collected(session, NOW + 40 * MINUTE) == {"卡没了上哪补": S.RECORDED, "停机坪怎么预约": S.RECORDED}


def test_a_gap_recorded_later_is_added_to_its_question(session: Session, cast: Cast) -> None:
    question = ask(session, cast, CARD, O.NONE, call=a_call(session, cast))
    assert collected(session) == {CARD: S.NO_ANSWER}
    later = NOW + 30 * MINUTE
    feedback.record_gap(session, question_id=question.id, text="补卡", note="", actor=cast.agent, now=later)
    assert collected(session, later + 2 * MINUTE) == {CARD: S.RECORDED}
    item = session.scalars(select(GapItem)).one()
    assert item.gap_id == session.scalars(select(Gap.id)).one()


def test_questions_outside_calls_are_no_material(session: Session, cast: Cast) -> None:
    ask(session, cast, CARD, O.NONE)
    assert collected(session) == {}


def test_a_long_log_is_taken_in_once(session: Session, cast: Cast) -> None:
    for number in range(30):
        held = a_call(session, cast, at=NOW - number * timedelta(days=1))
        ask(session, cast, f"第{number}件事怎么办理", O.NONE, call=held, at=held.started_at)
    assert len(collected(session)) == 30
    assert collect(session, NOW + 11 * MINUTE) == 0
