"""申辩: who may, what becomes of the notice and of the count, and the loop from the verdict to the office's record."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import calls, clocks, corrections, defences, lifecycle, notices
from kb_admin.correctness import correctness_of
from kb_admin.permissions import grants_of
from kb_admin.todo import TaskKind, count_todo, todo
from models.errors import Conflict, Forbidden, Invalid
from models.improvement import Defence
from models.knowledge import Version
from models.messages import Notification
from models.notices import CallTask, ClockEvent, Notice
from models.organisation import Person
from models.values import ApplicationStatus, ClockEventKind, NoticeKind, NoticeStatus
from tests.cast import DAY, LOST_CARD, NOW, Cast, published
from tests.kb_admin.raters import RIGHT, WRONG, judged
from tests.kb_admin.test_clocks import at

S, HOUR = NoticeStatus, timedelta(hours=1)
REASON = "工本费按现行文件仍为 16 元。"


@pytest.fixture
def entry(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD)


@pytest.fixture
def notice(session: Session, cast: Cast, entry: Version) -> Notice:
    """Dispatched by the office, made of three right and two wrong."""
    judged(session, entry, [RIGHT] * 3 + [WRONG] * 2, NOW)
    found = corrections.under_correction(session, [entry.entry_id])[entry.entry_id]
    notices.dispatch(session, found, actor=cast.office, now=NOW)
    session.commit()
    return found


def test_an_accepted_defence_completes_the_notice_and_the_count_starts_anew(
    session: Session, cast: Cast, entry: Version, notice: Notice
) -> None:
    defence = defences.defend(session, notice, REASON, actor=cast.editor, now=NOW + HOUR)
    assert (defence.status, notice.status) == (ApplicationStatus.CONSENTED, S.SIGNED)
    defences.decide(session, defence, granted=True, answer="同意", actor=cast.office, now=NOW + 2 * HOUR)
    assert (notice.status, notice.result) == (S.COMPLETED, f"经核实原答案无误：{REASON}")
    assert [clock.stopped_at for clock in notice.clocks] == [NOW + 2 * HOUR]
    assert correctness_of(session, entry, NOW + 2 * HOUR).rate is None
    assert corrections.sweep(session, NOW + 3 * HOUR) == 0
    judged(session, entry, [WRONG] * 5, NOW + 3 * HOUR, start=50)
    assert entry.entry_id in corrections.under_correction(session, [entry.entry_id])


def test_a_refused_defence_leaves_the_clock_as_it_was(
    session: Session, cast: Cast, entry: Version, notice: Notice
) -> None:
    due = [clock.due_at for clock in notice.clocks]
    defence = defences.defend(session, notice, REASON, actor=cast.reviewer, now=NOW + HOUR)
    with pytest.raises(Invalid, match="写明理由"):
        defences.decide(session, defence, granted=False, answer=" ", actor=cast.office, now=NOW + HOUR)
    defences.decide(session, defence, granted=False, answer="文件已废止", actor=cast.office, now=NOW + 2 * HOUR)
    assert notice.status is S.SIGNED
    assert [(clock.due_at, clock.stopped_at) for clock in notice.clocks] == [(due[0], None)]
    assert correctness_of(session, entry, NOW + 2 * HOUR).below
    told = session.scalars(select(Notification.text).where(Notification.event == f"defence:{defence.id}:decided"))
    assert all("未采纳，请继续整改：文件已废止" in text for text in told.all())
    again = defences.defend(session, notice, "另有依据。", actor=cast.editor, now=NOW + 3 * HOUR)
    assert [each.id for each in defences.of_notice(session, notice)] == [again.id, defence.id]


@pytest.mark.parametrize("who", ["stranger", "agent", "leader", "office", "county_office", "analyst", "administrator"])
def test_who_does_not_write_or_check_for_the_unit_cannot_defend(
    who: str, session: Session, cast: Cast, notice: Notice
) -> None:
    with pytest.raises(Forbidden, match="信息采编员、单位审核员"):
        defences.defend(session, notice, REASON, actor=getattr(cast, who), now=NOW)


@pytest.mark.parametrize("who", ["stranger", "agent", "editor", "reviewer", "leader", "county_office", "analyst"])
def test_who_is_not_the_unit_s_office_cannot_decide(who: str, session: Session, cast: Cast, notice: Notice) -> None:
    defence = defences.defend(session, notice, REASON, actor=cast.editor, now=NOW)
    person: Person = getattr(cast, who)
    with pytest.raises(Forbidden, match="决定申辩"):
        defences.decide(session, defence, granted=True, answer="", actor=person, now=NOW)
    if who not in {"editor", "reviewer"}:
        with pytest.raises(Forbidden, match="撤回申辩"):
            defences.take_back(session, defence, actor=person, now=NOW)


def test_what_cannot_be_defended(session: Session, cast: Cast, entry: Version, notice: Notice) -> None:
    with pytest.raises(Invalid, match="理由和依据"):
        defences.defend(session, notice, "  ", actor=cast.editor, now=NOW)
    asked = notices.open_notice(
        session, kind=NoticeKind.COLLECTION, unit=cast.unit, title="采集", actor=cast.office, now=NOW, dispatched=True
    )
    with pytest.raises(Invalid, match="知识库采集通知单不能申辩"):
        defences.defend(session, asked, REASON, actor=cast.editor, now=NOW)
    defence = defences.defend(session, notice, REASON, actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="已有一份申辩"):
        defences.defend(session, notice, "又一份", actor=cast.reviewer, now=NOW)
    defences.take_back(session, defence, actor=cast.reviewer, now=NOW)
    with pytest.raises(Conflict, match="已撤回"):
        defences.decide(session, defence, granted=True, answer="", actor=cast.office, now=NOW)
    notices.cancel(session, notice, "误发", actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="已取消"):
        defences.defend(session, notice, REASON, actor=cast.editor, now=NOW)


def test_a_new_version_ends_the_notice_and_the_defence_lapses(
    session: Session, cast: Cast, entry: Version, notice: Notice
) -> None:
    defence = defences.defend(session, notice, REASON, actor=cast.editor, now=NOW)
    new = lifecycle.add_version(session, entry.entry, replace(LOST_CARD, answer="新。"), actor=cast.editor, now=NOW)
    lifecycle.submit(session, new, actor=cast.editor, now=NOW)
    lifecycle.approve(session, new, actor=cast.reviewer, now=NOW)
    if new.status.value != "published":
        lifecycle.publish(session, new, actor=cast.office, now=NOW)
    session.refresh(defence)
    assert (notice.status, defence.status) == (S.COMPLETED, ApplicationStatus.CANCELLED)


def test_a_defence_waits_in_the_office_s_list_with_the_notice_s_clock(
    session: Session, cast: Cast, entry: Version, notice: Notice
) -> None:
    before = count_todo(session, grants_of(cast.office), NOW)
    defence = defences.defend(session, notice, REASON, actor=cast.editor, now=NOW)
    [task] = [task for task in todo(session, cast.office, NOW) if task.kind is TaskKind.DECIDE]
    assert (task.step, task.subject, task.address) == ("整改申辩", notice.number, f"/notices/{notice.id}#defence")
    assert task.clock is not None
    assert count_todo(session, grants_of(cast.office), NOW) == before + 1
    for person in (cast.county_office, cast.stranger, cast.editor):
        assert not [task for task in todo(session, person, NOW) if task.kind is TaskKind.DECIDE]
    defences.decide(session, defence, granted=False, answer="不符", actor=cast.office, now=NOW)
    assert count_todo(session, grants_of(cast.office), NOW) == before


def test_the_loop_from_the_verdict_to_the_office_s_record(session: Session, cast: Cast, entry: Version) -> None:
    """济源 art. 9(3): dispatched on Friday 20 November at 10:30; 2 working days end on Tuesday at 17:30; nobody acts;
    the unit is told again and put on the list of calls; it mends the entry on Wednesday; the office looks at it."""
    judged(session, entry, [RIGHT] * 3 + [WRONG] * 2, NOW)
    [draft] = [task for task in todo(session, cast.office, NOW) if task.kind is TaskKind.DISPATCH]
    notice = session.scalars(select(Notice).where(Notice.number == draft.subject)).one()
    notices.dispatch(session, notice, actor=cast.office, now=NOW)
    assert notice.clocks[0].due_at == at("11-24 17:30")
    clocks.run_due(session, at("11-24 17:30"))
    befell = session.scalars(select(ClockEvent.kind).order_by(ClockEvent.id)).all()
    assert befell[-3:] == [ClockEventKind.EXPIRED, ClockEventKind.SECOND_NOTICE, ClockEventKind.CALL_LIST]
    [call] = session.scalars(select(CallTask)).all()
    calls.record_call(session, call, "今天改完", actor=cast.office, now=at("11-25 09:00"))
    content = replace(LOST_CARD, answer="## 费用\n不收费。")
    new = lifecycle.add_version(session, entry.entry, content, actor=cast.editor, now=at("11-25 10:00"))
    lifecycle.submit(session, new, actor=cast.editor, now=at("11-25 10:00"))
    lifecycle.approve(session, new, actor=cast.reviewer, now=at("11-25 10:30"))
    if new.status.value != "published":
        lifecycle.publish(session, new, actor=cast.office, now=at("11-25 11:00"))
    assert (notice.status, notice.result) == (S.COMPLETED, "条目已重新发布（第 2 版）。")
    told = session.scalars(select(Notification.person_id).where(Notification.event == f"notice:{notice.id}:completed"))
    assert cast.office.id in told.all()
    notices.see(session, notice, "已核对", actor=cast.office, now=at("11-25 15:00"))
    assert (notice.status, notice.remark) == (S.SEEN, "已核对")
    assert corrections.under_correction(session, [entry.entry_id]) == {}
    assert correctness_of(session, new, NOW + 9 * DAY).rate is None
    assert session.scalars(select(Defence)).all() == []


def test_a_notice_that_was_ended_meanwhile_is_not_defended(session: Session, cast: Cast, notice: Notice) -> None:
    """The unit's page was read before the office cancelled it: no defence is left waiting for what is over."""
    with Session(session.get_bind(), expire_on_commit=False) as other:
        notices.cancel(other, other.get_one(Notice, notice.id), "重复", actor=None, now=NOW)
        other.commit()
    assert notice.status is S.SIGNED  # as it was read
    with pytest.raises(Conflict, match="已取消"):
        defences.defend(session, notice, REASON, actor=cast.editor, now=NOW + HOUR)
    assert session.scalars(select(Defence)).all() == []
