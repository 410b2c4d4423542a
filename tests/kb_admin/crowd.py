"""Everybody who could have a hand in an entry of a city's unit or a county's: each party, neighbours, and onlookers."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from kb_admin.courses import is_party
from kb_admin.permissions import grants_of
from kb_admin.rulebook import Party, Route, Rulebook
from kb_admin.rulebook_files import whole_text
from kb_admin.rules_in_force import adopt
from models.knowledge import Category
from models.organisation import Person, Region, RoleGrant, Unit
from models.values import BasisContent, EntryContent, Level, Publicity, Role
from tests.cast import DAY, NOW, Cast

PLACE = "社会保险/社会保障卡"


@dataclass(frozen=True)
class Crowd:
    unit: Unit
    people: tuple[Person, ...]

    def party(self, *parties: Party) -> Person:
        """Somebody who is one of these parties for the unit."""
        return next(person for person in self.people if is_party(grants_of(person), parties, self.unit))

    def others(self, parties: Iterable[Party]) -> list[Person]:
        """All who are none of them: the unit's other posts, neighbours, the wrong offices, onlookers."""
        wanted = frozenset(parties)
        return [person for person in self.people if not is_party(grants_of(person), wanted, self.unit)]


def gather(session: Session, cast: Cast, *, county: bool) -> Crowd:
    """The people around the city's unit of the cast, or around the county's."""
    unit, neighbour = (cast.county_unit, cast.unit) if county else (cast.unit, cast.county_unit)
    elsewhere = Region(name="河西区", level=Level.COUNTY, parent_id=cast.city.id)
    session.add(elsewhere)
    session.flush()
    newcomers = [
        Person(
            login=f"{role.value}-{i}",
            name=f"{of.name}{role.label}",
            password_hash="x",
            grants=[RoleGrant(role=role, unit=of)],
        )
        for i, of in enumerate((unit, neighbour, cast.other_unit))
        for role in (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER)
    ]
    far = Person(
        login="far", name="河西区办", password_hash="x", grants=[RoleGrant(role=Role.COUNTY_OFFICE, region=elsewhere)]
    )
    closed = Person(
        login="closed",
        name="离任审核",
        password_hash="x",
        active=False,
        grants=[RoleGrant(role=Role.REVIEWER, unit=unit)],
    )
    session.add_all([*newcomers, far, closed])
    session.flush()
    onlookers = (cast.office, cast.county_office, cast.agent, cast.analyst, cast.administrator)
    return Crowd(unit, (*newcomers, *onlookers, far, closed))


def follow(session: Session, cast: Cast, name: str) -> None:
    """Let the city follow that rulebook."""
    adopt(session, cast.city, whole_text(name), effective_from=NOW - DAY, actor=None, now=NOW)


def content_for(rulebook: Rulebook, route: Route, unit: Unit) -> EntryContent:
    """What the route takes and no rulebook finds wanting."""
    return EntryContent(
        question="社会保障卡丢失后怎样补领",
        answer="带身份证到就近网点，当场补领。",
        unit=unit.name,
        region=unit.region.name,
        spoken="带身份证到就近网点。",
        keywords=("社保卡", "补领"),
        category=PLACE,
        bases=(BasisContent("《社会保险法》", "主席令第三十五号", 1),),
        valid_from=NOW - 30 * DAY,
        valid_to=NOW + 30 * DAY,
        publicity=Publicity.PUBLIC,
        info_type=type_of(rulebook, route),
    )


def type_of(rulebook: Rulebook, route: Route) -> str:
    """An information type that takes the route."""
    if route.info_types:
        return min(route.info_types)
    named = {name for other in rulebook.routes for name in other.info_types or ()}
    return next(name for name in rulebook.info_types if name not in named)


def set_up_place(session: Session, unit: Unit) -> None:
    """The category of ``content_for``, where the cast has none yet."""
    if session.query(Category).filter_by(unit_id=unit.id, path=PLACE).first() is None:
        session.add(Category(unit_id=unit.id, path=PLACE))
        session.flush()
