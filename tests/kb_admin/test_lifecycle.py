"""The life of a version, step by step, with its history and its change-log rows."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event, func, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.contents import Standing
from models.errors import Conflict, Invalid
from models.knowledge import ChangeLog, Entry, Transition, Version
from models.values import VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, SOCIAL_SECURITY, Cast, published

S = VersionStatus


def test_a_version_says_what_was_written(session: Session, cast: Cast) -> None:
    version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    session.commit()
    session.expire_all()
    assert session.get_one(Version, version.id).content() == LOST_CARD


def submitted(session: Session, entry: Entry, answer: str) -> Version:
    version = lifecycle.add_version(session, entry, replace(LOST_CARD, answer=answer), actor=None, now=NOW)
    lifecycle.submit(session, version, actor=None, now=NOW)
    return version


def test_codes_count_on_from_one_that_was_taken_over(session: Session, cast: Cast) -> None:
    lifecycle.create_entry(session, LOST_CARD, code="ZD-999999", actor=cast.editor, now=NOW)
    others = [lifecycle.create_entry(session, RESIDENCE_PERMIT, actor=cast.editor, now=NOW) for _ in "12"]
    assert [version.entry.code for version in others] == ["ZD-1000000", "ZD-1000001"]


def test_the_system_gives_codes_that_count_up(session: Session, cast: Cast) -> None:
    first = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    second = lifecycle.create_entry(session, RESIDENCE_PERMIT, actor=cast.editor, now=NOW)
    assert (first.entry.code, second.entry.code) == ("ZD-000001", "ZD-000002")


def test_every_move_is_written_down_with_who_when_and_why(session: Session, cast: Cast) -> None:
    version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW + DAY)
    lifecycle.send_back(session, version, "缺少依据", actor=cast.reviewer, now=NOW + 2 * DAY)
    session.commit()
    moves = session.scalars(select(Transition).order_by(Transition.id)).all()
    assert [(m.from_status, m.to_status, m.actor_id, m.at, m.reason) for m in moves] == [
        (None, S.DRAFT, cast.editor.id, NOW, ""),
        (S.DRAFT, S.SUBMITTED, cast.editor.id, NOW + DAY, ""),
        (S.SUBMITTED, S.DRAFT, cast.reviewer.id, NOW + 2 * DAY, "缺少依据"),
    ]


def test_publishing_tells_the_followers(session: Session, cast: Cast) -> None:
    version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    assert session.scalar(select(func.count()).select_from(ChangeLog)) == 0
    lifecycle.publish(session, version, actor=cast.office, now=NOW)
    assert session.scalars(select(ChangeLog.entry_id)).all() == [version.entry_id]
    assert version.published_at == NOW


def test_a_new_version_takes_the_place_of_the_live_one_only_when_it_is_published(session: Session, cast: Cast) -> None:
    old = published(session, LOST_CARD)
    changed = replace(LOST_CARD, spoken="工本费已取消，免费补领。")
    new = lifecycle.add_version(session, old.entry, changed, actor=cast.editor, now=NOW)
    lifecycle.submit(session, new, actor=cast.editor, now=NOW)
    assert lifecycle.live_version(session, old.entry_id) is old
    lifecycle.publish(session, new, actor=cast.office, now=NOW)
    session.commit()
    assert lifecycle.live_version(session, old.entry_id) is new
    assert (old.status, new.status, new.number) == (S.SUPERSEDED, S.PUBLISHED, 2)
    session.refresh(old, ["transitions"])
    assert old.transitions[-1].reason == "由第 2 版替代"


def test_a_withdrawn_version_no_longer_lives_and_the_followers_know(session: Session, cast: Cast) -> None:
    version = published(session, LOST_CARD)
    lifecycle.withdraw(session, version, "政策已停止执行", actor=cast.office, now=NOW)
    assert lifecycle.live_version(session, version.entry_id) is None
    assert session.scalar(select(func.count()).select_from(ChangeLog)) == 2


@pytest.mark.parametrize("reason", ["", "  "])
def test_sending_back_and_withdrawing_need_a_reason(reason: str, session: Session, cast: Cast) -> None:
    version = published(session, LOST_CARD)
    with pytest.raises(Invalid, match="原因"):
        lifecycle.withdraw(session, version, reason, actor=cast.office, now=NOW)
    with pytest.raises(Invalid, match="原因"):
        lifecycle.send_back(session, version, reason, actor=cast.reviewer, now=NOW)


def test_a_move_that_the_table_does_not_know_is_refused_and_changes_nothing(session: Session, cast: Cast) -> None:
    version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="草稿"):
        lifecycle.publish(session, version, actor=cast.office, now=NOW)
    assert version.status is S.DRAFT


def test_the_second_of_two_reviewers_is_told_that_somebody_was_first(session: Session, cast: Cast) -> None:
    version = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    session.commit()
    with Session(session.get_bind(), expire_on_commit=False) as other:
        seen_by_other = other.get_one(Version, version.id)
        lifecycle.send_back(session, version, "缺少依据", actor=cast.reviewer, now=NOW)
        session.commit()
        with pytest.raises(Conflict, match="其他人"):
            lifecycle.move(other, seen_by_other, S.CHECKED, actor=None, now=NOW)


def test_an_entry_does_not_change_hands_by_a_new_version(session: Session, cast: Cast) -> None:
    version = published(session, RESIDENCE_PERMIT)
    moved = replace(RESIDENCE_PERMIT, unit=SOCIAL_SECURITY)
    with pytest.raises(Invalid, match="属于"):
        lifecycle.add_version(session, version.entry, moved, actor=cast.editor, now=NOW)


def test_an_unknown_unit_is_named(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid, match="没有名为“某局”的承办单位"):
        lifecycle.create_entry(session, replace(LOST_CARD, unit="某局"), actor=cast.editor, now=NOW)


def test_an_older_wording_does_not_take_the_place_of_a_newer_one(session: Session, cast: Cast) -> None:
    entry = published(session, LOST_CARD).entry
    older, newer = submitted(session, entry, "旧"), submitted(session, entry, "新")
    lifecycle.publish(session, newer, actor=cast.office, now=NOW)
    session.commit()
    with pytest.raises(Conflict, match="第 3 版在用，不能再发布第 2 版"):
        lifecycle.publish(session, older, actor=cast.office, now=NOW)
    session.rollback()
    assert lifecycle.live_version(session, entry.id) is newer


def test_of_two_wordings_published_at_once_the_second_is_told(engine: Engine, session: Session, cast: Cast) -> None:
    first = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    lifecycle.submit(session, first, actor=cast.editor, now=NOW)
    second = submitted(session, first.entry, "另一答案")
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


def test_many_move_together_or_not_at_all(session: Session, cast: Cast) -> None:
    drafts = [lifecycle.create_entry(session, LOST_CARD, actor=None, now=NOW) for _ in "123"]
    stale = [Standing.of(version) for version in drafts]
    lifecycle.submit(session, drafts[1], actor=None, now=NOW)
    session.commit()
    with pytest.raises(Conflict, match="其他人"):
        lifecycle.move_all(session, stale, S.SUBMITTED, actor=None, now=NOW)
    session.rollback()
    assert sorted(session.scalars(select(Version.status))) == [S.DRAFT, S.DRAFT, S.SUBMITTED]
    with pytest.raises(Conflict, match="草稿"):
        lifecycle.move_all(session, stale[:1], S.PUBLISHED, actor=None, now=NOW)


def test_a_version_begins_only_where_moves_lead(session: Session, cast: Cast) -> None:
    with pytest.raises(Conflict, match="草稿"):
        lifecycle.new_version(Entry(), LOST_CARD, number=1, through=[S.PUBLISHED], actor=None, now=NOW)
