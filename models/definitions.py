"""Regions, units and people as a file describes them, before they are rows."""

from dataclasses import dataclass

from models.values import Level, Role


@dataclass(frozen=True)
class RegionDefinition:
    name: str
    level: Level
    parent: str = ""
    """Name of the city that a county belongs to; empty for the city."""


@dataclass(frozen=True)
class UnitDefinition:
    name: str
    level: Level
    region: str
    phone: str = ""
    counterpart: str = ""
    """Name of the city unit that a county unit answers to (对口)."""


@dataclass(frozen=True)
class GrantDefinition:
    role: Role
    unit: str = ""
    region: str = ""


@dataclass(frozen=True)
class PersonDefinition:
    login: str
    name: str
    grants: tuple[GrantDefinition, ...]
    team: str = ""
    """班组 of an agent; empty: none."""


@dataclass(frozen=True)
class OrganisationDefinition:
    """Everything that must stand before the first entry can."""

    regions: tuple[RegionDefinition, ...]
    """Cities before their counties."""
    units: tuple[UnitDefinition, ...]
    """City units before the county units that name them."""
    people: tuple[PersonDefinition, ...] = ()
