"""Asking the base a question: search, read what is shown from the database, write down what was shown."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.matching import plainly_asked
from api.security import Caller, person_of
from api.viewing import note_answer
from api.wiring import Services
from kb_admin import incoming
from kb_admin.permissions import Action, may, require
from kb_admin.wording import readable
from models.errors import Invalid
from models.incoming import IncomingCall
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from models.values import Outcome, VersionStatus
from retrieval.documents import Facet, Hit, Result, Suggestion

MOST_SUGGESTIONS = 8
SAME_QUESTION = timedelta(minutes=2)
"""A reloaded page, or a form sent again, asks nothing new; the next caller with the same words comes later."""


NOISE = 0.02
"""Confidence below which a hit is not worth a look where there is no answer."""
NOISE_BESIDE_FIRST = 0.1
"""The same, as a share of the confidence of the first that it stands beside."""


class HitRole(StrEnum):
    """What a hit is to the question."""

    ANSWER = "answer"
    CANDIDATE = "candidate"
    HINT = "hint"
    """Near the question, and not its answer."""


@dataclass(frozen=True)
class ShownEntry:
    """One entry on the screen: what the version says, and why it is there."""

    version: Version
    hit: Hit
    role: HitRole
    untold: tuple[str, ...]
    """What the question asks about (费用, 材料 …) and the entry does not tell; a hint owes no answer."""


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
    services: Services,
    session: Session,
    text: str,
    caller: Caller,
    now: datetime,
    *,
    k: int | None = None,
    literal: bool = False,
    reload: bool = False,
) -> Asked:
    """What ``find`` finds, written down with the question; internal entries that are shown go into the audit log.

    Who takes calls asks it in a call: in the one on the line, else one begins. Asked again at once in the same call,
    and answered alike, it stays the one question. ``reload``: the page may only be looked at once more, so a call
    that is over already does not make it another question either.
    """
    started = time.perf_counter()
    found = find(services, session, text, caller, now, k=k, literal=literal)
    result, answers = found.result, found.answers
    question = _checked(text, services.settings.question_characters)
    agent = person_of(session, caller) if may(caller.grants, Action.TAKE_CALLS) else None
    call = incoming.current(session, agent, now) if agent else None
    last = _last_question(session, caller.person_id, now)
    if last is not None and _same(last, question, result) and _in_this_call(last, call, reload=reload):
        note_answer(session, found, last.id, caller, now)
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
    if agent:
        incoming.attach(session, record, agent, now)
    note_answer(session, found, record.id, caller, now)
    return Asked(result, answers, record.id)


def find(
    services: Services,
    session: Session,
    text: str,
    caller: Caller,
    now: datetime,
    *,
    k: int | None = None,
    literal: bool = False,
) -> Found:
    """The best ``k`` that are worth a look, by default as many as the settings say. Nothing is written down.

    ``literal``: slips of the keyboard are not mended.
    """
    require(caller.grants, Action.SEARCH)
    question = _checked(text, services.settings.question_characters)
    most = k or services.settings.shown_answers
    found = services.index.search(question, caller.viewer, now, most, literal=literal)
    services.measures.count_search(found.outcome, found.timings_ms)
    live = _still_live(session, found.hits)
    result = _worth_a_look(_without_the_gone(found, live))
    asked = plainly_asked(result.searched)
    answers = tuple(
        _shown(live[hit.version_id], hit, _role(result.outcome, n), asked) for n, hit in enumerate(result.hits)
    )
    return Found(replace(result, facet=_facet(result)), answers)


def _last_question(session: Session, person_id: int, now: datetime) -> Question | None:
    recent = select(Question).where(Question.person_id == person_id, Question.asked_at > now - SAME_QUESTION)
    return session.scalar(recent.order_by(Question.asked_at.desc(), Question.id.desc()).limit(1))


def _same(last: Question, text: str, result: Result) -> bool:
    """Whether the same words got the same versions in the same order, and the same advice."""
    shown = [answer.version_id for answer in last.shown]
    return last.text == text and last.outcome == result.outcome and shown == [hit.version_id for hit in result.hits]


def _in_this_call(last: Question, call: IncomingCall | None, *, reload: bool) -> bool:
    """Two callers with the same words ask two questions."""
    if call is None and reload:
        return True
    return last.call_id == (call.id if call else None)


def suggest(services: Services, typed: str, caller: Caller, now: datetime) -> tuple[Suggestion, ...]:
    """Stored phrasings for what has been typed; none for nothing, nor for more than a question holds."""
    require(caller.grants, Action.SEARCH)
    if not typed.strip() or len(typed) > services.settings.question_characters:
        return ()
    started = time.perf_counter()
    found = services.index.suggest(typed, caller.viewer, now, MOST_SUGGESTIONS)
    services.measures.suggest.observe(time.perf_counter() - started)
    return found


def _checked(text: str, longest: int) -> str:
    question = readable(text, name="问题", longest=longest)
    if not question:
        raise Invalid("请输入要查询的问题。")
    return question


def _still_live(session: Session, hits: Sequence[Hit]) -> dict[int, Version]:
    """Those of the versions that are published at this very moment; the index may lag by a blink."""
    live = select(Version).where(
        Version.id.in_([hit.version_id for hit in hits]), Version.status == VersionStatus.PUBLISHED
    )
    return {version.id: version for version in session.scalars(live)}


def _without_the_gone(found: Result, live: Mapping[int, Version]) -> Result:
    """The result as it holds now. With its best answer gone, nothing says that the next one is good enough."""
    hits = tuple(hit for hit in found.hits if hit.version_id in live)
    if hits == found.hits:
        return found
    if not hits:
        outcome = Outcome.NONE
    elif hits[0] != found.hits[0] and found.outcome is Outcome.DIRECT:
        outcome = Outcome.CHOOSE
    else:
        outcome = found.outcome
    return replace(found, hits=hits, outcome=outcome)


def _worth_a_look(found: Result) -> Result:
    """Only what may be meant. Beside a direct answer the next best are neighbours, measured against the best of them;
    otherwise all are measured against the first. They stand best first, so those that go are the last ones."""
    sure = 1 if found.outcome is Outcome.DIRECT else 0
    rest = found.hits[sure:]
    least = NOISE if found.outcome is Outcome.NONE else 0.0
    if rest:
        least = max(least, rest[0].score * NOISE_BESIDE_FIRST)
    return replace(found, hits=(*found.hits[:sure], *(hit for hit in rest if hit.score >= least)))


def _shown(version: Version, hit: Hit, role: HitRole, asked: frozenset[str]) -> ShownEntry:
    untold = () if role is HitRole.HINT else tuple(name for name in hit.untold if name in asked)
    return ShownEntry(version, hit, role, untold)


def _role(outcome: Outcome, place: int) -> HitRole:
    if outcome is Outcome.NONE:
        return HitRole.HINT
    return HitRole.ANSWER if outcome is Outcome.DIRECT and place == 0 else HitRole.CANDIDATE


def _facet(found: Result) -> Facet | None:
    """What tells the candidates apart, as far as they are shown; there is nothing to ask when one is the answer."""
    if found.facet is None or found.outcome is not Outcome.CHOOSE:
        return None
    shown = [hit.entry_id for hit in found.hits]
    values = {entry: found.facet.values[entry] for entry in shown if entry in found.facet.values}
    return Facet(found.facet.name, values) if len(set(values.values())) > 1 else None
