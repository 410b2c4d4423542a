"""Publication: a version takes the place of the one before it, now or at its moment, and the followers are told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from kb_admin import notices
from kb_admin.change_log import record_changes
from kb_admin.contents import Standing, batches
from kb_admin.moving import Act, move_all
from kb_admin.routes import Move, MoveName, system_move, waiting
from models.errors import Conflict
from models.knowledge import Transition, Version
from models.values import VersionStatus

S = VersionStatus
REPLACED = "由第 {number} 版替代"


def go_live(
    session: Session,
    standings: Sequence[Standing],
    move: Move,
    act: Act,
    *,
    reasons: Mapping[int, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Make one version of each of several entries live by this move.

    Where another version answers and the new one's time lies ahead, it waits for that moment beside the other.
    Raises Conflict when a later version is live or waiting already, or somebody else publishes at the same moment.
    """
    ahead = waiting_ids(session, standings, act.at)
    at_once = [standing for standing in standings if standing.version_id not in ahead]
    later = [standing for standing in standings if standing.version_id in ahead]
    supersede(session, {s.entry_id: s.number for s in at_once}, act)
    move_all(session, at_once, move, act, reasons=reasons, values=values)
    supersede(session, {s.entry_id: s.number for s in later}, act, also_live=False)
    moment = {"takes_effect_at": Version.valid_from}
    move_all(session, later, waiting(move), act, reasons=reasons, values={**(values or {}), **moment})
    tell_followers(session, [standing.entry_id for standing in at_once], act)


def tell_followers(session: Session, entry_ids: Sequence[int], act: Act) -> None:
    """Write the change log for entries that have a new live version, and complete what asked for it."""
    record_changes(session, entry_ids, now=act.at)
    for ids in batches(entry_ids):
        notices.published(session, ids, actor=act.actor, now=act.at)
        for version in _no_longer_to_check(session, ids):
            notices.left_gate(session, version, actor=act.actor, now=act.at, result="已由经过审核的新版替代。")


def waiting_ids(session: Session, standings: Iterable[Standing], at: datetime) -> set[int]:
    """Ids of those versions that must wait: their time lies ahead, and another version of their entry is live."""
    entry_ids: dict[int, int] = {}
    for some in batches(sorted(standing.version_id for standing in standings)):
        ahead = select(Version.id, Version.entry_id).where(Version.id.in_(some), Version.valid_from > at)
        entry_ids.update(session.execute(ahead).tuples().all())
    live = live_entry_ids(session, entry_ids.values(), besides=entry_ids)
    return {version_id for version_id, entry_id in entry_ids.items() if entry_id in live}


def live_entry_ids(session: Session, entry_ids: Iterable[int], *, besides: Iterable[int] = ()) -> set[int]:
    """Those of the entries that have a published version, other than the versions named."""
    apart = set(besides)
    found: set[int] = set()
    for some in batches(sorted(set(entry_ids))):
        live = select(Version.id, Version.entry_id).where(Version.entry_id.in_(some), Version.status == S.PUBLISHED)
        found.update(entry_id for version_id, entry_id in session.execute(live) if version_id not in apart)
    return found


def supersede(session: Session, successors: Mapping[int, int], act: Act, *, also_live: bool = True) -> None:
    """Take off what these entries' new versions replace: the live one, unless ``also_live`` is off, and one that waits
    for its moment. ``successors`` maps an entry to its new version's number.

    Raises Conflict when what is there is later than its successor, or somebody else moved it first.
    """
    scheduled = and_(Version.status == S.CHECKED, Version.takes_effect_at.is_not(None))
    for entry_ids in batches(sorted(successors)):
        query = Standing.query().where(Version.entry_id.in_(entry_ids), or_(Version.status == S.PUBLISHED, scheduled))
        others = [
            standing
            for row in session.execute(query.order_by(Version.id)).tuples()
            if (standing := Standing(*row)).number != successors[standing.entry_id]
        ]
        for standing in others:
            _check_order(session, standing, successors[standing.entry_id], also_live=also_live)
        for status in (S.CHECKED, S.PUBLISHED) if also_live else (S.CHECKED,):
            earlier = [s for s in others if s.status is status and _gives_way(s, successors[s.entry_id])]
            reasons = {s.version_id: REPLACED.format(number=successors[s.entry_id]) for s in earlier}
            move_all(session, earlier, system_move(MoveName.SUPERSEDE, status), act, reasons=reasons)


def _no_longer_to_check(session: Session, entry_ids: Sequence[int]) -> Sequence[Version]:
    """Emergency information that gave way to a version of another kind."""
    live = aliased(Version)
    same_kind = exists().where(live.entry_id == Version.entry_id, live.status == S.PUBLISHED, live.emergency)
    replaced = select(Version).where(Version.entry_id.in_(entry_ids), Version.status == S.SUPERSEDED, Version.emergency)
    return session.scalars(replaced.where(~same_kind).order_by(Version.id)).all()


def _gives_way(standing: Standing, number: int) -> bool:
    """A later version that waits for its moment goes on waiting; whatever is live is replaced."""
    return standing.status is S.PUBLISHED or standing.number < number


def _check_order(session: Session, standing: Standing, number: int, *, also_live: bool) -> None:
    if standing.number < number:
        return
    if standing.status is S.PUBLISHED and _is_reworded_after(session, standing.entry_id, number):
        raise Conflict(f"已有更新的第 {standing.number} 版在用，不能再发布第 {number} 版。请刷新后再看。")
    if standing.status is S.CHECKED and not also_live:
        raise Conflict(f"已有更新的第 {standing.number} 版等待生效，不能再发布第 {number} 版。请刷新后再看。")


def _is_reworded_after(session: Session, entry_id: int, number: int) -> bool:
    """Whether a version after that number was published that says something else: one that began as published only
    has other keywords."""
    begun_live = select(Transition.version_id).where(
        Transition.from_status.is_(None), Transition.to_status == S.PUBLISHED
    )
    reworded = select(Version.id).where(
        Version.entry_id == entry_id,
        Version.number > number,
        Version.published_at.is_not(None),
        Version.id.not_in(begun_live),
    )
    return session.scalar(reworded.limit(1)) is not None
