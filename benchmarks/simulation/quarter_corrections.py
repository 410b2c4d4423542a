"""The 80 % loop as offices and units work it: drafts dispatched, entries mended or defended, results looked at."""

from datetime import datetime

from sqlalchemy import select

from benchmarks.simulation.city import House
from benchmarks.simulation.quarter_world import Quarter
from benchmarks.simulation.quarter_writing import write_version
from benchmarks.simulation.world import HOUR, person
from kb_admin import calls, defences, lifecycle, notices
from kb_admin.permissions import grants_of
from models.improvement import Defence
from models.notices import Notice
from models.values import ApplicationStatus, NoticeKind, NoticeStatus

OPEN = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
DISPATCHES, DECIDES, SEES, LOOKS_AGAIN = HOUR, 3 * HOUR, 6 * HOUR, 4 * HOUR
"""Working seconds that the office takes, about; and a unit until it looks again at an entry that is on its way."""
BEGINS = "1 working_day"
"""Units get to a correction as to what has such a limit: more than half in time for the rulebook's, some not."""
SEES_THAT_IT_IS_RIGHT = 0.3
"""How often the office sees in its list of drafts that the entry is right, and cancels."""
DEFENDS_RIGHT, DEFENDS_WRONG = 0.8, 0.07
"""How often a unit defends a right entry, and a faulty one; else it writes it again, as it should be."""
ACCEPTS_RIGHT, ACCEPTS_WRONG = 0.92, 0.1
"""How often the office accepts the one and the other."""


def look_at_drafts(quarter: Quarter, now: datetime) -> None:
    """The office goes through its list; each draft that is new there is dealt with soon."""
    with quarter.services.open_session() as session:
        drafts = select(Notice.id).where(Notice.kind == NoticeKind.CORRECTION, Notice.status == NoticeStatus.DRAFT)
        new = [each for each in session.scalars(drafts.order_by(Notice.id)) if each not in quarter.taken_up]
    for notice_id in new:
        quarter.taken_up.add(notice_id)
        quarter.world.at(quarter.at_slot(now, DISPATCHES), lambda at, of=notice_id: _dispatch(quarter, of, at))  # type: ignore[misc]


def call_late_units(quarter: Quarter, now: datetime) -> None:
    """The offices work through their lists of calls, but not always to the end."""
    offices = sorted({quarter.world.city.of("own_office", house) for house in quarter.world.city.houses})
    for person_id in offices:
        with quarter.acting() as session:
            actor = person(session, person_id)
            for task in calls.open_calls(session, grants_of(actor), now):
                if quarter.chance_of("office").random() < 0.8:
                    calls.record_call(session, task, "单位答复尽快办结", actor=actor, now=now)


def _dispatch(quarter: Quarter, notice_id: int, now: datetime) -> None:
    """The office sends it, or sees that there is nothing to mend."""
    with quarter.acting() as session:
        notice = session.get_one(Notice, notice_id)
        if notice.status is not NoticeStatus.DRAFT:
            return
        house = quarter.world.city.house(notice.unit_id)
        actor = person(session, quarter.world.city.of("own_office", house))
        if not _is_faulty(quarter, notice, now) and quarter.chance_of("office").random() < SEES_THAT_IT_IS_RIGHT:
            notices.cancel(session, notice, "经核对，原答案无误", actor=actor, now=now)
            return
        notices.dispatch(session, notice, actor=actor, now=now)
    quarter.world.at(quarter.within(now, BEGINS, house), lambda at: _rectify(quarter, notice_id, house, at))


def _rectify(quarter: Quarter, notice_id: int, house: House, now: datetime) -> None:
    """The unit verifies: it defends the entry, or brings what it should say on its way."""
    with quarter.acting() as session:
        notice = session.get_one(Notice, notice_id)
        if notice.status not in OPEN or notice.entry_id is None:
            return
        defends = DEFENDS_WRONG if _is_faulty(quarter, notice, now) else DEFENDS_RIGHT
        if not defences.refused(session, notice) and quarter.chance_of("units").random() < defends:
            editor = person(session, house.people["editor"])
            asked = defences.defend(session, notice, "与现行文件逐条核对，内容一致", actor=editor, now=now)
            quarter.world.at(quarter.at_slot(now, DECIDES), lambda at: _decide(quarter, asked.id, house, at))
            return
        entry_id = notice.entry_id
    right = quarter.truth.right(quarter.truth.codes[entry_id], now)
    if not write_version(quarter, house, entry_id, right, now):
        again = quarter.at_slot(now, LOOKS_AGAIN, house)
        quarter.world.at(again, lambda at: _rectify(quarter, notice_id, house, at))


def _decide(quarter: Quarter, defence_id: int, house: House, now: datetime) -> None:
    """The office accepts the defence, or the unit has to mend after all."""
    with quarter.acting() as session:
        defence = session.get_one(Defence, defence_id)
        if defence.status is not ApplicationStatus.CONSENTED or defence.notice.status not in OPEN:
            return
        accepts = ACCEPTS_WRONG if _is_faulty(quarter, defence.notice, now) else ACCEPTS_RIGHT
        granted = quarter.chance_of("office").random() < accepts
        actor = person(session, quarter.world.city.of("own_office", house))
        answer = "" if granted else "与现行文件不一致，请修改"
        defences.decide(session, defence, granted=granted, answer=answer, actor=actor, now=now)
        notice_id = defence.notice_id
    if not granted:
        quarter.world.at(quarter.at_slot(now, HOUR, house), lambda at: _rectify(quarter, notice_id, house, at))


def look_at_results(quarter: Quarter, now: datetime) -> None:
    """查看并做好记录: the office looks at what was completed."""
    with quarter.acting() as session:
        done = select(Notice).where(Notice.status == NoticeStatus.COMPLETED, Notice.kind != NoticeKind.REVIEW)
        for notice in session.scalars(done.order_by(Notice.id)).all():
            house = quarter.world.city.house(notice.unit_id)
            actor = person(session, quarter.world.city.of("own_office", house))
            notices.see(session, notice, "已核对", actor=actor, now=now)


def _is_faulty(quarter: Quarter, notice: Notice, now: datetime) -> bool:
    """Whether what the entry says now is not as it should be."""
    assert notice.entry_id is not None
    with quarter.services.open_session() as session:
        live = lifecycle.live_version(session, notice.entry_id)
        return live is not None and not quarter.truth.is_right(live.entry_id, live.answer, live.spoken, now)
