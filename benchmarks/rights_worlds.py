"""Random cities for the test of rights: units with counterparts, people of several roles, entries in every state,
shares that begin and end, rulebooks that come with the program or are made up."""

import random
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from kb_admin.rulebook_files import SHIPPED, whole_text
from kb_admin.rules_in_force import adopt
from models.knowledge import ChangeLog, Entry, Keyword, Phrasing, Version
from models.notices import Application
from models.organisation import Person, Region, RoleGrant, Unit
from models.values import (
    EARLIEST,
    ApplicationKind,
    ApplicationStatus,
    Level,
    PhrasingKind,
    Publicity,
    Role,
    VersionStatus,
)

S = VersionStatus
UNIT_ROLES = (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER)
CHARACTERS = "车船税费房屋租赁户籍证照医保社养老教育环境水电燃气交通宠物登记园林公厕路灯停泊噪声食品药械旅游演出"
TAILS = ("怎样办理", "需要什么材料", "要多少钱", "在哪里申请", "多久能办好")
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Told:
    """What was made up of one version, kept apart from the base."""

    code: str
    number: int
    unit_id: int
    status: VersionStatus
    public: bool
    valid_from: datetime | None
    valid_to: datetime | None
    released: bool
    """The office let it go."""
    taken_back: bool


@dataclass(frozen=True)
class Share:
    unit_id: int
    owner_id: int
    granted: bool
    until: datetime


@dataclass(frozen=True)
class World:
    """A city as it was made up; what each may see follows from this alone."""

    people: tuple[Person, ...]
    units: Mapping[int, Unit]
    entries: Mapping[str, tuple[Told, ...]]
    """Versions by code, oldest first."""
    secrets: Mapping[str, str]
    """A word that stands in this entry's question and nowhere else."""
    shares: tuple[Share, ...]
    sees: Mapping[str, frozenset[str]]
    """Role → scopes, as the rulebook's text says."""
    releases_itself: bool
    moments: tuple[datetime, ...]
    """Now, and the edges of validities and shares with the second before."""


def make(session: Session, chance: random.Random, now: datetime) -> World:
    """A random city, written to an empty base and committed."""
    regions = _regions(session, chance)
    text = _rulebook(chance)
    adopt(session, regions[0], text, effective_from=EARLIEST, actor=None, now=now)
    units = _units(session, chance, regions)
    people = _people(session, chance, units, regions[1:])
    entries: dict[str, tuple[Told, ...]] = {}
    secrets: dict[str, str] = {}
    for n in range(chance.randint(10, 22)):
        code = f"E-{n:02}"
        secrets[code] = _secret(chance, secrets.values())
        entries[code] = _entry(session, chance, code, secrets[code], unit=chance.choice(units), now=now)
    shares = _shares(session, chance, units, people, now)
    session.commit()
    rights = tomllib.loads(text)["rights"]
    ends = sorted({v.valid_to for versions in entries.values() for v in versions if v.valid_to})
    edges = [chance.choice(list(some)) for some in (ends, sorted({s.until for s in shares})) if some]
    return World(
        people=tuple(people),
        units={unit.id: unit for unit in units},
        entries=entries,
        secrets=secrets,
        shares=tuple(shares),
        sees={role: frozenset(told["value"]) for role, told in rights["sees"].items()},
        releases_itself=rights["release"]["value"] == "automatic",
        moments=(now, *(moment for edge in edges for moment in (edge - SECOND, edge))),
    )


def _rulebook(chance: random.Random) -> str:
    """One that comes with the program, or the default with other sights."""
    if chance.random() < 0.6:
        return whole_text(chance.choice(SHIPPED))
    text = whole_text("default")
    choices = {
        "agent": [["all"], []],
        "analyst": [["all"], []],
        "administrator": [["all"], []],
        "county_office": [["county"], ["all"], []],
        **{role.value: [["own"], ["own", "counterpart"], ["all"]] for role in UNIT_ROLES},
    }
    for role, options in choices.items():
        scopes = chance.choice(options)
        line = re.compile(rf"^{role} = \{{ value = \[[^\]]*\](.*)$", re.MULTILINE)
        listed = ", ".join(f'"{scope}"' for scope in scopes)
        at = text.index("[rights.sees]")
        text = text[:at] + line.sub(rf"{role} = {{ value = [{listed}]\1", text[at:], count=1)
    if chance.random() < 0.5:
        text = re.sub(r'^release = \{ value = "by_office"', 'release = { value = "automatic"', text, flags=re.MULTILINE)
    return text


def _regions(session: Session, chance: random.Random) -> list[Region]:
    city = Region(name="某市", level=Level.CITY)
    session.add(city)
    session.flush()
    counties = [Region(name=f"某县{n}", level=Level.COUNTY, parent_id=city.id) for n in range(chance.randint(1, 3))]
    session.add_all(counties)
    session.flush()
    return [city, *counties]


def _units(session: Session, chance: random.Random, regions: Sequence[Region]) -> list[Unit]:
    city = [Unit(name=f"市局{n}", level=Level.CITY, region=regions[0]) for n in range(chance.randint(2, 3))]
    session.add_all(city)
    session.flush()
    county = [
        Unit(
            name=f"县局{n}",
            level=Level.COUNTY,
            region=chance.choice(regions[1:]),
            counterpart_id=chance.choice([None, *(unit.id for unit in city)]),
        )
        for n in range(chance.randint(2, 5))
    ]
    session.add_all(county)
    session.flush()
    return [*city, *county]


def _people(session: Session, chance: random.Random, units: Sequence[Unit], counties: Sequence[Region]) -> list[Person]:
    """One of each role, and some of two or three; one whose account is closed."""
    held = [[role] for role in Role] + [chance.sample(list(Role), chance.randint(2, 3)) for _ in range(3)]
    people = [
        Person(
            login=f"ren{n}",
            name=f"人员{n}",
            password_hash="-",
            active=n != len(Role),
            grants=[_grant(chance, role, units, counties) for role in roles],
        )
        for n, roles in enumerate(held)
    ]
    session.add_all(people)
    session.flush()
    return people


def _grant(chance: random.Random, role: Role, units: Sequence[Unit], counties: Sequence[Region]) -> RoleGrant:
    if role in UNIT_ROLES:
        return RoleGrant(role=role, unit_id=chance.choice(units).id)
    if role is Role.COUNTY_OFFICE:
        return RoleGrant(role=role, region_id=chance.choice(counties).id)
    return RoleGrant(role=role)


def _secret(chance: random.Random, used: Collection[str]) -> str:
    while True:
        word = "".join(chance.sample(CHARACTERS, 4))
        if word not in used:
            return word


def _entry(
    session: Session, chance: random.Random, code: str, secret: str, *, unit: Unit, now: datetime
) -> tuple[Told, ...]:
    """One to three versions: former ones, perhaps a live one, perhaps one on its way."""
    released = chance.random() < 0.5
    taken_back = now - DAY if chance.random() < 0.15 else None
    entry = Entry(
        code=code,
        unit=unit,
        created_at=now,
        released_at=now - DAY if released and taken_back is None else None,
        taken_back_at=taken_back,
    )
    session.add(entry)
    session.flush()
    path = chance.choice(
        [
            *([S.PUBLISHED], [S.PUBLISHED], [S.PUBLISHED], [S.SUPERSEDED, S.PUBLISHED], [S.PUBLISHED, S.SUBMITTED]),
            *([S.DRAFT], [S.SUBMITTED], [S.CHECKED], [S.WITHDRAWN], [S.EXPIRED], [S.INVALID]),
            *([S.PUBLISHED, S.CHECKED], [S.SUPERSEDED, S.PUBLISHED, S.DRAFT], [S.WITHDRAWN, S.DRAFT]),
        ]
    )
    told = []
    for number, status in enumerate(path, start=1):
        begins, ends = chance.choice([(None, None), (-5, 5), (-5, -1), (1, 5), (None, 3), (-2, None), (None, -3)])
        public = chance.random() < 0.4
        version = Version(
            entry_id=entry.id,
            number=number,
            status=status,
            region_id=unit.region_id,
            answer=f"## 说明\n请到窗口咨询{secret}。",
            publicity=Publicity.PUBLIC if public else Publicity.INTERNAL,
            created_at=now - 9 * DAY,
            published_at=now - 8 * DAY if status is S.PUBLISHED else None,
            valid_from=None if begins is None else now + begins * DAY,
            valid_to=None if ends is None else now + ends * DAY,
            phrasings=[
                Phrasing(kind=PhrasingKind.STANDARD, position=0, text=f"{secret}{chance.choice(TAILS)}"),
                Phrasing(kind=PhrasingKind.SIMILAR, position=1, text=f"我想问{secret}的事{number}"),
            ],
            keywords=[Keyword(position=0, text=secret)],
        )
        session.add(version)
        told.append(
            Told(
                code=code,
                number=number,
                unit_id=unit.id,
                status=status,
                public=public,
                valid_from=version.valid_from,
                valid_to=version.valid_to,
                released=entry.released_at is not None,
                taken_back=taken_back is not None,
            )
        )
    session.add(ChangeLog(entry_id=entry.id, at=now))
    return tuple(told)


def _shares(
    session: Session, chance: random.Random, units: Sequence[Unit], people: Sequence[Person], now: datetime
) -> list[Share]:
    """Mostly for units that somebody here works for."""
    staffed = [grant.unit_id for person in people if person.active for grant in person.grants if grant.unit_id]
    made = []
    for _ in range(chance.randint(2, 6)):
        unit, owner = chance.sample(list(units), 2)
        unit = next((u for u in units if u.id == chance.choice(staffed) and u is not owner), unit)
        status = chance.choice([ApplicationStatus.GRANTED, ApplicationStatus.GRANTED, *ApplicationStatus])
        until = now + chance.choice([-2, 1, 1, 4]) * DAY
        session.add(
            Application(
                kind=ApplicationKind.SHARING,
                status=status,
                unit=unit,
                owner=owner,
                reason="核对",
                until=until,
                asked_by=people[0],
                asked_at=now - 5 * DAY,
            )
        )
        made.append(Share(unit.id, owner.id, status is ApplicationStatus.GRANTED, until))
    return made
