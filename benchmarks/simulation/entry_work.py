"""What units and offices do with entries: write, hand in, check, send back, publish."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.simulation.city import House
from benchmarks.simulation.ledger import Act
from benchmarks.simulation.wordings import CATEGORY, MATTERS, reworded, whole_minute, wording
from benchmarks.simulation.world import HOUR, World, is_behind, person
from benchmarks.simulation.written_rules import Gate, Route, ways_to_write
from kb_admin import categories, lifecycle
from kb_admin.importing import apply_import, plan_import
from kb_admin.permissions import grants_of
from models.knowledge import Entry, Version
from models.organisation import Person, Unit
from models.values import CandidateRow, Origin, VersionStatus

S = VersionStatus
SOON = timedelta(minutes=10)
SYSTEM = "system"
ORIGINS = {origin.value: origin for origin in Origin}
AND_THEN = Callable[[Session, Version], None]

EXPIRES = 0.03
"""Of the entries, those whose time is over in the month."""
AHEAD = 0.3
"""Of the changes, those for a day to come."""
SENT_BACK, AMENDED, RECALLED, GIVEN_UP = 0.12, 0.12, 0.03, 0.15
"""How often a check ends so, a writer takes a version back, and gives up a returned one."""


def load_base(world: World, session: Session, size: int, now: datetime) -> None:
    """The office sets up each unit's categories and loads the whole base, as when a city begins."""
    for house in world.city.houses:
        unit = session.get_one(Unit, house.unit_id)
        by = categories.configures(session, unit, now).value
        for matter in MATTERS:
            actor = person(session, world.city.of(by, house))
            categories.add(session, unit, f"{CATEGORY}/{matter}", actor=actor, now=now)
    rows = []
    for number in range(size):
        house = world.city.houses[number % len(world.city.houses)]
        content = wording(world, house, world.rng.choice(world.rules.types), now)
        if world.chance(EXPIRES):
            ends = now + (world.ends - now) * world.rng.uniform(0.2, 0.95)
            content = replace(content, valid_to=whole_minute(ends))
        rows.append(CandidateRow("模拟", number + 2, content))
    actor = person(session, world.city.city_office[0])
    plan = plan_import(session, rows, (), grants=grants_of(actor), now=now)
    apply_import(session, plan, all_or_nothing=True, publish=True, actor=actor, now=now)
    for version in session.scalars(select(Version).order_by(Version.id)):
        drafted(world, version, now, Act.LOADED)
        world.entries.setdefault(version.entry.unit_id, []).append(version.entry_id)


def write_new(world: World, now: datetime) -> None:
    """Somebody writes an entry that there was not, on one of the routes."""
    routes = [r for r in world.rules.routes.values() if r.origin != "sync" and not r.emergency]
    write_on(world, now, world.house(), world.rng.choice(routes))


def write_on(world: World, now: datetime, house: House, route: Route, *, then: AND_THEN | None = None) -> bool:
    """The same for a unit and a route; whether a first version of any type takes it. ``then`` is done at once."""
    parties = parties_of(route.writes, house)
    fitting = [
        name
        for name in world.rules.types
        if world.rules.route_for_writer([route.origin], name, parties, first=True) == route
    ]
    if not fitting:
        return False
    content = wording(world, house, world.rng.choice(fitting), now)
    if world.chance(EXPIRES):
        content = replace(content, valid_to=whole_minute(now + timedelta(days=world.rng.uniform(2, 12))))
    with world.acting() as session:
        actor = person(session, world.city.of(route.writes, house))
        version = lifecycle.create_entry(session, content, origin=ORIGINS[route.origin], actor=actor, now=now)
        drafted(world, version, now)
        if then is not None:
            then(session, version)
    world.reserved.add(version.entry_id)
    world.at(world.later(now, HOUR, house), lambda at: hand_in(world, version.id, route.writes, at))
    return True


def write_from_elsewhere(world: World, now: datetime) -> None:
    """Another system's entry comes in, by the system itself (审批信息)."""
    house = world.house()
    types = [name for name in world.rules.types if world.rules.route_of("sync", name, first=True)]
    if not types:
        return
    content = wording(world, house, world.rng.choice(types), now)
    with world.acting() as session:
        version = lifecycle.create_entry(session, content, origin=Origin.SYNC, actor=None, now=now)
        drafted(world, version, now)
        lifecycle.submit(session, version, actor=None, now=now)
        world.note(now, Act.SUBMITTED, version=version.id)
    settled(world, version)


def write_change(world: World, now: datetime, *, entry_id: int = 0) -> bool:
    """Somebody writes another version of a live entry, often for a day to come; whether there was one to change."""
    with world.acting() as session:
        found = session.get_one(Entry, entry_id) if entry_id else pick(world, session, world.house(), now)
        live = lifecycle.live_version(session, found.id) if found else None
        if found is None or live is None or is_behind(session, now, entry_id=found.id):
            return False
        house = world.city.house(found.unit_id)
        writer = _writer_of(world, found, live.info_type, house)
        if not writer:
            return False
        content = reworded(world, live.content())
        if world.chance(AHEAD):
            ahead = whole_minute(now + timedelta(days=world.rng.uniform(1, 7)))
            content = replace(content, valid_from=ahead)
            if content.valid_to is not None and content.valid_to <= ahead:
                content = replace(content, valid_to=ahead + timedelta(days=400))
        actor = acting_as(world, session, writer, house)
        version = lifecycle.add_version(session, found, content, actor=actor, now=now)
        drafted(world, version, now)
    world.reserved.add(version.entry_id)
    world.at(world.later(now, HOUR, house), lambda at: hand_in(world, version.id, writer, at))
    return True


def write_emergency(world: World, now: datetime) -> None:
    """停水 停电: live at once for some hours, by whoever is on duty; checked when the offices are open."""
    route = next((r for r in world.rules.routes.values() if r.emergency), None)
    if route is None:
        return
    house = world.house()
    ends = whole_minute(now + timedelta(hours=world.rng.uniform(2, 40)))
    content = wording(world, house, world.rng.choice(world.rules.emergency_types), now)
    content = replace(content, valid_from=now - timedelta(minutes=1), valid_to=ends)
    with world.acting() as session:
        actor = person(session, world.city.of(route.writes, house))
        version = lifecycle.create_entry(session, content, actor=actor, now=now)
        drafted(world, version, now)
        lifecycle.submit(session, version, actor=actor, now=now)
        world.note(now, Act.SUBMITTED, version=version.id, parties=parties_of(route.writes, house))
    gate = route.gates[0]
    world.at(_time_for(world, now, gate, house), lambda at: check_afterwards(world, version.id, gate, at))


def check_afterwards(world: World, version_id: int, gate: Gate, now: datetime) -> None:
    """The reviewer finds what is live, or was, right; or takes it down."""
    with world.acting() as session:
        version = session.get_one(Version, version_id)
        if is_behind(session, now, entry_id=version.entry_id):
            world.at(now + SOON, lambda at: check_afterwards(world, version_id, gate, at))
            return
        actor = person(session, world.city.of(gate.by, world.city.house(version.entry.unit_id)))
        if version.status is S.PUBLISHED and world.chance(0.1):
            lifecycle.withdraw(session, version, "情况已变化", actor=actor, now=now)
            world.note(now, Act.WITHDRAWN, version=version_id)
        else:
            lifecycle.approve(session, version, actor=actor, now=now)
            world.note(now, Act.APPROVED, version=version_id, parties=(gate.by,))


def hand_in(world: World, version_id: int, writer: str, now: datetime) -> None:
    """The writer hands a draft in."""
    with world.acting() as session:
        version = session.get_one(Version, version_id)
        if is_behind(session, now, entry_id=version.entry_id):
            world.at(now + SOON, lambda at: hand_in(world, version_id, writer, at))
            return
        house = world.city.house(version.entry.unit_id)
        lifecycle.submit(session, version, actor=acting_as(world, session, writer, house), now=now)
        parties = () if writer == SYSTEM else parties_of(writer, house)
        world.note(now, Act.SUBMITTED, version=version_id, parties=parties)
        _go_on(world, version, writer, now)


def take_next_step(world: World, version_id: int, writer: str, now: datetime) -> None:
    """Whoever's turn it is checks the version, publishes it, or mends it."""
    with world.acting() as session:
        version = session.get_one(Version, version_id)
        if is_behind(session, now, entry_id=version.entry_id):
            world.at(now + SOON, lambda at: take_next_step(world, version_id, writer, at))
            return
        if version.status is S.DRAFT:
            _mend(world, session, version, writer, now)
        elif version.status is S.SUBMITTED:
            version = _check(world, session, version, writer, now)
            _go_on(world, version, writer, now)
        elif version.status is S.CHECKED and version.takes_effect_at is None:
            _publish(world, session, version, now)
            _go_on(world, version, writer, now)
        else:  # it was waiting for its moment
            settled(world, version)


def pick(world: World, session: Session, house: House, now: datetime) -> Entry | None:
    """A live entry of the unit with which nobody is busy, and that goes on for some days; None when none was found."""
    ids = world.entries.get(house.unit_id, [])
    for _ in range(8):
        entry_id = world.rng.choice(ids) if ids else 0
        if not entry_id or entry_id in world.reserved or is_behind(session, now, entry_id=entry_id):
            continue
        live = lifecycle.live_version(session, entry_id)
        if live is not None and (live.valid_to is None or live.valid_to > now + timedelta(days=2)):
            return live.entry
    return None


def drafted(world: World, version: Version, now: datetime, act: Act = Act.DRAFTED, *, replaces: int = 0) -> None:
    """Note a version that has just been written, with what matters of its wording."""
    world.note(
        now,
        act,
        version=version.id,
        entry=version.entry_id,
        unit=version.entry.unit_id,
        origin=version.entry.origin.value,
        info_type=version.info_type,
        valid_from=version.valid_from,
        valid_to=version.valid_to,
        replaces=replaces,
    )


def settled(world: World, version: Version) -> None:
    """Nobody is busy with the entry any more."""
    world.reserved.discard(version.entry_id)
    known = world.entries.setdefault(version.entry.unit_id, [])
    if version.published_at is not None and version.entry_id not in known:
        known.append(version.entry_id)


def parties_of(party: str, house: House) -> tuple[str, ...]:
    """All that who acts as this party is for the unit: the city's office is the own office of the city's units."""
    if party in house.people or (party == "own_office" and house.county):
        return (party,)
    return ("city_office",) if house.county else ("own_office", "city_office")


def acting_as(world: World, session: Session, party: str, house: House) -> Person | None:
    """Who acts; None is the system."""
    return None if party == SYSTEM else person(session, world.city.of(party, house))


def _writer_of(world: World, entry: Entry, info_type: str, house: House) -> str:
    """Who changes an entry: its unit, now and then an office; empty when nobody may."""
    if entry.origin is Origin.SYNC:
        return SYSTEM
    ways = ways_to_write(entry.origin.value)
    offers = [
        party
        for party in ("editor", "own_office", "city_office")
        if world.rules.route_for_writer(ways, info_type, parties_of(party, house), first=False)
    ]
    if "editor" in offers and world.chance(0.8):
        return "editor"
    return world.rng.choice(offers) if offers else ""


def _check(world: World, session: Session, version: Version, writer: str, now: datetime) -> Version:
    """What happens at a gate; returns the version that goes on."""
    route = world.rules.routes[version.route]
    gate = route.gates[version.gates_passed]
    house = world.city.house(version.entry.unit_id)
    if version.gates_passed == 0 and writer != SYSTEM and world.chance(RECALLED):
        lifecycle.recall(session, version, actor=acting_as(world, session, writer, house), now=now)
        world.note(now, Act.RECALLED, version=version.id)
        return version
    actor = person(session, world.city.of(gate.by, house))
    if world.chance(SENT_BACK):
        lifecycle.send_back(session, version, "答案与文件不一致，请核对", actor=actor, now=now)
        world.note(now, Act.SENT_BACK, version=version.id)
        return version
    if gate.amends and world.chance(AMENDED):
        content = reworded(world, version.content())
        following = lifecycle.amend(session, version, content, actor=actor, now=now)
        drafted(world, following, now, Act.AMENDED, replaces=version.id)
        version = following
    lifecycle.approve(session, version, actor=actor, now=now)
    world.note(now, Act.APPROVED, version=version.id, parties=(gate.by,))
    return version


def _publish(world: World, session: Session, version: Version, now: datetime) -> None:
    route = world.rules.routes[version.route]
    actor = person(session, world.city.of(route.publishes, world.city.house(version.entry.unit_id)))
    if world.chance(SENT_BACK / 4):
        lifecycle.send_back(session, version, "类别不对，请改后再报", actor=actor, now=now)
        world.note(now, Act.SENT_BACK, version=version.id)
    else:
        lifecycle.publish(session, version, actor=actor, now=now)
        world.note(now, Act.PUBLISHED, version=version.id, parties=(route.publishes,))


def _mend(world: World, session: Session, version: Version, writer: str, now: datetime) -> None:
    """A returned version is given up, or written anew and handed in again."""
    house = world.city.house(version.entry.unit_id)
    actor = acting_as(world, session, writer, house)
    if world.chance(GIVEN_UP):
        lifecycle.discard(session, version, "不再报送", actor=actor, now=now)
        world.note(now, Act.DISCARDED, version=version.id)
        settled(world, version)
        return
    following = lifecycle.save_draft(session, version, reworded(world, version.content()), actor=actor, now=now)
    drafted(world, following, now, replaces=version.id)
    world.at(world.later(now, HOUR, house), lambda at: hand_in(world, following.id, writer, at))


def _go_on(world: World, version: Version, writer: str, now: datetime) -> None:
    """Plan the next step, where there is one."""
    house, version_id = world.city.house(version.entry.unit_id), version.id

    def step(at: datetime) -> None:
        take_next_step(world, version_id, writer, at)

    if version.status is S.SUBMITTED:
        gate = world.rules.routes[version.route].gates[version.gates_passed]
        world.at(_time_for(world, now, gate, house), step)
    elif version.takes_effect_at is not None:
        world.at(version.takes_effect_at + SOON, step)
    elif version.status in (S.CHECKED, S.DRAFT):
        world.at(world.later(now, 3 * HOUR, house), step)
    else:
        settled(world, version)


def _time_for(world: World, now: datetime, gate: Gate, house: House) -> datetime:
    """When somebody gets to a check: what has a limit goes before."""
    if not gate.notice:
        return world.later(now, 3 * HOUR, house)
    _, limit = world.rules.clocks_of(gate.notice, major=False, limit="")[-1]
    return world.within(now, limit, house)
