"""Reads a file of entries: .xlsx, .csv or .jsonl in, candidate rows and problems out. Nothing is written anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ingest.columns import (
    ColumnChoices,
    HeaderRows,
    Layout,
    check_choices,
    check_header_rows,
    guess_layout,
    passed_over_by_choice,
)
from ingest.limits import HEADER_SEARCH_ROWS
from ingest.raw_tables import Cell, Fault, RawRow, RawTable
from ingest.rows import Defaults, read_row
from ingest.safety import Kind, check_workbook, kind_of
from ingest.template import EXAMPLE_SHEET
from ingest.text_reading import read_csv, read_jsonl
from ingest.turns import a_turn
from ingest.workbook_reading import filled_down, read_workbook
from models.errors import Problem
from models.values import CandidateRow
from models.values import EntryField as F

REPEATS_DOWN = frozenset(
    {F.KEYWORDS, F.CATEGORY, F.VALID_FROM, F.VALID_TO, F.PUBLICITY, F.INFO_TYPE, F.UNIT, F.REGION}
    | {F.BASIS, F.BASIS_NUMBER, F.BASIS_ATTACHMENTS}
)
"""Fields that people merge over the rows they share. Of question, answer and code each row has its own."""
PREVIEW_CHARACTERS = 40
"""Enough of a row to tell whether it is the header; a sheet's columns beyond it do not matter for that."""


@dataclass(frozen=True)
class Table:
    """One sheet as it was understood."""

    sheet: str
    layout: Layout
    row_count: int
    """Rows with content below the header."""
    passed_over: str = ""
    """Why nothing was read from it; empty when it was."""
    first_rows: Mapping[int, str] = field(default_factory=dict)
    """Row to how it begins, for the rows that may be the header; none where the format has no header."""


@dataclass(frozen=True)
class ReadFile:
    """A file of entries, read but not yet compared with the base."""

    filename: str
    tables: tuple[Table, ...]
    rows: tuple[CandidateRow, ...]
    problems: tuple[Problem, ...]
    """Rows that cannot be imported, and why."""
    notices: tuple[Problem, ...]
    """What was read otherwise than it stands, without loss: repetitions left out, merged cells filled."""
    faulty: tuple[CandidateRow, ...]
    """Rows with problems, their faulty cells blank: never to be imported, only to be searched for further faults."""
    originals: Mapping[tuple[str, int], Mapping[int, str]]
    """Sheet and row to the row's own texts by 0-based column, for the report of refused rows."""

    @property
    def row_count(self) -> int:
        return sum(table.row_count for table in self.tables if not table.passed_over)

    def located(self, problem: Problem) -> Problem:
        """The same problem with its column named as the file names it: "D 知识标题" instead of "标准问"."""
        layout = next((table.layout for table in self.tables if table.sheet == problem.sheet), None)
        columns = layout.columns if layout else ()
        column = next((c for c in columns if c.field and c.field.label == problem.column), None)
        return replace(problem, column=column.name) if column else problem


def read_file(
    source: bytes | Path,
    filename: str = "",
    *,
    mapping: ColumnChoices | None = None,
    header_rows: HeaderRows | None = None,
    defaults: Defaults | None = None,
) -> ReadFile:
    """Read a file by its name and content. ``filename`` defaults to the path's own.

    Raises FileRefused when the file as a whole cannot be read safely, Invalid when ``mapping`` names no column or
    ``header_rows`` no row, Unavailable when too many files are being read already.
    """
    if isinstance(source, Path):
        filename, source = filename or source.name, source.read_bytes()
    with a_turn():
        return _read(source, filename, mapping or {}, header_rows, defaults or Defaults())


def _read(
    content: bytes, filename: str, choices: ColumnChoices, header_rows: HeaderRows | None, defaults: Defaults
) -> ReadFile:
    raw = raw_tables(content, filename)
    check_header_rows(header_rows or {}, raw)
    layouts = {table.sheet: guess_layout(table, choices, header_rows) for table in raw}
    check_choices(choices, layouts)
    read = [_read_table(table, layouts[table.sheet], choices, defaults) for table in raw]
    return ReadFile(
        filename,
        tables=tuple(part.table for part in read),
        rows=tuple(row for part in read for row in part.rows),
        problems=tuple(problem for part in read for problem in part.problems),
        notices=tuple(notice for part in read for notice in part.notices),
        faulty=tuple(row for part in read for row in part.faulty),
        originals={place: texts for part in read for place, texts in part.originals.items()},
    )


@dataclass(frozen=True)
class _Part:
    """What one sheet gave."""

    table: Table
    rows: tuple[CandidateRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    faulty: tuple[CandidateRow, ...] = ()
    originals: Mapping[tuple[str, int], Mapping[int, str]] = field(default_factory=dict)


def raw_tables(content: bytes, filename: str) -> tuple[RawTable, ...]:
    """The sheets of a file as they stand, once it is known to be harmless. Raises FileRefused."""
    match kind_of(content, filename):
        case Kind.XLSX:
            check_workbook(content, filename)
            return read_workbook(content, filename)
        case Kind.CSV:
            return (read_csv(content, filename),)
        case Kind.JSONL:
            return (read_jsonl(content, filename),)


def _read_table(table: RawTable, layout: Layout, choices: ColumnChoices, defaults: Defaults) -> _Part:
    body = [row for row in table.rows if row.number > layout.header_row]
    reason = _reason_to_pass_over(table, layout, choices)
    summary = Table(table.sheet, layout, len(body), reason, _first_rows(table, layout))
    if reason:
        return _Part(summary)
    filled, notices = _with_merges(replace(table, rows=tuple(body)), layout)
    read = [read_row(table.sheet, row, layout, defaults, keyed=bool(table.keys)) for row in filled.rows]
    return _Part(
        summary,
        rows=tuple(row.candidate for row in read if row.candidate and not row.problems),
        problems=tuple(problem for row in read for problem in row.problems),
        notices=(*notices, *(notice for row in read for notice in row.notices)),
        faulty=tuple(row.candidate for row in read if row.candidate and row.problems),
        originals={(table.sheet, row.number): _texts(row) for row in filled.rows},
    )


def _reason_to_pass_over(table: RawTable, layout: Layout, choices: ColumnChoices) -> str:
    if passed_over_by_choice(table.sheet, choices):
        return "您选择了不读取。"
    if table.hidden:
        return "是隐藏的工作表；需要导入请先取消隐藏。"
    if table.sheet == EXAMPLE_SHEET:
        return "是模板的填写示例。"
    if not table.rows:
        return "没有内容。"
    if layout.index_of(F.QUESTION) is None:
        return "没有认出“标准问”列，看来不是知识条目；如果是，请指定表头行或“标准问”列。"
    ends_with_header = table.rows[-1].number <= layout.header_row
    return f"只有第 {layout.header_row} 行的表头，下面没有条目。" if ends_with_header else ""


def _first_rows(table: RawTable, layout: Layout) -> dict[int, str]:
    if table.keys:
        return {}
    near = {row.number: row for row in table.rows[:HEADER_SEARCH_ROWS]}
    header = {row.number: row for row in table.rows if row.number == layout.header_row}
    return {number: _preview(row) for number, row in (near | header).items()}


def _preview(row: RawRow) -> str:
    text = " | ".join(" ".join(text.split()) for _, text in sorted(_texts(row).items()) if text)
    return text if len(text) <= PREVIEW_CHARACTERS else f"{text[:PREVIEW_CHARACTERS]}…"


def _with_merges(table: RawTable, layout: Layout) -> tuple[RawTable, list[Problem]]:
    repeats = {column.index: field in REPEATS_DOWN for field, column in layout.by_field.items()}
    filled = filled_down(table, repeats)
    count = sum(row is not before for row, before in zip(filled.rows, table.rows, strict=True))
    if filled is table or not count:
        return filled, []
    reason = "有合并单元格：类目、单位等列的值已用于合并区域的每一行，标准问、答案等列的已拒绝。"
    return filled, [Problem(table.sheet, 0, "", reason)]


def _texts(row: RawRow) -> dict[int, str]:
    return {index: _shown(cell) for index, cell in row.cells.items()}


def _shown(cell: Cell) -> str:
    """A cell in the report of refused rows. A formula stays out: as text it would come back as content."""
    match cell:
        case Fault():
            return cell.shown
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")
        case tuple():
            return "\n".join(str(item) for item in cell)
        case _:
            return cell
