"""Rights over random cities: the one decision, the filter in SQL, the filter of retrieval, and what leaves by HTTP
must agree with what was made up. ``zhida bench rights``."""

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.app import create_app
from api.clock import utc_now
from api.security import caller_of
from api.settings import Settings
from api.wiring import Services, build
from benchmarks import rights_channels as channels
from benchmarks.rights_channels import Look, Report
from benchmarks.rights_worlds import World, make
from ingest.follower import Follower
from models.database import open_engine, sessions
from models.migrate import upgrade
from models.organisation import Person
from retrieval.embedded import EmbeddedIndex

Say = Callable[[str], None]
BY_SERVICE = 2
"""People of each world who go through the service itself; it takes most of the time."""
TOLD_EXAMPLES = 20


def run(worlds: int, seed: int, say: Say) -> Report:
    """Examine so many random cities; the same seed makes the same ones."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        services, empty = _services(Path(folder))
        for n in range(worlds):
            fresh = _on_fresh_base(services, empty, n)
            with fresh.open_session() as session:
                now = utc_now().replace(microsecond=0)
                world = make(session, random.Random(f"{seed}:{n}"), now)
                fresh.follower.catch_up()
                _examine(report, fresh, session, world, f"{seed}:{n}")
            fresh.engine.dispose()
            report.worlds += 1
            if (n + 1) % 10 == 0:
                decisions, leaks = sum(report.decisions.values()), sum(report.leaks.values())
                say(f"世界 {n + 1} 个，判断 {decisions} 次，泄露 {leaks} 处")
        services.close()
    return report


def told(report: Report) -> str:
    """The report for people; its last line is JSON for programs."""
    lines = [f"世界 {report.worlds} 个，判断 {sum(report.decisions.values())} 次"]
    for channel, decisions in sorted(report.decisions.items()):
        lines.append(f"  {channel}：{decisions} 次，泄露 {report.leaks[channel]}，误拦 {report.held_back[channel]}")
    lines += report.examples[:TOLD_EXAMPLES]
    summary = {
        "worlds": report.worlds,
        "decisions": report.decisions,
        "leaks": report.leaks,
        "held_back": report.held_back,
        "decisions_total": sum(report.decisions.values()),
        "leaks_total": sum(report.leaks.values()),
        "held_back_total": sum(report.held_back.values()),
    }
    return "\n".join([*lines, json.dumps(summary, ensure_ascii=False)])


def _services(folder: Path) -> tuple[Services, Path]:
    """The parts of a process, put together once, and an empty base to begin each world with."""
    empty = folder / "empty.db"
    engine = open_engine(f"sqlite:///{empty}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return build(Settings(data_folder=folder)), empty


def _on_fresh_base(services: Services, empty: Path, n: int) -> Services:
    """The same service on a base of its own, with an index of its own."""
    file = empty.with_name(f"world{n}.db")
    shutil.copyfile(empty, file)
    engine = open_engine(f"sqlite:///{file}")
    open_session = sessions(engine)
    index = EmbeddedIndex(None, tokeniser=services.tokeniser)
    return replace(
        services, engine=engine, open_session=open_session, index=index, follower=Follower(open_session, index)
    )


def _examine(report: Report, services: Services, session: Session, world: World, name: str) -> None:
    def look(person: Person, at: datetime) -> Look:
        who = f"世界 {name} {person.login} {at.isoformat()}"
        return Look(report, session, world, person, caller_of(session, person, "", at), at, who)

    for person in world.people:
        for at in world.moments:
            one = look(person, at)
            channels.by_decision(one)
            channels.by_list(one)
            channels.by_columns(one)
        channels.by_index(look(person, world.moments[0]), cast(EmbeddedIndex, services.index))
    app, chance = create_app(services), random.Random(name)
    for person in chance.sample([p for p in world.people if p.active], BY_SERVICE):
        channels.by_service(look(person, world.moments[0]), app, chance)
    channels.by_public(report, TestClient(app), world, world.moments[0], f"世界 {name}")
