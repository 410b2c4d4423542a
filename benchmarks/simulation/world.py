"""The stage of the play: a queue of moments, people who act in office hours, and two workers that look at the clock."""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random

from sqlalchemy import Engine, and_, event, or_, select
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.simulation.city import City, House
from benchmarks.simulation.ledger import Act, Deed, Ledger
from benchmarks.simulation.plain_time import PlainCalendar
from benchmarks.simulation.written_rules import WrittenRules
from kb_admin.advance import advance
from models.knowledge import Entry, Version
from models.organisation import Person
from models.values import VersionStatus

Step = Callable[[datetime], None]

WORKERS_FIRST, PEOPLE = 0, 1
"""What goes first at the same moment."""
HOUR = 3600
BATCH = 200
NOMINAL = {
    "working_minute": 60,
    "working_hour": HOUR,
    "working_day": 7 * HOUR,
    "minute": 60,
    "hour": HOUR // 3,
    "day": 5 * HOUR,
    "month": 100 * HOUR,
}
"""Working seconds that people take a unit of a limit for: of 22 natural hours they are at work for a third."""


@dataclass
class World:
    """Everything that the played people share."""

    open_session: sessionmaker[Session]
    workers: tuple[sessionmaker[Session], ...]
    rng: Random
    rules: WrittenRules
    calendar: PlainCalendar
    city: City
    ledger: Ledger
    ends: datetime
    paces: dict[int, float] = field(default_factory=dict)
    """By unit: how long its people take, of what others take."""
    entries: dict[int, list[int]] = field(default_factory=dict)
    """By unit: entries that were live once."""
    reserved: set[int] = field(default_factory=set)
    """Entries with which somebody is busy."""
    listed: set[int] = field(default_factory=set)
    """Units that have reported a list of their staff."""
    written: int = 0
    """How many wordings there are so far."""
    _queue: list[tuple[datetime, int, int, Step]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    def at(self, when: datetime, step: Step, *, order: int = PEOPLE) -> None:
        """Somebody does something then."""
        heapq.heappush(self._queue, (when, order, next(self._order), step))

    def play(self) -> None:
        """Let all happen that is to happen before the end."""
        while self._queue and self._queue[0][0] <= self.ends:
            when, _, _, step = heapq.heappop(self._queue)
            step(when)

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.rng.random() < probability

    def some(self, average: float) -> int:
        """A whole number, so much on average."""
        return int(average) + self.chance(average % 1)

    def house(self) -> House:
        """Any of the units."""
        return self.rng.choice(self.city.houses)

    def later(self, now: datetime, working_seconds: float, house: House | None = None) -> datetime:
        """A moment in office hours, about so much working time on: sooner in a quick unit, later in a slow one."""
        pace = self.paces[house.unit_id] if house else 1.0
        amount = max(60, int(working_seconds * pace * self.rng.lognormvariate(-0.6, 0.7)))
        return self._uneven(self.calendar.worked_on(now, timedelta(seconds=amount)))

    def within(self, now: datetime, limit: str, house: House) -> datetime:
        """When a unit gets to what it has such a limit for; often in time."""
        number, unit = limit.split()
        return self.later(now, int(number) * NOMINAL[unit.removesuffix("s")], house)

    def _uneven(self, moment: datetime) -> datetime:
        """People act on no whole minute: what falls due on one is then over or not, beyond doubt."""
        return moment + timedelta(seconds=self.rng.randrange(1, 60) - moment.second % 60)

    @contextmanager
    def acting(self) -> Iterator[Session]:
        """One thing that somebody does: committed whole."""
        with self.open_session() as session:
            yield session
            session.commit()

    def note(self, at: datetime, act: Act, **facts: object) -> None:
        """Write it in the simulation's own ledger."""
        self.ledger.note(Deed(at, act, **facts))  # type: ignore[arg-type]

    def tick(self, now: datetime, every: timedelta, turn: int = 0) -> None:
        """A worker looks at the clock, the other one next time; none does while they are stopped."""
        stopped = self.ledger.stopped
        if stopped is None or not stopped[0] <= now < stopped[1]:
            self._catch_up(now, self.workers[turn % len(self.workers)])
        self.at(now + every, lambda then: self.tick(then, every, turn + 1), order=WORKERS_FIRST)

    def _catch_up(self, now: datetime, open_session: sessionmaker[Session]) -> None:
        done = 1
        while done:
            with open_session() as session:
                done = advance(session, now, limit=BATCH).total
                session.commit()


def in_a_hurry(engine: Engine) -> Engine:
    """The engine without SQLite's waiting for the disk, on connections still to come: nothing here outlives a power
    cut."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return engine


def person(session: Session, person_id: int) -> Person:
    """Somebody who acts."""
    return session.get_one(Person, person_id)


def is_behind(session: Session, now: datetime, *, entry_id: int = 0, unit_id: int = 0) -> bool:
    """Whether time has already done something to the entry, or one of the unit's, that no worker has written yet:
    people then come back later, for what they would see is not so any more."""
    overdue = or_(
        and_(Version.status == VersionStatus.CHECKED, Version.takes_effect_at <= now),
        and_(Version.status == VersionStatus.PUBLISHED, Version.valid_to <= now),
    )
    query = select(Version.id).where(overdue)
    if entry_id:
        query = query.where(Version.entry_id == entry_id)
    if unit_id:
        query = query.join(Entry, Entry.id == Version.entry_id).where(Entry.unit_id == unit_id)
    return session.scalar(query.limit(1)) is not None
