"""The thesaurus between the base, the index and files: what holds for search; one saying a row out and in."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from openpyxl import Workbook

from ingest.limits import HEADER_SEARCH_ROWS
from ingest.raw_tables import Cell, Fault, RawRow, RawTable
from ingest.refusals import REPORT_HEADERS
from ingest.safety import Kind, kind_of
from ingest.sheet_writing import write_table
from ingest.spreadsheets import raw_tables
from ingest.text_reading import guarded
from ingest.turns import a_turn
from ingest.workbook_reading import filled_down
from models.errors import FileRefused, Problem
from models.thesaurus import GroupField as F
from models.thesaurus import GroupSaying, GroupVersion, SayingRow, WordGroup, groups_in_force
from retrieval.thesaurus import Group, Saying, Thesaurus, shipped

SHEET = "词库"
COLUMNS = {column.label: column for column in F}
NEEDED = frozenset({F.HEAD, F.SAYING})
REPEATS_DOWN = frozenset({F.HEAD, F.FIELD, F.NOTE})
"""What people merge over the rows of a group."""
BOTH_WAYS, ONE_WAY = "双向", "单向"


@dataclass(frozen=True)
class ReadGroups:
    """A file of groups, read but not yet compared with the base."""

    rows: tuple[SayingRow, ...]
    problems: tuple[Problem, ...]
    """Rows that cannot be imported, and why."""
    faulty_heads: frozenset[str]
    """Groups that one of those rows belongs to."""
    passed_over: tuple[str, ...]
    """Sheets without our headers."""


@cache
def shipped_groups() -> tuple[WordGroup, ...]:
    """The groups that come with the product, as values of the base."""
    return tuple(
        WordGroup(g.head, tuple(GroupSaying(s.word, s.weight, s.both_ways) for s in g.sayings), g.field)
        for g in shipped().groups
    )


def thesaurus_of(newest: Mapping[str, GroupVersion]) -> Thesaurus:
    """What holds for search: the newest versions of the base over what comes with the product."""
    return Thesaurus([_for_search(group) for group in groups_in_force(shipped_groups(), newest)])


def export_xlsx(groups: Iterable[WordGroup]) -> bytes:
    """One sheet, one saying a row, every cell text."""
    book = Workbook(write_only=True)
    write_table(book, SHEET, tuple(COLUMNS), _cells(groups))
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def export_csv(groups: Iterable[WordGroup]) -> bytes:
    """UTF-8 with the mark that lets spreadsheet programs see it; cells like formulas are guarded."""
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    writer.writerow(COLUMNS)
    writer.writerows([guarded(cell) for cell in row] for row in _cells(groups))
    return output.getvalue().encode("utf-8-sig")


def problems_xlsx(problems: Iterable[Problem]) -> bytes:
    """Where each refused row stands and what is wrong with it."""
    book = Workbook(write_only=True)
    write_table(book, "拒绝的行", REPORT_HEADERS, ((p.sheet, str(p.row), p.column, p.reason) for p in problems))
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def read_groups_file(content: bytes, filename: str) -> ReadGroups:
    """Read a file of groups by its name and content.

    Raises FileRefused when it cannot be read safely or no sheet has our headers, Unavailable when too many files are
    being read already.
    """
    with a_turn():
        if kind_of(content, filename) is Kind.JSONL:
            raise FileRefused(f"“{filename}”是 .jsonl。词库请用 .xlsx 或 .csv 导入。")
        tables = [table for table in raw_tables(content, filename) if table.rows and not table.hidden]
    read = [(table, _header(table)) for table in tables]
    if not any(header for _, header in read):
        raise FileRefused(
            f"“{filename}”没有“{F.HEAD.label}”和“{F.SAYING.label}”两列，看来不是词库。请照导出的文件填写。"
        )
    parts = [_Sheet.read(table, header) for table, header in read if header]
    return ReadGroups(
        rows=tuple(row for part in parts for row in part.rows),
        problems=tuple(problem for part in parts for problem in part.problems),
        faulty_heads=frozenset(head for part in parts for head in part.faulty_heads),
        passed_over=tuple(table.sheet for table, header in read if not header),
    )


def _for_search(group: WordGroup) -> Group:
    return Group(group.head, tuple(Saying(s.word, s.weight, s.both_ways) for s in group.sayings), group.field)


def _cells(groups: Iterable[WordGroup]) -> Iterator[Sequence[str]]:
    for group in groups:
        for saying in group.sayings:
            way = BOTH_WAYS if saying.both_ways else ONE_WAY
            yield group.head, saying.word, way, f"{saying.weight:g}", group.field, group.note


def _header(table: RawTable) -> RawRow | None:
    """The first row that names the columns we need."""
    return next((row for row in table.rows[:HEADER_SEARCH_ROWS] if _columns(row).keys() >= NEEDED), None)


def _columns(header: RawRow) -> dict[F, int]:
    """Index of each of our columns; of two with one name the first."""
    named = sorted((index, cell.strip()) for index, cell in header.cells.items() if isinstance(cell, str))
    return {COLUMNS[name]: index for index, name in reversed(named) if name in COLUMNS}


class _RowFault(Exception):
    """A cell that cannot be taken."""

    def __init__(self, column: F | None, reason: str) -> None:
        super().__init__(reason)
        self.column = column


@dataclass(frozen=True)
class _Sheet:
    """What one sheet gave."""

    rows: tuple[SayingRow, ...]
    problems: tuple[Problem, ...]
    faulty_heads: frozenset[str]

    @classmethod
    def read(cls, table: RawTable, header: RawRow) -> "_Sheet":
        columns = _columns(header)
        body = replace(table, rows=tuple(row for row in table.rows if row.number > header.number))
        rows, problems, heads = [], [], set()
        for row in filled_down(body, {index: column in REPEATS_DOWN for column, index in columns.items()}).rows:
            cells = {column: row.cells.get(index, "") for column, index in columns.items()}
            try:
                rows.append(_read_row(table.sheet, row, cells))
            except _RowFault as fault:
                problems.append(
                    Problem(table.sheet, row.number, fault.column.label if fault.column else "", str(fault))
                )
                head = cells[F.HEAD]
                heads |= {head.strip()} if isinstance(head, str) else set()
        return cls(tuple(rows), tuple(problems), frozenset(heads))


def _read_row(sheet: str, row: RawRow, cells: Mapping[F, Cell]) -> SayingRow:
    if row.fault:
        raise _RowFault(None, row.fault)
    texts = {column: _text(column, cells.get(column, "")) for column in F}
    for column in (F.HEAD, F.SAYING):
        if not texts[column]:
            raise _RowFault(column, f"缺少{column.label}。")
    if texts[F.WAY] not in ("", BOTH_WAYS, ONE_WAY):
        raise _RowFault(F.WAY, f"“{texts[F.WAY]}”应写{BOTH_WAYS}或{ONE_WAY}；留空为{BOTH_WAYS}。")
    saying = GroupSaying(texts[F.SAYING], _weight(texts[F.WEIGHT]), texts[F.WAY] != ONE_WAY)
    return SayingRow(sheet, row.number, texts[F.HEAD], saying, texts[F.FIELD], texts[F.NOTE], frozenset(cells))


def _text(column: F, cell: Cell) -> str:
    if isinstance(cell, Fault):
        raise _RowFault(column, cell.reason)
    if not isinstance(cell, str):
        raise _RowFault(column, "应为文字，不能是日期。")
    return cell.strip()


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        raise _RowFault(F.WEIGHT, f"“{text}”应写 0 到 1 之间的数，如 0.6；留空为 1。") from None
