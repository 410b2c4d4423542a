"""Looks at a file before anything opens it: is it what its name says, and can it be unpacked without harm?"""

import io
import re
import zipfile
from enum import StrEnum
from pathlib import PurePath

from ingest.limits import (
    MAX_ELEMENTS,
    MAX_FILE_BYTES,
    MAX_PARTS,
    MAX_STYLE_ELEMENTS,
    MAX_UNPACKED_BYTES,
    MAX_UNPACKED_RATIO,
    MEBIBYTE,
    RATIO_FLOOR_BYTES,
)
from models.errors import FileRefused


class Kind(StrEnum):
    XLSX = ".xlsx"
    CSV = ".csv"
    JSONL = ".jsonl"


OLE_MAGIC = bytes.fromhex("D0CF11E0A1B11AE1")
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
BOM = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
MARKUP = re.compile(rb"\s*<(!doctype|html|head|body|table|meta|\?xml)", re.IGNORECASE)
XML = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\x00]*<")
"""How whatever an XML parser would accept begins, in UTF-8 or UTF-16; pictures and printer settings do not."""
DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
OTHER_ENCODING = re.compile(rb"\s*<\?xml[^>]*\sencoding\s*=\s*[\"'](?!utf-?8[\"'])", re.IGNORECASE)
"""After such a declaration the same bytes may mean other characters, a document type among them."""
COSTLY_PARTS = ("[Content_Types].xml", "xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels")
ENCRYPTED = 0x1
"""Bit of a zip member's flags."""


def kind_of(content: bytes, filename: str) -> Kind:
    """What the file is, by name and by content. Raises FileRefused when they disagree or nobody here reads it."""
    if len(content) > MAX_FILE_BYTES:
        _refuse(filename, f"有 {len(content) / MEBIBYTE:.1f} MB，超过 {MAX_FILE_BYTES // MEBIBYTE} MB，请拆分后导入。")
    if not content.strip():
        _refuse(filename, "是空文件。")
    suffix = PurePath(filename).suffix.lower()
    if suffix in (".xls", ".xlsm", ".xlsb", ".et"):
        _refuse(filename, f"是 {suffix} 格式。请用表格软件打开，另存为 .xlsx 后导入。")
    if suffix not in set(Kind):
        _refuse(filename, "的扩展名不是 .xlsx、.csv 或 .jsonl。")
    _check_content(content, filename, Kind(suffix))
    return Kind(suffix)


def _check_content(content: bytes, filename: str, kind: Kind) -> None:
    if content.startswith(OLE_MAGIC):
        _refuse(filename, "实际是旧版 .xls 或加密的工作簿。请打开后另存为不加密的 .xlsx。")
    if MARKUP.match(content.removeprefix(BOM)):
        _refuse(filename, "实际是网页（HTML 或 XML），不是表格。请用表格软件打开后另存为 .xlsx。")
    zipped = content.startswith(ZIP_MAGIC)
    if kind is Kind.XLSX and not zipped:
        _refuse(filename, "的内容不是 .xlsx 工作簿，请核对扩展名。")
    if kind is not Kind.XLSX and zipped:
        _refuse(filename, f"实际是压缩包或工作簿，不是 {kind} 文本文件。")
    if kind is not Kind.XLSX and content.startswith(UTF16_MARKS):
        _refuse(filename, "是 UTF-16 编码。请另存为“CSV UTF-8”后导入。")


def check_workbook(content: bytes, filename: str) -> None:
    """Raise FileRefused for a workbook with macros, a password, entities, or more inside than its size promises.

    Sizes are those that the archive declares; Python's zipfile never unpacks a member beyond its declared size.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_members(members, filename, len(content))
            _check_markup(archive, members, filename)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise FileRefused(f"“{filename}”已损坏，无法解压：{error}。请重新另存后导入。") from error


def _check_members(members: list[zipfile.ZipInfo], filename: str, packed: int) -> None:
    names = {member.filename for member in members}
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_PARTS:
        _refuse(filename, f"内有 {len(members)} 个文件，超过 {MAX_PARTS} 个。")
    if any(member.flag_bits & ENCRYPTED for member in members):
        _refuse(filename, "设有密码，请去掉密码后导入。")
    if unpacked > MAX_UNPACKED_BYTES:
        limit = MAX_UNPACKED_BYTES // MEBIBYTE
        _refuse(filename, f"解压后有 {unpacked // MEBIBYTE} MB，超过 {limit} MB，请拆分后导入。")
    if unpacked > RATIO_FLOOR_BYTES and unpacked > packed * MAX_UNPACKED_RATIO:
        _refuse(filename, f"解压后是原来的 {unpacked // packed} 倍，像是压缩炸弹，没有打开。")
    if {"[Content_Types].xml", "xl/workbook.xml"} - names:
        _refuse(filename, "是压缩包，但不是 .xlsx 工作簿。")
    if any(PurePath(name).name.lower() == "vbaproject.bin" or "/macrosheets/" in name.lower() for name in names):
        _refuse(filename, "含有宏。请另存为不含宏的 .xlsx 后导入。")


def _check_markup(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], filename: str) -> None:
    """No XML of a real workbook declares a document type, and all is UTF-8; entity bombs need one or the other.

    Told by content, not by name: which part is what, the workbook itself says, and it may call a part anything.
    """
    for member in members:
        text = archive.read(member)
        if not XML.match(text):
            continue
        if DOCTYPE.search(text) or not _is_plain_utf8(text):
            _refuse(filename, f"内的 {member.filename} 含有文档类型声明或不是 UTF-8，可能有害，没有打开。")
        most = MAX_STYLE_ELEMENTS if member.filename in COSTLY_PARTS else MAX_ELEMENTS
        if text.count(b"<") - text.count(b"</") > most:
            _refuse(filename, f"内的 {member.filename} 超过 {most} 个元素，没有打开。请复制到新的工作簿后导入。")
        if member.filename == "[Content_Types].xml" and b"macroEnabled" in text:
            _refuse(filename, "是启用宏的工作簿。请另存为不含宏的 .xlsx 后导入。")


def _is_plain_utf8(text: bytes) -> bool:
    return not (text.startswith(UTF16_MARKS) or b"\x00" in text[:64] or OTHER_ENCODING.match(text.removeprefix(BOM)))


def _refuse(filename: str, reason: str) -> None:
    raise FileRefused(f"“{filename}”{reason}")
