"""What time does to versions: one that waits for its moment takes effect then, one whose time is over is taken down.

Retrieval keeps to the second by itself; here the status follows, each move dated when it fell due. Any number of
workers may do this at once, and doing it twice changes nothing: each version is claimed before all else is written.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, insert, select, update
from sqlalchemy.orm import Session

from kb_admin import notices, telling
from kb_admin.change_log import record_changes
from kb_admin.contents import batches
from kb_admin.courses import course_of, gate_of
from kb_admin.going_live import REPLACED, tell_followers
from kb_admin.moving import Act, record, refresh
from kb_admin.review_progress import complete_if_done, period_of
from kb_admin.routes import Move, MoveName, system_move
from models.knowledge import Transition, Version
from models.validity import is_over
from models.values import VersionStatus

S = VersionStatus
TAKE_EFFECT = system_move(MoveName.TAKE_EFFECT, S.CHECKED)
EXPIRE = system_move(MoveName.EXPIRE, S.PUBLISHED)
SUPERSEDE = system_move(MoveName.SUPERSEDE, S.PUBLISHED)


def take_effect_due(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Make the versions live whose moment has come, in place of those that answered until then; how many."""
    due = select(Version).where(Version.status == S.CHECKED, Version.takes_effect_at <= now)
    versions = session.scalars(due.order_by(Version.takes_effect_at, Version.id).limit(limit)).all()
    return _take_effect_all(session, versions, now)


def expire_due(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Take the live versions down whose time is over; how many."""
    due = select(Version).where(Version.status == S.PUBLISHED, Version.valid_to <= now)
    versions = session.scalars(due.order_by(Version.valid_to, Version.id).limit(limit)).all()
    return _expire_all(session, versions, now)


def settle(session: Session, entry_ids: Collection[int], now: datetime) -> None:
    """What has fallen due of these entries and no worker has looked at yet, before somebody does something to them."""
    for ids in batches(sorted(set(entry_ids))):
        waiting = and_(Version.status == S.CHECKED, Version.takes_effect_at <= now)
        over = and_(Version.status == S.PUBLISHED, Version.valid_to <= now)
        due = select(Version).where(Version.entry_id.in_(ids))
        begun = due.where(waiting).order_by(Version.takes_effect_at, Version.id)
        _take_effect_all(session, session.scalars(begun).all(), now)
        _expire_all(session, session.scalars(due.where(over).order_by(Version.valid_to, Version.id)).all(), now)


def _take_effect_all(session: Session, versions: Sequence[Version], now: datetime) -> int:
    if versions:
        _take_turn(session, now)
    return sum(_take_effect(session, version, now) for version in versions)


def _take_turn(session: Session, now: datetime) -> None:
    """Who settles several entries holds the change log first: two that begin with the entries would block each
    other."""
    record_changes(session, [], now=now)


def _expire_all(session: Session, versions: Sequence[Version], now: datetime) -> int:
    """Take these down; with the last entry that a unit had still to look at, its look through the month is done."""
    if versions:
        _take_turn(session, now)
    expired = [version for version in versions if version.valid_to and _expire(session, version, version.valid_to, now)]
    if expired:
        record_changes(session, [version.entry_id for version in expired], now=now)
    ended = {(v.entry.unit, period_of(at)): at for v in expired if (at := _ended_at(v))}
    for (unit, period), at in ended.items():
        complete_if_done(session, unit, period, actor=None, now=at)
    return len(expired)


def _take_effect(session: Session, version: Version, now: datetime) -> bool:
    moment = version.takes_effect_at
    if moment is None or not _claim(session, version, moment):
        return False
    _make_way(session, version, moment, now)
    _write(session, version, TAKE_EFFECT, moment, now, values={"published_at": moment, "takes_effect_at": None})
    tell_followers(session, [version.entry_id], Act(None, moment))
    course = course_of(session, version, None, now)
    gate = gate_of(course, version)
    if gate is not None:
        notices.arrived_at_gate(session, version, gate, course.rules, actor=None, now=moment)
    telling.moved(session, version, course, actor=None, now=moment)
    return True


def _claim(session: Session, version: Version, moment: datetime) -> bool:
    """Keep others from the version until this transaction ends; False when one of them was first."""
    stands = (Version.id == version.id, Version.status == S.CHECKED, Version.takes_effect_at == moment)
    claim = update(Version).where(*stands).values(takes_effect_at=moment).returning(Version.id)
    return session.scalar(claim.execution_options(synchronize_session=False)) is not None


def _make_way(session: Session, version: Version, moment: datetime, now: datetime) -> None:
    """Whatever is live ends: by its own time, where that came first."""
    live = session.scalar(select(Version).where(Version.entry_id == version.entry_id, Version.status == S.PUBLISHED))
    if live is None:
        return
    if live.valid_to is not None and is_over(live.valid_to, moment):
        _expire(session, live, live.valid_to, now)
    else:
        _write(session, live, SUPERSEDE, moment, now, reason=REPLACED.format(number=version.number))


def _expire(session: Session, version: Version, moment: datetime, now: datetime) -> bool:
    return _write(session, version, EXPIRE, _ended_at(version) or moment, now)


def _ended_at(version: Version) -> datetime | None:
    """It was never live before it was published: an entry that was published too late expires at once."""
    moments = (version.valid_to, version.published_at)
    return max((at for at in moments if at is not None), default=None)


def _write(
    session: Session,
    version: Version,
    move: Move,
    at: datetime,
    now: datetime,
    *,
    reason: str = "",
    values: dict[str, object] | None = None,
) -> bool:
    """The move with its transition, unless somebody else has made another first; recorded ``now``, dated ``at``."""
    stands = (Version.id == version.id, Version.status == move.before)
    change = update(Version).where(*stands).values({"status": move.to, **(values or {})}).returning(Version.id)
    if session.scalar(change.execution_options(synchronize_session=False)) is None:
        return False
    dated = Act(None, at, rule=_RULE)
    row = {**dated.transition(move), "version_id": version.id, "from_status": move.before, "reason": reason}
    session.execute(insert(Transition), [row])
    refresh(session, version)
    record(session, version, move, Act(None, now, rule=_RULE), before=move.before, reason=reason)
    return True


_RULE = "按条目载明的生效、下架时间，由系统执行"
