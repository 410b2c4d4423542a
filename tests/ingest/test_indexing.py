"""The base on disk: equal to the database, of this database alone, followed and gone over to, compared and repaired."""

import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from ingest.base_on_disk import BaseOnDisk
from ingest.comparing import Held, differences
from ingest.follower import Follower
from ingest.indexing import Indexer
from kb_admin import lifecycle
from models.database import sessions
from models.errors import Unavailable
from models.knowledge import ChangeLog, Keyword, Version
from models.organisation import Region
from models.values import EntryContent, Viewer
from retrieval.embedded import EmbeddedIndex
from retrieval.store import Busy, Store, versions_of
from retrieval.thesaurus import Thesaurus
from retrieval.tokens import Tokeniser, shipped_tokeniser
from retrieval.vector_store import VectorStore
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

ALL = Viewer(everything=True)


class ByLength:
    """An encoder that needs no model."""

    dimension = 8
    fingerprint = "by length"

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> np.ndarray:
        rows = np.array([[len(text[:max_tokens]) % (n + 3) + 1 for n in range(8)] for text in texts], np.float32)
        rows = rows.reshape(len(texts), 8)
        lengths: np.ndarray = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)


@dataclass(frozen=True)
class Machine:
    """A machine with a base on its disk."""

    open_session: sessionmaker[Session]
    store: Store
    indexer: Indexer

    def flush(self) -> int:
        """How many entries were written."""
        return self.indexer.flush(silent, now=utc_now()).changed

    def begin(self) -> tuple[EmbeddedIndex, Follower]:
        """A process that searches, as it starts."""
        index = EmbeddedIndex(None)
        follower = Follower(self.open_session, index, on_disk=BaseOnDisk(self.store))
        follower.catch_up()
        return index, follower

    def wrong(self, index: EmbeddedIndex, follower: Follower) -> tuple[int, ...]:
        """Entries of the index that are not as the database has them."""
        parts = [(part.segment, part.live_rows) for part in index.generation.parts]
        return differences(self.open_session, Held.of(parts), follower.position).all


@pytest.fixture
def machine(engine: Engine, tmp_path: Path) -> Machine:
    store = Store(tmp_path / "index", versions_of([], None))
    return Machine(sessions(engine), store, Indexer(sessions(engine), store, None, tokeniser_with))


def tokeniser_with(thesaurus: Thesaurus | None) -> Tokeniser:
    return shipped_tokeniser() if thesaurus is None else Tokeniser([], thesaurus)


def silent(_: str) -> None:
    pass


def numbered(number: int) -> EntryContent:
    return replace(LOST_CARD, question=f"第{number}号社会保障卡怎样补领", similar=(f"{number}号社保卡丢了",))


def publish_some(session: Session, count: int, *, first: int = 1) -> list[Version]:
    return [published(session, numbered(n), code=f"N-{n}") for n in range(first, first + count)]


def withdraw(session: Session, version: Version, cast: Cast) -> None:
    lifecycle.withdraw(session, version, "政策已废止", actor=cast.office, now=NOW)
    session.commit()


def test_the_first_flush_builds_the_base_and_later_ones_add_what_changed(
    session: Session, cast: Cast, machine: Machine
) -> None:
    first, second = publish_some(session, 2)
    written = machine.indexer.flush(silent, now=utc_now())
    assert (written.anew, written.changed) == (True, 2)
    publish_some(session, 1, first=3)
    withdraw(session, first, cast)
    written = machine.indexer.flush(silent, now=utc_now())
    assert (written.anew, written.changed) == (False, 2)
    assert machine.indexer.behind(written.manifest) == 0
    assert machine.indexer.verify(silent).sound
    assert machine.flush() == 0
    assert second.entry_id in {
        id for s, live in machine.store.open(written.manifest).parts for id in s.columns.entry_ids[live]
    }


def test_a_process_begins_with_the_base_and_reads_only_what_came_after(
    session: Session, cast: Cast, machine: Machine
) -> None:
    versions = publish_some(session, 5)
    machine.flush()
    publish_some(session, 1, first=6)
    withdraw(session, versions[0], cast)
    index, follower = machine.begin()
    assert (len(index), index.delta_entries) == (5, 1)
    assert follower.lag() == 0
    assert machine.wrong(index, follower) == ()
    assert index.search("6号社保卡丢了", ALL, NOW).hits[0].phrasing == "6号社保卡丢了"
    assert versions[0].entry_id not in {hit.entry_id for hit in index.search("1号社保卡丢了", ALL, NOW).hits}


def test_a_running_process_goes_over_to_a_newer_base(session: Session, cast: Cast, machine: Machine) -> None:
    publish_some(session, 3)
    index, follower = machine.begin()
    assert (follower.base, index.delta_entries) == (None, 3)
    machine.flush()
    publish_some(session, 1, first=4)
    follower.catch_up()
    assert follower.base is not None
    assert (len(index), index.delta_entries) == (4, 1)
    generation = follower.base.generation
    machine.indexer.rebuild(silent)
    follower.catch_up()
    assert follower.base.generation > generation
    assert (len(index), index.delta_entries) == (4, 0)
    assert machine.wrong(index, follower) == ()


def test_a_base_ahead_of_the_process_is_taken_once_it_has_read_so_far(
    session: Session, cast: Cast, machine: Machine
) -> None:
    on_disk = BaseOnDisk(machine.store)
    publish_some(session, 2)
    machine.flush()
    assert on_disk.newer(session, None, 0) is None
    assert on_disk.has_changed
    assert on_disk.newer(session, None, 2) is not None
    assert not on_disk.has_changed


def test_a_process_from_an_old_state_goes_over_to_the_base_at_once(
    session: Session, cast: Cast, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.follower.FAR_BEHIND", 3)
    versions = publish_some(session, 1)
    index, follower = machine.begin()
    publish_some(session, 4, first=2)
    withdraw(session, versions[0], cast)
    machine.flush()
    follower.catch_up()
    assert (len(index), index.delta_entries, follower.lag()) == (4, 0, 0)
    assert machine.wrong(index, follower) == ()


def test_vectors_of_the_base_are_those_of_the_cache(
    session: Session, cast: Cast, machine: Machine, tmp_path: Path
) -> None:
    vectors = VectorStore(tmp_path / "v.db", ByLength())
    store = Store(tmp_path / "index", versions_of([], ByLength.fingerprint))
    publish_some(session, 3)
    indexer = Indexer(machine.open_session, store, vectors, tokeniser_with)
    written = indexer.flush(silent, now=utc_now())
    ((segment, _),) = store.open(written.manifest).parts
    assert segment.phrase_vectors is not None
    expected = vectors.encode(list(segment.phrase_texts))
    rows = np.arange(len(segment.phrase_texts))
    np.testing.assert_allclose(segment.phrase_vectors.cosines(expected[0], rows[:1]), [1], atol=1e-3)


def test_an_index_of_another_database_is_refused_and_built_anew(session: Session, cast: Cast, machine: Machine) -> None:
    publish_some(session, 3)
    machine.flush()
    session.execute(update(ChangeLog).values(at=NOW.replace(year=2020)))  # the same numbers, other rows
    session.commit()
    index, follower = machine.begin()
    assert (follower.base, len(index)) == (None, 3)
    assert machine.indexer.verify(silent).faults
    assert machine.indexer.flush(silent, now=utc_now()).anew
    assert machine.indexer.verify(silent).sound


def test_a_database_restored_to_an_earlier_day_is_loaded_anew_even_while_the_process_runs(
    session: Session, cast: Cast, machine: Machine
) -> None:
    versions = publish_some(session, 3)
    machine.flush()
    index, follower = machine.begin()
    last = versions[-1]
    session.query(ChangeLog).filter(ChangeLog.entry_id == last.entry_id).delete()
    session.execute(update(Version).where(Version.id == last.id).values(status="draft"))
    session.commit()
    follower.catch_up()
    assert len(index) == 2
    assert follower.base is None
    assert machine.wrong(index, follower) == ()
    assert machine.flush() == 2
    follower.catch_up()
    assert follower.base is not None
    assert machine.wrong(index, follower) == ()


def test_regions_that_are_renamed_reach_the_base(session: Session, cast: Cast, machine: Machine) -> None:
    publish_some(session, 2)
    machine.flush()
    session.execute(update(Region).where(Region.id == cast.city.id).values(name="新安澜市"))
    session.commit()
    _, follower = machine.begin()
    assert follower.base is not None  # it answers until it is built anew
    assert follower.base_is_old
    assert machine.indexer.flush(silent, now=utc_now()).anew
    index, follower = machine.begin()
    assert not follower.base_is_old
    assert machine.wrong(index, follower) == ()


def test_a_flush_ends_where_changes_never_cease(session: Session, cast: Cast, machine: Machine) -> None:
    publish_some(session, 1)
    machine.flush()
    numbers = iter(range(3, 9))

    def tokeniser_with_another_change(thesaurus: Thesaurus | None) -> Tokeniser:
        for number in itertools.islice(numbers, 1):
            publish_some(session, 1, first=number)
        return tokeniser_with(thesaurus)

    publish_some(session, 1, first=2)
    never_still = Indexer(machine.open_session, machine.store, None, tokeniser_with_another_change)
    written = never_still.flush(silent, now=utc_now())
    assert written.changed == 1
    assert machine.indexer.behind(written.manifest) == 1


def test_a_region_that_is_renamed_while_the_base_is_built_is_not_taken_for_read(
    session: Session, cast: Cast, machine: Machine
) -> None:
    publish_some(session, 2)

    def rename(_: str) -> None:
        publish_some(session, 1, first=3)
        session.execute(update(Region).where(Region.id == cast.city.id).values(name="新安澜市"))
        session.commit()

    machine.indexer.flush(rename, now=utc_now())
    _, follower = machine.begin()
    assert follower.base_is_old
    assert machine.indexer.flush(silent, now=utc_now()).anew
    assert machine.indexer.verify(silent).sound


def test_a_base_that_is_written_while_it_is_verified_is_no_fault(
    session: Session, cast: Cast, machine: Machine
) -> None:
    publish_some(session, 1)
    machine.flush()
    told: list[str] = []

    def write(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 1:
            for number in range(2, 4):
                publish_some(session, 1, first=number)
                machine.flush()

    assert machine.indexer.verify(write).sound
    assert len(told) > 1


def test_a_difference_is_found_named_and_repaired(session: Session, cast: Cast, machine: Machine) -> None:
    one, two, three = publish_some(session, 3)
    machine.flush()
    session.add(Keyword(version_id=one.id, position=9, text="补办"))  # past the log: nobody is told
    session.execute(update(Version).where(Version.id == two.id).values(status="withdrawn"))
    session.commit()
    found = machine.indexer.verify(silent)
    assert not found.sound
    assert found.differences is not None
    assert (found.differences.differing, found.differences.superfluous) == ((one.entry_id,), (two.entry_id,))
    session.execute(update(Version).where(Version.id == two.id).values(status="published"))
    session.commit()
    machine.indexer.repair(found, silent)
    assert machine.indexer.verify(silent).sound
    index, follower = machine.begin()
    assert machine.wrong(index, follower) == ()
    assert three.entry_id in {hit.entry_id for hit in index.search("3号社保卡丢了", ALL, NOW).hits}


def test_a_missing_entry_is_found(session: Session, cast: Cast, machine: Machine) -> None:
    one, _ = publish_some(session, 2)
    withdraw(session, one, cast)
    machine.flush()
    session.execute(update(Version).where(Version.id == one.id).values(status="published"))
    session.commit()
    found = machine.indexer.verify(silent)
    assert found.differences is not None
    assert found.differences.missing == (one.entry_id,)


def test_what_changes_after_the_base_is_no_difference(session: Session, cast: Cast, machine: Machine) -> None:
    one, _ = publish_some(session, 2)
    machine.flush()
    withdraw(session, one, cast)
    publish_some(session, 1, first=3)
    assert machine.indexer.verify(silent).sound


def test_what_is_harmed_is_not_joined_into_something_new(session: Session, cast: Cast, machine: Machine) -> None:
    publish_some(session, 2)
    machine.flush()
    manifest = machine.store.newest()
    assert manifest is not None
    file = machine.store.folder / manifest.segments[0].name
    content = bytearray(file.read_bytes())
    content[len(content) * 2 // 3] ^= 0xFF
    file.write_bytes(bytes(content))
    publish_some(session, 1, first=3)
    assert machine.indexer.flush(silent, now=utc_now()).anew
    assert machine.indexer.verify(silent).sound


@pytest.mark.parametrize("harm", ["truncated", "overwritten", "deleted"])
def test_a_harmed_file_is_found_and_the_index_comes_back(
    session: Session, cast: Cast, machine: Machine, harm: str
) -> None:
    publish_some(session, 4)
    machine.flush()
    manifest = machine.store.newest()
    assert manifest is not None
    file = machine.store.folder / manifest.segments[0].name
    content = file.read_bytes()
    file.unlink()
    if harm == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "overwritten":
        file.write_bytes(content[: len(content) // 2] + b"\xff" * 64 + content[len(content) // 2 + 64 :])
    found = machine.indexer.verify(silent)
    assert not found.sound
    assert found.faults
    if harm != "overwritten":  # found when it is opened
        index, follower = machine.begin()
        assert len(index) == 4
    machine.indexer.repair(found, silent)
    assert machine.indexer.verify(silent).sound
    index, follower = machine.begin()
    assert follower.base is not None
    assert machine.wrong(index, follower) == ()


def test_the_index_goes_on_when_the_folder_is_deleted_and_is_written_again(
    session: Session, cast: Cast, machine: Machine
) -> None:
    publish_some(session, 3)
    machine.flush()
    index, follower = machine.begin()
    shutil.rmtree(machine.store.folder)
    publish_some(session, 1, first=4)
    follower.catch_up()
    assert len(index) == 4
    assert machine.flush() == 4
    follower.catch_up()
    assert index.delta_entries == 0
    assert machine.wrong(index, follower) == ()


def test_one_writes_at_a_time(session: Session, cast: Cast, machine: Machine) -> None:
    publish_some(session, 1)
    with machine.store.writing(), pytest.raises(Busy):
        machine.flush()


def test_a_large_base_is_first_written_to_disk(
    session: Session, cast: Cast, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.follower.IN_MEMORY", 2)
    publish_some(session, 3)
    index, told = EmbeddedIndex(None), list[str]()

    def bring_up(tell: Callable[[str], None]) -> None:
        told.append(follower.preparing)
        machine.indexer.flush(tell, now=utc_now())

    follower = Follower(machine.open_session, index, on_disk=BaseOnDisk(machine.store), bring_up=bring_up)
    assert not follower.loaded
    follower.catch_up()
    assert follower.loaded
    assert told == ["正在把知识条目写入磁盘上的索引……"]
    assert follower.preparing == ""
    assert (len(index), index.delta_entries) == (3, 0)


def test_without_room_on_the_disk_the_base_is_held_in_memory(
    session: Session, cast: Cast, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.follower.IN_MEMORY", 2)
    publish_some(session, 3)
    index = EmbeddedIndex(None)

    def bring_up(tell: Callable[[str], None]) -> None:
        raise Unavailable("磁盘已满")

    follower = Follower(machine.open_session, index, on_disk=BaseOnDisk(machine.store), bring_up=bring_up)
    follower.catch_up()
    assert (len(index), index.delta_entries, follower.preparing) == (3, 3, "")


def test_an_empty_base_is_a_base(session: Session, cast: Cast, machine: Machine) -> None:
    assert machine.indexer.flush(silent, now=utc_now()).anew
    assert machine.indexer.verify(silent).sound
    index, _ = machine.begin()
    assert len(index) == 0
    published(session, RESIDENCE_PERMIT)
    assert machine.flush() == 1
    index, _ = machine.begin()
    assert len(index) == 1
