"""A made-up quarter of a hotline: entries of three units, calls with questions and endings, what was done with them."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from models.duties import EntryReview, Finding
from models.improvement import GapGroup, GapItem
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Category, Version
from models.notices import Clock, ClockEvent, Notice
from models.organisation import Person, RoleGrant
from models.rules import RulebookText
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import (
    ClockEventKind,
    Ending,
    FaultReason,
    GapSignal,
    GapStatus,
    Judgement,
    Matter,
    NoticeKind,
    NoticeStatus,
    Outcome,
    Rater,
    Role,
    UseKind,
)
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, Cast

FIELDS = ("社会保险/社会保障卡", "社会保险/养老", "户籍/居住证", "户籍", "")
TEAMS = ("", "一班", "二班")
CALLERS = ("", "甲", "乙", "丙", "丁")


@dataclass(frozen=True)
class Log:
    versions: list[Version]
    agents: list[Person]


def make_log(session: Session, cast: Cast, seed: int, *, calls: int = 200, entries: int = 12, days: int = 40) -> Log:
    """The same seed makes the same log; it ends at NOW. Committed."""
    chance = random.Random(seed)
    agents = [
        Person(login=f"agent{n}", name=f"坐席{n}", password_hash="x", team=team, grants=[RoleGrant(role=Role.AGENT)])
        for n, team in enumerate(TEAMS)
    ]
    session.add_all(agents)
    versions = [_entry(session, cast, n, chance) for n in range(entries)]
    session.flush()
    log = Log(versions, agents)
    for n in range(calls):
        started = NOW - timedelta(seconds=chance.randrange(days * 86_400))
        _call(session, chance, log, started, still_open=n == 0)
    session.commit()
    return log


def _entry(session: Session, cast: Cast, n: int, chance: random.Random) -> Version:
    unit = chance.choice([cast.unit, cast.other_unit, cast.county_unit])
    like = RESIDENCE_PERMIT if unit is cast.other_unit else LOST_CARD
    content = replace(like, question=f"第 {n} 个问题怎样办理", similar=(), unit=unit.name)
    version = lifecycle.create_entry(session, content, code=f"T-{n:03}", actor=None, now=NOW - timedelta(400))
    lifecycle.submit(session, version, actor=None, now=NOW - timedelta(400))
    lifecycle.publish(session, version, actor=None, now=NOW - timedelta(chance.choice([1, 200, 399])))
    path = chance.choice(FIELDS)
    version.category = _category(session, unit.id, path) if path else None
    return version


def _category(session: Session, unit_id: int, path: str) -> Category:
    found = session.query(Category).filter_by(unit_id=unit_id, path=path).one_or_none()
    if found is None:
        found = Category(unit_id=unit_id, path=path)
        session.add(found)
        session.flush()
    return found


def _call(session: Session, chance: random.Random, log: Log, started: datetime, *, still_open: bool) -> None:
    agent = log.agents[0] if still_open else chance.choice(log.agents)
    ending = chance.choice([None, *Ending, Ending.ANSWERED, Ending.ANSWERED, Ending.WORK_ORDER])
    call = IncomingCall(
        person_id=agent.id,
        team=agent.team,
        caller=chance.choice(CALLERS),
        matter=chance.choice([None, *Matter, Matter.CONSULTATION, Matter.CONSULTATION]),
        started_at=started,
        ended_at=None if still_open else started + timedelta(seconds=chance.randrange(10, 600)),
        ending=None if still_open else ending,
        version=chance.choice([None, *log.versions]) if ending is Ending.ANSWERED and not still_open else None,
    )
    session.add(call)
    session.flush()
    for n in range(chance.randrange(3)):
        _question(session, chance, log, call, n)


def _question(session: Session, chance: random.Random, log: Log, call: IncomingCall, n: int) -> None:
    outcome, at = chance.choice(list(Outcome)), call.started_at + timedelta(seconds=n)
    shown = [] if outcome is Outcome.NONE and chance.random() < 0.5 else chance.sample(log.versions, 3)
    question = Question(
        text="怎样办理",
        person_id=call.person_id,
        call_id=call.id,
        asked_at=at,
        outcome=outcome,
        took_ms=3.0,
        shown=[ShownAnswer(rank=rank, version_id=one.id, score=0.5) for rank, one in enumerate(shown, 1)],
    )
    session.add(question)
    session.flush()
    if shown and chance.random() < 0.3:
        session.add(AnswerUse(question_id=question.id, version_id=shown[0].id, kind=UseKind.OPENED, at=at))


def add_work(session: Session, log: Log, seed: int) -> None:
    """What people did with it: verdicts, reviews, groups of unanswered questions, notices with clocks. Committed."""
    chance = random.Random(f"work {seed}")
    rulebook_id = session.scalars(select(RulebookText.id)).first()
    assert rulebook_id is not None
    questions = list(session.scalars(select(Question).order_by(Question.id)))
    for version in log.versions:
        _judge(session, chance, log, version, questions)
        _review(session, chance, log, version)
        version.valid_to = chance.choice([None, NOW - timedelta(1), NOW + timedelta(30), NOW + timedelta(31)])
    for n in range(6):
        _group(session, chance, log, n, questions)
    for n in range(25):
        _notice(session, chance, log, n, rulebook_id)
    session.commit()


def _judge(session: Session, chance: random.Random, log: Log, version: Version, questions: list[Question]) -> None:
    for n in range(chance.choice([0, 2, 6, 9])):
        wrong = chance.random() < 0.25
        at = NOW - timedelta(chance.choice([1, 200, 380]))
        session.add(
            Verdict(
                question_id=chance.choice(questions).id,
                version_id=version.id,
                rater=Rater.CITIZEN,
                rater_key=f"caller:{n}",
                occasion=f"call:{n}",
                judgement=Judgement.INCORRECT if wrong else Judgement.CORRECT,
                reason=chance.choice([FaultReason.OUTDATED, FaultReason.UNCLEAR]) if wrong else None,
                given_at=at,
                at=at,
            )
        )


def _review(session: Session, chance: random.Random, log: Log, version: Version) -> None:
    for period, age in (("2025-10", 400), ("2026-10", 30), ("2026-11", 0)):
        if chance.random() < 0.3:
            finding, by = chance.choice([*Finding, Finding.STILL_RIGHT]), log.agents[0].id
            at = NOW - timedelta(age, 60)
            review = EntryReview(entry_id=version.entry_id, version_id=version.id, period=period, person_id=by, at=at)
            review.finding = finding
            session.add(review)


def _group(session: Session, chance: random.Random, log: Log, n: int, questions: list[Question]) -> None:
    status = chance.choice(list(GapStatus))
    closed = NOW - timedelta(chance.randrange(20)) if status in (GapStatus.ANSWERED, GapStatus.DISMISSED) else None
    group = GapGroup(status=status, label=f"第 {n} 组", created_at=NOW, changed_at=NOW, closed_at=closed)
    session.add(group)
    session.flush()
    for question in questions[n::6][: chance.randrange(1, 9)]:
        at = min(question.asked_at, closed) if closed else question.asked_at
        session.add(
            GapItem(group_id=group.id, question_id=question.id, signal=GapSignal.NO_ANSWER, text="怎样办理", at=at)
        )
    recorded = Gap(text="没有答案", person_id=log.agents[0].id, at=NOW - timedelta(25))
    session.add(recorded)
    session.flush()
    session.add(
        GapItem(group_id=group.id, gap_id=recorded.id, signal=GapSignal.RECORDED, text="没有答案", at=recorded.at)
    )


def _notice(session: Session, chance: random.Random, log: Log, n: int, rulebook_id: int) -> None:
    status = chance.choice(list(NoticeStatus))
    sent = NOW - timedelta(chance.randrange(10, 30))
    done = sent + timedelta(chance.randrange(8)) if status in (NoticeStatus.COMPLETED, NoticeStatus.SEEN) else None
    notice = Notice(
        number=f"第〔2026〕{n}号",
        kind=chance.choice([NoticeKind.COLLECTION, NoticeKind.QUESTION]),
        status=status,
        unit_id=chance.choice(log.versions).entry.unit_id,
        title="请补充",
        rulebook_id=rulebook_id,
        created_at=sent,
        dispatched_at=sent,
        completed_at=done,
    )
    session.add(notice)
    for name in chance.sample(["sign", "complete"], chance.randrange(3)):
        stopped = done or (NOW if status is NoticeStatus.CANCELLED else None)
        due = max(sent, chance.choice([NOW, NOW + timedelta(1), NOW - timedelta(1), done or sent]))
        clock = Clock(name=name, title=name, rule="", limit="1 days", started_at=sent, due_at=due, first_due_at=due)
        clock.notice, clock.stopped_at = notice, stopped
        if chance.random() < 0.4:
            clock.events.append(ClockEvent(kind=ClockEventKind.SECOND_NOTICE, at=due))
        session.add(clock)
