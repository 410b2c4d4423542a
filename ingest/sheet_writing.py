"""Writing a table to a worksheet: texts stay exactly what they are, numbers can be reckoned with, long texts wrap, the
header stays in view."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from ingest.text_reading import FORMULA_STARTS
from models.wording import visible

WIDTHS = {"编号": 14, "标准问": 36, "答案": 70, "口径": 50, "相似问法": 40, "原因": 60}
OTHER_WIDTH = 18
ESCAPE_LIKE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""In a workbook _x000D_ stands for a carriage return (ECMA-376 part 1, 22.9.2.19); a text that says so is escaped."""
HEADER_FILL = PatternFill("solid", fgColor="E8ECF1")
WRAPPED = Alignment(wrap_text=True, vertical="top")
TOP = Alignment(vertical="top")
PERCENT = "0.0%"
Cell = str | int | float | Fraction | None
"""A text, a number, or a share of one, which is shown in percent; None: nothing to tell."""


def write_table(book: Workbook, title: str, headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Add a sheet to a write-only workbook."""
    sheet: Any = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for index, header in enumerate(headers):
        sheet.column_dimensions[get_column_letter(index + 1)].width = width_of(header)
    sheet.append([header_cell(sheet, header) for header in headers])
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])


def text_cell(sheet: Any, text: str) -> Any:
    """A cell that holds exactly this text; what begins like a formula is marked as text, and stays so when edited.

    Characters that a workbook cannot hold are replaced by a visible mark. No entry has them.
    """
    cell = WriteOnlyCell(sheet, value=None)
    if text:
        cell.value = ESCAPE_LIKE.sub("_x005F_", visible(text))
        cell.data_type = "s"
    cell.alignment = WRAPPED
    if text.startswith(FORMULA_STARTS):
        cell.quotePrefix = True
    return cell


def _cell(sheet: Any, value: Cell) -> Any:
    if isinstance(value, str):
        return text_cell(sheet, value)
    cell = WriteOnlyCell(sheet, value=float(value) if isinstance(value, Fraction) else value)
    if isinstance(value, Fraction):
        cell.number_format = PERCENT
    cell.alignment = TOP
    return cell


def header_cell(sheet: Any, text: str) -> Any:
    cell = text_cell(sheet, text)
    cell.font = Font(bold=True)
    cell.fill = HEADER_FILL
    return cell


def width_of(header: str) -> int:
    return next((width for name, width in WIDTHS.items() if header.startswith(name)), OTHER_WIDTH)
