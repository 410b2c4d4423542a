"""Faults of files, disks and databases, each brought about for real: does the index equal the database afterwards?"""

import fcntl
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from sqlalchemy import make_url

from api.clock import utc_now
from api.settings import Settings
from api.wiring import indexer_of, load_encoder, store_of, vectors_of
from benchmarks.crash_processes import Actor, Compared, check, once
from models.database import open_engine, sessions
from retrieval.store import Busy

SMALL_FILE = 20_000
"""Bytes: so large a file may be while the disk is full."""
WAL_LOCKS = (120, 8)
"""Where the locks of SQLite's WAL mode lie in the -shm file, and how many: https://sqlite.org/walformat.html, 2.2.3."""


@dataclass(frozen=True)
class Fault:
    """What one fault came to."""

    name: str
    told: str
    """What happened, as people read it."""
    wrong: int
    """Entries that were not as the database has them afterwards, and faults of the files."""
    seconds: float
    """Until all was right again, the fault itself included."""


@dataclass(frozen=True)
class Scene:
    """What a fault is brought about in."""

    settings: Settings
    services: Sequence[Actor]
    publisher: Actor
    writer: Actor
    gone: Callable[[], Any]
    """A context in which the database cannot be read."""
    gone_seconds: float


def run(scene: Scene, say: Callable[[str], None]) -> list[Fault]:
    """All faults, one after another."""
    done = []
    for name, bring_about in (
        ("写索引时磁盘满", _disk_full),
        ("最新清单写了一半", _half_a_manifest),
        ("段文件被截断", _truncated),
        ("段文件中间被改写", _overwritten),
        ("索引目录被删除", _deleted),
        (f"数据库中断 {scene.gone_seconds:.0f} 秒", _database_gone),
    ):
        started = perf_counter()
        told = bring_about(scene)
        wrong = len(_level(scene))
        done.append(Fault(name, told, wrong, round(perf_counter() - started, 1)))
        say(f"{name}：{told}；{'一致' if not wrong else f'不一致 {wrong} 处'}")
    return done


def _level(scene: Scene) -> list[str]:
    """What is wrong once everything has been written and everybody has caught up."""
    for actor in (scene.publisher, scene.writer):
        actor.ask("rest")
    try:
        _flush(scene)
        wrong = list(once(check, scene.settings))
        for service in scene.services:
            found: Compared = service.ask("compare")
            wrong += [f"{service.name}：条目 {entry_id}" for entry_id in found.wrong]
        return wrong
    finally:
        for actor in (scene.publisher, scene.writer):
            actor.ask("go on")


def _disk_full(scene: Scene) -> str:
    scene.writer.ask("rest")
    sleep(0.5)  # something to write comes together
    said = once(_flush_on_full_disk, scene.settings)
    scene.writer.ask("go on")
    return str(said)


def _half_a_manifest(scene: Scene) -> str:
    scene.writer.ask("rest")
    newest = _manifests(scene)[-1]
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    said = _restart(scene)
    scene.writer.ask("go on")
    return said


def _truncated(scene: Scene) -> str:
    scene.writer.ask("rest")
    largest = _segments(scene)[-1]
    with largest.open("r+b") as file:
        file.truncate(largest.stat().st_size // 2)
    ended = [service.ended_by for service in scene.services if service.wait(1.0)]
    said = _restart(scene)
    scene.writer.ask("go on")
    return f"{len(ended)} 个进程因此结束，{said}" if ended else said


def _overwritten(scene: Scene) -> str:
    scene.writer.ask("rest")
    largest = _segments(scene)[-1]
    with largest.open("r+b") as file:
        file.seek(largest.stat().st_size * 2 // 3)
        file.write(b"\xff" * 64)
    found = once(check, scene.settings)
    once(_rebuild, scene.settings)
    scene.writer.ask("go on")
    return "核对发现了它，已重建" if found else "核对没有发现"


def _deleted(scene: Scene) -> str:
    scene.writer.ask("rest")
    shutil.rmtree(scene.settings.index_folder)
    answers = [service.ask("compare") for service in scene.services]
    scene.writer.ask("go on")
    return f"{sum(not answer.wrong for answer in answers)} 个进程照常回答，索引重新写成"


def _database_gone(scene: Scene) -> str:
    for service in scene.services:
        service.ask("compare")
    with scene.gone():
        sleep(scene.gone_seconds)
    after = [service.ask("compare") for service in scene.services]
    searches, failed = sum(a.searches for a in after), sum(a.failed for a in after)
    slowest = max(a.slowest_ms for a in after)
    return f"其间检索 {searches} 次，失败 {failed} 次，最慢 {slowest:.0f} 毫秒"


def _restart(scene: Scene) -> str:
    """Start the first service, and who has died, anew on what is there; how long it took."""
    first, *others = scene.services
    first.kill()
    began = [first, *(service for service in others if not service.alive)]
    for service in began:
        service.start()
    took = max(service.hear() for service in began)
    return f"重启 {took:.1f} 秒后可用"


def _manifests(scene: Scene) -> list[Path]:
    return sorted(scene.settings.index_folder.glob("manifest-*.json"))


def _segments(scene: Scene) -> list[Path]:
    """Of the newest manifest, by size."""
    named = _manifests(scene)[-1].read_text("utf-8")
    files = [path for path in scene.settings.index_folder.iterdir() if path.suffix != ".json" and path.name in named]
    return sorted(files, key=lambda path: path.stat().st_size)


def _flush(scene: Scene) -> None:
    once(_flush_now, scene.settings)


def _flush_now(line: Connection, settings: Settings) -> None:
    with _indexer(settings) as indexer:
        indexer.flush(lambda _: None, now=utc_now(), wait=30)
    line.send(None)


def _rebuild(line: Connection, settings: Settings) -> None:
    with _indexer(settings) as indexer:
        indexer.rebuild(lambda _: None, wait=30)
    line.send(None)


def _flush_on_full_disk(line: Connection, settings: Settings) -> None:
    """No file may grow beyond a few kilobytes here: what a full disk does to a writer."""
    with _indexer(settings) as indexer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))
        try:
            indexer.rebuild(lambda _: None, wait=30)
        except (OSError, Busy) as error:
            line.send(f"写入失败（{error}），旧索引仍在用")
        else:
            line.send("没有写满")


@contextmanager
def _indexer(settings: Settings) -> Iterator[Any]:
    encoder = load_encoder(settings)
    engine = open_engine(settings.database_url)
    yield indexer_of(settings, sessions(engine), store_of(settings, encoder), vectors_of(settings, encoder))
    engine.dispose()


@contextmanager
def locked(url: str) -> Iterator[None]:
    """SQLite's file, locked against everybody: new transactions wait, and then fail."""
    path = Path(str(make_url(url).database))
    with path.with_name(f"{path.name}-shm").open("r+b") as shared:
        start, length = WAL_LOCKS
        fcntl.lockf(shared, fcntl.LOCK_EX, length, start)
        yield
