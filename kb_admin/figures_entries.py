"""知识库的现状: entries that are live, judged wrong too often, unused, outdated, unverified; by unit, and as queries
for the lists behind the counts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from kb_admin.correctness import Standing, Tally, tallies_of
from kb_admin.permissions import Reach
from kb_admin.rulebook import StatisticsRule
from kb_admin.rules_in_force import city_rules, rules_of
from kb_admin.visibility import in_units
from models.duties import EntryReview, Finding
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Entry, Version
from models.organisation import Unit
from models.usage import Verdict
from models.validity import in_force_sql
from models.values import FaultReason, VersionStatus

SOON = timedelta(days=30)
"""Validity that ends within a month is about to end: units look at their entries monthly (梅州 art. 8(3))."""
EntryRows = Select[int, int, int]
"""Of each entry the id, the id of its live version, and its unit's."""


@dataclass(frozen=True)
class Judged:
    """A live entry that enough people have judged."""

    entry_id: int
    version_id: int
    unit_id: int
    count: Tally


def live_entries(reach: Reach, now: datetime) -> EntryRows:
    """在用条目: published and in force."""
    return _published(reach).where(in_force_sql(Version, now))


def unused_entries(session: Session, reach: Reach, now: datetime) -> EntryRows:
    """Live ones that were first published long enough ago and have not been opened, copied, judged or answered with
    since. Raises Unavailable where no rulebook holds."""
    since = now - timedelta(days=_rule(session, now).unused_days)
    return live_entries(reach, now).where(
        _some_version(OTHER.published_at <= since),
        ~_some_version(exists().where(AnswerUse.version_id == OTHER.id, AnswerUse.at >= since)),
        ~_some_version(exists().where(Verdict.version_id == OTHER.id, Verdict.at >= since)),
        ~_some_version(exists().where(IncomingCall.version_id == OTHER.id, IncomingCall.started_at >= since)),
    )


def unverified_entries(session: Session, reach: Reach, now: datetime) -> EntryRows:
    """Live ones whose version was published long enough ago, and that nobody has reviewed or judged since. Raises as
    above."""
    since = now - timedelta(days=_rule(session, now).unverified_days)
    reviewed = exists().where(EntryReview.entry_id == Entry.id, EntryReview.at >= since)
    judged = exists().where(Verdict.version_id == Version.id, Verdict.at >= since)
    return live_entries(reach, now).where(Version.published_at <= since, ~reviewed, ~judged)


def outdated_entries(reach: Reach, now: datetime) -> EntryRows:
    """Published ones with a sign that they hold no more: their validity has ended or soon will, somebody judged this
    version out of date and nobody has found it right since, or the last review of it found it wrong."""
    return _published(reach).where(or_(Version.valid_to <= now + SOON, _judged_outdated(), _found_wrong()))


def by_unit(session: Session, entries: EntryRows) -> dict[int, int]:
    """How many, by the unit's id; units without any are left out."""
    found = entries.subquery()
    query = select(found.c.unit_id, func.count()).group_by(found.c.unit_id)
    return dict(session.execute(query).tuples().all())


def judged_entries(session: Session, reach: Reach, now: datetime) -> list[Judged]:
    """Live entries with as many raters as the rulebook asks for, the lowest correctness first, ties by id."""
    rows = session.execute(live_entries(reach, now).where(_enough_raters(_fewest_raters(session, now)))).tuples().all()
    counts = tallies_of(session, [version_id for _, version_id, _ in rows], now)
    found = [Judged(entry, version, unit, counts[version]) for entry, version, unit in rows if version in counts]
    enough = [one for one in found if one.count.standing is not Standing.FEW]
    return sorted(enough, key=lambda one: (one.count.result.rate or 0, one.entry_id))


def _fewest_raters(session: Session, now: datetime) -> int:
    """The lowest number of raters that any rulebook in force asks for."""
    regions = session.scalars(select(Unit.region_id).distinct().order_by(Unit.region_id)).all()
    rules = [rules_of(session, region_id, now).rulebook.correction for region_id in regions]
    return min((rule.minimum_ratings for rule in rules), default=1)


def _enough_raters(fewest: int) -> ColumnElement[bool]:
    """Whether all versions of the entry together have so many raters: of the others none can, and they need not be
    counted one by one."""
    raters = func.count(Verdict.rater_key.distinct())
    rated = select(OTHER.entry_id).join(Verdict, Verdict.version_id == OTHER.id)
    return Entry.id.in_(rated.group_by(OTHER.entry_id).having(raters >= fewest))


def standing_by_unit(judged: Iterable[Judged], standing: Standing) -> dict[int, int]:
    """How many of them stand so against the threshold, by the unit's id."""
    units = [one.unit_id for one in judged if one.count.standing is standing]
    return dict(sorted(Counter(units).items()))


OTHER = aliased(Version)
"""Any version of the entry, the live one included."""


def _published(reach: Reach) -> EntryRows:
    return (
        select(Entry.id.label("entry_id"), Version.id.label("version_id"), Entry.unit_id.label("unit_id"))
        .join(Version, Version.entry_id == Entry.id)
        .where(Version.status == VersionStatus.PUBLISHED, in_units(reach))
    )


def _rule(session: Session, now: datetime) -> StatisticsRule:
    return city_rules(session, now).rulebook.statistics


def _some_version(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether it holds for some version of the entry."""
    return exists(select(OTHER.id).where(OTHER.entry_id == Entry.id, condition).correlate(Entry))


def _judged_outdated() -> ColumnElement[bool]:
    found_right = exists().where(
        EntryReview.version_id == Verdict.version_id,
        EntryReview.finding == Finding.STILL_RIGHT,
        EntryReview.at > Verdict.at,
    )
    return exists(
        select(Verdict.id)
        .where(Verdict.version_id == Version.id, Verdict.reason == FaultReason.OUTDATED, ~found_right)
        .correlate(Version)
    )


def _found_wrong() -> ColumnElement[bool]:
    later = aliased(EntryReview)
    outdone = exists().where(later.version_id == EntryReview.version_id, later.at > EntryReview.at)
    return exists(
        select(EntryReview.id)
        .where(EntryReview.version_id == Version.id, EntryReview.finding != Finding.STILL_RIGHT, ~outdone)
        .correlate(Version)
    )
