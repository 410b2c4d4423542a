"""Notices to units, the clocks that run on them, what is asked of the office, and whom it must call."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.knowledge import Entry, Version
from models.organisation import Person, Unit
from models.rules import RulebookText
from models.usage import Gap
from models.values import ApplicationKind, ApplicationStatus, ClockEventKind, NoticeKind, NoticeStatus


class Notice(Base):
    """通知单: what a unit has to do, why, and how far it is."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    number: Mapped[str] = mapped_column(String(64), unique=True)
    """编号, as printed: "采集〔2026〕12号"."""
    kind: Mapped[NoticeKind] = mapped_column(choice(NoticeKind))
    status: Mapped[NoticeStatus] = mapped_column(choice(NoticeStatus), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"), index=True)
    title: Mapped[str] = mapped_column(String(256))
    content: Mapped[str] = mapped_column(Text, default="")
    major: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Major or time-critical: a shorter limit where the rulebook has one."""
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"), index=True)
    """The entry that it is about."""
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    """The version that it is about: the one found wrong, or the one to be confirmed."""
    gap_id: Mapped[int | None] = mapped_column(ForeignKey("gaps.id"))
    about_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"))
    """A supervision notice: the notice that was not done in time."""
    once: Mapped[str | None] = mapped_column(String(128), unique=True)
    """What there is only one notice of: "review:12:2026-11"; null where that does not matter."""
    limit: Mapped[str] = mapped_column(String(32), default="", server_default="")
    """A limit of its own ("3 working_days"), where the rulebook leaves it to the notice; empty otherwise."""
    rulebook_id: Mapped[int] = mapped_column(ForeignKey("rulebook_texts.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """Null: the system."""
    created_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]
    """When its clocks start, where that is not the dispatch: the day of the change, of the policy."""
    dispatched_at: Mapped[datetime | None]
    signed_at: Mapped[datetime | None]
    signed_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    completed_at: Mapped[datetime | None]
    completed_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    cancelled_at: Mapped[datetime | None]
    """Null also for what was cancelled before this was kept."""
    result: Mapped[str] = mapped_column(Text, default="")
    """办理结果, in the unit's words."""
    seen_at: Mapped[datetime | None]
    """The office has looked at the result and recorded it (济源 art. 9(3)4)."""
    seen_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    remark: Mapped[str] = mapped_column(Text, default="")
    """The office's record of it."""

    unit: Mapped[Unit] = relationship(lazy="joined", innerjoin=True)
    entry: Mapped[Entry | None] = relationship()
    version: Mapped[Version | None] = relationship()
    gap: Mapped[Gap | None] = relationship()
    about: Mapped["Notice | None"] = relationship(remote_side=[id])
    rulebook: Mapped[RulebookText] = relationship()
    created_by: Mapped[Person | None] = relationship(foreign_keys=[created_by_id])
    signed_by: Mapped[Person | None] = relationship(foreign_keys=[signed_by_id])
    completed_by: Mapped[Person | None] = relationship(foreign_keys=[completed_by_id])
    seen_by: Mapped[Person | None] = relationship(foreign_keys=[seen_by_id])
    clocks: Mapped[list["Clock"]] = relationship(back_populates="notice", order_by="Clock.id")
    answers: Mapped[list["NoticeVersion"]] = relationship(back_populates="notice", order_by="NoticeVersion.version_id")
    applications: Mapped[list["Application"]] = relationship(back_populates="notice", order_by="Application.id")

    __table_args__ = (
        CheckConstraint("title <> ''", name="title_not_empty"),
        CheckConstraint(
            "status IN ('draft', 'cancelled') OR dispatched_at IS NOT NULL", name="dispatched_has_a_moment"
        ),
        CheckConstraint(
            "(status IN ('completed', 'seen')) = (completed_at IS NOT NULL)", name="completed_has_a_moment"
        ),
        Index(
            "ix_notices_one_open_correction",
            "entry_id",
            unique=True,
            sqlite_where=text("kind = 'correction' AND status IN ('draft', 'dispatched', 'signed')"),
            postgresql_where=text("kind = 'correction' AND status IN ('draft', 'dispatched', 'signed')"),
        ),
    )


class NoticeNumbers(Base):
    """How far the numbers of each kind of notice have come in each year."""

    __tablename__ = "notice_numbers"

    kind: Mapped[NoticeKind] = mapped_column(choice(NoticeKind), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


class NoticeVersion(Base):
    """A version that was written in answer to a notice."""

    __tablename__ = "notice_versions"

    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id", ondelete="CASCADE"), primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True)

    notice: Mapped[Notice] = relationship(back_populates="answers")
    version: Mapped[Version] = relationship()


class Clock(Base):
    """One limit that runs, or ran, on a notice.

    ``next_at`` is the one moment at which the worker must look at it again; null once nothing more can happen.
    """

    __tablename__ = "clocks"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    """Key in the rulebook: "sign_collection"."""
    title: Mapped[str] = mapped_column(String(64))
    rule: Mapped[str] = mapped_column(String(256))
    """The article, as people read it."""
    limit: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime]
    due_at: Mapped[datetime]
    first_due_at: Mapped[datetime]
    """Before any extension."""
    warn_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    stopped_at: Mapped[datetime | None]
    """Signed, completed or cancelled; null while it runs."""

    notice: Mapped[Notice] = relationship(back_populates="clocks")
    events: Mapped[list["ClockEvent"]] = relationship(back_populates="clock", order_by="ClockEvent.id")

    __table_args__ = (
        UniqueConstraint("notice_id", "name"),
        CheckConstraint("stopped_at IS NULL OR next_at IS NULL", name="stopped_needs_no_look"),
        CheckConstraint("started_at <= due_at", name="runs_forward"),
    )


class ClockEvent(Base):
    """What befell a clock, dated when it fell due, not when the worker came to it. Never changed."""

    __tablename__ = "clock_events"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    clock_id: Mapped[int] = mapped_column(ForeignKey("clocks.id", ondelete="CASCADE"))
    kind: Mapped[ClockEventKind] = mapped_column(choice(ClockEventKind))
    ordinal: Mapped[int] = mapped_column(default=1)
    """1, but for the second and later extensions, and what follows them."""
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    note: Mapped[str] = mapped_column(Text, default="")

    clock: Mapped[Clock] = relationship(back_populates="events")
    actor: Mapped[Person | None] = relationship()

    __table_args__ = (UniqueConstraint("clock_id", "kind", "ordinal"),)


class CallTask(Base):
    """联系清单: a unit that the office must call because a clock ran out (济源 art. 9(3)3)."""

    __tablename__ = "call_tasks"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    clock_id: Mapped[int] = mapped_column(ForeignKey("clocks.id", ondelete="CASCADE"))
    ordinal: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    called_at: Mapped[datetime | None]
    called_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    answer: Mapped[str] = mapped_column(Text, default="")
    """What the unit said."""

    clock: Mapped[Clock] = relationship()
    called_by: Mapped[Person | None] = relationship()

    __table_args__ = (UniqueConstraint("clock_id", "ordinal"),)


class Application(Base):
    """What a unit asks of the office: to withdraw an entry, for more time, for a category, to see another's entries."""

    __tablename__ = "applications"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    kind: Mapped[ApplicationKind] = mapped_column(choice(ApplicationKind))
    status: Mapped[ApplicationStatus] = mapped_column(choice(ApplicationStatus), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"), index=True)
    """The unit that asks."""
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"), index=True)
    """Sharing: the unit whose entries it wishes to see."""
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"))
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"))
    path: Mapped[str] = mapped_column(String(256), default="")
    """Category: the place asked for."""
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[datetime | None]
    """Extension: the new end. Sharing: when it ends."""
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    consented_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    consented_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(Text, default="")
    """Why it was refused, or what goes with the grant."""

    unit: Mapped[Unit] = relationship(foreign_keys=[unit_id])
    owner: Mapped[Unit | None] = relationship(foreign_keys=[owner_id])
    entry: Mapped[Entry | None] = relationship()
    notice: Mapped[Notice | None] = relationship(back_populates="applications")
    asked_by: Mapped[Person] = relationship(foreign_keys=[asked_by_id])
    consented_by: Mapped[Person | None] = relationship(foreign_keys=[consented_by_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])

    __table_args__ = (
        CheckConstraint("reason <> ''", name="reason_given"),
        CheckConstraint("(kind = 'sharing') = (owner_id IS NOT NULL)", name="sharing_names_the_owner"),
        CheckConstraint(
            "kind <> 'extension' OR (notice_id IS NOT NULL AND until IS NOT NULL)", name="extension_complete"
        ),
        CheckConstraint("kind <> 'withdrawal' OR entry_id IS NOT NULL", name="withdrawal_names_the_entry"),
        CheckConstraint("kind <> 'category' OR path <> ''", name="category_names_the_path"),
        Index(
            "ix_applications_one_open_withdrawal",
            "entry_id",
            unique=True,
            sqlite_where=text("kind = 'withdrawal' AND status IN ('asked', 'consented')"),
            postgresql_where=text("kind = 'withdrawal' AND status IN ('asked', 'consented')"),
        ),
        Index(
            "ix_applications_one_open_extension",
            "notice_id",
            unique=True,
            sqlite_where=text("kind = 'extension' AND status IN ('asked', 'consented')"),
            postgresql_where=text("kind = 'extension' AND status IN ('asked', 'consented')"),
        ),
    )
