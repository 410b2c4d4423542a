"""来电: a call begins by itself with its first question, and ends by a key, with the next call, or when nothing more
happens.

An agent has at most one caller on the line; the database holds everybody to it. Where a call platform is connected it
says when calls begin and end, and names them by its own reference.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import Session

from kb_admin.incoming_answers import answered_with, last_act, was_shown
from kb_admin.permissions import Action, grants_of, require
from kb_admin.upserts import insert_into
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.incoming import AnswerUse, IncomingCall
from models.organisation import Person
from models.usage import Question
from models.values import CHINA, Ending, Matter, UseKind

IDLE = timedelta(minutes=5)
"""Without a word from the agent for this long the caller is taken to have hung up: a hotline's call lasts some five
minutes, and most is looked up in the first two. Two callers taken for one would be counted as one case solved; one
caller taken for two leaves a call without an ending, which no rate counts."""
IDLE_WITH_PLATFORM = timedelta(hours=2)
"""The same where a call platform tells the end: only for an end that never came."""
LATE_NEWS = timedelta(seconds=30)
"""So late may the platform's word of a call come after the agent has begun to type."""
LONGEST_REFERENCE = 64
TRIES = 5


def begin(
    session: Session,
    *,
    actor: Person,
    now: datetime,
    reference: str | None = None,
    caller: str = "",
    matter: Matter | None = None,
) -> IncomingCall:
    """Somebody new is on the line; the actor's call before ends without an ending, if nobody said one.

    ``caller`` is the keyed hash of the number. The same ``reference`` again returns that call. Raises Conflict when
    the reference is another agent's.
    """
    require(grants_of(actor), Action.TAKE_CALLS)
    named = _reference(reference)
    for _ in range(TRIES):
        if named is not None and (known := _by_reference(session, named)) is not None:
            return _of_the_same_agent(known, actor)
        before = current(session, actor, now)
        if before is not None and named is not None and before.reference == named:
            return before  # begun by another process since we looked
        if before is not None and named is None and _is_the_same(before, now) and not _asked_in(session, before):
            return before  # the key was pressed twice
        if before is not None and named is not None and _is_the_same(before, now):
            return _take_over(session, before, reference=named, caller=caller, matter=matter)
        if before is not None:
            _close(session, before, at=now)
        call = _open(session, actor, now, reference=named, caller=caller, matter=matter)
        if call is not None:
            return call
        if named is None and (other := _open_call(session, actor)) is not None:
            return other  # begun in another window at this moment
    raise Conflict("刚刚有另一个来电开始，请刷新后再看。")


def current(session: Session, actor: Person, now: datetime) -> IncomingCall | None:
    """The call on the actor's line; one in which nothing has happened for long is ended at its last act."""
    call = _open_call(session, actor)
    if call is None or not _end_if_idle(session, call, now):
        return call
    return None


def attach(session: Session, question: Question, actor: Person, now: datetime) -> None:
    """The question belongs to the call on the line; without one a call begins with it."""
    for _ in range(TRIES):
        call = current(session, actor, now) or _open(session, actor, now)
        if call is not None:
            question.call_id = call.id
            session.flush()
            return
    raise Conflict("刚刚有另一个来电开始，请再问一次。")


def use(session: Session, *, question_id: int, version_id: int, kind: UseKind, actor: Person, now: datetime) -> None:
    """The actor opened or copied an answer; only the first time is kept.

    Raises NotFound when the question is not the actor's or did not show the version.
    """
    require(grants_of(actor), Action.TAKE_CALLS)
    question = session.get(Question, question_id)
    if question is None or question.person_id != actor.id or not was_shown(session, question_id, version_id):
        raise NotFound("这次提问没有给出过该条目。")
    done = {"question_id": question_id, "version_id": version_id, "kind": kind, "at": now}
    session.execute(insert_into(session, AnswerUse).values(**done).on_conflict_do_nothing())


def end(
    session: Session,
    call: IncomingCall,
    ending: Ending | None,
    *,
    actor: Person,
    now: datetime,
    version_id: int | None = None,
    matter: Matter | None = None,
) -> None:
    """The call is over, and how it ended; None: nobody said. Said again on the same day, it corrects the ending.

    An answered call names the version: ``version_id``, else the one judged correct last, else copied last, else
    opened last, else the direct answer. Raises NotFound for another agent's call or a version that the call did not
    show, Invalid for a version with another ending, Conflict on a later day.
    """
    require(grants_of(actor), Action.TAKE_CALLS)
    if call.person_id != actor.id:
        raise NotFound("没有找到这次来电。")
    if version_id is not None and ending is not Ending.ANSWERED:
        raise Invalid("只有直接解答的来电才写明用哪一条答复。")
    if not _end_if_idle(session, call, now):
        _close(session, call, at=now)
    told: dict[str, Any] = {} if matter is None else {"matter": matter}
    if ending is not None or told:
        _check_still_today(call, now)
    if ending is not None:
        version = answered_with(session, call, version_id) if ending is Ending.ANSWERED else None
        told |= {"ending": ending, "version_id": version}
    _write(session, call, told)


def say_matter(session: Session, call: IncomingCall, matter: Matter | None, *, actor: Person, now: datetime) -> None:
    """诉求类别 of the actor's own call; None: unsaid again. Raises NotFound, or Conflict on a later day."""
    require(grants_of(actor), Action.TAKE_CALLS)
    if call.person_id != actor.id:
        raise NotFound("没有找到这次来电。")
    _check_still_today(call, now)
    _write(session, call, {"matter": matter})


def end_idle(session: Session, now: datetime, *, limit: int) -> int:
    """End calls in which nothing has happened for long; how many. Their agents may have gone home."""
    of_platform = IncomingCall.reference.is_not(None)
    asked_lately = exists().where(Question.call_id == IncomingCall.id, Question.asked_at > now - IDLE)
    query = (
        select(IncomingCall)
        .where(
            IncomingCall.ended_at.is_(None),
            or_(
                and_(of_platform, IncomingCall.started_at <= now - IDLE_WITH_PLATFORM),
                and_(~of_platform, IncomingCall.started_at <= now - IDLE),
            ),
            ~asked_lately,
        )
        .order_by(IncomingCall.started_at, IncomingCall.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=IncomingCall)
    )
    return sum(_end_if_idle(session, call, now) for call in session.scalars(query).all())


def by_reference(session: Session, reference: str) -> IncomingCall:
    """The call that the platform knows by this reference. Raises NotFound."""
    call = _by_reference(session, reference.strip())
    if call is None:
        raise NotFound("没有这个编号的来电。")
    return call


def _open_call(session: Session, actor: Person) -> IncomingCall | None:
    """Kept from changing until the transaction ends, where there is more than one writer."""
    query = select(IncomingCall).where(IncomingCall.person_id == actor.id, IncomingCall.ended_at.is_(None))
    return session.scalar(query.with_for_update().execution_options(populate_existing=True))


def _by_reference(session: Session, reference: str) -> IncomingCall | None:
    query = select(IncomingCall).where(IncomingCall.reference == reference)
    return session.scalar(query.execution_options(populate_existing=True))


def _of_the_same_agent(call: IncomingCall, actor: Person) -> IncomingCall:
    if call.person_id != actor.id:
        raise Conflict("这个来电编号已经属于另一名话务员。")
    return call


def _is_the_same(call: IncomingCall, now: datetime) -> bool:
    """Whether the platform tells of the call that the agent has just begun to work on."""
    return call.reference is None and now - call.started_at < LATE_NEWS


def _asked_in(session: Session, call: IncomingCall) -> bool:
    return session.scalar(select(exists().where(Question.call_id == call.id))) is True


def _take_over(session: Session, call: IncomingCall, **told: Any) -> IncomingCall:
    _write(session, call, {name: value for name, value in told.items() if value})
    return call


def _open(
    session: Session,
    actor: Person,
    now: datetime,
    *,
    reference: str | None = None,
    caller: str = "",
    matter: Matter | None = None,
) -> IncomingCall | None:
    """A new call; None when another one was opened meanwhile."""
    new = {"reference": reference, "caller": caller, "matter": matter}
    row = {"person_id": actor.id, "team": actor.team, "started_at": now, **new}
    insert = insert_into(session, IncomingCall).values(**row).on_conflict_do_nothing().returning(IncomingCall)
    return session.scalar(insert)


def _end_if_idle(session: Session, call: IncomingCall, now: datetime) -> bool:
    """Whether the call is over because nothing has happened for long; true only when this very step ends it."""
    if call.ended_at is not None:
        return False
    patience = IDLE if call.reference is None else IDLE_WITH_PLATFORM
    if now - call.started_at < patience:
        return False
    last = last_act(session, call)
    return now - last >= patience and _close(session, call, at=last)


def _close(session: Session, call: IncomingCall, *, at: datetime) -> bool:
    """End the call unless that is done already; what was asked meanwhile was still asked in it."""
    moment = max(at, call.started_at)
    open_still = update(IncomingCall).where(IncomingCall.id == call.id, IncomingCall.ended_at.is_(None))
    closing = open_still.values(ended_at=moment).returning(IncomingCall.id)
    closed = session.scalars(closing.execution_options(synchronize_session=False)).all()
    session.refresh(call)
    return bool(closed)


def _write(session: Session, call: IncomingCall, values: Mapping[str, Any]) -> None:
    if values:
        change = update(IncomingCall).where(IncomingCall.id == call.id).values(**values)
        session.execute(change.execution_options(synchronize_session=False))
    session.refresh(call)


def _check_still_today(call: IncomingCall, now: datetime) -> None:
    """Figures of a day stand still once it is over."""
    over = call.ended_at or now
    if over.astimezone(CHINA).date() < now.astimezone(CHINA).date():
        raise Conflict("来电的结束方式和诉求类别只能在当天登记、更正。")


def _reference(reference: str | None) -> str | None:
    if reference is None:
        return None
    named = readable(reference, name="来电编号", longest=LONGEST_REFERENCE)
    if not named:
        raise Invalid("请写明来电编号。")
    return named
