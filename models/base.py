"""The declarative base and the column types that every table uses."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from models.values import EARLIEST, LATEST

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Identity = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only for a column declared INTEGER."""


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime between EARLIEST and LATEST; another one raises ValueError.

    SQLite has no time zones, so the zone is taken off and put back here.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: times carry their zone")
        if not EARLIEST <= value <= LATEST:
            raise ValueError(f"{value!r} is not between {EARLIEST:%Y-%m-%d} and {LATEST:%Y-%m-%d}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def choice(kind: type[StrEnum], name: str | None = None) -> Enum:
    """A column that holds the value of a Choice, with a check constraint in the database.

    ``name`` tells apart the constraints of two columns of one kind in one table.
    """
    return Enum(
        kind,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=True,
        length=24,
        name=name or kind.__name__.lower(),
    )


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: dict[Any, Any] = {datetime: Moment()}  # noqa: RUF012 - SQLAlchemy's own declaration
