"""Files that wait on the server between the steps of an import: each under a random name, for its owner alone."""

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from models.errors import Invalid, NotFound

KEPT = timedelta(hours=12)
"""A working day; what is left longer was abandoned, and may hold what should not lie about."""
MOST_KEPT = 3
"""Files of one person, and as many reports: somebody who uploads without end fills nobody's disk."""


@dataclass(frozen=True)
class Upload:
    """One uploaded file."""

    key: str
    """Random; stands in the address of the import's pages."""
    filename: str
    """As the person's computer named it; never used as a path here."""
    content: bytes
    figures: Mapping[str, int]
    """What the import did, when this is the report of one that is done; else empty."""


def receive(folder: Path, content: bytes, filename: str | None, owner_id: int, now: datetime) -> str:
    """Keep a file that was just sent, let go of abandoned ones; its key. Raises Invalid when nothing is in it."""
    drop_abandoned(folder, now)
    if not content:
        raise Invalid("没有选择文件，或文件是空的。")
    return keep(folder, content, filename or "", owner_id)


def keep(
    folder: Path, content: bytes, filename: str, owner_id: int, *, figures: Mapping[str, int] | None = None
) -> str:
    """Store the file; the key to find it by. With more than MOST_KEPT of its kind the owner's oldest goes."""
    folder.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(24)
    _content_file(folder, key).write_bytes(content)
    note = {"filename": filename, "owner": owner_id, "figures": dict(figures or {})}
    unfinished = _note_file(folder, key).with_suffix(".unfinished")
    unfinished.write_text(json.dumps(note, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(_note_file(folder, key))
    for older in _others(folder, key, owner_id, report=bool(figures))[MOST_KEPT - 1 :]:
        drop(folder, older)
    return key


def find(folder: Path, key: str, owner_id: int) -> Upload:
    """The file, for its owner. Raises NotFound for everybody else, and once it has been deleted."""
    gone = NotFound("上传的文件已处理完或超过保留时间，请重新上传。")
    if not key.replace("-", "").replace("_", "").isalnum() or not _note_file(folder, key).is_file():
        raise gone
    note = json.loads(_note_file(folder, key).read_text(encoding="utf-8"))
    if note["owner"] != owner_id or not _content_file(folder, key).is_file():
        raise gone
    return Upload(key, note["filename"], _content_file(folder, key).read_bytes(), note["figures"])


def drop(folder: Path, key: str) -> None:
    """Delete the file; one that is gone already is fine."""
    _content_file(folder, key).unlink(missing_ok=True)
    _note_file(folder, key).unlink(missing_ok=True)


def drop_abandoned(folder: Path, now: datetime) -> None:
    """Delete what nobody came back for."""
    if not folder.is_dir():
        return
    oldest = (now - KEPT).timestamp()
    for file in folder.iterdir():
        if file.is_file() and file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)


def _others(folder: Path, key: str, owner_id: int, *, report: bool) -> list[str]:
    """The owner's other files of this kind, newest first."""
    found: list[tuple[int, str]] = []
    for file in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # deleted since the folder was listed
            note = json.loads(file.read_text(encoding="utf-8"))
            if file.stem != key and note["owner"] == owner_id and bool(note["figures"]) is report:
                found.append((file.stat().st_mtime_ns, file.stem))
    return [stem for _, stem in sorted(found, reverse=True)]


def _content_file(folder: Path, key: str) -> Path:
    return folder / f"{key}.upload"


def _note_file(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"
