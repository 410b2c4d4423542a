"""How each call stands to a definition of a rate, as one expression of SQL."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, literal, or_, select
from sqlalchemy.orm import aliased

from kb_admin.definitions import CallRule
from kb_admin.periods import Period
from kb_admin.sql_days import later
from models.incoming import IncomingCall
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from models.values import Choice, Ending, Matter


class CallStanding(Choice):
    """How a call stands to a definition; the first that fits, in this order."""

    ENDING_UNSAID = "ending_unsaid", "没有记录结束方式"
    BROKEN_OFF = "broken_off", "来电中断"
    REFUSED = "refused", "不予受理"
    ENDING = "ending", "结束方式不计入"
    MATTER_UNSAID = "matter_unsaid", "没有注明诉求类别"
    MATTER = "matter", "诉求类别不计入"
    CALLER = "caller", "不知道来电人"
    ACHIEVED = "achieved", "计入分子"
    MISSED = "missed", "只计入分母"


STANDINGS = {standing.value: standing for standing in CallStanding}
COUNTED = (CallStanding.ACHIEVED, CallStanding.MISSED)
LEFT_OUT = tuple(standing for standing in CallStanding if standing not in COUNTED)
NAMED_ENDINGS = {Ending.BROKEN_OFF: CallStanding.BROKEN_OFF, Ending.REFUSED: CallStanding.REFUSED}
"""Told apart where they are left out: they say something of the calls themselves."""


def ended_calls(rule: CallRule, period: Period, repeat_days: int | None, *, with_subject: bool) -> Select[Any]:
    """The calls that began in the period and have ended: id, standing, started_at, team, person_id, and with
    ``with_subject`` subject_id, the version that the call was about.

    ``repeat_days``: in how many days the same caller on the same matter makes a call count as not answered; None:
    however often they call.
    """
    columns: list[Any] = [
        IncomingCall.id,
        standing(rule, repeat_days).label("standing"),
        IncomingCall.started_at,
        IncomingCall.team,
        IncomingCall.person_id,
    ]
    if with_subject:
        columns.append(subject().label("subject_id"))
    return select(*columns).where(*began_in(period))


def began_in(period: Period) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the calls that any rate of the period looks at."""
    return (
        IncomingCall.started_at >= period.start,
        IncomingCall.started_at < period.end,
        IncomingCall.ended_at.is_not(None),
    )


def standing(rule: CallRule, repeat_days: int | None) -> ColumnElement[str]:
    """The value of a ``CallStanding`` for each call."""
    call = IncomingCall
    branches: list[tuple[ColumnElement[bool], CallStanding]] = []
    if not rule.ending_unsaid:
        branches.append((call.ending.is_(None), CallStanding.ENDING_UNSAID))
    for ending in sorted(set(Ending) - rule.endings):
        branches.append((call.ending == ending, NAMED_ENDINGS.get(ending, CallStanding.ENDING)))
    if not rule.matter_unsaid:
        branches.append((call.matter.is_(None), CallStanding.MATTER_UNSAID))
    if others := sorted(set(Matter) - rule.matters):
        branches.append((call.matter.in_(others), CallStanding.MATTER))
    if not rule.caller_unknown:
        branches.append((call.caller == "", CallStanding.CALLER))
    branches.append((_achieved(rule, repeat_days), CallStanding.ACHIEVED))
    return case(
        *((condition, literal(one.value)) for condition, one in branches), else_=literal(CallStanding.MISSED.value)
    )


def _achieved(rule: CallRule, repeat_days: int | None) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [IncomingCall.ending.in_(sorted(rule.achieved))]
    if rule.from_base:
        conditions.append(IncomingCall.version_id.is_not(None))
    if repeat_days is not None:
        conditions.append(~_called_again(repeat_days))
    return and_(*conditions)


def _called_again(days: int) -> ColumnElement[bool]:
    """Whether the same caller called again within so many days on the same matter: the same entry where both calls
    name one; else the same 诉求类别, where not saying it may be the same."""
    call, again = IncomingCall, aliased(IncomingCall)
    both = and_(call.version_id.is_not(None), again.version_id.is_not(None))
    same_matter = or_(again.matter == call.matter, again.matter.is_(None), call.matter.is_(None))
    return exists().where(
        again.caller == call.caller,
        call.caller != "",
        again.started_at > call.started_at,
        again.started_at <= later(call.started_at, timedelta(days)),
        or_(and_(both, _entry_of(again.version_id) == _entry_of(call.version_id)), and_(~both, same_matter)),
    )


def _entry_of(version_id: Any) -> ColumnElement[Any]:
    version = aliased(Version)
    return select(version.entry_id).where(version.id == version_id).correlate_except(version).scalar_subquery()


def subject() -> ColumnElement[Any]:
    """The version that a call was about: that with which it was answered, else the one shown first for its last
    question to which anything was shown."""
    shown = (
        select(ShownAnswer.version_id)
        .join(Question, Question.id == ShownAnswer.question_id)
        .where(Question.call_id == IncomingCall.id, ShownAnswer.rank == 1)
        .order_by(Question.id.desc())
        .limit(1)
        .correlate(IncomingCall)
        .scalar_subquery()
    )
    return case((IncomingCall.version_id.is_not(None), IncomingCall.version_id), else_=shown)
