"""看板上的数: every figure beside the rates over calls, each with its definition. One query for each.

Whoever may read the statistics of some units only is given those units' figures, by ``Reach``; questions that found
nothing belong to no unit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.definitions import Definition, Measure, definition
from kb_admin.periods import Period
from kb_admin.permissions import Action, Grant, Reach, require
from kb_admin.rules_in_force import city_rules
from kb_admin.visibility import reach_of
from models.organisation import Unit


@dataclass(frozen=True)
class Figure:
    """A count, a share or a median with all that it takes to check it."""

    definition: Definition
    numerator: int
    """What was counted; of a median, over how many."""
    denominator: int | None = None
    """None: no share."""
    excluded: int = 0
    period: Period | None = None
    """None: as it stood when it was asked for."""
    median: Fraction | None = None
    """In the definition's unit."""

    @property
    def value(self) -> Fraction | None:
        """Exactly; None where there is nothing to divide by, or nothing to take the middle of."""
        if self.definition.unit is Measure.WORKING_HOURS:
            return self.median
        if self.denominator is None:
            return Fraction(self.numerator)
        return Fraction(self.numerator, self.denominator) if self.denominator else None


def counted(name: str, by_unit: Mapping[int, int]) -> Figure:
    """A count that was made unit by unit, as one figure."""
    return Figure(definition(name), sum(by_unit.values()))


def statistics_reach(session: Session, grants: Iterable[Grant], now: datetime) -> Reach:
    """The units whose figures one may read: all, a county's, the own. Raises Forbidden, naming the roles that may."""
    held = frozenset(grants)
    require(held, Action.READ_STATISTICS)
    rights = city_rules(session, now).rulebook.rights
    return reach_of(Action.READ_STATISTICS, held, session.scalars(select(Unit)), rights)
