"""``zhida simulate …``: a city's life on a simulated clock, through the real code."""

import re
import tempfile
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from benchmarks.simulation.month import Plan, play
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
