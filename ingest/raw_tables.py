"""Tables as they stand in a file, before anyone knows what their columns mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from models.values import Choice


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


Content = str | datetime | tuple[object, ...]
"""Text, a naive local moment of a spreadsheet, or the list of a .jsonl line."""
Cell = Content | Fault


@dataclass(frozen=True)
class RawRow:
    number: int
    """1-based, as a person would count."""
    cells: Mapping[int, Cell]
    """By 0-based column; blank cells are left out."""
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
