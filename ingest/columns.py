"""Which column of a table is what: guessed from its header, else from its content, always shown, always correctable."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openpyxl.utils import get_column_letter

from ingest.limits import HEADER_SEARCH_ROWS, MAX_KEY_CHARACTERS
from ingest.raw_tables import Cell, RawRow, RawTable
from models.errors import Invalid
from models.values import EntryField as F

HEADERS = {
    F.CODE: "编号",
    F.QUESTION: "标准问",
    F.SIMILAR: "相似问法（每行一条）",
    F.SPOKEN: "口径（坐席照读）",
    F.ANSWER: "答案（Markdown）",
    F.KEYWORDS: "关键字（每行一个）",
    F.CATEGORY: "类目（各级用 / 隔开）",
    F.BASIS: "依据文件名称（每行一件）",
    F.BASIS_NUMBER: "文号（与文件名称逐行对应）",
    F.BASIS_ATTACHMENTS: "附件数量（与文件名称逐行对应）",
    F.VALID_FROM: "生效时间",
    F.VALID_TO: "下架时间（含当日）",
    F.PUBLICITY: "公开属性",
    F.INFO_TYPE: "信息类型",
    F.UNIT: "责任单位",
    F.REGION: "适用区域",
}
"""Headers of our own files. A column with exactly this header is taken literally: no splitting, no HTML."""

ALIASES: dict[F, tuple[str, ...]] = {
    F.CODE: ("编号", "唯一编码", "知识编号", "知识id", "编码", "代码", "code", "id"),
    F.QUESTION: (
        *("标准问", "标准问题", "标准问法", "知识标题", "问题", "关联问题", "知识问题", "问题标题", "提问", "标题"),
        *("question", "title"),
    ),
    F.SIMILAR: ("相似问法", "相似问题", "相似问", "扩展问", "扩展问法", "相似说法", "similar"),
    F.SPOKEN: ("口径", "应答口径", "答复口径", "简要答案", "spoken"),
    F.ANSWER: (
        *("答案", "标准答案", "详细答案", "回答", "答复", "答复内容", "内容", "知识内容", "正文", "默认"),
        *("answer", "content"),
    ),
    F.KEYWORDS: ("关键字", "关键词", "主题词", "核心词名称", "核心词", "keywords", "keyword"),
    F.CATEGORY: ("类目", "类目路径", "类别", "架构类别", "知识类别", "知识分类", "分类", "category"),
    F.BASIS: ("依据文件名称", "文件名称", "依据", "政策依据", "依据文件", "basis"),
    F.BASIS_NUMBER: ("文号", "发文字号", "文件编号"),
    F.BASIS_ATTACHMENTS: ("附件数量", "附件数", "附件"),
    F.VALID_FROM: ("生效时间", "生效日期", "有效期起", "开始时间", "valid_from"),
    F.VALID_TO: ("下架时间", "下架日期", "失效时间", "失效日期", "有效期止", "截止时间", "valid_to"),
    F.PUBLICITY: ("公开属性", "是否公开", "公开范围", "publicity"),
    F.INFO_TYPE: ("信息类型", "知识类型", "info_type"),
    F.UNIT: ("责任单位", "承办单位", "主管单位", "所属单位", "业务部门", "部门", "unit"),
    F.REGION: ("适用区域", "适用地区", "区域", "地区", "region"),
}
"""Names in use elsewhere, the most telling first: of two columns for one field, the earlier name wins."""

LITERAL_KEYS = frozenset(F)
"""Keys of a .jsonl line that mean what they say."""
QUESTION_WORDS = re.compile(r"[?？]\s*$|怎么|怎样|如何|什么|哪|吗|多少|几|能否|是否|可以")
QUESTION_SHARE = 0.5
"""At least half the cells of a column must read like questions before we call it one."""
QUESTION_LENGTHS = range(4, 61)
"""Characters of a question on average; longer text is an answer."""
SAMPLE_ROWS = 200

ColumnChoices = Mapping[str, F | None]
"""A person's corrections: "C", a header, or either after "sheet!", to a field or None (do not import).

"sheet!*" to None passes the whole sheet over.
"""
HeaderRows = Mapping[str, int]
"""A person's word on where the header stands: sheet to 1-based row, 0 for none. Of other sheets it is guessed."""


@dataclass(frozen=True)
class Column:
    """One column of a table, what it was taken for, and why."""

    index: int
    letter: str
    """As spreadsheets name it; the key itself in .jsonl."""
    header: str
    field: F | None
    """None: not imported."""
    reason: str
    literal: bool = False

    @property
    def name(self) -> str:
        return self.letter if self.header in ("", self.letter) else f"{self.letter} {self.header}"


@dataclass(frozen=True)
class Layout:
    """How a table is to be read."""

    header_row: int
    """0: the table has none."""
    columns: tuple[Column, ...]

    def index_of(self, field: F) -> int | None:
        return next((column.index for column in self.columns if column.field is field), None)

    @property
    def by_field(self) -> dict[F, Column]:
        return {column.field: column for column in self.columns if column.field is not None}


def guess_layout(table: RawTable, choices: ColumnChoices, header_rows: HeaderRows | None = None) -> Layout:
    """Find the header row and what each column is; ``choices`` and ``header_rows`` have the last word."""
    own = _choices_for(table.sheet, choices)
    told = (header_rows or {}).get(table.sheet)
    if table.keys:
        header = None
    elif told is None:
        header = _header_row(table, own)
    else:
        header = next((row for row in table.rows if row.number == told), None)
    headers = _headers(table, header)
    body = [row for row in table.rows if header is None or row.number > header.number]
    named = _by_header(headers, keyed=bool(table.keys))
    if F.QUESTION not in named and not any(own.values()) and (header is None or told):
        named = _by_content(body, named)
    chosen = _chosen(headers, own)
    columns = tuple(_column(i, headers[i], named, chosen, keyed=bool(table.keys)) for i in sorted(headers))
    return Layout(header.number if header else 0, columns)


def check_choices(choices: ColumnChoices, layouts: Mapping[str, Layout]) -> None:
    """Raise Invalid for a correction that names no column of the file: a typing slip must not pass in silence."""
    for key in choices:
        sheet, _, name = key.rpartition("!")
        columns = [c for title, layout in layouts.items() if sheet in ("", title) for c in layout.columns]
        if name != "*" and not any(_names(name, c.letter, c.header) for c in columns):
            raise Invalid(f"文件中没有“{key}”这一列，请核对列的对应关系。")


def check_header_rows(header_rows: HeaderRows, tables: Sequence[RawTable]) -> None:
    """Raise Invalid for a header that cannot be: in a sheet that is not there, or a row that holds nothing."""
    by_sheet = {table.sheet: table for table in tables}
    for sheet, number in header_rows.items():
        table = by_sheet.get(sheet)
        if table is None:
            there = "、".join(f"“{title}”" for title in by_sheet)
            raise Invalid(f"文件中没有名为“{sheet}”的工作表，只有{there}。")
        if number and table.keys:
            raise Invalid(f"“{sheet}”的每一行自带键名，没有表头行。")
        if number and all(row.number != number for row in table.rows):
            raise Invalid(f"工作表“{sheet}”的第 {number} 行没有内容，不能作表头。")


def passed_over_by_choice(sheet: str, choices: ColumnChoices) -> bool:
    return f"{sheet}!*" in choices and choices[f"{sheet}!*"] is None


def _choices_for(sheet: str, choices: ColumnChoices) -> dict[str, F | None]:
    parts = ((key.rpartition("!"), field) for key, field in choices.items())
    return {name: field for (title, _, name), field in parts if title in ("", sheet) and name != "*"}


def _header_row(table: RawTable, own: Mapping[str, F | None]) -> RawRow | None:
    """Of the first rows the one with most known headers; two are needed, or one that the choices name."""
    best, best_count = None, 1
    for row in table.rows[:HEADER_SEARCH_ROWS]:
        texts = [cell for cell in row.cells.values() if isinstance(cell, str)]
        if any(_normal(text) == _normal(name) for text in texts for name in own if len(name) > 1):
            return row
        count = len({field for text in texts if (field := _known(text))})
        if count > best_count:
            best, best_count = row, count
    return best


def _headers(table: RawTable, header: RawRow | None) -> dict[int, str]:
    """Header text of every column that has a header or content."""
    if table.keys:
        return dict(enumerate(table.keys))
    used = {index for row in table.rows for index in row.cells if header is None or row.number >= header.number}
    cells = header.cells if header else {}
    return {index: _one_line(cells.get(index)) for index in used}


def _by_header(headers: Mapping[int, str], *, keyed: bool) -> dict[F, tuple[int, str]]:
    """For each field the column whose header names it best, and the reason."""
    found: dict[F, tuple[int, str]] = {}
    for field, aliases in ALIASES.items():
        ranked = [(aliases.index(_normal(text)), index) for index, text in headers.items() if _normal(text) in aliases]
        if ranked:
            _, index = min(ranked)
            how = "就是这个键" if keyed else "按表头识别"
            found[field] = (index, how)
    return found


def _by_content(body: Sequence[RawRow], named: dict[F, tuple[int, str]]) -> dict[F, tuple[int, str]]:
    """Question and answer by how their cells read, when no header helps."""
    taken = {index for index, _ in named.values()}
    texts: dict[int, list[str]] = {}
    for row in body[:SAMPLE_ROWS]:
        for index, cell in row.cells.items():
            if index not in taken and isinstance(cell, str):
                texts.setdefault(index, []).append(cell)
    asked = {index: _question_share(cells) for index, cells in texts.items()}
    questions = {i: s for i, s in asked.items() if s >= QUESTION_SHARE and _mean_length(texts[i]) in QUESTION_LENGTHS}
    if not questions:
        return named
    question = max(questions, key=lambda i: (questions[i], -i))
    others = {i: _mean_length(cells) for i, cells in texts.items() if i != question}
    answer = max(others, key=lambda i: (others[i], -i), default=None)
    guessed = {**named, F.QUESTION: (question, f"表头没有说明；{questions[question]:.0%} 的单元格像问句")}
    if answer is not None and others[answer] > _mean_length(texts[question]):
        guessed[F.ANSWER] = (answer, f"表头没有说明；文字最长，平均 {others[answer]} 个字")
    return guessed


def _question_share(cells: Sequence[str]) -> float:
    return sum(bool(QUESTION_WORDS.search(cell)) for cell in cells) / len(cells)


def _mean_length(cells: Sequence[str]) -> int:
    return round(sum(map(len, cells)) / len(cells))


def _chosen(headers: Mapping[int, str], own: Mapping[str, F | None]) -> dict[int, F | None]:
    chosen: dict[int, F | None] = {}
    for index, header in headers.items():
        for name, field in own.items():
            if _names(name, get_column_letter(index + 1), header):
                chosen[index] = field
    return chosen


def _column(
    index: int,
    header: str,
    named: Mapping[F, tuple[int, str]],
    chosen: Mapping[int, F | None],
    *,
    keyed: bool,
) -> Column:
    letter = header if keyed else get_column_letter(index + 1)
    field = next((field for field, (column, _) in named.items() if column == index), None)
    if index in chosen:
        field, reason = chosen[index], "由您指定"
    elif field is not None and field in chosen.values():
        reason, field = f"您已指定另一列为“{field.label}”，不导入", None
    elif field is not None:
        reason = named[field][1]
    else:
        twin = _known(header)
        reason = f"与另一列同为“{twin.label}”，不导入" if twin else "没有对应的项，不导入"
    return Column(index, letter, header, field, reason, literal=_is_literal(header, field, keyed=keyed))


def _is_literal(header: str, field: F | None, *, keyed: bool) -> bool:
    return field is not None and (header in LITERAL_KEYS if keyed else header == HEADERS[field])


def _names(name: str, letter: str, header: str) -> bool:
    return name == letter or (bool(header) and _normal(name) == _normal(header))


def _known(header: str) -> F | None:
    name = _normal(header)
    return next((field for field, aliases in ALIASES.items() if name in aliases), None)


def _normal(header: object) -> str:
    """The name in a header cell: without width, case, blanks, star, and what is explained in or after brackets."""
    text = unicodedata.normalize("NFKC", str(header)[:MAX_KEY_CHARACTERS]).lower()
    text = re.sub(r"^\s*[(\[【][^)\]】]*[)\]】]", "", text)
    text = re.split(r"[(\[【:\n]", text, maxsplit=1)[0]
    return re.sub(r"[\s*]", "", text)


def _one_line(cell: Cell | None) -> str:
    """A header's text; a date or a formula is no header."""
    return " ".join(cell.split()) if isinstance(cell, str) else ""
