"""Reads a file of entries: .xlsx, .csv or .jsonl in, candidate rows and problems out. Nothing is written anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ingest.columns import ColumnChoices, Layout, check_choices, guess_layout, passed_over_by_choice
from ingest.raw_tables import Cell, Fault, RawRow, RawTable
from ingest.rows import Defaults, read_row
from ingest.safety import Kind, check_workbook, kind_of
from ingest.template import EXAMPLE_SHEET
from ingest.text_reading import read_csv, read_jsonl
from ingest.workbook_reading import filled_down, read_workbook
from models.errors import Problem
from models.values import CandidateRow
from models.values import EntryField as F

REPEATS_DOWN = frozenset(
    {F.KEYWORDS, F.CATEGORY, F.VALID_FROM, F.VALID_TO, F.PUBLICITY, F.INFO_TYPE, F.UNIT, F.REGION}
    | {F.BASIS, F.BASIS_NUMBER, F.BASIS_ATTACHMENTS}
)
"""Fields that people merge over the rows they share. Of question, answer and code each row has its own."""


@dataclass(frozen=True)
class Table:
    """One sheet as it was understood."""

    sheet: str
    layout: Layout
    row_count: int
    """Rows with content below the header."""
    passed_over: str = ""
    """Why nothing was read from it; empty when it was."""


@dataclass(frozen=True)
class ReadFile:
    """A file of entries, read but not yet compared with the base."""

    filename: str
    tables: tuple[Table, ...]
    rows: tuple[CandidateRow, ...]
    problems: tuple[Problem, ...]
    """Rows that could not become candidates, and why."""
    notices: tuple[Problem, ...]
    """What was read otherwise than it stands, without loss: repetitions left out, merged cells filled."""
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
    defaults: Defaults | None = None,
) -> ReadFile:
    """Read a file by its name and content. ``filename`` defaults to the path's own.

    Raises FileRefused when the file as a whole cannot be read safely, Invalid when ``mapping`` names no column.
    """
    if isinstance(source, Path):
        filename, source = filename or source.name, source.read_bytes()
    choices = mapping or {}
    raw = _raw_tables(source, filename)
    layouts = {table.sheet: guess_layout(table, choices) for table in raw}
    check_choices(choices, layouts)
    read = [_read_table(table, layouts[table.sheet], choices, defaults or Defaults()) for table in raw]
    return ReadFile(
        filename,
        tables=tuple(part.table for part in read),
        rows=tuple(row for part in read for row in part.rows),
        problems=tuple(problem for part in read for problem in part.problems),
        notices=tuple(notice for part in read for notice in part.notices),
        originals={place: texts for part in read for place, texts in part.originals.items()},
    )


@dataclass(frozen=True)
class _Part:
    """What one sheet gave."""

    table: Table
    rows: tuple[CandidateRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    originals: Mapping[tuple[str, int], Mapping[int, str]] = field(default_factory=dict)


def _raw_tables(content: bytes, filename: str) -> tuple[RawTable, ...]:
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
    summary = Table(table.sheet, layout, len(body), passed_over=reason)
    if reason:
        return _Part(summary)
    filled, notices = _with_merges(replace(table, rows=tuple(body)), layout)
    read = [read_row(table.sheet, row, layout, defaults) for row in filled.rows]
    return _Part(
        summary,
        rows=tuple(row.candidate for row in read if row.candidate is not None),
        problems=tuple(problem for row in read for problem in row.problems),
        notices=(*notices, *(notice for row in read for notice in row.notices)),
        originals={(table.sheet, row.number): _texts(row) for row in filled.rows},
    )


def _reason_to_pass_over(table: RawTable, layout: Layout, choices: ColumnChoices) -> str:
    if passed_over_by_choice(table.sheet, choices):
        return "按您的选择未读取。"
    if table.hidden:
        return "是隐藏的工作表，未读取；需要导入请先取消隐藏。"
    if table.sheet == EXAMPLE_SHEET:
        return "是模板的填写示例，未读取。"
    if not table.rows:
        return "没有内容。"
    if layout.index_of(F.QUESTION) is None:
        return "没有“标准问”列，不是知识条目，未读取；如果有，请指定是哪一列。"
    return ""


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
            return ""
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")
        case tuple():
            return "\n".join(str(item) for item in cell)
        case _:
            return cell
