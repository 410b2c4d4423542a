"""Asking the base a question: search, read what is shown from the database, write down what was shown."""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.security import Caller
from api.wiring import Services
from kb_admin.permissions import Action, require
from kb_admin.wording import readable
from models.errors import Invalid
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from models.values import Outcome, VersionStatus
from retrieval.documents import Hit, Result, Suggestion

MOST_SUGGESTIONS = 8
SAME_QUESTION = timedelta(minutes=2)
"""A reloaded page, or a form sent again, asks nothing new; the next caller with the same words comes later."""


@dataclass(frozen=True)
class ShownEntry:
    """One answer on the screen: what the version says, and why it is there."""

    version: Version
    hit: Hit


@dataclass(frozen=True)
class Found:
    """What is shown for a question, best first."""

    result: Result
    answers: tuple[ShownEntry, ...]


@dataclass(frozen=True)
class Asked(Found):
    """The same, once it is written down as the answer to somebody's question."""

    question_id: int


def ask(
    services: Services, session: Session, text: str, caller: Caller, now: datetime, *, k: int | None = None
) -> Asked:
    """What ``find`` finds, written down with the question.

    Asked again at once, and answered alike, it stays the one question.
    """
    started = time.perf_counter()
    found = find(services, session, text, caller, now, k=k)
    result, answers = found.result, found.answers
    question = _checked(text, services.settings.question_characters)
    last = _last_question(session, caller.person_id, now)
    if last is not None and _same(last, question, result):
        return Asked(result, answers, last.id)
    record = Question(
        text=question,
        person_id=caller.person_id,
        asked_at=now,
        outcome=result.outcome,
        took_ms=(time.perf_counter() - started) * 1000,
        shown=[
            ShownAnswer(rank=rank, version_id=shown.version.id, score=shown.hit.score)
            for rank, shown in enumerate(answers, start=1)
        ],
    )
    session.add(record)
    session.flush()
    return Asked(result, answers, record.id)


def find(
    services: Services, session: Session, text: str, caller: Caller, now: datetime, *, k: int | None = None
) -> Found:
    """The best ``k`` answers, by default as many as the settings say. Nothing is written down."""
    require(caller.grants, Action.SEARCH)
    question = _checked(text, services.settings.question_characters)
    found = services.index.search(question, caller.viewer, now, k or services.settings.shown_answers)
    answers = _still_live(session, found.hits)
    return Found(_without_the_gone(found, answers), answers)


def _last_question(session: Session, person_id: int, now: datetime) -> Question | None:
    recent = select(Question).where(Question.person_id == person_id, Question.asked_at > now - SAME_QUESTION)
    return session.scalar(recent.order_by(Question.asked_at.desc(), Question.id.desc()).limit(1))


def _same(last: Question, text: str, result: Result) -> bool:
    """Whether the same words got the same versions in the same order, and the same advice."""
    shown = [answer.version_id for answer in last.shown]
    return last.text == text and last.outcome == result.outcome and shown == [hit.version_id for hit in result.hits]


def suggest(services: Services, typed: str, caller: Caller, now: datetime) -> tuple[Suggestion, ...]:
    """Stored phrasings for what has been typed; none for nothing, nor for more than a question holds."""
    require(caller.grants, Action.SEARCH)
    if not typed.strip() or len(typed) > services.settings.question_characters:
        return ()
    return services.index.suggest(typed, caller.viewer, now, MOST_SUGGESTIONS)


def _checked(text: str, longest: int) -> str:
    question = readable(text, name="问题", longest=longest)
    if not question:
        raise Invalid("请输入要查询的问题。")
    return question


def _still_live(session: Session, hits: tuple[Hit, ...]) -> tuple[ShownEntry, ...]:
    """The hits whose version is published at this very moment; the index may lag by a blink."""
    live = select(Version).where(
        Version.id.in_([hit.version_id for hit in hits]), Version.status == VersionStatus.PUBLISHED
    )
    versions = {version.id: version for version in session.scalars(live)}
    return tuple(ShownEntry(versions[hit.version_id], hit) for hit in hits if hit.version_id in versions)


def _without_the_gone(found: Result, answers: tuple[ShownEntry, ...]) -> Result:
    """The result as shown. With its best answer gone, nothing says that the next one is good enough."""
    hits = tuple(shown.hit for shown in answers)
    if hits == found.hits:
        return found
    if not hits:
        outcome = Outcome.NONE
    elif hits[0] != found.hits[0] and found.outcome is Outcome.DIRECT:
        outcome = Outcome.CHOOSE
    else:
        outcome = found.outcome
    return replace(found, hits=hits, outcome=outcome)
