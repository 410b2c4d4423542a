"""The clocks of notices: when each is due, what befalls it on the way, and the one step that moves it on.

``Clock.next_at`` is the only moment at which a running clock must be looked at again. Whoever looks changes it on the
condition that nobody has meanwhile, and writes what fell due in the same transaction: so nothing is lost and nothing
happens twice, whoever looks, however late and however often. Everything is dated when it fell due. A limit is over at
its last moment itself: what is done at ``due_at`` is late.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from kb_admin import notice_messages as messages
from kb_admin.moving import LONGEST_RULE, fitting
from kb_admin.notifications import UNIT_PEOPLE, parties, tell
from kb_admin.rulebook import ClockRule, Expiry, Party, StartsAt
from kb_admin.rules_in_force import InForce, rules_by_id
from kb_admin.worktime import due_at, lead
from models.errors import Conflict
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.organisation import Person
from models.values import ClockEventKind

K = ClockEventKind


@dataclass(frozen=True)
class Step:
    """Something that befell a clock, and when."""

    kind: ClockEventKind
    at: datetime


@dataclass(frozen=True)
class Course:
    """How a clock will run, before it does."""

    rule: ClockRule
    starts_at: datetime
    due_at: datetime
    warn_at: datetime | None
    """None: nobody is reminded."""


def course(rule: ClockRule, at: datetime, rules: InForce, *, now: datetime) -> Course:
    """How a clock runs that begins at ``at``; nobody is reminded of what lies before ``now``.

    Raises CalendarNotPublished when the limit reaches into a year whose holidays are not known.
    """
    due = due_at(at, rule.limit, rules.calendar, start_day_counts=rule.start_day_counts)
    return Course(rule, at, due, _warning(rule, due, rules, after=max(at, now)))


def start(session: Session, notice: Notice, run: Course, rules: InForce, *, now: datetime) -> Clock:
    """Let a clock run on the notice. One that began so long ago that it is over is overdue at once."""
    clock = Clock(
        notice=notice,
        name=run.rule.name,
        title=run.rule.title,
        rule=fitting(rules.rulebook.cite(run.rule.source), LONGEST_RULE),
        limit=str(run.rule.limit),
        started_at=run.starts_at,
        due_at=run.due_at,
        first_due_at=run.due_at,
        warn_at=run.warn_at,
        next_at=run.warn_at or run.due_at,
    )
    session.add(clock)
    session.flush()
    session.add(ClockEvent(clock_id=clock.id, kind=K.STARTED, at=run.starts_at))
    _settle(session, clock, run.rule, now)
    session.flush()
    return clock


def starting_point(rule: ClockRule, *, dispatched_at: datetime, starts_at: datetime | None) -> datetime:
    """From when a clock of a notice runs: its dispatch, or the event that the notice names."""
    if rule.starts is StartsAt.DISPATCH or starts_at is None:
        return dispatched_at
    return starts_at


def stop(session: Session, notice: Notice, at: datetime, *, actor: Person | None, names: Collection[str] = ()) -> None:
    """Stop the running clocks of the notice, or those named; what fell due before is written first.

    So what is done late is never shown as done in time, though no worker had looked meanwhile.
    """
    rulebook = rules_of(session, notice).rulebook
    for clock in _running(session, notice):
        if names and clock.name not in names:
            continue
        _settle(session, clock, rulebook.clock(clock.name), at)
        clock.stopped_at, clock.next_at = at, None
        session.add(ClockEvent(clock=clock, kind=K.STOPPED, at=at, actor=actor))
    session.flush()


def extend(
    session: Session, clock: Clock, until: datetime, *, actor: Person | None, now: datetime, note: str = ""
) -> None:
    """Move the end of a running clock to ``until``. Raises Conflict when it has been stopped, or ends no later so."""
    rules = rules_of(session, clock.notice)
    rule = rules.rulebook.clock(clock.name)
    if clock not in _running(session, clock.notice):
        raise Conflict(f"{clock.title}已停止计时，不能再延期。请刷新后再看。")
    if until <= clock.due_at:
        raise Conflict(f"新的时限应晚于现在的时限 {messages.when(clock.due_at)}。")
    _settle(session, clock, rule, now)
    clock.due_at = until
    clock.warn_at = _warning(rule, until, rules, after=now)
    clock.next_at = clock.warn_at or until
    ordinal = _extensions(session, [clock.id]).get(clock.id, 0) + 1
    session.add(ClockEvent(clock=clock, kind=K.EXTENDED, ordinal=ordinal, at=now, actor=actor, note=note))
    session.flush()
    _settle(session, clock, rule, now)


def run_due(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Move on the clocks that must be looked at, at most ``limit`` of them; returns how many were moved on here."""
    waiting = (
        select(Clock)
        .where(Clock.next_at <= now)
        .order_by(Clock.next_at, Clock.id)
        .limit(limit)
        .options(joinedload(Clock.notice, innerjoin=True))
        .with_for_update(skip_locked=True, of=Clock)
        .execution_options(populate_existing=True)
    )
    clocks = session.scalars(waiting).all()
    rounds = _extensions(session, [clock.id for clock in clocks])
    rulebooks = {number: rules_by_id(session, number).rulebook for number in {c.notice.rulebook_id for c in clocks}}
    moved = 0
    for clock in clocks:
        steps = steps_due(clock, rulebooks[clock.notice.rulebook_id].clock(clock.name), now)
        if _move_on(session, clock, now):
            _write(session, clock, steps, ordinal=rounds.get(clock.id, 0) + 1)
            moved += 1
    session.flush()
    return moved


def steps_due(clock: Clock, rule: ClockRule, now: datetime) -> tuple[Step, ...]:
    """What befell a running clock up to ``now`` and is not written yet, in order."""
    if clock.next_at is None or clock.next_at > now:
        return ()
    steps = []
    if clock.warn_at is not None and clock.next_at <= clock.warn_at:
        steps.append(Step(K.WARNED, clock.warn_at))
    if clock.due_at <= now:
        steps.append(Step(K.EXPIRED, clock.due_at))
        steps += [Step(kind, clock.due_at) for kind in (K.SECOND_NOTICE, K.CALL_LIST) if EXPIRY[kind] in rule.on_expiry]
    return tuple(steps)


def next_look(clock: Clock, now: datetime) -> datetime | None:
    """When a clock must be looked at after ``now``; None when all has befallen it that can."""
    ahead = (moment for moment in (clock.warn_at, clock.due_at) if moment is not None and moment > now)
    return min(ahead, default=None)


def rules_of(session: Session, notice: Notice) -> InForce:
    """The rules under which the notice runs."""
    return rules_by_id(session, notice.rulebook_id)


def is_late(clock: Clock, now: datetime) -> bool:
    """Whether the clock ran out: before it was stopped, or before ``now`` while it runs."""
    return (clock.stopped_at or now) >= clock.due_at


EXPIRY = {K.SECOND_NOTICE: Expiry.SECOND_NOTICE, K.CALL_LIST: Expiry.CALL_LIST}


def _warning(rule: ClockRule, due: datetime, rules: InForce, *, after: datetime) -> datetime | None:
    if rule.warn_before is None:
        return None
    warn = lead(due, rule.warn_before, rules.calendar)
    return warn if after < warn < due else None


def _running(session: Session, notice: Notice) -> Sequence[Clock]:
    """The clocks of a notice that run, as they are now, and kept from others until the transaction ends."""
    mine = select(Clock).where(Clock.notice_id == notice.id, Clock.stopped_at.is_(None)).order_by(Clock.id)
    return session.scalars(mine.with_for_update().execution_options(populate_existing=True)).all()


def _settle(session: Session, clock: Clock, rule: ClockRule, now: datetime) -> None:
    """Write what fell due of a clock that this transaction holds."""
    steps = steps_due(clock, rule, now)
    if steps:
        clock.next_at = next_look(clock, now)
        _write(session, clock, steps, ordinal=_extensions(session, [clock.id]).get(clock.id, 0) + 1)


def _move_on(session: Session, clock: Clock, now: datetime) -> bool:
    """Set ``next_at``, unless somebody else has changed the clock since it was read."""
    changed = (
        update(Clock)
        .where(Clock.id == clock.id, Clock.next_at == clock.next_at, Clock.due_at == clock.due_at)
        .where(Clock.stopped_at.is_(None))
        .values(next_at=next_look(clock, now))
        .returning(Clock.id)
    )
    moved = session.scalars(changed.execution_options(synchronize_session=False)).all()
    session.expire(clock, ["next_at"])
    return bool(moved)


def _extensions(session: Session, clock_ids: Sequence[int]) -> dict[int, int]:
    """How often each of these clocks was extended; those that never were are not named."""
    if not clock_ids:
        return {}
    counted = (
        select(ClockEvent.clock_id, func.count())
        .where(ClockEvent.clock_id.in_(clock_ids), ClockEvent.kind == K.EXTENDED)
        .group_by(ClockEvent.clock_id)
    )
    return dict(session.execute(counted).tuples().all())


def _write(session: Session, clock: Clock, steps: Sequence[Step], *, ordinal: int) -> None:
    kinds = {step.kind for step in steps}
    for step in steps:
        session.add(ClockEvent(clock_id=clock.id, kind=step.kind, ordinal=ordinal, at=step.at))
        if step.kind is K.CALL_LIST:
            session.add(CallTask(clock=clock, ordinal=ordinal, created_at=step.at))
        _tell(session, clock, step, kinds, ordinal)


def _tell(session: Session, clock: Clock, step: Step, kinds: set[ClockEventKind], ordinal: int) -> None:
    """One message at a time to each: the second notice stands for the unit's, the call for the office's."""
    notice = clock.notice
    people: tuple[Party, ...]
    page = messages.address(notice)
    match step.kind:
        case K.WARNED:
            people, text = UNIT_PEOPLE, messages.warned(clock)
        case K.SECOND_NOTICE:
            people, text = UNIT_PEOPLE, messages.second_notice(clock)
        case K.CALL_LIST:
            people, text, page = (Party.OWN_OFFICE,), messages.to_be_called(clock), "/calls"
        case _:
            unit = () if K.SECOND_NOTICE in kinds else UNIT_PEOPLE
            office = () if K.CALL_LIST in kinds else (Party.OWN_OFFICE,)
            people, text = (*unit, *office), messages.expired(clock)
    event = f"clock:{clock.id}:{step.kind.value}:{ordinal}"
    told = parties(session, notice.unit, *people) if people else []
    tell(session, told, event, text, page, step.at, details=messages.details(notice))
