"""What was asked, what was shown, what people said of it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.incoming import IncomingCall
from models.knowledge import Version
from models.organisation import Person
from models.values import FaultReason, Judgement, Outcome, Rater


class Question(Base):
    """One question put to the service, as it was typed."""

    __tablename__ = "questions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    call_id: Mapped[int | None] = mapped_column(ForeignKey("incoming_calls.id"), index=True)
    """The call during which it was asked; null outside calls."""
    asked_at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[Outcome] = mapped_column(choice(Outcome))
    took_ms: Mapped[float]

    call: Mapped[IncomingCall | None] = relationship()
    shown: Mapped[list["ShownAnswer"]] = relationship(order_by="ShownAnswer.rank", cascade="all, delete-orphan")


class ShownAnswer(Base):
    """One answer on the screen: exactly which version, at which rank, with which confidence."""

    __tablename__ = "shown_answers"

    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), index=True)
    score: Mapped[float]

    version: Mapped[Version] = relationship()

    __table_args__ = (
        CheckConstraint("rank >= 1", name="ranked_from_one"),
        CheckConstraint("score >= 0 AND score <= 1", name="score_is_a_probability"),
    )


class Verdict(Base):
    """A judgement on exactly the version that was shown: one per rater and call, which its author may correct the same
    day.

    Correctness is worked out from these rows each time and stored nowhere.
    """

    __tablename__ = "verdicts"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id"), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    rater: Mapped[Rater] = mapped_column(choice(Rater))
    rater_key: Mapped[str] = mapped_column(String(80))
    """Who it is, however often they judge: "person:12", "caller:<keyed hash>", "call:5" of an unknown caller; where no
    call platform vouches for calls, "callers-of:12" of all unknown callers of one agent."""
    occasion: Mapped[str] = mapped_column(String(32))
    """The call in which it was shown, "call:5"; outside a call the question, "question:9"."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    """The agent; null for a citizen."""
    judgement: Mapped[Judgement] = mapped_column(choice(Judgement))
    reason: Mapped[FaultReason | None] = mapped_column(choice(FaultReason))
    note: Mapped[str] = mapped_column(Text, default="")
    given_at: Mapped[datetime]
    """First given; it can be corrected on this day."""
    at: Mapped[datetime]
    """Last said."""

    person: Mapped[Person | None] = relationship()
    version: Mapped[Version] = relationship()
    question: Mapped[Question] = relationship()

    __table_args__ = (
        UniqueConstraint("occasion", "version_id", "rater_key"),
        CheckConstraint("(judgement = 'incorrect') = (reason IS NOT NULL)", name="a_fault_has_a_reason"),
        CheckConstraint("(rater = 'agent') = (person_id IS NOT NULL)", name="agents_are_people_we_know"),
        Index("ix_verdicts_version_id_at", "version_id", "at"),
        Index("ix_verdicts_rater_key_at", "rater_key", "at"),
    )


class Gap(Base):
    """知识缺失: a question that nobody could answer, in the caller's words."""

    __tablename__ = "gaps"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    question_id: Mapped[int | None] = mapped_column(ForeignKey("questions.id"), unique=True)
    text: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, default="")
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]

    person: Mapped[Person] = relationship()

    __table_args__ = (CheckConstraint("text <> ''", name="not_empty"), Index("ix_gaps_at", "at"))
