"""The calls behind a rate, one line each: how each stands to the definition."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from kb_admin.call_standings import STANDINGS, CallStanding
from models.knowledge import Entry, Phrasing, Version
from models.organisation import Unit
from models.values import PhrasingKind


@dataclass(frozen=True)
class CallLine:
    """One call, and the entry that it was about."""

    call_id: int
    standing: CallStanding
    started_at: datetime
    team: str
    code: str
    """Empty: about no entry."""
    question: str
    unit: str


def count_calls(session: Session, calls: Select[Any]) -> int:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(calls.subquery())) or 0


def call_lines(session: Session, calls: Select[Any], *, limit: int, offset: int = 0) -> Sequence[CallLine]:
    """The latest first."""
    found = calls.subquery()
    query = (
        select(found.c.id, found.c.standing, found.c.started_at, found.c.team, Entry.code, Phrasing.text, Unit.name)
        .select_from(found)
        .outerjoin(Version, Version.id == found.c.subject_id)
        .outerjoin(Entry, Entry.id == Version.entry_id)
        .outerjoin(Unit, Unit.id == Entry.unit_id)
        .outerjoin(Phrasing, (Phrasing.version_id == Version.id) & (Phrasing.kind == PhrasingKind.STANDARD))
        .order_by(found.c.started_at.desc(), found.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [
        CallLine(call_id, STANDINGS[standing], at, team, code or "", question or "", unit or "")
        for call_id, standing, at, team, code, question, unit in session.execute(query)
    ]
