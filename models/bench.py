"""Test sets, their cases, and the saved runs of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.organisation import Person
from models.values import Choice, Outcome, RunStatus


class SeenAs(Choice):
    """Through whose eyes a test sees the base."""

    AGENT = "agent", "话务员所见"
    CITIZEN = "citizen", "市民所见（仅公开条目）"
    EVERYTHING = "everything", "全部条目"


@dataclass(frozen=True)
class CaseRow:
    """One row of a file of test questions, before anybody knows which entries it means."""

    sheet: str
    row: int
    question: str
    expected: str
    """Codes or standard questions, as they stand in the cell; empty: nothing in the base answers it."""


class TestSet(Base):
    """测试集: questions whose right answers are known."""

    __tablename__ = "test_sets"
    __test__ = False
    """Nothing for pytest."""

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    source: Mapped[str] = mapped_column(String(256))
    """The file that it was read from, or from which calls it was drawn."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]

    created_by: Mapped[Person | None] = relationship()
    cases: Mapped[list["TestCase"]] = relationship(
        back_populates="set", order_by="TestCase.number", cascade="all, delete-orphan"
    )


class TestCase(Base):
    """One question, and the entries that answer it."""

    __tablename__ = "test_cases"
    __test__ = False

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    set_id: Mapped[int] = mapped_column(ForeignKey("test_sets.id", ondelete="CASCADE"))
    number: Mapped[int]
    """Row of the file."""
    question: Mapped[str] = mapped_column(Text)
    expected: Mapped[Any] = mapped_column(JSON)
    """Codes of the entries, any of which is right; an empty list: nothing in the base answers it."""

    set: Mapped[TestSet] = relationship(back_populates="cases")

    __table_args__ = (
        UniqueConstraint("set_id", "number"),
        CheckConstraint("question <> ''", name="not_empty"),
    )


class TestRun(Base):
    """One run of a test set, under named settings, on the base as it was at a moment."""

    __tablename__ = "test_runs"
    __test__ = False

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    set_id: Mapped[int] = mapped_column(ForeignKey("test_sets.id"), index=True)
    name: Mapped[str] = mapped_column(String(128))
    status: Mapped[RunStatus] = mapped_column(choice(RunStatus), index=True)
    settings: Mapped[Any] = mapped_column(JSON)
    """All that can be chosen: the base's moment, the model, the weights, the thresholds."""
    circumstances: Mapped[Any] = mapped_column(JSON)
    """What was found: entries, fingerprint of the model, version of the program."""
    started_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    summary: Mapped[Any] = mapped_column(JSON)
    """Figures over all its cases, worked out once when it ends; an empty object before."""
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    runner: Mapped[str] = mapped_column(String(128), default="", server_default="")
    """The process that has it in hand; empty: none."""
    seen_at: Mapped[datetime | None]
    """Last sign of life of that process; one that gives none for a while is dead."""

    set: Mapped[TestSet] = relationship()
    started_by: Mapped[Person | None] = relationship()


class TestResult(Base):
    """What a run gave for one case."""

    __tablename__ = "test_results"
    __test__ = False

    run_id: Mapped[int] = mapped_column(ForeignKey("test_runs.id", ondelete="CASCADE"), primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("test_cases.id"), primary_key=True)
    outcome: Mapped[Outcome] = mapped_column(choice(Outcome))
    rank: Mapped[int | None]
    """Of the first right entry, from 1; null: not among those found, or none is right."""
    found: Mapped[Any] = mapped_column(JSON)
    """The best few: code and score of each, best first."""
    took_ms: Mapped[float]

    case: Mapped[TestCase] = relationship()

    __table_args__ = (Index("ix_test_results_case_id", "case_id"),)
