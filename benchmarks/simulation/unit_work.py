"""What units do by themselves: look through their entries each month, ask for some to be taken down."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from benchmarks.simulation.city import House
from benchmarks.simulation.entry_work import SOON, pick, write_change
from benchmarks.simulation.ledger import Act
from benchmarks.simulation.world import HOUR, World, is_behind, person
from kb_admin import lifecycle, reviews, withdrawals
from models.duties import Finding
from models.knowledge import Version
from models.notices import Application
from models.organisation import Unit
from models.values import VersionStatus

S = VersionStatus
LAZY = 0.2
"""Of the units, those that stop half way through their entries."""
SITTINGS = 5
"""In so many sittings a unit gets through its entries."""


def review_month(world: World, house: House, begins: datetime) -> None:
    """Plan the sittings of a unit's month, spread over some weeks."""
    sittings = SITTINGS if not world.chance(LAZY) else world.rng.randrange(SITTINGS)
    size = len(world.entries.get(house.unit_id, ())) // SITTINGS + 2
    moment = begins
    for number in range(sittings):
        moment = world.later(moment, 18 * HOUR, house)
        last = number == SITTINGS - 1
        world.at(moment, lambda at, last=last: _sit(world, house, 10_000 if last else size, at))  # type: ignore[misc]


def take_down(world: World, now: datetime) -> None:
    """撤销申请: a unit asks for an entry to be taken down."""
    house = world.house()
    with world.acting() as session:
        entry = pick(world, session, house, now)
        if entry is None:
            return
        actor = person(session, world.city.of("editor", house))
        asked = withdrawals.apply(session, entry, "事项已取消", actor=actor, now=now)
    world.reserved.add(entry.id)
    world.at(world.later(now, 6 * HOUR), lambda at: _decide(world, house, asked.id, at))


def mark_invalid(world: World, now: datetime) -> None:
    """失效标注 by a unit's reviewer."""
    house = world.house()
    with world.acting() as session:
        entry = pick(world, session, house, now)
        live = lifecycle.live_version(session, entry.id) if entry else None
        if live is None:
            return
        actor = person(session, world.city.of("reviewer", house))
        lifecycle.mark_invalid(session, live, "所依据的文件已废止", actor=actor, now=now)
        world.note(now, Act.MARKED_INVALID, version=live.id)


def _sit(world: World, house: House, size: int, now: datetime) -> None:
    """Look at some entries that nobody has looked at this month."""
    to_change = 0
    with world.acting() as session:
        if is_behind(session, now, unit_id=house.unit_id):
            world.at(now + SOON, lambda at: _sit(world, house, size, at))
            return
        unit = session.get_one(Unit, house.unit_id)
        queue = reviews.review_queue(session, unit, reviews.period_of(now))
        actor = person(session, world.city.of("reviewer", house))
        for each in [each for each in queue if each.review is None][:size]:
            busy = each.entry.id in world.reserved
            dice = world.rng.random()
            finding = Finding.INVALID if dice < 0.01 and not busy else Finding.STILL_RIGHT
            if 0.01 <= dice < 0.03 and not busy:
                finding, to_change = Finding.TO_CHANGE, each.entry.id
            _look(world, session, each.version, finding, actor_id=actor.id, now=now)
    if to_change:
        write_change(world, now, entry_id=to_change)


def _look(world: World, session: Session, version: Version, finding: Finding, *, actor_id: int, now: datetime) -> None:
    actor = person(session, actor_id)
    note = "文件已废止" if finding is Finding.INVALID else ""
    reviews.review_entry(session, version.entry, finding, note, actor=actor, now=now)
    if finding is Finding.INVALID:
        world.note(now, Act.MARKED_INVALID, version=version.id)
    world.note(now, Act.LOOKED_AT, version=version.id)


def _decide(world: World, house: House, application_id: int, now: datetime) -> None:
    """The office decides: it takes the entry down, or does not; some it puts back after a while."""
    with world.acting() as session:
        application = session.get_one(Application, application_id)
        entry_id = application.entry_id or 0
        if is_behind(session, now, entry_id=entry_id):
            world.at(now + SOON, lambda at: _decide(world, house, application_id, at))
            return
        live = lifecycle.live_version(session, entry_id)
        granted = world.chance(0.75)
        actor = person(session, world.city.of("own_office", house))
        answer = "" if granted else "仍有市民咨询"
        withdrawals.decide(session, application, granted=granted, answer=answer, actor=actor, now=now)
        if granted and live is not None:
            world.note(now, Act.WITHDRAWN, version=live.id)
            if world.chance(0.3):
                back = world.later(now + timedelta(days=2), 4 * HOUR)
                world.at(back, lambda at: _put_back(world, house, live.id, at))
                return
    world.reserved.discard(entry_id)


def _put_back(world: World, house: House, version_id: int, now: datetime) -> None:
    with world.acting() as session:
        version = session.get_one(Version, version_id)
        if version.valid_to is None or version.valid_to > now:
            actor = person(session, world.city.of("own_office", house))
            lifecycle.restore(session, version, actor=actor, now=now)
            world.note(now, Act.RESTORED, version=version_id)
    world.reserved.discard(version.entry_id)
