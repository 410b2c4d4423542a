"""What the office asks of a unit: who may do what with a notice, and when."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import duties, keywords, lifecycle, notices
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import Entry, Version
from models.messages import Notification
from models.notices import Notice
from models.organisation import Person
from models.values import ClockEventKind, NoticeKind, NoticeStatus, Origin
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.kb_admin.test_clocks import at, collection, history, told

K, S = NoticeKind, NoticeStatus
Act = Callable[[Session, Notice, Person], object]
SECOND = timedelta(seconds=1)

ACTS: dict[str, Act] = {
    "dispatch": lambda session, notice, actor: notices.dispatch(session, notice, actor=actor, now=NOW),
    "sign": lambda session, notice, actor: notices.sign(session, notice, actor=actor, now=NOW),
    "complete": lambda session, notice, actor: notices.complete(session, notice, "已录入", actor=actor, now=NOW),
    "see": lambda session, notice, actor: notices.see(session, notice, "属实", actor=actor, now=NOW),
    "cancel": lambda session, notice, actor: notices.cancel(session, notice, "重复", actor=actor, now=NOW),
}
BY_OFFICE = frozenset({"dispatch", "see", "cancel"})
POSSIBLE = {
    S.DRAFT: frozenset({"dispatch", "cancel"}),
    S.DISPATCHED: frozenset({"sign", "cancel"}),
    S.SIGNED: frozenset({"complete", "cancel"}),
    S.COMPLETED: frozenset({"see"}),
    S.SEEN: frozenset(),
    S.CANCELLED: frozenset(),
}


def brought_to(session: Session, cast: Cast, status: NoticeStatus) -> Notice:
    """A collection notice in that status."""
    notice = notices.open_notice(
        session, kind=K.COLLECTION, unit=cast.unit, title="补领社保卡", actor=cast.office, now=NOW
    )
    ways = {
        S.DRAFT: (),
        S.DISPATCHED: ("dispatch",),
        S.SIGNED: ("dispatch", "sign"),
        S.COMPLETED: ("dispatch", "sign", "complete"),
        S.SEEN: ("dispatch", "sign", "complete", "see"),
        S.CANCELLED: ("cancel",),
    }
    for act in ways[status]:
        ACTS[act](session, notice, cast.office if act in BY_OFFICE else cast.editor)
    assert notice.status is status
    return notice


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", POSSIBLE)
def test_an_act_is_possible_only_where_the_notice_stands(
    session: Session, cast: Cast, status: NoticeStatus, act: str
) -> None:
    notice = brought_to(session, cast, status)
    actor = cast.office if act in BY_OFFICE else cast.reviewer
    if act in POSSIBLE[status]:
        ACTS[act](session, notice, actor)
        assert notice.status is not status
        return
    with pytest.raises(Conflict):
        ACTS[act](session, notice, actor)


def test_an_act_from_an_old_page_is_told_to_be_done_already(session: Session, cast: Cast) -> None:
    notice = brought_to(session, cast, NoticeStatus.CANCELLED)
    with pytest.raises(Conflict, match="已经是“已取消”，不用再办一次"):
        ACTS["cancel"](session, notice, cast.office)


@pytest.mark.parametrize(("status", "act"), [(status, act) for status in POSSIBLE for act in sorted(POSSIBLE[status])])
def test_every_act_is_refused_to_who_has_no_part_in_it(
    session: Session, cast: Cast, status: NoticeStatus, act: str
) -> None:
    notice = brought_to(session, cast, status)
    strangers = [cast.stranger, cast.county_office, cast.agent, cast.analyst, cast.administrator]
    strangers += [cast.editor, cast.reviewer, cast.leader] if act in BY_OFFICE else [cast.office]
    for stranger in strangers:
        with pytest.raises(Forbidden, match=cast.unit.name):
            ACTS[act](session, notice, stranger)
    assert notice.status is status


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader"])
def test_whoever_works_for_the_unit_signs_and_completes(session: Session, cast: Cast, who: str) -> None:
    notice = brought_to(session, cast, S.DISPATCHED)
    actor: Person = getattr(cast, who)
    notices.sign(session, notice, actor=actor, now=NOW + SECOND)
    notices.complete(session, notice, "已录入 2 条", actor=actor, now=NOW + DAY)
    assert (notice.signed_at, notice.signed_by_id) == (NOW + SECOND, actor.id)
    assert (notice.completed_at, notice.completed_by_id, notice.result) == (NOW + DAY, actor.id, "已录入 2 条")


def test_the_office_of_the_county_has_the_countys_units_and_no_other(session: Session, cast: Cast) -> None:
    """清远 art. 5(1): each level's office has its own units."""
    given = {"kind": K.COLLECTION, "title": "本区网点", "now": NOW}
    for unit, office, other in (
        (cast.county_unit, cast.county_office, cast.office),
        (cast.unit, cast.office, cast.county_office),
    ):
        assert notices.open_notice(session, unit=unit, actor=office, **given)
        with pytest.raises(Forbidden, match="所属热线办"):
            notices.open_notice(session, unit=unit, actor=other, **given)


def test_numbers_run_through_each_kind_and_year_without_a_gap(session: Session, cast: Cast) -> None:
    def number(kind: NoticeKind, now: datetime) -> str:
        return notices.open_notice(session, kind=kind, unit=cast.unit, title="甲", actor=None, now=now).number

    new_year_in_china = datetime.fromisoformat("2026-12-31T16:00:00+00:00")
    assert [number(K.COLLECTION, NOW), number(K.COLLECTION, NOW)] == ["采集〔2026〕1号", "采集〔2026〕2号"]
    assert number(K.SUPERVISION, NOW) == "督〔2026〕1号"
    assert number(K.COLLECTION, new_year_in_china - SECOND) == "采集〔2026〕3号"
    assert number(K.COLLECTION, new_year_in_china) == "采集〔2027〕1号"


def test_a_refused_notice_takes_no_number(session: Session, cast: Cast) -> None:
    for title, limit in (("  ", ""), ("甲", "3 working_days"), ("长" * 257, "")):
        with pytest.raises(Invalid):
            notices.open_notice(
                session, kind=K.COLLECTION, unit=cast.unit, title=title, limit=limit, actor=cast.office, now=NOW
            )
    assert collection(session, cast).number == "采集〔2026〕1号"


def test_of_what_there_is_only_one_the_first_is_returned(session: Session, cast: Cast) -> None:
    def open_once(title: str) -> Notice:
        return notices.open_notice(
            session, kind=K.REVIEW, unit=cast.unit, title=title, once="review:1:2026-11", actor=None, now=NOW
        )

    assert open_once("十一月") is open_once("又一次")
    assert collection(session, cast).number == "采集〔2026〕1号"
    notices.dispatch(session, open_once("十一月"), actor=None, now=NOW)
    notices.complete_once(session, "review:1:2026-11", "全部看过", actor=None, now=NOW + DAY)
    notices.complete_once(session, "review:1:2026-11", "再看一遍", actor=None, now=NOW + 2 * DAY)
    notices.complete_once(session, "review:1:2026-12", "没有这一张", actor=None, now=NOW)
    assert open_once("十一月").result == "全部看过"


def test_the_unit_is_told_of_the_dispatch_and_the_office_of_the_completion(session: Session, cast: Cast) -> None:
    """济源 art. 9(3)3: the system tells the office's people of the completion."""
    notice = collection(session, cast)
    (text,) = told(session, cast.leader)
    assert text == (
        "收到知识库采集通知单 采集〔2026〕1号“补充社保卡补领”。"
        "签收采集通知单：2026年11月23日 17:30前；办结采集通知单：2026年11月27日 17:30前。"
    )
    notices.sign(session, notice, actor=cast.editor, now=NOW)
    notices.complete(session, notice, "已录入", actor=cast.editor, now=NOW + DAY)
    assert told(session, cast.office) == [f"{cast.unit.name}已办结知识库采集通知单 采集〔2026〕1号“补充社保卡补领”。"]
    message = session.scalars(select(Notification).where(Notification.person_id == cast.office.id)).one()
    assert (message.address, message.at) == (f"/notices/{notice.id}", NOW + DAY)


def test_a_closed_account_is_told_nothing(session: Session, cast: Cast) -> None:
    cast.leader.active = False
    session.flush()
    collection(session, cast)
    assert told(session, cast.leader) == []


def test_what_needs_no_signature_is_being_worked_on_at_once(session: Session, cast: Cast) -> None:
    question = notices.open_notice(
        session,
        kind=K.QUESTION,
        unit=cast.unit,
        title="灵活就业怎么缴费",
        dispatched=True,
        actor=cast.office,
        now=NOW,
    )
    assert question.status is S.SIGNED
    with pytest.raises(Conflict, match="无须签收"):
        notices.sign(session, question, actor=cast.editor, now=NOW)
    notices.complete(session, question, "已答复", actor=cast.editor, now=NOW)


def test_a_supervision_notice_has_its_own_limit_and_names_what_was_not_done(session: Session, cast: Cast) -> None:
    """历城 annex 3: 督办时限 3 天."""
    late = collection(session, cast)
    notice = notices.open_notice(
        session,
        kind=K.SUPERVISION,
        unit=cast.unit,
        title="采集逾期",
        limit="3 days",
        about=late,
        dispatched=True,
        actor=cast.office,
        now=NOW,
    )
    assert (notice.number, notice.about) == ("督〔2026〕1号", late)
    assert [(c.limit, c.due_at) for c in notice.clocks] == [("3 days", NOW + 3 * DAY)]
    with pytest.raises(Invalid, match="不能据此督办"):
        notices.open_notice(
            session, kind=K.SUPERVISION, unit=cast.other_unit, title="督办", about=late, actor=cast.office, now=NOW
        )


@pytest.mark.parametrize(("major", "due"), [(False, "11-26 17:30"), (True, "11-20 17:30")], ids=["ordinary", "major"])
def test_a_change_of_policy_starts_on_the_day_it_was_announced(
    session: Session, cast: Cast, major: bool, due: str
) -> None:
    """梅州 art. 8(3): five working days, one for a major matter; announced on Thursday the 19th."""
    notice = duties.register_change(
        session, cast.unit, "工本费调整", "改为 20 元", at("11-19 09:00"), major=major, actor=cast.reviewer, now=NOW
    )
    assert [(c.started_at, c.due_at) for c in notice.clocks] == [(at("11-19 09:00"), at(due))]


def test_a_change_is_registered_by_the_unit_or_its_office_only(session: Session, cast: Cast) -> None:
    for actor in (cast.editor, cast.leader, cast.office):
        duties.register_change(session, cast.unit, "甲", "", NOW, major=False, actor=actor, now=NOW)
    for stranger in (cast.stranger, cast.county_office, cast.agent):
        with pytest.raises(Forbidden):
            duties.register_change(session, cast.unit, "甲", "", NOW, major=False, actor=stranger, now=NOW)


class TestCorrection:
    """信息整改通知单 (济源 art. 9(3))."""

    @pytest.fixture
    def wrong(self, session: Session, cast: Cast) -> Version:  # noqa: ARG002 - the cast's units must be there
        return published(session, LOST_CARD)

    @pytest.fixture
    def notice(self, session: Session, cast: Cast, wrong: Version) -> Notice:
        return notices.open_notice(
            session,
            kind=K.CORRECTION,
            unit=cast.unit,
            title="费用有误",
            entry=wrong.entry,
            dispatched=True,
            actor=cast.office,
            now=NOW,
        )

    def test_it_names_the_version_that_answers_now(self, notice: Notice, wrong: Version) -> None:
        assert notice.version is wrong

    def test_there_is_one_at_a_time_for_an_entry(self, session: Session, cast: Cast, notice: Notice) -> None:
        given = {"kind": K.CORRECTION, "unit": cast.unit, "title": "又一个错", "entry": notice.entry}
        with pytest.raises(Conflict, match=notice.number):
            notices.open_notice(session, actor=cast.office, now=NOW, **given)
        notices.cancel(session, notice, "没有错", actor=cast.office, now=NOW)
        assert notices.open_notice(session, actor=cast.office, now=NOW, **given).number == "整改〔2026〕2号"

    def test_it_is_about_an_entry_of_the_unit(self, session: Session, cast: Cast, wrong: Version) -> None:
        with pytest.raises(Invalid, match="哪一条"):
            notices.open_notice(session, kind=K.CORRECTION, unit=cast.unit, title="错", actor=cast.office, now=NOW)
        with pytest.raises(Invalid, match="属于"):
            notices.open_notice(
                session,
                kind=K.CORRECTION,
                unit=cast.other_unit,
                title="错",
                entry=wrong.entry,
                actor=cast.office,
                now=NOW,
            )

    def test_publishing_the_entry_again_completes_it(self, session: Session, cast: Cast, notice: Notice) -> None:
        assert notice.entry
        published_again(session, notice.entry.code, at("11-23 10:00"))
        session.refresh(notice)
        assert (notice.status, notice.completed_at) == (S.COMPLETED, at("11-23 10:00"))
        assert history(session, notice)[-1] == ("rectify", ClockEventKind.STOPPED, at("11-23 10:00"))
        assert "已办结" in told(session, cast.office)[-1]

    def test_a_draft_of_it_is_cancelled_then(self, session: Session, cast: Cast, wrong: Version) -> None:
        draft = notices.open_notice(
            session, kind=K.CORRECTION, unit=cast.unit, title="错", entry=wrong.entry, actor=cast.office, now=NOW
        )
        published_again(session, wrong.entry.code, NOW + DAY)
        session.refresh(draft)
        assert draft.status is S.CANCELLED

    def test_another_entrys_publication_does_not_matter(self, session: Session, notice: Notice) -> None:
        other = published(session, replace(LOST_CARD, question="另一条"), now=NOW)
        assert other.entry_id != notice.entry_id
        session.refresh(notice)
        assert notice.status is S.SIGNED

    def test_other_keywords_do_not_correct_it(self, session: Session, cast: Cast, notice: Notice) -> None:
        assert notice.entry
        keywords.set_keywords(session, notice.entry, ("社保卡", "挂失"), actor=cast.office, now=NOW + DAY)
        session.refresh(notice)
        assert notice.status is S.SIGNED


class TestAnswers:
    """知识提问 (庆阳 art. 24(2))."""

    @pytest.fixture
    def question(self, session: Session, cast: Cast) -> Notice:
        return notices.open_notice(
            session,
            kind=K.QUESTION,
            unit=cast.unit,
            title="补领要多久",
            dispatched=True,
            actor=cast.office,
            now=NOW,
        )

    def test_it_is_done_when_its_answer_is_published(self, session: Session, cast: Cast, question: Notice) -> None:
        version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
        notices.answer_with(session, question, version)
        notices.answer_with(session, question, version)
        lifecycle.submit(session, version, actor=None, now=NOW)
        lifecycle.publish(session, version, actor=None, now=at("11-23 11:00"))
        session.refresh(question)
        assert (question.status, question.completed_at) == (S.COMPLETED, at("11-23 11:00"))
        assert version.entry.code in question.result

    def test_only_the_units_own_entries_answer(self, session: Session, question: Notice) -> None:
        version = published(session, RESIDENCE_PERMIT)
        with pytest.raises(Invalid, match="不能用来答复"):
            notices.answer_with(session, question, version)

    def test_a_finished_notice_takes_no_more_answers(self, session: Session, cast: Cast, question: Notice) -> None:
        version = published(session, LOST_CARD)
        notices.complete(session, question, "见条目", versions=[version], actor=cast.editor, now=NOW)
        assert [answer.version_id for answer in question.answers] == [version.id]
        with pytest.raises(Conflict):
            notices.answer_with(session, question, version)


class TestAtAGate:
    """知识库信息确认单 (济源 art. 9(2)) and 修改审定 (清远 art. 5(2)), on the routes of a city that has them."""

    @pytest.fixture
    def slip(self, session: Session, cast: Cast) -> Version:
        """Made from a work order on Friday at 10:30; the unit has one working hour."""
        lifecycle_version = lifecycle.create_entry(
            session, LOST_CARD, origin=Origin.WORK_ORDER, actor=cast.office, now=NOW
        )
        lifecycle.submit(session, lifecycle_version, actor=cast.office, now=NOW)
        return lifecycle_version

    def notice_of(self, session: Session, version: Version) -> Notice:
        return session.scalars(
            select(Notice).where(Notice.entry_id == version.entry_id).order_by(Notice.id.desc())
        ).first() or pytest.fail("no notice")

    def test_the_unit_gets_a_slip_that_runs_at_once(self, session: Session, cast: Cast, slip: Version) -> None:
        notice = self.notice_of(session, slip)
        assert (notice.status, notice.version) == (S.SIGNED, slip)
        assert notice.kind in (K.CONFIRMATION, K.AMENDMENT)
        assert len(told(session, cast.editor)) == 1

    def test_it_is_not_completed_or_cancelled_by_hand(self, session: Session, cast: Cast, slip: Version) -> None:
        notice = self.notice_of(session, slip)
        with pytest.raises(Conflict, match="不能手工办结"):
            notices.complete(session, notice, "同意", actor=cast.editor, now=NOW)
        with pytest.raises(Conflict, match="退回或撤回"):
            notices.cancel(session, notice, "不要了", actor=cast.office, now=NOW)

    def test_passing_the_gate_completes_it(self, session: Session, slip: Version) -> None:
        notice = self.notice_of(session, slip)
        lifecycle.approve(session, slip, actor=None, now=NOW + 30 * SECOND)
        session.refresh(notice)
        assert (notice.status, notice.completed_at) == (S.COMPLETED, NOW + 30 * SECOND)

    def test_who_amends_goes_on_with_the_same_notice(self, session: Session, slip: Version) -> None:
        notice = self.notice_of(session, slip)
        due = [clock.due_at for clock in notice.clocks]
        following = lifecycle.amend(
            session, slip, replace(LOST_CARD, spoken="带身份证。"), actor=None, now=NOW + SECOND
        )
        assert self.notice_of(session, slip) is notice
        session.refresh(notice)
        assert (notice.version_id, notice.status, [c.due_at for c in notice.clocks]) == (following.id, S.SIGNED, due)

    def test_taking_it_back_cancels_it_and_handing_it_in_again_starts_another(
        self, session: Session, cast: Cast, slip: Version
    ) -> None:
        first = self.notice_of(session, slip)
        lifecycle.recall(session, slip, actor=cast.office, now=NOW + SECOND)
        session.refresh(first)
        assert first.status is S.CANCELLED
        lifecycle.submit(session, slip, actor=cast.office, now=NOW + DAY)
        assert self.notice_of(session, slip).id != first.id


def published_again(session: Session, code: str, now: datetime) -> Version:
    """A new version of the entry, live from ``now``."""
    entry = session.scalars(select(Entry).where(Entry.code == code)).one()
    version = lifecycle.add_version(session, entry, replace(LOST_CARD, spoken="改正后的口径。"), actor=None, now=now)
    lifecycle.submit(session, version, actor=None, now=now)
    lifecycle.publish(session, version, actor=None, now=now)
    return version


def test_a_question_is_answered_by_the_version_that_took_the_place_of_the_one_sent_back(
    session: Session, cast: Cast
) -> None:
    question = notices.open_notice(
        session, kind=K.QUESTION, unit=cast.unit, title="补领", dispatched=True, actor=cast.office, now=NOW
    )
    version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    notices.answer_with(session, question, version)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    lifecycle.send_back(session, version, "时限有误", actor=cast.reviewer, now=NOW)
    mended = replace(LOST_CARD, answer="## 时限\n三个工作日。")
    following = lifecycle.save_draft(session, version, mended, actor=cast.editor, now=NOW)
    lifecycle.submit(session, following, actor=cast.editor, now=NOW)
    amended = replace(LOST_CARD, answer="## 时限\n当场办结。")
    final = lifecycle.amend(session, following, amended, actor=cast.reviewer, now=NOW)
    lifecycle.approve(session, final, actor=cast.reviewer, now=NOW)
    assert question.status is S.SIGNED
    lifecycle.publish(session, final, actor=cast.office, now=NOW + DAY)
    assert (question.status, question.completed_at) == (S.COMPLETED, NOW + DAY)
