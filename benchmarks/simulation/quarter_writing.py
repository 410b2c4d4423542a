"""How a unit brings an entry on its way: written, handed in, checked, sent back now and then, published."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from benchmarks.simulation.city import House
from benchmarks.simulation.quarter_world import Quarter
from benchmarks.simulation.world import HOUR, person
from kb_admin import lifecycle
from models.knowledge import Entry, Version
from models.values import EntryContent, VersionStatus

S = VersionStatus
HANDS_IN, CHECKS, PUBLISHES, MENDS = 0.5 * HOUR, 2 * HOUR, 1.5 * HOUR, 2 * HOUR
"""Working seconds that each step takes, about."""
SENT_BACK = 0.1

Told = Callable[[Session, Version], None]


def write_version(quarter: Quarter, house: House, entry_id: int, content: EntryContent, now: datetime) -> bool:
    """The unit writes what a live entry should say; whether it could: nothing else of it may be on its way."""
    with quarter.acting() as session:
        if entry_id in quarter.busy or lifecycle.live_version(session, entry_id) is None:
            return False
        editor = person(session, house.people["editor"])
        version = lifecycle.add_version(session, session.get_one(Entry, entry_id), content, actor=editor, now=now)
    quarter.busy.add(entry_id)
    _go_on(quarter, house, version.id, now)
    return True


def write_entry(  # noqa: PLR0917
    quarter: Quarter, house: House, code: str, content: EntryContent, now: datetime, told: Told
) -> None:
    """The unit writes an entry that there was not; ``told`` is done at once with its first version."""
    with quarter.acting() as session:
        editor = person(session, house.people["editor"])
        version = lifecycle.create_entry(session, content, actor=editor, now=now)
        quarter.truth.codes[version.entry_id] = code
        told(session, version)
    quarter.busy.add(version.entry_id)
    _go_on(quarter, house, version.id, now)


def on_its_way(quarter: Quarter, house: House, version: Version, now: datetime) -> None:
    """Somebody has handed a version in: it is checked and published."""
    quarter.busy.add(version.entry_id)
    quarter.world.at(quarter.at_slot(now, CHECKS, house), lambda at: _check(quarter, house, version.id, at))


def _go_on(quarter: Quarter, house: House, version_id: int, now: datetime) -> None:
    quarter.world.at(quarter.at_slot(now, HANDS_IN, house), lambda at: _hand_in(quarter, house, version_id, at))


def _hand_in(quarter: Quarter, house: House, version_id: int, now: datetime) -> None:
    with quarter.acting() as session:
        editor = person(session, house.people["editor"])
        lifecycle.submit(session, session.get_one(Version, version_id), actor=editor, now=now)
    quarter.world.at(quarter.at_slot(now, CHECKS, house), lambda at: _check(quarter, house, version_id, at))


def _check(quarter: Quarter, house: House, version_id: int, now: datetime) -> None:
    """The unit's reviewer passes it, or sends it back for its form; what it says is as it should be."""
    with quarter.acting() as session:
        version = session.get_one(Version, version_id)
        reviewer = person(session, house.people["reviewer"])
        sent_back = quarter.chance_of("reviewers").random() < SENT_BACK
        if sent_back:
            lifecycle.send_back(session, version, "排版请按要求调整后再报", actor=reviewer, now=now)
        else:
            lifecycle.approve(session, version, actor=reviewer, now=now)
    if sent_back:
        quarter.world.at(quarter.at_slot(now, MENDS, house), lambda at: _hand_in(quarter, house, version_id, at))
    else:
        quarter.world.at(quarter.at_slot(now, PUBLISHES), lambda at: _publish(quarter, house, version_id, at))


def _publish(quarter: Quarter, house: House, version_id: int, now: datetime) -> None:
    """The city's office publishes; from now on it answers."""
    with quarter.acting() as session:
        version = session.get_one(Version, version_id)
        office = person(session, quarter.world.city.of("city_office", house))
        lifecycle.publish(session, version, actor=office, now=now)
        entry_id, answer, spoken = version.entry_id, version.answer, version.spoken
    quarter.busy.discard(entry_id)
    quarter.follow()
    truth = quarter.truth
    code = truth.codes[entry_id]
    if truth.is_faulty(code, now) and truth.is_right(entry_id, answer, spoken, now):
        truth.mended[code] = now
    then = quarter.published.pop(entry_id, None)
    if then is not None:
        then(now)
