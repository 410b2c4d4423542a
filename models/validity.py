"""When a version holds: from ``valid_from`` on, no longer at ``valid_to`` itself; an end that is open never comes."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_

from models.knowledge import Version


def is_ahead(valid_from: datetime | None, now: datetime) -> bool:
    """Whether it does not hold yet."""
    return valid_from is not None and now < valid_from


def is_over(valid_to: datetime | None, now: datetime) -> bool:
    """Whether it holds no more."""
    return valid_to is not None and valid_to <= now


def in_force(version: Version, now: datetime) -> bool:
    """Whether the version holds at ``now``, published or not."""
    return not is_ahead(version.valid_from, now) and not is_over(version.valid_to, now)


def in_force_sql(version: type[Version], now: datetime) -> ColumnElement[bool]:
    """The same as a condition on ``version``, the table or an alias of it."""
    begun = or_(version.valid_from.is_(None), version.valid_from <= now)
    return and_(begun, or_(version.valid_to.is_(None), version.valid_to > now))
