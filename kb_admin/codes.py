"""Codes that the system gives (清远 art. 4(2)3): ZD-000001 and up, each once, counted in one row of the base."""

import re
from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.knowledge import CodeNumbers

PREFIX = "ZD-"
FORM = re.compile(r"ZD-([0-9]{6}|[1-9][0-9]{6,8})")
"""Six digits, more once they are used up."""


def number_of(code: str) -> int | None:
    """Which number a system code has; None for any other code."""
    match = FORM.fullmatch(code)
    return int(match[1]) if match else None


def take_turn(session: Session) -> None:
    """Wait until nobody else is adding entries, and keep others waiting until this transaction ends."""
    session.execute(update(CodeNumbers).values(last=CodeNumbers.last).execution_options(synchronize_session=False))


def give(session: Session, count: int) -> list[str]:
    """So many new codes."""
    if not count:
        return []
    counted = update(CodeNumbers).values(last=CodeNumbers.last + count, given=True).returning(CodeNumbers.last)
    last = session.execute(counted.execution_options(synchronize_session=False)).scalar_one()
    return [f"{PREFIX}{number:06d}" for number in range(last - count + 1, last + 1)]


def take_over(session: Session, codes: Iterable[str]) -> None:
    """Count on from the highest of these codes; those that are not of the system do not matter."""
    highest = max((number for code in codes if (number := number_of(code)) is not None), default=0)
    if highest:
        raised = update(CodeNumbers).where(CodeNumbers.last < highest).values(last=highest)
        session.execute(raised.execution_options(synchronize_session=False))


def has_given(session: Session) -> bool:
    """Whether this base has given codes of its own.

    Until then it takes over those of another base's export, so that a base can be moved. Afterwards a code of the
    system's form that it does not know is a slip, or another base's code, which may mean another entry here tomorrow.
    """
    return session.scalars(select(CodeNumbers.given)).one()
