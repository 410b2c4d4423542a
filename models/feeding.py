"""The work of feeding an index that lies outside this program, and what was counted of what lies there."""

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identity


class IndexFeed(Base):
    """One such index and how far the change log has been turned into tasks for it."""

    __tablename__ = "index_feeds"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    position: Mapped[int] = mapped_column(Identity)
    """``seq`` of the last row of the change log that has become a task."""
    lengths: Mapped[dict[str, float]] = mapped_column(JSON)
    """Mean lengths of the fields in tokens when the index was begun."""


class FeedTask(Base):
    """An entry that is to be written anew, or taken out. Gone once that is done."""

    __tablename__ = "feed_tasks"

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    feed: Mapped[str] = mapped_column(String(128))
    entry_id: Mapped[int] = mapped_column(Identity)
    seq: Mapped[int] = mapped_column(Identity)
    """Of the change log; 0 for an entry that is written again without having changed."""

    __table_args__ = (Index("ix_feed_tasks_feed", "feed", "id"),)


class FedEntry(Base):
    """An entry as it was last written there."""

    __tablename__ = "fed_entries"

    feed: Mapped[str] = mapped_column(String(128), primary_key=True)
    entry_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    stamp: Mapped[str] = mapped_column(String(16))
    """Of the state in which it was written."""
    counted: Mapped[bytes] = mapped_column(LargeBinary)
    """What it adds to the counts of the whole."""


class FeedCounts(Base):
    """By how much the counts of the whole have changed with one batch. Processes that search read them by ``id``."""

    __tablename__ = "feed_counts"

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    feed: Mapped[str] = mapped_column(String(128))
    whole: Mapped[bool]
    """These are the counts of all there is; earlier rows are gone."""
    counted: Mapped[bytes] = mapped_column(LargeBinary)
    written: Mapped[int] = mapped_column(BigInteger)
    """When, by the clock of the other side, the batch was there."""

    __table_args__ = (Index("ix_feed_counts_feed", "feed", "id"), {"sqlite_autoincrement": True})
