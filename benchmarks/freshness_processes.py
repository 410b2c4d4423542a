"""What runs beside each other while freshness is measured: those who publish, and services that are asked.

All are processes of their own, begun anew, and share one clock: CLOCK_MONOTONIC.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from queue import Empty, PriorityQueue
from threading import Thread
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api import asking
from api.clock import utc_now
from api.security import caller_of
from api.settings import Settings
from api.wiring import Services, build
from benchmarks import scale_base
from kb_admin import lifecycle
from models.database import open_engine, sessions
from models.knowledge import ChangeLog, Version
from models.organisation import Person
from models.values import VersionStatus

WITHDRAWAL = "测量：下架"
SEARCHING_THREADS = 2
LOOK_SECONDS = 0.001
"""How often a process looks whether a publication has become searchable."""
PATIENCE_SECONDS = 15.0
"""After the last publication, for those that are still on their way."""
STARTING_SECONDS = 600.0
PROBE, ASIDE = 0, 1
"""What has just been published or withdrawn is asked for before anything else."""


@dataclass(frozen=True)
class Act:
    """One publication, or one withdrawal, that was committed."""

    entry_id: int
    version_id: int
    question: str
    seq: int
    """Of its row in the change log."""
    begun: float
    """When its commit began."""
    withdrawn: bool


@dataclass
class Published:
    """What one publisher did."""

    acts: int = 0
    commit_ms: list[float] = field(default_factory=list)
    processor_seconds: float = 0.0
    late_seconds: float = 0.0
    """How far it was behind its schedule at the end."""


@dataclass
class Watched:
    """What one service process saw."""

    searchable_ms: list[float] = field(default_factory=list)
    """From the commit of a publication until the index held it."""
    found_ms: list[float] = field(default_factory=list)
    """From the commit of a publication until the response to a search that has it."""
    search_ms: list[float] = field(default_factory=list)
    responses: int = 0
    asked_for_withdrawn: int = 0
    withdrawn_shown: int = 0
    """Responses with an entry whose withdrawal was acknowledged before the search began."""
    missed: list[str] = field(default_factory=list)
    """Questions of publications that the index held and a search did not return."""
    unseen: int = 0
    """Publications that the index did not hold in the end."""
    faults: list[str] = field(default_factory=list)
    processor_seconds: float = 0.0
    seconds: float = 0.0
    """From the start to the last response."""


def publish(
    settings: Settings,
    work: Sequence[tuple[float, int, bool]],
    gone: Any,
    news: Sequence[Connection],
    control: Connection,
) -> None:
    """Publish and withdraw to a schedule: seconds after the start, a version's or an entry's id, whether withdrawn.

    ``gone`` holds by entry id when the withdrawal was acknowledged; every act goes to all of ``news``.
    """
    engine = open_engine(settings.database_url)
    open_session = sessions(engine)
    done = Published()
    control.send("ready")
    start: float = control.recv()
    used = time.process_time()
    for after, number, withdrawn in work:
        time.sleep(max(0.0, start + after - time.monotonic()))
        with open_session() as session:
            act = _act(session, number, withdrawn=withdrawn)
        ended = time.monotonic()
        if withdrawn:
            gone[act.entry_id] = ended
        for one in news:
            one.send(act)
        done.acts += 1
        done.commit_ms.append((ended - act.begun) * 1000)
        done.late_seconds = max(0.0, ended - start - after)
    done.processor_seconds = time.process_time() - used
    for one in news:
        one.send(None)
    control.send(done)
    engine.dispose()


def _act(session: Session, number: int, *, withdrawn: bool) -> Act:
    """As the office does it on its page: one transaction."""
    office = session.scalars(select(Person).where(Person.login == scale_base.OFFICE)).one()
    if withdrawn:
        version = session.scalars(
            select(Version).where(Version.entry_id == number, Version.status == VersionStatus.PUBLISHED)
        ).one()
        lifecycle.withdraw(session, version, WITHDRAWAL, actor=office, now=utc_now())
    else:
        version = session.get_one(Version, number)
        lifecycle.publish(session, version, actor=office, now=utc_now())
    session.flush()
    seq = session.scalar(select(func.max(ChangeLog.seq)).where(ChangeLog.entry_id == version.entry_id))
    assert seq is not None
    entry_id, version_id, question = version.entry_id, version.id, version.question
    begun = time.monotonic()
    session.commit()
    return Act(entry_id, version_id, question, seq, begun, withdrawn)


def serve(
    settings: Settings,
    asides: Sequence[tuple[float, str]],
    gone: Any,
    news: Sequence[Connection],
    control: Connection,
) -> None:
    """A whole service but its web server: it follows the base, and is asked what was published, what was withdrawn, and
    ``asides``: other questions, seconds after the start."""
    services = build(settings)
    services.start()
    try:
        until = time.monotonic() + STARTING_SECONDS
        while (not len(services.index) or services.follower.lag()) and time.monotonic() < until:
            time.sleep(0.05)
        service = _Asked(services, gone)
        service.ask("先问一次", None)
        control.send("ready")
        start: float = control.recv()
        control.send(service.run(start, asides, news))
    finally:
        services.close()


class _Asked:
    """Threads that search, and one that decides what is asked next."""

    def __init__(self, services: Services, gone: Any) -> None:
        self._services = services
        self._gone = gone
        self._queue: PriorityQueue[tuple[int, int, str, Act | None]] = PriorityQueue()
        self._numbers = count()
        self._seen = Watched()
        self._over = False
        with services.open_session() as session:
            person = session.scalars(select(Person).where(Person.login == scale_base.agent(1))).one()
            self._agent = caller_of(session, person, "", utc_now())

    def run(self, start: float, asides: Sequence[tuple[float, str]], news: Sequence[Connection]) -> Watched:
        self._seen = Watched()
        threads = [Thread(target=self._work) for _ in range(SEARCHING_THREADS)]
        for thread in threads:
            thread.start()
        used = time.process_time()
        self._dispatch(start, asides, list(news))
        self._over = True
        for thread in threads:
            thread.join()
        self._seen.processor_seconds = time.process_time() - used
        self._seen.seconds = time.monotonic() - start
        return self._seen

    def _dispatch(self, start: float, asides: Sequence[tuple[float, str]], news: list[Connection]) -> None:
        """Until all publishers are done, everything is searchable, and everything was asked."""
        waiting: list[Act] = []
        later = deque(asides)
        ended = None
        while news or waiting or later:
            now = time.monotonic()
            for one in [one for one in news if one.poll()]:
                act = one.recv()
                if act is None:
                    news.remove(one)
                elif act.withdrawn:
                    self._queue.put((PROBE, next(self._numbers), act.question, act))
                else:
                    waiting.append(act)
            position = self._services.follower.position
            for act in [act for act in waiting if act.seq <= position]:
                waiting.remove(act)
                self._seen.searchable_ms.append((now - act.begun) * 1000)
                self._queue.put((PROBE, next(self._numbers), act.question, act))
            while later and start + later[0][0] <= now:
                self._queue.put((ASIDE, next(self._numbers), later.popleft()[1], None))
            if not news and not later:
                ended = ended or now
                if now > ended + PATIENCE_SECONDS:
                    break
            time.sleep(LOOK_SECONDS)
        self._seen.unseen = len(waiting)

    def _work(self) -> None:
        while True:
            try:
                _, _, question, act = self._queue.get(timeout=0.05)
            except Empty:
                if self._over:
                    return
                continue
            try:
                self.ask(question, act)
            except OperationalError as error:
                self._seen.faults.append(str(error.orig))

    def ask(self, question: str, act: Act | None) -> None:
        """One question of an agent, up to its answer; nothing is written down."""
        began = time.monotonic()
        with self._services.open_session() as session:
            found = asking.find(self._services, session, question, self._agent, utc_now())
            shown = {answer.version.id: answer.version.entry_id for answer in found.answers}
        ended = time.monotonic()
        seen = self._seen
        seen.responses += 1
        seen.search_ms.append((ended - began) * 1000)
        seen.withdrawn_shown += any(0 < self._gone[entry_id] < began for entry_id in shown.values())
        if act is None:
            return
        if act.withdrawn:
            seen.asked_for_withdrawn += 1
        elif act.version_id in shown:
            seen.found_ms.append((ended - act.begun) * 1000)
        else:
            seen.missed.append(question)
