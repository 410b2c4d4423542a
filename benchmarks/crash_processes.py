"""The processes that ``benchmarks.crash`` kills: some that search and follow, one that publishes, one that writes."""

import logging
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from time import perf_counter, sleep
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from api.settings import Settings
from api.wiring import build as build_services
from api.wiring import indexer_of, load_encoder, store_of, vectors_of
from ingest.comparing import Held, differences
from ingest.follower import Follower
from kb_admin import lifecycle
from kb_admin.rules_in_force import ensure_adopted
from models.database import open_engine, sessions
from models.errors import ZhidaError
from models.knowledge import Version
from models.organisation import Region, Unit
from models.values import EntryContent, Level, VersionStatus, Viewer
from retrieval.documents import Change, Document
from retrieval.embedded import EmbeddedIndex
from retrieval.store import Busy

FORK = multiprocessing.get_context("fork")
ALL = Viewer(everything=True)
UNIT, CITY = "演练局", "演练市"
PATIENCE_SECONDS = 120.0
"""For an answer of one of the processes."""
PAUSE_SECONDS = 0.01
REBUILT_ONCE_IN = 40
"""Flushes."""
SUBJECTS = ("社会保障卡", "居住证", "公积金", "医疗保险", "养老金", "营业执照", "不动产", "驾驶证", "学区", "水费")
ASPECTS = ("怎样办理", "要带什么材料", "多久能办好", "在哪里办", "收不收费", "可以代办吗", "网上能办吗", "丢了怎么办")


@dataclass(frozen=True)
class Compared:
    """What a process that searches says of itself, since it was asked last."""

    wrong: tuple[int, ...]
    """Entries of its index that are not as the database has them."""
    entries: int
    generation: int
    """Of the base that it searches; 0: all in memory."""
    swaps: int
    searches: int
    failed: int
    slowest_ms: float


class Actor:
    """A process and the line to it."""

    def __init__(self, name: str, work: Callable[..., None], settings: Settings, *given: Any) -> None:
        self.name = name
        self._work = work
        self._given = (settings, *given)
        self._process: Any = None
        self._line: Connection | None = None

    def start(self, *given: Any) -> None:
        """Begin; ``given`` comes after what it is given each time."""
        self._line, theirs = FORK.Pipe()
        self._process = FORK.Process(target=_alone, args=(self._work, theirs, *self._given, *given), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def ended_by(self) -> int:
        """The signal; 0 when it ended by itself."""
        return max(0, -(self._process.exitcode or 0))

    def hear(self) -> Any:
        """What it says next. Raises EOFError when it dies instead, TimeoutError when it says nothing."""
        assert self._line is not None
        try:
            if not self._line.poll(PATIENCE_SECONDS):
                raise TimeoutError(self.name)
            return self._line.recv()
        except (OSError, EOFError) as error:
            raise EOFError(self.name) from error

    def ask(self, what: str) -> Any:
        """What it answers; raises as ``hear`` does."""
        assert self._line is not None
        try:
            self._line.send(what)
        except OSError as error:
            raise EOFError(self.name) from error
        return self.hear()

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def stop(self) -> None:
        if self.alive:
            with suppress(EOFError, TimeoutError):
                self.ask("stop")
            if not self.wait(10):
                self.kill()


def warm_up() -> None:
    """What every process needs is loaded once, before they are forked off."""
    index = EmbeddedIndex(None)
    index.apply([Change(1, Document(1, 1, question="社会保障卡怎样补领"))])
    index.search("补领社会保障卡", ALL, utc_now())


def establish(settings: Settings, entries: int) -> None:
    """A city, a unit, and so many published entries."""
    with _opened(settings) as open_session, open_session() as session:
        city = Region(name=CITY, level=Level.CITY)
        session.add_all([city, Unit(name=UNIT, level=Level.CITY, region=city)])
        ensure_adopted(session, now=utc_now())
        session.commit()
        chance = random.Random(0)
        for _ in range(entries):
            _publish_new(session, chance)
        session.commit()


def serve(line: Connection, settings: Settings) -> None:
    """The parts of a service: follows, searches without end, and compares itself when asked."""
    chance, started = random.Random(os.getpid()), perf_counter()
    with closing(build_services(settings)) as services:
        index, follower = services.index, services.follower
        assert isinstance(index, EmbeddedIndex)
        assert isinstance(follower, Follower)
        follower.catch_up()
        follower.start()
        searches = failed = swaps = 0
        slowest, held = 0.0, follower.base
        line.send(perf_counter() - started)
        while True:
            if line.poll(PAUSE_SECONDS):
                asked = line.recv()
                if asked == "stop":
                    return line.send(None)
                follower.catch_up()
                parts = index.generation.parts
                found = differences(
                    services.open_session, Held.of([(p.segment, p.live_rows) for p in parts]), follower.position
                )
                generation = follower.base.generation if follower.base else 0
                line.send(Compared(found.all, len(services.index), generation, swaps, searches, failed, slowest))
                searches = failed = swaps = 0
                slowest = 0.0
            begun = perf_counter()
            try:
                services.index.search(_question(chance), ALL, utc_now(), 5)
            except Exception:  # noqa: BLE001 - whatever it is, an agent would have got no answer
                failed += 1
            slowest = max(slowest, (perf_counter() - begun) * 1000)
            searches += 1
            swaps += follower.base != held
            held = follower.base


def publish(line: Connection, settings: Settings) -> None:
    """Publishes, rewords and withdraws without end; rests while it is told to."""
    chance = random.Random(os.getpid())
    done = refused = 0
    with _opened(settings) as open_session:
        line.send(None)
        while True:
            while line.poll(PAUSE_SECONDS):
                asked = line.recv()
                line.send((done, refused))
                if asked == "stop":
                    return
                done = refused = 0
                if asked == "rest":
                    line.recv()
                    line.send((done, refused))
            try:
                with open_session() as session:
                    _change_something(session, chance)
                    session.commit()
                done += 1
            except (SQLAlchemyError, ZhidaError):
                refused += 1
                sleep(10 * PAUSE_SECONDS)


def write(line: Connection, settings: Settings, dies_at: int | None = None) -> None:
    """Flushes and merges without end, now and then builds anew; rests while it is told to.

    ``dies_at``: SIGKILL before so many-th opening, renaming or deleting of a file of the index.
    """
    encoder = load_encoder(settings)
    store, vectors = store_of(settings, encoder), vectors_of(settings, encoder)
    if dies_at is not None:
        _die_at(str(settings.index_folder), dies_at)
    done = refused = turn = 0
    with _opened(settings) as open_session:
        indexer = indexer_of(settings, open_session, store, vectors)
        line.send(None)
        while True:
            while line.poll(PAUSE_SECONDS):
                asked = line.recv()
                line.send((done, refused))
                if asked == "stop":
                    return
                done = refused = 0
                if asked == "rest":
                    line.recv()
                    line.send((done, refused))
            try:
                turn += 1
                if turn % REBUILT_ONCE_IN == 0:
                    indexer.rebuild(_silent)
                else:
                    indexer.flush(_silent, now=utc_now())
                done += 1
            except (OSError, SQLAlchemyError, Busy):
                refused += 1
                sleep(10 * PAUSE_SECONDS)


def check(line: Connection, settings: Settings) -> None:
    """What is on disk: sentences of what is wrong with it."""
    encoder = load_encoder(settings)
    with _opened(settings) as open_session:
        found = indexer_of(settings, open_session, store_of(settings, encoder), None).verify(_silent)
    wrong = found.differences.all if found.differences else ()
    line.send((*found.faults, *(f"条目 {entry_id} 与数据库不符" for entry_id in wrong)))


def once(work: Callable[..., None], settings: Settings, *given: Any) -> Any:
    """What a process that does one thing says in the end. Raises EOFError when it dies before."""
    actor = Actor(work.__name__, work, settings, *given)
    actor.start()
    try:
        return actor.hear()
    finally:
        actor.wait(PATIENCE_SECONDS)


def _alone(work: Callable[..., None], line: Connection, *given: Any) -> None:
    """In the new process: nothing is printed, and Ctrl+C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    with suppress(EOFError, BrokenPipeError):
        work(line, *given)
    os._exit(0)


def _silent(_: str) -> None:
    pass


@contextmanager
def _opened(settings: Settings) -> Iterator[sessionmaker[Session]]:
    """The sessions of a process of its own."""
    engine = open_engine(settings.database_url)
    yield sessions(engine)
    engine.dispose()


def _die_at(folder: str, step: int) -> None:
    seen = 0

    def count(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in ("open", "os.rename", "os.remove", "fcntl.flock") and folder in str(given[0]):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _question(chance: random.Random) -> str:
    return f"{chance.choice(SUBJECTS)}{chance.choice(ASPECTS)}"


def _content(chance: random.Random) -> EntryContent:
    number = chance.randrange(10**6)
    subject, aspect = chance.choice(SUBJECTS), chance.choice(ASPECTS)
    return EntryContent(
        question=f"{subject}{number}号{aspect}",
        answer=f"{subject}{number}号业务请到政务大厅办理，{aspect}以窗口答复为准。",
        unit=UNIT,
        region=CITY,
        similar=(f"{number}号{subject}", f"我想问{subject}{number}{aspect}"),
        info_type="办事指南",
    )


def _publish_new(session: Session, chance: random.Random) -> None:
    now = utc_now()
    version = lifecycle.create_entry(session, _content(chance), actor=None, now=now)
    lifecycle.submit(session, version, actor=None, now=now)
    lifecycle.publish(session, version, actor=None, now=now)


def _change_something(session: Session, chance: random.Random) -> None:
    """A new entry, a new version of one, or one less."""
    now, kind = utc_now(), chance.random()
    if kind < 0.5:
        return _publish_new(session, chance)
    live = session.scalars(select(Version.id).where(Version.status == VersionStatus.PUBLISHED)).all()
    version = session.get_one(Version, chance.choice(live))
    if kind < 0.75 and len(live) > 100:
        return lifecycle.withdraw(session, version, "演练", actor=None, now=now)
    content = replace(_content(chance), question=version.question)
    new = lifecycle.add_version(session, version.entry, content, actor=None, now=now)
    lifecycle.submit(session, new, actor=None, now=now)
    lifecycle.publish(session, new, actor=None, now=now)
    return None
