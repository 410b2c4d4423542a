"""Calls as they happened: they begin and end by themselves or by a key, and each question belongs to one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import incoming
from kb_admin.advance import advance
from kb_admin.incoming import IDLE, IDLE_WITH_PLATFORM
from kb_admin.service_keys import caller_key
from models.database import sessions
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.incoming import AnswerUse, IncomingCall, ServiceKey
from models.knowledge import Version
from models.organisation import Person, RoleGrant
from models.usage import Question, ShownAnswer, Verdict
from models.values import Ending, FaultReason, Judgement, Matter, Outcome, Rater, Role, UseKind
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
STRANGERS = ["editor", "reviewer", "leader", "county_office", "office", "analyst", "administrator", "stranger"]


@pytest.fixture
def card(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD)


@pytest.fixture
def permit(session: Session, cast: Cast) -> Version:
    return published(session, RESIDENCE_PERMIT)


def asked(
    session: Session, actor: Person, *versions: Version, at: timedelta = timedelta(), outcome: Outcome = Outcome.CHOOSE
) -> Question:
    """A question of the agent, attached to a call."""
    shown = [ShownAnswer(rank=n, version_id=v.id, score=0.5) for n, v in enumerate(versions, start=1)]
    question = Question(text="社保卡", person_id=actor.id, asked_at=NOW + at, outcome=outcome, took_ms=1, shown=shown)
    session.add(question)
    session.flush()
    incoming.attach(session, question, actor, NOW + at)
    session.commit()
    return question


def call_of(session: Session, question: Question) -> IncomingCall:
    return session.get_one(IncomingCall, question.call_id, populate_existing=True)


def other_agent(session: Session) -> Person:
    person = Person(login="zuoxi2", name="丁坐席", password_hash="x", grants=[RoleGrant(role=Role.AGENT)])
    session.add(person)
    session.commit()
    return person


def test_a_call_begins_by_itself_with_the_first_question(session: Session, cast: Cast, card: Version) -> None:
    cast.agent.team = "早班二组"
    first = asked(session, cast.agent, card)
    second = asked(session, cast.agent, card, at=2 * MINUTE)
    call = call_of(session, first)
    assert second.call_id == call.id
    assert (call.person_id, call.team, call.started_at) == (cast.agent.id, "早班二组", NOW)
    assert (call.ended_at, call.ending, call.matter, call.caller, call.reference) == (None, None, None, "", None)


def test_a_call_in_which_nothing_happens_ends_at_its_last_act(session: Session, cast: Cast, card: Version) -> None:
    first = asked(session, cast.agent, card)
    used_at = NOW + 2 * MINUTE
    incoming.use(session, question_id=first.id, version_id=card.id, kind=UseKind.OPENED, actor=cast.agent, now=used_at)
    assert incoming.current(session, cast.agent, used_at + IDLE - SECOND) is not None
    assert incoming.current(session, cast.agent, used_at + IDLE) is None
    call = call_of(session, first)
    assert (call.ended_at, call.ending) == (used_at, None)
    later = asked(session, cast.agent, card, at=3 * MINUTE + IDLE)
    assert later.call_id != call.id


def test_the_worker_ends_what_was_left_open(session: Session, cast: Cast, card: Version) -> None:
    question = asked(session, cast.agent, card)
    assert advance(session, NOW + IDLE - SECOND).calls == 0
    assert advance(session, NOW + IDLE).calls == 1
    assert advance(session, NOW + IDLE).calls == 0
    assert call_of(session, question).ended_at == NOW


def test_where_a_platform_tells_the_end_a_long_silence_ends_nothing(session: Session, cast: Cast) -> None:
    call = incoming.begin(session, actor=cast.agent, now=NOW, reference="T-1")
    assert incoming.end_idle(session, NOW + IDLE_WITH_PLATFORM - SECOND, limit=9) == 0
    assert incoming.current(session, cast.agent, NOW + IDLE_WITH_PLATFORM - SECOND) == call
    assert incoming.end_idle(session, NOW + IDLE_WITH_PLATFORM, limit=9) == 1
    assert call.ended_at == NOW


def test_the_next_call_ends_the_one_before_without_an_ending(session: Session, cast: Cast, card: Version) -> None:
    first = asked(session, cast.agent, card)
    second = incoming.begin(session, actor=cast.agent, now=NOW + MINUTE)
    before = call_of(session, first)
    assert (before.ended_at, before.ending) == (NOW + MINUTE, None)
    assert asked(session, cast.agent, card, at=2 * MINUTE).call_id == second.id


def test_two_agents_have_two_calls(session: Session, cast: Cast, card: Version) -> None:
    theirs = asked(session, other_agent(session), card)
    ours = asked(session, cast.agent, card)
    assert ours.call_id != theirs.call_id
    incoming.end(session, call_of(session, ours), Ending.REFUSED, actor=cast.agent, now=NOW)
    assert call_of(session, theirs).ended_at is None


def test_the_same_reference_again_is_the_same_call(session: Session, cast: Cast) -> None:
    key = caller_key(session, "13800000000", now=NOW)
    first = incoming.begin(session, actor=cast.agent, now=NOW, reference="T-1", caller=key, matter=Matter.HELP)
    again = incoming.begin(session, actor=cast.agent, now=NOW + MINUTE, reference="T-1")
    assert (again.id, again.started_at, again.caller, again.matter) == (first.id, NOW, key, Matter.HELP)
    with pytest.raises(Conflict, match="另一名"):
        incoming.begin(session, actor=other_agent(session), now=NOW, reference="T-1")
    with pytest.raises(Invalid, match="编号"):
        incoming.begin(session, actor=cast.agent, now=NOW, reference=" ")


def test_the_platforms_word_may_come_after_the_first_question(session: Session, cast: Cast, card: Version) -> None:
    question = asked(session, cast.agent, card)
    late = incoming.begin(session, actor=cast.agent, now=NOW + 29 * SECOND, reference="T-1", caller="c" * 64)
    assert (late.id, late.reference, late.caller) == (question.call_id, "T-1", "c" * 64)
    assert late.ended_at is None
    next_one = incoming.begin(session, actor=cast.agent, now=NOW + 30 * SECOND, reference="T-2")
    assert next_one.id != late.id


def test_half_a_minute_later_it_is_another_call(session: Session, cast: Cast, card: Version) -> None:
    question = asked(session, cast.agent, card)
    other = incoming.begin(session, actor=cast.agent, now=NOW + 30 * SECOND, reference="T-1")
    assert other.id != question.call_id


@pytest.mark.parametrize("ending", list(Ending))
def test_a_call_ends_as_the_agent_says(ending: Ending, session: Session, cast: Cast, card: Version) -> None:
    question = asked(session, cast.agent, card)
    call = call_of(session, question)
    incoming.end(session, call, ending, actor=cast.agent, now=NOW + MINUTE, matter=Matter.CONSULTATION)
    session.commit()
    assert (call.ended_at, call.ending, call.matter) == (NOW + MINUTE, ending, Matter.CONSULTATION)
    assert call.version_id is None  # nothing was judged, copied or opened, and nothing was a direct answer
    assert incoming.current(session, cast.agent, NOW + MINUTE) is None


def test_an_answered_call_names_the_version_by_what_was_done_with_it(
    session: Session, cast: Cast, card: Version, permit: Version
) -> None:
    def ended() -> int | None:
        incoming.end(session, call, Ending.ANSWERED, actor=cast.agent, now=NOW + MINUTE)
        return call.version_id

    def used(kind: UseKind, version: Version, seconds: int) -> None:
        at = NOW + seconds * SECOND
        incoming.use(session, question_id=question.id, version_id=version.id, kind=kind, actor=cast.agent, now=at)

    question = asked(session, cast.agent, card, permit, outcome=Outcome.DIRECT)
    call = call_of(session, question)
    assert ended() == card.id  # the direct answer
    used(UseKind.OPENED, permit, 1)
    assert ended() == permit.id
    used(UseKind.COPIED, card, 2)
    used(UseKind.OPENED, permit, 3)  # again: only the first time is kept
    assert ended() == card.id
    judged = {"rater": Rater.AGENT, "rater_key": f"person:{cast.agent.id}", "occasion": f"call:{call.id}"}
    verdict = Verdict(
        **judged,
        question_id=question.id,
        version_id=permit.id,
        person_id=cast.agent.id,
        judgement=Judgement.CORRECT,
        given_at=NOW,
        at=NOW,
    )
    session.add(verdict)
    assert ended() == permit.id
    incoming.end(session, call, Ending.ANSWERED, actor=cast.agent, now=NOW + MINUTE, version_id=card.id)
    assert call.version_id == card.id
    assert session.scalar(select(func.count()).select_from(AnswerUse)) == 2


def test_an_answer_that_was_not_shown_answered_nothing(
    session: Session, cast: Cast, card: Version, permit: Version
) -> None:
    call = call_of(session, asked(session, cast.agent, card))
    with pytest.raises(NotFound):
        incoming.end(session, call, Ending.ANSWERED, actor=cast.agent, now=NOW, version_id=permit.id)
    with pytest.raises(Invalid):
        incoming.end(session, call, Ending.REFUSED, actor=cast.agent, now=NOW, version_id=card.id)


def test_an_ending_is_corrected_on_the_same_day_only(session: Session, cast: Cast, card: Version) -> None:
    call = call_of(session, asked(session, cast.agent, card, outcome=Outcome.DIRECT))
    incoming.end(session, call, Ending.ANSWERED, actor=cast.agent, now=NOW)
    incoming.end(session, call, Ending.WORK_ORDER, actor=cast.agent, now=NOW + MINUTE)
    assert (call.ending, call.version_id, call.ended_at) == (Ending.WORK_ORDER, None, NOW)
    incoming.end(session, call, None, actor=cast.agent, now=NOW + 2 * MINUTE)  # the platform, after the agent
    assert call.ending is Ending.WORK_ORDER
    with pytest.raises(Conflict, match="当天"):
        incoming.end(session, call, Ending.ANSWERED, actor=cast.agent, now=NOW + DAY)
    with pytest.raises(Conflict, match="当天"):
        incoming.say_matter(session, call, Matter.HELP, actor=cast.agent, now=NOW + DAY)


def test_the_matter_is_said_during_the_call_or_on_the_same_day(session: Session, cast: Cast, card: Version) -> None:
    call = call_of(session, asked(session, cast.agent, card))
    incoming.say_matter(session, call, Matter.COMPLAINT, actor=cast.agent, now=NOW)
    incoming.end(session, call, Ending.WORK_ORDER, actor=cast.agent, now=NOW)
    assert call.matter is Matter.COMPLAINT
    incoming.say_matter(session, call, None, actor=cast.agent, now=NOW)
    assert call.matter is None


@pytest.mark.parametrize("who", STRANGERS)
def test_who_takes_no_calls_has_none(who: str, session: Session, cast: Cast, card: Version) -> None:
    person: Person = getattr(cast, who)
    question = asked(session, cast.agent, card)
    call = call_of(session, question)
    with pytest.raises(Forbidden):
        incoming.begin(session, actor=person, now=NOW)
    with pytest.raises(Forbidden):
        incoming.end(session, call, Ending.ANSWERED, actor=person, now=NOW)
    with pytest.raises(Forbidden):
        incoming.say_matter(session, call, Matter.HELP, actor=person, now=NOW)
    with pytest.raises(Forbidden):
        incoming.use(session, question_id=question.id, version_id=card.id, kind=UseKind.OPENED, actor=person, now=NOW)


def test_another_agents_call_does_not_exist(session: Session, cast: Cast, card: Version, permit: Version) -> None:
    question = asked(session, cast.agent, card)
    call, other = call_of(session, question), other_agent(session)
    with pytest.raises(NotFound):
        incoming.end(session, call, Ending.ANSWERED, actor=other, now=NOW)
    with pytest.raises(NotFound):
        incoming.say_matter(session, call, Matter.HELP, actor=other, now=NOW)
    for version, actor in ((card, other), (permit, cast.agent)):
        with pytest.raises(NotFound):
            incoming.use(
                session, question_id=question.id, version_id=version.id, kind=UseKind.COPIED, actor=actor, now=NOW
            )


def test_two_windows_at_once_open_one_call(engine: Engine, session: Session, cast: Cast) -> None:
    together = threading.Barrier(2, timeout=10)

    def ask(_n: int) -> int | None:
        with sessions(engine)() as mine:
            agent = mine.get_one(Person, cast.agent.id)
            question = Question(text="甲", person_id=agent.id, asked_at=NOW, outcome=Outcome.NONE, took_ms=1)
            together.wait()
            mine.add(question)
            mine.flush()
            incoming.attach(mine, question, agent, NOW)
            mine.commit()
            return question.call_id

    with ThreadPoolExecutor(2) as pool:
        calls = set(pool.map(ask, range(2)))
    assert len(calls) == 1
    assert session.scalar(select(func.count()).select_from(IncomingCall)) == 1


def test_two_begin_at_once_with_one_reference(engine: Engine, session: Session, cast: Cast, card: Version) -> None:
    asked(session, cast.agent, card, at=-MINUTE)
    together = threading.Barrier(2, timeout=10)

    def begin(_n: int) -> int:
        with sessions(engine)() as mine:
            agent = mine.get_one(Person, cast.agent.id)
            together.wait()
            call = incoming.begin(mine, actor=agent, now=NOW, reference="T-1")
            mine.commit()
            return call.id

    with ThreadPoolExecutor(2) as pool:
        calls = set(pool.map(begin, range(2)))
    assert len(calls) == 1
    open_calls = select(func.count()).select_from(IncomingCall).where(IncomingCall.ended_at.is_(None))
    assert session.scalar(open_calls) == 1


def test_a_question_asked_while_the_call_ends_elsewhere_is_never_lost(
    engine: Engine, session: Session, cast: Cast, card: Version
) -> None:
    call = call_of(session, asked(session, cast.agent, card))
    together = threading.Barrier(2, timeout=10)

    def end() -> None:
        with sessions(engine)() as mine:
            agent = mine.get_one(Person, cast.agent.id)
            together.wait()
            same = mine.get_one(IncomingCall, call.id)
            incoming.end(mine, same, Ending.ANSWERED, actor=agent, now=NOW + MINUTE)
            mine.commit()

    def ask() -> int | None:
        with sessions(engine)() as mine:
            agent = mine.get_one(Person, cast.agent.id)
            asked_at = NOW + MINUTE
            question = Question(text="甲", person_id=agent.id, asked_at=asked_at, outcome=Outcome.NONE, took_ms=1)
            together.wait()
            mine.add(question)
            mine.flush()
            incoming.attach(mine, question, agent, asked_at)
            mine.commit()
            return question.call_id

    with ThreadPoolExecutor(2) as pool:
        ended, question_call = pool.submit(end), pool.submit(ask)
        ended.result()
        assert question_call.result() is not None
    session.expire_all()
    assert session.get_one(IncomingCall, call.id).ending is Ending.ANSWERED


def test_the_database_knows_one_caller_on_the_line(session: Session, cast: Cast) -> None:
    incoming.begin(session, actor=cast.agent, now=NOW)
    session.add(IncomingCall(person_id=cast.agent.id, started_at=NOW))
    with pytest.raises(IntegrityError):
        session.flush()


@pytest.mark.parametrize("number", ["+86 138-0000-0000", "013800000000", "8613800000000", "１３８００００００００"])
def test_one_number_is_one_caller_however_it_is_written(number: str, session: Session) -> None:
    plain = caller_key(session, "13800000000", now=NOW)
    assert caller_key(session, number, now=NOW + DAY) == plain
    assert len(plain) == 64
    assert "138" not in session.scalars(select(ServiceKey.value)).one()


@pytest.mark.parametrize(("one", "another"), [("13800000000", "13800000001"), ("0763-3300000", "3300000")])
def test_two_numbers_are_two_callers(one: str, another: str, session: Session) -> None:
    assert caller_key(session, one, now=NOW) != caller_key(session, another, now=NOW)


def test_no_number_is_no_caller(session: Session) -> None:
    assert [caller_key(session, number, now=NOW) for number in ("", "anonymous", " ")] == ["", "", ""]
    with pytest.raises(Invalid) as refused:
        caller_key(session, "1" * 65, now=NOW)
    assert "111" not in str(refused.value)


def test_two_processes_make_one_key(engine: Engine) -> None:
    together = threading.Barrier(2, timeout=10)

    def key(_n: int) -> str:
        with sessions(engine)() as mine:
            together.wait()
            made = caller_key(mine, "12345", now=NOW)
            mine.commit()
            return made

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(key, range(2)))) == 1


def test_the_matter_of_a_day_that_is_over_stands_still(session: Session, cast: Cast, card: Version) -> None:
    """Also where nothing is said of the ending."""
    call = call_of(session, asked(session, cast.agent, card))
    incoming.end(session, call, None, actor=cast.agent, now=NOW + MINUTE, matter=Matter.HELP)
    with pytest.raises(Conflict, match="当天"):
        incoming.end(session, call, None, actor=cast.agent, now=NOW + DAY, matter=Matter.COMPLAINT)
    session.rollback()
    incoming.end(session, call, None, actor=cast.agent, now=NOW + DAY)


def test_an_answer_that_the_agent_judged_wrong_answered_nothing(session: Session, cast: Cast, card: Version) -> None:
    question = asked(session, cast.agent, card, outcome=Outcome.DIRECT)
    incoming.use(
        session, question_id=question.id, version_id=card.id, kind=UseKind.COPIED, actor=cast.agent, now=NOW + MINUTE
    )
    session.add(
        Verdict(
            question_id=question.id,
            version_id=card.id,
            rater=Rater.AGENT,
            rater_key=f"person:{cast.agent.id}",
            occasion=f"call:{question.call_id}",
            person_id=cast.agent.id,
            judgement=Judgement.INCORRECT,
            reason=FaultReason.OUTDATED,
            given_at=NOW + MINUTE,
            at=NOW + MINUTE,
        )
    )
    session.flush()
    call = call_of(session, question)
    incoming.end(session, call, Ending.ANSWERED, actor=cast.agent, now=NOW + 2 * MINUTE)
    assert (call.ending, call.version_id) == (Ending.ANSWERED, None)
