"""Runs test sets beside answering, one run at a time; in the service's own thread, or for a command."""

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.bench_indexes import Bench, Tested, tested
from api.clock import utc_now
from api.repeating import Repeating
from kb_admin import bench_runs
from kb_admin.bench_figures import DEPTH
from kb_admin.bench_runs import CaseOutcome, RunSettings
from kb_admin.permissions import Grant
from kb_admin.rules_in_force import city_rights
from kb_admin.visibility import CITIZEN, Onlooker, viewer_of
from models.bench import SeenAs, TestCase, TestRun
from models.errors import ZhidaError
from models.knowledge import ChangeLog, Entry
from models.organisation import Unit
from models.values import Role, RunStatus, Viewer
from retrieval.documents import Hit, Result
from retrieval.features import NAMES
from retrieval.ranker import never_direct

TICK_SECONDS = 1.0
BATCH = 50
"""Questions between two reports: about a second."""
KEPT_HITS = 5
"""Of each question; the rank of the right entry is looked for among ten."""
SCORE_DIGITS = 6
SIGN_OF_LIFE = timedelta(seconds=2)
"""At most so often while an index is built."""

log = logging.getLogger(__name__)


class TakenAway(Exception):
    """Somebody stopped the run, or another process has it."""


class TestRunner(Repeating):
    """Any number of processes may have one; no run is done by two of them."""

    __test__ = False

    def __init__(self, bench: Bench, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__("test-runner", self.catch_up, every_seconds=TICK_SECONDS)
        self._bench = bench
        self._clock = clock
        self.name_of_process = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def catch_up(self) -> int:
        """Do all runs that wait, or whose process has died; returns how many were taken."""
        count = 0
        while not self.stopping and (run_id := self._take(None)) is not None:
            self.carry_out(run_id)
            count += 1
        return count

    def run_now(self, run: TestRun, session: Session, tell: Callable[[str], None]) -> None:
        """Take a run that was just started in this session, and do it here; commits. For a command."""
        bench_runs.take(session, self.name_of_process, self._clock(), run_id=run.id)
        session.commit()
        try:
            self.carry_out(run.id, tell)
        except KeyboardInterrupt:
            self._change(lambda s: bench_runs.fail(s, run.id, self.name_of_process, "运行时被中断。", self._clock()))
            raise

    def carry_out(self, run_id: int, tell: Callable[[str], None] = lambda _: None) -> None:
        """Do a run that this process has taken. Whatever goes wrong stands in the run afterwards."""
        try:
            self._carry_out(run_id, tell)
        except TakenAway:
            log.info("测试运行 %s 已被停止或由别的进程接手", run_id)
        except ZhidaError as error:
            self._fail(run_id, str(error))
        except Exception:
            log.exception("测试运行 %s 出错", run_id)
            self._fail(run_id, "系统出错，原因记在服务日志中，请告诉系统管理员。")

    def _carry_out(self, run_id: int, tell: Callable[[str], None]) -> None:
        with self._bench.open_session() as session:
            run = session.get_one(TestRun, run_id)
            settings, known = RunSettings.of(run.settings), dict(run.circumstances)
            viewer = _viewer(session, settings.viewer, self._clock())
            asked = select(TestCase.id, TestCase.question, TestCase.expected).where(TestCase.set_id == run.set_id)
            cases = [(i, text, frozenset(codes)) for i, text, codes in session.execute(asked.order_by(TestCase.number))]
            first_change = _last_change(session)
        last_sign = self._clock()

        def phase(words: str) -> None:
            nonlocal last_sign
            tell(words)
            if self.stopping:
                self._put_back(run_id)
            if self._clock() - last_sign >= SIGN_OF_LIFE:
                last_sign = self._clock()
                self._alive(run_id, {**known, "phase": words})

        base = tested(self._bench, settings, self._clock(), phase)
        known |= base.circumstances | {"absent": sum(bool(e) and not e & base.codes for _, _, e in cases)}
        self._alive(run_id, known)
        for start in range(0, len(cases), BATCH):
            if self.stopping:
                self._put_back(run_id)
            self._report(run_id, self._ask(base, viewer, cases[start : start + BATCH]))
            tell(f"已提问 {min(start + BATCH, len(cases))} / {len(cases)}")
        self._finish(run_id, known, first_change)

    def _ask(self, base: Tested, viewer: Viewer, cases: Sequence[tuple[int, str, frozenset[str]]]) -> list[CaseOutcome]:
        found: list[tuple[Result, float]] = []
        for _, question, _ in cases:
            started = perf_counter()
            result = base.index.search(question, viewer, base.moment, DEPTH)
            found.append((result, (perf_counter() - started) * 1000))
        with self._bench.open_session() as session:
            ids = {hit.entry_id for result, _ in found for hit in result.hits}
            codes = dict(session.execute(select(Entry.id, Entry.code).where(Entry.id.in_(ids))).tuples().all())
        return [
            _outcome(case_id, expected, result, took_ms, codes)
            for (case_id, _, expected), (result, took_ms) in zip(cases, found, strict=True)
        ]

    def _finish(self, run_id: int, known: dict[str, Any], first_change: int) -> None:
        with self._bench.open_session() as session:
            known |= {"changes_meanwhile": _last_change(session) - first_change}
            if not bench_runs.finish(session, run_id, self.name_of_process, known, self._clock()):
                raise TakenAway
            session.commit()

    def _take(self, run_id: int | None) -> int | None:
        with self._bench.open_session() as session:
            run = bench_runs.take(session, self.name_of_process, self._clock(), run_id=run_id)
            taken = run.id if run else None
            session.commit()
            return taken

    def _alive(self, run_id: int, known: Mapping[str, Any]) -> None:
        name = self.name_of_process
        if not self._change(lambda s: bench_runs.alive(s, run_id, name, self._clock(), circumstances=known)):
            raise TakenAway

    def _report(self, run_id: int, outcomes: Sequence[CaseOutcome]) -> None:
        name = self.name_of_process
        if not self._change(lambda s: bench_runs.report(s, run_id, name, outcomes, self._clock())):
            raise TakenAway

    def _put_back(self, run_id: int) -> None:
        """The process ends: the run waits for another, from the beginning."""
        self._change(lambda s: bench_runs.put_back(s, run_id, self.name_of_process))
        raise TakenAway

    def _fail(self, run_id: int, error: str) -> None:
        self._change(lambda s: bench_runs.fail(s, run_id, self.name_of_process, error, self._clock()))

    def _change(self, what: Callable[[Session], bool]) -> bool:
        """Commit, unless the run is no longer ours."""
        with self._bench.open_session() as session:
            done = what(session)
            if done:
                session.commit()
            return done


def _viewer(session: Session, seen_as: SeenAs, now: datetime) -> Viewer:
    if seen_as is SeenAs.EVERYTHING:
        return Viewer(everything=True)
    onlooker = Onlooker(frozenset({Grant(Role.AGENT)})) if seen_as is SeenAs.AGENT else CITIZEN
    return viewer_of(onlooker, _units(session), city_rights(session, now))


def _units(session: Session) -> Iterator[Unit]:
    yield from session.scalars(select(Unit))


def _outcome(
    case_id: int, expected: frozenset[str], result: Result, took_ms: float, codes: Mapping[int, str]
) -> CaseOutcome:
    ranked = [(codes[hit.entry_id], hit) for hit in result.hits if hit.entry_id in codes]
    rank = next((place for place, (code, _) in enumerate(ranked, start=1) if code in expected), None)
    return CaseOutcome(case_id, result.outcome, rank, list(_kept(ranked[:KEPT_HITS])), took_ms)


def _kept(ranked: Iterable[tuple[str, Hit]]) -> Iterator[dict[str, Any]]:
    for code, hit in ranked:
        yield {"code": code, "score": round(hit.score, SCORE_DIGITS), "may_be_direct": not _held_back(hit)}


def _held_back(hit: Hit) -> bool:
    return never_direct(np.array([hit.features[name] for name in NAMES]))


def _last_change(session: Session) -> int:
    return session.scalar(select(func.max(ChangeLog.seq))) or 0


def waiting_behind(session: Session, run: TestRun) -> int:
    """How many runs will be done before this one."""
    earlier = select(func.count(TestRun.id)).where(TestRun.status.in_(bench_runs.UNDER_WAY), TestRun.id < run.id)
    return session.scalar(earlier) or 0 if run.status is RunStatus.WAITING else 0
