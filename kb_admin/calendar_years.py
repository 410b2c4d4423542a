"""Years of holidays that the administrator added: the program brings along only those published when it was made."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import audit
from kb_admin.published_years import PublishedYear
from models.organisation import Person
from models.rules import CalendarYear


def added_years(session: Session) -> Mapping[int, PublishedYear]:
    """By year; none where nobody has added any."""
    rows = session.scalars(select(CalendarYear).order_by(CalendarYear.year))
    return {row.year: PublishedYear.of_dates(row.year, row.holidays, row.workdays, row.source) for row in rows}


def add_year(session: Session, year: PublishedYear, *, actor: Person | None, now: datetime) -> bool:
    """Put the year into the base, or set right what stands there; whether it is new. Clocks that run keep their due
    times: they were told to people."""
    row = session.get(CalendarYear, year.year)
    new = row is None
    if row is None:
        row = CalendarYear(year=year.year)
        session.add(row)
    row.holidays = [day.isoformat() for day in sorted(year.holidays)]
    row.workdays = [day.isoformat() for day in sorted(year.workdays)]
    row.source, row.added_at = year.source[: CalendarYear.source.type.length], now
    session.flush()
    details = {"source": row.source, "holidays": row.holidays, "workdays": row.workdays}
    audit.record(session, actor=actor, act="calendar.add", subject=f"calendar:{year.year}", details=details, now=now)
    return new
