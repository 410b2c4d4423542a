"""The demonstration base that ships with the program: an invented city, its units, accounts and entries (演示数据)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ingest.spreadsheets import read_file
from models.definitions import (
    GrantDefinition,
    OrganisationDefinition,
    PersonDefinition,
    RegionDefinition,
    UnitDefinition,
)
from models.errors import Problem
from models.values import CandidateRow, Choice, Level, Role

C = TypeVar("C", bound=Choice)

FOLDER = Path(__file__).with_name("demonstration")


@dataclass(frozen=True)
class Demonstration:
    """What the shipped files say. The password of the accounts is in none of them."""

    organisation: OrganisationDefinition
    rows: tuple[CandidateRow, ...]
    problems: tuple[Problem, ...]
    """Empty in a release; a test holds it so."""


def read_demonstration(folder: Path = FOLDER) -> Demonstration:
    """Read ``organisation.json`` and every file of ``entries/``, in order of their names."""
    files = [read_file(path) for path in sorted((folder / "entries").glob("*.jsonl"))]
    return Demonstration(
        organisation=read_organisation(folder / "organisation.json"),
        rows=tuple(row for file in files for row in file.rows),
        problems=tuple(problem for file in files for problem in file.problems),
    )


def read_organisation(path: Path) -> OrganisationDefinition:
    """Regions, units and people from JSON. Raises KeyError for a file that is not of that form."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return OrganisationDefinition(
        regions=tuple(
            RegionDefinition(item["name"], _choice(Level, item["level"]), item.get("parent", ""))
            for item in content["regions"]
        ),
        units=tuple(
            UnitDefinition(
                item["name"],
                _choice(Level, item["level"]),
                item["region"],
                phone=item.get("phone", ""),
                counterpart=item.get("counterpart", ""),
            )
            for item in content["units"]
        ),
        people=tuple(
            PersonDefinition(
                item["login"],
                item["name"],
                tuple(_grant(grant) for grant in item["grants"]),
                team=item.get("team", ""),
            )
            for item in content["people"]
        ),
    )


def _grant(item: dict[str, str]) -> GrantDefinition:
    return GrantDefinition(_choice(Role, item["role"]), item.get("unit", ""), item.get("region", ""))


def _choice(kind: type[C], word: str) -> C:
    return {member.value: member for member in kind}[word]
