"""What makes the base better: defences against corrections, groups of unanswered questions, and what was learnt."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.knowledge import Entry
from models.notices import Notice
from models.organisation import Person, Unit
from models.usage import Gap, Question
from models.values import ApplicationStatus, GapSignal, GapStatus, ProposalKind, ProposalStatus


class Defence(Base):
    """申辩: the unit holds that the entry under correction is right; the office accepts that or not."""

    __tablename__ = "defences"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id"), index=True)
    status: Mapped[ApplicationStatus] = mapped_column(choice(ApplicationStatus), index=True)
    reason: Mapped[str] = mapped_column(Text)
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(Text, default="")

    notice: Mapped[Notice] = relationship()
    asked_by: Mapped[Person] = relationship(foreign_keys=[asked_by_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])

    __table_args__ = (
        CheckConstraint("reason <> ''", name="reason_given"),
        Index(
            "ix_defences_one_open",
            "notice_id",
            unique=True,
            sqlite_where=sql("status = 'consented'"),
            postgresql_where=sql("status = 'consented'"),
        ),
    )


class GapGroup(Base):
    """知识需求: questions without a good answer that ask for one and the same thing."""

    __tablename__ = "gap_groups"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    status: Mapped[GapStatus] = mapped_column(choice(GapStatus), index=True)
    label: Mapped[str] = mapped_column(Text)
    """In a caller's words; stays as it is when questions are added."""
    standard_question: Mapped[str] = mapped_column(Text, default="", server_default="")
    """As it could stand in the base: suggested, or written by the office."""
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"), index=True)
    """Suggested, from the nearest entries."""
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"))
    """The nearest entry; once answered, the one that answers."""
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"), index=True)
    """What was sent to a unit for it."""
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Sum of its questions' vectors, float32; null without a model, and until it is summed anew after the office has
    changed the group."""
    encoder: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """Fingerprint of the model that ``vector`` is of."""
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    """A question came in, or its status changed."""
    closed_at: Mapped[datetime | None]
    handled_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    remark: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why it was dismissed, or what was done."""

    unit: Mapped[Unit | None] = relationship()
    entry: Mapped[Entry | None] = relationship()
    notice: Mapped[Notice | None] = relationship()
    handled_by: Mapped[Person | None] = relationship()

    __table_args__ = (
        CheckConstraint("label <> ''", name="label_not_empty"),
        CheckConstraint("(status IN ('answered', 'dismissed')) = (closed_at IS NOT NULL)", name="closed_has_a_moment"),
    )


class GapItem(Base):
    """One question without a good answer, and the group that it belongs to."""

    __tablename__ = "gap_items"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    group_id: Mapped[int | None] = mapped_column(ForeignKey("gap_groups.id"), index=True)
    """Null until it is grouped."""
    question_id: Mapped[int | None] = mapped_column(ForeignKey("questions.id"), unique=True)
    gap_id: Mapped[int | None] = mapped_column(ForeignKey("gaps.id", ondelete="CASCADE"), unique=True)
    """What an agent recorded, in the caller's words."""
    signal: Mapped[GapSignal] = mapped_column(choice(GapSignal))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(index=True)
    lost_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of the call, from this question on."""

    group: Mapped[GapGroup | None] = relationship()
    question: Mapped[Question | None] = relationship()
    gap: Mapped[Gap | None] = relationship()

    __table_args__ = (
        CheckConstraint("text <> ''", name="not_empty"),
        CheckConstraint("question_id IS NOT NULL OR gap_id IS NOT NULL", name="comes_from_somewhere"),
    )


class Proposal(Base):
    """What use has taught and people decide: a similar question for an entry, or a pair of synonyms."""

    __tablename__ = "proposals"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    kind: Mapped[ProposalKind] = mapped_column(choice(ProposalKind))
    status: Mapped[ProposalStatus] = mapped_column(choice(ProposalStatus), index=True)
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"), index=True)
    text: Mapped[str] = mapped_column(String(512))
    """The question, or what callers say."""
    other: Mapped[str] = mapped_column(String(128), default="", server_default="")
    """Synonym: what the base says."""
    support: Mapped[int] = mapped_column(default=0, server_default="0")
    """Occasions that speak for it."""
    against: Mapped[int] = mapped_column(default=0, server_default="0")
    evidence: Mapped[Any] = mapped_column(JSON)
    """Ids of the questions that it was seen in, and where it comes from."""
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """Null: the system."""
    created_at: Mapped[datetime]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    remark: Mapped[str] = mapped_column(Text, default="", server_default="")

    entry: Mapped[Entry | None] = relationship()
    made_by: Mapped[Person | None] = relationship(foreign_keys=[made_by_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])

    __table_args__ = (
        Index(
            "ix_proposals_one_similar",
            "entry_id",
            "text",
            unique=True,
            sqlite_where=sql("kind = 'similar'"),
            postgresql_where=sql("kind = 'similar'"),
        ),
        Index(
            "ix_proposals_one_synonym",
            "text",
            "other",
            unique=True,
            sqlite_where=sql("kind = 'synonym'"),
            postgresql_where=sql("kind = 'synonym'"),
        ),
        CheckConstraint("text <> ''", name="not_empty"),
        CheckConstraint("(kind = 'similar') = (entry_id IS NOT NULL)", name="a_similar_question_has_an_entry"),
    )


class RankerFit(Base):
    """Weights of the ranker that were fitted to the log, with the comparison that speaks for or against them."""

    __tablename__ = "ranker_fits"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    weights_name: Mapped[str] = mapped_column(String(32))
    """Which weights they take the place of: "words", "hybrid", "reader"."""
    weights: Mapped[Any] = mapped_column(JSON)
    comparison: Mapped[Any] = mapped_column(JSON)
    """Both on the held-back part of the log: counts, figures, intervals."""
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]

    made_by: Mapped[Person | None] = relationship()

    __table_args__ = (
        CheckConstraint("undone_at IS NULL OR promoted_at IS NOT NULL", name="only_the_promoted_is_undone"),
    )


class Progress(Base):
    """How far a piece of work that goes on by itself has come."""

    __tablename__ = "progress"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(Identity)
    at: Mapped[datetime]
