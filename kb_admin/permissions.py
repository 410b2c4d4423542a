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


def may(grants: Iterable[Grant], action: Action, *, unit_id: int | None = None) -> bool:
    """Whether one of the roles allows the action; a unit's role only for that unit's own entries.

    ``unit_id`` is the unit that owns the object, or None when the action is on no entry in particular.
    """
    return any(
        grant.role in WHO_MAY[action] and (grant.role not in UNIT_ROLES or unit_id in (None, grant.unit_id))
        for grant in grants
    )


def require(grants: Iterable[Grant], action: Action, *, unit_id: int | None = None) -> None:
    """Raise Forbidden, naming the roles that may, unless the action is allowed."""
    if not may(grants, action, unit_id=unit_id):
        roles = "、".join(role.label for role in Role if role in WHO_MAY[action])
        raise Forbidden(f"您的岗位不能进行此项操作。可以操作的岗位：{roles}（单位岗位限本单位条目）。")


def viewer_of(grants: Iterable[Grant], units: Iterable[Unit]) -> Viewer:
    """What the roles let one see (清远 art. 4(3)): all; a county's units; one's own unit and its counterparts."""
    held = list(grants)
    if any(grant.role in SEES_ALL_UNITS for grant in held):
        return Viewer(everything=True)
    counties = {g.region_id for g in held if g.role is Role.COUNTY_OFFICE}
    own = {g.unit_id for g in held if g.role in UNIT_ROLES}
    visible = {u.id for u in units if u.region_id in counties or u.id in own or u.counterpart_id in own}
    return Viewer(unit_ids=frozenset(visible))
