"""Rulebooks as they were when somebody began to work under them, and which holds where from when."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity
from models.organisation import Person, Region


class RulebookText(Base):
    """A whole rulebook, never changed: what began under it ends under it."""

    __tablename__ = "rulebook_texts"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of ``text``."""
    text: Mapped[str] = mapped_column(Text)
    """TOML, every key given."""
    added_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("length(digest) = 64", name="digest_complete"),)


class Adoption(Base):
    """From ``effective_from`` on a region follows a rulebook, until its next adoption. A county without one follows
    its city."""

    __tablename__ = "rulebook_adoptions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    rulebook_id: Mapped[int] = mapped_column(ForeignKey("rulebook_texts.id"))
    effective_from: Mapped[datetime]
    adopted_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    adopted_at: Mapped[datetime]

    region: Mapped[Region] = relationship()
    rulebook: Mapped[RulebookText] = relationship(lazy="joined", innerjoin=True)
    adopted_by: Mapped[Person | None] = relationship()

    __table_args__ = (UniqueConstraint("region_id", "effective_from"),)


class CalendarYear(Base):
    """The State Council's calendar of a year that the program does not bring along, as the administrator added it."""

    __tablename__ = "calendar_years"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holidays: Mapped[list[str]] = mapped_column(JSON)
    """Days off between Monday and Friday or not: ISO dates."""
    workdays: Mapped[list[str]] = mapped_column(JSON)
    """Make-up days (调休) on Saturdays and Sundays: ISO dates."""
    source: Mapped[str] = mapped_column(String(256))
    """The document that announced it: "国办发明电〔2026〕…号"."""
    added_at: Mapped[datetime]
