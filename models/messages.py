"""What people are told in the system, and what goes out of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.organisation import Person
from models.values import Channel


class Notification(Base):
    """One message to one person, once for each event."""

    __tablename__ = "notifications"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(128))
    """What it tells of: "clock:12:expired:1"; nobody is told the same twice."""
    text: Mapped[str] = mapped_column(String(512))
    address: Mapped[str] = mapped_column(String(256))
    """The page that it leads to."""
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship()

    __table_args__ = (
        UniqueConstraint("person_id", "event"),
        Index("ix_notifications_person_id_read_at_at", "person_id", "read_at", "at"),
        CheckConstraint("text <> ''", name="not_empty"),
    )


class Delivery(Base):
    """One message on its way out, by webhook or mail; tried again until it arrives or is given up."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    channel: Mapped[Channel] = mapped_column(choice(Channel))
    event: Mapped[str] = mapped_column(String(128))
    recipient: Mapped[str] = mapped_column(String(256), default="")
    """A mail address; empty for the webhook."""
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it is tried next; null once it has arrived or is given up."""
    sent_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (UniqueConstraint("channel", "event", "recipient"),)
