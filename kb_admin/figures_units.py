"""Every figure of every unit side by side: what the ranking of units is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import figures_entries as entries
from kb_admin import figures_notices as notices
from kb_admin.correctness import Standing
from kb_admin.definitions import definition
from kb_admin.figures import Figure
from kb_admin.figures_entries import Judged
from kb_admin.figures_notices import DoneNotices, OpenNotices
from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.rates import By, Rate, Where, rates_by
from kb_admin.visibility import in_units
from models.organisation import Unit


@dataclass(frozen=True)
class UnitFigures:
    """One unit's."""

    unit_id: int
    unit: str
    rate: Rate | None
    """None: no call was about its entries."""
    counts: Mapping[str, Figure]
    """By the definition's name: entries, entries_below, entries_near, entries_unused, entries_outdated,
    entries_unverified, notices_open, notices_overdue, notices_second, notices_on_time_rate."""


@dataclass(frozen=True)
class Measured:
    """What every unit's figures are taken from: each query made once."""

    name: str
    """Of the rate over calls."""
    period: Period
    rates: Mapping[int | None, Rate]
    """By unit's id; None: calls about no entry."""
    judged: Sequence[Judged]
    entries: Mapping[str, Mapping[int, int]]
    """By the definition's name and the unit's id."""
    opened: Sequence[OpenNotices]
    done: Sequence[DoneNotices]


def unit_figures(session: Session, name: str, period: Period, reach: Reach, now: datetime) -> list[UnitFigures]:
    """Of each unit within reach that has entries, notices or calls, by name; ``name``: of the rate over calls."""
    return figures_of_units(session, measure(session, name, period, reach, now), reach)


def measure(session: Session, name: str, period: Period, reach: Reach, now: datetime) -> Measured:
    """All that it takes, for these units together."""
    judged = entries.judged_entries(session, reach, now)
    where = Where() if reach.everything else Where(unit_ids=reach.unit_ids)
    return Measured(
        name=name,
        period=period,
        rates=rates_by(session, name, period, By.UNIT, where=where),
        judged=judged,
        entries={
            "entries": entries.by_unit(session, entries.live_entries(reach, now)),
            "entries_below": entries.standing_by_unit(judged, Standing.BELOW),
            "entries_near": entries.standing_by_unit(judged, Standing.NEAR),
            "entries_unused": entries.by_unit(session, entries.unused_entries(session, reach, now)),
            "entries_outdated": entries.by_unit(session, entries.outdated_entries(reach, now)),
            "entries_unverified": entries.by_unit(session, entries.unverified_entries(session, reach, now)),
        },
        opened=notices.open_notices(session, reach, now),
        done=notices.done_notices(session, reach, period),
    )


def figures_of_units(session: Session, measured: Measured, reach: Reach) -> list[UnitFigures]:
    """The same, unit by unit."""
    busy = {*measured.rates, *(unit for by_unit in measured.entries.values() for unit in by_unit)}
    busy |= {one.unit_id for one in measured.opened} | {one.unit_id for one in measured.done}
    units = session.execute(select(Unit.id, Unit.name).where(in_units(reach, Unit.id)).order_by(Unit.name)).tuples()
    return [_of_unit(unit_id, unit, measured) for unit_id, unit in units if unit_id in busy]


def _of_unit(unit_id: int, unit: str, measured: Measured) -> UnitFigures:
    opened = [one for one in measured.opened if one.unit_id == unit_id]
    done = [one for one in measured.done if one.unit_id == unit_id]
    figures = [Figure(definition(name), counts.get(unit_id, 0)) for name, counts in measured.entries.items()]
    figures += [*notices.standing_figures(opened), notices.on_time_rate(done, measured.period)]
    return UnitFigures(
        unit_id, unit, measured.rates.get(unit_id), {figure.definition.name: figure for figure in figures}
    )
