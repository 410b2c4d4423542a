"""What was asked, what was shown, what people said of it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.knowledge import Version
from models.organisation import Person
from models.values import FaultReason, Judgement, Outcome


class Question(Base):
    """One question put to the service, as it was typed."""

    __tablename__ = "questions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[Outcome] = mapped_column(choice(Outcome))
    took_ms: Mapped[float]

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
    """A judgement on exactly the version that was shown; one per rater and question, the author may correct it."""

    __tablename__ = "verdicts"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id"), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    judgement: Mapped[Judgement] = mapped_column(choice(Judgement))
    reason: Mapped[FaultReason | None] = mapped_column(choice(FaultReason))
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]

    person: Mapped[Person] = relationship()

    __table_args__ = (
        UniqueConstraint("question_id", "version_id", "person_id"),
        CheckConstraint("(judgement = 'incorrect') = (reason IS NOT NULL)", name="a_fault_has_a_reason"),
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
