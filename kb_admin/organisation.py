"""Create regions, units and people from definitions. Running it again changes nothing that is right."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.rules_in_force import ensure_adopted
from models.definitions import OrganisationDefinition, PersonDefinition, RegionDefinition, UnitDefinition
from models.errors import Invalid
from models.organisation import Person, Region, RoleGrant, Unit


@dataclass(frozen=True)
class Created:
    """How many rows were added; zeros when everything stood already."""

    regions: int
    units: int
    people: int


def establish(session: Session, organisation: OrganisationDefinition, *, password_hash: str, now: datetime) -> Created:
    """Bring the base to what the definitions say. Existing people keep their passwords; a new city follows the default
    rulebook until it takes its own.

    ``password_hash`` is the argon2 hash that new people start with. Raises Invalid when a definition names a
    region or unit that is neither defined nor there.
    """
    created = Created(
        regions=sum(_establish_region(session, region) for region in organisation.regions),
        units=sum(_establish_unit(session, unit) for unit in organisation.units),
        people=sum(_establish_person(session, person, password_hash) for person in organisation.people),
    )
    ensure_adopted(session, now=now)
    return created


def unit_named(session: Session, name: str) -> Unit:
    """The unit with exactly this name. Raises Invalid."""
    unit = session.scalar(select(Unit).where(Unit.name == name))
    if unit is None:
        raise Invalid(f"没有名为“{name}”的承办单位。请先由管理员建立，或改用已有单位的全称。")
    return unit


def region_named(session: Session, name: str) -> Region:
    """The region with exactly this name. Raises Invalid."""
    region = session.scalar(select(Region).where(Region.name == name))
    if region is None:
        raise Invalid(f"没有名为“{name}”的区域。请先由管理员建立，或改用已有区域的全称。")
    return region


def _establish_region(session: Session, definition: RegionDefinition) -> bool:
    region = session.scalar(select(Region).where(Region.name == definition.name))
    created = region is None
    if region is None:
        region = Region(name=definition.name)
    region.level = definition.level
    region.parent_id = region_named(session, definition.parent).id if definition.parent else None
    session.add(region)
    session.flush()
    return created


def _establish_unit(session: Session, definition: UnitDefinition) -> bool:
    unit = session.scalar(select(Unit).where(Unit.name == definition.name))
    created = unit is None
    if unit is None:
        unit = Unit(name=definition.name)
    unit.level = definition.level
    unit.region_id = region_named(session, definition.region).id
    unit.phone = definition.phone
    unit.counterpart_id = unit_named(session, definition.counterpart).id if definition.counterpart else None
    session.add(unit)
    session.flush()
    return created


def _establish_person(session: Session, definition: PersonDefinition, password_hash: str) -> bool:
    person = session.scalar(select(Person).where(Person.login == definition.login))
    created = person is None
    if person is None:
        person = Person(login=definition.login, name=definition.name, password_hash=password_hash, team=definition.team)
    held = {(grant.role, grant.unit_id, grant.region_id) for grant in person.grants}
    for grant in definition.grants:
        unit_id = unit_named(session, grant.unit).id if grant.unit else None
        region_id = region_named(session, grant.region).id if grant.region else None
        if (grant.role, unit_id, region_id) not in held:
            held.add((grant.role, unit_id, region_id))
            person.grants.append(RoleGrant(role=grant.role, unit_id=unit_id, region_id=region_id))
    session.add(person)
    session.flush()
    return created
