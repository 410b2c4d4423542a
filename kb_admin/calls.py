"""联系清单: the units that the office has to call because a limit ran out (济源 art. 9(3)3)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from kb_admin import audit
from kb_admin.permissions import Grant, acts_as, grants_of
from kb_admin.rulebook import Party
from kb_admin.wording import readable
from models.errors import Conflict, Forbidden, Invalid
from models.notices import CallTask, Clock
from models.organisation import Person

LONGEST_ANSWER = 2000


def open_calls(session: Session, grants: Iterable[Grant], now: datetime) -> Sequence[CallTask]:
    """The calls that this office has still to make, the longest overdue first.

    A unit need not be called any more once it has done it, or was given more time: then the clock does not stand run
    out.
    """
    held = list(grants)
    ran_out = (Clock.stopped_at.is_(None), Clock.next_at.is_(None), Clock.due_at <= now)
    waiting = (
        select(CallTask)
        .join(CallTask.clock)
        .join(Clock.notice)
        .where(CallTask.called_at.is_(None), CallTask.created_at == Clock.due_at, *ran_out)
        .options(joinedload(CallTask.clock, innerjoin=True).joinedload(Clock.notice, innerjoin=True))
        .order_by(CallTask.created_at, CallTask.id)
    )
    return [task for task in session.scalars(waiting) if acts_as(held, Party.OWN_OFFICE, task.clock.notice.unit)]


def record_call(session: Session, task: CallTask, answer: str, *, actor: Person, now: datetime) -> None:
    """The office has called; what the unit said. Raises Conflict when a colleague has recorded it already."""
    notice = task.clock.notice
    if not acts_as(grants_of(actor), Party.OWN_OFFICE, notice.unit):
        raise Forbidden(f"您不能记录与“{notice.unit.name}”的联系，可以记录的是其所属热线办。")
    words = readable(answer, name="联系结果", longest=LONGEST_ANSWER)
    if not words:
        raise Invalid("请写明联系的结果：对方怎么说，何时办结。")
    done = (
        update(CallTask)
        .where(CallTask.id == task.id, CallTask.called_at.is_(None))
        .values(called_at=now, called_by_id=actor.id, answer=words)
        .returning(CallTask.id)
        .execution_options(synchronize_session=False)
    )
    recorded = session.scalars(done).all()
    session.refresh(task)
    if not recorded:
        raise Conflict("刚刚有人记录过这次联系，请刷新后再看。")
    details = {"clock": task.clock.name, "answer": words}
    audit.record(session, actor=actor, act="call", subject=f"notice:{notice.number}", details=details, now=now)
