"""The charts of the dashboard, each from the figures that it draws."""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

from api.charts import Chart, Mark, Series, Table, bars_of, extremes, plain, series_of, table_of
from api.dates import THIN
from api.figure_words import change_words, percent, period_words, value_words
from kb_admin.definitions import Measure, definition
from kb_admin.figures import Figure
from kb_admin.figures_entries import Judged
from kb_admin.figures_notices import OpenNotices
from kb_admin.rates import By, Rate
from models.values import NoticeKind

LOWEST = 15
"""Entries in the chart of the lowest correctness."""
WORKING_HOURS_IN_BUCKETS = (7, 14, 35, 70)
"""About one, two, five and ten working days."""
ABOUT_ENTRY = (
    "来电归到所据的条目；没有答上的，归到最后一次有结果的提问中最先显示的条目。什么都没有显示的来电不归任何{}。"
)
NO_ENTRY, NO_FIELD, NO_TEAM = "没有显示条目", "没有类别", "没有班组"
NOBODY = (NO_ENTRY, NO_FIELD, NO_TEAM)
"""Stand for calls of no unit, field or team; nobody to be called the best or the worst."""
NOTES = {
    By.UNIT: ABOUT_ENTRY.format("单位"),
    By.FIELD: f"领域是条目类别的第一级。{ABOUT_ENTRY.format('领域')}",
    By.TEAM: "按接听时坐席所在的班组。",
}


def by_day(days: Mapping[date, Rate | Figure], whole: Rate | Figure, before: Rate | Figure, name: str) -> Chart:
    """A share day by day, with the whole period before as a line across."""
    title, change = f"{whole.definition.title} {value_words(whole)}", change_words(whole, before)
    level = plain(before.value, whole.definition.unit)
    assert whole.period is not None
    return Chart(
        name=name,
        title=f"{title}，{change}" if change else title,
        definition=whole.definition,
        time=period_words(whole.period),
        kind="line",
        unit=whole.definition.unit.label,
        categories=tuple(f"{day:%m-%d}" for day in days),
        series=(series_of(whole.definition.title, list(days.values())),),
        marks=() if level is None else (Mark(level, f"上一期 {value_words(before)}"),),
        table=table_of("日期", {str(day): one for day, one in days.items()}),
    )


def by_group(by: By, rates: Mapping[str, Rate], whole: Rate) -> Chart:
    """A rate by unit, field or team, the lowest first."""
    drawn = bars_of(rates)
    found = extremes({name: one for name, one in rates.items() if name not in NOBODY})
    head = f"各{by.label}的{whole.definition.title}"
    short = f"图中是计入来电最多的 {len(drawn)} 个，数据表列出全部。" if len(drawn) < len(rates) else ""
    level = plain(whole.value, whole.definition.unit)
    return Chart(
        name=f"by-{by.value}",
        title=f"{head}：{found}" if found else head,
        definition=whole.definition,
        time=period_words(whole.period),
        kind="bars",
        unit=whole.definition.unit.label,
        categories=tuple(drawn),
        series=(series_of(whole.definition.title, list(drawn.values())),),
        marks=() if level is None else (Mark(level, f"全部 {value_words(whole)}"),),
        table=table_of(by.label, rates),
        note=NOTES.get(by, "") + short,
    )


def lowest_correctness(
    judged: Sequence[Judged], below: Figure, near: Figure, codes: Mapping[int, str], time: str
) -> Chart:
    """Entries that callers and agents found wrong most often, with the rulebook's threshold."""
    lowest = judged[:LOWEST]
    thresholds = sorted({one.count.rule.threshold for one in judged})
    shares = [one.count.result.rate or Fraction(0) for one in lowest]
    raters = [(one.count.result.correct_raters, one.count.result.incorrect_raters) for one in lowest]
    names = [codes[one.entry_id] for one in lowest]
    return Chart(
        name="correctness",
        title=f"正确率低于阈值的条目 {below.numerator}{THIN}条，接近阈值的 {near.numerator}{THIN}条",
        definition=definition("correctness"),
        time=time,
        kind="bars",
        unit=Measure.PERCENT.label,
        categories=tuple(names),
        series=(
            Series(
                "正确率",
                tuple(plain(share, Measure.PERCENT) for share in shares),
                tuple(percent(share) for share in shares),
                tuple(
                    f"{percent(share)}（正确 {right} 人，有误 {wrong} 人）"
                    for share, (right, wrong) in zip(shares, raters, strict=True)
                ),
            ),
        ),
        marks=tuple(Mark(float(one * 100), f"阈值 {percent(one)}", limit=True) for one in thresholds),
        table=Table(
            ("条目", "正确率", "判为正确", "判为有误"),
            tuple(
                (name, percent(share), str(right), str(wrong))
                for name, share, (right, wrong) in zip(names, shares, raters, strict=True)
            ),
            tuple(f"/entries/{name}" for name in names),
        ),
        note=f"正确率最低的 {len(lowest)} 条，只列评价人数够规则最低数的。",
    )


def notices_by_kind(opened: Sequence[OpenNotices], figures: Sequence[Figure], time: str) -> Chart:
    """Open notices: in time, and overdue."""
    kinds = sorted({one.kind for one in opened}, key=list(NoticeKind).index)
    counts = {
        kind: tuple(
            sum(getattr(one, part) for one in opened if one.kind is kind) for part in ("count", "overdue", "second")
        )
        for kind in kinds
    }
    overdue = [late for _, late, _ in counts.values()]
    in_time = [count - late for count, late, _ in counts.values()]
    whole, late, second = (one.numerator for one in figures)
    return Chart(
        name="notices",
        title=f"未办结的通知单 {whole}{THIN}份，其中超期 {late}{THIN}份，已再次通知 {second}{THIN}份",
        definition=figures[0].definition,
        time=time,
        kind="bars",
        unit=Measure.NOTICES.label,
        categories=tuple(kind.label for kind in kinds),
        series=(
            _counts("未到期", in_time, "份"),
            _counts("超期", overdue, "份"),
        ),
        stacked=True,
        table=Table(
            ("类型", "未办结", "超期", "已再次通知"),
            tuple((kind.label, *map(str, numbers)) for kind, numbers in counts.items()),
            tuple(f"/notices?kind={kind.value}&status=open" for kind in kinds),
        ),
    )


def gap_hours(hours: Sequence[Fraction], middle: Figure, before: Figure) -> Chart:
    """How many gaps took how long until they could be answered."""
    edges = (*WORKING_HOURS_IN_BUCKETS, None)
    names, counts, low = [], [], 0
    for edge in edges:
        names.append(f"{low}–{edge}" if edge else f"{low} 以上")
        counts.append(sum(low <= hour and (edge is None or hour < edge) for hour in hours))
        low = edge or low
    title, change = f"{middle.definition.title}：中位数 {value_words(middle)}", change_words(middle, before)
    assert middle.period is not None
    return Chart(
        name="gap-hours",
        title=f"{title}，{change}" if change else title,
        definition=middle.definition,
        time=period_words(middle.period),
        kind="bars",
        unit=Measure.GROUPS.label,
        categories=tuple(f"{name} 工作小时" for name in names),
        series=(_counts("知识缺失", counts, "组"),),
        table=Table(("工作小时", "组"), tuple((n, str(c)) for n, c in zip(names, counts, strict=True) if hours)),
    )


def _counts(name: str, counts: Sequence[int], unit: str) -> Series:
    words = tuple(f"{count}{THIN}{unit}" for count in counts)
    return Series(name, tuple(map(float, counts)), words, words)
