"""Charts: what the browser draws from, and the table of the same numbers beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from api.figure_words import formula_words, value_words
from kb_admin.definitions import Definition, Measure
from kb_admin.figures import Figure
from kb_admin.rates import Rate

MOST_BARS = 20
"""More do not fit on a page; the table holds all."""
TELLING = 10
"""Of fewer calls nobody is called the best or the worst."""


@dataclass(frozen=True)
class Series:
    """One line, or one colour of bars."""

    name: str
    values: tuple[float | None, ...]
    labels: tuple[str, ...]
    """The values as people read them."""
    notes: tuple[str, ...]
    """The same with what was divided by what, for who points at one."""


@dataclass(frozen=True)
class Mark:
    """A line across the chart: a threshold, the value of the period before."""

    value: float
    label: str
    limit: bool = False
    """A threshold of the rulebook, drawn stronger."""


@dataclass(frozen=True)
class Table:
    """The numbers of a chart, for who wants them exactly and who sees no chart."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    links: tuple[str, ...] = ()
    """Where each row's first cell leads; empty: nowhere."""


@dataclass(frozen=True)
class Chart:
    name: str
    title: str
    """What it shows, as a sentence with its numbers."""
    definition: Definition
    time: str
    kind: str
    """``line`` or ``bars``."""
    unit: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    table: Table
    marks: tuple[Mark, ...] = ()
    stacked: bool = False
    note: str = ""

    @property
    def drawing(self) -> Mapping[str, Any]:
        """What ``charts.js`` reads."""
        return {
            "name": self.name,
            "kind": self.kind,
            "unit": self.unit,
            "title": self.title,
            "categories": self.categories,
            "series": [asdict(one) for one in self.series],
            "marks": [asdict(one) for one in self.marks],
            "stacked": self.stacked,
        }


def plain(value: Fraction | None, measure: Measure) -> float | None:
    """A value as a chart takes it: percents out of 100."""
    if value is None:
        return None
    return round(float(value * 100 if measure is Measure.PERCENT else value), 2)


def series_of(name: str, figures: Sequence[Rate | Figure]) -> Series:
    """Values and notes of one line."""
    values = tuple(plain(one.value, one.definition.unit) for one in figures)
    labels = tuple(value_words(one) for one in figures)
    notes = tuple(f"{value_words(one)}（{formula_words(one)}）" if one.value is not None else "没有" for one in figures)
    return Series(name, values, labels, notes)


def table_of(first: str, named: Mapping[str, Rate | Figure], *, links: Sequence[str] = ()) -> Table:
    """One row for each, with what was divided by what and what was left out."""
    head = (first, next(iter(named.values())).definition.title if named else "", "分子", "分母", "不计")
    rows = tuple(
        (name, value_words(one), str(one.numerator), str(one.denominator or 0), str(one.excluded))
        for name, one in named.items()
    )
    return Table(head, rows, tuple(links))


def bars_of(named: Mapping[str, Rate]) -> dict[str, Rate]:
    """Those of the most calls, the lowest rate first, ties by name; without those of which no call counts."""
    counted = {name: one for name, one in named.items() if one.value is not None}
    most = sorted(counted, key=lambda name: (-counted[name].denominator, name))[:MOST_BARS]
    key: Callable[[str], tuple[Fraction, str]] = lambda name: (counted[name].value or Fraction(0), name)  # noqa: E731
    return {name: counted[name] for name in sorted(most, key=key)}


def extremes(named: Mapping[str, Rate]) -> str:
    """ "最低的是 A（12.0 %），最高的是 B（80.1 %）", among those of enough calls."""
    telling = [(one.value, name) for name, one in named.items() if one.value is not None and one.denominator >= TELLING]
    if len(telling) < 2:
        return ""
    lowest, highest = min(telling), max(telling)
    if lowest[0] == highest[0]:
        return f"都是 {value_words(named[lowest[1]])}"
    low, high = (f"{name}（{value_words(named[name])}）" for _, name in (lowest, highest))
    return f"最低的是{low}，最高的是{high}"
