"""Which route a version is on, under which rulebook, and who takes the next step on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.permissions import Grant, acts_as, grants_of
from kb_admin.routes import Move, MoveName, gate_at, open_moves, route_for
from kb_admin.rulebook import Gate, Party, Route, Rulebook
from kb_admin.rules_in_force import InForce, rules_by_id, rules_of_unit
from models.errors import Forbidden, Invalid
from models.knowledge import Entry, Version
from models.organisation import Person, Unit
from models.values import Origin, VersionStatus

S = VersionStatus
BEYOND_ITS_ORIGIN = (Origin.UNIT, Origin.OFFICE)
"""However an entry came to be written, its unit keeps it up (济源 art. 11, 清远 art. 5(2)), and the office may write a
better wording for the unit to approve."""
FROM_ANOTHER_SYSTEM = (
    "条目 {code} 是从业务系统导入的，不能在这里修改。请先在原系统中修改，再由热线办导入更新，两边才会一致。"
)


@dataclass(frozen=True)
class Course:
    """A route under the rulebook that it belongs to."""

    rules: InForce
    route: Route

    @property
    def rulebook(self) -> Rulebook:
        return self.rules.rulebook

    def cite(self, move: Move) -> str:
        """The article behind a move, as people read it."""
        return self.rulebook.cite(move.source)

    def moves_from(self, version: Version) -> tuple[Move, ...]:
        """What people may do with the version as it stands."""
        return tuple(
            move
            for move in open_moves(self.route, version.status, version.gates_passed)
            if not _is_pointless(version, move)
        )


def course_of(session: Session, version: Version, grants: Iterable[Grant] | None, now: datetime) -> Course:
    """The course that the version is on since it was submitted; for a draft, the one that it would take if somebody
    with these roles submitted it. ``grants`` None: the system. Raises Invalid when the rulebook has no route for it.
    """
    if version.status is not S.DRAFT and version.rulebook_id is not None and version.route:
        rules = rules_by_id(session, version.rulebook_id)
        return Course(rules, rules.rulebook.route(version.route))
    return course_ahead(session, version, grants, now)


def course_ahead(session: Session, version: Version, grants: Iterable[Grant] | None, now: datetime) -> Course:
    """The course that a version takes when it is submitted now: that of its entry's origin, if the writer is who
    writes there; else another that they may write on."""
    entry = version.entry
    rules = rules_of_unit(session, entry.unit, now)
    first = nothing_published(session, entry)
    routes = routes_open_to(rules.rulebook, version.info_type, origins_of(entry), first=first)
    held = None if grants is None else frozenset(grants)
    own = routes if held is None else [route for route in routes if acts_as(held, route.writes, entry.unit)]
    return Course(rules, (own or routes)[0])


def routes_open_to(rulebook: Rulebook, info_type: str, origins: Iterable[Origin], *, first: bool) -> list[Route]:
    """The routes that a version of that type may take, one for each origin that has one. Raises Invalid when none."""
    found: list[Route] = []
    faults: list[Invalid] = []
    for origin in origins:
        try:
            found.append(route_for(rulebook, info_type=info_type, origin=origin, first=first))
        except Invalid as fault:
            faults.append(fault)
    if not found:
        raise faults[0]
    return found


def origins_of(entry: Entry) -> tuple[Origin, ...]:
    """How new versions of the entry may come to be written, its own way first."""
    if entry.origin is Origin.SYNC:
        return (Origin.SYNC,)
    return (entry.origin, *(origin for origin in BEYOND_ITS_ORIGIN if origin is not entry.origin))


def writers(rulebook: Rulebook, origins: Iterable[Origin]) -> frozenset[Party]:
    """Who writes on any route of these origins."""
    wanted = frozenset(origins)
    return frozenset(route.writes for route in rulebook.routes if route.origin in wanted)


def require_writer(
    session: Session, unit: Unit, origins: Iterable[Origin], *, actor: Person | None, now: datetime
) -> None:
    """Raise Forbidden unless the actor writes for the unit on some route of these origins; None is the system."""
    if actor is not None:
        parties = writers(rules_of_unit(session, unit, now).rulebook, origins)
        require_party(parties, unit, actor, doing="采编")


def refuse_other_systems(entry: Entry, actor: Person | None) -> None:
    """审批信息 is changed where it comes from, then imported (清远 art. 3(2)). Raises Forbidden."""
    if entry.origin is Origin.SYNC and actor is not None:
        raise Forbidden(FROM_ANOTHER_SYSTEM.format(code=entry.code))


def require_party(parties: Iterable[Party], unit: Unit, actor: Person | None, *, doing: str) -> None:
    """Raise Forbidden, naming who may, unless the actor is one of the parties for the unit; None is the system."""
    wanted = frozenset(parties)
    if actor is None or is_party(grants_of(actor), wanted, unit):
        return
    named = "、".join(party.label for party in Party if party in wanted)
    raise Forbidden(f"“{unit.name}”条目的{doing}由{named}办理，您没有这一岗位。")


def is_party(grants: Iterable[Grant], parties: Iterable[Party], unit: Unit) -> bool:
    """Whether the roles make their holder one of these parties for the unit."""
    held = frozenset(grants)
    return any(acts_as(held, party, unit) for party in parties)


def nothing_published(session: Session, entry: Entry) -> bool:
    """Whether no version of the entry has ever been live: it is submitted for the first time (清远 art. 2(1))."""
    published = select(Version.id).where(Version.entry_id == entry.id, Version.published_at.is_not(None)).limit(1)
    return session.scalar(published) is None


def gate_of(course: Course, version: Version) -> Gate | None:
    """The gate at which the version waits: submitted, or live as emergency information that is still to be checked."""
    waits = version.status is S.SUBMITTED or (version.status is S.PUBLISHED and version.emergency)
    return gate_at(course.route, version.gates_passed) if waits else None


def _is_pointless(version: Version, move: Move) -> bool:
    """What the table allows to others that stand so: one that waits for its moment is not published again, one that
    never was published is not put back, and only emergency information is checked afterwards."""
    if move.name is MoveName.PUBLISH:
        return version.takes_effect_at is not None
    if move.name is MoveName.RESTORE:
        return version.published_at is None
    if move.name is MoveName.APPROVE and version.status is not S.SUBMITTED:
        return not version.emergency
    return False
