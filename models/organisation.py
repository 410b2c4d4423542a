"""Regions, units, people, roles, and how people and programs prove who they are."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.values import Level, Role


class Region(Base):
    """The city, or one of its counties. Which rulebook holds in it, and from when, is an ``Adoption``."""

    __tablename__ = "regions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    level: Mapped[Level] = mapped_column(choice(Level))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))

    __table_args__ = (
        CheckConstraint("(level = 'city') = (parent_id IS NULL)", name="city_has_no_parent"),
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
    )


class Unit(Base):
    """承办单位. A county unit may name its counterpart (对口) unit of the city."""

    __tablename__ = "units"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    level: Mapped[Level] = mapped_column(choice(Level))
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    counterpart_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    phone: Mapped[str] = mapped_column(String(64), default="")

    region: Mapped[Region] = relationship(lazy="joined")

    __table_args__ = (
        CheckConstraint("counterpart_id IS NULL OR level = 'county'", name="only_county_units_have_counterparts"),
    )


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    login: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    password_hash: Mapped[str] = mapped_column(String(256))
    mail: Mapped[str] = mapped_column(String(256), default="", server_default="")
    """Where messages also go when mail is set up; empty: nowhere."""
    team: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """班组 of an agent; empty: none."""
    active: Mapped[bool] = mapped_column(default=True)

    grants: Mapped[list["RoleGrant"]] = relationship(
        back_populates="person", lazy="selectin", order_by="RoleGrant.id", cascade="all, delete-orphan"
    )


def _once(*columns: str, where: str) -> Index:
    """A grant stands once. A unique key over columns that may be null binds nobody: null never equals null."""
    name = f"ix_role_grants_one_{columns[-1].removesuffix('_id')}"
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


class RoleGrant(Base):
    """One role of one person: for a unit (editor, reviewer, leader), a county (its office), or the whole city."""

    __tablename__ = "role_grants"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(choice(Role))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"), index=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))

    person: Mapped[Person] = relationship(back_populates="grants")
    unit: Mapped[Unit | None] = relationship(lazy="joined")
    region: Mapped[Region | None] = relationship(lazy="joined")

    __table_args__ = (
        _once("person_id", "role", "unit_id", where="unit_id IS NOT NULL"),
        _once("person_id", "role", "region_id", where="region_id IS NOT NULL"),
        _once("person_id", "role", where="unit_id IS NULL AND region_id IS NULL"),
        CheckConstraint(
            "(role IN ('editor', 'reviewer', 'unit_leader')) = (unit_id IS NOT NULL)", name="unit_roles_name_a_unit"
        ),
        CheckConstraint("(role = 'county_office') = (region_id IS NOT NULL)", name="county_office_names_a_region"),
    )


class LoginSession(Base):
    """A browser that is logged in. The cookie holds the token, the database only its SHA-256."""

    __tablename__ = "login_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    person: Mapped[Person] = relationship(lazy="joined")


class ApiToken(Base):
    """A bearer token of a program that acts with a person's rights."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(lazy="joined")


class FailedLogin(Base):
    """A wrong password, kept to slow down guessing."""

    __tablename__ = "failed_logins"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    login: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64), default="")
    """Where it came from; empty where there is none."""
    at: Mapped[datetime]

    __table_args__ = (Index("ix_failed_logins_login_at", "login", "at"),)
