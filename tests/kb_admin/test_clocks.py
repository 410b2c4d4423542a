"""Clocks run out when the calendar says so, whoever looks and however late, and nothing befalls one twice."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import calls, clocks, notices
from kb_admin.permissions import grants_of
from models.errors import Conflict, Forbidden, Invalid
from models.messages import Notification
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.organisation import Person
from models.values import CHINA, ClockEventKind, NoticeKind
from tests.cast import NOW, Cast

K = ClockEventKind
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    """A moment in China: "11-23 17:30" of 2026."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA)


def collection(session: Session, cast: Cast) -> Notice:
    """Dispatched on Friday 20 November 2026 at 10:30."""
    return notices.open_notice(
        session,
        kind=NoticeKind.COLLECTION,
        unit=cast.unit,
        title="补充社保卡补领",
        dispatched=True,
        actor=cast.office,
        now=NOW,
    )


def correction(session: Session, cast: Cast) -> Notice:
    """The same for a notice whose limit leads to a second notice and a call; about no matter which entry."""
    return notices.open_notice(
        session,
        kind=NoticeKind.SUPERVISION,
        unit=cast.unit,
        title="督促整改",
        limit="2 working_days",
        dispatched=True,
        actor=cast.office,
        now=NOW,
    )


def history(session: Session, notice: Notice) -> list[tuple[str, ClockEventKind, datetime]]:
    """What befell the notice's clocks, in order."""
    events = select(Clock.name, ClockEvent.kind, ClockEvent.at).join(ClockEvent.clock)
    mine = events.where(Clock.notice_id == notice.id).order_by(ClockEvent.at, ClockEvent.id)
    return [(name, kind, moment) for name, kind, moment in session.execute(mine).tuples()]


def told(session: Session, person: Person) -> list[str]:
    """The texts of the person's messages, the oldest first."""
    mine = select(Notification.text).where(Notification.person_id == person.id)
    return list(session.scalars(mine.order_by(Notification.at, Notification.id)))


def test_the_clocks_of_a_collection_notice_end_at_the_close_of_the_first_and_the_fifth_working_day(
    session: Session, cast: Cast
) -> None:
    """济源 art. 9(1)3. Friday the 20th; the 21st and 22nd are a weekend."""
    notice = collection(session, cast)
    assert [(c.name, c.started_at, c.due_at, c.warn_at) for c in notice.clocks] == [
        ("sign_collection", NOW, at("11-23 17:30"), at("11-23 15:30")),
        ("complete_collection", NOW, at("11-27 17:30"), at("11-25 17:30")),
    ]
    assert all("济区数〔2023〕4号" in clock.rule or "系统默认" in clock.rule for clock in notice.clocks)


def test_each_thing_befalls_a_clock_at_its_own_moment(session: Session, cast: Cast) -> None:
    notice = correction(session, cast)
    session.commit()
    for moment in ("11-23 17:29:59", "11-24 17:29:59", "11-24 17:30"):
        clocks.run_due(session, at(moment))
        session.commit()
    assert history(session, notice) == [
        ("supervision", K.STARTED, NOW),
        ("supervision", K.WARNED, at("11-23 17:30")),
        ("supervision", K.EXPIRED, at("11-24 17:30")),
        ("supervision", K.SECOND_NOTICE, at("11-24 17:30")),
        ("supervision", K.CALL_LIST, at("11-24 17:30")),
    ]


def test_a_clock_is_left_alone_until_its_second(session: Session, cast: Cast) -> None:
    notice = collection(session, cast)
    assert clocks.run_due(session, at("11-23 15:30") - SECOND) == 0
    assert clocks.run_due(session, at("11-23 15:30")) == 1
    assert history(session, notice)[-1] == ("sign_collection", K.WARNED, at("11-23 15:30"))


def test_looking_again_changes_nothing(session: Session, cast: Cast) -> None:
    notice = correction(session, cast)
    later = at("12-20 09:00")
    assert clocks.run_due(session, later) == 1
    session.commit()
    before = history(session, notice), told(session, cast.editor), told(session, cast.office)
    assert clocks.run_due(session, later) == 0
    assert clocks.run_due(session, later + timedelta(days=30)) == 0
    assert (history(session, notice), told(session, cast.editor), told(session, cast.office)) == before


def test_what_fell_due_during_a_stop_is_dated_then(session: Session, cast: Cast) -> None:
    notice = collection(session, cast)
    clocks.run_due(session, at("12-11 08:00"))
    assert history(session, notice) == [
        ("sign_collection", K.STARTED, NOW),
        ("complete_collection", K.STARTED, NOW),
        ("sign_collection", K.WARNED, at("11-23 15:30")),
        ("sign_collection", K.EXPIRED, at("11-23 17:30")),
        ("complete_collection", K.WARNED, at("11-25 17:30")),
        ("complete_collection", K.EXPIRED, at("11-27 17:30")),
        ("complete_collection", K.SECOND_NOTICE, at("11-27 17:30")),
    ]


def test_only_so_many_are_moved_on_at_a_time_the_longest_due_first(session: Session, cast: Cast) -> None:
    first, second = collection(session, cast), collection(session, cast)
    assert clocks.run_due(session, at("11-23 17:30"), limit=1) == 1
    assert (len(history(session, first)), len(history(session, second))) == (4, 2)
    assert clocks.run_due(session, at("11-23 17:30"), limit=1) == 1
    assert clocks.run_due(session, at("11-23 17:30"), limit=1) == 0


def test_what_is_done_in_time_is_in_time_though_nobody_had_looked(session: Session, cast: Cast) -> None:
    notice = collection(session, cast)
    notices.sign(session, notice, actor=cast.editor, now=at("11-23 17:29:59"))
    assert history(session, notice)[-1] == ("sign_collection", K.STOPPED, at("11-23 17:29:59"))
    assert K.EXPIRED not in {kind for _, kind, _ in history(session, notice)}
    assert not clocks.is_late(notice.clocks[0], at("12-20 09:00"))


@pytest.mark.parametrize("moment", ["11-23 17:30", "11-24 09:00"])
def test_what_is_done_late_is_late_though_nobody_had_looked(session: Session, cast: Cast, moment: str) -> None:
    """The limit is over at its last moment itself."""
    notice = collection(session, cast)
    notices.sign(session, notice, actor=cast.editor, now=at(moment))
    signing = [(kind, when) for name, kind, when in history(session, notice) if name == "sign_collection"]
    assert signing == [
        (K.STARTED, NOW),
        (K.WARNED, at("11-23 15:30")),
        (K.EXPIRED, at("11-23 17:30")),
        (K.STOPPED, at(moment)),
    ]
    assert clocks.is_late(notice.clocks[0], at("12-20 09:00"))
    assert clocks.run_due(session, at("11-24 09:00")) == 0


def test_a_stopped_clock_is_never_looked_at_again(session: Session, cast: Cast) -> None:
    notice = collection(session, cast)
    notices.cancel(session, notice, "发错单位", actor=cast.office, now=NOW + SECOND)
    assert clocks.run_due(session, at("12-20 09:00")) == 0


def test_the_unit_is_reminded_and_told_again_when_it_is_overdue(session: Session, cast: Cast) -> None:
    correction(session, cast)
    clocks.run_due(session, at("11-24 17:30"))
    for person in (cast.editor, cast.reviewer, cast.leader):
        came, reminded, overdue = told(session, person)
        assert "2026年11月24日 17:30前" in came
        assert "将于 2026年11月24日 17:30 到期" in reminded
        assert overdue.startswith("【超期通知】")
    (to_call,) = told(session, cast.office)
    assert to_call.startswith(f"请联系{cast.unit.name}")
    for stranger in (cast.stranger, cast.county_office, cast.agent):
        assert told(session, stranger) == []


def test_without_a_second_notice_the_overdue_is_told_to_the_unit_and_its_office(session: Session, cast: Cast) -> None:
    collection(session, cast)
    clocks.run_due(session, at("11-23 17:30"))
    for person in (cast.editor, cast.leader, cast.office):
        assert "现已超期" in told(session, person)[-1]


def test_a_matter_registered_late_is_overdue_at_once_and_nobody_is_reminded(session: Session, cast: Cast) -> None:
    """Announced on Monday the 9th, five working days: over on the 16th, registered on the 20th."""
    notice = notices.open_notice(
        session,
        kind=NoticeKind.UPDATE,
        unit=cast.unit,
        title="工伤保险费率调整",
        starts_at=at("11-09 09:00"),
        dispatched=True,
        actor=cast.editor,
        now=NOW,
    )
    assert history(session, notice) == [
        ("update_after_change", K.STARTED, at("11-09 09:00")),
        ("update_after_change", K.EXPIRED, at("11-16 17:30")),
    ]


def test_a_limit_into_a_year_without_a_calendar_is_refused_and_nothing_is_dispatched(
    session: Session, cast: Cast
) -> None:
    draft = notices.open_notice(
        session, kind=NoticeKind.COLLECTION, unit=cast.unit, title="年底", actor=cast.office, now=NOW
    )
    session.commit()
    with pytest.raises(Invalid, match=r"2999|放假安排"):
        notices.dispatch(session, draft, actor=cast.office, now=datetime(2150, 12, 30, tzinfo=CHINA))
    session.rollback()
    assert draft.dispatched_at is None
    assert draft.clocks == []


class TestCalls:
    """联系清单 (济源 art. 9(3)3)."""

    @pytest.fixture
    def task(self, session: Session, cast: Cast) -> CallTask:
        correction(session, cast)
        clocks.run_due(session, at("11-24 17:30"))
        return session.scalars(select(CallTask)).one()

    @pytest.fixture
    def listed(self, session: Session) -> Callable[[Person], list[CallTask]]:
        return lambda person: list(calls.open_calls(session, grants_of(person), at("11-25 09:00")))

    def test_the_units_office_has_to_call(
        self, task: CallTask, cast: Cast, listed: Callable[[Person], list[CallTask]]
    ) -> None:
        assert task.created_at == at("11-24 17:30")
        assert listed(cast.office) == [task]
        for stranger in (cast.county_office, cast.editor, cast.stranger, cast.agent):
            assert listed(stranger) == []

    def test_a_recorded_call_is_off_the_list(
        self, session: Session, task: CallTask, cast: Cast, listed: Callable[[Person], list[CallTask]]
    ) -> None:
        calls.record_call(session, task, "已答应今天下班前办结", actor=cast.office, now=at("11-25 09:10"))
        assert listed(cast.office) == []
        assert (task.called_by_id, task.answer) == (cast.office.id, "已答应今天下班前办结")
        with pytest.raises(Conflict, match="刚刚有人记录过"):
            calls.record_call(session, task, "再打一次", actor=cast.office, now=at("11-25 09:11"))

    def test_others_may_not_record_a_call(self, session: Session, task: CallTask, cast: Cast) -> None:
        for stranger in (cast.county_office, cast.editor, cast.stranger):
            with pytest.raises(Forbidden):
                calls.record_call(session, task, "联系过了", actor=stranger, now=NOW)
        with pytest.raises(Invalid, match="写明联系的结果"):
            calls.record_call(session, task, "  ", actor=cast.office, now=NOW)

    def test_a_unit_that_has_done_it_need_not_be_called(
        self, session: Session, task: CallTask, cast: Cast, listed: Callable[[Person], list[CallTask]]
    ) -> None:
        notices.complete(session, task.clock.notice, "已整改", actor=cast.editor, now=at("11-25 08:50"))
        assert listed(cast.office) == []
