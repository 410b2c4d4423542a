"""Who may do what. One pure decision for actions, one reduction to what retrieval enforces."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from models.errors import Forbidden
from models.organisation import Person, Unit
from models.values import Role, Viewer

OFFICE = frozenset({Role.CITY_OFFICE})
UNIT_ROLES = frozenset({Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER})
SEES_ALL_UNITS = frozenset({Role.CITY_OFFICE, Role.AGENT, Role.ANALYST, Role.ADMINISTRATOR})
"""清远 art. 4(3)1(1): the city office and its agents see every unit's information."""


class Action(StrEnum):
    SEARCH = "search"
    JUDGE = "judge"
    RECORD_GAP = "record_gap"
    READ_GAPS = "read_gaps"
    IMPORT = "import"
    EXPORT = "export"
    SUBMIT = "submit"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    READ_HISTORY = "read_history"
    EDIT_THESAURUS = "edit_thesaurus"


WHO_MAY: dict[Action, frozenset[Role]] = {
    Action.SEARCH: frozenset(Role),
    Action.JUDGE: frozenset({Role.AGENT, Role.CITY_OFFICE}),
    Action.RECORD_GAP: frozenset({Role.AGENT, Role.CITY_OFFICE}),
    Action.READ_GAPS: frozenset({Role.CITY_OFFICE, Role.ANALYST}),
    Action.IMPORT: OFFICE | {Role.EDITOR},
    Action.EXPORT: OFFICE | {Role.ANALYST, Role.EDITOR, Role.REVIEWER},
    Action.SUBMIT: OFFICE | {Role.EDITOR},
    Action.PUBLISH: OFFICE,
    Action.WITHDRAW: OFFICE,
    Action.READ_HISTORY: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE, Role.ANALYST},
    Action.EDIT_THESAURUS: OFFICE,
}
"""Until rulebooks give each city its own table, the stricter reading holds: the office publishes (历城 art. 8)."""


@dataclass(frozen=True)
class Grant:
    """A role as a plain value."""

    role: Role
    unit_id: int | None = None
    region_id: int | None = None


def grants_of(person: Person) -> frozenset[Grant]:
    """The person's roles; none when the account is closed."""
    if not person.active:
        return frozenset()
    return frozenset(Grant(g.role, g.unit_id, g.region_id) for g in person.grants)


@dataclass(frozen=True)
class Reach:
    """Units to which a right extends: some of them, or all that there are."""

    everything: bool = False
    unit_ids: frozenset[int] = frozenset()

    def holds(self, unit_id: int) -> bool:
        """Whether the right extends to that unit."""
        return self.everything or unit_id in self.unit_ids


def may(grants: Iterable[Grant], action: Action, *, unit_id: int | None = None, region_id: int | None = None) -> bool:
    """Whether one of the roles by itself allows the action: a unit's role for that unit's entries, a county
    office's for the entries of its county's units.

    ``unit_id`` and ``region_id`` are the unit that owns the object and that unit's region; both None when the action
    is on no entry in particular. Without the region, a county office's role reaches no unit.
    """
    return any(grant.role in WHO_MAY[action] and _reaches(grant, unit_id, region_id) for grant in grants)


def _reaches(grant: Grant, unit_id: int | None, region_id: int | None) -> bool:
    if unit_id is None:
        return True
    if grant.role in UNIT_ROLES:
        return grant.unit_id == unit_id
    if grant.role is Role.COUNTY_OFFICE:
        return region_id is not None and grant.region_id == region_id
    return True


def require(
    grants: Iterable[Grant], action: Action, *, unit_id: int | None = None, region_id: int | None = None
) -> None:
    """Raise Forbidden, naming the roles that may, unless the action is allowed."""
    if not may(grants, action, unit_id=unit_id, region_id=region_id):
        roles = "、".join(role.label for role in Role if role in WHO_MAY[action])
        raise Forbidden(f"您的岗位不能进行此项操作。可以操作的岗位：{roles}（单位岗位限本单位条目）。")


def readable_history(grants: Iterable[Grant], units: Iterable[Unit]) -> Reach:
    """The units whose entries one reads whole: drafts, former versions, what is not in force, and every move.

    Decided grant by grant: a role that sees an entry and another that reads other entries' history add up to nothing.
    """
    readers = [grant for grant in grants if grant.role in WHO_MAY[Action.READ_HISTORY]]
    if any(grant.role not in UNIT_ROLES | {Role.COUNTY_OFFICE} for grant in readers):
        return Reach(everything=True)
    if not readers:
        return Reach()
    read = (u.id for u in units if may(readers, Action.READ_HISTORY, unit_id=u.id, region_id=u.region_id))
    return Reach(unit_ids=frozenset(read))


def viewer_of(grants: Iterable[Grant], units: Iterable[Unit]) -> Viewer:
    """What the roles let one see (清远 art. 4(3)): all; a county's units; one's own unit and its counterparts."""
    held = list(grants)
    if any(grant.role in SEES_ALL_UNITS for grant in held):
        return Viewer(everything=True)
    counties = {g.region_id for g in held if g.role is Role.COUNTY_OFFICE}
    own = {g.unit_id for g in held if g.role in UNIT_ROLES}
    visible = {u.id for u in units if u.region_id in counties or u.id in own or u.counterpart_id in own}
    return Viewer(unit_ids=frozenset(visible))
