"""How long the dashboard takes on a large base: a made-up quarter, written straight into SQLite. ``zhida bench
dashboards``."""

import json
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from api.dashboard_view import dashboard
from kb_admin.permissions import Reach
from kb_admin.rates import By, Period, rate, rates_by
from kb_admin.rules_in_force import ensure_adopted
from models.database import open_engine, sessions
from models.improvement import GapGroup, GapItem
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Category, Entry, Version
from models.migrate import upgrade
from models.organisation import Person, Region, Unit
from models.usage import Question, ShownAnswer, Verdict
from models.values import (
    Ending,
    FaultReason,
    GapSignal,
    GapStatus,
    Judgement,
    Level,
    Matter,
    Outcome,
    Publicity,
    Rater,
    UseKind,
    VersionStatus,
)

Say = Callable[[str], None]
END = datetime(2026, 10, 1, tzinfo=UTC)
QUARTER = timedelta(days=92)
UNITS, AGENTS, TEAMS = 60, 210, 12
CHUNK = 20_000
REPEATS = 3


def run(calls: int, entries: int, seed: int, say: Say) -> dict[str, Any]:
    """Seconds of each part, the middle of three runs, and of the whole page for the quarter and for one week."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'base.db'}")
        upgrade(engine)
        with sessions(engine)() as session:
            began = perf_counter()
            make(session, calls, entries, random.Random(seed))
            say(f"造库用时 {perf_counter() - began:.0f} 秒：来电 {calls} 通，条目 {entries} 条")
            seconds = _measured(session, say)
        engine.dispose()
    return {"calls": calls, "entries": entries, "seed": seed, "seconds": seconds}


def _measured(session: Session, say: Say) -> dict[str, dict[str, float]]:
    everywhere, name = Reach(everything=True), "direct_answer_rate"
    quarter, week = Period.quarter(date(2026, 9, 1)), Period.week(date(2026, 9, 16))
    parts: dict[str, Callable[[], object]] = {
        "rate_quarter": lambda: rate(session, name, quarter),
        "first_call_rate_quarter": lambda: rate(session, "first_call_rate", quarter),
        "by_unit_quarter": lambda: rates_by(session, name, quarter, By.UNIT),
        "page_week": lambda: dashboard(session, name, week, everywhere, END),
        "page_quarter": lambda: dashboard(session, name, quarter, everywhere, END),
    }
    found = {}
    for part, work in parts.items():
        wall, processor = zip(*(_seconds(work) for _ in range(REPEATS)), strict=True)
        found[part] = {"wall": round(median(wall), 3), "processor": round(median(processor), 3)}
        say(f"{part}：{found[part]['wall']:.2f} 秒，其中处理器 {found[part]['processor']:.2f} 秒")
    return found


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the wall's clock and on the processor's: on a busy machine they differ."""
    began, worked = perf_counter(), process_time()
    work()
    return perf_counter() - began, process_time() - worked


def make(session: Session, calls: int, entries: int, chance: random.Random) -> None:
    """A city of sixty units with its quarter of calls: two questions for three calls, five answers shown to each, a
    verdict on every fourth."""
    city = Region(name="测量市", level=Level.CITY)
    session.add(city)
    session.flush()
    units = [Unit(name=f"第 {n} 单位", level=Level.CITY, region=city) for n in range(UNITS)]
    agents = [
        Person(login=f"a{n}", name=f"坐席 {n}", password_hash="-", team=f"第 {n % TEAMS} 班") for n in range(AGENTS)
    ]
    session.add_all([*units, *agents])
    session.flush()
    categories = [Category(unit_id=unit.id, path=f"领域 {n % 25}/分类 {n}") for unit in units for n in range(5)]
    session.add_all(categories)
    session.flush()
    ensure_adopted(session, now=END - 4 * QUARTER)
    _entries(session, entries, city.id, categories, chance)
    _calls(session, calls, entries, [(agent.id, agent.team) for agent in agents], chance)
    session.commit()
    session.connection().exec_driver_sql("ANALYZE")


def _entries(session: Session, count: int, region_id: int, places_of: list[Category], chance: random.Random) -> None:
    places = [chance.choice(places_of) for _ in range(count)]
    since = [END - timedelta(days=chance.randrange(1, 700)) for _ in range(count)]
    _write(
        session,
        Entry,
        [
            {"id": n + 1, "code": f"M-{n}", "unit_id": place.unit_id, "created_at": since[n]}
            for n, place in enumerate(places)
        ],
    )
    rows = [
        {
            "id": n + 1,
            "entry_id": n + 1,
            "number": 1,
            "status": VersionStatus.PUBLISHED,
            "region_id": region_id,
            "category_id": place.id,
            "answer": "答案",
            "publicity": Publicity.PUBLIC,
            "created_at": since[n],
            "published_at": since[n],
            "valid_to": END + timedelta(days=chance.randrange(5, 900)) if chance.random() < 0.3 else None,
        }
        for n, place in enumerate(places)
    ]
    _write(session, Version, rows)


def _calls(session: Session, count: int, entries: int, agents: list[tuple[int, str]], chance: random.Random) -> None:
    rows: dict[type[Any], list[dict[str, Any]]] = {
        table: [] for table in (IncomingCall, Question, ShownAnswer, AnswerUse, Verdict, GapGroup, GapItem)
    }
    groups = max(1, count // 100)
    rows[GapGroup] = [_group(n + 1, chance) for n in range(groups)]
    number = 0
    for n, after in enumerate(sorted(chance.random() for _ in range(count))):
        at, (agent, team) = END - QUARTER + after * QUARTER, chance.choice(agents)
        ending = chance.choices([None, *Ending], weights=[2, 55, 5, 3, 28, 3, 4])[0]
        best = int(entries * chance.random() ** 3) + 1
        rows[IncomingCall].append(
            {
                "id": n + 1,
                "person_id": agent,
                "team": team,
                "caller": f"c{int(count * chance.random() ** 2)}" if chance.random() < 0.9 else "",
                "matter": chance.choices([None, *Matter], weights=[10, 50, 12, 12, 5, 4, 4, 3])[0],
                "started_at": at,
                "ended_at": at + timedelta(seconds=chance.randrange(20, 900)),
                "ending": ending,
                "version_id": best if ending is Ending.ANSWERED else None,
            }
        )
        for again in range(1 + (chance.random() < 0.5)):
            number += 1
            outcome = chance.choices(list(Outcome), weights=[60, 25, 15])[0]
            asked = at + timedelta(seconds=5 + again)
            question = {"id": number, "text": "怎样办理", "person_id": agent, "call_id": n + 1, "asked_at": asked}
            rows[Question].append({**question, "outcome": outcome, "took_ms": 5.0})
            if outcome is Outcome.NONE:
                rows[GapItem].append(_item(number, chance.randrange(groups) + 1, asked))
                continue
            shown = dict.fromkeys([best, *(chance.randrange(entries) + 1 for _ in range(4))])
            for rank, version in enumerate(shown, 1):
                rows[ShownAnswer].append({"question_id": number, "rank": rank, "version_id": version, "score": 0.5})
            rows[AnswerUse].append({"question_id": number, "version_id": best, "kind": UseKind.OPENED, "at": asked})
            if chance.random() < 0.25:
                rows[Verdict].append(_verdict(number, n + 1, best, agent, asked))
        if n % CHUNK == CHUNK - 1 or n == count - 1:
            for table, held in rows.items():
                _write(session, table, held)
                held.clear()


def _group(number: int, chance: random.Random) -> dict[str, Any]:
    answered = chance.random() < 0.3
    moment = END - QUARTER * chance.random() if answered else None
    status = GapStatus.ANSWERED if answered else GapStatus.OPEN
    row = {"id": number, "status": status, "label": f"第 {number} 组", "created_at": END, "changed_at": END}
    return {**row, "closed_at": moment}


def _item(question_id: int, group_id: int, at: datetime) -> dict[str, Any]:
    signal = GapSignal.NO_ANSWER
    return {"group_id": group_id, "question_id": question_id, "signal": signal, "text": "怎样办理", "at": at}


def _verdict(question_id: int, call_id: int, version_id: int, agent: int, at: datetime) -> dict[str, Any]:
    """Every ninth says wrong."""
    wrong = question_id % 9 == 0
    return {
        "question_id": question_id,
        "version_id": version_id,
        "rater": Rater.AGENT,
        "rater_key": f"person:{agent}",
        "occasion": f"call:{call_id}",
        "person_id": agent,
        "judgement": Judgement.INCORRECT if wrong else Judgement.CORRECT,
        "reason": FaultReason.INACCURATE if wrong else None,
        "given_at": at,
        "at": at,
    }


def _write(session: Session, table: type[Any], rows: list[dict[str, Any]]) -> None:
    """Straight into the table; verdicts that stand already (the same agent, call and version) are left out."""
    if rows:
        statement = insert(table)
        session.execute(statement.prefix_with("OR IGNORE") if table is Verdict else statement, rows)


def told(report: dict[str, Any]) -> str:
    """The last line of the command."""
    return json.dumps(report, ensure_ascii=False)
