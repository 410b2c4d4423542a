"""延期 (济源 art. 9(1)3): in time, with the leader's consent, decided by the office."""

from dataclasses import dataclass
from datetime import date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import calls, clocks, extensions, notices
from kb_admin.permissions import grants_of
from models.errors import Conflict, Forbidden, Invalid
from models.notices import Application, CallTask, Clock, Notice
from models.organisation import Person
from models.values import ApplicationStatus, ClockEventKind, NoticeKind
from tests.cast import NOW, Cast
from tests.kb_admin.test_clocks import at, collection, correction, history, told

S, K = ApplicationStatus, ClockEventKind
LAST = "11-26 17:30"
"""One working day before Friday 27 November, 17:30."""
UNTIL = "12-02 17:30"


@dataclass
class Extension:
    """A collection notice that is due on Friday 27 November at 17:30, and the wish for more time."""

    session: Session
    cast: Cast
    notice: Notice

    def ask(self, *, now: str = "11-24 10:00", until: str = UNTIL, actor: Person | None = None) -> Application:
        given = {"reason": "等上级文件", "until": at(until), "now": at(now)}
        return extensions.ask(self.session, self.notice, actor=actor or self.cast.editor, **given)

    def consented(self) -> Application:
        application = self.ask()
        extensions.consent(self.session, application, actor=self.cast.leader, now=at("11-24 11:00"))
        return application

    def granted(self, *, now: str = "11-25 09:00", until: str = UNTIL) -> Application:
        application = self.ask(until=until)
        extensions.consent(self.session, application, actor=self.cast.leader, now=at("11-24 11:00"))
        extensions.decide(self.session, application, granted=True, actor=self.cast.office, now=at(now))
        return application

    @property
    def clock(self) -> Clock:
        return next(clock for clock in self.notice.clocks if clock.name == "complete_collection")

    def befell(self) -> list[tuple[ClockEventKind, datetime]]:
        """What befell the clock for completion, in order."""
        return [(kind, when) for name, kind, when in history(self.session, self.notice) if name == self.clock.name]


@pytest.fixture
def extension(session: Session, cast: Cast) -> Extension:
    notice = collection(session, cast)
    notices.sign(session, notice, actor=cast.editor, now=NOW)
    return Extension(session, cast, notice)


def test_a_granted_extension_moves_the_end_and_the_reminder(extension: Extension) -> None:
    application = extension.granted()
    clock = extension.clock
    assert (application.status, application.decided_by_id) == (S.GRANTED, extension.cast.office.id)
    assert (clock.first_due_at, clock.due_at) == (at("11-27 17:30"), at(UNTIL))
    assert (clock.warn_at, clock.next_at) == (at("11-30 17:30"), at("11-30 17:30"))
    assert extension.befell()[-1] == (K.EXTENDED, at("11-25 09:00"))
    clocks.run_due(extension.session, at("11-28 09:00"))
    assert K.EXPIRED not in {kind for kind, _ in extension.befell()}


def test_a_second_extension_and_what_follows_it_are_told_apart(extension: Extension) -> None:
    extension.granted(now="11-25 18:00", until="11-30 17:30")  # it had been reminded of on the 25th at 17:30
    again = extension.ask(now="11-27 17:30", until=UNTIL)
    extensions.consent(extension.session, again, actor=extension.cast.leader, now=at("11-27 17:30"))
    extensions.decide(extension.session, again, granted=True, actor=extension.cast.office, now=at("11-28 09:00"))
    clocks.run_due(extension.session, at("12-10 09:00"))
    assert extension.befell() == [
        (K.STARTED, NOW),
        (K.WARNED, at("11-25 17:30")),
        (K.EXTENDED, at("11-25 18:00")),
        (K.WARNED, at("11-26 17:30")),
        (K.EXTENDED, at("11-28 09:00")),
        (K.WARNED, at("11-30 17:30")),
        (K.EXPIRED, at(UNTIL)),
        (K.SECOND_NOTICE, at(UNTIL)),
    ]
    ordinals = [event.ordinal for event in extension.clock.events]
    assert ordinals == [1, 1, 1, 2, 2, 3, 3, 3]


def test_a_refused_extension_leaves_the_clock_as_it_was(extension: Extension) -> None:
    application = extension.consented()
    with pytest.raises(Invalid, match="写明理由"):
        extensions.decide(extension.session, application, granted=False, actor=extension.cast.office, now=NOW)
    extensions.decide(
        extension.session,
        application,
        granted=False,
        answer="材料已公布",
        actor=extension.cast.office,
        now=at("11-25 09:00"),
    )
    assert (application.status, application.answer) == (S.REFUSED, "材料已公布")
    assert (extension.clock.due_at, extension.clock.next_at) == (at("11-27 17:30"), at("11-25 17:30"))
    assert "未获批准：材料已公布" in told(extension.session, extension.cast.editor)[-1]


def test_it_is_asked_for_up_to_one_working_day_before_the_end(extension: Extension) -> None:
    assert extensions.last_moment(extension.session, extension.notice) == at(LAST)
    with pytest.raises(Conflict, match=r"2026年11月26日 17:30.*已晚"):
        extension.ask(now=f"{LAST}:01")
    assert extension.ask(now=LAST).status is S.ASKED


def test_the_leaders_consent_must_come_as_early(extension: Extension) -> None:
    """It is put to the office "after the leader's consent", at least one working day ahead."""
    application = extension.ask(now=LAST)
    with pytest.raises(Conflict, match="已晚"):
        extensions.consent(extension.session, application, actor=extension.cast.leader, now=at(f"{LAST}:01"))
    extensions.consent(extension.session, application, actor=extension.cast.leader, now=at(LAST))
    assert application.status is S.CONSENTED


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("11-27 17:30", "应晚于"),  # the end as it is
        ("11-26 17:30", "应晚于"),
        ("12-04 17:30:01", "最长到 2026年12月4日 17:30"),  # once the five working days over again
    ],
)
def test_the_new_end_lies_after_the_old_one_and_within_the_bound(extension: Extension, until: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        extension.ask(until=until)


def test_a_day_means_the_close_of_a_working_day(extension: Extension) -> None:
    rules = clocks.rules_of(extension.session, extension.notice)
    assert extensions.end_of(date(2026, 12, 2), rules) == at(UNTIL)
    with pytest.raises(Invalid, match="休息日"):
        extensions.end_of(date(2026, 12, 5), rules)


def test_each_step_is_for_one_party_only(extension: Extension) -> None:
    cast, session = extension.cast, extension.session
    for stranger in (cast.stranger, cast.leader, cast.office, cast.county_office, cast.agent):
        with pytest.raises(Forbidden):
            extension.ask(actor=stranger)
    application = extension.ask(actor=cast.reviewer)
    for stranger in (cast.stranger, cast.editor, cast.reviewer, cast.office, cast.agent):
        with pytest.raises(Forbidden):
            extensions.consent(session, application, actor=stranger, now=NOW)
        with pytest.raises(Forbidden):
            extensions.refuse_consent(session, application, "不同意", actor=stranger, now=NOW)
    for stranger in (cast.stranger, cast.leader, cast.county_office, cast.agent):
        with pytest.raises(Forbidden):
            extensions.decide(session, application, granted=True, actor=stranger, now=NOW)
        if stranger is not cast.leader:
            with pytest.raises(Forbidden):
                extensions.take_back(session, application, actor=stranger, now=NOW)


def test_the_office_decides_only_what_the_leader_has_consented_to(extension: Extension) -> None:
    application = extension.ask()
    with pytest.raises(Conflict, match="待同意"):
        extensions.decide(extension.session, application, granted=True, actor=extension.cast.office, now=NOW)
    extensions.refuse_consent(extension.session, application, "来得及", actor=extension.cast.leader, now=NOW)
    assert (application.status, application.answer) == (S.REFUSED, "来得及")
    with pytest.raises(Conflict):
        extensions.consent(extension.session, application, actor=extension.cast.leader, now=NOW)


def test_each_step_is_told_to_who_takes_the_next(extension: Extension) -> None:
    extension.granted()
    session, cast = extension.session, extension.cast
    assert "申请将知识库采集通知单 采集〔2026〕1号" in told(session, cast.leader)[1]
    assert "延期至 2026年12月2日 17:30：等上级文件" in told(session, cast.office)[0]
    for person in (cast.editor, cast.reviewer, cast.leader):
        assert "已批准延期至 2026年12月2日 17:30" in told(session, person)[-1]
    assert told(session, cast.stranger) == []


def test_one_wish_at_a_time(extension: Extension) -> None:
    first = extension.ask()
    with pytest.raises(Conflict, match="正在办理"):
        extension.ask(now="11-24 10:01")
    extensions.take_back(extension.session, first, actor=extension.cast.reviewer, now=at("11-24 10:02"))
    assert extension.ask(now="11-24 10:03").status is S.ASKED


def test_a_completed_notice_ends_the_wish(extension: Extension) -> None:
    application = extension.consented()
    notices.complete(extension.session, extension.notice, "已录入", actor=extension.cast.editor, now=at("11-25 09:00"))
    extension.session.refresh(application)
    assert application.status is S.CANCELLED
    with pytest.raises(Conflict):
        extensions.decide(extension.session, application, granted=True, actor=extension.cast.office, now=NOW)
    with pytest.raises(Conflict, match="没有正在计算"):
        extension.ask()


def test_not_every_kind_can_be_extended(session: Session, cast: Cast) -> None:
    notice = correction(session, cast)
    assert notice.kind is NoticeKind.SUPERVISION
    with pytest.raises(Invalid, match="不能延期"):
        Extension(session, cast, notice).ask()


def test_a_reason_is_given(extension: Extension) -> None:
    with pytest.raises(Invalid, match="具体原因"):
        extensions.ask(
            extension.session, extension.notice, reason=" ", until=at(UNTIL), actor=extension.cast.editor, now=NOW
        )


class TestLateDecision:
    """Asked for in time, decided when the limit had passed: the clock runs on, its history stays."""

    @pytest.fixture
    def overdue(self, session: Session, cast: Cast) -> Extension:
        fault = notices.open_notice(
            session, kind=NoticeKind.QUESTION, unit=cast.unit, title="缴费", dispatched=True, actor=cast.office, now=NOW
        )
        return Extension(session, cast, fault)

    def test_it_is_no_longer_run_out(self, session: Session, overdue: Extension, cast: Cast) -> None:
        """Two working days from Friday the 20th: over on Tuesday the 24th."""
        wish = overdue.ask(now="11-20 11:00", until="11-26 17:30")
        extensions.consent(session, wish, actor=cast.leader, now=at("11-20 11:05"))
        clocks.run_due(session, at("11-25 09:00"))
        extensions.decide(session, wish, granted=True, actor=cast.office, now=at("11-25 09:30"))
        assert [(kind, when) for _, kind, when in history(session, overdue.notice)] == [
            (K.STARTED, NOW),
            (K.WARNED, at("11-24 13:30")),
            (K.EXPIRED, at("11-24 17:30")),
            (K.EXTENDED, at("11-25 09:30")),
        ]
        notices.complete(session, overdue.notice, "已答复", actor=cast.editor, now=at("11-26 10:00"))
        assert not clocks.is_late(overdue.notice.clocks[0], at("12-01 09:00"))

    def test_what_has_passed_cannot_be_granted(self, session: Session, overdue: Extension, cast: Cast) -> None:
        wish = overdue.ask(now="11-20 11:00", until="11-25 17:30")
        extensions.consent(session, wish, actor=cast.leader, now=at("11-20 11:05"))
        with pytest.raises(Conflict, match="已过"):
            extensions.decide(session, wish, granted=True, actor=cast.office, now=at("11-25 17:30"))


def test_a_call_that_an_extension_made_needless_is_off_the_list(session: Session, cast: Cast) -> None:
    correction(session, cast)
    clocks.run_due(session, at("11-24 17:30"))
    task = session.scalars(select(CallTask)).one()
    clocks.extend(session, task.clock, at("11-30 17:30"), actor=cast.office, now=at("11-25 09:00"))
    assert list(calls.open_calls(session, grants_of(cast.office), at("11-25 09:01"))) == []
    clocks.run_due(session, at("11-30 17:30"))
    (again,) = calls.open_calls(session, grants_of(cast.office), at("11-30 17:30"))
    assert (again.ordinal, again.created_at) == (2, at("11-30 17:30"))
    assert session.scalars(select(CallTask.ordinal).order_by(CallTask.id)).all() == [1, 2]
