"""What offices and units do with notices: send, sign, answer, complete, ask for time, call, supervise."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.simulation.city import House
from benchmarks.simulation.entry_work import SOON, pick, write_change, write_on
from benchmarks.simulation.ledger import Act
from benchmarks.simulation.plain_time import midnight
from benchmarks.simulation.world import HOUR, World, is_behind, person
from kb_admin import calls, duties, extensions, notices, staff
from kb_admin.permissions import grants_of
from kb_admin.staff import StaffLine
from models.duties import StaffDuty
from models.errors import Conflict
from models.knowledge import Entry, Version
from models.notices import Application, Notice
from models.organisation import Unit
from models.values import CHINA, ApplicationStatus, NoticeKind, NoticeStatus

OPEN = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
CANCELLED, ASKS_FOR_TIME, SUPERVISED, WRITES = 0.03, 0.35, 0.6, 0.5
"""How often a notice is cancelled, a unit asks for more time, an overdue one is supervised, an answer is an entry."""


@dataclass(frozen=True)
class Sent:
    """A notice as the simulation knows it."""

    notice_id: int
    kind: NoticeKind
    house: House
    entry_id: int = 0
    major: bool = False


def collect(world: World, now: datetime) -> None:
    """采集通知单: some are written first and sent later."""
    house = world.house()
    sent = _open(world, now, NoticeKind.COLLECTION, house, title="补充办事指南", at_once=world.chance(0.7))
    if world.chance(CANCELLED):
        world.at(world.later(now, 2 * HOUR), lambda at: _cancel(world, sent, at))


def ask(world: World, now: datetime) -> None:
    """知识提问."""
    _open(world, now, NoticeKind.QUESTION, world.house(), title="市民问到的事项没有答案", starts_at=now)


def correct(world: World, now: datetime) -> None:
    """整改通知单 for a live entry that was reported some time before."""
    house = world.house()
    with world.acting() as session:
        entry = pick(world, session, house, now)
        if entry is None or _is_being_corrected(session, entry.id):
            return
    world.reserved.add(entry.id)
    reported = now - timedelta(hours=world.rng.randrange(1, 30))
    kind = NoticeKind.CORRECTION
    _open(world, now, kind, house, title="答案有误", entry_id=entry.id, starts_at=reported, at_once=False)


def announce(world: World, now: datetime) -> None:
    """A policy was published today, or days ago: the office or the unit registers it."""
    house, by = world.house(), world.rng.choice(("own_office", "editor"))
    days_ago = world.rng.choice((0, 0, 0, 1, 2, 6, 12))
    announced = midnight(now.astimezone(CHINA).date() - timedelta(days=days_ago)) + timedelta(hours=8)
    major = world.chance(0.3)
    if announced > now:
        return
    with world.acting() as session:
        notice = duties.register_change(
            session,
            session.get_one(Unit, house.unit_id),
            "政策调整",
            "请更新有关条目。",
            announced,
            major=major,
            actor=person(session, world.city.of(by, house)),
            now=now,
        )
        sent = _noted(world, notice, now, major=major, starts_at=announced)
        _dispatched(world, sent, now)
    if world.chance(WRITES):
        write_change(world, now)


def change_staff(world: World, now: datetime) -> None:
    """Somebody new writes or checks for a unit; told today, or some days late; reported to the office later."""
    house = world.house()
    since = now.astimezone(CHINA).date() - timedelta(days=world.rng.choice((0, 0, 1, 4)))
    _join(world, house, since, now)


def list_staff(world: World, house: House, now: datetime) -> None:
    """A unit's first list."""
    _join(world, house, now.astimezone(CHINA).date(), now)


def call_units(world: World, now: datetime) -> None:
    """The offices work through their lists of calls, but not always to the end."""
    offices = {world.city.of("own_office", house) for house in world.city.houses}
    for person_id in sorted(offices):
        with world.acting() as session:
            actor = person(session, person_id)
            for task in calls.open_calls(session, grants_of(actor), now):
                if world.chance(0.8):
                    calls.record_call(session, task, "单位答复今日办结", actor=actor, now=now)
                    world.note(now, Act.CALLED, notice=task.clock.notice_id)


def _open(
    world: World,
    now: datetime,
    kind: NoticeKind,
    house: House,
    *,
    title: str,
    entry_id: int = 0,
    starts_at: datetime | None = None,
    about_id: int = 0,
    limit: str = "",
    at_once: bool = True,
) -> Sent:
    with world.acting() as session:
        notice = notices.open_notice(
            session,
            kind=kind,
            unit=session.get_one(Unit, house.unit_id),
            title=title,
            actor=person(session, world.city.of("own_office", house)),
            now=now,
            entry=session.get_one(Entry, entry_id) if entry_id else None,
            about=session.get_one(Notice, about_id) if about_id else None,
            starts_at=starts_at,
            limit=limit,
            dispatched=at_once,
        )
        sent = _noted(world, notice, now, starts_at=starts_at, limit=limit)
        if at_once:
            _dispatched(world, sent, now)
    if not at_once:
        world.at(world.later(now, HOUR), lambda at: _dispatch(world, sent, at))
    return sent


def _noted(
    world: World,
    notice: Notice,
    now: datetime,
    *,
    major: bool = False,
    starts_at: datetime | None = None,
    limit: str = "",
) -> Sent:
    live = notice.version_id or 0
    facts = {"notice": notice.id, "kind": notice.kind.value, "unit": notice.unit_id, "entry": notice.entry_id or 0}
    world.note(now, Act.OPENED, **facts, version=live, major=major, starts_at=starts_at, limit=limit)
    return Sent(notice.id, notice.kind, world.city.house(notice.unit_id), notice.entry_id or 0, major)


def _dispatch(world: World, sent: Sent, now: datetime) -> None:
    """The office sends what it has written."""
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        if notice.status is not NoticeStatus.DRAFT:  # cancelled, or the entry was mended before
            return
        notices.dispatch(session, notice, actor=person(session, world.city.of("own_office", sent.house)), now=now)
        _dispatched(world, sent, now)


def _dispatched(world: World, sent: Sent, now: datetime) -> None:
    """Plan what the unit does with it, and what the office does if it does not."""
    world.note(now, Act.DISPATCHED, notice=sent.notice_id)
    rules, house = world.rules, sent.house
    clocks = rules.clocks_of(sent.kind.value, major=sent.major, limit="")
    begins = now
    if len(clocks) > 1:
        begins = world.within(now, clocks[0][1], house)
        world.at(begins, lambda at: _sign(world, sent, at))
    ends = max(world.within(now, clocks[-1][1], house), begins + SOON)
    world.at(ends, lambda at: _finish(world, sent, at))
    if sent.kind.value in rules.extension.kinds and world.chance(ASKS_FOR_TIME):
        wished = begins + (ends - begins) * world.rng.uniform(0.05, 1.1)
        world.at(world.later(wished, HOUR / 2), lambda at: _ask_for_time(world, sent, at))
    if sent.kind is not NoticeKind.SUPERVISION and world.chance(SUPERVISED):
        due = world.calendar.due(now, clocks[-1][1])
        world.at(world.later(due, 3 * HOUR), lambda at: _supervise(world, sent, at))


def _sign(world: World, sent: Sent, now: datetime) -> None:
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        if notice.status is NoticeStatus.DISPATCHED:
            actor = person(session, world.city.of(world.rng.choice(("editor", "reviewer")), sent.house))
            notices.sign(session, notice, actor=actor, now=now)
            world.note(now, Act.SIGNED, notice=sent.notice_id)


def _finish(world: World, sent: Sent, now: datetime) -> None:
    """The unit writes what was asked for and is done with it, or says that nothing need be written."""
    if sent.kind is NoticeKind.STAFF:
        _report(world, sent, now)
        return
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        if notice.status not in OPEN:
            return
        if _is_behind(session, sent, notice, now):
            world.at(now + SOON, lambda at: _finish(world, sent, at))
            return
    if sent.kind is NoticeKind.QUESTION and world.chance(WRITES) and _answer(world, sent, now):
        return
    if sent.kind is NoticeKind.CORRECTION and world.chance(0.75):
        written = write_change(world, now, entry_id=sent.entry_id)
        if written:
            return
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        actor = person(session, world.city.of(world.rng.choice(("editor", "reviewer")), sent.house))
        notices.complete(session, notice, "已办理完毕", actor=actor, now=now)
        world.note(now, Act.COMPLETED, notice=sent.notice_id)
    world.reserved.discard(sent.entry_id)
    world.at(world.later(now, 8 * HOUR), lambda at: _look_at(world, sent, at))


def _answer(world: World, sent: Sent, now: datetime) -> bool:
    """A question is answered by an entry: with its publication it is done. Whether there is a route for that."""
    route = next((r for r in world.rules.routes.values() if r.origin == "unit" and not r.emergency), None)

    def answers(session: Session, version: Version) -> None:
        notices.answer_with(session, session.get_one(Notice, sent.notice_id), version)
        world.note(now, Act.ANSWERED, notice=sent.notice_id, version=version.id)

    return route is not None and write_on(world, now, sent.house, route, then=answers)


def _look_at(world: World, sent: Sent, now: datetime) -> None:
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        if notice.status is NoticeStatus.COMPLETED:
            actor = person(session, world.city.of("own_office", sent.house))
            notices.see(session, notice, "已核对", actor=actor, now=now)


def _cancel(world: World, sent: Sent, now: datetime) -> None:
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        if notice.status in (*OPEN, NoticeStatus.DRAFT):
            actor = person(session, world.city.of("own_office", sent.house))
            notices.cancel(session, notice, "不再需要", actor=actor, now=now)
            world.note(now, Act.CANCELLED, notice=sent.notice_id)


def _supervise(world: World, sent: Sent, now: datetime) -> None:
    """督办 of what is overdue; the form names so many natural or working days, or leaves it to the rulebook."""
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        clock = notice.clocks[-1]
        overdue = notice.status in OPEN and clock.stopped_at is None and clock.due_at <= now
    if overdue:
        limit = world.rng.choice(("", "3 days", "2 working_days"))
        kind = NoticeKind.SUPERVISION
        _open(world, now, kind, sent.house, title="督促办理", about_id=sent.notice_id, limit=limit)


def _ask_for_time(world: World, sent: Sent, now: datetime) -> None:
    """延期, in time or too late."""
    rule, calendar = world.rules.extension, world.calendar
    with world.acting() as session:
        notice = session.get_one(Notice, sent.notice_id)
        running = [clock for clock in notice.clocks if clock.stopped_at is None]
        if notice.status not in OPEN or not running or _is_behind(session, sent, notice, now):
            return
        clock = running[-1]
        count, unit = clock.limit.split()
        if unit.removesuffix("s") != "working_day" or rule.longest == 0:
            return
        most = int(int(count) * rule.longest) if rule.longest is not None else 10
        until = calendar.due(clock.first_due_at, f"{world.rng.randint(1, most)} working_days")
        actor = person(session, world.city.of("editor", sent.house))
        try:
            asked = extensions.ask(session, notice, reason="需要多部门会商", until=until, actor=actor, now=now)
        except Conflict:
            session.rollback()
            _too_late(world, sent, Act.ASKED_FOR_TIME, now)
            return
        world.note(now, Act.ASKED_FOR_TIME, notice=sent.notice_id, until=until)
    consent_at = world.later(now, 2 * HOUR, sent.house)
    world.at(consent_at, lambda at: _consent(world, sent, asked.id, at))


def _consent(world: World, sent: Sent, application_id: int, now: datetime) -> None:
    """The leader agrees: in time too, or it was for nothing."""
    with world.acting() as session:
        application = session.get_one(Application, application_id)
        if application.status is not ApplicationStatus.ASKED or _is_behind(session, sent, application.notice, now):
            return
        actor = person(session, world.city.of(world.rules.extension.consent, sent.house))
        try:
            extensions.consent(session, application, actor=actor, now=now)
        except Conflict:
            session.rollback()
            _too_late(world, sent, Act.CONSENTED, now)
            return
        world.note(now, Act.CONSENTED, notice=sent.notice_id)
    world.at(world.later(now, 3 * HOUR), lambda at: _decide(world, sent, application_id, at))


def _decide(world: World, sent: Sent, application_id: int, now: datetime) -> None:
    with world.acting() as session:
        application = session.get_one(Application, application_id)
        waits = application.status is ApplicationStatus.CONSENTED and application.until is not None
        if not waits or _is_behind(session, sent, application.notice, now):
            return
        assert application.until is not None
        granted = world.chance(0.7) and application.until > now
        actor = person(session, world.city.of(world.rules.extension.decides, sent.house))
        answer = "" if granted else "理由不充分，请按期办结"
        extensions.decide(session, application, granted=granted, answer=answer, actor=actor, now=now)
        act = Act.GIVEN_TIME if granted else Act.REFUSED_TIME
        world.note(now, act, notice=sent.notice_id, until=application.until)


def _too_late(world: World, sent: Sent, act: Act, now: datetime) -> None:
    world.ledger.too_late_refused += 1
    world.note(now, act, notice=sent.notice_id, too_late=True)


def _join(world: World, house: House, since: date, now: datetime) -> None:
    """Put somebody on the list. The first list that a unit reports is no change: its clock runs from now."""
    first = house.unit_id not in world.listed
    with world.acting() as session:
        unit = session.get_one(Unit, house.unit_id)
        if staff.to_report(session, unit):
            return
        world.written += 1
        line = StaffLine(f"第{world.written}位", world.rng.choice((StaffDuty.EDITOR, StaffDuty.CONTACT)), "科员")
        actor = person(session, world.city.of("editor", house))
        staff.join(session, unit, line, since=since, actor=actor, now=now)
        opened = staff.to_report(session, unit)
        for notice in opened:
            sent = _noted(world, notice, now, starts_at=now if first else midnight(since))
            _dispatched(world, sent, now)


def _report(world: World, sent: Sent, now: datetime) -> None:
    """上报 of the list completes all that was open."""
    with world.acting() as session:
        unit = session.get_one(Unit, sent.house.unit_id)
        due = [notice.id for notice in staff.to_report(session, unit)]
        if due:
            staff.report(session, unit, actor=person(session, world.city.of("editor", sent.house)), now=now)
            world.listed.add(sent.house.unit_id)
        for notice_id in due:
            world.note(now, Act.COMPLETED, notice=notice_id)


def _is_being_corrected(session: Session, entry_id: int) -> bool:
    """Whether an earlier correction is still open: its unit gave up the version that was to end it."""
    unfinished = (*OPEN, NoticeStatus.DRAFT)
    mine = (Notice.entry_id == entry_id, Notice.kind == NoticeKind.CORRECTION, Notice.status.in_(unfinished))
    return session.scalar(select(Notice.id).where(*mine).limit(1)) is not None


def _is_behind(session: Session, sent: Sent, notice: Notice | None, now: datetime) -> bool:
    """Whether time has done something to an entry that would complete the notice, and no worker has written it yet."""
    entries = {sent.entry_id} if sent.entry_id else set()
    if notice is not None:
        entries |= {answer.version.entry_id for answer in notice.answers}
    return any(is_behind(session, now, entry_id=entry_id) for entry_id in sorted(entries))
