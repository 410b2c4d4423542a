"""The hotline that is played: the demonstration's city with people in every unit, its agents, and the real service."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.asking import Asked
from api.security import Caller, caller_of
from api.settings import Settings
from api.wiring import Services, build
from benchmarks.simulation.city import NO_LOGIN, UNIT_ROLES, City, House
from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.plain_time import DAY, PlainCalendar, midnight
from benchmarks.simulation.quarter_callers import ZIPF, IntentKind
from benchmarks.simulation.quarter_search import SearchAhead, with_memory
from benchmarks.simulation.quarter_truth import GapSent, TrueCall, Truth, damage
from benchmarks.simulation.world import Step, World, in_a_hurry
from benchmarks.simulation.written_rules import read_rules
from ingest.demonstration import Demonstration, read_demonstration
from kb_admin import categories
from kb_admin.importing import apply_import, plan_import
from kb_admin.organisation import establish
from kb_admin.permissions import grants_of
from models.database import open_engine
from models.definitions import GrantDefinition, OrganisationDefinition, PersonDefinition
from models.knowledge import Entry, Version
from models.migrate import upgrade
from models.organisation import Person, Unit
from models.values import CHINA, CandidateRow, Level, Role

Say = Callable[[str], None]
"""Takes a line on how far it is."""

RULEBOOK = "default"
WEEKS = 13
SLOT = timedelta(minutes=30)
"""People in offices act at the beginning of each half hour, agents in the rest of it: what an office did is searchable
before the next call, and no call sees the base change. One transaction holds the calls of a slot."""
FIRST_CALL = timedelta(seconds=60)
WORTH_ANOTHER_PROCESS = 3000
"""Calls; with fewer it would take longer to start the other process than it saves."""
TEAMS = 6
OFFICE_PEOPLE = 2
UNIT_PEOPLE = tuple(UNIT_ROLES.items())
JUDGING = 0.6
"""Of the agents, those who judge answers at all."""


@dataclass(frozen=True)
class QuarterPlan:
    """What is to be played."""

    seed: int
    agents: int
    calls: int
    faults: float
    """Share of the entries that are damaged before the first call."""
    first: date
    with_model: bool = True
    weeks: int = WEEKS
    zipf: float = ZIPF
    """How much more often the frequent matters are asked."""

    def team(self, number: int) -> int:
        """Of the agent of that number."""
        return number * TEAMS // self.agents

    @property
    def begins(self) -> datetime:
        return midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return midnight(self.first + 7 * self.weeks * DAY)


@dataclass(frozen=True)
class Agent:
    """One of the agents, by id."""

    person_id: int
    caller: Caller
    diligence: float
    """How often, of what others judge, this one does; 0: never judges."""


@dataclass
class Quarter:
    """Everything that the played people share."""

    plan: QuarterPlan
    services: Services
    world: World
    truth: Truth
    agents: tuple[Agent, ...]
    held_back: dict[str, str]
    """By code: a similar question that the base does not hold and callers ask."""
    say: Say
    proposed: int = 0
    """Callers' words that the office has proposed as questions of entries."""
    taken: int = 0
    """Calls so far."""
    true_calls: list[TrueCall] = field(default_factory=list)
    gaps_sent: list[GapSent] = field(default_factory=list)
    collecting: set[str] = field(default_factory=set)
    """Matters of which a unit is writing the entry."""
    published: dict[int, Step] = field(default_factory=dict)
    """By entry: what is done once its next version is live."""
    busy: set[int] = field(default_factory=set)
    """Entries of which a version is on its way."""
    taken_up: set[int] = field(default_factory=set)
    """Correction notices that the office has seen in its list of drafts."""
    on_screens: dict[int, Version] = field(default_factory=dict)
    """Versions shown in the calls of this half hour."""
    ahead: SearchAhead | None = None
    chances: dict[str, Random] = field(default_factory=dict)
    _meant: dict[int, tuple[IntentKind, str]] = field(default_factory=dict)

    def chance_of(self, what: str) -> Random:
        """A source of chance of its own: a change in one habit leaves the others' dice as they were."""
        return self.chances.setdefault(what, Random(f"{self.plan.seed}:{what}"))

    def at_slot(self, now: datetime, working_seconds: float, house: House | None = None) -> datetime:
        """When somebody in an office gets to it: about so much working time on, at the beginning of a half hour."""
        return self._slot_of(self.world.later(now, working_seconds, house), now)

    def within(self, now: datetime, limit: str, house: House) -> datetime:
        """When a unit gets to what it has such a limit for."""
        return self._slot_of(self.world.within(now, limit, house), now)

    def next_slot(self, now: datetime) -> datetime:
        """The beginning of the next half hour in which offices work."""
        return self._slot_of(now, now)

    def _slot_of(self, moment: datetime, now: datetime) -> datetime:
        """Not later than meant, so that what is in time stays so; but after ``now``."""
        begins = slot_of(moment)
        if begins <= now:
            begins = slot_of(self.world.calendar.worked_on(slot_of(now) + SLOT, timedelta(seconds=1)))
        return begins + timedelta(seconds=self.chance_of("seconds").randrange(1, 50))

    @contextmanager
    def acting(self) -> Iterator[Session]:
        """One thing that somebody in an office does, committed whole and searchable at once."""
        with self.services.open_session() as session:
            yield session
            session.commit()

    def follow(self) -> None:
        """Make what was published searchable, as the service does within a second."""
        if self.services.follower.catch_up() and self.ahead is not None:
            self.ahead.follow()

    def meant(self, call_id: int) -> tuple[IntentKind, str]:
        """What the caller of a call wanted, as somebody understands who reads the words."""
        while len(self._meant) < len(self.true_calls):
            call = self.true_calls[len(self._meant)]
            self._meant[call.call_id] = (call.kind, call.about)
        return self._meant[call_id]

    def entry_of(self, code: str) -> int:
        """The entry on that matter."""
        return next(entry_id for entry_id, other in self.truth.codes.items() if other == code)

    def keep(self, asked: Asked) -> None:
        """Keep what was shown in memory while the session lasts, so that it is not read anew for each question."""
        self.on_screens.update((shown.version.id, shown.version) for shown in asked.answers)


def slot_of(moment: datetime) -> datetime:
    """The beginning of its half hour."""
    since = moment - midnight(moment.astimezone(CHINA).date())
    return moment - since % SLOT


def open_quarter(plan: QuarterPlan, database_url: str, folder: Path, say: Say) -> Quarter:
    """Build city, base and service on an empty database; ``folder`` takes what the service keeps beside it."""
    engine = open_engine(database_url)
    upgrade(engine)
    engine.dispose()
    if plan.with_model and Settings().models_folder.is_dir():
        (folder / "models").symlink_to(Settings().models_folder.resolve())
    services = with_memory(build(Settings(data_folder=folder, database_url=database_url, worker=False)))
    in_a_hurry(services.engine).dispose()
    rules = read_rules(RULEBOOK)
    calendar = PlainCalendar(rules.hours)
    loaded_at = calendar.worked_on(plan.begins - 7 * DAY, timedelta(seconds=1))
    shipped = read_demonstration()
    rows, held_back = _without_one_phrasing(row for row in shipped.rows if _is_in_force(row, plan))
    truth = damage(rows, plan.faults, plan.begins, plan.ends, Random(f"{plan.seed}:damage"))
    with services.open_session() as session:
        city, agents = _establish(session, shipped, plan, loaded_at)
        _load(session, rows, truth, loaded_at)
        session.commit()
    world = World(
        open_session=services.open_session,
        workers=(services.open_session,),
        rng=Random(f"{plan.seed}:offices"),
        rules=rules,
        calendar=calendar,
        city=city,
        ledger=Ledger(),
        ends=plan.ends - timedelta(seconds=1),
    )
    world.paces = {house.unit_id: world.rng.lognormvariate(0, 0.45) for house in city.houses}
    quarter = Quarter(plan, services, world, truth, agents, held_back, say)
    quarter.follow()
    if plan.calls >= WORTH_ANOTHER_PROCESS:
        quarter.ahead = SearchAhead(services.settings)
    return quarter


def _is_in_force(row: CandidateRow, plan: QuarterPlan) -> bool:
    """From the first day to the last: what begins or ends by itself meanwhile would be a fault that nobody planted."""
    begins, ends = row.content.valid_from, row.content.valid_to
    return (begins is None or begins <= plan.begins) and (ends is None or ends >= plan.ends)


def _without_one_phrasing(rows: Iterable[CandidateRow]) -> tuple[list[CandidateRow], dict[str, str]]:
    """The rows without the last similar question of each that has several, and those questions by code."""
    kept, held_back = [], {}
    for row in rows:
        content = row.content
        if len(content.similar) > 1:
            held_back[row.code] = content.similar[-1]
            content = replace(content, similar=content.similar[:-1])
        kept.append(replace(row, content=content))
    return kept, held_back


def _establish(
    session: Session, shipped: Demonstration, plan: QuarterPlan, now: datetime
) -> tuple[City, tuple[Agent, ...]]:
    """The demonstration's city, with people of its own in every unit and as many agents as are wanted."""
    units = shipped.organisation.units
    people = [
        _person(f"{party}{n}", role, unit=unit.name) for n, unit in enumerate(units) for party, role in UNIT_PEOPLE
    ]
    people += [_person(f"office{n}", Role.CITY_OFFICE) for n in range(OFFICE_PEOPLE)]
    counties = [region for region in shipped.organisation.regions if region.level is Level.COUNTY]
    people += [_person(f"county{n}", Role.COUNTY_OFFICE, region=each.name) for n, each in enumerate(counties)]
    people += [_person(f"agent{n:03}", Role.AGENT) for n in range(plan.agents)]
    organisation = OrganisationDefinition(shipped.organisation.regions, units, tuple(people))
    establish(session, organisation, password_hash=NO_LOGIN, now=now)
    ids: dict[str, int] = dict(session.execute(select(Person.login, Person.id)).tuples().all())
    known = {unit.name: unit for unit in session.scalars(select(Unit))}
    houses = tuple(
        House(
            unit_id=known[unit.name].id,
            name=unit.name,
            region=unit.region,
            county=unit.region if unit.level is Level.COUNTY else "",
            people={party: ids[f"{party}{n}"] for party, _ in UNIT_PEOPLE},
        )
        for n, unit in enumerate(units)
    )
    offices = {each.name: ids[f"county{n}"] for n, each in enumerate(counties)}
    city = City(houses, tuple(ids[f"office{n}"] for n in range(OFFICE_PEOPLE)), offices, ids["agent000"])
    return city, _agents(session, plan, [ids[f"agent{n:03}"] for n in range(plan.agents)], now)


def _agents(session: Session, plan: QuarterPlan, ids: Sequence[int], now: datetime) -> tuple[Agent, ...]:
    rng = Random(f"{plan.seed}:diligence")
    found = []
    for number, person_id in enumerate(ids):
        person = session.get_one(Person, person_id)
        person.team = f"{plan.team(number) + 1}班"
        diligence = rng.uniform(0.4, 1.6) if rng.random() < JUDGING else 0.0
        found.append(Agent(person_id, caller_of(session, person, "", now), diligence))
    session.flush()
    return tuple(found)


def _load(session: Session, rows: Sequence[CandidateRow], truth: Truth, now: datetime) -> None:
    """The base as the truth shows it, published by the office, as when a city begins."""
    damaged = [replace(row, content=truth.shown[row.code]) for row in rows if row.code in truth.shown]
    office = session.scalars(select(Person).where(Person.login == "office0")).one()
    plan = plan_import(session, damaged, (), grants=grants_of(office), now=now)
    apply_import(session, plan, all_or_nothing=True, publish=True, actor=office, now=now)
    units = {unit.name: unit for unit in session.scalars(select(Unit))}
    for row in rows:
        if row.code not in truth.shown and row.content.category:
            categories.add(session, units[row.content.unit], row.content.category, actor=office, now=now)
    truth.codes.update(dict(session.execute(select(Entry.id, Entry.code)).tuples().all()))


def _person(login: str, role: Role, *, unit: str = "", region: str = "") -> PersonDefinition:
    name = f"{unit or region or ''}{role.label}"[-60:]
    return PersonDefinition(login, name, (GrantDefinition(role, unit=unit, region=region),))
