"""The city that is played: a city and its counties, their units, everybody who has a say, and some who have none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.organisation import establish
from kb_admin.rules_in_force import adopt
from models.definitions import (
    GrantDefinition,
    OrganisationDefinition,
    PersonDefinition,
    RegionDefinition,
    UnitDefinition,
)
from models.organisation import Person, Region, Unit
from models.values import Level, Role

CITY = "安澜市"
COUNTIES = ("河东区", "河西区", "临溪县", "望山县")
TRADES = (
    "人力资源和社会保障局",
    "公安局",
    "医疗保障局",
    "住房和城乡建设局",
    "教育局",
    "民政局",
    "交通运输局",
    "卫生健康局",
)
UNIT_ROLES = {"editor": Role.EDITOR, "reviewer": Role.REVIEWER, "unit_leader": Role.UNIT_LEADER}
NO_LOGIN = "!"
"""Stands for a password: nobody logs in to a played city."""


@dataclass(frozen=True)
class House:
    """A unit and its people, by their ids."""

    unit_id: int
    name: str
    region: str
    county: str
    """Empty: of the city itself."""
    people: Mapping[str, int]
    """By party: "editor", "reviewer", "unit_leader"."""


@dataclass(frozen=True)
class City:
    """Everybody, by id."""

    houses: tuple[House, ...]
    city_office: tuple[int, ...]
    county_offices: Mapping[str, int]
    agent: int

    def of(self, party: str, house: House) -> int:
        """Who acts as that party for the unit."""
        if party in house.people:
            return house.people[party]
        if party == "own_office" and house.county:
            return self.county_offices[house.county]
        return self.city_office[house.unit_id % len(self.city_office)]

    def all_of(self, party: str, house: House) -> frozenset[int]:
        """Everybody who is that party for the unit: those who are told."""
        if party in house.people or (party == "own_office" and house.county):
            return frozenset({self.of(party, house)})
        return frozenset(self.city_office)

    def house(self, unit_id: int) -> House:
        """The unit with that id."""
        return next(house for house in self.houses if house.unit_id == unit_id)


def found(session: Session, units: int, *, rulebook: str, from_when: datetime, now: datetime) -> City:
    """Build the city with so many units, some of them of counties, and let it follow the rulebook's text."""
    regions = (
        RegionDefinition(CITY, Level.CITY),
        *(RegionDefinition(name, Level.COUNTY, CITY) for name in COUNTIES[: max(1, units // 8)]),
    )
    definitions = _units(units, [region.name for region in regions])
    people = [person for number, unit in enumerate(definitions) for person in _people(number, unit)]
    people += [_person(f"office{i}", f"市热线办{i}", Role.CITY_OFFICE) for i in (1, 2)]
    people += [
        _person(f"county{i}", f"{r.name}热线办", Role.COUNTY_OFFICE, region=r.name) for i, r in enumerate(regions[1:])
    ]
    people.append(_person("agent", "话务员", Role.AGENT))
    organisation = OrganisationDefinition(regions, tuple(definitions), tuple(people))
    establish(session, organisation, password_hash=NO_LOGIN, now=now)
    place = session.scalars(select(Region).where(Region.name == CITY)).one()
    adopt(session, place, rulebook, effective_from=from_when, actor=None, now=now)
    return _city(session, definitions)


def _units(count: int, regions: list[str]) -> list[UnitDefinition]:
    """One unit in three is a county's, and answers to the city's of the same trade."""
    of_counties = count // 3
    found: list[UnitDefinition] = []
    for number in range(count - of_counties):
        trade = TRADES[number % len(TRADES)]
        again = number // len(TRADES)
        found.append(UnitDefinition(f"{CITY}{trade}{f'第{again + 1}分局' if again else ''}", Level.CITY, CITY))
    for number in range(of_counties):
        county = regions[1 + number % (len(regions) - 1)]
        rank = number // (len(regions) - 1)
        branch = f"第{rank // len(TRADES) + 1}分局" if rank >= len(TRADES) else ""
        counterpart = found[number % (count - of_counties)].name
        name = f"{county}{TRADES[rank % len(TRADES)]}{branch}"
        found.append(UnitDefinition(name, Level.COUNTY, county, counterpart=counterpart))
    return found


def _people(number: int, unit: UnitDefinition) -> list[PersonDefinition]:
    return [
        _person(f"{party}{number}", f"{unit.name}{role.label}", role, unit=unit.name)
        for party, role in UNIT_ROLES.items()
    ]


def _person(login: str, name: str, role: Role, *, unit: str = "", region: str = "") -> PersonDefinition:
    return PersonDefinition(login, name[-64:], (GrantDefinition(role, unit=unit, region=region),))


def _city(session: Session, definitions: list[UnitDefinition]) -> City:
    ids: dict[str, int] = dict(session.execute(select(Person.login, Person.id)).tuples().all())
    units: dict[str, int] = dict(session.execute(select(Unit.name, Unit.id)).tuples().all())
    houses = [
        House(
            unit_id=units[unit.name],
            name=unit.name,
            region=unit.region,
            county=unit.region if unit.level is Level.COUNTY else "",
            people={party: ids[f"{party}{number}"] for party in UNIT_ROLES},
        )
        for number, unit in enumerate(definitions)
    ]
    return City(
        houses=tuple(houses),
        city_office=(ids["office1"], ids["office2"]),
        county_offices={name: ids[f"county{i}"] for i, name in enumerate(COUNTIES) if f"county{i}" in ids},
        agent=ids["agent"],
    )
