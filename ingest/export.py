"""Writes entries as files that import back unchanged: .xlsx, .csv, .jsonl."""

import csv
import io
import json
from collections.abc import Sequence

from openpyxl import Workbook

from ingest.columns import HEADERS
from ingest.dates import write_end, write_start
from ingest.sheet_writing import write_table
from ingest.text_reading import guarded
from models.values import EntryField as F
from models.values import ExportedEntry

SHEET = "知识条目"
FIELDS = tuple(F)


def export_xlsx(entries: Sequence[ExportedEntry]) -> bytes:
    """One sheet with our own headers; every cell is text, so that none is ever run as a formula."""
    book = Workbook(write_only=True)
    write_table(book, SHEET, [HEADERS[field] for field in FIELDS], map(cells, entries))
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def export_csv(entries: Sequence[ExportedEntry]) -> bytes:
    """UTF-8 with the mark that lets spreadsheet programs see it; cells like formulas are guarded."""
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    writer.writerow([HEADERS[field] for field in FIELDS])
    writer.writerows([guarded(cell) for cell in cells(entry)] for entry in entries)
    return output.getvalue().encode("utf-8-sig")


def export_jsonl(entries: Sequence[ExportedEntry]) -> bytes:
    """One object a line, lists as lists."""
    return "".join(f"{json.dumps(_object(entry), ensure_ascii=False)}\n" for entry in entries).encode()


def cells(entry: ExportedEntry) -> list[str]:
    """The entry as texts in the order of FIELDS."""
    content = entry.content
    return [
        entry.code,
        content.question,
        "\n".join(content.similar),
        content.spoken,
        content.answer,
        "\n".join(content.keywords),
        content.category,
        "\n".join(basis.document for basis in content.bases),
        "\n".join(basis.number for basis in content.bases),
        "\n".join(str(basis.attachment_count) for basis in content.bases),
        write_start(content.valid_from),
        write_end(content.valid_to),
        content.publicity.label,
        content.info_type,
        content.unit,
        content.region,
    ]


def _object(entry: ExportedEntry) -> dict[str, object]:
    content = entry.content
    bases = [{"document": b.document, "number": b.number, "attachments": b.attachment_count} for b in content.bases]
    return {
        "code": entry.code,
        "question": content.question,
        "similar": list(content.similar),
        "spoken": content.spoken,
        "answer": content.answer,
        "keywords": list(content.keywords),
        "category": content.category,
        "unit": content.unit,
        "basis": bases,
        "valid_from": write_start(content.valid_from) or None,
        "valid_to": write_end(content.valid_to) or None,
        "publicity": content.publicity.label,
        "info_type": content.info_type,
        "region": content.region,
    }
