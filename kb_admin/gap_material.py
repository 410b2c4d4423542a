"""Which questions had no good answer, and why: the raw material of 知识需求, taken from calls that are over.

What an agent recorded counts as it is. Of other questions the call itself tells it: nothing was found, what was found
was judged wrong or left unused, the agent put it in other words, the caller rang off.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import CompoundSelect, func, select, union, update
from sqlalchemy.orm import Session

from kb_admin.feedback import TIME_TO_TAKE_BACK
from kb_admin.gap_words import close_in_words, says_something
from kb_admin.upserts import insert_into
from models.improvement import GapItem, Progress
from models.incoming import AnswerUse, IncomingCall
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import EARLIEST, Ending, GapSignal, Judgement, Outcome

NAME = "gap_material"
"""Of its ``Progress``: the second up to which all has been looked at; calls on the line have not."""
LOOK_BACK = timedelta(hours=1)
"""Looked through once more each time: what was being written while one looked."""
MOST_LOST = timedelta(minutes=10)
"""Of one question: an agent who is silent for longer is at something else."""
AT_ONCE = 500
"""Questions whose calls are read together; a database takes no longer lists."""


@dataclass(frozen=True)
class Heard:
    """One question of a call, and what became of it."""

    question_id: int
    text: str
    at: datetime
    outcome: Outcome
    right: bool = False
    """An answer to it was judged right, or is the one that the call was answered with."""
    wrong: bool = False
    """An answer to it was judged wrong."""
    touched: bool = False
    """An answer to it was opened or copied."""
    gap_id: int | None = None
    gap_text: str = ""
    """In the caller's words, where an agent recorded it as a gap."""

    @property
    def used(self) -> bool:
        """As far as is known it helped."""
        return self.right or (self.touched and not self.wrong)


@dataclass(frozen=True)
class HeardCall:
    """A call that is over; questions in their order. A question outside calls is a call of its own without length."""

    questions: tuple[Heard, ...]
    ended_at: datetime
    ending: Ending | None


@dataclass(frozen=True)
class Material:
    """One question without a good answer."""

    question: Heard
    signal: GapSignal
    lost_seconds: int


def material_of(call: HeardCall) -> Iterator[Material]:
    """The questions of the call that had no good answer, each with the first sign of it that fits."""
    ends = [*(question.at for question in call.questions[1:]), call.ended_at]
    for place, (question, end) in enumerate(zip(call.questions, ends, strict=True)):
        signal = _signal(call, place)
        if signal is not None and says_something(question.gap_text or question.text):
            lost = min(max(end - question.at, timedelta(0)), MOST_LOST)
            yield Material(question, signal, int(lost.total_seconds()))


def _signal(call: HeardCall, place: int) -> GapSignal | None:
    question, later = call.questions[place], call.questions[place + 1 :]
    broken_off = call.ending is Ending.BROKEN_OFF and not later and not any(other.used for other in call.questions)
    signs = (
        (GapSignal.RECORDED, question.gap_id is not None),
        (GapSignal.JUDGED_WRONG, question.wrong and not question.right),
        (GapSignal.NO_ANSWER, not question.used and question.outcome is Outcome.NONE),
        (GapSignal.REFORMULATED, not question.used and any(_says_anew(question, other) for other in later)),
        (GapSignal.LOW_CONFIDENCE, not question.used and question.outcome is Outcome.CHOOSE),
        (GapSignal.ABANDONED, broken_off),
    )
    return next((signal for signal, fits in signs if fits), None)


def _says_anew(question: Heard, later: Heard) -> bool:
    """Whether the later one asks the same in other words: it looks so, or it got the answer that the first did not.

    A direct answer may have been read out without a key pressed; then what comes later is another matter unless it
    looks the same.
    """
    if question.text == later.text:
        return False
    if close_in_words(question.text, later.text):
        return True
    return later.used and question.outcome is not Outcome.DIRECT


def collect(session: Session, now: datetime) -> int:
    """Write down what calls that are over, and gaps recorded, have added since the last time; how many it is.

    A question is written down once, whatever comes later; a gap recorded for it afterwards is added to it.
    """
    since = _position(session) - LOOK_BACK
    _reach(session, now)  # also makes SQLite's other writers wait
    added = 0
    question_ids = session.scalars(_touched(since, now)).all()
    for start in range(0, len(question_ids), AT_ONCE):
        for call in _calls(session, question_ids[start : start + AT_ONCE]):
            added += _write(session, material_of(call))
    return added + _write_bare(session, since, now)


def _touched(since: datetime, now: datetime) -> CompoundSelect[int]:
    """Ids of questions that may count by now: of calls that ended, judged, or recorded as gaps in this time. A gap can
    be taken back for a moment, and a call that goes on may still bring the answer."""
    over = select(IncomingCall.id).where(IncomingCall.ended_at.is_not(None), IncomingCall.ended_at <= now)
    ended = over.where(IncomingCall.ended_at > since)
    judged = select(Verdict.question_id).where(Verdict.at > since, Verdict.judgement == Judgement.INCORRECT)
    recorded = select(Gap.question_id).where(Gap.at > since, Gap.at <= now - TIME_TO_TAKE_BACK)
    settled = Question.call_id.in_(over)
    return union(
        select(Question.id).where(Question.call_id.in_(ended)),
        select(Question.id).where(settled, Question.id.in_(judged)),
        select(Question.id).where(settled | Question.call_id.is_(None), Question.id.in_(recorded)),
    ).order_by("id")


def _calls(session: Session, question_ids: Sequence[int]) -> Iterator[HeardCall]:
    """The calls of these questions, whole; those outside calls each by itself."""
    named = select(Question.call_id).where(Question.id.in_(question_ids), Question.call_id.is_not(None))
    query = select(Question).where(Question.id.in_(question_ids) | Question.call_id.in_(named))
    questions = session.scalars(query.order_by(Question.asked_at, Question.id)).all()
    ended = {
        call_id: (ended_at, ending, version_id)
        for call_id, ended_at, ending, version_id in session.execute(
            select(IncomingCall.id, IncomingCall.ended_at, IncomingCall.ending, IncomingCall.version_id).where(
                IncomingCall.id.in_(named)
            )
        )
    }
    heard = _heard(session, questions, {call_id: version for call_id, (_, _, version) in ended.items()})
    by_call: dict[int, list[Heard]] = defaultdict(list)
    for question in questions:
        if question.call_id is None:
            yield HeardCall((heard[question.id],), question.asked_at, None)
        else:
            by_call[question.call_id].append(heard[question.id])
    for call_id, asked in by_call.items():
        ended_at, ending, _ = ended[call_id]
        if ended_at is not None:
            yield HeardCall(tuple(asked), ended_at, ending)


def _heard(
    session: Session, questions: Sequence[Question], answered_with: Mapping[int, int | None]
) -> dict[int, Heard]:
    """Each question with what was done with its answers."""
    ids = [question.id for question in questions]
    touched = set(session.scalars(select(AnswerUse.question_id).where(AnswerUse.question_id.in_(ids))))
    right: set[int] = set()
    wrong: set[int] = set()
    for question_id, judgement in session.execute(
        select(Verdict.question_id, Verdict.judgement).where(Verdict.question_id.in_(ids))
    ):
        (right if judgement is Judgement.CORRECT else wrong).add(question_id)
    shown = select(ShownAnswer.question_id, ShownAnswer.version_id).where(ShownAnswer.question_id.in_(ids))
    versions: dict[int, set[int]] = defaultdict(set)
    for question_id, version_id in session.execute(shown):
        versions[question_id].add(version_id)
    right |= {q.id for q in questions if q.call_id and answered_with.get(q.call_id) in versions[q.id]}
    gaps = {gap.question_id: gap for gap in session.scalars(select(Gap).where(Gap.question_id.in_(ids)))}
    return {
        question.id: Heard(
            question.id,
            question.text,
            question.asked_at,
            question.outcome,
            right=question.id in right,
            wrong=question.id in wrong,
            touched=question.id in touched,
            gap_id=gap.id if gap else None,
            gap_text=gap.text if gap else "",
        )
        for question in questions
        for gap in [gaps.get(question.id)]
    }


def _write(session: Session, found: Iterable[Material]) -> int:
    """What is not there yet; returns how many."""
    rows = [
        {
            "question_id": one.question.question_id,
            "gap_id": one.question.gap_id,
            "signal": one.signal,
            "text": one.question.gap_text or one.question.text,
            "at": one.question.at,
            "lost_seconds": one.lost_seconds,
        }
        for one in found
    ]
    return _insert(session, rows)


def _write_bare(session: Session, since: datetime, now: datetime) -> int:
    """Gaps that were recorded without a question."""
    bare = select(Gap).where(Gap.question_id.is_(None), Gap.at > since, Gap.at <= now - TIME_TO_TAKE_BACK)
    rows = [
        {
            "question_id": None,
            "gap_id": g.id,
            "signal": GapSignal.RECORDED,
            "text": g.text,
            "at": g.at,
            "lost_seconds": 0,
        }
        for g in session.scalars(bare.order_by(Gap.id))
        if says_something(g.text)
    ]
    return _insert(session, rows)


def _insert(session: Session, rows: Sequence[Mapping[str, object]]) -> int:
    if not rows:
        return 0
    once = insert_into(session, GapItem).on_conflict_do_nothing().returning(GapItem.id)
    added = len(session.scalars(once, list(rows)).all())
    recorded = [row for row in rows if row["gap_id"] is not None and row["question_id"] is not None]
    for row in recorded if added < len(rows) else ():
        late = update(GapItem).where(GapItem.question_id == row["question_id"], GapItem.gap_id.is_(None))
        session.execute(late.values(gap_id=row["gap_id"], signal=GapSignal.RECORDED))
    return added


def _position(session: Session) -> datetime:
    reached = session.scalar(select(Progress.position).where(Progress.name == NAME))
    return datetime.fromtimestamp(reached or EARLIEST.timestamp() + LOOK_BACK.total_seconds(), UTC)


def _reach(session: Session, now: datetime) -> None:
    """No further than the oldest call on the line began: it may be ended hours later, at its last act."""
    on_the_line = session.scalar(select(func.min(IncomingCall.started_at)).where(IncomingCall.ended_at.is_(None)))
    reached = min(now, on_the_line) if on_the_line else now
    said = {"position": int(reached.timestamp()), "at": now}
    write = insert_into(session, Progress).values(name=NAME, **said)
    session.execute(write.on_conflict_do_update(index_elements=["name"], set_=said))
