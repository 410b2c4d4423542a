"""Calls as they happened: what was asked in each, what was done with the answers, and how it ended."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.knowledge import Version
from models.organisation import Person
from models.values import Ending, Matter, UseKind


class IncomingCall(Base):
    """来电: one caller on the line with one agent."""

    __tablename__ = "incoming_calls"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    reference: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Its number in the call platform; null where none is connected."""
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    """The agent."""
    team: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """The agent's 班组 at the time."""
    caller: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """Keyed hash of the caller's number, never the number; empty where it is not known."""
    matter: Mapped[Matter | None] = mapped_column(choice(Matter))
    """Null: nobody said; what that counts as, each definition of a rate says."""
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    """Null while the caller is on the line."""
    ending: Mapped[Ending | None] = mapped_column(choice(Ending))
    """Null: still on the line, or ended without anybody saying how."""
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"), index=True)
    """The version with which it was answered."""

    person: Mapped[Person] = relationship()
    version: Mapped[Version | None] = relationship()

    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="ends_after_it_starts"),
        CheckConstraint("ending IS NULL OR ended_at IS NOT NULL", name="ending_has_a_moment"),
        CheckConstraint("version_id IS NULL OR ending = 'answered'", name="only_answered_calls_name_a_version"),
        Index(
            "ix_incoming_calls_one_open",
            "person_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_incoming_calls_person_id_ended_at", "person_id", "ended_at"),
        Index("ix_incoming_calls_caller_started_at", "caller", "started_at"),
    )


class AnswerUse(Base):
    """What was done with an answer on the screen, the first time."""

    __tablename__ = "answer_uses"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), index=True)
    kind: Mapped[UseKind] = mapped_column(choice(UseKind))
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("question_id", "version_id", "kind"),)


class RatingLink(Base):
    """A link sent to a caller, with which one answer of one call can be judged once."""

    __tablename__ = "rating_links"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("incoming_calls.id"))
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    created_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    call: Mapped[IncomingCall] = relationship()
    version: Mapped[Version] = relationship()

    __table_args__ = (
        UniqueConstraint("call_id", "version_id"),
        CheckConstraint("length(token_hash) = 64", name="hash_complete"),
    )


class ServiceKey(Base):
    """A secret that all processes of the service share: what signs links, what hides callers' numbers."""

    __tablename__ = "service_keys"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]
