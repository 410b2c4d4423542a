"""The index equals what is published: after each change, after a replay, with writers at once, on both databases."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, event
from sqlalchemy.orm import Session

from ingest.follower import Follower
from ingest.searchable import plain_text
from kb_admin import change_log, lifecycle
from kb_admin.taking_effect import expire_due, take_effect_due
from kb_admin.thesaurus import next_version
from models.database import sessions
from models.knowledge import ChangeLog
from models.thesaurus import GroupSaying, GroupVersion, WordGroup
from models.values import Viewer
from retrieval.embedded import EmbeddedIndex
from retrieval.thesaurus import Thesaurus, shipped
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

ALL = Viewer(everything=True)
HOUR = timedelta(hours=1)
OWN_GROUP = WordGroup("鑫瑞码", (GroupSaying("蓝牌码"),))


@pytest.fixture
def index() -> EmbeddedIndex:
    return EmbeddedIndex(None)


@pytest.fixture
def follower(engine: Engine, index: EmbeddedIndex) -> Iterator[Follower]:
    made = Follower(sessions(engine), index)
    yield made
    if made.running:
        made.stop()


def first_version(index: EmbeddedIndex, question: str) -> int | None:
    hits = index.search(question, ALL, NOW).hits
    return hits[0].version_id if hits else None


def test_a_published_entry_is_searchable_and_a_draft_is_not(
    session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    live = published(session, LOST_CARD)
    lifecycle.create_entry(session, RESIDENCE_PERMIT, actor=cast.stranger, now=NOW)
    session.commit()
    follower.catch_up()
    assert len(index) == 1
    assert first_version(index, "社保卡丢了怎么办") == live.id


def test_the_live_version_answers_until_the_new_one_is_published(
    session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    old = published(session, LOST_CARD)
    follower.catch_up()
    content = replace(LOST_CARD, answer="改为免费补领。")
    new = lifecycle.add_version(session, old.entry, content, actor=cast.editor, now=NOW)
    lifecycle.submit(session, new, actor=cast.editor, now=NOW)
    session.commit()
    follower.catch_up()
    assert first_version(index, LOST_CARD.question) == old.id
    lifecycle.approve(session, new, actor=cast.reviewer, now=NOW)
    lifecycle.publish(session, new, actor=cast.office, now=NOW)
    session.commit()
    assert follower.catch_up() == 1
    assert first_version(index, LOST_CARD.question) == new.id


def test_what_takes_effect_or_ends_by_itself_is_followed_too(
    session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    old = published(session, LOST_CARD)
    content = replace(LOST_CARD, answer="改为免费补领。", valid_from=NOW - HOUR, valid_to=NOW + HOUR)
    new = lifecycle.add_version(session, old.entry, content, actor=cast.editor, now=NOW - 2 * HOUR)
    lifecycle.submit(session, new, actor=None, now=NOW - 2 * HOUR)
    lifecycle.publish(session, new, actor=None, now=NOW - 2 * HOUR)
    session.commit()
    follower.catch_up()
    assert first_version(index, LOST_CARD.question) == old.id
    assert take_effect_due(session, NOW) == 1
    session.commit()
    assert follower.catch_up() == 1
    assert first_version(index, LOST_CARD.question) == new.id
    assert expire_due(session, NOW + HOUR) == 1
    session.commit()
    follower.catch_up()
    assert first_version(index, LOST_CARD.question) is None


def test_a_withdrawn_entry_is_gone(session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex) -> None:
    live = published(session, LOST_CARD)
    follower.catch_up()
    lifecycle.withdraw(session, live, "政策已废止", actor=cast.office, now=NOW)
    session.commit()
    follower.catch_up()
    assert len(index) == 0
    assert follower.lag() == 0


def test_an_entry_that_is_withdrawn_while_it_is_read_holds_nothing_up(
    engine: Engine, session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    live = published(session, LOST_CARD)
    moments = iter([True])

    def withdraw(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM phrasings" in statement and next(moments, False):
            lifecycle.withdraw(session, live, "政策已废止", actor=cast.office, now=NOW)
            session.commit()

    event.listen(engine, "before_cursor_execute", withdraw)
    follower.catch_up()
    event.remove(engine, "before_cursor_execute", withdraw)
    follower.catch_up()
    assert next(moments, None) is None
    assert len(index) == 0


def test_a_change_that_is_rolled_back_is_never_seen(
    session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    live = published(session, LOST_CARD)
    follower.catch_up()
    lifecycle.withdraw(session, live, "误操作", actor=cast.office, now=NOW)
    session.rollback()
    assert follower.catch_up() == 0
    assert len(index) == 1


def test_groups_that_a_restored_database_does_not_hold_are_given_up(
    engine: Engine, session: Session, cast: Cast, index: EmbeddedIndex
) -> None:
    used: list[Thesaurus] = []
    follower = Follower(sessions(engine), index, used.append)
    published(session, LOST_CARD)
    follower.catch_up()
    assert not used
    change_log.record_thesaurus_change(session, now=NOW)
    session.add(next_version(OWN_GROUP, after=0, actor=cast.office, now=NOW))
    session.commit()
    follower.catch_up()
    assert OWN_GROUP.head in used[-1]
    session.execute(delete(GroupVersion))
    session.execute(delete(ChangeLog).where(ChangeLog.entry_id.is_(None)))
    session.commit()
    follower.catch_up()
    assert OWN_GROUP.head not in used[-1]
    assert len(used[-1].groups) == len(shipped().groups)


def test_a_follower_in_a_thread_sees_a_publication_by_itself(
    session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    follower.start()
    published(session, LOST_CARD)
    for _ in range(200):
        if len(index):
            break
        threading.Event().wait(0.05)
    assert len(index) == 1


def test_writers_at_once_lose_no_change(
    engine: Engine, session: Session, cast: Cast, follower: Follower, index: EmbeddedIndex
) -> None:
    follower.catch_up()
    follower.start()

    def write(writer: int) -> None:
        with sessions(engine)() as own:
            for number in range(10):
                content = replace(LOST_CARD, question=f"第{writer}组第{number}个问题怎么办", similar=())
                published(own, content, code=f"W{writer}-{number}", now=NOW - DAY)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    follower.catch_up()
    assert len(index) == 4 * 10
    assert follower.lag() == 0


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("## 条件\n满 **18** 周岁", "条件\n满 18 周岁"),
        ("[网上办理](https://example.cn/a)入口", "网上办理入口"),
        ("![流程图](attachment:abc)", "流程图"),
        ("| 档次 | 金额 |\n|---|---:|\n| 一档 | 400元 |", "档次 金额 \n\n 一档 400元"),
    ],
)
def test_markdown_marks_are_not_searched(markdown: str, words: str) -> None:
    assert plain_text(markdown) == words
