"""The moves that buttons and keys offer: which of them a person may make now, and making one by its name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api import dates
from api.security import Caller, person_of
from kb_admin import lifecycle
from kb_admin.courses import course_of
from kb_admin.permissions import Grant
from kb_admin.routes import Move, MoveName
from models.errors import Conflict, NotFound
from models.knowledge import Version
from models.organisation import Person
from models.values import VersionStatus


@dataclass(frozen=True)
class Said:
    """What a person says with a move."""

    reason: str = ""
    ticked: tuple[str, ...] = ()
    """Names of the points of the checklist."""


BY_BUTTON: Mapping[MoveName, Callable[[Session, Version, Said, Person, datetime], object]] = {
    MoveName.SUBMIT: lambda s, v, _, actor, now: lifecycle.submit(s, v, actor=actor, now=now),
    MoveName.RECALL: lambda s, v, _, actor, now: lifecycle.recall(s, v, actor=actor, now=now),
    MoveName.DISCARD: lambda s, v, said, actor, now: lifecycle.discard(s, v, said.reason, actor=actor, now=now),
    MoveName.APPROVE: lambda s, v, said, actor, now: lifecycle.approve(s, v, ticked=said.ticked, actor=actor, now=now),
    MoveName.SEND_BACK: lambda s, v, said, actor, now: lifecycle.send_back(s, v, said.reason, actor=actor, now=now),
    MoveName.PUBLISH: lambda s, v, _, actor, now: lifecycle.publish(s, v, actor=actor, now=now),
    MoveName.WITHDRAW: lambda s, v, said, actor, now: lifecycle.withdraw(s, v, said.reason, actor=actor, now=now),
    MoveName.MARK_INVALID: lambda s, v, said, actor, now: lifecycle.mark_invalid(
        s, v, said.reason, actor=actor, now=now
    ),
    MoveName.RESTORE: lambda s, v, _, actor, now: lifecycle.restore(s, v, actor=actor, now=now),
}
"""All but the amendment, which needs the editor's page."""


def offered(session: Session, version: Version, grants: Iterable[Grant], now: datetime) -> tuple[Move, ...]:
    """The moves that a button may make, each once."""
    moves = lifecycle.possible_moves(session, version, grants, now)
    return tuple({move.name: move for move in moves if move.name in BY_BUTTON}.values())


def address_name(name: MoveName) -> str:
    """The move as an address says it: send-back."""
    return name.value.replace("_", "-")


def move_named(word: str) -> MoveName:
    """The move that an address names. Raises NotFound for one that no button makes."""
    found = next((name for name in BY_BUTTON if address_name(name) == word), None)
    if found is None:
        raise NotFound("没有这项操作。")
    return found


def make(session: Session, version: Version, name: MoveName, said: Said, *, caller: Caller, now: datetime) -> None:
    """Make the move. Raises Conflict, telling who was quicker, when it does not start where the version stands now;
    Forbidden for who may not."""
    course = course_of(session, version, caller.grants, now)
    if all(move.name is not name for move in course.moves_from(version)):
        raise Conflict(too_late(version, name))
    BY_BUTTON[name](session, version, said, person_of(session, caller), now)


def too_late(version: Version, name: MoveName) -> str:
    """Who was quicker, and what is left to do."""
    last = version.transitions[-1]
    actor = last.actor.name if last.actor else "系统"
    done = f"第 {version.number} 版已由{actor}于 {dates.moment(last.at)} 改为“{version.status.label}”"
    over = name is MoveName.PUBLISH and version.status is VersionStatus.PUBLISHED
    return f"{done}，{'无须再' if over else '不能再'}{name.label}。"
