"""Small workbooks for the tests, plain and hostile."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openpyxl import Workbook

SHEET_PART = "xl/worksheets/sheet1.xml"
FIRST = ("标准问", "答案")
LOST = ("社保卡丢了怎么办", "带身份证到网点补领。")


def workbook(rows: Iterable[Sequence[object]], *, merge: Sequence[str] = (), title: str = "Sheet1") -> bytes:
    """A workbook with one sheet."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for area in merge:
        sheet.merge_cells(area)
    return saved(book)


def saved(book: Workbook) -> bytes:
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def repacked(content: bytes, *, replace: Mapping[str, tuple[str, str]] | None = None, **added: bytes) -> bytes:
    """The same workbook with texts of some parts replaced; ``added`` maps names, with / as __, to new parts."""
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            part = source.read(name)
            if replace and name in replace:
                before, after = replace[name]
                assert before.encode() in part
                part = part.replace(before.encode(), after.encode())
            target.writestr(name, part)
        for name, part in added.items():
            target.writestr(name.replace("__", "/").replace("_bin", ".bin"), part)
    return output.getvalue()
