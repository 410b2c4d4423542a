"""Files in and out, as the API and the command line share it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.columns import ColumnChoices, HeaderRows
from ingest.export import export_csv, export_jsonl, export_xlsx
from ingest.template import template_xlsx
from kb_admin.permissions import Grant
from models.errors import Invalid, NotFound
from models.organisation import Region, Unit
from models.values import EntryField, ExportedEntry, Role

OFFICE = frozenset({Grant(Role.CITY_OFFICE)})
"""In whose name files are handled where nobody has logged in: at the server's own terminal."""
NOT_IMPORTED = "-"
"""Said of a column that is to be left out."""
HEADER_ROW = re.compile("[0-9]{1,7}")
"""A row's number; a worksheet ends at 1,048,576."""


class FileFormat(StrEnum):
    XLSX = "xlsx"
    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES: Mapping[FileFormat, str] = {
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.JSONL: "application/jsonl; charset=utf-8",
}
_WRITERS: Mapping[FileFormat, Callable[[Sequence[ExportedEntry]], bytes]] = {
    FileFormat.XLSX: export_xlsx,
    FileFormat.CSV: export_csv,
    FileFormat.JSONL: export_jsonl,
}


def written(entries: Sequence[ExportedEntry], file_format: FileFormat) -> bytes:
    """The entries as a file that imports back unchanged."""
    return _WRITERS[file_format](entries)


def column_choices(corrections: Iterable[str]) -> ColumnChoices:
    """Corrections such as ``C=question``, ``知识标题=question`` or ``D=-``, as the reader of files takes them."""
    choices: dict[str, EntryField | None] = {}
    for correction in corrections:
        column, equals, name = correction.rpartition("=")
        field = next((field for field in EntryField if name in (field.value, field.label)), None)
        if not (column and equals) or (field is None and name != NOT_IMPORTED):
            known = "、".join(f"{f.value}（{f.label}）" for f in EntryField)
            raise Invalid(f"“{correction}”应写成 列=项，如 C=question；不导入的列写 列=-。项有：{known}。")
        choices[column] = field
    return choices


def header_rows(told: Iterable[str]) -> HeaderRows:
    """Header rows such as ``Sheet1=2``, or ``Sheet1=0`` for a sheet without, as the reader of files takes them."""
    rows: dict[str, int] = {}
    for word in told:
        sheet, _, number = word.rpartition("=")
        if not sheet or not HEADER_ROW.fullmatch(number):
            raise Invalid(f"“{word}”应写成 工作表=行号，如 Sheet1=2；没有表头写 Sheet1=0。")
        rows[sheet] = int(number)
    return rows


def usual_region(session: Session) -> str:
    """The city, for files that name no region; empty while there is none."""
    cities = select(Region.name).where(Region.parent_id.is_(None)).order_by(Region.id).limit(1)
    return session.scalar(cities) or ""


def unit_id_of(session: Session, name: str) -> int:
    """The unit of that name. Raises NotFound."""
    unit_id = session.scalar(select(Unit.id).where(Unit.name == name))
    if unit_id is None:
        raise NotFound(f"没有名为“{name}”的单位。")
    return unit_id


def template_of(session: Session) -> bytes:
    """The workbook to fill in, with the units and regions of this base to choose from."""
    units = session.scalars(select(Unit.name).order_by(Unit.id)).all()
    regions = session.scalars(select(Region.name).order_by(Region.id)).all()
    return template_xlsx(units=units, regions=regions)
