"""Compares what lies in Milvus with the database, entry by entry, and has put right what differs."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ingest.comparing import Differences
from ingest.feeding import Feeder
from ingest.log_rows import current_in_batches, entries_between, last_row, published_entries
from models.feeding import FedEntry, FeedTask, IndexFeed
from retrieval.milvus_rows import packed, stamp_of

Tell = Callable[[str], None]


@dataclass(frozen=True)
class FeedStatus:
    """Both sides, in numbers."""

    name: str
    published: int
    stored: int
    tasks: int
    """Entries that wait to be written."""
    behind: int
    """Rows of the log that are not yet tasks."""


@dataclass(frozen=True)
class FeedVerified:
    """What a comparison found."""

    differences: Differences
    torn: tuple[int, ...]
    """Entries of which phrasings are missing, or of an older state."""
    miscounted: bool
    """The counts that searches go by are not the sum of what lies there."""

    @property
    def sound(self) -> bool:
        return not (self.differences.all or self.torn or self.miscounted)


class FeedBackend:
    """Status, rebuilding and comparison of an index in Milvus."""

    def __init__(self, open_session: sessionmaker[Session], feeder: Feeder) -> None:
        self._open_session = open_session
        self._feeder = feeder

    def status(self) -> FeedStatus:
        """Read from both sides; nothing is changed."""
        store = self._feeder.store
        with self._open_session() as session:
            feed = session.get(IndexFeed, store.name)
            behind = last_row(session).seq - (feed.position if feed else 0)
            published = len(published_entries(session))
        stored = sum(1 for _ in store.stamps()) if store.exists() else 0
        return FeedStatus(store.name, published, stored, self._feeder.waiting(), behind)

    def rebuild(self, tell: Tell) -> int:
        """Write every published entry again, and take out what is not published; searches go on meanwhile. How many
        were written."""
        self._feeder.prepare()
        with self._open_session() as session:
            fed = set(session.scalars(select(FedEntry.entry_id).where(FedEntry.feed == self._feeder.name)))
            entry_ids = sorted(fed.union(published_entries(session)))
        self._feeder.write_again(entry_ids)
        self._work_off(tell)
        self._feeder.count_anew()
        self._feeder.store.settle()
        return len(entry_ids)

    def verify(self, tell: Tell) -> FeedVerified:
        """Compare; entries that are just waiting to be written are left out."""
        self._feeder.prepare()
        self._work_off(tell)
        store = self._feeder.store
        stored = dict(store.stamps())
        phrasings: dict[int, Counter[str]] = {}
        for entry_id, stamp in store.phrasing_stamps():
            phrasings.setdefault(entry_id, Counter())[stamp] += 1
        missing, differing, torn, compared = [], [], [], 0
        with self._open_session() as session:
            published = published_entries(session)
            for changes in current_in_batches(session, published):
                for change in changes:
                    if change.document is None:
                        continue  # withdrawn meanwhile
                    stamp = stamp_of(packed(change.document))
                    if change.entry_id not in stored:
                        missing.append(change.entry_id)
                    elif stored[change.entry_id] != stamp:
                        differing.append(change.entry_id)
                    elif phrasings.get(change.entry_id) != {stamp: len(change.document.phrasings)}:
                        torn.append(change.entry_id)
                compared += len(changes)
                tell(f"已核对 {compared} / {len(published)} 条")
            superfluous = sorted((stored.keys() | phrasings.keys()) - set(published))
            busy = self._waiting(session)
            miscounted = self._miscounted(session, stored)
        differences = Differences(
            compared=len(published),
            missing=tuple(i for i in missing if i not in busy),
            superfluous=tuple(i for i in superfluous if i not in busy),
            differing=tuple(i for i in differing if i not in busy),
        )
        return FeedVerified(differences, tuple(i for i in torn if i not in busy), miscounted)

    def repair(self, found: FeedVerified, tell: Tell) -> None:
        """Write anew what differs, and let the counts be those of what lies there."""
        self._feeder.write_again(sorted({*found.differences.all, *found.torn}))
        self._work_off(tell)
        self._feeder.count_anew()

    def _work_off(self, tell: Tell) -> None:
        """Until no task is left that nobody else has claimed."""
        while self._feeder.feed():
            tell(f"还有 {self._feeder.waiting()} 条待写入")

    def _waiting(self, session: Session) -> frozenset[int]:
        """Entries that changed while we compared."""
        position = session.scalar(select(IndexFeed.position).where(IndexFeed.name == self._feeder.name)) or 0
        waiting = select(FeedTask.entry_id).where(FeedTask.feed == self._feeder.name)
        return frozenset((*session.scalars(waiting), *entries_between(session, position, last_row(session).seq)))

    def _miscounted(self, session: Session, stored: Mapping[int, str]) -> bool:
        fed = select(func.count()).where(FedEntry.feed == self._feeder.name)
        if session.scalar(fed) != len(stored):
            return True
        return self._feeder.sum_of_entries(session) != self._feeder.sum_of_changes(session)
