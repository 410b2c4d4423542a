"""Writes the base on disk from the database: what has changed since, or everything anew."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from ingest.base_on_disk import mark_of, of_this_database, read_as_now, reading_in
from ingest.comparing import Differences, Held, differences
from ingest.log_rows import (
    LogRow,
    current,
    current_in_batches,
    last_row,
    published_entries,
    reading_of,
    row_at,
    rows_behind,
    rows_from,
)
from ingest.thesaurus import thesaurus_of
from ingest.vector_pruning import prune
from models.thesaurus import newest_versions
from retrieval.array_file import Damaged
from retrieval.documents import Change, Document
from retrieval.embedded import encoded
from retrieval.store import Base, Manifest, Store, Writer
from retrieval.thesaurus import Thesaurus
from retrieval.tokens import Tokeniser
from retrieval.vector_store import VectorStore
from retrieval.vectors import Matrix

Tell = Callable[[str], None]
"""Told how far it is, in a sentence for people."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What came of a flush or a rebuild."""

    manifest: Manifest
    changed: int
    """Entries written or taken off; all of them when it was built anew."""
    anew: bool


@dataclass(frozen=True)
class Verified:
    """What came of comparing the base on disk with the database."""

    manifest: Manifest | None
    """None: there is no base, or none that can be used."""
    faults: tuple[str, ...]
    """Of the files, as sentences."""
    differences: Differences | None
    """None where there was nothing to compare."""

    @property
    def sound(self) -> bool:
        return self.differences is not None and not self.faults and not self.differences.all


class Indexer:
    """The one who writes. Each method takes the writer's lock and raises ``retrieval.store.Busy`` while another process
    holds it, unless it is told to wait."""

    def __init__(
        self,
        open_session: sessionmaker[Session],
        store: Store,
        vectors: VectorStore | None,
        tokeniser_with: Callable[[Thesaurus | None], Tokeniser],
    ) -> None:
        """``vectors``: None without a model. ``tokeniser_with``: for what the office has made of the thesaurus; None
        while it has changed nothing."""
        self._open_session = open_session
        self._store = store
        self._vectors = vectors
        self._tokeniser_with = tokeniser_with

    def flush(self, tell: Tell, *, now: datetime, wait: float = 0) -> Written:
        """Bring everything that the log holds into the base, and join what is small; where there is no base that can be
        used, build it. Some of the vectors that nobody uses are dropped."""
        with self._store.writing(wait) as writer:
            written = self._flushed(writer, tell)
        self._prune(now)
        return written

    def rebuild(self, tell: Tell, *, wait: float = 0) -> Written:
        """Everything anew. Until it is done the service answers from what was there before."""
        with self._store.writing(wait) as writer:
            return self._build(writer, tell)

    def merge(self, *, wait: float = 0) -> bool:
        """Join what is small, and remove files that nobody needs any more; returns whether anything was joined."""
        with self._store.writing(wait) as writer:
            base = self._usable(lambda _: None)
            return base is not None and self._tidied(writer, base) is not base

    def verify(self, tell: Tell) -> Verified:
        """Read every byte of the files against its checksum, and compare every entry with the database. Changes
        nothing, and may run beside a writer."""
        manifest = self._store.newest()
        if manifest is None:
            return Verified(None, (self._store.refused or "还没有写到磁盘上的索引。",), None)
        tell("正在核对文件的校验和……")
        faults = list(self._store.check(manifest))
        if faults and self._store.newest() != manifest:
            return self.verify(tell)  # a writer has put newer files in the place of these
        with self._open_session() as session:
            if not of_this_database(session, manifest):
                faults.append("磁盘上的索引不是由这个数据库建立的，或数据库已恢复到较早的日子。")
            elif not read_as_now(session, manifest):
                faults.append("区域的名称或程序已改变，索引是此前建立的。")
        if faults:
            return Verified(manifest, tuple(faults), None)
        base = self._store.open(manifest)
        held = Held.of([(segment, np.flatnonzero(live)) for segment, live in base.parts])
        return Verified(manifest, (), differences(self._open_session, held, manifest.position, tell))

    def repair(self, found: Verified, tell: Tell, *, wait: float = 0) -> Written:
        """Write what differs again; build everything anew where the files themselves are at fault."""
        with self._store.writing(wait) as writer:
            base = self._usable(tell) if not found.faults else None
            if base is None or found.differences is None:
                return self._build(writer, tell)
            base, changed = self._append_later(writer, base)
            with self._open_session() as session:
                row = row_at(session, base.manifest.position)
                changes = current(session, found.differences.all)
                assert row is not None, "the log reaches as far as the base"
                base = self._append(writer, base, changes, row, session)
            return Written(self._tidied(writer, base).manifest, changed + len(changes), anew=False)

    def behind(self, manifest: Manifest) -> int:
        """How many rows the log is ahead of that base."""
        with self._open_session() as session:
            return rows_behind(session, manifest.position)

    def fits(self, manifest: Manifest) -> bool:
        """Whether that base is of this database."""
        with self._open_session() as session:
            return of_this_database(session, manifest)

    def _flushed(self, writer: Writer, tell: Tell) -> Written:
        base = self._usable(tell)
        if base is None:
            return self._build(writer, tell)
        try:
            base, changed = self._append_later(writer, base)
            return Written(self._tidied(writer, base).manifest, changed, anew=False)
        except Damaged as damage:  # of what was to be joined, every byte is looked at
            log.error("%s", damage)
            tell(f"{damage} 索引全部重新建立。")
            return self._build(writer, tell)

    def _usable(self, tell: Tell) -> Base | None:
        """The newest base, if it is whole, of this database, and read as documents are read now."""
        manifest = self._store.newest()
        if manifest is None:
            if self._store.refused:
                tell(self._store.refused)
            return None
        with self._open_session() as session:
            if not of_this_database(session, manifest):
                tell("磁盘上的索引不是由这个数据库建立的，或数据库已恢复到较早的日子，全部重新建立。")
                return None
            if not read_as_now(session, manifest):
                tell("区域的名称或程序已改变，索引全部重新建立。")
                return None
        try:
            return self._store.open(manifest)
        except Damaged as damage:
            log.error("%s", damage)
            tell(f"{damage} 索引全部重新建立。")
            return None

    def _build(self, writer: Writer, tell: Tell) -> Written:
        with self._open_session() as session:
            end, entry_ids = last_row(session), published_entries(session)
            reading, tokeniser = reading_of(session), self._tokeniser(session)

        def documents() -> Iterator[list[Document]]:
            done = 0
            with self._open_session() as session:
                for changes in current_in_batches(session, entry_ids):
                    yield [change.document for change in changes if change.document is not None]
                    done += len(changes)
                    tell(f"正在建立索引：{done} / {len(entry_ids)} 条")

        base = writer.rebuild(documents(), self._encoded, tokeniser, position=end.seq, mark=mark_of(end, reading))
        base, _ = self._append_later(writer, base)
        return Written(self._tidied(writer, base).manifest, len(entry_ids), anew=True)

    def _append_later(self, writer: Writer, base: Base) -> tuple[Base, int]:
        """The base with all that the log holds by now beyond it, and how many entries that were. What comes meanwhile
        waits for the next time: where changes never cease, this must."""
        with self._open_session() as session:
            end = last_row(session).seq
        changed = 0
        while base.manifest.position < end:
            with self._open_session() as session:
                rows = rows_from(session, base.manifest.position + 1)
                entry_ids = sorted({row.entry_id for row in rows if row.entry_id is not None})
                base = self._append(writer, base, current(session, entry_ids), rows[-1], session)
            changed += len(entry_ids)
        return base, changed

    def _append(self, writer: Writer, base: Base, changes: Sequence[Change], row: LogRow, session: Session) -> Base:
        documents = [change.document for change in changes if change.document is not None]
        gone = [change.entry_id for change in changes if change.document is None]
        mark = mark_of(row, reading_in(base.manifest))  # most of it was read so, whatever has changed meanwhile
        return writer.append(
            base, documents, gone, self._encoded(documents), self._tokeniser(session), position=row.seq, mark=mark
        )

    def _tidied(self, writer: Writer, base: Base) -> Base:
        while (merged := writer.merge(base)) is not None:
            base = merged
        writer.clean()
        return base

    def _prune(self, now: datetime) -> None:
        if self._vectors is None:
            return
        try:
            with self._open_session() as session:
                prune(session, self._vectors, now)
        except sqlite3.DatabaseError as error:  # the base is written; the cache is cleared with the next flush
            log.warning("向量缓存没有清理：%s", error)

    def _tokeniser(self, session: Session) -> Tokeniser:
        newest = newest_versions(session)
        return self._tokeniser_with(thesaurus_of(newest) if newest else None)

    def _encoded(self, documents: Sequence[Document]) -> tuple[Matrix, Matrix] | None:
        return encoded(documents, self._vectors)
