"""A report as a workbook: numbers as numbers, so that people can go on reckoning with them."""

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter

from api.dates import moment
from api.figure_words import period_words
from api.report_view import ReportView
from ingest.sheet_writing import header_cell, text_cell
from kb_admin.definitions import Definition, Measure, definition
from kb_admin.figures import Figure
from kb_admin.rates import Rate
from kb_admin.reports import Compared
from kb_admin.unit_cases import UNIT_FIGURES

Cell = str | int | float | Fraction | None
"""A text, a count, a time, or a share; None: nothing to tell."""
PERCENT, NUMBER, DECIMAL = "0.0%", "0", "0.0"
WIDE, NARROW = 44, 13
WIDE_HEADS = ("指标", "条目", "问题", "单位", "分子", "分母", "不计", "依据", "说明")


def workbook(found: ReportView) -> bytes:
    """总览, 单位, 领域与班组, 条目, 知识缺失, 指标定义."""
    book = Workbook(write_only=True)
    report = found.report
    rows: list[tuple[Cell, ...]] = [
        ("期间", period_words(report.period), None, None, None),
        ("统计时间", moment(report.made_at), None, None, None),
    ]
    groups = (report.rates, report.base, report.notices, report.work)
    rows += [_compared(one) for group in groups for one in group]
    _write(book, "总览", ("指标", "本期", "分子", "分母", "上期"), rows)
    _write(book, "单位", _unit_heads(found), (_unit(found, number) for number in range(len(report.units))))
    splits = ((split.head, name, *_rate(one)) for split in found.splits for name, one in split.rows)
    _write(book, "领域与班组", ("按", "名称", report.rates[0].definition.title, "分子", "分母"), splits)
    lowest = ((one.code, one.question, one.unit, one.standing, one.rate, one.counts) for one in found.lowest)
    _write(book, "条目", ("编号", "问题", "单位", "状态", "正确率", "评价"), lowest)
    asked = ((one.label, one.calls, one.status.label) for one in report.groups)
    _write(book, "知识缺失", ("问题", "来电", "处理"), asked)
    _write(book, "指标定义", ("指标", "分子", "分母", "不计", "依据", "说明"), map(_definition, report.definitions))
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def _compared(one: Compared) -> tuple[Cell, ...]:
    figure = one.now
    return (
        f"{figure.definition.title}（{figure.definition.unit.label}）",
        value_cell(figure),
        figure.numerator,
        figure.denominator,
        value_cell(one.before),
    )


def value_cell(figure: Rate | Figure | None) -> Cell:
    """The figure as a number of its own kind; None where there is none."""
    if figure is None or figure.value is None:
        return None
    value = figure.value
    if figure.definition.unit is Measure.PERCENT:
        return value
    return int(value) if value.denominator == 1 else round(float(value), 1)


def _unit_heads(found: ReportView) -> tuple[str, ...]:
    own = found.report.rates[0].definition.title
    return ("单位", own, "分子", "分母", "按时办结率", *(definition(name).title for name in UNIT_FIGURES))


def _unit(found: ReportView, number: int) -> tuple[Cell, ...]:
    row = found.report.units[number]
    return (row.unit, *_rate(row.rate), value_cell(row.on_time), *(value_cell(row.figures[n]) for n in UNIT_FIGURES))


def _rate(one: Rate | None) -> tuple[Cell, Cell, Cell]:
    return (value_cell(one), one.numerator, one.denominator) if one else (None, None, None)


def _definition(one: Definition) -> tuple[Cell, ...]:
    return (one.title, one.numerator, one.denominator, "；".join(one.exclusions), one.source, one.why)


def _write(book: Workbook, title: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    sheet: Any = book.create_sheet(title)
    sheet.freeze_panes = "B2"
    for index, head in enumerate(heads):
        sheet.column_dimensions[get_column_letter(index + 1)].width = WIDE if head in WIDE_HEADS else NARROW
    sheet.append([header_cell(sheet, head) for head in heads])
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])


def _cell(sheet: Any, value: Cell) -> Any:
    if isinstance(value, str):
        return text_cell(sheet, value)
    if isinstance(value, Fraction):
        cell = WriteOnlyCell(sheet, value=float(value))
        cell.number_format = PERCENT
        return cell
    cell = WriteOnlyCell(sheet, value=value)
    cell.number_format = DECIMAL if isinstance(value, float) else NUMBER
    return cell
