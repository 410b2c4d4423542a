"""What goes into the audit log when somebody sees internal entries: each answer, each page, each file taken out."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from api.reading import ReadEntry
from api.security import Caller
from kb_admin.audit import record_by
from models.knowledge import Attachment, Version
from models.values import ExportedEntry, Publicity

if TYPE_CHECKING:
    from api.asking import Found

LISTED_UNITS = 50
"""Units that one record of an export names; the number of entries is always told."""


def note_answer(session: Session, found: "Found", question_id: int | None, caller: Caller, now: datetime) -> None:
    """One record for all internal entries among the answers to a question."""
    shown = [one.version.entry.code for one in found.answers if _is_internal(one.version)]
    if shown:
        subject = f"question:{question_id}" if question_id else "question"
        record_by(session, caller.person_id, act="search", subject=subject, details={"entries": shown}, now=now)


def note_entry(session: Session, read: ReadEntry, caller: Caller, now: datetime, *, act: str = "view") -> None:
    """One record where an entry is opened of which something internal is shown. The edge commits."""
    shown = [version for version in (read.live, *(read.versions or ())) if version is not None]
    internal = sorted({version.number for version in shown if _is_internal(version)})
    if internal:
        subject, details = f"entry:{read.entry.code}", {"versions": internal}
        record_by(session, caller.person_id, act=act, subject=subject, details=details, now=now)


def note_version(session: Session, version: Version, caller: Caller, now: datetime) -> None:
    """One record where an internal version is shown outside its entry's page: to be looked at again, to be printed.
    The edge commits."""
    if _is_internal(version):
        subject, details = f"entry:{version.entry.code}", {"versions": [version.number]}
        record_by(session, caller.person_id, act="view", subject=subject, details=details, now=now)


def note_writing(session: Session, version: Version | None, caller: Caller, now: datetime) -> None:
    """One record where an internal version is opened to be written on. The edge commits."""
    if version is not None and _is_internal(version):
        subject, details = f"entry:{version.entry.code}", {"versions": [version.number]}
        record_by(session, caller.person_id, act="view_to_write", subject=subject, details=details, now=now)


def note_attachment(session: Session, file: Attachment, version: Version, caller: Caller, now: datetime) -> None:
    """One record where a file of an internal entry is fetched. The edge commits."""
    if _is_internal(version):
        subject, details = f"entry:{version.entry.code}", {"file": file.filename, "sha256": file.sha256}
        record_by(session, caller.person_id, act="view_file", subject=subject, details=details, now=now)


def note_export(
    session: Session, exported: Sequence[ExportedEntry], person_id: int | None, now: datetime, *, written: str
) -> None:
    """One record of entries taken out as a file: how many, how many of them internal, of which units, in which form.

    ``person_id`` None: at the server's own terminal.
    """
    units = sorted({entry.content.unit for entry in exported})
    internal = sum(entry.content.publicity is Publicity.INTERNAL for entry in exported)
    details = {"entries": len(exported), "internal": internal, "units": units[:LISTED_UNITS], "format": written}
    record_by(session, person_id, act="export", subject="entries", details=details, now=now)


def _is_internal(version: Version) -> bool:
    return version.publicity is Publicity.INTERNAL
