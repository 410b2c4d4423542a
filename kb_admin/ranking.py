"""单位排名: units in the order of one figure; equal ones share a place, and too few cases give none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from kb_admin.definitions import Measure
from kb_admin.figures import Figure
from kb_admin.rates import Rate
from kb_admin.reports import UnitRow
from kb_admin.unit_cases import UNIT_FIGURES

FEWEST_CASES = 10
"""Of fewer cases a share says little of a unit: one case more or less moves it by over ten points."""
LOWER_IS_BETTER = frozenset(
    {"unit_sent_back", "unit_notices_expired", "unit_second_notices", "unit_corrections", "unit_entries_removed"}
)


@dataclass(frozen=True)
class Placed:
    """One unit in the ranking."""

    place: int | None
    """From 1; units with the same value share it. None: too few cases to be ranked."""
    row: UnitRow
    figure: Rate | Figure | None
    """None: the unit has no case at all."""


def measures(rate_name: str) -> tuple[str, ...]:
    """Names of the figures by which units can be ranked."""
    return (rate_name, "notices_on_time_rate", *UNIT_FIGURES)


def ranked(rows: Iterable[UnitRow], name: str) -> tuple[Placed, ...]:
    """The units by this figure, the best first; those without a place last, by name.

    Shares need ``FEWEST_CASES``; counts have no such bound, for none is a case too.
    """
    held = sorted(rows, key=lambda row: (row.unit, row.unit_id))
    figures = {row.unit_id: _figure(row, name) for row in held}
    values = {unit_id: value for unit_id, figure in figures.items() if (value := _value(figure)) is not None}
    sign = 1 if name in LOWER_IS_BETTER else -1
    first = sorted((row for row in held if row.unit_id in values), key=lambda row: sign * values[row.unit_id])
    places = _places([values[row.unit_id] for row in first])
    placed = (Placed(place, row, figures[row.unit_id]) for place, row in zip(places, first, strict=True))
    return (*placed, *(Placed(None, row, figures[row.unit_id]) for row in held if row.unit_id not in values))


def _figure(row: UnitRow, name: str) -> Rate | Figure | None:
    own: Mapping[str, Rate | Figure] = {"notices_on_time_rate": row.on_time, **row.figures}
    return own.get(name, row.rate)


def _value(figure: Rate | Figure | None) -> Fraction | None:
    if figure is None or figure.value is None:
        return None
    if figure.definition.unit is Measure.PERCENT and (figure.denominator or 0) < FEWEST_CASES:
        return None
    return figure.value


def _places(values: list[Fraction]) -> list[int]:
    """1, 2, 2, 4: a place counts those before it."""
    places: list[int] = []
    for number, value in enumerate(values, start=1):
        same = number > 1 and values[number - 2] == value
        places.append(places[-1] if same else number)
    return places
