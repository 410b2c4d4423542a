"""People who judge: agents each with a question to which a version was shown, and citizens known by a key."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from kb_admin import feedback
from models.knowledge import Version
from models.organisation import Person, RoleGrant
from models.usage import Question, ShownAnswer, Verdict
from models.values import FaultReason, Judgement, Outcome, Role

RIGHT, WRONG = Judgement.CORRECT, Judgement.INCORRECT


def agents(session: Session, count: int, *, start: int = 1) -> list[Person]:
    """So many agents, written to the base."""
    people = [
        Person(login=f"hw{n}", name=f"话务{n}", password_hash="", grants=[RoleGrant(role=Role.AGENT)])
        for n in range(start, start + count)
    ]
    session.add_all(people)
    session.flush()
    return people


def asked(session: Session, person: Person | None, version: Version, at: datetime) -> Question:
    """A question that this version was shown to."""
    question = Question(
        text=version.question,
        person_id=person.id if person else None,
        asked_at=at,
        outcome=Outcome.CHOOSE,
        took_ms=1,
        shown=[ShownAnswer(rank=1, version_id=version.id, score=0.9)],
    )
    session.add(question)
    session.flush()
    return question


def say(  # noqa: PLR0917 - a verdict has five parts
    session: Session, person: Person, version: Version, judgement: Judgement, at: datetime, note: str = ""
) -> Verdict:
    """The agent is shown the version and judges it."""
    question = asked(session, person, version, at)
    reason = FaultReason.INACCURATE if judgement is WRONG else None
    return feedback.judge(
        session,
        question_id=question.id,
        version_id=version.id,
        judgement=judgement,
        reason=reason,
        note=note,
        actor=person,
        now=at,
    )


def say_as_citizen(
    session: Session, key: str, version: Version, judgement: Judgement, at: datetime, *, asker: Person
) -> Verdict:
    """A caller judges what an agent was shown."""
    return feedback.judge_as_citizen(
        session,
        question=asked(session, asker, version, at),
        version_id=version.id,
        rater_key=key,
        judgement=judgement,
        reason=FaultReason.OTHER if judgement is WRONG else None,
        note="",
        now=at,
    )


def judged(
    session: Session, version: Version, judgements: Iterable[Judgement], at: datetime, *, start: int = 1
) -> list[Verdict]:
    """Each judgement by another agent."""
    wanted = list(judgements)
    people = agents(session, len(wanted), start=start)
    return [say(session, person, version, said, at) for person, said in zip(people, wanted, strict=True)]
