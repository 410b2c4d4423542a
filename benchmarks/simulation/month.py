"""One month of a city's life, from the loading of its base to the last limit of the month."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from sqlalchemy import Engine

from benchmarks.simulation import entry_work, notice_work, strangers, unit_work
from benchmarks.simulation.city import found
from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.plain_time import DAY, PlainCalendar, midnight
from benchmarks.simulation.world import HOUR, WORKERS_FIRST, World, in_a_hurry
from benchmarks.simulation.written_rules import WrittenRules
from models.database import open_engine, sessions
from models.migrate import upgrade
from models.values import CHINA

STOPPED_HOURS = 30
ENTRIES_A_UNIT, MOST_UNITS, FEWEST_UNITS = 60, 40, 6
PACE_SPREAD = 0.45

Activity = Callable[[World, datetime], object]
WORKDAY: tuple[tuple[float, Activity], ...] = (
    (0.35, entry_work.write_new),
    (0.40, entry_work.write_change),
    (0.04, entry_work.write_from_elsewhere),
    (0.05, unit_work.take_down),
    (0.03, unit_work.mark_invalid),
    (0.12, notice_work.collect),
    (0.08, notice_work.ask),
    (0.12, notice_work.correct),
    (0.10, notice_work.announce),
    (0.05, notice_work.change_staff),
)
"""How often each unit does, or is asked, such a thing on a working day."""
ANY_DAY_EMERGENCIES = 0.06
"""A unit's emergencies a day, by day and by night."""
STRANGERS_A_DAY = 4


@dataclass(frozen=True)
class Plan:
    """What is to be played."""

    rules: WrittenRules
    seed: int
    year: int
    month: int
    entries: int
    tick: timedelta
    """How often a worker looks at the clock."""
    units: int = 0
    """0: as many as so many entries usually belong to."""

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def begins(self) -> datetime:
        return midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return midnight(date(self.year + self.month // 12, self.month % 12 + 1, 1))

    @property
    def how_many_units(self) -> int:
        return self.units or max(FEWEST_UNITS, min(MOST_UNITS, self.entries // ENTRIES_A_UNIT))


def play(plan: Plan, database_url: str) -> World:
    """Play it on an empty base; what the simulation remembers is in the world's ledger."""
    engines = [_open(database_url) for _ in range(3)]
    upgrade(engines[0])
    calendar = PlainCalendar(plan.rules.hours)
    setup = _last_working_day(calendar, plan.first)
    opens = calendar.worked_on(midnight(setup), timedelta(seconds=1))
    with sessions(engines[0])() as session:
        city = found(session, plan.how_many_units, rulebook=plan.rules.text, from_when=midnight(setup), now=opens)
        world = World(
            open_session=sessions(engines[0]),
            workers=(sessions(engines[1]), sessions(engines[2])),
            rng=Random(plan.seed),
            rules=plan.rules,
            calendar=calendar,
            city=city,
            ledger=Ledger(),
            ends=plan.ends,
        )
        world.paces = {house.unit_id: world.rng.lognormvariate(0, PACE_SPREAD) for house in city.houses}
        entry_work.load_base(world, session, plan.entries, opens)
        session.commit()
    _plan(world, plan, opens)
    world.play()
    for engine in engines:
        engine.dispose()
    return world


def _plan(world: World, plan: Plan, opens: datetime) -> None:
    """Everything that comes from outside: who thinks of something on which day."""
    world.ledger.stopped = _pause(world, plan)
    world.at(_whole(opens, plan.tick), lambda at: world.tick(at, plan.tick), order=WORKERS_FIRST)
    for house in world.city.houses:
        world.at(world.later(opens, HOUR), lambda at, house=house: notice_work.list_staff(world, house, at))  # type: ignore[misc]
    day = opens.astimezone(CHINA).date()
    while midnight(day) < plan.ends:
        _plan_day(world, day)
        day += DAY
    if world.rules.review_every_months and (plan.month - 1) % world.rules.review_every_months == 0:
        for house in world.city.houses:
            unit_work.review_month(world, house, plan.begins)


def _plan_day(world: World, day: date) -> None:
    units = len(world.city.houses)
    for _ in range(world.some(ANY_DAY_EMERGENCIES * units)):
        at = midnight(day) + timedelta(seconds=world.rng.randrange(7 * HOUR, 22 * HOUR) // 60 * 60 + 7)
        world.at(at, lambda now: entry_work.write_emergency(world, now))
    if not world.calendar.works_on(day):
        return
    for rate, activity in WORKDAY:
        for _ in range(world.some(rate * units)):
            world.at(_in_the_day(world, day), lambda now, activity=activity: activity(world, now))  # type: ignore[misc]
    for _ in range(STRANGERS_A_DAY):
        world.at(_in_the_day(world, day), lambda now: strangers.try_what_is_not_theirs(world, now))
    world.at(_in_the_day(world, day), lambda now: notice_work.call_units(world, now))


def _in_the_day(world: World, day: date) -> datetime:
    """Any moment in office hours, on no whole minute; the first half hour is for the post."""
    worked = timedelta(minutes=world.rng.randrange(30, 400))
    return world.calendar.worked_on(midnight(day), worked) + timedelta(seconds=world.rng.randrange(1, 60))


def _pause(world: World, plan: Plan) -> tuple[datetime, datetime]:
    """When no worker runs: from some moment of a working day on, early enough that the rest is made up for."""
    last = plan.ends - timedelta(hours=2 * STOPPED_HOURS)
    days = [plan.first + number * DAY for number in range((last - plan.begins).days)]
    day = world.rng.choice([day for day in days if world.calendar.works_on(day)])
    begins = midnight(day) + timedelta(minutes=world.rng.randrange(24 * 60))
    return begins, begins + timedelta(hours=STOPPED_HOURS)


def _whole(moment: datetime, tick: timedelta) -> datetime:
    """So that a worker looks at the very end of the month too."""
    since = moment - midnight(moment.astimezone(CHINA).date())
    return moment - since % tick + tick


def _last_working_day(calendar: PlainCalendar, first: date) -> date:
    day = first - DAY
    while not calendar.works_on(day):
        day -= DAY
    return day


def _open(database_url: str) -> Engine:
    return in_a_hurry(open_engine(database_url))
