"""``zhida simulate …``: a city's life on a simulated clock, through the real code."""

import re
import tempfile
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from benchmarks.simulation import quarter as quarter_play
from benchmarks.simulation.month import Plan, play
from benchmarks.simulation.quarter_figures import figures
from benchmarks.simulation.quarter_report import QuarterOutcome, quarter_table
from benchmarks.simulation.quarter_world import WEEKS, QuarterPlan, Say
from benchmarks.simulation.recount import Played, differences
from benchmarks.simulation.report import Outcome, outcome, table
from benchmarks.simulation.world import World
from benchmarks.simulation.written_rules import read_rules
from models.database import open_engine, sessions
from models.errors import Invalid

app = typer.Typer(help="模拟：在模拟的时钟上过一个城市的日子，再独立重算一遍。", no_args_is_help=True)

MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@app.callback()
def simulate() -> None:
    """模拟：在模拟的时钟上过一个城市的日子，再独立重算一遍。"""


@app.command("month")
def month(  # noqa: PLR0917 - the options of a command
    rulebook: Annotated[str, typer.Option("--rulebook", help="规则名称，如 default；或规则文件的路径")],
    seed: Annotated[int, typer.Option("--seed", help="随机数种子；同样的种子得同样的结果")] = 1,
    which: Annotated[str, typer.Option("--month", help="哪个月，如 2026-10；放假安排须已公布")] = "2026-10",
    entries: Annotated[int, typer.Option("--entries", min=20, help="月初库中的条目数")] = 3000,
    every: Annotated[int, typer.Option("--every", min=1, max=60, help="定时工作每隔几分钟查看一次")] = 5,
    database_url: Annotated[str, typer.Option("--database-url", help="空库的地址；不写时用临时的 SQLite 库")] = "",
) -> None:
    """过一个月：采集、审核、发布、通知单、延期、超期……最后一行是汇总，recount_agrees 为独立重算是否一致。"""
    found = MONTH.fullmatch(which)
    if found is None:
        raise Invalid(f"“{which}”不是月份，请写成 2026-10 这样。")
    plan = Plan(read_rules(rulebook), seed, int(found[1]), int(found[2]), entries, timedelta(minutes=every))
    with tempfile.TemporaryDirectory(prefix="zhida-simulation-") as folder:
        result = simulate_month(plan, database_url or f"sqlite:///{Path(folder) / 'base.db'}")
    print(table(result))
    print(result.as_json())
    if result.differences:
        raise typer.Exit(1)


@app.command("quarter")
def quarter(  # noqa: PLR0917 - the options of a command
    seed: Annotated[int, typer.Option("--seed", help="随机数种子；同样的种子得同样的结果")] = 1,
    agents: Annotated[int, typer.Option("--agents", min=6, max=500, help="坐席人数")] = 30,
    calls: Annotated[int, typer.Option("--calls", min=100, max=2_000_000, help="全季的来电数")] = 200_000,
    faults: Annotated[float, typer.Option("--faults", min=0.0, max=0.6, help="开始前改坏、抽走的条目占多少")] = 0.2,
    first: Annotated[str, typer.Option("--from", help="第一天，如 2026-07-01；放假安排须已公布")] = "2026-07-01",
    weeks: Annotated[int, typer.Option("--weeks", min=4, max=26, help="过几周")] = WEEKS,
    words: Annotated[bool, typer.Option("--words", help="不用语义模型，仅按词语检索")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="每过一周说一行")] = False,
    database_url: Annotated[str, typer.Option("--database-url", help="空库的地址；不写时用临时的 SQLite 库")] = "",
) -> None:
    """过一个季度：演示库中埋设有误、过期、缺失的条目，看评价、整改、知识缺失能查出、改正多少。最后一行是汇总。"""
    try:
        begins = date.fromisoformat(first)
    except ValueError as error:
        raise Invalid(f"“{first}”不是日期，请写成 2026-07-01 这样。") from error
    plan = QuarterPlan(seed, agents, calls, faults, begins, with_model=not words, weeks=weeks)
    with tempfile.TemporaryDirectory(prefix="zhida-simulation-") as folder:
        url = database_url or f"sqlite:///{Path(folder) / 'base.db'}"
        result = simulate_quarter(plan, url, Path(folder), say=_say if verbose else _say_nothing)
    print(quarter_table(result))
    print(result.as_json())


def simulate_quarter(plan: QuarterPlan, database_url: str, folder: Path, *, say: Say) -> QuarterOutcome:
    """Play the quarter on an empty base, and compare what it found with what was planted."""
    begun = perf_counter()
    played = quarter_play.play(plan, database_url, folder, say)
    with played.services.open_session() as session:
        found = figures(session, played)
    played.services.close()
    encoder = played.services.encoder
    return QuarterOutcome(plan, encoder.name if encoder else "", found, perf_counter() - begun)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _say_nothing(line: str) -> None:
    """Without --verbose."""


def simulate_month(plan: Plan, database_url: str) -> Outcome:
    """Play the month on an empty base, and count it once more."""
    begun = perf_counter()
    world = play(plan, database_url)
    engine = open_engine(database_url)
    with sessions(engine)() as session:
        different = recount(session, plan, world)
        seconds = perf_counter() - begun
        units = len(world.city.houses)
        result = outcome(session, plan, world.ledger, units=units, differences=different, seconds=seconds)
    engine.dispose()
    return result


def recount(session: Session, plan: Plan, world: World) -> list[str]:
    """What the base and the recount do not agree on."""
    months = (plan.begins, plan.ends)
    return differences(session, Played(world.ledger, plan.rules, world.city, months, plan.ends))
