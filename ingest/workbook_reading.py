"""An .xlsx workbook as raw tables: sparse, bounded, and no formula is ever trusted."""

import io
import re
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

# Private, and worth it: the public iterator pads each row to the width that the sheet claims and hides merged cells.
from openpyxl.worksheet._reader import MERGE_TAG, ROW_TAG, WorkSheetParser
from openpyxl.worksheet.cell_range import CellRange
from openpyxl.xml.functions import iterparse

from ingest.limits import MAX_COLUMNS, MAX_FILE_CHARACTERS, MAX_MERGES, MAX_PARSED, MAX_ROWS, MAX_SHEETS
from ingest.raw_tables import Cell, Fault, FaultKind, Merge, RawRow, RawTable, text_or_fault
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
        seen = _Seen(filename)
        tables = [_read_sheet(sheet, book, seen) for sheet in sheets]
    except (*DAMAGE, *DAMAGE_BELOW) as error:
        facts = f"{type(error).__name__}: {error}"
        raise FileRefused(f"“{filename}”已损坏或不是标准的 .xlsx（{facts}）。请重新另存后导入。") from error
    return tuple(tables)


@dataclass
class _Seen:
    """How much of a workbook has been read; refuses what is beyond the limits, as soon as it is."""

    filename: str
    rows: int = 0
    parsed: int = 0
    characters: int = 0

    def parse(self, cells: int) -> None:
        """One more row element with so many cells, empty or not."""
        self.parsed += 1 + cells
        if self.parsed > MAX_PARSED:
            self.refuse(f"的行和单元格（含空的）合计超过 {MAX_PARSED} 个。请删除多余的空行、空列")

    def row(self, cells: Mapping[int, Cell]) -> None:
        """One more row with content."""
        self.rows += 1
        self.characters += sum(len(cell) for cell in cells.values() if isinstance(cell, str))
        if self.rows > MAX_ROWS:
            self.refuse(f"有内容的行超过 {MAX_ROWS} 行，请拆分")
        if self.characters > MAX_FILE_CHARACTERS:
            self.refuse(f"的文字合计超过 {MAX_FILE_CHARACTERS} 个字，请拆分")

    def refuse(self, reason: str) -> None:
        raise FileRefused(f"“{self.filename}”{reason}后导入。")


@dataclass
class _Sheet:
    """Rows and merged cells of one worksheet. Widths, filters, drawings and the rest are passed over unread."""

    parser: WorkSheetParser
    seen: _Seen
    merges: list[Merge] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Number and cells of each row element; ``merges`` are known after the last."""
        for _, element in iterparse(self.parser.source):
            if element.tag == ROW_TAG:
                self.seen.parse(len(element))
                yield self.parser.parse_row(element)
                element.clear()
            elif element.tag == MERGE_TAG:
                if len(element) > MAX_MERGES:
                    self.seen.refuse(f"有 {len(element)} 处合并单元格，最多 {MAX_MERGES} 处。请取消合并")
                self.merges = [_merge(block.get("ref")) for block in element]


def _read_sheet(sheet: Any, book: Any, seen: _Seen) -> RawTable:
    if sheet.sheet_state != "visible":
        return RawTable(sheet.title, (), hidden=True)
    with sheet._get_source() as source:
        markup = _without_blank_end(source.read())
    reading = _Sheet(_parser(markup, sheet, book), seen)
    rows: list[RawRow] = []
    for number, cells in reading.rows():
        content = dict(_cells(cells, number))
        if not content:
            continue
        if max(content) >= MAX_COLUMNS:
            letter = get_column_letter(max(content) + 1)
            seen.refuse(f"工作表“{sheet.title}”的内容一直到 {letter} 列，最多 {MAX_COLUMNS} 列。请删去多余的列")
        seen.row(content)
        rows.append(RawRow(number, content))
    return RawTable(sheet.title, tuple(rows), merges=tuple(reading.merges))


def _parser(markup: bytes, sheet: Any, book: Any) -> WorkSheetParser:
    return WorkSheetParser(
        io.BytesIO(markup),
        sheet._shared_strings,
        epoch=book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )


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
    return text_or_fault(text, f"单元格 {place} ")


def _merge(area: str) -> Merge:
    block = CellRange(area)
    return Merge(block.min_row, block.max_row, block.min_col - 1, block.max_col - 1)


def filled_down(table: RawTable, columns: Mapping[int, bool]) -> RawTable:
    """The table with merged cells read: ``columns`` maps a column to whether its value may stand for every row.

    Where it may not, the lower rows of a block get a fault.
    """
    by_number = {row.number: row for row in table.rows}
    added: dict[int, dict[int, Cell]] = {}
    for column, repeats in columns.items():
        for number, block in _merged_below(table.merges, column, sorted(by_number)):
            top = by_number.get(block.first_row)
            value = top.cells.get(column) if top else None
            if value is not None:
                added.setdefault(number, {})[column] = value if repeats else _merged_fault(block, column)
    if not added:
        return table
    rows = (replace(row, cells={**row.cells, **added.get(row.number, {})}) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _merged_below(merges: Sequence[Merge], column: int, numbers: Sequence[int]) -> Iterator[tuple[int, Merge]]:
    """The rows of the table under the first one of each block that begins in the column; each row once at most."""
    done = 0
    for block in sorted((m for m in merges if m.first_column == column), key=lambda m: (m.first_row, m.last_row)):
        first, last = bisect_right(numbers, max(done, block.first_row)), bisect_right(numbers, block.last_row)
        yield from ((number, block) for number in numbers[first:last])
        done = max(done, block.last_row)


def _merged_fault(block: Merge, column: int) -> Fault:
    letter = get_column_letter(column + 1)
    area = f"{letter}{block.first_row}:{letter}{block.last_row}"
    return Fault(FaultKind.MERGED, f"单元格与上方合并（{area}）。请取消合并，逐行填写。")
