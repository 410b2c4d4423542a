"""人员名单: who writes, checks and answers for a unit's entries. The unit keeps the list and reports each change to the
office within the rulebook's limit (济源 art. 6(1), 清远 art. 1(1))."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, joinedload

from kb_admin import audit, notices
from kb_admin.permissions import Action, grants_of, require
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.wording import readable
from models.duties import StaffDuty, StaffMember
from models.errors import Conflict, Invalid
from models.notices import Notice
from models.organisation import Person, Unit
from models.values import CHINA, EARLIEST, LATEST, NoticeKind, NoticeStatus

LONGEST = 64
"""Characters of a name, a post, a telephone number."""
LONGEST_CONTENT = 5000
"""Characters of a notice; what is beyond is on the list itself."""
REPORTED = (NoticeStatus.COMPLETED, NoticeStatus.SEEN)


@dataclass(frozen=True)
class StaffLine:
    """What the list says of somebody."""

    name: str
    duty: StaffDuty
    post: str = ""
    phone: str = ""


def staff_of(session: Session, unit: Unit, day: date) -> Sequence[StaffMember]:
    """The list as it stands on that day: leaders, reviewers, editors, contacts."""
    there = (StaffMember.since <= day, or_(StaffMember.until.is_(None), StaffMember.until > day))
    found = session.scalars(select(StaffMember).where(StaffMember.unit_id == unit.id, *there)).all()
    return sorted(found, key=lambda member: (ORDER.index(member.duty), member.since, member.id))


ORDER = (StaffDuty.LEADER, StaffDuty.REVIEWER, StaffDuty.EDITOR, StaffDuty.CONTACT)


def history_of(session: Session, unit: Unit) -> Sequence[StaffMember]:
    """Everybody who ever stood on it, the latest first."""
    query = select(StaffMember).where(StaffMember.unit_id == unit.id).options(joinedload(StaffMember.written_by))
    return session.scalars(query.order_by(StaffMember.since.desc(), StaffMember.id.desc())).all()


def join(session: Session, unit: Unit, line: StaffLine, *, since: date, actor: Person, now: datetime) -> StaffMember:
    """Somebody does the work from that day on. Raises Conflict when the same person already does."""
    _require_writer(unit, actor)
    said = _checked(line)
    start = _start_of(since)
    for held in history_of(session, unit):
        if (held.name, held.duty) == (said.name, said.duty) and (held.until is None or held.until > since):
            raise Conflict(f"{said.name}已在名单上担任{said.duty.label}，从 {held.since} 起。")
    member = StaffMember(unit=unit, since=since, written_by=actor, written_at=now, **vars(said))
    session.add(member)
    session.flush()
    _record(session, member, "staff.join", actor, now)
    _to_be_reported(session, unit, f"{said.name}自 {since} 起担任{said.duty.label}", start, actor=actor, now=now)
    return member


def leave(session: Session, member: StaffMember, *, until: date, actor: Person, now: datetime) -> None:
    """Somebody does it no longer, from that day on."""
    _require_writer(member.unit, actor)
    start = _start_of(until)
    if member.until is not None:
        raise Conflict(f"{member.name}已从 {member.until} 起不再担任{member.duty.label}。")
    if until < member.since:
        raise Invalid(f"离任日不能早于任职日 {member.since}。")
    member.until, member.written_by, member.written_at = until, actor, now
    session.flush()
    _record(session, member, "staff.leave", actor, now)
    said = f"{member.name}自 {until} 起不再担任{member.duty.label}"
    _to_be_reported(session, member.unit, said, start, actor=actor, now=now)


def correct(session: Session, member: StaffMember, line: StaffLine, *, actor: Person, now: datetime) -> None:
    """The list said something wrong, or a telephone number is another: no change of who does the work."""
    _require_writer(member.unit, actor)
    said = _checked(line)
    if said.duty is not member.duty:
        raise Invalid("岗位有变动时，请登记离任，再登记新的任职。")
    member.name, member.post, member.phone = said.name, said.post, said.phone
    member.written_by, member.written_at = actor, now
    session.flush()
    _record(session, member, "staff.correct", actor, now)


def report(session: Session, unit: Unit, *, actor: Person, now: datetime) -> int:
    """上报: the office gets the list as it stands today; returns how many reports that were due are thereby done.

    Raises Conflict when nothing has changed since the last one.
    """
    _require_writer(unit, actor)
    due = to_report(session, unit)
    if not due:
        raise Conflict("名单没有待上报的变动。")
    today = now.astimezone(CHINA).date()
    listed = "；".join(f"{m.duty.label}：{m.name}" for m in staff_of(session, unit, today)) or "名单为空"
    for notice in due:
        if notice.status is NoticeStatus.DISPATCHED:
            notices.sign(session, notice, actor=actor, now=now)
        notices.complete(session, notice, f"已上报 {today} 的名单。{listed}", actor=actor, now=now)
    details = {"unit": unit.name, "notices": [notice.number for notice in due]}
    audit.record(session, actor=actor, act="staff.report", subject=f"unit:{unit.name}", details=details, now=now)
    return len(due)


def to_report(session: Session, unit: Unit) -> Sequence[Notice]:
    """Open notices for changes of the list that the office has not been told of yet."""
    return session.scalars(_notices(unit, tuple(notices.OPEN)).order_by(Notice.id)).all()


def _to_be_reported(
    session: Session, unit: Unit, change: str, start: datetime, *, actor: Person, now: datetime
) -> None:
    """One notice for all changes of one day. The first list of a unit is no change: its clock runs from now."""
    if NoticeKind.STAFF not in rules_of_unit(session, unit, now).rulebook.notices:
        return
    first = session.scalar(_notices(unit, REPORTED).limit(1)) is None
    for notice in to_report(session, unit):
        if first or notice.starts_at == start:
            notice.content = f"{notice.content}；{change}"[:LONGEST_CONTENT]
            return
    made_before = len(session.scalars(_notices(unit, tuple(NoticeStatus))).all())
    notices.open_notice(
        session,
        kind=NoticeKind.STAFF,
        unit=unit,
        title="上报人员名单" if first else "上报变动后的人员名单",
        content=change,
        starts_at=now if first else start,
        once=f"staff:{unit.id}:{made_before + 1}",
        dispatched=True,
        actor=actor,
        now=now,
    )


def _notices(unit: Unit, statuses: Sequence[NoticeStatus]) -> Select[Notice]:
    return select(Notice).where(Notice.unit_id == unit.id, Notice.kind == NoticeKind.STAFF, Notice.status.in_(statuses))


def _require_writer(unit: Unit, actor: Person) -> None:
    require(grants_of(actor), Action.WRITE_STAFF, unit_id=unit.id, region_id=unit.region_id)


def _checked(line: StaffLine) -> StaffLine:
    name = readable(line.name, name="姓名", longest=LONGEST)
    if not name:
        raise Invalid("请填写姓名。")
    post = readable(line.post, name="职务", longest=LONGEST)
    return StaffLine(name, line.duty, post, readable(line.phone, name="电话", longest=LONGEST))


def _start_of(day: date) -> datetime:
    if not EARLIEST.date() <= day < LATEST.date():
        raise Invalid(f"日期 {day} 不在可登记的范围内，请检查年份。")
    return datetime.combine(day, time(), CHINA)


def _record(session: Session, member: StaffMember, act: str, actor: Person, now: datetime) -> None:
    details = {
        "name": member.name,
        "duty": member.duty.value,
        "post": member.post,
        "phone": member.phone,
        "since": member.since.isoformat(),
        "until": member.until.isoformat() if member.until else None,
    }
    audit.record(session, actor=actor, act=act, subject=f"unit:{member.unit.name}", details=details, now=now)
