"""How a notice moves: made, dispatched, signed, completed, cancelled. No rights are asked here; who may is said in
``kb_admin.notices``, and the checks on an entry's way come here by themselves (``kb_admin.entry_notices``).

A move is made on the condition that nobody else has made one meanwhile, and it takes the clocks along in the same
transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kb_admin import audit, clocks, notice_numbers
from kb_admin import notice_messages as messages
from kb_admin.notifications import UNIT_PEOPLE, parties, tell
from kb_admin.rulebook import ClockRule, NoticeRule, Party
from kb_admin.rules_in_force import InForce
from kb_admin.wording import readable
from kb_admin.worktime import Limit
from models.errors import Conflict, Invalid
from models.improvement import Defence
from models.knowledge import Entry, Version
from models.notices import Application, Notice
from models.organisation import Person, Unit
from models.usage import Gap
from models.values import ApplicationStatus, NoticeKind, NoticeStatus

S = NoticeStatus
OPEN = frozenset({S.DISPATCHED, S.SIGNED})
"""The unit has still to do something."""
UNFINISHED = OPEN | {S.DRAFT}
MOVED_MEANWHILE = "该通知单刚刚被其他人处理过，请刷新后再看。"
LONGEST_TITLE = 256
LONGEST_TEXT = 5000
"""Characters of a notice's content or result: more than a printed form holds."""


@dataclass(frozen=True)
class Subject:
    """What in the base a notice is about; often nothing."""

    entry: Entry | None = None
    version: Version | None = None
    gap: Gap | None = None
    about: Notice | None = None
    """The notice that was not done in time."""


def create(
    session: Session,
    *,
    kind: NoticeKind,
    unit: Unit,
    title: str,
    content: str = "",
    subject: Subject,
    rules: InForce,
    major: bool = False,
    starts_at: datetime | None = None,
    limit: str = "",
    once: str | None = None,
    actor: Person | None,
    now: datetime,
) -> Notice:
    """A draft with its number. Of notices with the same ``once`` there is one: the one that is there is returned.

    Raises Invalid for what cannot stand in a notice, Conflict when the entry has an unfinished correction notice.
    """
    words = {
        "title": readable(title, name="标题", longest=LONGEST_TITLE),
        "content": readable(content, name="内容", longest=LONGEST_TEXT),
        "limit": _own_limit(rules, kind, limit),
    }
    if not words["title"]:
        raise Invalid("请写明通知单的标题。")
    notice_numbers.take_turn(session, kind, now)
    made = with_once(session, once) if once else None
    if made is not None:
        return made
    if kind is NoticeKind.CORRECTION:
        _check_only_one(session, subject.entry)
    notice = Notice(
        number=notice_numbers.give(session, kind, now),
        kind=kind,
        status=S.DRAFT,
        unit=unit,
        entry=subject.entry,
        version=subject.version,
        gap=subject.gap,
        about=subject.about,
        major=major,
        starts_at=starts_at,
        once=once,
        rulebook_id=rules.rulebook_id,
        created_by=actor,
        created_at=now,
        **words,
    )
    session.add(notice)
    session.flush()
    _record(session, notice, "draft", actor=actor, now=now)
    return notice


def send(session: Session, notice: Notice, rules: InForce, *, actor: Person | None, now: datetime) -> None:
    """Dispatch a draft: its clocks start under these rules, and the unit's people are told.

    What needs no signature counts as being worked on at once. Raises CalendarNotPublished when a limit reaches into a
    year whose holidays are not known.
    """
    rule = notice_rule(rules, notice.kind)
    courses = [
        clocks.course(
            clock, clocks.starting_point(clock, dispatched_at=now, starts_at=notice.starts_at), rules, now=now
        )
        for clock in _clock_rules(rules, rule, notice)
    ]
    to = S.DISPATCHED if rule.sign else S.SIGNED
    _move(session, notice, {S.DRAFT}, to, dispatched_at=now, rulebook_id=rules.rulebook_id)
    running = [clocks.start(session, notice, run, rules, now=now) for run in courses]
    told = parties(session, notice.unit, *UNIT_PEOPLE)
    _tell(session, notice, told, "dispatched", messages.dispatched(notice, running), at=now)
    _record(session, notice, "dispatch", actor=actor, now=now)


def sign(session: Session, notice: Notice, *, actor: Person | None, now: datetime) -> None:
    """签收: the unit has it."""
    rule = notice_rule(clocks.rules_of(session, notice), notice.kind)
    _move(session, notice, {S.DISPATCHED}, S.SIGNED, signed_at=now, signed_by_id=actor.id if actor else None)
    clocks.stop(session, notice, now, actor=actor, names={rule.sign} if rule.sign else ())
    _record(session, notice, "sign", actor=actor, now=now)


def finish(session: Session, notice: Notice, result: str, *, actor: Person | None, now: datetime) -> None:
    """办结: every clock stops, open wishes for more time and defences lapse, and the office is told."""
    words = readable(result, name="办理结果", longest=LONGEST_TEXT)
    by = actor.id if actor else None
    _move(session, notice, OPEN, S.COMPLETED, completed_at=now, completed_by_id=by, result=words)
    _close(session, notice, actor=actor, now=now)
    told = parties(session, notice.unit, Party.OWN_OFFICE)
    _tell(session, notice, told, "completed", messages.completed(notice), at=now)
    _record(session, notice, "complete", actor=actor, now=now)


def see(session: Session, notice: Notice, remark: str, *, actor: Person | None, now: datetime) -> None:
    """已查看: the office has looked at the result."""
    words = readable(remark, name="查看记录", longest=LONGEST_TEXT)
    by = actor.id if actor else None
    _move(session, notice, {S.COMPLETED}, S.SEEN, seen_at=now, seen_by_id=by, remark=words)
    _record(session, notice, "see", actor=actor, now=now)


def drop(session: Session, notice: Notice, reason: str, *, actor: Person | None, now: datetime) -> None:
    """取消: nothing is to be done any more."""
    words = readable(reason, name="取消的原因", longest=LONGEST_TEXT)
    was_sent = notice.status is not S.DRAFT
    _move(session, notice, UNFINISHED, S.CANCELLED, cancelled_at=now, remark=words)
    _close(session, notice, actor=actor, now=now)
    told = parties(session, notice.unit, *UNIT_PEOPLE) if was_sent else []
    _tell(session, notice, told, "cancelled", messages.cancelled(notice, words), at=now)
    _record(session, notice, "cancel", actor=actor, now=now)


def with_once(session: Session, once: str) -> Notice | None:
    """The notice that there is only one of, if it has been made."""
    return session.scalar(select(Notice).where(Notice.once == once))


def notice_rule(rules: InForce, kind: NoticeKind) -> NoticeRule:
    """Which clocks run on a kind of notice. Raises Invalid where the rulebook does not know the kind."""
    rule = rules.rulebook.notices.get(kind)
    if rule is None:
        raise Invalid(f"规则“{rules.rulebook.title}”中没有“{kind.label}”，不能制发。")
    return rule


def completion_clock(rules: InForce, notice: Notice) -> str:
    """Name of the clock for 办结 of this notice: another for a major matter, its own kind's where it names its limit
    itself."""
    rule = notice_rule(rules, notice.kind)
    major = rule.complete_major if notice.major else None
    return major or rule.complete or notice.kind.value


def _clock_rules(rules: InForce, rule: NoticeRule, notice: Notice) -> list[ClockRule]:
    complete = rules.rulebook.clock(completion_clock(rules, notice))
    if notice.limit:
        complete = replace(complete, limit=Limit.parse(notice.limit))
    return [rules.rulebook.clock(rule.sign), complete] if rule.sign else [complete]


def _own_limit(rules: InForce, kind: NoticeKind, limit: str) -> str:
    if not limit:
        return ""
    if notice_rule(rules, kind).complete is not None:
        raise Invalid(f"{kind.label}的时限由规则确定，不能另行填写。")
    return str(Limit.parse(limit))


def _check_only_one(session: Session, entry: Entry | None) -> None:
    if entry is None:
        raise Invalid("整改通知单应写明是哪一条知识。")
    mine = (Notice.kind == NoticeKind.CORRECTION, Notice.entry_id == entry.id, Notice.status.in_(UNFINISHED))
    number = session.scalar(select(Notice.number).where(*mine))
    if number is not None:
        raise Conflict(f"条目 {entry.code} 已有未办结的整改通知单 {number}，不能再发一份。")


def _move(session: Session, notice: Notice, before: Collection[NoticeStatus], to: NoticeStatus, **values: Any) -> None:
    """The only writer of a notice's status. Raises Conflict when it stands elsewhere, or is moved by somebody else."""
    if notice.status not in before:
        if notice.status is to:
            raise Conflict(f"{notice.number} 已经是“{to.label}”，不用再办一次。")
        raise Conflict(f"{notice.number} 现为“{notice.status.label}”，不能改为“{to.label}”。请刷新后再看。")
    changed = (
        update(Notice)
        .where(Notice.id == notice.id, Notice.status == notice.status)
        .values(status=to, **values)
        .returning(Notice.id)
        .execution_options(synchronize_session=False)
    )
    if not session.scalars(changed).all():
        raise Conflict(MOVED_MEANWHILE)
    session.refresh(notice)


def _close(session: Session, notice: Notice, *, actor: Person | None, now: datetime) -> None:
    clocks.stop(session, notice, now, actor=actor)
    lapsed, waiting = ApplicationStatus.CANCELLED, (ApplicationStatus.ASKED, ApplicationStatus.CONSENTED)
    wishes = update(Application).where(Application.notice_id == notice.id, Application.status.in_(waiting))
    session.execute(wishes.values(status=lapsed))
    defences = update(Defence).where(Defence.notice_id == notice.id, Defence.status.in_(waiting))
    session.execute(defences.values(status=lapsed))


def _tell(session: Session, notice: Notice, people: Collection[Person], what: str, text: str, *, at: datetime) -> None:
    event = f"notice:{notice.id}:{what}"
    tell(session, people, event, text, messages.address(notice), at, details=messages.details(notice))


def _record(session: Session, notice: Notice, act: str, *, actor: Person | None, now: datetime) -> None:
    """``details`` hold the words that people wrote at this step."""
    said = {"result": notice.result, "remark": notice.remark}
    written = {"kind": notice.kind.value, **{name: text for name, text in said.items() if text}}
    audit.record(session, actor=actor, act=f"notice.{act}", subject=f"notice:{notice.number}", details=written, now=now)
