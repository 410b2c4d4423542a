"""The report of refused rows: each row as it stood, with what was wrong, to be mended and imported again."""

import io
import re
from collections.abc import Iterator, Sequence

from openpyxl import Workbook

from ingest.columns import Layout
from ingest.sheet_writing import write_table
from ingest.spreadsheets import ReadFile, Table
from models.errors import Problem

REPORT_HEADERS = ("工作表", "行", "列", "原因")
"""Import ignores these columns."""
FORBIDDEN_IN_TITLES = re.compile(r"[\[\]:*?/\\]")
BETWEEN = "\n"


def refusals_xlsx(read: ReadFile, refused: Sequence[Problem]) -> bytes:
    """One sheet for each sheet of the file that had refused rows, under its own headers."""
    book = Workbook(write_only=True)
    reported = [table for table in read.tables if any(p.sheet == table.sheet for p in refused)]
    for table in reported:
        write_table(book, _title(table.sheet), [*REPORT_HEADERS, *_headers(table.layout)], _lines(read, table, refused))
    if not reported:
        write_table(book, "没有被拒绝的行", REPORT_HEADERS, ())
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def _lines(read: ReadFile, table: Table, refused: Sequence[Problem]) -> Iterator[list[str]]:
    """One line for each refused row: place, columns and reasons, then the row's own cells."""
    by_row: dict[int, list[Problem]] = {}
    for problem in refused:
        if problem.sheet == table.sheet:
            by_row.setdefault(problem.row, []).append(read.located(problem))
    for number in sorted(by_row):
        texts = read.originals.get((table.sheet, number), {})
        yield [
            table.sheet,
            str(number),
            BETWEEN.join(problem.column for problem in by_row[number]),
            BETWEEN.join(problem.reason for problem in by_row[number]),
            *(texts.get(column.index, "") for column in table.layout.columns),
        ]


def _title(sheet: str) -> str:
    """A name that a worksheet may have; file names may hold more."""
    return FORBIDDEN_IN_TITLES.sub("_", sheet)[:31]


def _headers(layout: Layout) -> list[str]:
    """Where the file has none, the name of the field, so that the report is understood when it comes back."""
    return [c.header or (c.field.label if c.field else c.letter) for c in layout.columns]
