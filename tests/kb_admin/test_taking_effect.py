"""Versions that wait for their moment, and those whose time is over: each move dated when it fell due."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from ingest.searchable import documents_of
from kb_admin import lifecycle
from kb_admin.importing import apply_import, plan_import
from kb_admin.permissions import grants_of
from kb_admin.routes import MoveName
from kb_admin.taking_effect import expire_due, take_effect_due
from models.errors import Conflict
from models.knowledge import ChangeLog, Entry, Transition, Version
from models.values import CandidateRow, VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

S = VersionStatus
MOMENT = NOW + DAY
LATE = MOMENT + timedelta(hours=5)


def waiting(session: Session, cast: Cast, entry: Entry, answer: str = "新规定", at: datetime = MOMENT) -> Version:
    """A version that the office has published for a later moment."""
    content = replace(LOST_CARD, answer=answer, valid_from=at)
    version = lifecycle.add_version(session, entry, content, actor=cast.editor, now=NOW)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    lifecycle.approve(session, version, actor=cast.reviewer, now=NOW)
    lifecycle.publish(session, version, actor=cast.office, now=NOW)
    session.commit()
    return version


def advance(session: Session, now: datetime) -> tuple[int, int]:
    done = take_effect_due(session, now), expire_due(session, now)
    session.commit()
    return done


def last(session: Session, version: Version) -> tuple[VersionStatus | None, VersionStatus, datetime, str]:
    query = select(Transition).filter_by(version_id=version.id).order_by(Transition.id.desc()).limit(1)
    move = session.scalars(query).one()
    return move.from_status, move.to_status, move.at, move.step


class TestTakingEffect:
    def test_the_old_one_answers_until_the_very_moment(self, session: Session, cast: Cast) -> None:
        old = published(session, LOST_CARD)
        new = waiting(session, cast, old.entry)
        assert (new.status, new.takes_effect_at, old.status) == (S.CHECKED, MOMENT, S.PUBLISHED)
        assert advance(session, MOMENT - timedelta(seconds=1)) == (0, 0)
        assert advance(session, MOMENT) == (1, 0)
        assert (new.status, new.published_at, new.takes_effect_at) == (S.PUBLISHED, MOMENT, None)
        assert lifecycle.live_version(session, old.entry_id) is new

    def test_a_late_worker_dates_it_when_it_fell_due_and_does_it_once(self, session: Session, cast: Cast) -> None:
        old = published(session, LOST_CARD)
        new = waiting(session, cast, old.entry)
        before = session.scalar(select(func.count()).select_from(ChangeLog)) or 0
        assert advance(session, LATE) == (1, 0)
        assert advance(session, LATE) == (0, 0)
        assert last(session, new) == (S.CHECKED, S.PUBLISHED, MOMENT, "到时生效")
        assert last(session, old) == (S.PUBLISHED, S.SUPERSEDED, MOMENT, "由新版替代")
        assert session.scalar(select(func.count()).select_from(ChangeLog)) == before + 1
        assert [d.version_id for d in documents_of(session, [old.entry_id])] == [new.id]

    def test_without_a_live_one_it_is_published_now_and_holds_later(self, session: Session, cast: Cast) -> None:
        content = replace(LOST_CARD, valid_from=MOMENT)
        version = lifecycle.create_entry(session, content, actor=cast.editor, now=NOW)
        lifecycle.submit(session, version, actor=None, now=NOW)
        lifecycle.publish(session, version, actor=None, now=NOW)
        assert (version.status, version.takes_effect_at) == (S.PUBLISHED, None)

    @pytest.mark.parametrize("ends", ["withdrawn", "expired"])
    def test_it_takes_effect_also_when_the_live_one_has_ended_before(
        self, ends: str, session: Session, cast: Cast
    ) -> None:
        over = MOMENT - timedelta(hours=1)
        old = published(session, replace(LOST_CARD, valid_to=over) if ends == "expired" else LOST_CARD)
        new = waiting(session, cast, old.entry)
        if ends == "withdrawn":
            lifecycle.withdraw(session, old, "停止执行", actor=cast.office, now=NOW)
        advance(session, LATE)
        assert (new.status, new.published_at) == (S.PUBLISHED, MOMENT)
        session.refresh(old)
        if ends == "expired":
            assert last(session, old) == (S.PUBLISHED, S.EXPIRED, over, "到期下架")
        else:
            assert old.status is S.WITHDRAWN

    def test_a_second_one_takes_the_place_of_the_first(self, session: Session, cast: Cast) -> None:
        old = published(session, LOST_CARD)
        first = waiting(session, cast, old.entry, "第一稿")
        second = waiting(session, cast, old.entry, "第二稿", MOMENT + DAY)
        session.refresh(first)
        assert (first.status, first.takes_effect_at, second.takes_effect_at) == (S.SUPERSEDED, None, MOMENT + DAY)
        assert advance(session, MOMENT) == (0, 0)
        assert advance(session, MOMENT + DAY) == (1, 0)
        assert lifecycle.live_version(session, old.entry_id) is second

    def test_what_is_published_at_once_meanwhile_gives_way_to_a_later_version_only(
        self, session: Session, cast: Cast
    ) -> None:
        old = published(session, LOST_CARD)
        scheduled = waiting(session, cast, old.entry)
        urgent = lifecycle.add_version(session, old.entry, replace(LOST_CARD, answer="更正"), actor=None, now=NOW)
        lifecycle.submit(session, urgent, actor=None, now=NOW)
        lifecycle.publish(session, urgent, actor=None, now=NOW)
        session.refresh(scheduled)
        assert (scheduled.status, lifecycle.live_version(session, old.entry_id)) == (S.SUPERSEDED, urgent)

    def test_the_office_may_call_it_off_but_not_publish_it_twice(self, session: Session, cast: Cast) -> None:
        new = waiting(session, cast, published(session, LOST_CARD).entry)
        with pytest.raises(Conflict, match="待发布"):
            lifecycle.publish(session, new, actor=cast.office, now=NOW)
        offered = lifecycle.possible_moves(session, new, grants_of(cast.office), NOW)
        assert {move.name for move in offered} == {MoveName.SEND_BACK}
        lifecycle.send_back(session, new, "推迟施行", actor=cast.office, now=NOW)
        assert (new.status, new.takes_effect_at) == (S.DRAFT, None)
        assert advance(session, LATE) == (0, 0)

    def test_an_import_waits_in_the_same_way(self, session: Session, cast: Cast) -> None:
        old = published(session, LOST_CARD, code="A-1")
        row = CandidateRow("表", 2, replace(LOST_CARD, answer="新规定", valid_from=MOMENT), "A-1")
        plan = plan_import(session, [row], (), grants=grants_of(cast.office), now=NOW)
        apply_import(session, plan, all_or_nothing=True, publish=True, actor=cast.office, now=NOW)
        session.commit()
        assert lifecycle.live_version(session, old.entry_id) == old
        assert advance(session, MOMENT) == (1, 0)
        live = lifecycle.live_version(session, old.entry_id)
        assert live and live.answer == "新规定"

    def test_one_step_does_no_more_than_it_is_told(self, session: Session, cast: Cast) -> None:
        for number in range(3):
            entry = published(session, replace(LOST_CARD, question=f"第 {number} 问")).entry
            content = replace(LOST_CARD, question=f"第 {number} 问", valid_from=MOMENT)
            new = lifecycle.add_version(session, entry, content, actor=None, now=NOW)
            lifecycle.submit(session, new, actor=None, now=NOW)
            lifecycle.publish(session, new, actor=None, now=NOW)
        assert cast.unit
        assert [take_effect_due(session, MOMENT, limit=2) for _ in "123"] == [2, 1, 0]


class TestExpiry:
    def test_the_status_follows_on_the_second(self, session: Session, cast: Cast) -> None:
        version = published(session, replace(RESIDENCE_PERMIT, valid_to=MOMENT))
        assert cast.unit
        assert advance(session, MOMENT - timedelta(seconds=1)) == (0, 0)
        assert advance(session, LATE) == (0, 1)
        assert advance(session, LATE) == (0, 0)
        assert last(session, version) == (S.PUBLISHED, S.EXPIRED, MOMENT, "到期下架")
        assert documents_of(session, [version.entry_id]) == []

    @pytest.mark.usefixtures("cast")
    def test_what_was_published_after_its_end_expires_when_it_was_published(self, session: Session) -> None:
        version = published(session, replace(RESIDENCE_PERMIT, valid_to=NOW - 2 * DAY))
        assert advance(session, NOW) == (0, 1)
        assert last(session, version) == (S.PUBLISHED, S.EXPIRED, NOW - DAY, "到期下架")

    @pytest.mark.usefixtures("cast")
    def test_what_fell_due_before_a_publication_comes_first_though_no_worker_looked(self, session: Session) -> None:
        old = published(session, replace(LOST_CARD, valid_to=MOMENT))
        new = lifecycle.add_version(session, old.entry, replace(LOST_CARD, answer="新规定"), actor=None, now=LATE)
        lifecycle.submit(session, new, actor=None, now=LATE)
        lifecycle.publish(session, new, actor=None, now=LATE)
        session.commit()
        assert last(session, old) == (S.PUBLISHED, S.EXPIRED, MOMENT, "到期下架")
        assert (new.status, new.published_at) == (S.PUBLISHED, LATE)
        assert advance(session, LATE) == (0, 0)

    def test_also_one_that_was_scheduled_between(self, session: Session, cast: Cast) -> None:
        old = published(session, replace(LOST_CARD, valid_to=MOMENT))
        scheduled = waiting(session, cast, old.entry, at=MOMENT + timedelta(hours=1))
        new = lifecycle.add_version(session, old.entry, replace(LOST_CARD, answer="更新"), actor=None, now=LATE)
        lifecycle.submit(session, new, actor=None, now=LATE)
        lifecycle.publish(session, new, actor=None, now=LATE)
        session.commit()
        assert last(session, old) == (S.PUBLISHED, S.EXPIRED, MOMENT, "到期下架")
        assert scheduled.published_at == MOMENT + timedelta(hours=1)
        assert last(session, scheduled) == (S.PUBLISHED, S.SUPERSEDED, LATE, "由新版替代")
        assert lifecycle.live_version(session, old.entry_id) is new

    def test_an_import_settles_it_too(self, session: Session, cast: Cast) -> None:
        old = published(session, replace(LOST_CARD, valid_to=MOMENT), code="A-1")
        row = CandidateRow("表", 2, replace(LOST_CARD, answer="新规定"), "A-1")
        plan = plan_import(session, [row], (), grants=grants_of(cast.office), now=LATE)
        apply_import(session, plan, all_or_nothing=True, publish=True, actor=cast.office, now=LATE)
        session.commit()
        assert last(session, old) == (S.PUBLISHED, S.EXPIRED, MOMENT, "到期下架")

    def test_what_is_over_cannot_be_taken_down_any_more(self, session: Session, cast: Cast) -> None:
        old = published(session, replace(LOST_CARD, valid_to=MOMENT))
        with pytest.raises(Conflict, match="到期"):
            lifecycle.withdraw(session, old, "停止执行", actor=cast.office, now=MOMENT)

    def test_both_at_once_after_a_long_stop(self, session: Session, cast: Cast) -> None:
        """The new one took effect and ended while no worker ran."""
        old = published(session, LOST_CARD)
        content = replace(LOST_CARD, answer="一日有效", valid_from=MOMENT, valid_to=MOMENT + DAY)
        new = lifecycle.add_version(session, old.entry, content, actor=cast.editor, now=NOW)
        lifecycle.submit(session, new, actor=None, now=NOW)
        lifecycle.publish(session, new, actor=None, now=NOW)
        session.commit()
        assert advance(session, MOMENT + 9 * DAY) == (1, 1)
        moves = session.scalars(select(Transition).filter_by(version_id=new.id).order_by(Transition.id)).all()
        assert [(m.to_status, m.at) for m in moves[-2:]] == [(S.PUBLISHED, MOMENT), (S.EXPIRED, MOMENT + DAY)]


def test_two_workers_at_once_do_each_once(engine: Engine, session: Session, cast: Cast) -> None:
    for number in range(6):
        content = replace(LOST_CARD, question=f"第 {number} 问")
        entry = published(session, replace(content, valid_to=MOMENT + DAY)).entry
        new = lifecycle.add_version(session, entry, replace(content, valid_from=MOMENT), actor=cast.editor, now=NOW)
        lifecycle.submit(session, new, actor=None, now=NOW)
        lifecycle.publish(session, new, actor=None, now=NOW)
        published(session, replace(RESIDENCE_PERMIT, question=f"另 {number} 问", valid_to=MOMENT))
    session.commit()
    barrier = threading.Barrier(2)
    done: list[int] = []

    def work() -> None:
        with Session(engine) as own:
            barrier.wait(10)
            done.append(sum(advance(own, LATE)))

    workers = [threading.Thread(target=work) for _ in "12"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sum(done) == 12
    counted = select(Transition.step, func.count()).where(Transition.at == MOMENT).group_by(Transition.step)
    assert dict(session.execute(counted).tuples().all()) == {"到时生效": 6, "由新版替代": 6, "到期下架": 6}
