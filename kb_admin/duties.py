"""What units must do by themselves: look through their entries each period, and follow a change of policy."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from kb_admin import notice_moves, notices
from kb_admin.notice_moves import Subject
from kb_admin.rulebook import Duty
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.upserts import insert_into
from models.duties import PeriodicProgress
from models.knowledge import Entry, Transition, Version
from models.notices import Notice
from models.organisation import Person, Unit
from models.values import CHINA, NoticeKind, NoticeStatus, VersionStatus

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month in China."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        local = moment.astimezone(CHINA)
        return cls(local.year, local.month)

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=CHINA)

    @property
    def next(self) -> "Month":
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02d}"


def register_change(
    session: Session,
    unit: Unit,
    title: str,
    content: str,
    announced_at: datetime,
    *,
    major: bool,
    actor: Person,
    now: datetime,
) -> Notice:
    """登记政策变化: the unit must bring its entries up to date within the limit from the announcement on
    (济源 art. 9(4), 梅州 art. 8(3)). Its office registers it, or the unit itself; late, it may be overdue at once.
    """
    return notices.open_notice(
        session,
        kind=NoticeKind.UPDATE,
        unit=unit,
        title=title,
        content=content,
        major=major,
        starts_at=announced_at,
        dispatched=True,
        actor=actor,
        now=now,
    )


def open_periodic(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Open what each month asks of the units that had live entries at its first moment (梅州 art. 8(3)), dated then.

    Months that began while no worker ran are made up for, one unit after the other. Returns how many units were gone
    through, at most ``limit``. Raises CalendarNotPublished when a limit reaches into a year whose holidays are not
    known: then it goes on from there once they are.
    """
    month, last_unit = _progress(session, now)
    gone_through = 0
    while gone_through < limit:
        unit = _unit_after(session, last_unit)
        if unit is not None:
            _open_month(session, unit, month)
            last_unit = unit.id
            gone_through += 1
        elif month.next.begins <= now:
            month, last_unit = month.next, 0
        else:
            break
        _go_on(session, month, last_unit)
    return gone_through


def _open_month(session: Session, unit: Unit, month: Month) -> None:
    rules = rules_of_unit(session, unit, month.begins)
    duty = next((d for d in rules.rulebook.duties if d.notice is NoticeKind.REVIEW and _falls_in(d, month)), None)
    if duty is None or not _had_live_entries(session, unit.id, month.begins):
        return
    notice = notice_moves.create(
        session,
        kind=duty.notice,
        unit=unit,
        title=f"{duty.title}（{month.year}年{month.month}月）",
        content="",
        subject=Subject(),
        rules=rules,
        starts_at=month.begins,
        once=f"review:{unit.id}:{month}",
        actor=None,
        now=month.begins,
    )
    if notice.status is NoticeStatus.DRAFT:
        notice_moves.send(session, notice, rules, actor=None, now=month.begins)


def _falls_in(duty: Duty, month: Month) -> bool:
    """Counted from January, so that a quarter's duty comes with the quarter."""
    return duty.every_months > 0 and (month.year * 12 + month.month - 1) % duty.every_months == 0


def _had_live_entries(session: Session, unit_id: int, at: datetime) -> bool:
    """By the history: what was live then may have been taken off since."""
    came = case((Transition.to_status == VersionStatus.PUBLISHED, 1), else_=0)
    left = case((Transition.from_status == VersionStatus.PUBLISHED, 1), else_=0)
    live = (
        select(Version.id)
        .join(Version.entry)
        .join(Version.transitions)
        .where(Entry.unit_id == unit_id, Transition.at <= at)
        .group_by(Version.id)
        .having(func.sum(came - left) > 0)
    )
    return session.scalar(live.limit(1)) is not None


def _unit_after(session: Session, unit_id: int) -> Unit | None:
    return session.scalar(select(Unit).where(Unit.id > unit_id).order_by(Unit.id).limit(1))


def _progress(session: Session, now: datetime) -> tuple[Month, int]:
    """The month gone through last, and its last unit. A new base begins with the next month."""
    row = session.execute(select(PeriodicProgress.year, PeriodicProgress.month, PeriodicProgress.unit_id)).first()
    if row is not None:
        return Month(row.year, row.month), row.unit_id
    month = Month.of(now - INSTANT)
    last_unit = session.scalar(select(func.max(Unit.id))) or 0
    first = insert_into(session, PeriodicProgress).values(id=1, year=month.year, month=month.month, unit_id=last_unit)
    session.execute(first.on_conflict_do_nothing(index_elements=["id"]))
    return month, last_unit


def _go_on(session: Session, month: Month, unit_id: int) -> None:
    reached = update(PeriodicProgress).values(year=month.year, month=month.month, unit_id=unit_id)
    session.execute(reached.execution_options(synchronize_session=False))
