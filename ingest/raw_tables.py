"""Tables as they stand in a file, before anyone knows what their columns mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest.limits import MAX_CELL_CHARACTERS
from models.values import Choice
from models.wording import unreadable, visible


class FaultKind(Choice):
    FORMULA = "formula", "公式"
    ERROR = "error", "错误值"
    MERGED = "merged", "合并单元格"
    UNREADABLE = "unreadable", "无法解码"


@dataclass(frozen=True)
class Fault:
    """A cell whose content cannot be taken; the row is refused when its column is needed."""

    kind: FaultKind
    reason: str
    shown: str = ""
    """The content as far as it can be shown, for the report of refused rows; a formula stays out of it."""


Content = str | datetime | tuple[object, ...]
"""Text, a naive local moment of a spreadsheet, or the list of a .jsonl line."""
Cell = Content | Fault


def text_or_fault(text: str, place: str = "") -> str | Fault:
    """The text as a cell; a fault when it holds what no entry may. Beyond here every text can be shown and stored.

    ``place`` names the cell in the reason where its row and column do not say enough.
    """
    if len(text) > MAX_CELL_CHARACTERS:
        return Fault(FaultKind.UNREADABLE, f"{place}有 {len(text)} 个字，最多 {MAX_CELL_CHARACTERS} 个。")
    bad = unreadable(text)
    if not bad:
        return text
    reason = f"{place}含有无法显示的字符 U+{ord(bad):04X}，请删除后重新录入。"
    return Fault(FaultKind.UNREADABLE, reason, shown=visible(text))


@dataclass(frozen=True)
class RawRow:
    number: int
    """1-based, as a person would count."""
    cells: Mapping[int, Cell]
    """By 0-based column; blank cells are left out, but for the keys of a .jsonl line, which may be there and empty."""
    fault: str = ""
    """Why the row as a whole cannot be read."""


@dataclass(frozen=True)
class RawTable:
    sheet: str
    """Name of the worksheet; of the file where there are none."""
    rows: tuple[RawRow, ...]
    """Rows with content only."""
    keys: tuple[str, ...] = ()
    """Column names that the format itself gives (.jsonl): then no row is a header."""
    hidden: bool = False
    merges: tuple["Merge", ...] = field(default=())


@dataclass(frozen=True)
class Merge:
    """A block of merged cells: 1-based rows, 0-based columns, ends included; only its first cell has content."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int
