"""Where what an import brings goes: live at once when the office loads it, else along the route of its unit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.contents import batches
from kb_admin.courses import Course, routes_open_to
from kb_admin.going_live import live_entry_ids
from kb_admin.routes import LOADING, Move, MoveName, gate_at, moves_of, system_move, waiting
from kb_admin.rules_in_force import InForce, rules_of
from models.knowledge import Entry, Version
from models.organisation import Unit
from models.validity import is_ahead
from models.values import EntryContent, Origin, VersionStatus

S = VersionStatus
LOAD = system_move(MoveName.LOAD, S.DRAFT)


@dataclass(frozen=True)
class Way:
    """The moves of one arrival, and what they write in its version."""

    origin: Origin
    """Of the entry, where it is new."""
    moves: tuple[Move, ...]
    rule: str
    course: Course | None = None
    """None: loaded, on no route."""
    takes_effect_at: datetime | None = None

    @property
    def status(self) -> VersionStatus:
        return self.moves[-1].to

    @property
    def has_notice(self) -> bool:
        """Whether a notice goes out with it: of its first gate, or of the check afterwards."""
        gate = gate_at(self.course.route, 0) if self.course else None
        return gate is not None and gate.notice is not None

    def columns(self, now: datetime) -> dict[str, object]:
        """What the version says of its route."""
        course = self.course
        return {
            "takes_effect_at": self.takes_effect_at,
            "route": course.route.name if course else "",
            "rulebook_id": course.rules.rulebook_id if course else None,
            "emergency": course.route.emergency if course else False,
            "submitted_at": now if course else None,
        }


@dataclass(frozen=True)
class Ways:
    """What decides where arrivals go, read once for all of them."""

    rules: Mapping[int, InForce]
    """By unit id."""
    origins: Mapping[int, Origin]
    """Of the entries that are there, by entry id."""
    live: frozenset[int]
    """Entries that have a live version."""
    published: frozenset[int]
    """Entries of which something has been live before."""

    @classmethod
    def read(cls, session: Session, unit_ids: Iterable[int], entry_ids: Iterable[int], now: datetime) -> "Ways":
        """For the entries that are there, and new ones of these units. Raises Unavailable for a city without rules."""
        wanted, known = frozenset(unit_ids), sorted(set(entry_ids))
        regions = dict(session.execute(select(Unit.id, Unit.region_id)).tuples().all())
        by_region = {i: rules_of(session, i, now) for i in sorted({regions[unit_id] for unit_id in wanted})}
        origins: dict[int, Origin] = {}
        published: set[int] = set()
        for some in batches(known):
            origins.update(session.execute(select(Entry.id, Entry.origin).where(Entry.id.in_(some))).tuples().all())
            ever = select(Version.entry_id).where(Version.entry_id.in_(some), Version.published_at.is_not(None))
            published.update(session.scalars(ever))
        live = frozenset(live_entry_ids(session, known))
        return cls({unit_id: by_region[regions[unit_id]] for unit_id in wanted}, origins, live, frozenset(published))

    def loaded(self, unit_id: int, content: EntryContent, entry_id: int | None, now: datetime) -> Way:
        """The office loads it: live at once, or at its moment where another version answers until then."""
        origin = self.origin_of(unit_id, content, entry_id)
        if self._must_wait(content, entry_id, now):
            return Way(origin, (waiting(LOAD),), LOADING.why, takes_effect_at=content.valid_from)
        return Way(origin, (LOAD,), LOADING.why)

    def handed_in(self, unit_id: int, content: EntryContent, entry_id: int | None, now: datetime) -> Way:
        """It takes the route of what the unit itself submits. Raises Invalid when the rulebook has none for it."""
        course, origin = self.course_of(unit_id, content, entry_id), self.origin_of(unit_id, content, entry_id)
        submit = next(move for move in moves_of(course.route) if move.name is MoveName.SUBMIT)
        if submit.to is S.PUBLISHED and self._must_wait(content, entry_id, now):
            return Way(origin, (waiting(submit),), course.cite(submit), course, content.valid_from)
        return Way(origin, (submit,), course.cite(submit), course)

    def course_of(self, unit_id: int, content: EntryContent, entry_id: int | None) -> Course:
        """The route of the unit, or of the other system, for what is handed in. Raises Invalid."""
        rules = self.rules[unit_id]
        origin = Origin.SYNC if self.origins.get(entry_id or 0) is Origin.SYNC else Origin.UNIT
        first = entry_id not in self.published
        return Course(rules, routes_open_to(rules.rulebook, content.info_type, [origin], first=first)[0])

    def origin_of(self, unit_id: int, content: EntryContent, entry_id: int | None) -> Origin:
        """Of a new entry: what the rulebook lists as kept in another system (清远 art. 3) comes from there."""
        if entry_id is not None:
            return self.origins[entry_id]
        routes = self.rules[unit_id].rulebook.routes
        from_there = any(content.info_type in (r.info_types or ()) for r in routes if r.origin is Origin.SYNC)
        return Origin.SYNC if from_there else Origin.UNIT

    def _must_wait(self, content: EntryContent, entry_id: int | None, now: datetime) -> bool:
        return entry_id in self.live and is_ahead(content.valid_from, now)
