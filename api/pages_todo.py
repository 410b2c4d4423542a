"""我的待办: one list for each person of all that waits for them, least working time left first."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.due_times import ShownClock, calendars_of, shown_clock
from api.pages_agent import PageCaller
from api.templating import page
from api.wiring import UsingSession
from kb_admin import todo
from kb_admin.permissions import Action, require
from kb_admin.todo import Task, TaskKind

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class TaskLine:
    """One task with its clock as people read it."""

    task: Task
    clock: ShownClock | None


@router.get("/todo")
def todo_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    kind: Annotated[str, Query(max_length=32)] = "",
) -> HTMLResponse:
    """All of it, or one kind."""
    require(caller.grants, Action.READ_TODO)
    now = utc_now()
    tasks = todo.todo_of(session, caller.grants, now)
    counts = Counter(task.kind for task in tasks)
    chosen = next((value for value in TaskKind if value == kind), None)
    context = {
        "lines": task_lines(session, [t for t in tasks if chosen in (None, t.kind)], now),
        "counts": [(value, counts[value]) for value in TaskKind if counts[value]],
        "kind": chosen,
        "count": todo.count_todo(session, caller.grants, now),
        "listed": len(tasks),
        "may_review": any(counts[kind] for kind in (TaskKind.CHECK, TaskKind.PUBLISH, TaskKind.AFTER_CHECK)),
        "several_units": len({task.unit for task in tasks}) > 1,
    }
    return page(request, "todo.html", caller, context)


def task_lines(session: Session, tasks: list[Task], now: datetime) -> list[TaskLine]:
    """The tasks with what is left of their time."""
    clocks = [task.clock for task in tasks if task.clock]
    calendars = calendars_of(session, (clock.notice.rulebook_id for clock in clocks))
    return [
        TaskLine(t, shown_clock(t.clock, calendars[t.clock.notice.rulebook_id], now) if t.clock else None)
        for t in tasks
    ]
