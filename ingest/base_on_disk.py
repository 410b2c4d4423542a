"""The base that is kept on disk, as one database sees it: only what was written from this very database is used."""

import logging
import time

from sqlalchemy.orm import Session

from ingest.log_rows import LogRow, reading_of, row_at
from retrieval.array_file import Damaged
from retrieval.store import Base, Manifest, Store

LOOK_SECONDS = 10.0
"""A newer base is noticed at once by the folder's time of change; and should two changes fall into one tick of the
file system's clock, after so long."""

log = logging.getLogger(__name__)


def mark_of(row: LogRow, reading: str) -> str:
    """What a manifest bears: the row of the log that it reaches, and how documents were read then."""
    return f"{row.mark} {reading}"


def of_this_database(session: Session, manifest: Manifest) -> bool:
    """Whether the log holds the very row that the base was written at: if not, it is of another database, or this one
    was restored to an earlier day."""
    row = row_at(session, manifest.position)
    return row is not None and row.mark == manifest.mark.partition(" ")[0]


def read_as_now(session: Session, manifest: Manifest) -> bool:
    """Whether documents are still made as they were for this base; if not, it answers on until it is built anew."""
    return reading_in(manifest) == reading_of(session)


def reading_in(manifest: Manifest) -> str:
    """How documents were read when the base was built."""
    return manifest.mark.partition(" ")[2]


class BaseOnDisk:
    """Opens the newest base of this database, and notices when another process has written a newer one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: object = None
        self._looked = -LOOK_SECONDS

    def newest(self, session: Session) -> Base | None:
        """The newest that is whole and of this database; None when there is none, with the reason in the log."""
        self._seen, self._looked = self._stamp(), time.perf_counter()
        manifest = self._store.newest()
        while manifest is not None:
            if not of_this_database(session, manifest):
                log.warning("磁盘上的索引不是由这个数据库建立的（或数据库已恢复到较早的日子），不用它，将重新建立。")
                return None
            if base := self._opened(manifest):
                return base
            manifest = self._store.newest(before=manifest.generation)
        return None

    def newer(self, session: Session, held: Manifest | None, position: int) -> Base | None:
        """Another than ``held``, at least as new, and not beyond what this process has read; None otherwise."""
        stamp, manifest = self._stamp(), self._store.newest()
        if manifest is not None and manifest.position > position:  # the log is read first; then it is looked at again
            return None
        self._seen, self._looked = stamp, time.perf_counter()
        if manifest is None or manifest == held or (held is not None and manifest.position < held.position):
            return None
        return self._opened(manifest) if of_this_database(session, manifest) else None

    @property
    def has_changed(self) -> bool:
        """Whether files have come or gone since they were last looked at; cheap enough for every poll."""
        return self._stamp() != self._seen or time.perf_counter() - self._looked > LOOK_SECONDS

    def _opened(self, manifest: Manifest) -> Base | None:
        try:
            return self._store.open(manifest)
        except Damaged as damage:
            log.error("第 %s 代索引不能用：%s", manifest.generation, damage)
        except OSError as error:
            log.error("打不开第 %s 代索引：%s", manifest.generation, error)
        return None

    def _stamp(self) -> object:
        try:
            found = self._store.folder.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns)
