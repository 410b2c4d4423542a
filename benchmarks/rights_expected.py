"""What each may see in a made-up city, said a second time and independently of the program: from what was made up, the
scopes of the rulebook's text, and 清远 art. 4(3)."""

from datetime import datetime

from benchmarks.rights_worlds import UNIT_ROLES, Told, World
from models.organisation import Person, RoleGrant
from models.values import Role, VersionStatus

READ_ALL_HISTORY = (Role.CITY_OFFICE, Role.ANALYST)
TAKE_OUT = (Role.CITY_OFFICE, Role.ANALYST, Role.EDITOR, Role.REVIEWER)


def sees_unit(world: World, person: Person, unit_id: int) -> bool:
    """Whether one of the roles gives sight of the unit's internal entries."""
    return person.active and any(_sees(world, grant, unit_id) for grant in person.grants)


def reads_history(world: World, person: Person, unit_id: int) -> bool:
    """Whether drafts and former versions of the unit are for this person."""
    return person.active and any(_reads(world, grant, unit_id) for grant in person.grants)


def is_shared(world: World, person: Person, unit_id: int, at: datetime) -> bool:
    """Whether the unit shares with one of the person's units at that moment."""
    mine = {grant.unit_id for grant in person.grants if person.active}
    return any(s.granted and s.owner_id == unit_id and s.unit_id in mine and at < s.until for s in world.shares)


def answers(version: Told, at: datetime) -> bool:
    """Published and in force."""
    begun = version.valid_from is None or version.valid_from <= at
    return version.status is VersionStatus.PUBLISHED and begun and (version.valid_to is None or at < version.valid_to)


def sees_live(world: World, person: Person, version: Told, at: datetime) -> bool:
    """Whether search may show it."""
    if not answers(version, at):
        return False
    unit_id = version.unit_id
    return version.public or sees_unit(world, person, unit_id) or is_shared(world, person, unit_id, at)


def sees(world: World, person: Person, version: Told, at: datetime) -> bool:
    """Whether it may be shown to the person at all."""
    return sees_live(world, person, version, at) or reads_history(world, person, version.unit_id)


def takes_out(world: World, person: Person, unit_id: int) -> bool:
    """Whether the person's file holds the unit's entries."""
    return person.active and any(g.role in TAKE_OUT and _reads(world, g, unit_id) for g in person.grants)


def is_public(world: World, version: Told, at: datetime) -> bool:
    """Whether anybody may read it without login."""
    let_go = (version.released or world.releases_itself) and not version.taken_back
    return version.public and answers(version, at) and let_go


def standing(versions: tuple[Told, ...]) -> Told:
    """The version that stands for an entry: the published one, else the newest."""
    return next((v for v in versions if v.status is VersionStatus.PUBLISHED), versions[-1])


def _sees(world: World, grant: RoleGrant, unit_id: int) -> bool:
    scopes, unit = world.sees.get(grant.role.value, frozenset()), world.units[unit_id]
    return (
        "all" in scopes
        or ("county" in scopes and grant.region_id == unit.region_id)
        or ("own" in scopes and grant.unit_id == unit_id)
        or ("counterpart" in scopes and grant.unit_id is not None and grant.unit_id == unit.counterpart_id)
    )


def _reads(world: World, grant: RoleGrant, unit_id: int) -> bool:
    if not _sees(world, grant, unit_id):
        return False
    if grant.role in UNIT_ROLES:
        return grant.unit_id == unit_id
    if grant.role is Role.COUNTY_OFFICE:
        return grant.region_id == world.units[unit_id].region_id
    return grant.role in READ_ALL_HISTORY
