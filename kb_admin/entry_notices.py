"""Notices that follow an entry on its way: opened when a version arrives at a check, closed when it leaves.

Called by the moves of entries, in their transaction; no right is asked beside the one to the move.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from kb_admin import notice_moves
from kb_admin.notice_moves import OPEN, UNFINISHED, Subject
from kb_admin.rulebook import Gate
from kb_admin.rules_in_force import InForce
from kb_admin.upserts import insert_into
from models.knowledge import Transition, Version
from models.notices import Notice, NoticeVersion
from models.organisation import Person
from models.values import NoticeKind, NoticeStatus, VersionStatus

AT_GATE = "gate:"
"""How ``Notice.once`` begins for the notice of a check: closed by what becomes of the version, not by hand."""
REPLACED = "条目已重新发布（第 {number} 版）。"
ANSWERED = "已发布作答的条目 {code}（第 {number} 版）。"


def arrived_at_gate(
    session: Session, version: Version, gate: Gate, rules: InForce, *, actor: Person | None, now: datetime
) -> None:
    """Open and dispatch the gate's notice to the unit; its clocks run under the rules under which the version began.

    A version that was written at this check in place of another goes on with that one's notice and its clocks.
    """
    if gate.notice is None:
        return
    taken_over = _open_at_gate(session, version, gate)
    if taken_over is not None:
        taken_over.version = version
        session.flush()
        return
    arrivals = session.scalar(select(func.count()).where(Notice.once.startswith(_key(version, gate)))) or 0
    notice = notice_moves.create(
        session,
        kind=gate.notice,
        unit=version.entry.unit,
        title=f"{gate.title}：{version.question}"[: notice_moves.LONGEST_TITLE],
        subject=Subject(entry=version.entry, version=version),
        rules=rules,
        once=f"{_key(version, gate)}{arrivals + 1}",
        actor=actor,
        now=now,
    )
    notice_moves.send(session, notice, rules, actor=actor, now=now)


def left_gate(session: Session, version: Version, *, actor: Person | None, now: datetime, result: str) -> None:
    """Complete the notice of the check that the version has passed or been turned back at, before or after its
    publication."""
    for notice in _open_of(session, version):
        notice_moves.finish(session, notice, result, actor=actor, now=now)


def taken_back(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """Cancel the notice of the check at which the version stood: its writer has taken it back, nothing was done."""
    for notice in _open_of(session, version):
        notice_moves.drop(session, notice, reason, actor=actor, now=now)


def answers_too(session: Session, before: Version, after: Version) -> None:
    """What a version was written in answer to, the one that takes its place answers too."""
    open_ones = select(Notice).join(NoticeVersion, NoticeVersion.notice_id == Notice.id)
    answered = open_ones.where(NoticeVersion.version_id == before.id, Notice.status.in_(OPEN)).order_by(Notice.id)
    for notice in session.scalars(answered).all():
        once = insert_into(session, NoticeVersion).values(notice_id=notice.id, version_id=after.id)
        session.execute(once.on_conflict_do_nothing(index_elements=["notice_id", "version_id"]))
        session.expire(notice, ["answers"])


def published(session: Session, entry_ids: Sequence[int], *, actor: Person | None, now: datetime) -> None:
    """What the publication of these entries completes: the correction of the version that each replaces (济源 art.
    9(3)2), and the question that it answers (庆阳 art. 24(2)). A correction not yet dispatched is cancelled.
    """
    waiting = _kinds_waiting(session) if entry_ids else ()
    among = frozenset(entry_ids)
    for notice, live in _corrected(session, now) if NoticeKind.CORRECTION in waiting else ():
        if notice.entry_id in among:
            _end(session, notice, REPLACED.format(number=live.number), actor=actor, now=now)
    for notice, live in _answered(session, now) if NoticeKind.QUESTION in waiting else ():
        if live.entry_id in among and notice.status in OPEN:  # the first of several answers has completed it
            words = ANSWERED.format(code=live.entry.code, number=live.number)
            notice_moves.finish(session, notice, words, actor=actor, now=now)


def _kinds_waiting(session: Session) -> Collection[NoticeKind]:
    """Of what a publication can complete, the kinds of which there is any: mostly none, and a publication goes on."""
    completed_by_it = (NoticeKind.CORRECTION, NoticeKind.QUESTION)
    waiting = select(Notice.kind).where(Notice.kind.in_(completed_by_it), Notice.status.in_(UNFINISHED))
    return session.scalars(waiting.distinct()).all()


def _end(session: Session, notice: Notice, words: str, *, actor: Person | None, now: datetime) -> None:
    if notice.status is NoticeStatus.DRAFT:
        notice_moves.drop(session, notice, words, actor=actor, now=now)
    else:
        notice_moves.finish(session, notice, words, actor=actor, now=now)


def _corrected(session: Session, at: datetime) -> Sequence[tuple[Notice, Version]]:
    """Unfinished correction notices, made before ``at``, whose entry now has a live version after the one found wrong.

    There are few of them at any time, and many entries in an import: so they are looked for from this end. A version
    that began as published has other keywords only, and corrects nothing.
    """
    wrong = aliased(Version)
    found_wrong = select(wrong.number).where(wrong.id == Notice.version_id).scalar_subquery()
    only_keywords = exists().where(
        Transition.version_id == Version.id,
        Transition.from_status.is_(None),
        Transition.to_status == VersionStatus.PUBLISHED,
    )
    query = (
        select(Notice, Version)
        .join(Version, Version.entry_id == Notice.entry_id)
        .where(Notice.kind == NoticeKind.CORRECTION, Notice.status.in_(UNFINISHED))
        .where(Notice.created_at <= at)
        .where(Version.status == VersionStatus.PUBLISHED, Version.number > func.coalesce(found_wrong, 0))
        .where(~only_keywords)
        .order_by(Notice.id)
    )
    return session.execute(query).tuples().all()


def _answered(session: Session, at: datetime) -> Sequence[tuple[Notice, Version]]:
    """Open questions, put before ``at``, with a live version that was written in answer."""
    query = (
        select(Notice, Version)
        .join(NoticeVersion, NoticeVersion.notice_id == Notice.id)
        .join(Version, Version.id == NoticeVersion.version_id)
        .where(Notice.kind == NoticeKind.QUESTION, Notice.status.in_(OPEN), Notice.created_at <= at)
        .where(Version.status == VersionStatus.PUBLISHED)
        .order_by(Notice.id, Version.id)
    )
    return session.execute(query).tuples().all()


def _open_of(session: Session, version: Version) -> Sequence[Notice]:
    its_own = (Notice.entry_id == version.entry_id, Notice.version_id == version.id, Notice.status.in_(OPEN))
    to_check = or_(Notice.once.startswith(AT_GATE), Notice.kind == NoticeKind.AFTER_CHECK)
    return session.scalars(select(Notice).where(*its_own, to_check).order_by(Notice.id)).all()


def _open_at_gate(session: Session, version: Version, gate: Gate) -> Notice | None:
    """The notice of a version of the same entry that has given way at this check."""
    mine = (Notice.entry_id == version.entry_id, Notice.once.like(f"{AT_GATE}%:{gate.name}:%"))
    gave_way = select(Notice).join(Notice.version).where(Version.status == VersionStatus.SUPERSEDED)
    return session.scalar(gave_way.where(*mine, Notice.status.in_(OPEN)).order_by(Notice.id))


def _key(version: Version, gate: Gate) -> str:
    return f"{AT_GATE}{version.id}:{gate.name}:"
