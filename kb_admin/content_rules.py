"""What an entry's content must satisfy before it may enter the base, whoever brings it: editor or file."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.values import EntryContent, EntryField

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

KEYWORD_SEPARATORS = re.compile(r"[\n,，;；、|]")
SYSTEM_CODE = re.compile(r"ZD-\d{6}")


@dataclass(frozen=True)
class Fault:
    """One rule that the content breaks, and in which of its parts."""

    field: EntryField
    reason: str


def content_faults(content: EntryContent) -> tuple[Fault, ...]:
    """All faults of a content, in the order of its parts; empty when it may enter the base."""
    return (
        *_phrasing_faults(content),
        *_text_faults(content),
        *_keyword_faults(content.keywords),
        *_category_faults(content.category),
        *_basis_faults(content),
        *_validity_faults(content),
        *_line(EntryField.INFO_TYPE, content.info_type, MAX_INFO_TYPE),
    )


def code_faults(code: str) -> tuple[Fault, ...]:
    """Faults of a code that a file gives; the empty code asks the system for one."""
    faults = list(_line(EntryField.CODE, code, MAX_CODE))
    if code.startswith("ZD-") and not SYSTEM_CODE.fullmatch(code):
        faults.append(Fault(EntryField.CODE, "ZD- 开头的编号由系统产生，应为 ZD- 加六位数字。"))
    return tuple(faults)


def _phrasing_faults(content: EntryContent) -> Iterator[Fault]:
    if not content.question:
        yield Fault(EntryField.QUESTION, "缺少标准问。")
    yield from _line(EntryField.QUESTION, content.question, MAX_PHRASING)
    if len(content.similar) > MAX_SIMILAR:
        yield Fault(EntryField.SIMILAR, f"相似问法有 {len(content.similar)} 条，最多 {MAX_SIMILAR} 条。")
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
    for keyword in keywords:
        if not keyword:
            yield Fault(EntryField.KEYWORDS, "有一个关键字是空的。")
        elif KEYWORD_SEPARATORS.search(keyword):
            yield Fault(EntryField.KEYWORDS, f"关键字“{_short(keyword)}”内不能有逗号、顿号、分号、竖线、换行。")
        yield from _line(EntryField.KEYWORDS, keyword, MAX_KEYWORD)
    if len(set(keywords)) < len(keywords):
        yield Fault(EntryField.KEYWORDS, "关键字有重复。")


def _category_faults(path: str) -> Iterator[Fault]:
    if path and any(not level or level != level.strip() for level in path.split("/")):
        yield Fault(EntryField.CATEGORY, f"类目“{_short(path)}”中有空的一级。")
    yield from _line(EntryField.CATEGORY, path, MAX_CATEGORY)


def _basis_faults(content: EntryContent) -> Iterator[Fault]:
    if len(content.bases) > MAX_BASES:
        yield Fault(EntryField.BASIS, f"依据有 {len(content.bases)} 件，最多 {MAX_BASES} 件。")
    for basis in content.bases:
        if not basis.document:
            yield Fault(EntryField.BASIS, "依据缺少文件名称。")
        yield from _line(EntryField.BASIS, basis.document, MAX_DOCUMENT)
        yield from _line(EntryField.BASIS_NUMBER, basis.number, MAX_NUMBER)
        if not 0 <= basis.attachment_count <= MAX_ATTACHMENTS:
            yield Fault(EntryField.BASIS_ATTACHMENTS, f"附件数量应在 0 至 {MAX_ATTACHMENTS} 之间。")
    yield from _joined(EntryField.BASIS, [basis.document for basis in content.bases])


def _validity_faults(content: EntryContent) -> Iterator[Fault]:
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
    """Control characters, broken surrogates and non-characters cannot be stored, shown or exported."""
    bad = next((c for c in text if c not in "\n\t" and _is_unreadable(c)), None)
    if bad is not None:
        yield Fault(field, f"含有不可见的控制字符 U+{ord(bad):04X}，请删除后重新录入。")


def _is_unreadable(character: str) -> bool:
    if character.isprintable():
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"


def _utf16_units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= 20 else f"{shown[:20]}…"
