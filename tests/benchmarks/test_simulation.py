"""A small month of a city's life under every rulebook, and a recount that would notice what is wrong."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from benchmarks.simulation.cli import app, recount
from benchmarks.simulation.ledger import Act
from benchmarks.simulation.month import Plan, play
from benchmarks.simulation.plain_time import PlainCalendar
from benchmarks.simulation.report import outcome, table
from benchmarks.simulation.world import World
from benchmarks.simulation.written_rules import read_rules
from kb_admin.rulebook_files import SHIPPED, load_shipped
from models.database import open_engine, sessions
from models.errors import NotFound
from models.knowledge import Transition, Version
from models.messages import Notification
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.values import CHINA, ClockEventKind, VersionStatus

SMALL = {"entries": 40, "units": 4}
"""A base and a city that are played through in some seconds."""


def _plan(name: str, *, seed: int = 1) -> Plan:
    return Plan(read_rules(name), seed, 2026, 10, SMALL["entries"], timedelta(minutes=60), SMALL["units"])


@dataclass(frozen=True)
class Played:
    plan: Plan
    world: World
    engine: Engine


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """One month that the tests below look at, and change only in transactions that they give up."""
    url = f"sqlite:///{tmp_path_factory.mktemp('month') / 'base.db'}"
    plan = _plan("default")
    world = play(plan, url)
    engine = open_engine(url)
    yield Played(plan, world, engine)
    engine.dispose()


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "default"])
def test_the_recount_of_a_month_agrees_under_every_rulebook(name: str, sqlite_url: str) -> None:
    plan = _plan(name)
    world = play(plan, sqlite_url)
    engine = open_engine(sqlite_url)
    with sessions(engine)() as session:
        assert recount(session, plan, world) == []
        assert session.scalars(select(Clock.id)).all()
    engine.dispose()
    assert world.ledger.strangers_refused > 0


def test_the_recount_agrees_and_the_last_line_says_so(played: Played) -> None:
    with sessions(played.engine)() as session:
        found = recount(session, played.plan, played.world)
        result = outcome(session, played.plan, played.world.ledger, units=4, differences=found, seconds=1.0)
    line = json.loads(result.as_json())
    assert line["recount_agrees"] is True
    assert line["rulebook"] == "default"
    assert line["month"] == "2026-10"
    for name, tally in line["clocks"].items():
        fared = tally["on_time"] + tally["overdue"] + tally["open"] + tally["cancelled"]
        assert fared == tally["started"], name
        assert tally["escalated"] <= tally["overdue"], name
    assert "独立重算与库中记录完全一致" in table(result)


def test_a_month_holds_what_a_city_does(played: Played) -> None:
    done = {deed.act for deed in played.world.ledger.deeds}
    assert {
        Act.SUBMITTED,
        Act.APPROVED,
        Act.SENT_BACK,
        Act.AMENDED,
        Act.PUBLISHED,
        Act.LOOKED_AT,
        Act.DISPATCHED,
        Act.SIGNED,
        Act.COMPLETED,
    } <= done
    with sessions(played.engine)() as session:
        reached = set(session.scalars(select(Transition.to_status)))
    assert {VersionStatus.EXPIRED, VersionStatus.SUPERSEDED, VersionStatus.CHECKED} <= reached


def test_the_workers_were_stopped_for_thirty_hours(played: Played) -> None:
    assert played.world.ledger.stopped is not None
    begins, ends = played.world.ledger.stopped
    assert ends - begins == timedelta(hours=30)


Damage = Callable[[Session], object]
DAMAGES: dict[str, Damage] = {
    "a clock's event is dated a second later": lambda s: _shift(s, ClockEvent, ClockEvent.at),
    "a clock's event is lost": lambda s: s.execute(
        delete(ClockEvent).where(ClockEvent.id == _first(s, ClockEvent.id, ClockEvent.kind == ClockEventKind.EXPIRED))
    ),
    "a clock is due a second later": lambda s: _shift(s, Clock, Clock.due_at),
    "a unit was to be called and is not on the list": lambda s: s.execute(
        delete(CallTask).where(CallTask.id == _first(s, CallTask.id))
    ),
    "a message did not arrive": lambda s: s.execute(
        delete(Notification).where(
            Notification.id == _first(s, Notification.id, Notification.event.startswith("clock:"))
        )
    ),
    "a message arrived twice": lambda s: s.add(_copy(s)),
    "a move is dated a second later": lambda s: _shift(s, Transition, Transition.at),
    "a move is lost": lambda s: s.execute(delete(Transition).where(Transition.id == _first(s, Transition.id))),
    "a version stands elsewhere": lambda s: s.execute(
        update(Version)
        .where(Version.id == _first(s, Version.id, Version.status == VersionStatus.SUPERSEDED))
        .values(status=VersionStatus.WITHDRAWN)
    ),
    "a notice was dispatched at another time": lambda s: _shift(s, Notice, Notice.dispatched_at),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_the_recount_notices_when(what: str, played: Played) -> None:
    with sessions(played.engine)() as session:
        DAMAGES[what](session)
        session.flush()
        session.expire_all()
        assert recount(session, played.plan, played.world) != []
        session.rollback()


def test_the_recount_notices_a_check_that_nobody_made(played: Played) -> None:
    deeds = list(played.world.ledger.deeds)
    approved = next(deed for deed in deeds if deed.act is Act.APPROVED)
    deeds[deeds.index(approved)] = replace(approved, parties=("agent",))
    world = replace(played.world, ledger=replace(played.world.ledger, deeds=deeds))
    with sessions(played.engine)() as session:
        assert any("通过，应由" in line for line in recount(session, played.plan, world))


def test_the_same_seed_gives_the_same_month(played: Played, sqlite_url: str) -> None:
    again = play(played.plan, sqlite_url)
    assert again.ledger == played.world.ledger


@pytest.mark.parametrize("name", SHIPPED)
def test_the_plain_reading_of_a_rulebook_finds_its_routes_and_limits(name: str) -> None:
    written, read = read_rules(name), load_shipped(name)
    assert list(written.routes) == [route.name for route in read.routes]
    assert {name: clock.limit for name, clock in written.clocks.items()} == {
        name: str(clock.limit).removesuffix("s") if clock.limit.count == 1 else str(clock.limit)
        for name, clock in read.clocks.items()
    }


@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        ("2026-09-29T16:40", "5 working_days", "2026-10-12T17:30"),  # 30 Sep, 8, 9, make-up Saturday 10, 12 Oct
        ("2026-09-30T16:59", "1 working_hour", "2026-10-08T09:29"),  # 31 minutes before the holiday, 29 after it
        ("2026-10-09T11:30", "1 working_hour", "2026-10-09T14:00"),  # over lunch
        ("2026-10-09T16:00", "22 hours", "2026-10-10T14:00"),
        ("2026-10-01T00:00", "1 month", "2026-11-01T00:00"),
    ],
)
def test_plain_counting_agrees_with_the_calendar_on_the_wall(start: str, limit: str, due: str) -> None:
    calendar = PlainCalendar(read_rules("default").hours)
    assert calendar.due(_local(start), limit) == _local(due)


def test_a_file_of_ones_own_is_played_too(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[rulebook]\nname = "own"\ntitle = "自定规则"\n', encoding="utf-8")
    assert read_rules(str(own)).clocks == read_rules("default").clocks


def test_a_rulebook_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="default"):
        read_rules("nowhere")


def test_the_command_says_what_is_wrong_with_a_month() -> None:
    said = CliRunner().invoke(app, ["month", "--rulebook", "default", "--month", "2026-13"])
    assert "2026-13" in str(said.exception)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)


def _first(session: Session, column, *where):  # type: ignore[no-untyped-def]
    return session.scalars(select(column).where(*where).order_by(column).limit(1)).one()


def _shift(session: Session, table, column) -> None:  # type: ignore[no-untyped-def]
    row = session.get(table, _first(session, table.id, column.is_not(None)))
    setattr(row, column.key, getattr(row, column.key) + timedelta(seconds=1))


def _copy(session: Session) -> Notification:
    known = session.get_one(Notification, _first(session, Notification.id, Notification.event.startswith("notice:")))
    return Notification(
        person_id=known.person_id, event="notice:9999:completed", text="多发的", address="/", at=known.at
    )
