"""The only writer of the status of stored versions: each move as the table of its route allows it, with its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import audit
from kb_admin.contents import Standing, batches
from kb_admin.routes import Move, MoveName
from models.errors import Conflict
from models.knowledge import Transition, Version
from models.organisation import Person
from models.values import VersionStatus

S = VersionStatus
MOVED_MEANWHILE = "该条目刚刚被其他人处理过，请刷新后再看。"
LONGEST_STEP, LONGEST_RULE = 64, 256
"""Widths of the columns in models/knowledge.py."""
MOVING = (
    "status",
    "gates_passed",
    "published_at",
    "takes_effect_at",
    "submitted_at",
    "route",
    "rulebook_id",
    "emergency",
)
"""What a move changes in a version."""


@dataclass(frozen=True)
class Act:
    """In whose name versions move, when, and under which article."""

    actor: Person | None
    """None: the system."""
    at: datetime
    rule: str = ""
    """As people read it."""
    ticked: str = ""
    """Names of the checklist items that were ticked, joined by "、"."""

    def transition(self, move: Move) -> dict[str, object]:
        """What every transition of this act says, beside whose it is and why."""
        return {
            "to_status": move.to,
            "actor_id": self.actor.id if self.actor else None,
            "at": self.at,
            "step": fitting(move.label, LONGEST_STEP),
            "rule": fitting(self.rule, LONGEST_RULE),
            "ticked": self.ticked,
        }


def move_version(
    session: Session,
    version: Version,
    move: Move,
    act: Act,
    *,
    reason: str = "",
    values: Mapping[str, Any] | None = None,
) -> None:
    """``move_all`` for one version, which is then up to date, with a record in the audit log."""
    before = version.status
    move_all(session, [Standing.of(version)], move, act, reasons={version.id: reason}, values=values)
    refresh(session, version)
    record(session, version, move, act, before=before, reason=reason)


def move_all(
    session: Session,
    standings: Sequence[Standing],
    move: Move,
    act: Act,
    *,
    reasons: Mapping[int, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Make the same move with several versions, with their transitions; ``reasons`` are by version id, ``values`` are
    columns that change with it.

    Raises Conflict when the move does not start where a version stands, or somebody else moved one first; then the
    transaction is of no more use.
    """
    by_gate: dict[int, list[int]] = {}
    for standing in standings:
        check_start(standing.number, standing.status, move)
        by_gate.setdefault(standing.gates_passed, []).append(standing.version_id)
    for gates_passed, version_ids in by_gate.items():
        for ids in batches(sorted(version_ids)):
            _move_where(session, ids, gates_passed, move, {**_moment(move, act), **(values or {})})
    if standings:
        why, common = reasons or {}, act.transition(move)
        rows = [
            {**common, "version_id": s.version_id, "from_status": s.status, "reason": why.get(s.version_id, "")}
            for s in standings
        ]
        session.execute(insert(Transition), rows)


def check_start(number: int, status: VersionStatus, move: Move) -> None:
    """Raise Conflict unless the move starts from that status."""
    if move.before is not status:
        raise Conflict(refusal(number, status, move.name))


def refusal(number: int, status: VersionStatus, name: MoveName) -> str:
    """Why a version cannot be moved so, in words."""
    return f"第 {number} 版现为“{status.label}”，不能{name.label}。请刷新后再看。"


def refresh(session: Session, version: Version) -> None:
    """Read anew what moves change."""
    session.refresh(version, MOVING)
    session.expire(version, ["transitions"])


def record(
    session: Session, version: Version, move: Move, act: Act, *, before: VersionStatus | None, reason: str = ""
) -> None:
    """Put the move in the audit log."""
    details = {
        "from": before.value if before else None,
        "to": version.status.value,
        "step": move.label,
        "rule": act.rule,
        "reason": reason,
    }
    subject = f"entry:{version.entry.code}/v{version.number}"
    audit.record(session, actor=act.actor, act=move.name.value, subject=subject, details=details, now=act.at)


def fitting(text: str, longest: int) -> str:
    """A text that its column can hold."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _moment(move: Move, act: Act) -> dict[str, datetime]:
    return {"published_at": act.at} if move.to is S.PUBLISHED and move.before is not S.PUBLISHED else {}


def _move_where(
    session: Session, version_ids: Sequence[int], gates_passed: int, move: Move, values: Mapping[str, Any]
) -> None:
    stands = and_(Version.status == move.before, Version.gates_passed == gates_passed)
    if move.name is MoveName.PUBLISH:  # not what a colleague has just put off until its moment
        stands = and_(stands, Version.takes_effect_at.is_(None))
    change = (
        update(Version)
        .where(Version.id.in_(version_ids), stands)
        .values({"status": move.to, "takes_effect_at": None, **values})
        .returning(Version.id)
        .execution_options(synchronize_session="fetch")
    )
    try:
        moved = session.scalars(change).all()
    except IntegrityError as error:  # an entry has one live version: somebody else has just published another
        raise Conflict(MOVED_MEANWHILE) from error
    if len(moved) < len(version_ids):
        raise Conflict(MOVED_MEANWHILE)
