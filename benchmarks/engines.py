"""What the measurements of single engines share: each runs in its own child process, one thread, timed question by
question."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = Sequence[int] | NDArray[np.integer[Any]]

WARMING = 5
"""Questions that are asked before any is timed."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")


@dataclass(frozen=True)
class Built:
    """An engine over its base."""

    answer: Callable[[Any], Rows]
    """Row numbers, best first."""
    update: Callable[[], None] | None = None
    """Make one entry searchable that was not, and take another one out; None when that takes a new build."""
    notes: str = ""


@dataclass(frozen=True)
class Measured:
    """One engine at one size."""

    name: str
    build_seconds: float
    memory_mb: float
    """Growth of the process by the build."""
    ms: tuple[float, ...]
    """Of each question."""
    answers: tuple[tuple[int, ...], ...]
    update_ms: float | None
    notes: str

    @property
    def p50(self) -> float:
        return float(np.percentile(self.ms, 50))

    @property
    def p95(self) -> float:
        return float(np.percentile(self.ms, 95))


def measure(name: str, build: Callable[[], Built], questions: Sequence[Any]) -> Measured:
    """Build the engine and ask it in a child process, so that memory is its own and nothing is left behind.

    Raises RuntimeError with the child's own words when it fails.
    """
    gc.collect()
    gc.freeze()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(theirs, name, build, questions))
    child.start()
    theirs.close()
    try:
        measured = ours.recv()
    except EOFError:
        measured = RuntimeError(f"{name}：测量进程中途退出，可能是内存不足。")
    child.join()
    if isinstance(measured, Exception):
        raise measured
    return measured  # type: ignore[no-any-return]


def one_thread() -> None:
    """Tell the libraries that are loaded from now on to use one thread."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"


def times(duration: float) -> str:
    """A ratio of durations as people read it."""
    return f"{duration:.0f}×" if duration >= 20 else f"{duration:.1f}×"


def _in_child(pipe: Connection, name: str, build: Callable[[], Built], questions: Sequence[Any]) -> None:
    try:
        pipe.send(_measured(name, build, questions))
    except Exception as error:  # noqa: BLE001 - told by the parent
        pipe.send(RuntimeError(f"{name}：{type(error).__name__} {error}"))
    finally:
        pipe.close()


def _measured(name: str, build: Callable[[], Built], questions: Sequence[Any]) -> Measured:
    before, start = _resident(), perf_counter()
    built = build()
    seconds = perf_counter() - start
    gc.collect()
    memory = _resident() - before
    for question in questions[:WARMING]:
        built.answer(question)
    ms, answers = [], []
    for question in questions:
        begin = perf_counter()
        rows = built.answer(question)
        ms.append((perf_counter() - begin) * 1000)
        answers.append(tuple(int(row) for row in rows))
    return Measured(name, seconds, memory, tuple(ms), tuple(answers), _update(built), built.notes)


def _update(built: Built) -> float | None:
    if built.update is None:
        return None
    taken = []
    for _ in range(9):
        begin = perf_counter()
        built.update()
        taken.append((perf_counter() - begin) * 1000)
    return float(np.median(taken))


def _resident() -> float:
    """MB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
