"""People who try what is not theirs. Each must be refused; one who is not ends the simulation."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.simulation.city import House
from benchmarks.simulation.wordings import reworded
from benchmarks.simulation.world import World, person
from kb_admin import extensions, lifecycle, notices, reviews, staff, withdrawals
from models.duties import Finding
from models.errors import Forbidden
from models.knowledge import Entry, Version
from models.notices import Application, Notice
from models.organisation import Person, Unit
from models.values import ApplicationKind, ApplicationStatus, NoticeKind, NoticeStatus, VersionStatus


class NotRefused(AssertionError):
    """Somebody did what was not theirs to do."""


def try_what_is_not_theirs(world: World, now: datetime) -> None:
    """One attempt; where there is nothing to try it on, another. Raises NotRefused when it is let through."""
    attempts = list(ATTEMPTS)
    world.rng.shuffle(attempts)
    for attempt in attempts:
        with world.open_session() as session:
            try:
                found = attempt(world, session, now)
            except Forbidden:
                world.ledger.strangers_refused += 1
                return
            if found:
                raise NotRefused(f"{now}：“{attempt.__name__}”本应被拒绝，却做成了。")


def _approve_for_another_unit(world: World, session: Session, now: datetime) -> bool:
    version = _any_version(world, session, VersionStatus.SUBMITTED)
    if version is None:
        return False
    house = world.city.house(version.entry.unit_id)
    lifecycle.approve(session, version, actor=_from_elsewhere(world, session, house), now=now)
    return True


def _approve_as_the_wrong_party(world: World, session: Session, now: datetime) -> bool:
    version = _any_version(world, session, VersionStatus.SUBMITTED)
    if version is None:
        return False
    house = world.city.house(version.entry.unit_id)
    lifecycle.approve(session, version, actor=person(session, house.people["unit_leader"]), now=now)
    return True


def _publish_as_an_agent(world: World, session: Session, now: datetime) -> bool:
    waits = (Version.status == VersionStatus.CHECKED, Version.takes_effect_at.is_(None))
    version = session.scalar(select(Version).where(*waits).order_by(Version.id).limit(1))
    if version is None:
        return False
    lifecycle.publish(session, version, actor=person(session, world.city.agent), now=now)
    return True


def _withdraw_anothers_entry(world: World, session: Session, now: datetime) -> bool:
    version = _any_live(world, session)
    if version is None:
        return False
    actor = _from_elsewhere(world, session, world.city.house(version.entry.unit_id))
    lifecycle.withdraw(session, version, "不是我的", actor=actor, now=now)
    return True


def _rewrite_anothers_entry(world: World, session: Session, now: datetime) -> bool:
    version = _any_live(world, session)
    if version is None:
        return False
    actor = _from_elsewhere(world, session, world.city.house(version.entry.unit_id))
    content = reworded(world, version.content())
    lifecycle.add_version(session, version.entry, content, actor=actor, now=now)
    return True


def _look_at_anothers_entry(world: World, session: Session, now: datetime) -> bool:
    version = _any_live(world, session)
    if version is None:
        return False
    actor = _from_elsewhere(world, session, world.city.house(version.entry.unit_id))
    reviews.review_entry(session, version.entry, Finding.STILL_RIGHT, "", actor=actor, now=now)
    return True


def _sign_anothers_notice(world: World, session: Session, now: datetime) -> bool:
    notice = _any_notice(world, session, NoticeStatus.DISPATCHED)
    if notice is None:
        return False
    notices.sign(session, notice, actor=_from_elsewhere(world, session, world.city.house(notice.unit_id)), now=now)
    return True


def _complete_anothers_notice(world: World, session: Session, now: datetime) -> bool:
    notice = _any_notice(world, session, NoticeStatus.SIGNED)
    if notice is None:
        return False
    actor = _from_elsewhere(world, session, world.city.house(notice.unit_id))
    notices.complete(session, notice, "办好了", actor=actor, now=now)
    return True


def _send_a_notice(world: World, session: Session, now: datetime) -> bool:
    house = world.house()
    unit = session.get_one(Unit, house.unit_id)
    actor = _from_elsewhere(world, session, house)
    notices.open_notice(session, kind=NoticeKind.COLLECTION, unit=unit, title="替人派发", actor=actor, now=now)
    return True


def _grant_more_time(world: World, session: Session, now: datetime) -> bool:
    return _decide(world, session, ApplicationKind.EXTENSION, now)


def _grant_a_withdrawal(world: World, session: Session, now: datetime) -> bool:
    return _decide(world, session, ApplicationKind.WITHDRAWAL, now)


def _report_anothers_staff(world: World, session: Session, now: datetime) -> bool:
    house = world.house()
    unit = session.get_one(Unit, house.unit_id)
    staff.report(session, unit, actor=_from_elsewhere(world, session, house), now=now)
    return True


def _decide(world: World, session: Session, kind: ApplicationKind, now: datetime) -> bool:
    """Who asks does not decide."""
    waits = (Application.kind == kind, Application.status == ApplicationStatus.CONSENTED)
    application = session.scalar(select(Application).where(*waits).order_by(Application.id).limit(1))
    if application is None:
        return False
    actor = person(session, world.city.house(application.unit_id).people["editor"])
    decide = extensions.decide if kind is ApplicationKind.EXTENSION else withdrawals.decide
    decide(session, application, granted=True, actor=actor, now=now)
    return True


ATTEMPTS: tuple[Callable[[World, Session, datetime], bool], ...] = (
    _approve_for_another_unit,
    _approve_as_the_wrong_party,
    _publish_as_an_agent,
    _withdraw_anothers_entry,
    _rewrite_anothers_entry,
    _look_at_anothers_entry,
    _sign_anothers_notice,
    _complete_anothers_notice,
    _send_a_notice,
    _grant_more_time,
    _grant_a_withdrawal,
    _report_anothers_staff,
)


def _any_version(world: World, session: Session, status: VersionStatus) -> Version | None:
    found = session.scalars(select(Version).where(Version.status == status).order_by(Version.id).limit(20)).all()
    return world.rng.choice(found) if found else None


def _any_live(world: World, session: Session) -> Version | None:
    ids = world.entries.get(world.house().unit_id, [])
    entry = session.get_one(Entry, world.rng.choice(ids)) if ids else None
    return lifecycle.live_version(session, entry.id) if entry else None


def _any_notice(world: World, session: Session, status: NoticeStatus) -> Notice | None:
    found = session.scalars(select(Notice).where(Notice.status == status).order_by(Notice.id).limit(20)).all()
    return world.rng.choice(found) if found else None


def _from_elsewhere(world: World, session: Session, house: House) -> Person:
    """Somebody who is nothing to this unit: of another unit, of another county's office, an agent."""
    others = [other for other in world.city.houses if other.unit_id != house.unit_id]
    offices = [person_id for county, person_id in world.city.county_offices.items() if county != house.county]
    strangers = [*world.rng.choice(others).people.values(), *offices, world.city.agent]
    return person(session, world.rng.choice(strangers))
