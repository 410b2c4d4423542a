"""The follower is woken when the change log has grown, and goes on without being woken."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from ingest.follower import Follower
from ingest.waking import Bell
from kb_admin.change_log import record_changes
from models.database import sessions
from models.values import Viewer
from retrieval.embedded import EmbeddedIndex
from tests.cast import LOST_CARD, NOW, Cast, published

ALL = Viewer(everything=True)
FOREVER = 60.0
"""Seconds; whoever waits so long was not woken."""


@pytest.fixture
def bell(engine: Engine) -> Iterator[Bell]:
    made = Bell(engine)
    yield made
    made.close()


@pytest.fixture
def woken(bell: Bell) -> Iterator[threading.Event]:
    """Set by one who waits for the log to grow."""
    woken, stopping = threading.Event(), threading.Event()
    bell.wait(stopping, 0.0)
    bell.wait(stopping, 0.0)

    def wait() -> None:
        bell.wait(stopping, FOREVER)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    yield woken
    stopping.set()
    thread.join()


def test_who_waits_is_woken_by_a_commit(session: Session, woken: threading.Event) -> None:
    record_changes(session, [1], now=NOW)
    session.commit()
    assert woken.wait(FOREVER / 2)


def test_what_came_before_waiting_is_not_missed(session: Session, bell: Bell) -> None:
    never = threading.Event()
    bell.wait(never, 0.0)
    record_changes(session, [1], now=NOW)
    session.commit()
    over = threading.Event()
    thread = threading.Thread(target=lambda: (bell.wait(never, FOREVER), over.set()), daemon=True)
    thread.start()
    assert over.wait(FOREVER / 2)


def test_without_changes_the_pause_ends(bell: Bell) -> None:
    for _ in range(3):
        bell.wait(threading.Event(), 0.01)


def test_a_connection_that_breaks_is_no_fault(session: Session, engine: Engine, bell: Bell) -> None:
    never = threading.Event()
    bell.wait(never, 0.0)
    if engine.dialect.name == "postgresql":
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        session.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
    else:
        session.execute(text("DROP TABLE change_log"))
        session.commit()
    for _ in range(3):
        bell.wait(never, 0.01)


def test_a_follower_that_is_woken_has_everything(session: Session, cast: Cast, engine: Engine) -> None:
    index = EmbeddedIndex(None)
    follower = Follower(sessions(engine), index)
    follower.catch_up()
    follower.start()
    try:
        live = published(session, LOST_CARD)
        waiting = threading.Event()
        while not index.search(LOST_CARD.question, ALL, NOW).hits and follower.running:
            waiting.wait(0.005)
        assert [hit.version_id for hit in index.search(LOST_CARD.question, ALL, NOW).hits] == [live.id]
    finally:
        follower.stop()
