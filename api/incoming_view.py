"""One call as it happened: what was asked, shown, opened, copied and judged, in the order in which it happened."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload, selectinload

from models.errors import NotFound
from models.incoming import AnswerUse, IncomingCall, RatingLink
from models.knowledge import Version
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import Rater, Viewer

UNSEEN = "（您无权查看的条目）"


@dataclass(frozen=True)
class Named:
    """An entry as this person may know it."""

    title: str
    code: str
    """Empty: there is no page of it for this person."""


@dataclass(frozen=True)
class ShownLine:
    entry: Named
    percent: int


@dataclass(frozen=True)
class Happening:
    """One line of the time line."""

    at: datetime
    label: str
    words: str = ""
    """What was said: the question, a note."""
    entry: Named | None = None
    shown: tuple[ShownLine, ...] = field(default=())


def read_call(session: Session, call_id: int, seen: ColumnElement[bool]) -> IncomingCall:
    """Raises NotFound when there is no such call, or none for this person."""
    query = select(IncomingCall).where(IncomingCall.id == call_id, seen)
    call = session.scalar(query.options(joinedload(IncomingCall.person), joinedload(IncomingCall.version)))
    if call is None:
        raise NotFound("没有这次来电，或您无权查看。")
    return call


def time_line(session: Session, call: IncomingCall, viewer: Viewer) -> list[Happening]:
    """All that happened, the earliest first; what happened at one moment in the order question, use, verdict, end."""
    happenings = [Happening(call.started_at, "来电开始", "话务平台编号 " + call.reference if call.reference else "")]
    happenings += _asked(session, call, viewer)
    happenings += _used(session, call, viewer)
    happenings += _judged(session, call, viewer)
    happenings += _gaps(session, call)
    happenings += _links(session, call, viewer)
    if call.ended_at is not None:
        ending = call.ending.label if call.ending else "未登记结束方式"
        answer = named(call.version, viewer) if call.version else None
        happenings.append(Happening(call.ended_at, f"来电结束：{ending}", entry=answer))
    return sorted(happenings, key=lambda happening: happening.at)


def named(version: Version, viewer: Viewer) -> Named:
    """The version's question and code for who may see it."""
    entry = version.entry
    if viewer.may_see(entry_id=entry.id, unit_id=entry.unit_id, publicity=version.publicity):
        return Named(version.question, entry.code)
    return Named(UNSEEN, "")


def _asked(session: Session, call: IncomingCall, viewer: Viewer) -> Iterator[Happening]:
    shown = selectinload(Question.shown).joinedload(ShownAnswer.version)
    query = select(Question).where(Question.call_id == call.id).order_by(Question.asked_at, Question.id)
    for question in session.scalars(query.options(shown)):
        lines = tuple(ShownLine(named(one.version, viewer), round(one.score * 100)) for one in question.shown)
        yield Happening(question.asked_at, f"提问：{question.outcome.label}", question.text, shown=lines)


def _used(session: Session, call: IncomingCall, viewer: Viewer) -> Iterator[Happening]:
    uses = select(AnswerUse, Version).join(Version, Version.id == AnswerUse.version_id)
    mine = uses.join(Question, Question.id == AnswerUse.question_id).where(Question.call_id == call.id)
    for use, version in session.execute(mine.order_by(AnswerUse.at, AnswerUse.id)).tuples():
        yield Happening(use.at, use.kind.label, entry=named(version, viewer))


def _judged(session: Session, call: IncomingCall, viewer: Viewer) -> Iterator[Happening]:
    verdicts = select(Verdict).join(Question, Question.id == Verdict.question_id).where(Question.call_id == call.id)
    for verdict in session.scalars(verdicts.order_by(Verdict.at, Verdict.id)):
        who = "来电人" if verdict.rater is Rater.CITIZEN else "话务员"
        why = "，".join(part for part in (verdict.reason.label if verdict.reason else "", verdict.note) if part)
        yield Happening(verdict.at, f"{who}判{verdict.judgement.label}", why, named(verdict.version, viewer))


def _gaps(session: Session, call: IncomingCall) -> Iterator[Happening]:
    gaps = select(Gap).join(Question, Question.id == Gap.question_id).where(Question.call_id == call.id)
    for gap in session.scalars(gaps.order_by(Gap.at, Gap.id)):
        yield Happening(gap.at, "记为知识缺失", "，".join(part for part in (gap.text, gap.note) if part))


def _links(session: Session, call: IncomingCall, viewer: Viewer) -> Iterable[Happening]:
    links = select(RatingLink).where(RatingLink.call_id == call.id).order_by(RatingLink.created_at, RatingLink.id)
    for link in session.scalars(links):
        used = "，来电人已评价" if link.used_at else ""
        yield Happening(link.created_at, f"发出评价链接{used}", entry=named(link.version, viewer))
