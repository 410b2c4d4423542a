"""What stands on the dashboard, for whom and for which period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api import dashboard_charts as charts
from api.charts import Chart
from api.dashboard_charts import NO_ENTRY, NO_FIELD, NO_TEAM
from api.dates import moment
from api.figure_words import Shown, formula_words, shown, value_words
from kb_admin import figures_notices as notices
from kb_admin import figures_questions as questions
from kb_admin.contents import batches
from kb_admin.definitions import Definition, definition
from kb_admin.figures import counted
from kb_admin.figures_questions import TopGroup
from kb_admin.figures_units import Measured, UnitFigures, figures_of_units, measure
from kb_admin.permissions import Reach
from kb_admin.rates import By, Period, Rate, Where, rate, rates_by
from models.knowledge import Entry
from models.organisation import Unit

KIN = ("first_call_rate", "direct_handling_rate", "online_answer_rate")
TOP_GROUPS = 10


@dataclass(frozen=True)
class Dashboard:
    """One look at it."""

    rates: tuple[Shown, ...]
    entries: tuple[Shown, ...]
    notices: tuple[Shown, ...]
    charts: tuple[Chart, ...]
    units: tuple[UnitFigures, ...]
    groups: tuple[TopGroup, ...]
    """Questions without an answer that most calls asked."""
    no_result: tuple[Shown, ...]

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Of every figure on the page, once each, in the order of the page."""
        found = [one.definition for one in (*self.rates, *self.no_result, *self.entries, *self.notices)]
        found += [chart.definition for chart in self.charts]
        return tuple({one.name: one for one in found}.values())


def dashboard(session: Session, name: str, period: Period, reach: Reach, now: datetime) -> Dashboard:
    """Everything for who may read these units' figures; ``name``: which rate comes first."""
    where = Where() if reach.everything else Where(unit_ids=reach.unit_ids)
    whole, before = (rate(session, name, each, where=where) for each in (period, period.previous))
    days = rates_by(session, name, period, By.DAY, where=where)
    measured = measure(session, name, period, reach, now)
    drawn = [charts.by_day(days, whole, before, "by-day"), *_by_groups(session, whole, measured, where)]
    no_result, groups = _no_result(session, period, now, drawn) if reach.everything else ((), ())
    return Dashboard(
        rates=_rates(session, whole, before, where, now, everything=reach.everything),
        no_result=no_result,
        groups=tuple(groups),
        entries=_entries(session, measured, now, drawn),
        notices=_notices(session, measured, reach, now, drawn),
        charts=tuple(drawn),
        units=tuple(figures_of_units(session, measured, reach)),
    )


UNIT_COUNTS = (
    *("entries", "entries_below", "entries_near", "entries_unused", "entries_outdated", "entries_unverified"),
    *("notices_open", "notices_overdue", "notices_second", "notices_on_time_rate"),
)


def unit_heads(one: Definition) -> tuple[str, ...]:
    """Heads of the columns of the units' table, after the unit."""
    return (one.title, "分子 ÷ 分母", *(definition(name).title for name in UNIT_COUNTS))


def unit_cells(one: UnitFigures) -> tuple[str, ...]:
    """One row of it."""
    rated = (value_words(one.rate), formula_words(one.rate)) if one.rate else ("—", "")
    return (one.unit, *rated, *(value_words(one.counts[name]) for name in UNIT_COUNTS))


def _rates(
    session: Session, whole: Rate, before: Rate, where: Where, now: datetime, *, everything: bool
) -> tuple[Shown, ...]:
    period = whole.period
    found = [shown(whole, now, before=before)]
    for name in KIN:
        if name != whole.definition.name:
            now_and_then = (rate(session, name, each, where=where) for each in (period, period.previous))
            one, other = now_and_then
            found.append(shown(one, now, before=other))
    if everything:
        found.append(shown(questions.calls(session, period), now, before=questions.calls(session, period.previous)))
    return tuple(found)


def _by_groups(session: Session, whole: Rate, measured: Measured, where: Where) -> list[Chart]:
    """A unit alone needs no comparison of units; agents' teams are the hotline's own matter."""
    name, period = whole.definition.name, whole.period
    found = []
    if where.unit_ids is None or len(where.unit_ids) > 1:
        units = dict(session.execute(select(Unit.id, Unit.name)).tuples().all())
        split = {NO_ENTRY if key is None else units[key]: one for key, one in measured.rates.items()}
        found.append(charts.by_group(By.UNIT, split, whole))
    fields = rates_by(session, name, period, By.FIELD, where=where)
    named = {NO_ENTRY if key is None else key or NO_FIELD: one for key, one in fields.items()}
    found.append(charts.by_group(By.FIELD, named, whole))
    if where.unit_ids is None:
        teams = rates_by(session, name, period, By.TEAM)
        found.append(charts.by_group(By.TEAM, {key or NO_TEAM: one for key, one in teams.items()}, whole))
    return found


def _no_result(
    session: Session, period: Period, now: datetime, drawn: list[Chart]
) -> tuple[tuple[Shown, ...], Sequence[TopGroup]]:
    share, before = (questions.no_result_share(session, each) for each in (period, period.previous))
    drawn.append(charts.by_day(questions.no_result_by_day(session, period), share, before, "no-result"))
    asked, groups = questions.no_result_questions(session, period, limit=TOP_GROUPS)
    middle, middle_before = (questions.gap_hours(session, each) for each in (period, period.previous))
    drawn.append(charts.gap_hours(questions.gap_hours_each(session, period), middle, middle_before))
    return (
        shown(share, now, before=before),
        shown(asked, now),
        shown(middle, now, before=middle_before),
    ), groups


def _entries(session: Session, measured: Measured, now: datetime, drawn: list[Chart]) -> tuple[Shown, ...]:
    figures = {name: counted(name, by_unit) for name, by_unit in measured.entries.items()}
    codes = _codes(session, [one.entry_id for one in measured.judged[: charts.LOWEST]])
    below, near = figures["entries_below"], figures["entries_near"]
    drawn.append(charts.lowest_correctness(measured.judged, below, near, codes, f"{moment(now)} 的情况"))
    return tuple(shown(one, now) for one in figures.values())


def _notices(
    session: Session, measured: Measured, reach: Reach, now: datetime, drawn: list[Chart]
) -> tuple[Shown, ...]:
    figures = notices.standing_figures(measured.opened)
    drawn.append(charts.notices_by_kind(measured.opened, figures, f"{moment(now)} 的情况"))
    period = measured.period
    earlier = notices.done_notices(session, reach, period.previous)
    on_time, before = notices.on_time_rate(measured.done, period), notices.on_time_rate(earlier, period.previous)
    return (*(shown(one, now) for one in figures), shown(on_time, now, before=before))


def _codes(session: Session, entry_ids: Sequence[int]) -> Mapping[int, str]:
    found: dict[int, str] = {}
    for ids in batches(entry_ids):
        found.update(session.execute(select(Entry.id, Entry.code).where(Entry.id.in_(ids))).tuples().all())
    return found
