"""Asking the base a question: search, read what is shown from the database, write down what was shown."""

import time
from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True)
class ShownEntry:
    """One answer on the screen: what the version says, and why it is there."""

    version: Version
    hit: Hit


@dataclass(frozen=True)
class Asked:
    """A question and what was shown for it, best first."""

    question_id: int
    result: Result
    answers: tuple[ShownEntry, ...]


def ask(
    services: Services, session: Session, text: str, caller: Caller, now: datetime, *, k: int | None = None
) -> Asked:
    """The best ``k`` answers (by default what the settings say), written down with the question."""
    require(caller.grants, Action.SEARCH)
    question = _checked(text, services.settings.question_characters)
    started = time.perf_counter()
    found = services.index.search(question, caller.viewer, now, k or services.settings.shown_answers)
    answers = _still_live(session, found.hits)
    result = _without_the_gone(found, answers)
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
    return Asked(record.id, result, answers)


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
    return Result(hits, outcome, found.timings_ms)
