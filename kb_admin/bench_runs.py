"""Runs of test sets: started by people, taken by one process, reported as they go, ended once.

Whoever runs one shows signs of life. A run whose process has died is run again from the beginning by another, so that
all its results come from one base; the second time that happens it has failed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

from sqlalchemy import CursorResult, Update, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from kb_admin.bench_curve import Curve
from kb_admin.bench_figures import Judged, by_kind, run_figures
from kb_admin.permissions import Action, grants_of, require
from kb_admin.wording import readable
from models.bench import SeenAs, TestCase, TestResult, TestRun, TestSet
from models.errors import Conflict, Invalid, NotFound
from models.improvement import RankerFit
from models.organisation import Person
from models.values import CHINA, Outcome, RunStatus

LONGEST_NAME = 128
MOST_WAITING = 20
"""Runs that wait or go on; each takes a minute or two, one after the other."""
DEAD_AFTER = timedelta(minutes=3)
"""Without a sign of life a process is taken for dead. Encoding a batch of entries takes seconds."""
MOST_TRIES = 2
MOST_DIGITS = 9
"""Of a number that somebody writes: more are no number of a fit, and not every database takes them."""
NO_MODEL = "none"
SHIPPED = "shipped"
UNDER_WAY = (RunStatus.WAITING, RunStatus.RUNNING)


@dataclass(frozen=True)
class RunSettings:
    """What can be chosen for a run; what is left open is as the service has it."""

    moment: datetime | None = None
    """The base and the thesaurus as they were then; None: as they are when the run begins."""
    model: str = ""
    """Folder of the model; NO_MODEL: by words alone; empty: the service's own."""
    reader: bool = True
    """False: without, where the service has one."""
    direct: float | None = None
    choose: float | None = None
    weights: str = ""
    """Number of a fit of the ranker; SHIPPED: as they come with the product; empty: those in use."""
    viewer: SeenAs = SeenAs.AGENT

    def stored(self) -> dict[str, Any]:
        """As ``TestRun.settings`` keeps it."""
        return {**vars(self), "moment": self.moment.isoformat() if self.moment else None, "viewer": self.viewer.value}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        moment = datetime.fromisoformat(stored["moment"]) if stored["moment"] else None
        viewer = next(value for value in SeenAs if value == stored["viewer"])
        return cls(**{**stored, "moment": moment, "viewer": viewer})

    def described(self) -> tuple[str, ...]:
        """What was chosen, in words; what was left open is not named, but for base and viewer."""
        at = self.moment.astimezone(CHINA) if self.moment else None
        model = "仅按词语" if self.model == NO_MODEL else f"模型 {self.model}"
        weights = "随产品的权重" if self.weights == SHIPPED else f"第 {self.weights} 次拟合的权重"
        told = (
            (True, f"截至 {at:%Y-%m-%d %H:%M} 的知识库" if at else "现行知识库"),
            (True, self.viewer.label),
            (bool(self.model), model),
            (not self.reader, "不精读"),
            (bool(self.weights), weights),
            (self.direct is not None, f"直接答复阈值 {self.direct or 0:.2f}"),
            (self.choose is not None, f"请核对阈值 {self.choose or 0:.2f}"),
        )
        return tuple(words for holds, words in told if holds)


@dataclass(frozen=True)
class CaseOutcome:
    """What a run gave for one case."""

    case_id: int
    outcome: Outcome
    rank: int | None
    """Of the first right entry, from 1."""
    found: Sequence[Mapping[str, Any]]
    """``code``, ``score`` and ``may_be_direct`` of the best few."""
    took_ms: float


def start(
    session: Session, test_set: TestSet, name: str, settings: RunSettings, *, actor: Person, now: datetime
) -> TestRun:
    """A run that waits for a process to take it. Raises Invalid for settings that cannot be, Conflict when too many
    wait already."""
    require(grants_of(actor), Action.RUN_TESTS)
    _check(session, settings, now)
    under_way = session.scalar(select(func.count(TestRun.id)).where(TestRun.status.in_(UNDER_WAY))) or 0
    if under_way >= MOST_WAITING:
        raise Conflict(f"已有 {under_way} 次运行在等待或进行，请等它们结束，或先停止不需要的。")
    words = readable(name, name="运行名称", longest=LONGEST_NAME) or "，".join(settings.described())[:LONGEST_NAME]
    run = TestRun(
        set_id=test_set.id,
        name=words,
        status=RunStatus.WAITING,
        settings=settings.stored(),
        circumstances={},
        started_by_id=actor.id,
        created_at=now,
        total=session.scalar(select(func.count(TestCase.id)).where(TestCase.set_id == test_set.id)) or 0,
        summary={},
    )
    session.add(run)
    session.flush()
    return run


def take(session: Session, runner: str, now: datetime, *, run_id: int | None = None) -> TestRun | None:
    """The next run to do, now this process's own: one that waits, or one whose process has died; None: there is none.

    Of several processes that see the same run one gets it, by a conditional update.
    """
    dead = and_(TestRun.status == RunStatus.RUNNING, TestRun.seen_at < now - DEAD_AFTER)
    query = select(TestRun).where(or_(TestRun.status == RunStatus.WAITING, dead)).order_by(TestRun.id)
    for run in session.scalars(query.where(TestRun.id == run_id) if run_id else query).all():
        tries = int(run.circumstances.get("tries", 0)) + 1
        stands = (TestRun.id == run.id, TestRun.status == run.status, TestRun.runner == run.runner)
        same = TestRun.seen_at == run.seen_at if run.seen_at else TestRun.seen_at.is_(None)
        change = update(TestRun).where(*stands, same)
        if run.status is RunStatus.RUNNING and tries > MOST_TRIES:
            error = f"服务在运行这次测试时 {MOST_TRIES} 次意外停止，不再重试。请把运行设置和服务日志交给系统管理员。"
            _done(session, change.values(status=RunStatus.FAILED, error=error, ended_at=now))
            continue
        begun = {"status": RunStatus.RUNNING, "runner": runner, "started_at": now, "seen_at": now, "done": 0}
        if _done(session, change.values(**begun, circumstances={"tries": tries})):
            session.execute(delete(TestResult).where(TestResult.run_id == run.id))
            session.refresh(run)
            return run
    return None


def alive(session: Session, run_id: int, runner: str, now: datetime, *, circumstances: Mapping[str, Any]) -> bool:
    """A sign of life, with what is known so far; False when the run is no longer this process's."""
    return _done(session, _own(run_id, runner).values(seen_at=now, circumstances=dict(circumstances)))


def report(session: Session, run_id: int, runner: str, outcomes: Sequence[CaseOutcome], now: datetime) -> bool:
    """Write down what some cases gave; False, and nothing written, when the run is no longer this process's."""
    if not _done(session, _own(run_id, runner).values(seen_at=now, done=TestRun.done + len(outcomes))):
        return False
    session.add_all(
        TestResult(
            run_id=run_id,
            case_id=one.case_id,
            outcome=one.outcome,
            rank=one.rank,
            found=[dict(hit) for hit in one.found],
            took_ms=one.took_ms,
        )
        for one in outcomes
    )
    session.flush()
    return True


def finish(session: Session, run_id: int, runner: str, circumstances: Mapping[str, Any], now: datetime) -> bool:
    """The run is done; its figures are worked out now and kept."""
    judged = judged_of(session, run_id)
    summary = {"figures": run_figures(list(judged.values())), "kinds": by_kind(judged.values())}
    return _done(
        session,
        _own(run_id, runner).values(
            status=RunStatus.DONE, ended_at=now, seen_at=now, circumstances=dict(circumstances), summary=summary
        ),
    )


def fail(session: Session, run_id: int, runner: str, error: str, now: datetime) -> bool:
    """It cannot be done, for a reason that a person can read."""
    return _done(session, _own(run_id, runner).values(status=RunStatus.FAILED, error=error, ended_at=now))


def put_back(session: Session, run_id: int, runner: str) -> bool:
    """The process ends in good order: somebody else runs it from the beginning."""
    session.execute(delete(TestResult).where(TestResult.run_id == run_id))
    again = {"status": RunStatus.WAITING, "runner": "", "started_at": None, "seen_at": None, "done": 0}
    return _done(session, _own(run_id, runner).values(**again, circumstances={}))


def stop(session: Session, run: TestRun, *, actor: Person, now: datetime) -> None:
    """Whoever runs it hears of it with the next report. Raises Conflict when it has ended already."""
    require(grants_of(actor), Action.RUN_TESTS)
    change = update(TestRun).where(TestRun.id == run.id, TestRun.status.in_(UNDER_WAY))
    if not _done(session, change.values(status=RunStatus.STOPPED, ended_at=now)):
        raise Conflict("这次运行已经结束，不用停止。")
    session.refresh(run)


def drop(session: Session, run: TestRun, *, actor: Person) -> None:
    """Delete a run with its results. Raises Conflict while it goes on."""
    require(grants_of(actor), Action.RUN_TESTS)
    session.refresh(run)
    if run.status in UNDER_WAY:
        raise Conflict("这次运行还没有结束，请先停止再删除。")
    session.execute(delete(TestResult).where(TestResult.run_id == run.id))
    session.delete(run)
    session.flush()


def read_run(session: Session, run_id: int) -> TestRun:
    """The run of that number. Raises NotFound."""
    run = session.get(TestRun, run_id)
    if run is None:
        raise NotFound(f"没有编号为 {run_id} 的测试运行，可能已被删除。")
    return run


def comparable(before: TestRun, after: TestRun) -> None:
    """Raises Invalid unless both are done, of one set, and two."""
    if before.id == after.id:
        raise Invalid("请选择两次不同的运行。")
    if before.set_id != after.set_id:
        raise Invalid("两次运行用的不是同一个测试集，不能比较。")
    if {before.status, after.status} != {RunStatus.DONE}:
        raise Invalid("只能比较已完成的运行。")


def judged_of(session: Session, run_id: int) -> dict[int, Judged]:
    """Each case of the run that has a result, by case id in the order of the set."""
    query = (
        select(TestResult, TestCase.expected)
        .join(TestCase, TestCase.id == TestResult.case_id)
        .where(TestResult.run_id == run_id)
        .order_by(TestCase.number)
    )
    return {result.case_id: judged(result, bool(expected)) for result, expected in session.execute(query).tuples()}


def judged(result: TestResult, answerable: bool) -> Judged:
    """One result as the figures need it."""
    first = result.found[0] if result.found else {}
    return Judged(
        score=float(first.get("score", 0.0)),
        rank=result.rank - 1 if answerable and result.rank is not None else None,
        direct=result.outcome is Outcome.DIRECT,
        answerable=answerable,
        outcome=result.outcome,
        may_be_direct=bool(first.get("may_be_direct", False)),
        ms=result.took_ms,
    )


def curve_of(session: Session, run: TestRun) -> Curve:
    """What each threshold would have given in this run."""
    return Curve.of(list(judged_of(session, run.id).values()))


def _check(session: Session, settings: RunSettings, now: datetime) -> None:
    for name, value in (("直接答复阈值", settings.direct), ("请核对阈值", settings.choose)):
        if value is not None and not 0 < value <= 1:
            raise Invalid(f"{name}应大于 0、不超过 1。")
    if settings.direct is not None and settings.choose is not None and settings.choose > settings.direct:
        raise Invalid("请核对阈值不能高于直接答复阈值。")
    if settings.moment is not None and settings.moment.astimezone(UTC) > now:
        raise Invalid("知识库的时点不能晚于现在。")
    if settings.weights not in ("", SHIPPED):
        digits = settings.weights.isascii() and settings.weights.isdigit() and len(settings.weights) <= MOST_DIGITS
        if not digits or session.get(RankerFit, int(settings.weights)) is None:
            raise Invalid(f"没有编号为“{settings.weights}”的拟合权重。")


def _own(run_id: int, runner: str) -> Update:
    return update(TestRun).where(TestRun.id == run_id, TestRun.status == RunStatus.RUNNING, TestRun.runner == runner)


def _done(session: Session, change: Update) -> bool:
    """Whether the conditional update met a row."""
    result = session.execute(change.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount == 1
