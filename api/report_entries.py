"""The entries behind a figure of the base, one line each, for a page and for a workbook."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from openpyxl import Workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.dates import moment
from ingest.sheet_writing import write_table
from kb_admin import figures_entries as entries
from kb_admin.figures_entries import EntryRows
from kb_admin.permissions import Reach
from models.duties import EntryReview
from models.errors import NotFound
from models.knowledge import Entry, Phrasing, Version
from models.organisation import Unit
from models.usage import Verdict
from models.values import PhrasingKind

LISTED = ("entries_unused", "entries_outdated", "entries_unverified")
"""Figures of the base whose entries are listed here; those by correctness stand at /correctness."""
HEADERS = ("编号", "标准问", "单位", "发布时间", "有效期至", "最近评价", "最近回顾检查")


@dataclass(frozen=True)
class EntryLine:
    """A live entry, and when somebody last had to do with it."""

    code: str
    question: str
    unit: str
    published_at: datetime | None
    valid_to: datetime | None
    judged_at: datetime | None
    reviewed_at: datetime | None


def entries_behind(session: Session, name: str, reach: Reach, now: datetime) -> EntryRows:
    """The query of the figure itself. Raises NotFound for a figure without such a list."""
    if name == "entries_unused":
        return entries.unused_entries(session, reach, now)
    if name == "entries_outdated":
        return entries.outdated_entries(reach, now)
    if name == "entries_unverified":
        return entries.unverified_entries(session, reach, now)
    raise NotFound(f"没有名为“{name}”的条目清单。已有的：{'、'.join(LISTED)}。")


def count_lines(session: Session, rows: EntryRows) -> int:
    """How many entries there are."""
    return session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def entry_lines(session: Session, rows: EntryRows, *, limit: int | None = None, offset: int = 0) -> Sequence[EntryLine]:
    """Those published longest ago first."""
    found = rows.subquery()
    judged = select(func.max(Verdict.at)).where(Verdict.version_id == found.c.version_id).scalar_subquery()
    reviewed = select(func.max(EntryReview.at)).where(EntryReview.entry_id == found.c.entry_id).scalar_subquery()
    query = (
        select(Entry.code, Phrasing.text, Unit.name, Version.published_at, Version.valid_to, judged, reviewed)
        .select_from(found)
        .join(Version, Version.id == found.c.version_id)
        .join(Entry, Entry.id == found.c.entry_id)
        .join(Unit, Unit.id == found.c.unit_id)
        .join(Phrasing, (Phrasing.version_id == Version.id) & (Phrasing.kind == PhrasingKind.STANDARD))
        .order_by(Version.published_at, Entry.id)
        .limit(limit)
        .offset(offset)
    )
    return [EntryLine(*row) for row in session.execute(query).tuples()]


def entries_workbook(title: str, lines: Iterable[EntryLine]) -> bytes:
    """One sheet with the figure's name."""
    book = Workbook(write_only=True)
    write_table(book, title, HEADERS, map(_cells, lines))
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def _cells(line: EntryLine) -> tuple[str, ...]:
    times = (line.published_at, line.valid_to, line.judged_at, line.reviewed_at)
    return (line.code, line.question, line.unit, *(moment(at) if at else "" for at in times))
