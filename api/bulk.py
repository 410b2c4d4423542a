"""The same move with many versions at once: each for itself, so that one that is refused stops no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api import moves
from api.moves import Said
from api.reading import read_entry
from api.security import Caller
from kb_admin.courses import course_of
from kb_admin.routes import MoveName
from models.errors import Conflict, NotFound, ZhidaError
from models.knowledge import Entry, Version
from models.values import VersionStatus

MOVES = (MoveName.APPROVE, MoveName.PUBLISH, MoveName.WITHDRAW, MoveName.MARK_INVALID)
"""What the list of entries offers."""
OF_THE_LIVE = frozenset({MoveName.WITHDRAW, MoveName.MARK_INVALID})
"""Moves of the version that answers; all others are of the newest."""
MOST = 200
"""Versions in one go: some pages of a list, done in a second or two."""


@dataclass(frozen=True)
class Done:
    """What became of one of them."""

    code: str
    question: str
    number: int
    refused: str
    """Why it was left as it was; empty when it was moved."""
    status: VersionStatus


def make_all(
    session: Session,
    versions: Sequence[Version],
    name: MoveName,
    reason: str,
    *,
    all_ticked: bool,
    caller: Caller,
    now: datetime,
) -> list[Done]:
    """Make the move with each and commit it by itself. ``all_ticked``: the reviewer has gone through the whole
    checklist for each of them."""
    done = []
    for version in versions:
        refused = ""
        try:
            said = Said(reason, _all_points(session, version, caller, now) if all_ticked else ())
            moves.make(session, version, name, said, caller=caller, now=now)
            session.commit()
        except ZhidaError as error:
            session.rollback()
            refused = str(error)
        done.append(Done(version.entry.code, version.question, version.number, refused, version.status))
    return done


def versions_by_id(session: Session, version_ids: Sequence[int], caller: Caller, now: datetime) -> list[Version]:
    """These versions, as far as they exist for the caller, in the order given."""
    query = select(Version.id, Entry.code).join(Entry).where(Version.id.in_(sorted(set(version_ids))))
    codes = {version_id: code for version_id, code in session.execute(query).tuples()}  # noqa: C416 - a result has keys
    found: list[Version] = []
    for version_id in dict.fromkeys(version_ids):
        whole = _whole(session, codes.get(version_id, ""), caller, now)
        found += [version for version in whole if version.id == version_id]
    return found


def versions_by_code(
    session: Session, codes: Sequence[str], name: MoveName, caller: Caller, now: datetime
) -> list[Version]:
    """Of each of these entries the version that the move is about, as far as they exist for the caller."""
    found: list[Version] = []
    for code in dict.fromkeys(codes):
        whole = _whole(session, code, caller, now)
        live = [version for version in whole if version.status is VersionStatus.PUBLISHED]
        found += (live if name in OF_THE_LIVE else [])[:1] or whole[:1]
    return found


def _whole(session: Session, code: str, caller: Caller, now: datetime) -> tuple[Version, ...]:
    """All versions of the entry, newest first; nothing of what the caller does not read whole."""
    try:
        return read_entry(session, code, caller, now).versions or ()
    except NotFound:
        return ()


def _all_points(session: Session, version: Version, caller: Caller, now: datetime) -> tuple[str, ...]:
    checklist = course_of(session, version, caller.grants, now).rulebook.checklist
    return tuple(item.name for item in checklist)


def check_size(count: int) -> None:
    """Raise Conflict unless something was chosen, and not too much."""
    if not count:
        raise Conflict("没有选中条目。请先勾选要处理的条目。")
    if count > MOST:
        raise Conflict(f"一次最多处理 {MOST} 条，请分批选择。")
