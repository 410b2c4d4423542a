"""What a played month comes to: a table to read, and one line for programs."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.month import Plan
from models.knowledge import Transition, Version
from models.notices import Clock, ClockEvent, Notice
from models.values import CHINA, ClockEventKind, VersionStatus

K = ClockEventKind
SHOWN = 20
"""Differences that are printed; the first ones say where to look."""


@dataclass
class Tally:
    """How the clocks of one kind fared. Every one that started was on time, is overdue, open or cancelled."""

    title: str
    started: int = 0
    on_time: int = 0
    overdue: int = 0
    """Ran out at least once, done afterwards or not."""
    second_notice: int = 0
    call_list: int = 0
    escalated: int = 0
    """Led to a second notice or a call."""
    extended: int = 0
    open: int = 0
    """Still running, and not run out."""
    cancelled: int = 0


@dataclass(frozen=True)
class Outcome:
    """The month in numbers."""

    plan: Plan
    units: int
    entries: int
    clocks: dict[str, Tally]
    versions: Counter[tuple[str, str]]
    """By route and status."""
    transitions: int
    notices: int
    strangers_refused: int
    too_late_refused: int
    stopped: tuple[datetime, datetime] | None
    differences: list[str]
    seconds: float

    def as_json(self) -> str:
        """One line; the same for the same seed, but for the seconds."""
        keys = ("started", "on_time", "overdue", "escalated", "open", "cancelled")
        line: dict[str, Any] = {
            "rulebook": self.plan.rules.name,
            "seed": self.plan.seed,
            "month": f"{self.plan.year}-{self.plan.month:02d}",
            "entries": self.entries,
            "clocks": {name: {key: getattr(tally, key) for key in keys} for name, tally in self.clocks.items()},
            "transitions": self.transitions,
            "notices": self.notices,
            "strangers_refused": self.strangers_refused,
            "recount_agrees": not self.differences,
            "seconds": round(self.seconds, 1),
        }
        return json.dumps(line, ensure_ascii=False)


def outcome(
    session: Session, plan: Plan, ledger: Ledger, *, units: int, differences: list[str], seconds: float
) -> Outcome:
    """Read the numbers from the base. What began with the last moment belongs to the next month."""
    routes = select(Version.route, Version.status, func.count()).group_by(Version.route, Version.status)
    return Outcome(
        plan=plan,
        units=units,
        entries=session.scalar(select(func.count(func.distinct(Version.entry_id)))) or 0,
        clocks=_tallies(session, plan),
        versions=Counter({(name, status.value): count for name, status, count in session.execute(routes).tuples()}),
        transitions=session.scalar(select(func.count()).select_from(Transition)) or 0,
        notices=session.scalar(select(func.count()).where(Notice.created_at < plan.ends)) or 0,
        strangers_refused=ledger.strangers_refused,
        too_late_refused=ledger.too_late_refused,
        stopped=ledger.stopped,
        differences=differences,
        seconds=seconds,
    )


def table(result: Outcome) -> str:
    """Everything as people read it."""
    plan = result.plan
    lines = [
        f"{plan.rules.title}，{plan.year} 年 {plan.month} 月，种子 {plan.seed}：单位 {result.units} 个，"
        f"条目 {result.entries} 条，通知单 {result.notices} 张，流转 {result.transitions} 次。",
        _pause(result.stopped),
        "",
        "| 时限 | 开始 | 按时 | 超期 | 再次通知 | 列入联系清单 | 延期 | 未到期 | 取消 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(tally) for tally in result.clocks.values()),
        "",
        *_versions(result),
        "",
        f"越权操作 {result.strangers_refused} 次，全部被拒绝；过晚的延期申请 {result.too_late_refused} 次，不予受理。",
        f"用时 {result.seconds:.0f} 秒。{_verdict(result.differences)}",
        *(f"  {line}" for line in result.differences[:SHOWN]),
    ]
    return "\n".join(lines)


def _tallies(session: Session, plan: Plan) -> dict[str, Tally]:
    tallies = {name: Tally(clock.title) for name, clock in plan.rules.clocks.items()}
    events: dict[int, set[ClockEventKind]] = {}
    for clock_id, kind in session.execute(select(ClockEvent.clock_id, ClockEvent.kind)).tuples():
        events.setdefault(clock_id, set()).add(kind)
    running = select(Clock.id, Clock.name, Clock.stopped_at, Notice.status).join(Notice, Notice.id == Clock.notice_id)
    for clock_id, name, stopped_at, status in session.execute(running.where(Clock.started_at < plan.ends)).tuples():
        tally, befell = tallies[name], events.get(clock_id, set())
        tally.started += 1
        tally.second_notice += K.SECOND_NOTICE in befell
        tally.call_list += K.CALL_LIST in befell
        tally.escalated += bool(befell & {K.SECOND_NOTICE, K.CALL_LIST})
        tally.extended += K.EXTENDED in befell
        overdue = K.EXPIRED in befell
        tally.overdue += overdue
        tally.open += not overdue and stopped_at is None
        tally.cancelled += not overdue and stopped_at is not None and status.value == "cancelled"
        tally.on_time += not overdue and stopped_at is not None and status.value != "cancelled"
    return {name: tally for name, tally in tallies.items() if tally.started}


def _row(tally: Tally) -> str:
    numbers = (
        tally.started,
        tally.on_time,
        tally.overdue,
        tally.second_notice,
        tally.call_list,
        tally.extended,
        tally.open,
        tally.cancelled,
    )
    return f"| {tally.title} | {' | '.join(map(str, numbers))} |"


def _versions(result: Outcome) -> Iterable[str]:
    statuses = [status for status in VersionStatus if any(s == status.value for _, s in result.versions)]
    yield f"| 版本的流程 | {' | '.join(status.label for status in statuses)} |"
    yield f"|---|{'---:|' * len(statuses)}"
    routes = {name: route.title for name, route in result.plan.rules.routes.items()}
    for name in [*routes, ""]:
        counts = [result.versions[name, status.value] for status in statuses]
        if any(counts):
            yield f"| {routes.get(name, '批量导入、未提交')} | {' | '.join(map(str, counts))} |"


def _pause(stopped: tuple[datetime, datetime] | None) -> str:
    if stopped is None:
        return "定时工作没有停过。"
    begins, ends = (moment.astimezone(CHINA) for moment in stopped)
    return f"定时工作自 {begins:%m-%d %H:%M} 停到 {ends:%m-%d %H:%M}，之后补办。"


def _verdict(differences: list[str]) -> str:
    if not differences:
        return "独立重算与库中记录完全一致。"
    return f"独立重算与库中记录有 {len(differences)} 处不同，前 {min(len(differences), SHOWN)} 处："
