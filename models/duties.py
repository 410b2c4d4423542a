"""What units keep up by themselves: the monthly look at each entry, and who does the work."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.knowledge import Entry, Version
from models.organisation import Person, Unit
from models.values import Choice


class Finding(Choice):
    """What the periodic look at an entry found (梅州 art. 8(3))."""

    STILL_RIGHT = "still_right", "仍然有效"
    TO_CHANGE = "to_change", "需要修改"
    INVALID = "invalid", "已失效"


class StaffDuty(Choice):
    EDITOR = "editor", "信息采编员"
    REVIEWER = "reviewer", "审核员"
    LEADER = "leader", "分管领导"
    CONTACT = "contact", "联系人"


class EntryReview(Base):
    """Somebody looked at an entry: which version, when, and what they found."""

    __tablename__ = "entry_reviews"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id", ondelete="CASCADE"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    period: Mapped[str] = mapped_column(String(16))
    """"2026-11"."""
    finding: Mapped[Finding] = mapped_column(choice(Finding))
    note: Mapped[str] = mapped_column(Text, default="")
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]

    entry: Mapped[Entry] = relationship()
    version: Mapped[Version] = relationship()
    person: Mapped[Person] = relationship()

    __table_args__ = (UniqueConstraint("entry_id", "period"),)


class StaffMember(Base):
    """One line of a unit's staff list (济源 art. 6(1), 清远 art. 1(1)), from a day until another."""

    __tablename__ = "staff_members"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    name: Mapped[str] = mapped_column(String(64))
    post: Mapped[str] = mapped_column(String(64), default="")
    """职务."""
    duty: Mapped[StaffDuty] = mapped_column(choice(StaffDuty))
    phone: Mapped[str] = mapped_column(String(64), default="")
    since: Mapped[date] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)
    """The day from which somebody no longer does it; null: still does."""
    written_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    written_at: Mapped[datetime]

    unit: Mapped[Unit] = relationship()
    written_by: Mapped[Person] = relationship()

    __table_args__ = (
        CheckConstraint("name <> ''", name="name_not_empty"),
        CheckConstraint("until IS NULL OR until >= since", name="dates_in_order"),
        Index("ix_staff_members_unit_id", "unit_id"),
    )


class PeriodicProgress(Base):
    """How far the periodic duties have been opened: the month, and the last unit gone through in it. One row, made by
    the first worker that looks."""

    __tablename__ = "periodic_progress"

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    year: Mapped[int]
    month: Mapped[int]
    unit_id: Mapped[int] = mapped_column(Identity)
    """Units are gone through in the order of their ids; no foreign key: a number to compare with."""

    __table_args__ = (
        CheckConstraint("id = 1", name="only_row"),
        CheckConstraint("month BETWEEN 1 AND 12", name="month_of_a_year"),
    )
