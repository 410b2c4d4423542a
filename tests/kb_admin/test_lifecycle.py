"""The life of a version, step by step, with its history and its change-log rows, under the default rulebook."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event, func, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle, moving
from kb_admin.contents import Standing
from kb_admin.moving import Act
from kb_admin.permissions import grants_of
from kb_admin.routes import MoveName, system_move
from kb_admin.rulebook_files import whole_text
from kb_admin.rules_in_force import adopt
from kb_admin.versions import new_version
from models.audit import AuditRecord
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import Attachment, ChangeLog, Entry, Transition, Version
from models.messages import Notification
from models.organisation import Person
from models.values import BasisContent, VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, SOCIAL_SECURITY, Cast, published

S = VersionStatus


def drafted(session: Session, cast: Cast) -> Version:
    return lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)


def submitted(session: Session, cast: Cast) -> Version:
    version = drafted(session, cast)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    return version


def approved(session: Session, cast: Cast) -> Version:
    version = submitted(session, cast)
    lifecycle.approve(session, version, actor=cast.reviewer, now=NOW)
    return version


def another(session: Session, entry: Entry, answer: str) -> Version:
    version = lifecycle.add_version(session, entry, replace(LOST_CARD, answer=answer), actor=None, now=NOW)
    lifecycle.submit(session, version, actor=None, now=NOW)
    return version


def steps(session: Session, version: Version) -> list[tuple[VersionStatus | None, VersionStatus, str]]:
    moves = session.scalars(select(Transition).filter_by(version_id=version.id).order_by(Transition.id))
    return [(move.from_status, move.to_status, move.step) for move in moves]


def changes(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(ChangeLog)) or 0


def names(session: Session, version: Version, person: Person) -> set[MoveName]:
    return {move.name for move in lifecycle.possible_moves(session, version, grants_of(person), NOW)}


def test_a_type_that_the_rulebook_does_not_list_is_named_with_the_list(session: Session, cast: Cast) -> None:
    article = ', source = "QY 第四条（一）3"'
    text = whole_text("qingyuan").replace(f'["常用信息"]{article}', f'"rest"{article}')
    adopt(session, cast.city, text, effective_from=NOW - DAY, actor=None, now=NOW - DAY * 2)
    content = replace(LOST_CARD, info_type="杂项")
    version = lifecycle.create_entry(session, content, actor=cast.editor, now=NOW)
    with pytest.raises(Invalid, match=r"“信息类型”：.*没有“杂项”这一类型，请选：基本信息、审批信息、常用信息"):
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)


class TestWriting:
    def test_a_version_says_what_was_written(self, session: Session, cast: Cast) -> None:
        version = drafted(session, cast)
        session.commit()
        session.expire_all()
        assert session.get_one(Version, version.id).content() == LOST_CARD

    def test_codes_count_on_from_one_that_was_taken_over(self, session: Session, cast: Cast) -> None:
        lifecycle.create_entry(session, LOST_CARD, code="ZD-999999", actor=cast.editor, now=NOW)
        others = [lifecycle.create_entry(session, RESIDENCE_PERMIT, actor=cast.stranger, now=NOW) for _ in "12"]
        assert [version.entry.code for version in others] == ["ZD-1000000", "ZD-1000001"]

    def test_the_system_gives_codes_that_count_up(self, session: Session, cast: Cast) -> None:
        first = drafted(session, cast)
        second = lifecycle.create_entry(session, RESIDENCE_PERMIT, actor=cast.stranger, now=NOW)
        assert (first.entry.code, second.entry.code) == ("ZD-000001", "ZD-000002")

    def test_an_unknown_unit_is_named(self, session: Session, cast: Cast) -> None:
        with pytest.raises(Invalid, match="没有名为“某局”的承办单位"):
            lifecycle.create_entry(session, replace(LOST_CARD, unit="某局"), actor=cast.editor, now=NOW)

    def test_an_entry_does_not_change_hands_by_a_new_version(self, session: Session, cast: Cast) -> None:
        version = published(session, RESIDENCE_PERMIT)
        moved = replace(RESIDENCE_PERMIT, unit=SOCIAL_SECURITY)
        with pytest.raises(Invalid, match="属于"):
            lifecycle.add_version(session, version.entry, moved, actor=cast.stranger, now=NOW)

    def test_a_draft_is_mended_where_it_stands(self, session: Session, cast: Cast) -> None:
        version = drafted(session, cast)
        mended = replace(LOST_CARD, similar=("社保卡丢了怎么办",), keywords=("补卡", "社保卡"), bases=())
        assert lifecycle.save_draft(session, version, mended, actor=cast.editor, now=NOW) is version
        session.commit()
        session.expire_all()
        assert session.get_one(Version, version.id).content() == mended

    def test_what_was_handed_in_stays_and_its_mending_is_a_new_version(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        file = {"filename": "a.png", "media_type": "image/png", "sha256": "0" * 64, "size_bytes": 1}
        session.add(Attachment(version_id=version.id, **file))
        lifecycle.send_back(session, version, "缺少依据", actor=cast.reviewer, now=NOW)
        mended = replace(LOST_CARD, answer="改过的答案")
        assert lifecycle.save_draft(session, version, LOST_CARD, actor=cast.editor, now=NOW) is version
        following = lifecycle.save_draft(session, version, mended, actor=cast.editor, now=NOW)
        session.commit()
        assert (following.number, following.status, following.content()) == (2, S.DRAFT, mended)
        assert (version.status, version.content()) == (S.SUPERSEDED, LOST_CARD)
        files = session.scalars(select(Attachment.filename).where(Attachment.version_id == following.id))
        assert files.all() == ["a.png"]

    @pytest.mark.parametrize("who", ["reviewer", "stranger", "agent", "county_office"])
    def test_only_who_writes_for_the_unit_drafts(self, who: str, session: Session, cast: Cast) -> None:
        version = published(session, LOST_CARD)
        other = getattr(cast, who)
        with pytest.raises(Forbidden, match="信息采编员"):
            lifecycle.create_entry(session, LOST_CARD, actor=other, now=NOW)
        with pytest.raises(Forbidden, match="信息采编员"):
            lifecycle.add_version(session, version.entry, LOST_CARD, actor=other, now=NOW)
        draft = lifecycle.add_version(session, version.entry, LOST_CARD, actor=cast.editor, now=NOW)
        with pytest.raises(Forbidden, match="信息采编员"):
            lifecycle.save_draft(session, draft, replace(LOST_CARD, answer="别的"), actor=other, now=NOW)

    def test_what_is_under_review_is_not_rewritten(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        with pytest.raises(Conflict, match="待审核"):
            lifecycle.save_draft(session, version, replace(LOST_CARD, answer="偷换"), actor=cast.editor, now=NOW)


class TestTheWay:
    def test_every_move_is_written_down_with_who_when_why_and_under_which_rule(
        self, session: Session, cast: Cast
    ) -> None:
        version = drafted(session, cast)
        lifecycle.submit(session, version, actor=cast.editor, now=NOW + DAY)
        lifecycle.send_back(session, version, "缺少依据", actor=cast.reviewer, now=NOW + 2 * DAY)
        session.commit()
        moves = session.scalars(select(Transition).order_by(Transition.id)).all()
        assert [(m.from_status, m.to_status, m.actor_id, m.at, m.reason, m.step) for m in moves] == [
            (None, S.DRAFT, cast.editor.id, NOW, "", "起草"),
            (S.DRAFT, S.SUBMITTED, cast.editor.id, NOW + DAY, "", "提交审核"),
            (S.SUBMITTED, S.DRAFT, cast.reviewer.id, NOW + 2 * DAY, "缺少依据", "单位审核退回"),
        ]
        assert moves[2].rule.startswith("系统默认（")

    def test_each_move_stands_in_the_audit_log(self, session: Session, cast: Cast) -> None:
        version = approved(session, cast)
        lifecycle.publish(session, version, actor=cast.office, now=NOW)
        session.commit()
        logged = session.scalars(select(AuditRecord).order_by(AuditRecord.seq)).all()
        of_version = [record for record in logged if record.subject == f"entry:{version.entry.code}/v1"]
        assert [(record.act, record.actor_id) for record in of_version] == [
            ("submit", cast.editor.id),
            ("approve", cast.reviewer.id),
            ("publish", cast.office.id),
        ]

    def test_the_checklist_that_was_ticked_is_kept(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        lifecycle.approve(session, version, ticked=["clear", "typos"], actor=cast.reviewer, now=NOW)
        session.refresh(version, ["transitions"])
        assert version.transitions[-1].ticked == "有无错别字、表述是否清晰，会不会引起误解或歧义"

    def test_a_point_that_is_not_on_the_checklist_is_refused(self, session: Session, cast: Cast) -> None:
        with pytest.raises(Invalid, match="没有“好看”"):
            lifecycle.approve(session, submitted(session, cast), ticked=["好看"], actor=cast.reviewer, now=NOW)

    def test_publishing_tells_the_followers(self, session: Session, cast: Cast) -> None:
        version = approved(session, cast)
        assert changes(session) == 0
        lifecycle.publish(session, version, actor=cast.office, now=NOW)
        assert session.scalars(select(ChangeLog.entry_id)).all() == [version.entry_id]
        assert version.published_at == NOW

    def test_a_new_version_takes_the_place_of_the_live_one_only_when_it_is_published(
        self, session: Session, cast: Cast
    ) -> None:
        old = published(session, LOST_CARD)
        changed = replace(LOST_CARD, spoken="工本费已取消，免费补领。")
        new = lifecycle.add_version(session, old.entry, changed, actor=cast.editor, now=NOW)
        lifecycle.submit(session, new, actor=cast.editor, now=NOW)
        lifecycle.approve(session, new, actor=cast.reviewer, now=NOW)
        assert lifecycle.live_version(session, old.entry_id) is old
        lifecycle.publish(session, new, actor=cast.office, now=NOW)
        session.commit()
        assert lifecycle.live_version(session, old.entry_id) is new
        session.refresh(old)
        assert (old.status, new.status, new.number) == (S.SUPERSEDED, S.PUBLISHED, 2)
        assert old.transitions[-1].reason == "由第 2 版替代"

    def test_the_system_passes_every_gate_and_its_history_says_so(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        lifecycle.publish(session, version, actor=None, now=NOW)
        assert steps(session, version)[-1] == (S.SUBMITTED, S.PUBLISHED, "系统发布")
        session.refresh(version, ["transitions"])
        assert version.transitions[-1].rule == "系统默认（由系统载入，不经审核环节）"

    def test_a_writer_takes_back_what_nobody_has_checked(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        lifecycle.recall(session, version, actor=cast.editor, now=NOW)
        assert version.status is S.DRAFT
        with pytest.raises(Conflict, match="不能撤回提交"):
            lifecycle.recall(session, approved(session, cast), actor=cast.editor, now=NOW)

    def test_who_checks_may_put_another_wording_in_its_place(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        better = replace(LOST_CARD, spoken="带身份证到就近网点，当场补领。")
        amended = lifecycle.amend(session, version, better, actor=cast.reviewer, now=NOW)
        assert (version.status, amended.status, amended.gates_passed) == (S.SUPERSEDED, S.SUBMITTED, 0)
        assert steps(session, amended) == [(None, S.SUBMITTED, "单位审核修改")]
        lifecycle.approve(session, amended, actor=cast.reviewer, now=NOW)
        lifecycle.publish(session, amended, actor=cast.office, now=NOW)
        live = lifecycle.live_version(session, amended.entry_id)
        assert live and live.content() == better

    def test_a_draft_is_given_up_with_a_reason_and_never_comes_back(self, session: Session, cast: Cast) -> None:
        version = drafted(session, cast)
        lifecycle.discard(session, version, "与另一条重复", actor=cast.editor, now=NOW)
        assert version.status is S.INVALID
        assert names(session, version, cast.office) == set()
        with pytest.raises(Conflict, match="不能恢复发布"):
            lifecycle.restore(session, version, actor=cast.office, now=NOW)

    def test_a_withdrawn_version_no_longer_lives_and_the_followers_know(self, session: Session, cast: Cast) -> None:
        version = published(session, LOST_CARD)
        lifecycle.withdraw(session, version, "政策已停止执行", actor=cast.office, now=NOW)
        assert lifecycle.live_version(session, version.entry_id) is None
        assert changes(session) == 2

    @pytest.mark.parametrize("take_off", [lifecycle.withdraw, lifecycle.mark_invalid])
    def test_what_was_taken_off_is_put_back_as_it_was(
        self, take_off: Callable[..., None], session: Session, cast: Cast
    ) -> None:
        version = published(session, LOST_CARD)
        take_off(session, version, "误操作", actor=cast.office, now=NOW)
        with pytest.raises(Forbidden, match="热线办"):
            lifecycle.restore(session, version, actor=cast.reviewer, now=NOW)
        lifecycle.restore(session, version, actor=cast.office, now=NOW + DAY)
        assert lifecycle.live_version(session, version.entry_id) is version
        assert changes(session) == 3

    def test_nothing_is_put_back_beside_what_is_live_or_after_its_end(self, session: Session, cast: Cast) -> None:
        version = published(session, LOST_CARD)
        lifecycle.withdraw(session, version, "重写", actor=cast.office, now=NOW)
        new = another(session, version.entry, "新")
        lifecycle.publish(session, new, actor=None, now=NOW)
        with pytest.raises(Conflict, match="第 2 版正在使用"):
            lifecycle.restore(session, version, actor=cast.office, now=NOW)
        ending = published(session, replace(RESIDENCE_PERMIT, valid_to=NOW + DAY))
        lifecycle.withdraw(session, ending, "停用", actor=cast.office, now=NOW)
        with pytest.raises(Invalid, match="下架时间已过"):
            lifecycle.restore(session, ending, actor=cast.office, now=NOW + DAY)

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_going_back_needs_a_reason(self, reason: str, session: Session, cast: Cast) -> None:
        version = published(session, LOST_CARD)
        for act in (lifecycle.withdraw, lifecycle.mark_invalid, lifecycle.send_back, lifecycle.discard):
            with pytest.raises(Invalid, match="原因"):
                act(session, version, reason, actor=cast.office, now=NOW)

    def test_a_move_that_the_table_does_not_know_is_refused_and_changes_nothing(
        self, session: Session, cast: Cast
    ) -> None:
        version = drafted(session, cast)
        with pytest.raises(Conflict, match="草稿"):
            lifecycle.publish(session, version, actor=cast.office, now=NOW)
        assert version.status is S.DRAFT

    def test_the_office_cannot_skip_the_unit(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        with pytest.raises(Conflict, match="待审核"):
            lifecycle.publish(session, version, actor=cast.office, now=NOW)

    @pytest.mark.usefixtures("cast")
    def test_an_older_wording_does_not_take_the_place_of_a_newer_one(self, session: Session) -> None:
        entry = published(session, LOST_CARD).entry
        older, newer = another(session, entry, "旧"), another(session, entry, "新")
        lifecycle.publish(session, newer, actor=None, now=NOW)
        session.commit()
        with pytest.raises(Conflict, match="第 3 版在用，不能再发布第 2 版"):
            lifecycle.publish(session, older, actor=None, now=NOW)
        session.rollback()
        assert lifecycle.live_version(session, entry.id) is newer

    def test_those_who_come_next_are_told_and_the_writer_hears_what_became_of_it(
        self, session: Session, cast: Cast
    ) -> None:
        version = submitted(session, cast)
        lifecycle.send_back(session, version, "缺少依据", actor=cast.reviewer, now=NOW)
        lifecycle.submit(session, version, actor=cast.editor, now=NOW + DAY)
        lifecycle.approve(session, version, actor=cast.reviewer, now=NOW + DAY)
        lifecycle.publish(session, version, actor=cast.office, now=NOW + DAY)
        told = session.scalars(select(Notification).order_by(Notification.id)).all()
        assert [(n.person.name, n.text.split("第 1 版")[-1]) for n in told] == [
            ("王审核", "等待单位审核。"),
            ("林采编", "被退回：缺少依据"),
            ("王审核", "等待单位审核。"),
            ("刘热线办", "已通过审核，等待发布。"),
            ("林采编", "已发布。"),
        ]

    def test_pages_offer_exactly_what_each_may_do(self, session: Session, cast: Cast) -> None:
        version = drafted(session, cast)
        assert names(session, version, cast.editor) == {MoveName.SUBMIT, MoveName.DISCARD}
        assert names(session, version, cast.reviewer) == set()
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)
        assert names(session, version, cast.editor) == {MoveName.RECALL}
        assert names(session, version, cast.reviewer) == {MoveName.APPROVE, MoveName.AMEND, MoveName.SEND_BACK}
        assert names(session, version, cast.stranger) == set()
        lifecycle.approve(session, version, actor=cast.reviewer, now=NOW)
        assert names(session, version, cast.office) == {MoveName.PUBLISH, MoveName.SEND_BACK}
        lifecycle.publish(session, version, actor=cast.office, now=NOW)
        assert names(session, version, cast.reviewer) == {MoveName.MARK_INVALID}
        assert names(session, version, cast.office) == {MoveName.WITHDRAW, MoveName.MARK_INVALID}


class TestDemands:
    """What must be there is the rulebook's to say; the default blocks only the end of emergency information."""

    def test_a_category_that_nobody_set_up_is_refused_until_it_is(self, session: Session, cast: Cast) -> None:
        wished = replace(LOST_CARD, category="社会保险/新业务")
        version = lifecycle.create_entry(session, wished, actor=cast.editor, now=NOW)
        assert version.content() == wished
        with pytest.raises(Invalid, match="没有“社会保险/新业务”这一类别"):
            lifecycle.submit(session, version, actor=cast.editor, now=NOW)
        assert version.category
        version.category.active = True
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)
        assert version.status is S.SUBMITTED

    def test_what_a_rulebook_only_reminds_of_stops_nobody(self, session: Session, cast: Cast) -> None:
        bare = replace(LOST_CARD, bases=(), category="", keywords=())
        version = lifecycle.create_entry(session, bare, actor=cast.editor, now=NOW)
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)
        assert version.status is S.SUBMITTED


class TestAtOnce:
    def test_the_second_of_two_reviewers_is_told_that_somebody_was_first(self, session: Session, cast: Cast) -> None:
        version = submitted(session, cast)
        session.commit()
        with Session(session.get_bind(), expire_on_commit=False) as other:
            seen_by_other = other.get_one(Version, version.id)
            assert seen_by_other.transitions
            lifecycle.send_back(session, version, "缺少依据", actor=cast.reviewer, now=NOW)
            session.commit()
            with pytest.raises(Conflict, match="其他人"):
                lifecycle.approve(other, seen_by_other, actor=None, now=NOW)

    def test_two_approvals_at_once_are_one_move_and_one_conflict(
        self, engine: Engine, session: Session, cast: Cast
    ) -> None:
        version = submitted(session, cast)
        session.commit()
        barrier, outcomes = threading.Barrier(2), []

        def approve() -> None:
            with Session(engine, expire_on_commit=False) as own:
                mine = own.get_one(Version, version.id)
                reviewer = own.get_one(Person, cast.reviewer.id)
                barrier.wait(10)
                try:
                    lifecycle.approve(own, mine, actor=reviewer, now=NOW)
                    own.commit()
                    outcomes.append("approved")
                except Conflict:
                    own.rollback()
                    outcomes.append("conflict")

        threads = [threading.Thread(target=approve) for _ in "12"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(outcomes) == ["approved", "conflict"]
        session.expire_all()
        assert (version.status, version.gates_passed) == (S.CHECKED, 1)
        assert [step for *_, step in steps(session, version)].count("单位审核通过") == 1

    def test_of_two_wordings_published_at_once_the_second_is_told(
        self, engine: Engine, session: Session, cast: Cast
    ) -> None:
        first = submitted(session, cast)
        second = another(session, first.entry, "另一答案")
        session.commit()
        about_to_write, told = threading.Event(), []

        def publish_the_second() -> None:
            with Session(engine) as other:
                try:
                    lifecycle.publish(other, other.get_one(Version, second.id), actor=None, now=NOW)
                    other.commit()
                except Conflict as conflict:
                    told.append(str(conflict))

        def notice(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement.startswith("UPDATE versions") and threading.current_thread() is not threading.main_thread():
                about_to_write.set()

        event.listen(engine, "before_cursor_execute", notice)
        lifecycle.publish(session, first, actor=None, now=NOW)
        colleague = threading.Thread(target=publish_the_second)
        colleague.start()
        assert about_to_write.wait(10)
        session.commit()
        colleague.join(15)
        assert ["其他人" in words for words in told] == [True]
        assert lifecycle.live_version(session, first.entry_id) is first

    def test_many_move_together_or_not_at_all(self, session: Session, cast: Cast) -> None:
        waiting = [submitted(session, cast) for _ in "123"]
        stale = [Standing.of(version) for version in waiting]
        lifecycle.recall(session, waiting[1], actor=cast.editor, now=NOW)
        session.commit()
        load = system_move(MoveName.LOAD, S.SUBMITTED)
        with pytest.raises(Conflict, match="其他人"):
            moving.move_all(session, stale, load, Act(None, NOW))
        session.rollback()
        assert sorted(session.scalars(select(Version.status))) == [S.DRAFT, S.SUBMITTED, S.SUBMITTED]
        with pytest.raises(Conflict, match="待审核"):
            moving.move_all(session, stale[:1], system_move(MoveName.LOAD, S.DRAFT), Act(None, NOW))

    def test_a_version_begins_only_where_moves_lead(self) -> None:
        with pytest.raises(Conflict, match="草稿"):
            new_version(
                Entry(),
                LOST_CARD,
                number=1,
                moves=[system_move(MoveName.LOAD, S.SUBMITTED)],
                actor=None,
                now=NOW,
            )


def test_what_began_under_the_old_rule_ends_under_it(session: Session, cast: Cast) -> None:
    """A city changes to a rulebook under which the unit publishes by itself: what waits goes its old way."""
    began = submitted(session, cast)
    later = NOW + 2 * DAY
    adopt(session, cast.city, whole_text("jiyuan"), effective_from=NOW + DAY, actor=None, now=NOW)
    lifecycle.approve(session, began, actor=cast.reviewer, now=later)
    with pytest.raises(Forbidden, match="市热线办"):
        lifecycle.publish(session, began, actor=cast.reviewer, now=later)
    lifecycle.publish(session, began, actor=cast.office, now=later)
    content = replace(LOST_CARD, question="另一问", bases=(BasisContent("《规定》", "数区〔2023〕1号", 1),))
    after = lifecycle.create_entry(session, content, actor=cast.editor, now=later)
    lifecycle.submit(session, after, actor=cast.editor, now=later)
    assert after.rulebook_id != began.rulebook_id
    lifecycle.approve(session, after, actor=cast.reviewer, now=later)
    with pytest.raises(Forbidden, match="审核员"):
        lifecycle.publish(session, after, actor=cast.office, now=later)
    lifecycle.publish(session, after, actor=cast.reviewer, now=later)
    assert after.status is S.PUBLISHED
