"""Several processes that answer from one socket: started, replaced when they die, renewed without a pause, stopped.

Everything is built once, then the workers are forked off: what none of them writes, they share. The supervisor itself
answers nobody.
"""

import ctypes
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from api.measures import Measures

LOOK_SECONDS = 0.1
YOUNG_SECONDS = 10.0
"""A worker that dies younger may die again at once: the next one is kept waiting longer and longer."""
LONGEST_PAUSE_SECONDS = 30.0
READY_SECONDS = 120.0
"""A worker that does not answer by then is given up, and another started."""
RELIEF_SECONDS = 2.0
"""How long it is not said that all is ready because those from before may still answer."""
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent dies."""

HEEDED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Held back while a process parts in two, until the child has its own answer to them."""

log = logging.getLogger(__name__)

Work = Callable[[int, Callable[[], None]], None]
"""What a worker does: its place, and what it calls once it answers. Returns when it has been told to stop."""


@dataclass
class _Worker:
    place: int
    process_id: int
    ready: int
    """A pipe's end that can be read once the worker answers."""
    started: float = field(default_factory=time.monotonic)
    answers: bool = False


class Supervisor:
    """Of the workers of one service; lives in the main thread of a process with no other thread."""

    def __init__(self, work: Work, count: int, measures: Measures, *, grace_seconds: float) -> None:
        self._work = work
        self._count = count
        self._measures = measures
        self._grace_seconds = grace_seconds
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        """When the worker of a place is to be started again."""
        self._pauses: dict[int, float] = {}
        self._former: set[int] = set()
        """Workers of this service from before it renewed itself: they answer until the new ones do."""
        self._stopping = False
        self._renewing = False

    def run(
        self,
        former: Sequence[int] = (),
        *,
        on_ready: Callable[[], None] = lambda: None,
        renew: Callable[[Sequence[int]], bool],
    ) -> None:
        """Returns when all have ended after SIGTERM or SIGINT. ``former``: process ids that are to end once the new
        workers answer; ``on_ready`` is called when they have. SIGHUP calls ``renew`` with those that answer now: it
        returns False when the new service could not be had, and does not return when it could."""
        self._former = set(former)
        self._listen_to_signals()
        gc.collect()
        gc.freeze()  # the collector would write to every object, and each process would get its own copy
        for place in range(self._count):
            self._start(place, "start")
        told, announced, told_at = False, False, 0.0
        while not self._stopping:
            self._bury()
            self._start_those_due()
            self._hear_who_answers()
            if not told and all(worker.answers for worker in self._workers.values()) and not self._due:
                told, told_at = True, time.monotonic()
                self._tell(self._former, signal.SIGTERM)
            if told and not announced and (not self._former or time.monotonic() > told_at + RELIEF_SECONDS):
                announced = True
                on_ready()
            if self._renewing and told:
                self._renewing = False
                renewed = renew(sorted(worker.process_id for worker in self._workers.values()))
                if not renewed and not self._stopping:
                    log.error("没有换上新的服务，原来的继续答复。")
                self._listen_to_signals()
            time.sleep(LOOK_SECONDS)
        self._end()

    @property
    def stopping(self) -> bool:
        """Whether it has been told to stop."""
        return self._stopping

    def _listen_to_signals(self) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._told_to_stop)
        signal.signal(signal.SIGHUP, self._told_to_renew)

    def _told_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _told_to_renew(self, _number: int, _frame: FrameType | None) -> None:
        self._renewing = True

    def _start(self, place: int, reason: str) -> None:
        ready, answers = os.pipe()
        supervisor = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        process_id = os.fork()
        if process_id == 0:
            os.close(ready)
            _be_worker(self._work, self._measures, place, supervisor, answers)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        os.close(answers)
        os.set_blocking(ready, False)
        self._measures.worker_starts.add(reason)
        self._workers[place] = _Worker(place, process_id, ready)

    def _start_those_due(self) -> None:
        for place in [place for place, at in self._due.items() if at <= time.monotonic()]:
            del self._due[place]
            self._start(place, "died")

    def _hear_who_answers(self) -> None:
        for worker in self._workers.values():
            if worker.answers:
                continue
            try:
                worker.answers = bool(os.read(worker.ready, 1))
            except BlockingIOError:
                if time.monotonic() - worker.started > READY_SECONDS:
                    log.error("进程 %s 迟迟不能答复，已结束，另起一个。", worker.process_id)
                    self._tell([worker.process_id], signal.SIGKILL)

    def _bury(self) -> None:
        """Whoever has died gets a successor, after a pause if it did not live long."""
        for process_id, status in _dead():
            self._former.discard(process_id)
            worker = next((each for each in self._workers.values() if each.process_id == process_id), None)
            if worker is None:
                continue
            self._remove(worker)
            lived = time.monotonic() - worker.started
            pause = 0.0
            if lived < YOUNG_SECONDS:
                pause = min(LONGEST_PAUSE_SECONDS, max(0.25, 2 * self._pauses.get(worker.place, 0.0)))
            self._pauses[worker.place] = pause
            self._due[worker.place] = time.monotonic() + pause
            log.error(
                "进程 %s 意外结束（%s），%.2g 秒后另起一个。",
                process_id,
                _how(status),
                pause,
                extra={"worker": worker.place},
            )

    def _remove(self, worker: _Worker) -> None:
        del self._workers[worker.place]
        os.close(worker.ready)
        self._measures.metrics.forget(worker.place)

    def _end(self) -> None:
        """Everybody is asked to stop; who has not after the time of grace is stopped."""
        alive = {worker.process_id for worker in self._workers.values()} | self._former
        self._tell(alive, signal.SIGTERM)
        until = time.monotonic() + self._grace_seconds
        while alive:
            alive -= {process_id for process_id, _ in _dead()}
            if time.monotonic() > until:
                log.error("%d 个进程没有按时停止，已强行结束。", len(alive))
                self._tell(alive, signal.SIGKILL)
                until = float("inf")
            time.sleep(LOOK_SECONDS / 5)

    def _tell(self, process_ids: Iterable[int], what: signal.Signals) -> None:
        for process_id in process_ids:
            try:
                os.kill(process_id, what)
            except ProcessLookupError:  # it was quicker
                continue


def end_with_parent(parent: int) -> None:
    """This process is told to stop when that one dies, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it had died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def _be_worker(work: Work, measures: Measures, place: int, supervisor: int, answers: int) -> None:
    """In the child: never returns, so that nothing of the supervisor is done twice."""
    code = 1
    try:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes; whom it concerns is the supervisor
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        end_with_parent(supervisor)
        measures.metrics.take_place(place)
        work(place, lambda: _say_ready(answers))
        code = 0
    except KeyboardInterrupt:
        code = 0
    except Exception:
        log.exception("进程 %s 出错", os.getpid())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say_ready(answers: int) -> None:
    os.write(answers, b"1")
    os.close(answers)


def _dead() -> list[tuple[int, int]]:
    """Process id and wait status of each child that has ended."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            process_id, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if process_id == 0:
            return found
        found.append((process_id, status))


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"信号 {-code}" if code < 0 else f"代码 {code}"
