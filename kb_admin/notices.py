"""通知单: who may ask what of a unit, and what people do with it, from the dispatch to the office's record of it.

The office of the unit makes notices, sends them, cancels them and looks at the results: a county's office for the
county's units, the city's for the city's. The unit's people sign and complete. ``actor`` None is the system, which asks
for no right. How a notice moves stands in ``kb_admin.notice_moves``.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import notice_moves
from kb_admin.correctness import counted_versions
from kb_admin.entry_notices import AT_GATE, answers_too, arrived_at_gate, left_gate, published, taken_back
from kb_admin.notice_moves import OPEN, UNFINISHED, Subject
from kb_admin.notifications import UNIT_PEOPLE
from kb_admin.permissions import acts_as, grants_of
from kb_admin.rulebook import Party
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.upserts import insert_into
from kb_admin.versions import live_version
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import Entry, Version
from models.notices import Notice, NoticeVersion
from models.organisation import Person, Unit
from models.usage import Gap
from models.values import NoticeKind, NoticeStatus, VersionStatus

__all__ = [
    "OPEN",
    "UNFINISHED",
    "answer_with",
    "answers_too",
    "arrived_at_gate",
    "awaits_new_version",
    "cancel",
    "complete",
    "complete_once",
    "dispatch",
    "left_gate",
    "open_notice",
    "published",
    "see",
    "sign",
    "taken_back",
]

OFFICE = (Party.OWN_OFFICE,)
SELF_MADE = frozenset({NoticeKind.UPDATE, NoticeKind.STAFF, NoticeKind.AFTER_CHECK})
"""What a unit may also ask of itself: it registers a change of policy or of its staff, and its emergency information
is checked afterwards."""
BY_ITSELF = "由系统在{when}后自动办结，不能手工办结。"


def open_notice(
    session: Session,
    *,
    kind: NoticeKind,
    unit: Unit,
    title: str,
    content: str = "",
    actor: Person | None,
    now: datetime,
    entry: Entry | None = None,
    version: Version | None = None,
    gap: Gap | None = None,
    about: Notice | None = None,
    major: bool = False,
    starts_at: datetime | None = None,
    limit: str = "",
    once: str | None = None,
    dispatched: bool = False,
) -> Notice:
    """A notice to the unit, a draft unless ``dispatched``.

    ``starts_at`` is the event from which its clocks run where that is not the dispatch; ``limit`` its own limit, for
    kinds to which the rulebook gives none. Of notices with the same ``once`` there is one: the one that is there is
    returned as it is.

    Raises Forbidden for who may not, Invalid for what does not belong together or cannot stand in a notice, Conflict
    when the entry has an unfinished correction notice.
    """
    by = (*OFFICE, *UNIT_PEOPLE) if kind in SELF_MADE else OFFICE
    _require(actor, unit, by, f"制发{kind.label}")
    subject = _subject(session, kind, unit, Subject(entry, version, gap, about))
    rules = rules_of_unit(session, unit, now)
    notice = notice_moves.create(
        session,
        kind=kind,
        unit=unit,
        title=title,
        content=content,
        subject=subject,
        rules=rules,
        major=major,
        starts_at=starts_at,
        limit=limit,
        once=once,
        actor=actor,
        now=now,
    )
    if dispatched and notice.status is NoticeStatus.DRAFT:
        notice_moves.send(session, notice, rules, actor=actor, now=now)
    return notice


def dispatch(session: Session, notice: Notice, *, actor: Person | None, now: datetime) -> None:
    """派发: from now on the unit has to do it, under the rules of today."""
    _require(actor, notice.unit, OFFICE, "派发通知单")
    notice_moves.send(session, notice, rules_of_unit(session, notice.unit, now), actor=actor, now=now)


def sign(session: Session, notice: Notice, *, actor: Person | None, now: datetime) -> None:
    """签收 (济源 art. 9(1)3). Raises Conflict for a notice that needs no signature or has one."""
    _require(actor, notice.unit, UNIT_PEOPLE, "签收")
    if notice.status is NoticeStatus.SIGNED and notice.signed_at is None:
        raise Conflict(f"{notice.number} 无须签收，请直接办理。")
    notice_moves.sign(session, notice, actor=actor, now=now)


def complete(
    session: Session,
    notice: Notice,
    result: str,
    *,
    versions: Sequence[Version] = (),
    actor: Person | None,
    now: datetime,
) -> None:
    """办结, with the result in the unit's words and the versions that were written in answer (济源 art. 9(1)4).

    Raises Conflict when it has not been signed yet, or is completed by what happens to an entry and not by hand.
    """
    _require(actor, notice.unit, UNIT_PEOPLE, "办结")
    if actor is not None:
        _check_by_hand(session, notice)
        if notice.status is NoticeStatus.DISPATCHED:
            raise Conflict(f"{notice.number} 还没有签收，请先签收再办结。")
        if not result.strip():
            raise Invalid("请写明办理结果。")
    for version in versions:
        answer_with(session, notice, version)
    notice_moves.finish(session, notice, result, actor=actor, now=now)


def complete_once(session: Session, once: str, result: str, *, actor: Person | None, now: datetime) -> None:
    """Complete the notice that there is only one of, by what has happened; nothing when there is none open."""
    notice = notice_moves.with_once(session, once)
    if notice is not None and notice.status in OPEN:
        notice_moves.finish(session, notice, result, actor=actor, now=now)


def see(session: Session, notice: Notice, remark: str, *, actor: Person | None, now: datetime) -> None:
    """查看并做好记录 (济源 art. 9(3)4)."""
    _require(actor, notice.unit, OFFICE, "查看办理结果并记录")
    notice_moves.see(session, notice, remark, actor=actor, now=now)


def cancel(session: Session, notice: Notice, reason: str, *, actor: Person | None, now: datetime) -> None:
    """取消, with the reason; what is completed stays."""
    _require(actor, notice.unit, OFFICE, "取消通知单")
    if not reason.strip():
        raise Invalid("取消通知单时请写明原因。")
    if actor is not None and (notice.once or "").startswith(AT_GATE):
        raise Conflict(f"{notice.number} 随条目的审核办理，要取消请退回或撤回该条目。")
    notice_moves.drop(session, notice, reason, actor=actor, now=now)


def answer_with(session: Session, notice: Notice, version: Version) -> None:
    """This version is written in answer to the notice; saying so twice changes nothing."""
    if version.entry.unit_id != notice.unit_id:
        raise Invalid(f"条目 {version.entry.code} 不是{notice.unit.name}的，不能用来答复 {notice.number}。")
    if notice.status not in OPEN:
        raise Conflict(f"{notice.number} 现为“{notice.status.label}”，不能再用条目答复。")
    row = {"notice_id": notice.id, "version_id": version.id}
    once = insert_into(session, NoticeVersion).values(**row)
    session.execute(once.on_conflict_do_nothing(index_elements=["notice_id", "version_id"]))
    session.expire(notice, ["answers"])


def awaits_new_version(session: Session, notice: Notice) -> bool:
    """Whether this is a correction that the system asked for, since people found the entry wrong, and the entry still
    answers as it did: only a new version ends it, or a defence that the office accepts (济源 art. 9(3)2)."""
    if notice.kind is not NoticeKind.CORRECTION or notice.created_by_id is not None or notice.entry_id is None:
        return False
    live = live_version(session, notice.entry_id)
    return live is not None and notice.version_id in counted_versions(session, live)


def _subject(session: Session, kind: NoticeKind, unit: Unit, given: Subject) -> Subject:
    """What the notice is about, complete: a version's entry, and for a correction the version that answers now."""
    entry = given.entry or (given.version.entry if given.version else None)
    if given.version is not None and entry is not None and given.version.entry_id != entry.id:
        raise Invalid("通知单所指的版本不属于所指的条目。")
    if entry is not None and entry.unit_id != unit.id:
        raise Invalid(f"条目 {entry.code} 属于“{entry.unit.name}”，不能向“{unit.name}”制发通知单。")
    if given.about is not None and given.about.unit_id != unit.id:
        raise Invalid(f"{given.about.number} 是发给“{given.about.unit.name}”的，不能据此督办“{unit.name}”。")
    version = given.version
    if version is None and entry is not None and kind is NoticeKind.CORRECTION:
        live = (Version.entry_id == entry.id, Version.status == VersionStatus.PUBLISHED)
        version = session.scalar(select(Version).where(*live))
    return Subject(entry, version, given.gap, given.about)


def _check_by_hand(session: Session, notice: Notice) -> None:
    if (notice.once or "").startswith(AT_GATE):
        raise Conflict(f"{notice.number} {BY_ITSELF.format(when='条目通过审核或退回')}")
    if notice.kind is NoticeKind.REVIEW:
        raise Conflict(f"{notice.number} {BY_ITSELF.format(when='逐条检查完毕')}")
    if awaits_new_version(session, notice):
        raise Conflict(f"{notice.number} {BY_ITSELF.format(when='新版发布')}认为原答案无误的，请提出申辩。")


def _require(actor: Person | None, unit: Unit, wanted: Sequence[Party], what: str) -> None:
    """Raises Forbidden, naming who may."""
    if actor is None or any(acts_as(grants_of(actor), party, unit) for party in wanted):
        return
    who = "、".join(party.label for party in wanted)
    raise Forbidden(f"您不能{what}。可以操作的是“{unit.name}”的{who}。")
