"""来电条: what the agent's page says of the call on the line, in one quiet line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.security import Caller, person_of
from kb_admin import incoming
from kb_admin.permissions import Action, may
from models.incoming import IncomingCall
from models.usage import Question
from models.values import Ending, Matter

TIME_TO_CORRECT = timedelta(minutes=1)
"""So long the keys still mean the call of which it has just been said how it ended; later they would by mistake."""
TIME_TO_SAY = timedelta(minutes=30)
"""So long they mean a call that ended by itself: the caller may have talked on with nothing to look up."""
KEYS: Mapping[Ending, str] = {
    Ending.ANSWERED: "A",
    Ending.THREE_WAY: "T",
    Ending.EXPERT_SEAT: "Z",
    Ending.WORK_ORDER: "O",
    Ending.REFUSED: "R",
    Ending.BROKEN_OFF: "B",
}
"""Pressed together with Alt."""


@dataclass(frozen=True)
class EndingKey:
    ending: Ending
    key: str
    pressed: bool


@dataclass(frozen=True)
class CallBar:
    """The call on the line, or the last one while the keys still mean it; neither: nobody has called."""

    call: IncomingCall | None
    open: bool
    seconds: int
    """How long it has been going on, or lasted."""
    questions: int
    refresh_seconds: int
    """After so long the page asks again: the call may have ended by itself, or the keys may mean nothing any more."""
    answered_with: str
    """The standard question of what a call that is over was answered with; empty where that is not known."""
    endings: tuple[EndingKey, ...]
    matters: tuple[Matter, ...] = tuple(Matter)


def call_bar(session: Session, caller: Caller, now: datetime) -> CallBar | None:
    """None for who takes no calls. An idle call ends here: the edge commits."""
    if not may(caller.grants, Action.TAKE_CALLS):
        return None
    on_line = incoming.current(session, person_of(session, caller), now)
    call = on_line or _just_over(session, caller.person_id, now)
    if call is None:
        return CallBar(None, False, 0, 0, 0, "", _keys(None))
    until = call.ended_at or now
    fresh_until = now + incoming.IDLE if call.ended_at is None else call.ended_at + _patience(call)
    asked = select(func.count(Question.id)).where(Question.call_id == call.id)
    return CallBar(
        call,
        open=on_line is not None,
        seconds=max(0, int((until - call.started_at).total_seconds())),
        questions=session.scalar(asked) or 0,
        refresh_seconds=max(1, ceil((fresh_until - now).total_seconds())),
        answered_with=call.version.question if call.version else "",
        endings=_keys(call.ending),
    )


def _just_over(session: Session, person_id: int, now: datetime) -> IncomingCall | None:
    ended = select(IncomingCall).where(IncomingCall.person_id == person_id, IncomingCall.ended_at > now - TIME_TO_SAY)
    last = session.scalar(ended.order_by(IncomingCall.ended_at.desc(), IncomingCall.id.desc()).limit(1))
    if last is None or last.ended_at is None or now - last.ended_at >= _patience(last):
        return None
    return last


def _patience(call: IncomingCall) -> timedelta:
    return TIME_TO_SAY if call.ending is None else TIME_TO_CORRECT


def _keys(said: Ending | None) -> tuple[EndingKey, ...]:
    return tuple(EndingKey(ending, key, ending is said) for ending, key in KEYS.items())
