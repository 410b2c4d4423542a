"""Who sees what: one decision, and the same rule reduced to what lists, counts, exports and retrieval enforce.

A test holds the decision and its reductions together over random cities.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from kb_admin import permissions
from kb_admin.permissions import Action, Grant, Reach
from kb_admin.rulebook import Release, RightsRule, Scope, Source
from models.knowledge import Entry, Version
from models.organisation import Unit
from models.validity import in_force, in_force_sql
from models.values import Publicity, VersionStatus, Viewer


@dataclass(frozen=True)
class Onlooker:
    """Who looks: their roles, and the units whose entries are shared with their units at this moment."""

    grants: frozenset[Grant] = frozenset()
    shared_unit_ids: frozenset[int] = frozenset()


CITIZEN = Onlooker()
NO_RIGHTS = RightsRule(
    sees={},
    sharing=False,
    sharing_needs_consent=True,
    sharing_longest_days=0,
    release=Release.BY_OFFICE,
    source=Source(why="没有采用规则时，只能看公开的条目"),
)
"""Where no rulebook holds."""


@dataclass(frozen=True)
class Thing:
    """What of an object matters for a right on it: whose it is, and whether it answers."""

    unit_id: int
    region_id: int
    counterpart_id: int | None = None
    publicity: Publicity = Publicity.INTERNAL
    answers: bool = False
    """A published version in force at this moment; drafts, former versions and the moves are not."""

    @classmethod
    def of(cls, unit: Unit, version: Version | None = None, now: datetime | None = None) -> "Thing":
        """The unit itself, or one of its versions as it stands at ``now``."""
        if version is None or now is None:
            return cls(unit.id, unit.region_id, unit.counterpart_id)
        answers = version.status is VersionStatus.PUBLISHED and in_force(version, now)
        return cls(unit.id, unit.region_id, unit.counterpart_id, version.publicity, answers)


SCOPES: Mapping[Scope, Callable[[Grant, Thing], bool]] = {
    Scope.ALL: lambda _grant, _thing: True,
    Scope.COUNTY: lambda grant, thing: grant.region_id is not None and grant.region_id == thing.region_id,
    Scope.OWN: lambda grant, thing: grant.unit_id is not None and grant.unit_id == thing.unit_id,
    Scope.COUNTERPART: lambda grant, thing: grant.unit_id is not None and grant.unit_id == thing.counterpart_id,
}
"""Whose entries a scope holds, for one role as it is held: for a unit, for a county, or for the city."""


def may(onlooker: Onlooker, action: Action, thing: Thing, rights: RightsRule) -> bool:
    """The one decision: whether somebody may do that with this thing, under the city's rule of rights.

    Seen are public entries that answer, by everybody; others that answer, by whom the rulebook gives sight of their
    unit and by whom the unit shares with; all else, only by who reads the unit's history. Decided role by role: one
    that sees an entry and another that reads other entries' history add up to nothing.
    """
    if action is Action.SEE:
        answered = thing.answers and (thing.publicity is Publicity.PUBLIC or _is_shown(onlooker, thing, rights))
        return answered or may(onlooker, Action.READ_HISTORY, thing, rights)
    held: Iterable[Grant] = onlooker.grants
    if action in BOUND_BY_SIGHT:
        held = [grant for grant in held if _in_sight(grant, thing, rights)]
    return permissions.may(held, action, unit_id=thing.unit_id, region_id=thing.region_id)


BOUND_BY_SIGHT = frozenset({Action.READ_HISTORY, Action.EXPORT})
"""A role reads whole, and takes out in files, no more than the rulebook lets it see."""


def _is_shown(onlooker: Onlooker, thing: Thing, rights: RightsRule) -> bool:
    """Whether the unit's live entries, public or not, are for this onlooker."""
    return thing.unit_id in onlooker.shared_unit_ids or any(_in_sight(g, thing, rights) for g in onlooker.grants)


def _in_sight(grant: Grant, thing: Thing, rights: RightsRule) -> bool:
    return any(SCOPES[scope](grant, thing) for scope in rights.sees.get(grant.role, ()))


def viewer_of(onlooker: Onlooker, units: Iterable[Unit], rights: RightsRule) -> Viewer:
    """The same as retrieval enforces it. ``units`` (all that there are) are read only where a role sees some only."""
    if any(_sees_all(grant, rights) for grant in onlooker.grants):
        return Viewer(everything=True)
    if not onlooker.grants:
        return Viewer(unit_ids=onlooker.shared_unit_ids)
    return Viewer(unit_ids=frozenset(u.id for u in units if _is_shown(onlooker, Thing.of(u), rights)))


def readable_history(grants: Iterable[Grant], units: Iterable[Unit], rights: RightsRule) -> Reach:
    """The units whose entries one reads whole: drafts, former versions, what is not in force, and every move."""
    return reach_of(Action.READ_HISTORY, grants, units, rights)


def reach_of(action: Action, grants: Iterable[Grant], units: Iterable[Unit], rights: RightsRule) -> Reach:
    """The units on whose things the action is allowed; ``units`` as in ``viewer_of``."""
    onlooker = Onlooker(frozenset(grants))
    held = [grant for grant in onlooker.grants if grant.role in permissions.WHO_MAY[action]]
    if not held:
        return Reach()
    if any(_of_whole_city(grant) and (action not in BOUND_BY_SIGHT or _sees_all(grant, rights)) for grant in held):
        return Reach(everything=True)
    return Reach(unit_ids=frozenset(u.id for u in units if may(onlooker, action, Thing.of(u), rights)))


def _of_whole_city(grant: Grant) -> bool:
    return grant.unit_id is None and grant.region_id is None


def _sees_all(grant: Grant, rights: RightsRule) -> bool:
    return Scope.ALL in rights.sees.get(grant.role, ())


def answering(viewer: Viewer, version: type[Version], now: datetime) -> ColumnElement[bool]:
    """The same as a condition on ``version``, the table or an alias of it, joined with its ``Entry``: published, in
    force, and for this viewer."""
    published = and_(version.status == VersionStatus.PUBLISHED, in_force_sql(version, now))
    seen = or_(version.publicity == Publicity.PUBLIC, in_units(Reach(viewer.everything, viewer.unit_ids)))
    hidden = viewer.hidden_entry_ids
    return and_(published, seen, Entry.id.not_in(hidden)) if hidden else and_(published, seen)


def in_units(reach: Reach, column: InstrumentedAttribute[int] = Entry.unit_id) -> ColumnElement[bool]:
    """The same for a right on whole units: a condition on the column that names the unit."""
    return true() if reach.everything else column.in_(reach.unit_ids)
