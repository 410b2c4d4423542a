"""What an entry's content must satisfy before it may enter the base, whoever brings it: editor or file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from kb_admin import codes
from models.values import EARLIEST, KEYWORD_SEPARATORS, LATEST, EntryContent, EntryField
from models.wording import unreadable, visible

MAX_PHRASING = 500
MAX_KEYWORD = 64
MAX_CATEGORY = 256
MAX_DOCUMENT = 256
MAX_NUMBER = 128
MAX_INFO_TYPE = 32
MAX_CODE = 64
"""These seven are the widths of the columns in models/knowledge.py."""
MAX_CELL_UNITS = 32_000
"""A spreadsheet cell holds 32,767 UTF-16 units; what cannot be exported again must not come in."""
MAX_SIMILAR = 100
"""More phrasings than that are a list of calls, not ways to ask one question."""
MAX_KEYWORDS = 50
MAX_BASES = 30
MAX_ATTACHMENTS = 9_999

CODE = re.compile(r"[0-9A-Za-z\u4e00-\u9fff][0-9A-Za-z\u4e00-\u9fff._-]*")
"""A code stands in addresses (/entries/…), where "/", "?" and ".." mean something else."""


@dataclass(frozen=True)
class Fault:
    """One rule that the content breaks, and in which of its parts."""

    field: EntryField
    reason: str


def content_faults(content: EntryContent) -> tuple[Fault, ...]:
    """The first fault of each part of a content, in their order; empty when it may enter the base."""
    found = chain(
        _phrasing_faults(content),
        _text_faults(content),
        _keyword_faults(content.keywords),
        category_faults(content.category),
        _basis_faults(content),
        _validity_faults(content),
        _line(EntryField.INFO_TYPE, content.info_type, MAX_INFO_TYPE),
    )
    first: dict[EntryField, Fault] = {}
    for fault in found:
        first.setdefault(fault.field, fault)
    return tuple(first.values())


def code_faults(code: str) -> tuple[Fault, ...]:
    """Faults of a code that a file gives; the empty code asks the system for one."""
    if not code:
        return ()
    faults = list(_line(EntryField.CODE, code, MAX_CODE))
    if not faults and not CODE.fullmatch(code):
        reason = f"编号“{_short(code)}”只能由汉字、字母、数字和 - _ . 组成，并以汉字、字母或数字开头。"
        faults.append(Fault(EntryField.CODE, reason))
    if code.upper().startswith(codes.PREFIX) and codes.number_of(code) is None:
        reason = f"{codes.PREFIX} 开头的编号由系统产生，应为 {codes.PREFIX} 加六位数字。"
        faults.append(Fault(EntryField.CODE, reason))
    return tuple(faults)


def _phrasing_faults(content: EntryContent) -> Iterator[Fault]:
    if not content.question:
        yield Fault(EntryField.QUESTION, "缺少标准问。")
    yield from _line(EntryField.QUESTION, content.question, MAX_PHRASING)
    if len(content.similar) > MAX_SIMILAR:
        yield Fault(EntryField.SIMILAR, f"相似问法有 {len(content.similar)} 条，最多 {MAX_SIMILAR} 条。")
        return
    seen = {content.question}
    for phrasing in content.similar:
        if not phrasing:
            yield Fault(EntryField.SIMILAR, "有一条相似问法是空的。")
        elif phrasing in seen:
            yield Fault(EntryField.SIMILAR, f"“{_short(phrasing)}”重复。")
        seen.add(phrasing)
        yield from _line(EntryField.SIMILAR, phrasing, MAX_PHRASING)
    yield from _joined(EntryField.SIMILAR, content.similar)


def _text_faults(content: EntryContent) -> Iterator[Fault]:
    if not content.answer.strip():
        yield Fault(EntryField.ANSWER, "缺少答案。")
    yield from _text(EntryField.ANSWER, content.answer)
    yield from _text(EntryField.SPOKEN, content.spoken)


def _keyword_faults(keywords: Sequence[str]) -> Iterator[Fault]:
    if len(keywords) > MAX_KEYWORDS:
        yield Fault(EntryField.KEYWORDS, f"关键字有 {len(keywords)} 个，最多 {MAX_KEYWORDS} 个。")
        return
    for keyword in keywords:
        if not keyword:
            yield Fault(EntryField.KEYWORDS, "有一个关键字是空的。")
        elif KEYWORD_SEPARATORS.search(keyword):
            yield Fault(EntryField.KEYWORDS, f"关键字“{_short(keyword)}”内不能有逗号、顿号、分号、竖线、换行。")
        yield from _line(EntryField.KEYWORDS, keyword, MAX_KEYWORD)
    if len(set(keywords)) < len(keywords):
        yield Fault(EntryField.KEYWORDS, "关键字有重复。")


def category_faults(path: str) -> Iterator[Fault]:
    if path and any(not level or level != level.strip() for level in path.split("/")):
        yield Fault(EntryField.CATEGORY, f"类目“{_short(path)}”中有空的一级。")
    yield from _line(EntryField.CATEGORY, path, MAX_CATEGORY)


def _basis_faults(content: EntryContent) -> Iterator[Fault]:
    if len(content.bases) > MAX_BASES:
        yield Fault(EntryField.BASIS, f"依据有 {len(content.bases)} 件，最多 {MAX_BASES} 件。")
        return
    for basis in content.bases:
        if not basis.document:
            yield Fault(EntryField.BASIS, "依据缺少文件名称。")
        yield from _line(EntryField.BASIS, basis.document, MAX_DOCUMENT)
        yield from _line(EntryField.BASIS_NUMBER, basis.number, MAX_NUMBER)
        if not 0 <= basis.attachment_count <= MAX_ATTACHMENTS:
            yield Fault(EntryField.BASIS_ATTACHMENTS, f"附件数量应在 0 至 {MAX_ATTACHMENTS} 之间。")
    yield from _joined(EntryField.BASIS, [basis.document for basis in content.bases])


def _validity_faults(content: EntryContent) -> Iterator[Fault]:
    for field, moment in ((EntryField.VALID_FROM, content.valid_from), (EntryField.VALID_TO, content.valid_to)):
        if moment is not None and not EARLIEST <= moment <= LATEST:
            yield Fault(field, f"不在 {EARLIEST.year} 至 {LATEST.year - 1} 年之间；长期有效请留空。")
    if content.valid_from and content.valid_to and content.valid_from >= content.valid_to:
        yield Fault(EntryField.VALID_TO, "下架时间不晚于生效时间。")


def _line(field: EntryField, text: str, maximum: int) -> Iterator[Fault]:
    """Faults of a text that stands on one line."""
    if len(text) > maximum:
        yield Fault(field, f"有 {len(text)} 个字，最多 {maximum} 个字：“{_short(text)}”。")
    if text != text.strip():
        yield Fault(field, f"“{_short(text)}”前后有空白。")
    if any(character in "\n\t\u2028\u2029" for character in text):
        yield Fault(field, f"“{_short(text)}”中不能有换行或制表符。")
    yield from _characters(field, text)


def _text(field: EntryField, text: str) -> Iterator[Fault]:
    if _utf16_units(text) > MAX_CELL_UNITS:
        yield Fault(field, f"有 {len(text)} 个字，超过一个单元格能放下的 {MAX_CELL_UNITS} 个字。")
    yield from _characters(field, text)


def _joined(field: EntryField, lines: Sequence[str]) -> Iterator[Fault]:
    if _utf16_units("\n".join(lines)) > MAX_CELL_UNITS:
        yield Fault(field, f"合计超过一个单元格能放下的 {MAX_CELL_UNITS} 个字。")


def _characters(field: EntryField, text: str) -> Iterator[Fault]:
    bad = unreadable(text)
    if bad:
        yield Fault(field, f"含有无法显示的字符 U+{ord(bad):04X}，请删除后重新录入。")


def _utf16_units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _short(text: str) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= 20 else f"{shown[:20]}…"
