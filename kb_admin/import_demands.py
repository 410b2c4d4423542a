"""What a unit's own import must satisfy beyond the form of its rows: what a submission by hand must satisfy too."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.arrival_routes import Ways
from kb_admin.content_rules import Fault
from kb_admin.contents import KnownEntry
from kb_admin.courses import FROM_ANOTHER_SYSTEM
from kb_admin.rulebook import Party
from kb_admin.rules_in_force import rules_of
from kb_admin.submitting import demands
from models.errors import Invalid
from models.knowledge import Category
from models.organisation import Unit
from models.values import CandidateRow, EntryContent, EntryField, Origin


@dataclass(frozen=True)
class ImportDemands:
    """What is asked of rows that are handed in; nothing is asked of what the office loads."""

    ways: Ways
    units: dict[str, int]
    open_categories: frozenset[tuple[int, str]]
    """Places that are set up, with their units."""
    now: datetime

    @classmethod
    def read(
        cls, session: Session, rows: Iterable[CandidateRow], entry_ids: Iterable[int], now: datetime
    ) -> "ImportDemands":
        """For rows of known units, and the entries that they may change. Raises Unavailable for a city without
        rules."""
        units = _units(session, rows)
        places = select(Category.unit_id, Category.path).where(Category.active)
        return cls(
            Ways.read(session, units.values(), entry_ids, now),
            units,
            frozenset(session.execute(places).tuples()),
            now,
        )

    def faults(self, content: EntryContent, entry: KnownEntry | None) -> Iterator[Fault]:
        """What stops this content from being handed in, for a new entry or in place of a known one."""
        if entry is not None and entry.origin is Origin.SYNC:
            yield Fault(EntryField.CODE, FROM_ANOTHER_SYSTEM.format(code=entry.code))
            return
        unit_id = self.units[content.unit]
        try:
            course = self.ways.course_of(unit_id, content, entry.entry_id if entry else None)
        except Invalid as fault:
            yield Fault(EntryField.INFO_TYPE, str(fault))
            return
        closed = bool(content.category) and (unit_id, content.category) not in self.open_categories
        yield from demands(course, content, closed_category=closed, now=self.now)


def left_to_office(session: Session, rows: Sequence[CandidateRow], now: datetime) -> list[CandidateRow]:
    """The rows without the keywords of known entries, where the office sets those (清远 art. 6)."""
    regions = dict(session.execute(select(Unit.name, Unit.region_id)).tuples().all())
    wanted = {regions[row.content.unit] for row in rows if row.content.unit in regions}
    by_office = {i for i in wanted if rules_of(session, i, now).rulebook.keywords_by is not Party.EDITOR}
    return [
        replace(row, given=row.given - {EntryField.KEYWORDS}) if regions.get(row.content.unit) in by_office else row
        for row in rows
    ]


def _units(session: Session, rows: Iterable[CandidateRow]) -> dict[str, int]:
    named = {row.content.unit for row in rows}
    return {name: i for i, name in session.execute(select(Unit.id, Unit.name)).tuples() if name in named}
