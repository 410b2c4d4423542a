"""What people type into forms, before an action takes it: moments, numbers, codes of entries."""

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.dates import NotADate, read_start
from kb_admin.permissions import Reach
from models.errors import Invalid
from models.knowledge import Entry

BETWEEN_CODES = re.compile(r"[\s,，、;；]+")
MOST_CODES = 200
LARGEST_NUMBER = 2**31 - 1


def moment_given(text: str, *, name: str) -> datetime | None:
    """The moment in a field for date and time (2026-11-21T16:30, Asia/Shanghai); None when it is empty.

    Raises Invalid, naming the field.
    """
    if not text.strip():
        return None
    try:
        return read_start(text)
    except NotADate as error:
        raise Invalid(f"{name}：{error}") from None


def number_given(text: str, *, name: str) -> int | None:
    """The whole number in a field; None when it is empty. Raises Invalid, naming the field."""
    written = text.strip()
    if not written:
        return None
    if not (written.isascii() and written.isdigit()) or not 1 <= int(written[:12]) <= LARGEST_NUMBER:
        raise Invalid(f"{name}“{written[:20]}”不是可用的数字，请重新填写。")
    return int(written)


def entries_given(session: Session, text: str, reach: Reach, *, name: str) -> tuple[Entry, ...]:
    """The entries of the codes in a field, in the order written; only those within ``reach`` exist.

    Raises Invalid, naming the codes that there are not.
    """
    codes = list(dict.fromkeys(code for code in BETWEEN_CODES.split(text.strip()) if code))
    if len(codes) > MOST_CODES:
        raise Invalid(f"{name}：一次最多 {MOST_CODES} 个编号。")
    found = {entry.code: entry for entry in session.scalars(select(Entry).where(Entry.code.in_(codes)))}
    known = {code: entry for code, entry in found.items() if reach.holds(entry.unit_id)}
    missing = [code for code in codes if code not in known]
    if missing:
        raise Invalid(f"{name}：没有编号为“{'”“'.join(missing[:5])}”的条目，或您无权查看。")
    return tuple(known[code] for code in codes)
