"""From a raw row and a layout to an entry's content, or to the problems that stand in the way."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ingest.columns import Column, Layout
from ingest.dates import NotADate, read_end, read_start
from ingest.html_to_markdown import TooComplex, looks_like_html, to_markdown
from ingest.limits import MAX_LINES
from ingest.raw_tables import Content, Fault, RawRow
from models.errors import Problem
from models.values import KEYWORD_SEPARATORS, BasisContent, CandidateRow, EntryContent, Publicity
from models.values import EntryField as F

T = TypeVar("T")

INLINE_SEPARATORS = re.compile(r"[|;；]")
"""Between similar questions on one line of another system's file; questions themselves hold commas."""
CATEGORY_SEPARATORS = re.compile(r">+|＞+|→|/|／|\\|»")
NEVER_EMPTY = frozenset({F.UNIT, F.REGION, F.PUBLICITY})
"""A blank cell of these means the default, for a new entry; it says nothing about one that is there."""
PUBLICITY_WORDS = {
    **{publicity.label: publicity for publicity in Publicity},
    **{publicity.value: publicity for publicity in Publicity},
    **dict.fromkeys(("对外公开", "主动公开", "可公开", "外部", "是"), Publicity.PUBLIC),
    **dict.fromkeys(("不公开", "仅内部", "内部使用", "对内", "否"), Publicity.INTERNAL),
}


@dataclass(frozen=True)
class Defaults:
    """What a row gets when the file has no such column or leaves the cell blank."""

    unit: str = ""
    region: str = ""
    publicity: Publicity = Publicity.INTERNAL
    """The stricter one: an office publishes on purpose, not by leaving a cell blank."""
    info_type: str = ""
    category: str = ""


@dataclass(frozen=True)
class ReadRow:
    """A row as far as it could be read; and what was left out of it that loses nothing."""

    candidate: CandidateRow | None
    """Where there are problems, what the other cells say; None when the row as a whole cannot be read."""
    problems: tuple[Problem, ...]
    notices: tuple[Problem, ...]


def read_row(sheet: str, row: RawRow, layout: Layout, defaults: Defaults, *, keyed: bool = False) -> ReadRow:
    """Read every cell of the row; all faulty cells are reported at once. In a ``keyed`` table each row has its own
    columns."""
    if row.fault:
        return ReadRow(None, (Problem(sheet, row.number, "", row.fault),), ())
    reading = _Reading(sheet, row, layout)
    content = reading.content(defaults)
    candidate = CandidateRow(sheet, row.number, content, reading.line(F.CODE), reading.given(keyed=keyed))
    notices = () if reading.problems else tuple(reading.notices)
    return ReadRow(candidate, tuple(reading.problems), notices)


@dataclass
class _Reading:
    """One row while it is read; collects what is wrong with it."""

    sheet: str
    row: RawRow
    layout: Layout
    problems: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)

    def content(self, defaults: Defaults) -> EntryContent:
        question = self.line(F.QUESTION)
        return EntryContent(
            question=question,
            answer=self.text(F.ANSWER),
            unit=self.line(F.UNIT) or defaults.unit,
            region=self.line(F.REGION) or defaults.region,
            similar=self.distinct(F.SIMILAR, self.lines(F.SIMILAR, self._split_similar), besides=question),
            spoken=self.text(F.SPOKEN),
            keywords=self.distinct(F.KEYWORDS, self.lines(F.KEYWORDS, _split_keywords)),
            category=self.category() or defaults.category,
            bases=tuple(self.bases()),
            valid_from=self.moment(F.VALID_FROM, read_start),
            valid_to=self.moment(F.VALID_TO, read_end),
            publicity=self.publicity(defaults.publicity),
            info_type=self.line(F.INFO_TYPE) or defaults.info_type,
        )

    def given(self, *, keyed: bool) -> frozenset[F]:
        """Fields with a column, blank or not; those that no entry is without, only where something is written."""
        columns = self.layout.by_field.items()
        given = {field_ for field_, column in columns if not keyed or column.index in self.row.cells}
        given -= {field_ for field_ in NEVER_EMPTY if not self.line(field_)}
        if keyed and F.BASIS in given and not self._names_documents_only():
            given |= {F.BASIS_NUMBER, F.BASIS_ATTACHMENTS}
        return frozenset(given)

    def _names_documents_only(self) -> bool:
        listed = self.cell(F.BASIS)
        items = listed if isinstance(listed, tuple) else (listed,)
        return any(items) and not any(isinstance(item, dict) for item in items)

    def cell(self, field_: F) -> Content:
        """The cell of a field; blank when it is missing or faulty."""
        column = self.column(field_)
        value = self.row.cells.get(column.index, "") if column else ""
        if isinstance(value, Fault):
            self.problem(field_, value.reason)
            return ""
        return value

    def column(self, field_: F) -> Column | None:
        return self.layout.by_field.get(field_)

    def raw(self, field_: F) -> str:
        value = self.cell(field_)
        if isinstance(value, tuple):
            self.problem(field_, "应为文字，不能是列表。")
            return ""
        return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else value

    def line(self, field_: F) -> str:
        return self.raw(field_).strip()

    def text(self, field_: F) -> str:
        """Markdown as it is from our own files; elsewhere HTML is rewritten and outer blanks go."""
        text, column = self.raw(field_), self.column(field_)
        if column is not None and column.literal:
            return text if text.strip() else ""
        if not looks_like_html(text):
            return text.strip()
        try:
            return to_markdown(text)
        except TooComplex as error:
            self.problem(field_, str(error))
            return ""

    def lines(self, field_: F, split: Callable[[str, bool], list[str]]) -> tuple[str, ...]:
        value, column = self.cell(field_), self.column(field_)
        if isinstance(value, tuple):
            if not all(isinstance(item, str) for item in value):
                self.problem(field_, "列表中只能有文字。")
            return self.counted(field_, [item.strip() for item in value if isinstance(item, str)])
        text = f"{value:%Y-%m-%d}" if isinstance(value, datetime) else value
        parts = split(text, column is not None and column.literal)
        return self.counted(field_, [part.strip() for part in parts if part.strip()])

    def counted(self, field_: F, parts: Sequence[str]) -> tuple[str, ...]:
        """The parts, or none and a fault when they are too many to be looked at."""
        if len(parts) > MAX_LINES:
            self.problem(field_, f"有 {len(parts)} 条，最多 {MAX_LINES} 条。")
            return ()
        return tuple(parts)

    def distinct(self, field_: F, parts: Sequence[str], *, besides: str = "") -> tuple[str, ...]:
        """Without repetitions, which lose nothing but are told."""
        kept = dict.fromkeys(part for part in parts if part != besides or not besides)
        if len(kept) < len(parts):
            reason = f"有 {len(parts) - len(kept)} 条与标准问或前面的重复，未重复计入。"
            self.notices.append(Problem(self.sheet, self.row.number, field_.label, reason))
        return tuple(kept)

    def category(self) -> str:
        value, column = self.line(F.CATEGORY), self.column(F.CATEGORY)
        if column is None or column.literal:
            return value
        levels = CATEGORY_SEPARATORS.split(value)
        levels = value.split("、") if len(levels) == 1 else levels
        return "/".join(level.strip() for level in levels if level.strip())

    def bases(self) -> Iterator[BasisContent]:
        """Documents line by line, with number and attachments in step; in .jsonl a list of objects."""
        value = self.cell(F.BASIS)
        if isinstance(value, tuple):
            yield from self._listed_bases(value[:MAX_LINES])
            if len(value) > MAX_LINES:
                self.problem(F.BASIS, f"有 {len(value)} 件，最多 {MAX_LINES} 件。")
            return
        documents = self.counted(F.BASIS, _steps(self.raw(F.BASIS)))
        numbers, attachments = _steps(self.raw(F.BASIS_NUMBER)), _steps(self.raw(F.BASIS_ATTACHMENTS))
        if len(numbers) > len(documents) or len(attachments) > len(documents):
            found = f"文号 {len(numbers)} 行、附件数量 {len(attachments)} 行"
            self.problem(F.BASIS, f"文件名称只有 {len(documents)} 行，而{found}，无法逐行对应。")
            return
        for i, document in enumerate(documents):
            count = self._count(attachments[i] if i < len(attachments) else "")
            yield BasisContent(document, numbers[i] if i < len(numbers) else "", count)

    def _listed_bases(self, items: Sequence[object]) -> Iterator[BasisContent]:
        for item in items:
            if isinstance(item, str):
                yield BasisContent(item.strip())
            elif isinstance(item, dict) and isinstance(item.get("document"), str):
                number, count = item.get("number") or "", item.get("attachments") or 0
                yield BasisContent(item["document"].strip(), str(number).strip(), self._count(str(count)))
            else:
                self.problem(F.BASIS, "每件依据应为 {document, number, attachments}。")

    def _count(self, text: str) -> int:
        digits = text.strip().removesuffix("件").removesuffix("个").strip()
        if digits and not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            self.problem(F.BASIS_ATTACHMENTS, f"“{text[:20]}”不是附件数量，请写整数。")
            return 0
        return int(digits or 0)

    def moment(self, field_: F, read: Callable[[str | datetime], datetime | None]) -> datetime | None:
        value = self.cell(field_)
        if isinstance(value, datetime) or (isinstance(value, str) and value.strip()):
            try:
                return read(value)
            except NotADate as error:
                self.problem(field_, str(error))
        elif not isinstance(value, str):
            self.problem(field_, "应为日期，不能是列表。")
        return None

    def publicity(self, default: Publicity) -> Publicity:
        word = self.line(F.PUBLICITY)
        if not word:
            return default
        if word not in PUBLICITY_WORDS:
            self.problem(F.PUBLICITY, f"“{word[:20]}”不是公开属性，请写“公开”或“内部”。")
        return PUBLICITY_WORDS.get(word, default)

    def problem(self, field_: F, reason: str) -> None:
        """Write down the first fault of each field; a cell can hold a hundred thousand."""
        if all(problem.column != field_.label for problem in self.problems):
            self.problems.append(Problem(self.sheet, self.row.number, field_.label, reason))

    @staticmethod
    def _split_similar(text: str, literal: bool) -> list[str]:
        if literal or "\n" in text.strip():
            return text.split("\n")
        return INLINE_SEPARATORS.split(text)


def _split_keywords(text: str, literal: bool) -> list[str]:  # noqa: ARG001 - keywords hold no separators anywhere
    return KEYWORD_SEPARATORS.split(text)


def _steps(text: str) -> list[str]:
    """Lines that stand in step with those of another cell: blank ones in the middle count, at the end they do not."""
    return [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
