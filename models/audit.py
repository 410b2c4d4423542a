"""The audit log: who saw or did what, each record sealed with the one before."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity
from models.organisation import Person


class AuditRecord(Base):
    """One act. Only ever added; ``hash`` covers all of it and the hash before."""

    __tablename__ = "audit_records"

    seq: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    """1, 2, 3 … without a gap."""
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """Null: the system, or a citizen."""
    act: Mapped[str] = mapped_column(String(64))
    """"view", "search", "export", "publish" …"""
    subject: Mapped[str] = mapped_column(String(128))
    """"entry:ZD-000012", "notice:7"."""
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)

    actor: Mapped[Person | None] = relationship()

    __table_args__ = (
        CheckConstraint("seq >= 1", name="counted_from_one"),
        CheckConstraint("length(hash) = 64", name="hash_complete"),
        Index("ix_audit_records_at", "at"),
        Index("ix_audit_records_subject", "subject"),
    )


class AuditHead(Base):
    """The last record. One row, made by the migration: whoever writes a record writes this row first."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(Identity)
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (CheckConstraint("id = 1", name="only_row"),)
