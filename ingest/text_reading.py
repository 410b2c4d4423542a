"""Text files as raw tables: .csv in UTF-8 or GB18030, .jsonl in UTF-8; a bad line costs one row, not the file."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingest.limits import MAX_CELL_CHARACTERS, MAX_COLUMNS, MAX_KEY_CHARACTERS, MAX_ROWS
from ingest.raw_tables import Cell, Fault, FaultKind, RawRow, RawTable, text_or_fault
from models.errors import FileRefused
from models.wording import visible

BOM = b"\xef\xbb\xbf"
SURE_BYTES = 8
"""Four Chinese characters of GB18030 pass as UTF-8 by accident once in thousands of lines; fewer prove nothing."""
DELIMITERS = (",", "\t", ";")
FORMULA_STARTS = ("=", "+", "-", "@", "\t")
"""Spreadsheet programs take a .csv cell that begins so for a formula; see ``guarded``."""


@dataclass(frozen=True)
class DecodedText:
    text: str
    bad_lines: dict[int, str]
    """1-based number of each line that could not be decoded, and why."""


def read_csv(content: bytes, filename: str) -> RawTable:
    """The records of a .csv file; a record's number is its row in a spreadsheet program."""
    decoded = _decode(content, filename)
    delimiter = _delimiter(decoded.text)
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(decoded.text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    for number, (record, fault) in enumerate(_records(reader, decoded, filename), start=1):
        cells: dict[int, Cell] = {
            i: text_or_fault(_unguarded(value)) for i, value in enumerate(record) if value.strip()
        }
        _check_width(cells, number, filename)
        if cells or fault:
            rows.append(RawRow(number, cells, fault=fault))
        _check_row_count(rows, filename)
    return RawTable(filename, tuple(rows))


def read_jsonl(content: bytes, filename: str) -> RawTable:
    """One object a line; its keys are the columns, in order of first appearance."""
    decoded = _decode(content, filename)
    keys: dict[str, int] = {}
    rows = []
    for number, line in enumerate(decoded.text.split("\n"), start=1):
        if not line.strip():
            continue
        fault = decoded.bad_lines.get(number, "")
        value = None if fault else _json(line)
        if not isinstance(value, dict):
            rows.append(RawRow(number, {}, fault=fault or "该行不是一个 JSON 对象。"))
        elif (longest := max(map(len, value), default=0)) > MAX_KEY_CHARACTERS:
            rows.append(RawRow(number, {}, fault=f"有一个键有 {longest} 个字，最多 {MAX_KEY_CHARACTERS} 个。"))
        else:
            rows.append(RawRow(number, dict(_json_cells(value, keys))))
        _check_row_count(rows, filename)
        if len(keys) > MAX_COLUMNS:
            raise FileRefused(f"“{filename}”到第 {number} 行已有 {len(keys)} 种键，最多 {MAX_COLUMNS} 种。")
    return RawTable(filename, tuple(rows), keys=tuple(map(visible, keys)))


def guarded(text: str) -> str:
    """The text as a .csv cell that no spreadsheet program runs: an apostrophe before what begins like a formula.

    A text that begins with apostrophes and then so gets one more; ``_unguarded`` takes exactly one away.
    """
    return f"'{text}" if text.lstrip("'").startswith(FORMULA_STARTS) else text


def _unguarded(value: str) -> str:
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("'") and text.lstrip("'").startswith(FORMULA_STARTS):
        return text[1:]
    return text


def _records(reader: Iterator[list[str]], decoded: DecodedText, filename: str) -> Iterator[tuple[list[str], str]]:
    """Each record with the fault of one of its lines, if any."""
    line = 0
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"从第 {line + 1} 行开始的一条记录"
            raise FileRefused(f"“{filename}”{place}引号不成对或单元格过长（{error}），其后无法分列。") from error
        last = int(getattr(reader, "line_num"))  # noqa: B009 - csv's reader type is private
        faults = [decoded.bad_lines[n] for n in range(line + 1, last + 1) if n in decoded.bad_lines]
        line = last
        yield record, "".join(faults[:1])


def _check_width(cells: Mapping[int, Cell], number: int, filename: str) -> None:
    last = max(cells, default=-1)
    if last >= MAX_COLUMNS:
        raise FileRefused(f"“{filename}”第 {number} 行的内容一直到第 {last + 1} 列，最多 {MAX_COLUMNS} 列。")


def _check_row_count(rows: list[RawRow], filename: str) -> None:
    if len(rows) > MAX_ROWS:
        raise FileRefused(f"“{filename}”有内容的行超过 {MAX_ROWS} 行，请拆分后导入。")


def _json(line: str) -> object:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value


def _json_cells(value: dict[str, object], keys: dict[str, int]) -> Iterator[tuple[int, Cell]]:
    for key, item in value.items():
        column = keys.setdefault(key, len(keys))
        if item is None or item == []:
            yield column, ""
        elif isinstance(item, list):
            yield column, _json_list(item)
        elif isinstance(item, dict):
            yield column, Fault(FaultKind.UNREADABLE, f"键“{key}”的值应为文字，不能是对象。")
        else:
            yield column, text_or_fault(str(item).replace("\r\n", "\n").replace("\r", "\n"))


def _json_list(items: list[object]) -> Cell:
    """A list of texts or of flat objects, unless it holds more than a cell may."""
    parts = [part for item in items for part in (item.values() if isinstance(item, dict) else (item,))]
    if any(isinstance(part, list | dict) for part in parts):
        return Fault(FaultKind.UNREADABLE, "列表中还有列表或对象，层次过多。")
    read = text_or_fault("\n".join(str(part) for part in parts))
    return read if isinstance(read, Fault) else tuple(items)


def _delimiter(text: str) -> str:
    """The one that the first line holds most of; the comma when it holds none."""
    first = text[: text.find("\n")] if "\n" in text else text
    return max(DELIMITERS, key=first.count)


def _decode(content: bytes, filename: str) -> DecodedText:
    """UTF-8 or GB18030, whichever most of the lines are; the lines that are not, or hold NUL, are named.

    Python decodes almost any UTF-8 text as GB18030 without complaint, so a mixed file must be told line by line.
    """
    lines = content.removeprefix(BOM).split(b"\n")
    utf8 = [line for line in lines if not line.isascii() and _decodes(line, "utf-8")]
    others = [line for line in lines if not line.isascii() and not _decodes(line, "utf-8")]
    gb = [line for line in others if _decodes(line, "gb18030")]
    is_utf8 = content.startswith(BOM) or sum(map(len, utf8)) >= sum(map(len, gb))
    encoding = "utf-8" if is_utf8 else "gb18030"
    bad = {}
    for number, line in enumerate(lines, start=1):
        fault = _line_fault(line, encoding)
        if fault:
            bad[number] = f"文件第 {number} 行{fault}"
    if len(bad) * 2 > len(lines):
        raise FileRefused(f"“{filename}”的编码不是 UTF-8 或 GB18030，或不是文本文件。请另存为“CSV UTF-8”。")
    text = "\n".join(line.decode(encoding, errors="replace") for line in lines).replace("\x00", "\ufffd")
    return DecodedText(text, bad)


def _line_fault(line: bytes, encoding: str) -> str:
    if b"\x00" in line:
        return "含有 NUL 字符，文件可能已损坏。"
    if line.isascii():
        return ""
    if not _decodes(line, encoding):
        return f"的编码与全文（{encoding.upper()}）不一致，无法解码。"
    sure = sum(byte > 127 for byte in line) >= SURE_BYTES
    if encoding == "gb18030" and sure and _decodes(line, "utf-8"):
        return "是 UTF-8 编码，与全文（GB18030）不一致。"
    return ""


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
