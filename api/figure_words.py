"""Figures as people read them: value, what was divided by what, what was left out, the period, and the change since
the period before."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from api.dates import THIN, moment
from kb_admin.definitions import Definition, Measure
from kb_admin.figures import Figure
from kb_admin.periods import Period, Span
from kb_admin.rates import Rate

BEFORE = {Span.WEEK: "上周", Span.MONTH: "上月", Span.QUARTER: "上季度", Span.YEAR: "上年", Span.DAYS: "上期"}
MORE_LESS = {Measure.PERCENT: ("高", "低"), Measure.WORKING_HOURS: ("长", "短")}
FEW = 30
"""Of fewer calls a share moves by more than 3 points with each single one."""


@dataclass(frozen=True)
class Shown:
    """One figure with everything that must stand beside it."""

    definition: Definition
    value: str
    formula: str
    """"624 ÷ 1000"; empty for a count."""
    left_out: str
    """What does not count, with numbers where they are known."""
    time: str
    change: str
    """Empty where there is nothing to compare with."""


def shown(figure: Rate | Figure, now: datetime, *, before: Rate | Figure | None = None) -> Shown:
    """The figure in words; ``before`` is the same of the period before."""
    return Shown(
        definition=figure.definition,
        value=value_words(figure),
        formula=formula_words(figure),
        left_out=left_out_words(figure),
        time=period_words(figure.period) if figure.period else f"{moment(now)} 的情况",
        change=f"{change_words(figure, before)}{unfinished_words(figure, before, now)}",
    )


def value_words(figure: Rate | Figure) -> str:
    """ "62.4 %", "128 条"; a dash where there is none."""
    measure, value = figure.definition.unit, figure.value
    if value is None:
        return "—"
    if measure is Measure.PERCENT:
        return percent(value)
    number = str(value) if value.denominator == 1 else f"{float(value):.1f}"
    return f"{number}{THIN}{measure.label}"


def percent(value: Fraction) -> str:
    """With one decimal, cut off and never rounded up: what is below 80 % never reads 80.0 %."""
    tenths = int(value * 1000)
    return f"{tenths // 10}.{tenths % 10}{THIN}%"


def formula_words(figure: Rate | Figure) -> str:
    """Numerator and denominator; of a median, over how many."""
    if figure.definition.unit is Measure.WORKING_HOURS:
        return f"{figure.numerator}{THIN}组的中位数"
    return f"{figure.numerator} ÷ {figure.denominator}" if figure.denominator is not None else ""


def left_out_words(figure: Rate | Figure) -> str:
    """Of rates over calls each reason with its number; of others what the definition says."""
    if not isinstance(figure, Rate):
        return f"不计：{'；'.join(figure.definition.exclusions)}"
    if not figure.excluded:
        return "没有不计的来电"
    reasons = "、".join(f"{reason.label} {count}" for reason, count in figure.left_out.items())
    return f"不计 {figure.excluded}{THIN}通：{reasons}"


def period_words(period: Period) -> str:
    """Its name and its days."""
    return period.title if period.title == period.words else f"{period.title}（{period.words}）"


def unfinished_words(figure: Rate | Figure, before: Rate | Figure | None, now: datetime) -> str:
    """Said where part of a period is compared with a whole one."""
    compared = before is not None and before.value is not None and figure.value is not None
    return "（本期还没有结束）" if compared and figure.period and figure.period.end > now else ""


def change_words(figure: Rate | Figure, before: Rate | Figure | None) -> str:
    """ "比上周高 3.1 个百分点"; says so where the numbers are too small to tell much."""
    if before is None or figure.value is None or figure.period is None:
        return ""
    name = BEFORE[figure.period.span]
    if before.value is None:
        return f"{name}没有可比的数"
    measure = figure.definition.unit
    scale, unit = (100, "个百分点") if measure is Measure.PERCENT else (1, measure.label)
    places = 1 if measure in (Measure.PERCENT, Measure.WORKING_HOURS) else 0
    change = round(float((figure.value - before.value) * scale), places)
    if not change:
        return f"与{name}持平"
    more, less = MORE_LESS.get(measure, ("多", "少"))
    words = f"比{name}{more if change > 0 else less} {abs(change):.{places}f}{THIN}{unit}"
    smallest = min(figure.denominator or 0, before.denominator or 0)
    small = measure is Measure.PERCENT and smallest < FEW
    return f"{words}（不足 {FEW} 件，升降未必说明问题）" if small else words
