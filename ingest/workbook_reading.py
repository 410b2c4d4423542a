"""An .xlsx workbook as raw tables: sparse, bounded, and no formula is ever trusted."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

# Private, and worth it: the public iterator pads each row to the width that the sheet claims and hides merged cells.
from openpyxl.worksheet._reader import WorkSheetParser

from ingest.limits import MAX_CELL_CHARACTERS, MAX_COLUMNS, MAX_ROWS, MAX_SHEETS
from ingest.raw_tables import Cell, Fault, FaultKind, Merge, RawRow, RawTable
from models.errors import FileRefused

DAMAGE = (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, EOFError)
DAMAGE_BELOW = (zlib.error, ParseError, zipfile.BadZipFile)
"""What openpyxl, and what it stands on, raise for workbooks that are not quite workbooks."""
VALUE_MARKS = (b"<v>", b"<v ", b"<is>", b"<is ", b"<f>", b"<f ")
"""A cell with content has one of these inside."""
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
"""How a workbook writes a character that XML cannot hold, mostly a carriage return (ECMA-376 part 1, 22.9.2.19)."""


def read_workbook(content: bytes, filename: str) -> tuple[RawTable, ...]:
    """The worksheets in order. ``content`` has passed ``safety.check_workbook``. Raises FileRefused."""
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        sheets = book.worksheets
        if len(sheets) > MAX_SHEETS:
            raise FileRefused(f"“{filename}”有 {len(sheets)} 个工作表，最多 {MAX_SHEETS} 个。")
        rows_left = MAX_ROWS
        tables = []
        for sheet in sheets:
            table = _read_sheet(sheet, book, filename, rows_left)
            rows_left -= 0 if table.hidden else len(table.rows)
            tables.append(table)
    except (*DAMAGE, *DAMAGE_BELOW) as error:
        facts = f"{type(error).__name__}: {error}"
        raise FileRefused(f"“{filename}”已损坏或不是标准的 .xlsx（{facts}）。请重新另存后导入。") from error
    return tuple(tables)


def _read_sheet(sheet: Any, book: Any, filename: str, rows_left: int) -> RawTable:
    if sheet.sheet_state != "visible":
        return RawTable(sheet.title, (), hidden=True)
    with sheet._get_source() as source:
        markup = _without_blank_end(source.read())
    parser = WorkSheetParser(
        io.BytesIO(markup),
        sheet._shared_strings,
        epoch=book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )
    rows: list[RawRow] = []
    for number, cells in parser.parse():
        content = dict(_cells(cells, number))
        if not content:
            continue
        if len(rows) == rows_left:
            raise FileRefused(f"“{filename}”有内容的行超过 {MAX_ROWS} 行，请拆分后导入。")
        if max(content) >= MAX_COLUMNS:
            letter = get_column_letter(max(content) + 1)
            raise FileRefused(f"“{filename}”工作表“{sheet.title}”的内容一直到 {letter} 列，最多 {MAX_COLUMNS} 列。")
        rows.append(RawRow(number, content))
    return RawTable(sheet.title, tuple(rows), merges=tuple(_merges(parser)))


def _without_blank_end(markup: bytes) -> bytes:
    """The sheet without the rows after its last value: a sheet formatted to its last row has a million of them."""
    end = markup.rfind(b"</sheetData>")
    last_value = max(markup.rfind(mark, 0, end) for mark in VALUE_MARKS) if end > 0 else -1
    row_end = markup.find(b"</row>", last_value, end) if last_value > 0 else -1
    return markup[: row_end + len(b"</row>")] + markup[end:] if row_end > 0 else markup


def _cells(cells: list[dict[str, Any]], row: int) -> Iterator[tuple[int, Cell]]:
    for cell in cells:
        value = cell["value"]
        if value is None:
            continue
        place = f"{get_column_letter(cell['column'])}{row}"
        read = _value(value, cell["data_type"], place)
        if not isinstance(read, str) or read.strip():
            yield cell["column"] - 1, read


def _value(value: Any, data_type: str, place: str) -> Cell:
    match data_type:
        case "f":
            shown = getattr(value, "text", value)
            reason = f"单元格 {place} 是公式“{shown}”。请复制后“选择性粘贴—数值”，再导入。"
            return Fault(FaultKind.FORMULA, reason)
        case "e":
            return Fault(FaultKind.ERROR, f"单元格 {place} 是错误值 {value}。")
        case "b":
            return "是" if value else "否"
    return _plain(value, place)


def _plain(value: Any, place: str) -> Cell:
    match value:
        case datetime():
            return value.replace(tzinfo=None)
        case date():
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a spreadsheet's dates have no zone
        case time() | timedelta() | int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
    text = ESCAPED.sub(lambda match: chr(int(match[1], 16)), str(value))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_CELL_CHARACTERS:
        reason = f"单元格 {place} 有 {len(text)} 个字，最多 {MAX_CELL_CHARACTERS} 个。"
        return Fault(FaultKind.UNREADABLE, reason)
    return text


def _merges(parser: Any) -> Iterator[Merge]:
    for block in parser.merged_cells.mergeCell if parser.merged_cells else ():
        yield Merge(block.min_row, block.max_row, block.min_col - 1, block.max_col - 1)


def filled_down(table: RawTable, columns: Mapping[int, bool]) -> RawTable:
    """The table with merged cells read: ``columns`` maps a column to whether its value may stand for every row.

    Where it may not, the lower rows of a block get a fault.
    """
    blocks = [(block, column) for block in table.merges for column in columns if _covers(block, column)]
    if not blocks:
        return table
    by_number = {row.number: row for row in table.rows}
    added: dict[int, dict[int, Cell]] = {}
    for block, column in blocks:
        top = by_number.get(block.first_row)
        value = top.cells.get(column) if top else None
        if value is None:
            continue
        for number in range(block.first_row + 1, block.last_row + 1):
            if number in by_number:
                added.setdefault(number, {})[column] = value if columns[column] else _merged_fault(block, column)
    rows = (replace(row, cells={**row.cells, **added.get(row.number, {})}) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _covers(block: Merge, column: int) -> bool:
    return block.first_column == column and block.last_row > block.first_row


def _merged_fault(block: Merge, column: int) -> Fault:
    letter = get_column_letter(column + 1)
    area = f"{letter}{block.first_row}:{letter}{block.last_row}"
    return Fault(FaultKind.MERGED, f"单元格与上方合并（{area}）。请取消合并，逐行填写。")
