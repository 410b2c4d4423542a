"""Reports in words: tables that stand alike on the page, on paper and in the workbook."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.dashboard_charts import NO_ENTRY, NO_FIELD, NO_TEAM
from api.figure_words import Shown, formula_words, shown, value_words
from kb_admin.contents import batches
from kb_admin.correctness import percent
from kb_admin.definitions import definition
from kb_admin.permissions import Reach
from kb_admin.rates import Rate
from kb_admin.reports import Compared, Report
from kb_admin.unit_cases import Thing, UnitCase
from kb_admin.visibility import in_units
from models.knowledge import Entry, Phrasing, Version
from models.organisation import Unit
from models.values import PhrasingKind

ADDRESS = {Thing.ENTRY: "/entries/{}", Thing.NOTICE: "/notices/{}", Thing.GROUP: "/gaps/{}"}


@dataclass(frozen=True)
class Split:
    """A rate along one line, as rows of name and figure."""

    title: str
    head: str
    rows: tuple[tuple[str, Rate], ...]


@dataclass(frozen=True)
class LowEntry:
    """An entry that should be looked at."""

    code: str
    question: str
    unit: str
    standing: str
    rate: str
    counts: str


@dataclass(frozen=True)
class ReportView:
    """The report as it is read."""

    report: Report
    rates: tuple[Shown, ...]
    base: tuple[Shown, ...]
    notices: tuple[Shown, ...]
    work: tuple[Shown, ...]
    splits: tuple[Split, ...]
    lowest: tuple[LowEntry, ...]


def view_of(session: Session, found: Report) -> ReportView:
    """The same in words."""
    return ReportView(
        report=found,
        rates=_shown(found.rates, found.made_at),
        base=_shown(found.base, found.made_at),
        notices=_shown(found.notices, found.made_at),
        work=_shown(found.work, found.made_at),
        splits=tuple(_splits(found)),
        lowest=_lowest(session, found),
    )


def unit_heads(row_names: Iterable[str]) -> tuple[str, ...]:
    """Heads of a unit's counts."""
    return tuple(definition(name).title for name in row_names)


def rate_cells(rate: Rate | None) -> tuple[str, str]:
    """Value, and what was divided by what."""
    return (value_words(rate), formula_words(rate)) if rate else ("—", "")


def case_address(case: UnitCase) -> str:
    """Where the case is read."""
    return ADDRESS[case.thing].format(case.key)


def names_of_units(session: Session, reach: Reach) -> Mapping[int, str]:
    """Of the units that one may read, by id, in the order of names."""
    rows = select(Unit.id, Unit.name).where(in_units(reach, Unit.id)).order_by(Unit.name)
    return dict(session.execute(rows).tuples().all())


def _shown(figures: Iterable[Compared], now: datetime) -> tuple[Shown, ...]:
    return tuple(shown(one.now, now, before=one.before) for one in figures)


def _splits(found: Report) -> Iterable[Split]:
    title = found.rates[0].definition.title
    named = {NO_ENTRY if key is None else key or NO_FIELD: one for key, one in found.fields.items()}
    if named:
        yield Split(f"各领域{title}", "领域", _ordered(named))
    teams = {key or NO_TEAM: one for key, one in found.teams.items()}
    if teams:
        yield Split(f"各班组{title}", "班组", _ordered(teams))


def _ordered(rates: Mapping[str, Rate]) -> tuple[tuple[str, Rate], ...]:
    """The most calls first."""
    return tuple(sorted(rates.items(), key=lambda item: (-item[1].denominator, item[0])))


def _lowest(session: Session, found: Report) -> tuple[LowEntry, ...]:
    ids = [one.version_id for one in found.lowest]
    questions: dict[int, tuple[str, str]] = {}
    for some in batches(ids):
        query = (
            select(Phrasing.version_id, Entry.code, Phrasing.text)
            .join(Version, Version.id == Phrasing.version_id)
            .join(Entry, Entry.id == Version.entry_id)
            .where(Phrasing.version_id.in_(some), Phrasing.kind == PhrasingKind.STANDARD)
        )
        questions.update({version: (code, text) for version, code, text in session.execute(query)})
    units = names_of_units(session, Reach(everything=True)) if ids else {}
    rows = []
    for one in found.lowest:
        code, question = questions[one.version_id]
        result = one.count.result
        rate = percent(result.rate) if result.rate is not None else "—"
        counts = f"正确 {result.correct_raters} 人、有误 {result.incorrect_raters} 人"
        rows.append(LowEntry(code, question, units[one.unit_id], one.count.standing.label, rate, counts))
    return tuple(rows)
