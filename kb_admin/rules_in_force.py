"""Which rulebook holds where and when, and how a city takes another one.

What began under a rulebook ends under it: whoever starts something keeps the number of the rulebook that held then, and
asks ``rules_by_id`` for it later.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import ScalarSelect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import audit
from kb_admin.calendar_years import added_years
from kb_admin.permissions import Action, grants_of, require
from kb_admin.published_years import PublishedYear
from kb_admin.rulebook import RightsRule, Rulebook
from kb_admin.rulebook_files import DEFAULT, read, whole_text
from kb_admin.visibility import NO_RIGHTS
from kb_admin.worktime import Calendar, LimitUnit, OfficeHours, missing_calendar
from models.errors import Conflict, Invalid, NotFound, Unavailable
from models.organisation import Person, Region, Unit
from models.rules import Adoption, RulebookText
from models.values import CHINA, EARLIEST, LATEST, Level


@dataclass(frozen=True)
class InForce:
    """A rulebook as it holds for somebody, and the calendar on which its limits are counted."""

    rulebook_id: int
    rulebook: Rulebook
    calendar: Calendar


def rules_of(session: Session, region_id: int, at: datetime) -> InForce:
    """What holds in the region at that moment: its own latest adoption, else its city's.

    Raises Unavailable, with what to do, where nothing was adopted.
    """
    region = session.get(Region, region_id)
    for place in (region_id, region.parent_id if region else None):
        if place is not None and (found := _latest(session, place, at)) is not None:
            return _in_force(session, *found)
    name = region.name if region else f"区域 {region_id}"
    raise Unavailable(f"“{name}”还没有采用任何规则。请系统管理员运行：zhida rulebook adopt {DEFAULT} --region {name}")


def rules_of_unit(session: Session, unit: Unit, at: datetime) -> InForce:
    """What holds for the unit: the rules of its region. Raises Unavailable."""
    return rules_of(session, unit.region_id, at)


def rules_by_id(session: Session, rulebook_id: int) -> InForce:
    """The rulebook under which something began, whatever holds now. Raises NotFound."""
    digest = session.scalar(select(RulebookText.digest).where(RulebookText.id == rulebook_id))
    if digest is None:
        raise NotFound(f"没有编号为 {rulebook_id} 的规则。")
    return _in_force(session, rulebook_id, digest)


def city_rules(session: Session, at: datetime) -> InForce:
    """What holds in the city itself: its rights, sharing and release are one for all counties. Raises Unavailable."""
    city_id = session.scalar(select(Region.id).where(Region.parent_id.is_(None)).order_by(Region.id).limit(1))
    if city_id is None:
        raise Unavailable("库中还没有城市。请系统管理员先用 zhida organisation 建立区域和单位。")
    return rules_of(session, city_id, at)


def city_rights(session: Session, now: datetime) -> RightsRule:
    """The city's rule of rights. Where no city stands yet, nobody sees more than the public.

    Every request asks this: one statement, and no calendar.
    """
    city_id = select(Region.id).where(Region.parent_id.is_(None)).order_by(Region.id).limit(1).scalar_subquery()
    found = _latest(session, city_id, now)
    return _rulebook(session, *found).rights if found is not None else NO_RIGHTS


def unpublished_year(session: Session, now: datetime) -> int | None:
    """The year that the city's clocks will soon reach into and whose holidays nobody has added; None when all is well.

    Also None where no rulebook holds yet: then no clock runs.
    """
    try:
        rules = city_rules(session, now)
    except Unavailable:
        return None
    limits = [clock.limit for clock in rules.rulebook.clocks.values() if clock.limit.unit is LimitUnit.WORKING_DAYS]
    longest = max(limits, key=lambda limit: limit.count, default=None)
    return missing_calendar(now, rules.calendar, longest=longest)


def adoptions_of(session: Session, region_id: int) -> list[Adoption]:
    """All of a region's own adoptions, the latest first, those still to come included."""
    query = select(Adoption).where(Adoption.region_id == region_id).order_by(Adoption.effective_from.desc())
    return list(session.scalars(query))


def adopt(
    session: Session, region: Region, text: str, *, effective_from: datetime, actor: Person | None, now: datetime
) -> Adoption:
    """Let the region follow the rulebook that ``text`` says from ``effective_from`` on; what runs goes on as it began.

    One that was adopted for the very same moment, still to come, is replaced. Raises Forbidden for all but the city's
    office, Invalid for a faulty text or a moment that has passed.
    """
    if actor is not None:
        require(grants_of(actor), Action.ADOPT_RULEBOOK)
    rulebook = read(text, file=f"“{region.name}”要采用的规则")
    if actor is not None and effective_from < now:
        raise Invalid(f"生效时间 {effective_from.astimezone(CHINA):%Y-%m-%d %H:%M} 已经过去，规则只能从现在起生效。")
    if not EARLIEST <= effective_from <= LATEST:
        raise Invalid(f"生效时间应在 {EARLIEST.year} 年至 {LATEST.year} 年之间。")
    kept = _keep_text(session, rulebook, now)
    adoption = _adoption_at(session, region, effective_from)
    if adoption is not None and effective_from <= now:
        raise Conflict(f"“{region.name}”在 {effective_from.astimezone(CHINA):%Y-%m-%d %H:%M} 已经采用了一份规则。")
    if adoption is None:
        adoption = Adoption(region=region, effective_from=effective_from)
        session.add(adoption)
    adoption.rulebook, adoption.adopted_by, adoption.adopted_at = kept, actor, now
    session.flush()
    details = {"rulebook": rulebook.name, "digest": kept.digest, "from": effective_from.astimezone(CHINA).isoformat()}
    audit.record(session, actor=actor, act="rulebook.adopt", subject=f"region:{region.name}", details=details, now=now)
    return adoption


def ensure_adopted(session: Session, *, now: datetime) -> int:
    """Give every city that follows no rulebook the default, from the beginning on; how many that were."""
    adopted = select(Adoption.region_id).where(Adoption.effective_from == EARLIEST)
    cities = session.scalars(
        select(Region).where(Region.level == Level.CITY, Region.id.not_in(adopted)).order_by(Region.id)
    ).all()
    for city in cities:
        adopt(session, city, whole_text(DEFAULT), effective_from=EARLIEST, actor=None, now=now)
    return len(cities)


def _latest(session: Session, region_id: int | ScalarSelect[int], at: datetime) -> tuple[int, str] | None:
    query = (
        select(RulebookText.id, RulebookText.digest)
        .join(Adoption, Adoption.rulebook_id == RulebookText.id)
        .where(Adoption.region_id == region_id, Adoption.effective_from <= at)
        .order_by(Adoption.effective_from.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return (row[0], row[1]) if row else None


def _in_force(session: Session, rulebook_id: int, digest: str) -> InForce:
    rulebook = _rulebook(session, rulebook_id, digest)
    return InForce(rulebook_id, rulebook, _calendar(rulebook.hours, tuple(_as_keys(added_years(session)))))


def _rulebook(session: Session, rulebook_id: int, digest: str) -> Rulebook:
    rulebook = _READ.get(digest)
    if rulebook is None:
        text = session.scalar(select(RulebookText.text).where(RulebookText.id == rulebook_id))
        assert text is not None
        rulebook = _READ[digest] = read(text, file=f"第 {rulebook_id} 号规则")
    return rulebook


_READ: dict[str, Rulebook] = {}
"""Rulebooks by the digest of their text, which says it all; few, and never changed."""


def _as_keys(years: Mapping[int, PublishedYear]) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """Something that two equal sets of years have in common, and that can be looked up."""
    for number, year in years.items():
        yield number, _iso(year.holidays), _iso(year.workdays)


def _iso(days: Iterable[date]) -> tuple[str, ...]:
    return tuple(day.isoformat() for day in sorted(days))


@lru_cache(maxsize=64)
def _calendar(hours: OfficeHours, added: tuple[tuple[int, tuple[str, ...], tuple[str, ...]], ...]) -> Calendar:
    """Laid out once and kept: counting needs whole years."""
    return Calendar(hours, {year: PublishedYear.of_dates(year, off, worked) for year, off, worked in added})


def _keep_text(session: Session, rulebook: Rulebook, now: datetime) -> RulebookText:
    """The row that holds the whole rulebook, every key given; the one that stands already if there is one."""
    text = whole_text(rulebook)
    digest = hashlib.sha256(text.encode()).hexdigest()
    query = select(RulebookText).where(RulebookText.digest == digest)
    kept = session.scalar(query)
    if kept is not None:
        return kept
    try:
        with session.begin_nested():
            kept = RulebookText(name=rulebook.name, digest=digest, text=text, added_at=now)
            session.add(kept)
    except IntegrityError:  # somebody else adopts the same for the first time at this moment
        kept = session.scalars(query).one()
    return kept


def _adoption_at(session: Session, region: Region, moment: datetime) -> Adoption | None:
    return session.scalar(select(Adoption).where(Adoption.region_id == region.id, Adoption.effective_from == moment))
