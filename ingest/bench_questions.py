"""Files of test questions: which column asks, which names the right entries; guessed, shown, correctable."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from openpyxl.utils import get_column_letter

from ingest.columns import QUESTION_LENGTHS, QUESTION_SHARE, QUESTION_WORDS, SAMPLE_ROWS
from ingest.limits import HEADER_SEARCH_ROWS
from ingest.raw_tables import Cell, Fault, RawRow, RawTable
from ingest.spreadsheets import raw_tables
from ingest.turns import a_turn
from ingest.workbook_reading import filled_down
from models.bench import CaseRow
from models.errors import FileRefused, Invalid, Problem

QUESTION, EXPECTED = "问题", "应答条目"
QUESTION_HEADERS = ("测试问题", "来电问题", "问题", "提问", "问法", "question", "text", "query")
EXPECTED_HEADERS = (
    *("应答条目", "预期条目", "期望条目", "应答编号", "预期编号", "条目编号", "知识编号", "答案条目", "条目"),
    *("标准问", "标准问题", "编号", "expected", "relevant", "code"),
)
"""The most telling first: of two columns that would do, the earlier name wins."""
NO_COLUMN = "-"
"""Said of the column of right entries: there is none, nothing in the base answers these questions."""
SHOWN_CHARACTERS = 30


@dataclass(frozen=True)
class ReadingChoices:
    """A person's word on how the file is to be read; empty: guess."""

    sheet: str = ""
    header: int | None = None
    """1-based row of the header; 0: there is none."""
    question: str = ""
    """Letter of the column; the key itself in .jsonl."""
    expected: str = ""
    """The same, or NO_COLUMN."""


@dataclass(frozen=True)
class FileColumn:
    letter: str
    name: str
    """Letter and header, as people read it."""
    sample: str


@dataclass(frozen=True)
class TestFile:
    """A file of test questions as it was understood; nothing is compared with the base yet."""

    __test__ = False

    filename: str
    sheets: tuple[str, ...]
    sheet: str
    header: int
    first_rows: Mapping[int, str]
    """Rows that may be the header, and how each begins."""
    columns: tuple[FileColumn, ...]
    question: str
    """Letter; empty: not recognised."""
    expected: str
    """Letter or NO_COLUMN; empty: not recognised, only a person can tell."""
    rows: tuple[CaseRow, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    @property
    def undecided(self) -> str:
        """What a person has to say before the file can be taken; empty when nothing."""
        if not self.question:
            return "没有认出问题所在的列，请选择。"
        if not self.expected:
            return "没有认出应答条目所在的列，请选择；这些问题都应无答案时，选“没有这一列”。"
        return ""


def read_test_file(content: bytes, filename: str, choices: ReadingChoices | None = None) -> TestFile:
    """Read one sheet of a file: the chosen one, else the first that has both columns.

    Raises FileRefused when the file cannot be read safely or holds nothing, Invalid for a choice that is not there,
    Unavailable when too many files are being read already.
    """
    told = choices or ReadingChoices()
    with a_turn():
        tables = [table for table in raw_tables(content, filename) if table.rows and not table.hidden]
    if not tables:
        raise FileRefused(f"“{filename}”没有内容。")
    if told.sheet and all(table.sheet != told.sheet for table in tables):
        raise Invalid(f"文件中没有名为“{told.sheet}”的工作表。")
    wanted = [table for table in tables if told.sheet in ("", table.sheet)]
    read = [_understood(table, told, filename) for table in wanted]
    best = next((file for file in read if not file.undecided), None) or next((f for f in read if f.question), read[0])
    return replace(best, sheets=tuple(table.sheet for table in tables))


def _understood(table: RawTable, told: ReadingChoices, filename: str) -> TestFile:
    header = _header(table, told.header)
    columns = _columns(table, header)
    names = {column.letter: _header_text(header, i, table) for i, column in columns.items()}
    body = [row for row in table.rows if header is None or row.number > header.number]
    _check(told, names)
    question = told.question or _by_name(names, QUESTION_HEADERS) or _by_content(body, columns)
    expected = told.expected or _by_name({k: v for k, v in names.items() if k != question}, EXPECTED_HEADERS)
    file = TestFile(
        filename=filename,
        sheets=(),
        sheet=table.sheet,
        header=header.number if header else 0,
        first_rows={} if table.keys else {row.number: _preview(row) for row in table.rows[:HEADER_SEARCH_ROWS]},
        columns=tuple(columns[i] for i in sorted(columns)),
        question=question,
        expected=expected,
    )
    if file.undecided:
        return file
    index_of = {column.letter: i for i, column in columns.items()}
    places = (index_of[question], None if expected == NO_COLUMN else index_of[expected])
    filled = filled_down(replace(table, rows=tuple(body)), {i: i == places[1] for i in places if i is not None})
    read = [_case(table.sheet, row, places) for row in filled.rows]
    rows = tuple(case for case in read if isinstance(case, CaseRow))
    return replace(file, rows=rows, problems=tuple(case for case in read if isinstance(case, Problem)))


def _header(table: RawTable, told: int | None) -> RawRow | None:
    """The row that was pointed out, else the first that names a column that asks."""
    if table.keys or told == 0:
        return None
    if told is not None:
        row = next((row for row in table.rows if row.number == told), None)
        if row is None:
            raise Invalid(f"工作表“{table.sheet}”的第 {told} 行没有内容，不能作表头。")
        return row
    known = {*QUESTION_HEADERS, *EXPECTED_HEADERS}
    first = table.rows[:HEADER_SEARCH_ROWS]
    return next((row for row in first if any(_normal(cell) in known for cell in row.cells.values())), None)


def _columns(table: RawTable, header: RawRow | None) -> dict[int, FileColumn]:
    """By index, every column with a header or content."""
    if table.keys:
        used = set(range(len(table.keys)))
    else:
        used = {i for row in table.rows for i in row.cells if header is None or row.number >= header.number}
    columns = {}
    for i in used:
        letter = table.keys[i] if table.keys else get_column_letter(i + 1)
        text = _header_text(header, i, table)
        below = (row for row in table.rows if header is None or row.number > header.number)
        sample = next((_text(row.cells[i]) for row in below if i in row.cells), "")
        columns[i] = FileColumn(letter, letter if table.keys or not text else f"{letter} {text}", _short(sample))
    return columns


def _header_text(header: RawRow | None, index: int, table: RawTable) -> str:
    if table.keys:
        return table.keys[index]
    cell = header.cells.get(index) if header else None
    return " ".join(cell.split()) if isinstance(cell, str) else ""


def _check(told: ReadingChoices, names: Mapping[str, str]) -> None:
    for letter in (told.question, told.expected):
        if letter and letter != NO_COLUMN and letter not in names:
            raise Invalid(f"文件中没有“{letter}”这一列，请重新选择。")
    if told.question and told.question == told.expected:
        raise Invalid("问题和应答条目不能是同一列。")


def _by_name(names: Mapping[str, str], known: Sequence[str]) -> str:
    ranked = [(known.index(_normal(text)), letter) for letter, text in names.items() if _normal(text) in known]
    return min(ranked)[1] if ranked else ""


def _by_content(body: Sequence[RawRow], columns: Mapping[int, FileColumn]) -> str:
    """The column whose cells read most like questions, when no header helps."""
    shares: dict[int, float] = {}
    for i in columns:
        texts = [cell for row in body[:SAMPLE_ROWS] if isinstance(cell := row.cells.get(i), str) and cell.strip()]
        if texts and round(sum(map(len, texts)) / len(texts)) in QUESTION_LENGTHS:
            shares[i] = sum(bool(QUESTION_WORDS.search(text)) for text in texts) / len(texts)
    best = max(shares, key=lambda i: (shares[i], -i), default=None)
    return columns[best].letter if best is not None and shares[best] >= QUESTION_SHARE else ""


def _case(sheet: str, row: RawRow, places: tuple[int, int | None]) -> CaseRow | Problem:
    if row.fault:
        return Problem(sheet, row.number, "", row.fault)
    cells = [row.cells.get(i, "") if i is not None else "" for i in places]
    for cell, column in zip(cells, (QUESTION, EXPECTED), strict=True):
        if isinstance(cell, Fault):
            return Problem(sheet, row.number, column, cell.reason)
    question, expected = map(_text, cells)
    if not question.strip():
        return Problem(sheet, row.number, QUESTION, "缺少问题。")
    return CaseRow(sheet, row.number, question.strip(), expected.strip())


def _text(cell: Cell) -> str:
    match cell:
        case str():
            return cell
        case tuple():
            return "\n".join(map(str, cell))
        case Fault():
            return cell.shown
        case _:
            return f"{cell:%Y-%m-%d}"


def _normal(cell: object) -> str:
    """A header without case, blanks, star and what stands in brackets."""
    text = re.split(r"[(（\[【:：\n]", cell if isinstance(cell, str) else "", maxsplit=1)[0]
    return re.sub(r"[\s*]", "", text).lower()


def _preview(row: RawRow) -> str:
    return _short(" | ".join(" ".join(_text(cell).split()) for _, cell in sorted(row.cells.items())))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
