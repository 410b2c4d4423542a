"""Milvus equals what is published: fed by one or several, after deaths, restores and damage, on both databases."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from ingest.fed_follower import FedFollower
from ingest.feed_check import FeedBackend
from ingest.feeding import Feeder
from kb_admin import lifecycle
from kb_admin.change_log import record_changes
from models.database import sessions
from models.feeding import FedEntry, FeedCounts, IndexFeed
from models.knowledge import ChangeLog, Version
from models.values import EntryContent, Viewer
from retrieval.embedded import EmbeddedIndex
from retrieval.milvus import MilvusIndex
from retrieval.milvus_rows import Row
from retrieval.milvus_store import MilvusStore
from retrieval.tokens import shipped_tokeniser
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.milvus_server import milvus_server
from tests.retrieval.test_embedded import LetterEncoder

ALL = Viewer(everything=True)
_names = count(1)
Node = tuple[MilvusIndex, FedFollower, Feeder]


@pytest.fixture(scope="module")
def milvus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("milvus")) as url:
        yield url


@pytest.fixture
def name() -> str:
    """Of the collections of one test."""
    return f"feeding{next(_names)}"


@pytest.fixture
def node(engine: Engine, milvus_url: str, name: str, tmp_path: Path) -> Iterator[Callable[[], Node]]:
    """Makes what one service process has: several of them share the database and Milvus."""
    made: list[Node] = []

    def make() -> Node:
        store = MilvusStore(milvus_url, "", name, LetterEncoder.dimension)
        index = MilvusIndex(store, EmbeddedIndex(LetterEncoder()).means, shipped_tokeniser())
        feeder = Feeder(sessions(engine), store, LetterEncoder(), lambda: index.tokeniser, tmp_path / "lock")
        made.append((index, FedFollower(sessions(engine), index, feeder), feeder))
        return made[-1]

    yield make
    for place, (_, follower, feeder) in enumerate(made):
        if follower.running:
            follower.stop()
        if place == len(made) - 1:
            feeder.store.drop()
        feeder.store.close()


def card(number: int) -> EntryContent:
    return replace(LOST_CARD, question=f"第{number}种社保卡丢了怎么补办", similar=(f"{number}号卡遗失",))


def found(index: MilvusIndex, question: str) -> list[int]:
    return [hit.version_id for hit in index.search(question, ALL, NOW).hits]


def test_what_is_published_changed_and_withdrawn_is_followed_by_every_process(
    session: Session, cast: Cast, node: Callable[[], Node]
) -> None:
    live, other = published(session, LOST_CARD), published(session, RESIDENCE_PERMIT, code="JZ-1")
    (index, follower, _), (second, follows, _) = node(), node()
    assert follower.catch_up() == 2
    follows.catch_up()
    assert follower.loaded and follows.loaded
    for seen in (index, second):
        assert len(seen) == 2
        assert found(seen, LOST_CARD.question)[0] == live.id
    lifecycle.withdraw(session, other, actor=cast.office, now=NOW, reason="停办")
    changed = lifecycle.add_version(session, live.entry, replace(LOST_CARD, question="卡掉了咋整"), actor=None, now=NOW)
    lifecycle.submit(session, changed, actor=None, now=NOW)
    lifecycle.publish(session, changed, actor=None, now=NOW)
    session.commit()
    assert follower.lag() > 0
    follower.catch_up()
    follows.catch_up()
    for seen, at in ((index, follower), (second, follows)):
        assert len(seen) == 1
        assert found(seen, "卡掉了咋整") == [changed.id]
        assert found(seen, RESIDENCE_PERMIT.question) in ([], [changed.id])
        assert at.lag() == 0


def test_every_process_gives_the_answers_of_the_embedded_index(
    session: Session, cast: Cast, node: Callable[[], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also once the counts have been added up."""
    from ingest import feeding
    from ingest.log_rows import current, published_entries

    monkeypatch.setattr(feeding, "BATCH", 2)
    monkeypatch.setattr(feeding, "COMPACTED_AT", 2)
    versions = [published(session, card(i), code=f"K-{i}") for i in range(6)]
    index, follower, _ = node()
    follower.catch_up()
    lifecycle.withdraw(session, versions[2], actor=cast.office, now=NOW, reason="停办")
    record_changes(session, [versions[1].entry_id] * 3, now=NOW)
    session.commit()
    follower.catch_up()
    assert len(session.scalars(select(FeedCounts)).all()) <= 3
    late, follows, _ = node()
    follows.catch_up()
    embedded = EmbeddedIndex(LetterEncoder())
    embedded.apply(current(session, published_entries(session)))
    for question in ("第3种社保卡丢了怎么补办", "1号卡遗失", "社保卡", "今晚吃什么"):
        expected = embedded.search(question, ALL, NOW)
        for seen in (index, late):
            result = seen.search(question, ALL, NOW)
            assert [h.version_id for h in result.hits] == [h.version_id for h in expected.hits]
            assert [h.score for h in result.hits] == pytest.approx([h.score for h in expected.hits], abs=1e-6)
            assert result.outcome is expected.outcome


def test_a_feeder_that_dies_in_the_middle_loses_nothing_and_counts_nothing_twice(
    session: Session, cast: Cast, node: Callable[[], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        published(session, card(i), code=f"K-{i}")
    _, _, feeder = node()
    feeder.prepare()
    monkeypatch.setattr(feeder, "_record", _dies)  # the rows are in Milvus, nothing of it in the database
    with pytest.raises(_Killed):
        feeder.feed()
    other, follows, successor = node()
    follows.catch_up()
    assert len(other) == 3
    assert FeedBackend(feeder._open_session, successor).verify(lambda _: None).sound


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_feeders_share_the_work_and_take_over_the_part_of_one_that_dies(
    session: Session, cast: Cast, node: Callable[[], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import feeding

    monkeypatch.setattr(feeding, "BATCH", 3)
    entries = [published(session, card(i), code=f"K-{i}").entry_id for i in range(6)]
    (_, _, slow), (index, follower, quick) = node(), node()
    slow.prepare()
    writing, killed = threading.Event(), threading.Event()

    def hang(*_: object) -> int:
        writing.set()
        killed.wait(20)
        raise _Killed

    monkeypatch.setattr(slow.store, "write", hang)
    thread = threading.Thread(target=_killed, args=(slow,))
    thread.start()
    assert writing.wait(20)
    record_changes(session, entries[:1], now=NOW)  # changes again while the slow one holds it
    session.commit()
    while quick.feed():
        pass
    assert set(dict(quick.store.stamps())) == set(entries[3:])
    killed.set()
    thread.join()
    follower.catch_up()
    assert len(index) == 6
    assert FeedBackend(quick._open_session, quick).verify(lambda _: None).sound


def test_a_comparison_finds_every_kind_of_difference_and_puts_it_right(
    session: Session, cast: Cast, node: Callable[[], Node], engine: Engine
) -> None:
    versions = [published(session, card(i), code=f"K-{i}") for i in range(5)]
    missing, changed, torn, gone, _ = [version.entry_id for version in versions]
    index, follower, feeder = node()
    follower.catch_up()
    backend = FeedBackend(sessions(engine), feeder)
    assert backend.verify(lambda _: None).sound
    store = feeder.store
    store.write([], [], [missing])
    row = store._query(store.entries, f"entry_id == {changed}", ["*"])[0]
    store._client.upsert(store.entries, [_plain(row) | {"stamp": "0" * 16}])
    store._client.delete(store.phrasings, ids=[f"{torn}:1"])
    session.execute(delete(ChangeLog).where(ChangeLog.entry_id == gone))
    for version in session.scalars(select(Version).where(Version.entry_id == gone)):
        version.status = "withdrawn"  # type: ignore[assignment]
    session.execute(delete(FeedCounts).where(FeedCounts.id == select(FeedCounts.id).limit(1).scalar_subquery()))
    session.commit()
    found = backend.verify(lambda _: None)
    assert (found.differences.missing, found.differences.differing) == ((missing,), (changed,))
    assert (found.differences.superfluous, found.torn, found.miscounted) == ((gone,), (torn,), True)
    backend.repair(found, lambda _: None)
    assert backend.verify(lambda _: None).sound
    follower.catch_up()
    assert len(index) == 4


@pytest.mark.parametrize("damage", ["dropped", "another database", "restored", "killed while it was begun"])
def test_an_index_that_is_gone_or_of_another_base_is_written_anew(
    session: Session, cast: Cast, node: Callable[[], Node], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(session, card(1), code="K-1")
    _, follower, feeder = node()
    follower.catch_up()
    if damage == "dropped":
        feeder.store.drop()
    elif damage == "another database":
        session.execute(delete(IndexFeed))
        session.execute(delete(FedEntry))
    elif damage == "restored":
        feeder.store.leave_mark("99 99/7/2026-11-22T00:00:00+00:00")
    else:
        feeder.store.drop()
        monkeypatch.setattr(feeder.store, "leave_mark", _then_dies(feeder.store.leave_mark))
        with pytest.raises(_Killed):
            feeder.prepare()
    session.commit()
    again, follows, _ = node()
    follows.catch_up()
    assert len(again) == 1
    assert found(again, card(1).question) == [first.id]


def test_a_change_does_not_wait_until_everything_is_written_again(
    session: Session, cast: Cast, node: Callable[[], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [published(session, card(i), code=f"K-{i}") for i in range(3)]
    index, follower, feeder = node()
    follower.catch_up()
    monkeypatch.setattr("ingest.feeding.BATCH", 1)
    feeder.write_again([version.entry_id for version in versions])
    new = published(session, card(7), code="K-7")
    follower.catch_up()
    assert found(index, card(7).question)[0] == new.id
    assert follower.lag() == 0
    assert feeder.waiting() == 3


def test_counts_made_anew_by_who_wrote_nothing_keep_the_time_that_readers_name(
    session: Session, cast: Cast, node: Callable[[], Node]
) -> None:
    published(session, card(1), code="K-1")
    _, follower, feeder = node()
    feeder.store.written = 7  # Milvus Lite itself tells no time
    follower.catch_up()
    node()[2].count_anew()
    assert session.scalar(select(func.max(FeedCounts.written))) == 7


def test_a_rebuilt_index_takes_out_what_is_not_published(
    session: Session, cast: Cast, node: Callable[[], Node], engine: Engine
) -> None:
    published(session, card(1), code="K-1")
    index, follower, feeder = node()
    follower.catch_up()
    backend = FeedBackend(sessions(engine), feeder)
    assert backend.rebuild(lambda _: None) == 1
    follower.catch_up()
    assert len(index) == 1
    status = backend.status()
    assert (status.published, status.stored, status.tasks, status.behind) == (1, 1, 0, 0)


class _Killed(BaseException):
    """The process is no more."""


def _killed(feeder: Feeder) -> None:
    with pytest.raises(_Killed):
        feeder.feed()


def _dies(*_: object) -> None:
    raise _Killed


def _then_dies(what: Callable[..., None]) -> Callable[..., None]:
    def done_and_dead(*given: object) -> None:
        what(*given)
        raise _Killed

    return done_and_dead


def _plain(row: Row) -> Row:
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in row.items()
    }
