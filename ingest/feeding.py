"""Feeds Milvus: rows of the change log become tasks, and any number of feeders on any machines work them off.

On PostgreSQL a feeder claims tasks with SKIP LOCKED and holds them in its transaction while it writes to Milvus: the
part of one that dies is free at once. SQLite is one machine's: there one feeder at a time holds a file.
"""

import fcntl
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session, sessionmaker

from ingest.log_rows import current, last_row, published_entries, row_at, rows_from
from models.feeding import FedEntry, FeedCounts, FeedTask, IndexFeed
from retrieval.counts import Counts, counts_of
from retrieval.embedded import TextEncoder
from retrieval.milvus_rows import Lengths
from retrieval.milvus_store import MilvusStore
from retrieval.milvus_writing import Written, write
from retrieval.segment import Segment
from retrieval.tokens import Tokeniser
from retrieval.vocabulary import Vocabularies, Vocabulary

BATCH = 100
"""Entries written at a time: a second's work with a model, so that nobody waits long for one that is held."""
COMPACTED_AT = 500
"""Rows of counts that a process reads when it starts, before they are added up into one."""
SAMPLE = 500
"""Entries from which the mean lengths are taken when an index is begun."""
FEED_LOCK = 0x5A48_4645
"""Key of PostgreSQL's advisory lock: counts are added in turns, so that ``id`` is also the order of commits."""

log = logging.getLogger(__name__)


class Feeder:
    """One of those that feed an index."""

    def __init__(
        self,
        open_session: sessionmaker[Session],
        store: MilvusStore,
        encoder: TextEncoder | None,
        tokeniser: Callable[[], Tokeniser],
        lock_file: Path,
    ) -> None:
        """``tokeniser``: the one that holds now. ``lock_file``: for SQLite, beside the database."""
        self._open_session = open_session
        self.store = store
        self._encoder = encoder
        self._tokeniser = tokeniser
        self._lock_file = lock_file

    @property
    def name(self) -> str:
        """Of the feed: that of the index in Milvus."""
        return self.store.name

    def prepare(self) -> None:
        """Begin the index when it is not there, or holds the entries of another base: all published ones are tasks."""
        with self._in_turn() as mine, self._open_session() as session:
            if not mine:
                return
            _take_turns(session)
            feed = session.get(IndexFeed, self.name)
            there = self.store.exists()
            if there:
                self.store.create()  # it may have to be loaded
            if there and feed is not None and self._is_ours(session):
                return
            log.warning("Milvus 中的索引 %s 不存在，或属于另一个数据库：从头写入。", self.name)
            with self._open_session() as other:  # killed from here on, we begin anew next time
                other.execute(delete(IndexFeed).where(IndexFeed.name == self.name))
                other.commit()
            session.expunge_all()
            if there:
                self.store.drop()
            self.store.create()
            for table in (FedEntry, FeedCounts, FeedTask):
                session.execute(delete(table).where(table.feed == self.name))
            published = published_entries(session)
            end = last_row(session)
            lengths = self._lengths(session, published)
            session.add(IndexFeed(name=self.name, position=end.seq, lengths=asdict(lengths)))
            self._add_tasks(session, published)
            self._add_counts(session, Counts(), whole=True)
            self.store.leave_mark(f"{end.seq} {end.mark}")
            session.commit()

    def feed(self) -> int:
        """Work off a batch; how many entries were written or taken out. 0: there is nothing to do, or others do it."""
        with self._in_turn() as mine:
            if not mine:
                return 0
            with self._open_session() as session:
                self._plan(session)
            with self._open_session() as session:
                return self._work(session)

    def write_again(self, entry_ids: Sequence[int]) -> None:
        """Make tasks of these entries though they have not changed."""
        with self._open_session() as session:
            self._add_tasks(session, entry_ids)
            session.commit()

    def waiting(self) -> int:
        """Tasks that are left."""
        with self._open_session() as session:
            return session.scalar(select(func.count()).where(FeedTask.feed == self.name)) or 0

    def count_anew(self) -> None:
        """Let the counts of the whole be the sum of what lies there."""
        with self._in_turn(wait=True), self._open_session() as session:
            _take_turns(session)
            whole = self.sum_of_entries(session)
            self._replace_counts(session, whole)
            session.commit()

    def sum_of_entries(self, session: Session) -> Counts:
        """The counts of all entries that lie there, added up."""
        told = select(FedEntry.counted).where(FedEntry.feed == self.name).execution_options(yield_per=500)
        return Counts.total(map(Counts.unpacked, session.scalars(told)))

    def sum_of_changes(self, session: Session) -> Counts:
        """The counts of the whole as processes that search have them."""
        told = select(FeedCounts.counted).where(FeedCounts.feed == self.name).order_by(FeedCounts.id)
        return Counts.total(map(Counts.unpacked, session.scalars(told)))

    def _is_ours(self, session: Session) -> bool:
        """Whether what lies there comes from the log of this database, as far as that goes today."""
        mark = self.store.mark()
        if mark is None:
            return False
        seq, _, told = mark.partition(" ")
        row = row_at(session, int(seq))
        return row is not None and row.mark == told

    def _plan(self, session: Session) -> None:
        """The next rows of the log as tasks; another feeder that is at it is not waited for."""
        mine = select(IndexFeed).where(IndexFeed.name == self.name).with_for_update(skip_locked=True)
        feed = session.scalar(mine)
        rows = rows_from(session, feed.position + 1) if feed else []
        if feed is None or not rows:
            return
        tasks = [{"feed": self.name, "entry_id": row.entry_id, "seq": row.seq} for row in rows if row.entry_id]
        if tasks:
            session.execute(insert(FeedTask), tasks)
        feed.position = rows[-1].seq
        session.commit()

    def _work(self, session: Session) -> int:
        tasks = self._claimed(session)
        if not tasks:
            return 0
        entry_ids = sorted({entry_id for _, entry_id, _ in tasks})
        feed = session.get(IndexFeed, self.name)
        if feed is None:
            return 0
        lengths, newest = Lengths(**feed.lengths), max(seq for *_, seq in tasks)
        changes = current(session, entry_ids)
        row = row_at(session, newest) if newest else None
        if not _is_postgresql(session):
            session.rollback()  # what was read is no reason to refuse the write that follows
        written = write(self.store, changes, self._tokeniser(), self._encoder, lengths)
        if row is not None:
            self.store.leave_mark(f"{row.seq} {row.mark}")
        self._record(session, written)
        session.execute(delete(FeedTask).where(FeedTask.id.in_([task_id for task_id, *_ in tasks])))
        session.commit()
        return len(entry_ids)

    def _claimed(self, session: Session) -> list[tuple[int, int, int]]:
        """Tasks that nobody else works at (id, entry, seq), of entries that nobody else is just writing."""
        free = (
            select(FeedTask.id, FeedTask.entry_id, FeedTask.seq)
            .where(FeedTask.feed == self.name)
            .order_by(FeedTask.seq == 0, FeedTask.id)  # a change does not wait for what is only written again
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        tasks = [(task_id, entry_id, seq) for task_id, entry_id, seq in session.execute(free)]
        if not tasks or not _is_postgresql(session):
            return tasks
        told = text(
            "SELECT entry FROM unnest(CAST(:ids AS bigint[])) AS entry"
            " WHERE pg_try_advisory_xact_lock(hashtextextended(:feed || ':' || entry, 0))"
        )
        ids = sorted({entry_id for _, entry_id, _ in tasks})
        mine = set(session.scalars(told, {"ids": ids, "feed": self.name}))
        return [task for task in tasks if task[1] in mine]

    def _record(self, session: Session, written: Written) -> None:
        """What lies there now, and by how much the counts of the whole have changed."""
        here = (FedEntry.feed == self.name, FedEntry.entry_id.in_(list(written)))
        change = Counts()
        for packed in session.scalars(select(FedEntry.counted).where(*here)):
            change.add(Counts.unpacked(packed), -1)
        session.execute(delete(FedEntry).where(*here))
        for entry_id, state in written.items():
            if state is not None:
                stamp, counts = state
                change.add(counts)
                session.add(FedEntry(feed=self.name, entry_id=entry_id, stamp=stamp, counted=counts.packed()))
        _take_turns(session)
        rows = session.scalar(select(func.count()).where(FeedCounts.feed == self.name)) or 0
        if rows >= COMPACTED_AT:
            whole = self.sum_of_changes(session)
            whole.add(change)
            self._replace_counts(session, whole)
        else:
            self._add_counts(session, change, whole=False)

    def _replace_counts(self, session: Session, whole: Counts) -> None:
        latest = session.scalar(select(func.max(FeedCounts.written)).where(FeedCounts.feed == self.name)) or 0
        self.store.written = max(self.store.written, latest)  # of the rows that go: others may have written later
        session.execute(delete(FeedCounts).where(FeedCounts.feed == self.name))
        self._add_counts(session, whole, whole=True)

    def _add_counts(self, session: Session, counts: Counts, *, whole: bool) -> None:
        told = {"feed": self.name, "whole": whole, "counted": counts.packed(), "written": self.store.written}
        session.execute(insert(FeedCounts), [told])

    def _add_tasks(self, session: Session, entry_ids: Sequence[int]) -> None:
        if entry_ids:
            session.execute(insert(FeedTask), [{"feed": self.name, "entry_id": i, "seq": 0} for i in entry_ids])

    def _lengths(self, session: Session, entry_ids: Sequence[int]) -> Lengths:
        """Mean lengths over a sample; those of usual bases where there is none."""
        step = max(1, len(entry_ids) // SAMPLE)
        sample = list(islice(entry_ids, 0, None, step))[:SAMPLE]
        documents = [change.document for change in current(session, sample) if change.document is not None]
        if not documents:
            return Lengths()
        vocabularies = Vocabularies(Vocabulary(), Vocabulary())
        segment = Segment.build(documents, self._tokeniser(), vocabularies, None)
        counts = Counts.total(counts_of(segment, vocabularies))
        means = {name: counts.fields[name] for name in ("words", "pairs", "answers")}
        return Lengths(**{name: max(1.0, tally.length / max(1, tally.rows)) for name, tally in means.items()})

    @contextmanager
    def _in_turn(self, *, wait: bool = False) -> Iterator[bool]:
        """Whether it is this process's turn; always on PostgreSQL, where feeders share the work."""
        with self._open_session() as session:
            shared = _is_postgresql(session)
        if shared:
            yield True
            return
        with self._lock_file.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _take_turns(session: Session) -> None:
    """Until this transaction ends nobody else adds counts. SQLite has one writer anyway."""
    if _is_postgresql(session):
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FEED_LOCK})
