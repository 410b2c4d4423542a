"""报表: a week, month, quarter or year of the hotline's knowledge: rates, the base, notices, and what each unit did
(庆阳 art. 9, 26)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import figures_entries as entries
from kb_admin import figures_notices as notices
from kb_admin import figures_questions as questions
from kb_admin.correctness import Standing
from kb_admin.definitions import Definition, call_rates
from kb_admin.figures import Figure, counted
from kb_admin.figures_entries import Judged
from kb_admin.figures_questions import TopGroup
from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.rates import By, Rate, Where, rate, rates_by
from kb_admin.unit_cases import UNIT_FIGURES, count_cases, figure_of
from kb_admin.visibility import in_units
from models.organisation import Unit

MOST_NOTABLE = 10
"""Entries and groups that a report names: what a meeting goes through."""


@dataclass(frozen=True)
class Compared:
    """A figure of the period, and the same of the period before; None: it tells of the moment."""

    now: Rate | Figure
    before: Rate | Figure | None

    @property
    def definition(self) -> Definition:
        return self.now.definition


@dataclass(frozen=True)
class UnitRow:
    """What one unit did, and how the calls about its entries were answered."""

    unit_id: int
    unit: str
    rate: Rate | None
    """None: no call was about its entries."""
    on_time: Figure
    figures: Mapping[str, Figure]
    """By name, in the order of ``UNIT_FIGURES``."""


@dataclass(frozen=True)
class Report:
    period: Period
    made_at: datetime
    whole: bool
    """Over all units; else over those that the reader may read."""
    rates: tuple[Compared, ...]
    base: tuple[Compared, ...]
    notices: tuple[Compared, ...]
    work: tuple[Compared, ...]
    """What all units together did."""
    units: tuple[UnitRow, ...]
    fields: Mapping[str | None, Rate]
    teams: Mapping[str, Rate]
    lowest: tuple[Judged, ...]
    """Entries below the threshold or near it, the lowest correctness first."""
    groups: tuple[TopGroup, ...]
    """Questions without an answer that most calls asked."""

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Of every figure in it, once each."""
        found = [one.definition for one in (*self.rates, *self.base, *self.notices, *self.work)]
        return tuple({one.name: one for one in found}.values())


def report(session: Session, name: str, period: Period, reach: Reach, now: datetime) -> Report:
    """Everything for who may read these units' figures; ``name``: of the rate that comes first and is split."""
    where = Where() if reach.everything else Where(unit_ids=reach.unit_ids)
    judged = entries.judged_entries(session, reach, now)
    rows = unit_rows(session, name, period, reach)
    groups = questions.no_result_questions(session, period, limit=MOST_NOTABLE)[1] if reach.everything else ()
    return Report(
        period=period,
        made_at=now,
        whole=reach.everything,
        rates=_rates(session, name, period, where, everything=reach.everything),
        base=_base(session, reach, judged, now),
        notices=_notices(session, reach, period, now),
        work=_work(session, reach, period),
        units=rows,
        fields=rates_by(session, name, period, By.FIELD, where=where),
        teams=rates_by(session, name, period, By.TEAM) if reach.everything else {},
        lowest=tuple(one for one in judged if one.count.standing is not Standing.SOUND)[:MOST_NOTABLE],
        groups=tuple(groups),
    )


def unit_rows(session: Session, name: str, period: Period, reach: Reach) -> tuple[UnitRow, ...]:
    """Each unit within reach that did something or that calls were about, by name."""
    where = Where() if reach.everything else Where(unit_ids=reach.unit_ids)
    rates = rates_by(session, name, period, By.UNIT, where=where)
    done = {one.unit_id: one for one in notices.done_notices(session, reach, period)}
    counts = {key: count_cases(session, key, period, reach) for key in UNIT_FIGURES}
    busy = {*rates, *done, *(unit_id for by_unit in counts.values() for unit_id in by_unit)}
    units = session.execute(select(Unit.id, Unit.name).where(in_units(reach, Unit.id)).order_by(Unit.name)).tuples()
    return tuple(
        UnitRow(
            unit_id=unit_id,
            unit=unit,
            rate=rates.get(unit_id),
            on_time=notices.on_time_rate([done[unit_id]] if unit_id in done else [], period),
            figures={key: figure_of(key, by_unit, period, unit_id) for key, by_unit in counts.items()},
        )
        for unit_id, unit in units
        if unit_id in busy
    )


def _rates(session: Session, name: str, period: Period, where: Where, *, everything: bool) -> tuple[Compared, ...]:
    """The one that was asked for, then its kin."""
    others = [one.name for one in call_rates() if one.name != name]
    both = (period, period.previous)
    found = [Compared(*(rate(session, each, time, where=where) for time in both)) for each in (name, *others)]
    if everything:
        found.append(Compared(*(questions.calls(session, time) for time in both)))
        found.append(Compared(*(questions.no_result_share(session, time) for time in both)))
        found.append(Compared(*(questions.gap_hours(session, time) for time in both)))
    return tuple(found)


def _base(session: Session, reach: Reach, judged: Sequence[Judged], now: datetime) -> tuple[Compared, ...]:
    held = list(judged)
    lists = (
        ("entries", entries.live_entries(reach, now)),
        ("entries_unused", entries.unused_entries(session, reach, now)),
        ("entries_outdated", entries.outdated_entries(reach, now)),
        ("entries_unverified", entries.unverified_entries(session, reach, now)),
    )
    figures = [counted(name, entries.by_unit(session, rows)) for name, rows in lists]
    below = counted("entries_below", entries.standing_by_unit(held, Standing.BELOW))
    near = counted("entries_near", entries.standing_by_unit(held, Standing.NEAR))
    return tuple(Compared(one, None) for one in (figures[0], below, near, *figures[1:]))


def _notices(session: Session, reach: Reach, period: Period, now: datetime) -> tuple[Compared, ...]:
    standing = notices.standing_figures(notices.open_notices(session, reach, now))
    both = (period, period.previous)
    on_time = (notices.on_time_rate(notices.done_notices(session, reach, each), each) for each in both)
    return (*(Compared(one, None) for one in standing), Compared(*on_time))


def _work(session: Session, reach: Reach, period: Period) -> tuple[Compared, ...]:
    both = (period, period.previous)
    return tuple(
        Compared(*(figure_of(name, count_cases(session, name, each, reach), each) for each in both))
        for name in UNIT_FIGURES
    )
