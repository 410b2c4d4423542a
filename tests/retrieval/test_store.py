"""The base on disk: whole after every kill, refused when it is another's, and the same however it was written."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import base_writing
from retrieval.array_file import Damaged
from retrieval.documents import Document
from retrieval.manifest import Manifest
from retrieval.segment import Segment
from retrieval.store import Base, Busy, Store, Writer, versions_of
from tests.retrieval.samples import DOCUMENTS, TOKENISER, document, encoded

VERSIONS = versions_of((), "model-1")
FIRST = [document(number) for number in range(1, 7)]


def new_store(folder: Path) -> Store:
    return Store(folder / "index", VERSIONS)


def first_base(store: Store) -> Base:
    with store.writing() as writer:
        return writer.rebuild([FIRST], encoded, TOKENISER, position=7, mark="log")


def append(writer: Writer, base: Base | None, documents: Sequence[Document], gone: Sequence[int] = ()) -> Base:
    position = base.manifest.position + 1 if base else 1
    return writer.append(base, documents, gone, encoded(documents), TOKENISER, position=position, mark="log")


def held(base: Base | None) -> dict[int, Document]:
    assert base is not None
    found = [segment.documents[row] for segment, live in base.parts for row in np.flatnonzero(live)]
    assert len({d.entry_id for d in found}) == len(found)
    return {d.entry_id: d for d in found}


def by_id(documents: Sequence[Document]) -> dict[int, Document]:
    return {d.entry_id: d for d in documents}


def newest(store: Store) -> Base:
    manifest = store.newest()
    assert manifest is not None
    assert store.check(manifest) == []
    return store.open(manifest)


def test_what_was_written_is_what_is_opened(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert store.newest() is None
    written = first_base(store)
    assert held(newest(Store(store.folder, VERSIONS))) == held(written) == by_id(FIRST)
    assert (written.manifest.position, written.manifest.mark, written.manifest.generation) == (7, "log", 1)
    assert [(file.entries, file.phrasings) for file in written.manifest.segments] == [(6, 12)]
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "manifest-00000001.json",
        "segment-00000001-0.arrays",
        "writer.lock",
    ]


def test_an_empty_base_is_a_base(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with store.writing() as writer:
        base = writer.rebuild([], encoded, TOKENISER, position=0, mark="log")
        assert held(base) == {}
        assert writer.merge(base) is None
        assert held(append(writer, base, [], gone=[4])) == {}
    assert newest(store).manifest.position == 1


def test_a_base_without_a_model_has_no_vectors(tmp_path: Path) -> None:
    store = Store(tmp_path, versions_of((), None))
    with store.writing() as writer:
        base = writer.rebuild([FIRST[:3]], lambda _: None, TOKENISER, position=1, mark="log")
        base = writer.append(base, FIRST[3:], [], None, TOKENISER, position=2, mark="log")
        merged = writer.merge(base)
    assert merged is not None
    assert all(segment.phrase_vectors is None for segment, _ in merged.parts)
    assert held(merged) == by_id(FIRST)


def test_a_base_that_is_built_in_pieces_is_the_one_built_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [document(number, text=f"公积金{number}怎么提取") for number in range(1, 12)]
    whole = new_store(tmp_path / "whole")
    with whole.writing() as writer:
        writer.rebuild([documents], encoded, TOKENISER, position=1, mark="log")
    monkeypatch.setattr(base_writing, "BATCH_ENTRIES", 2)
    monkeypatch.setattr(base_writing, "SEGMENT_ENTRIES", 4)
    pieces = new_store(tmp_path / "pieces")
    replaced = [replace(documents[4], answer="旧"), replace(documents[9], answer="旧")]
    with pieces.writing() as writer:
        batches = [replaced, documents[6:][::-1], documents[:6]]
        base = writer.rebuild(batches, encoded, TOKENISER, position=1, mark="log")
    assert len(base.manifest.segments) == 1
    assert held(base) == held(newest(whole)) == by_id(documents)
    assert len(list(pieces.folder.glob("segment-*"))) == 1


def test_many_appended_documents_make_several_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_writing, "SEGMENT_ENTRIES", 4)
    store = new_store(tmp_path)
    base = first_base(store)
    changed = [replace(document(number), answer="新") for number in (9, 2, 11, 4, 10, 3, 12)]
    with store.writing() as writer:
        appended = append(writer, base, changed, gone=[1, 2, 99])
        assert held(appended) == by_id([d for d in FIRST if d.entry_id > 4] + changed)
        merged = writer.merge(appended)
    assert [file.entries for file in newest(store).manifest.segments] == [len(held(merged))]
    assert held(merged) == held(appended)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(DOCUMENTS, st.sets(st.integers(1, 12)), st.booleans()), max_size=5))
def test_a_base_holds_what_the_changes_say_whatever_was_merged(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[list[Document], set[int], bool]]
) -> None:
    store = new_store(tmp_path_factory.mktemp("base"))
    model: dict[int, Document] = {}
    base: Base | None = None
    with store.writing() as writer:
        for documents, gone, merge in changes:
            model = {i: d for i, d in model.items() if i not in gone} | by_id(documents)
            base = append(writer, base, documents, sorted(gone))
            base = (writer.merge(base) if merge else None) or base
            assert held(base) == model
            writer.clean()
    if base is None:
        return
    assert held(newest(store)) == model
    for segment, live in base.parts:
        tokens = base.vocabularies.words.tokens(segment.words.terms)
        assert [base.vocabularies.words.known(token) for token in tokens] == segment.words.terms.tolist()
        for row in np.flatnonzero(live):
            phrase = int(segment.phrase_start[row])
            terms = segment.words.terms_of(np.array([phrase]))[0]
            words = TOKENISER.content_words(segment.documents[row].question)
            assert set(base.vocabularies.words.tokens(terms)) == set(words)


def test_terms_keep_their_numbers_when_segments_are_merged(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with store.writing() as writer:
        base = append(writer, first_base_in(writer), [document(20, "居住证续签"), document(21, "医保断缴")])
        numbers = {t: base.vocabularies.words.known(t) for t in ("居住证", "医保", "公积金", "窗口")}
        merged = writer.merge(base)
    assert merged is not None
    assert None not in numbers.values()
    assert {t: merged.vocabularies.words.known(t) for t in numbers} == numbers


def first_base_in(writer: Writer) -> Base:
    return writer.rebuild([FIRST], encoded, TOKENISER, position=7, mark="log")


def test_segments_are_joined_until_each_is_a_good_deal_larger_than_the_next() -> None:
    first_to_join = base_writing._first_to_join
    assert first_to_join([]) is None
    assert first_to_join([5]) is None
    assert first_to_join([100_000, 3_000]) is None
    assert first_to_join([100_000, 24_000, 3_000]) is None
    assert first_to_join([100_000, 10_000, 3_000]) == 1
    assert first_to_join([110_000, 20_000, 3_000, 2_000, 10]) == 1  # 5,010 of the newest make 20,000 too small
    assert first_to_join([90_000, 20_000, 3_000, 2_000, 10]) == 0
    assert first_to_join([100_000, 1_000, 0]) == 1


def test_a_process_that_is_killed_at_any_step_leaves_the_last_base_whole(tmp_path: Path) -> None:
    base = first_base(new_store(tmp_path))
    changed = [replace(FIRST[1], answer="新"), document(9)]
    before, after = by_id(FIRST), by_id([*FIRST[:1], *FIRST[3:], *changed])

    def work(store: Store) -> None:
        with store.writing() as writer:
            appended = append(writer, newest(store), changed, gone=[3])
            assert writer.merge(appended) is not None
            writer.clean()

    outcomes = []
    for step in range(200):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "index", folder / "index")
        store = new_store(folder)
        ended = killed_at(step, lambda store=store: work(store))
        left = newest(store)
        outcomes.append(held(left))
        assert outcomes[-1] in (before, after)
        assert left.manifest.generation == base.manifest.generation or outcomes[-1] == after
        with store.writing() as writer:  # the lock went with its holder, and work goes on from what is left
            assert held(append(writer, left, changed, gone=[3])) == after
            writer.clean()
        assert not list(store.folder.glob("*.tmp"))
        named = {file.name for path in store.folder.glob("manifest-*") for file in Manifest.read(path).segments}
        assert {path.name for path in store.folder.glob("segment-*")} == named
        shutil.rmtree(folder)
        if ended:
            break
    else:
        pytest.fail("the work never came to its end")
    assert step >= 16  # two segments and two manifests: each opened, synced, renamed, and its folder synced
    assert before in outcomes


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Run in a process that dies before its file operation of that number; whether it came to its end before."""
    child = os.fork()
    if not child:
        try:
            _die_before(step)
            work()
        except BaseException:  # noqa: BLE001 - whatever it is, this process must not run the other tests
            os._exit(3)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 0


def _die_before(step: int) -> None:
    done = iter(range(step))

    def counted(operation: Callable[..., Any], *, when: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            if when(*given) and next(done, None) is None:
                os._exit(9)
            return operation(*given, **named)

        return run

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
    Path.open = counted(Path.open, when=lambda _, mode="r": mode == "wb")  # type: ignore[method-assign]


def test_a_full_disk_leaves_the_base_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    files = {path.name: path.stat().st_mtime_ns for path in store.folder.iterdir() if path.suffix != ".lock"}
    largest = base.manifest.segments[0].size
    many = [document(number, answer="答" * 500) for number in range(10, 60)]
    with store.writing() as writer, file_size_limit(largest + 4096):
        with pytest.raises(OSError, match="File too large"):
            append(writer, base, many)
        with pytest.raises(OSError, match="File too large"):
            writer.rebuild([FIRST, many], encoded, TOKENISER, position=9, mark="log")
    assert {p.name: p.stat().st_mtime_ns for p in store.folder.iterdir() if p.suffix != ".lock"} == files
    assert held(newest(store)) == by_id(FIRST)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _overwrite(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _put_another(path: Path) -> None:
    shutil.copy(path.with_name("segment-00000001-0.arrays"), path)


@pytest.mark.parametrize("damage", [_truncate, _overwrite, _put_another, Path.unlink])
def test_a_damaged_segment_of_the_newest_base_is_passed_over(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    with store.writing() as writer:
        newer = append(writer, base, [document(9)])
    damage(store.folder / "segment-00000002-0.arrays")
    assert store.newest() == base.manifest
    assert "segment-00000002-0.arrays" in caplog.text
    assert "segment-00000002-0.arrays" in store.refused
    [fault] = store.check(newer.manifest)
    assert "segment-00000002-0.arrays" in fault
    with pytest.raises(Damaged, match="segment-00000002-0"):
        store.open(newer.manifest)
    with store.writing() as writer:
        assert append(writer, base, []).manifest.generation == 3
        writer.clean()
    assert not (store.folder / "manifest-00000002.json").exists()


@pytest.mark.parametrize("damage", [_truncate, _overwrite])
def test_a_damaged_manifest_is_passed_over(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    with store.writing() as writer:
        append(writer, base, [document(9)])
    damage(store.folder / "manifest-00000002.json")
    assert store.newest() == base.manifest
    damage(store.folder / "manifest-00000001.json")
    assert store.newest() is None
    assert "manifest-00000002.json" in store.refused


def test_a_manifest_with_one_changed_letter_is_not_believed(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    first_base(store)
    path = store.folder / "manifest-00000001.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"position": 7', '"position": 8'), encoding="utf-8")
    assert store.newest() is None


def test_a_byte_that_changed_inside_is_found_by_the_full_check_alone(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    path = store.folder / base.manifest.segments[0].name
    whole = bytearray(path.read_bytes())
    whole[200] ^= 1
    path.write_bytes(whole)
    assert store.newest() == base.manifest
    [fault] = store.check(base.manifest)
    assert str(path) in fault
    assert "校验值" in fault


def test_the_base_before_a_damaged_one_can_be_asked_for(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    with store.writing() as writer:
        newer = append(writer, base, [document(9)])
    assert store.newest() == newer.manifest
    assert store.newest(before=newer.manifest.generation) == base.manifest
    assert store.newest(before=base.manifest.generation) is None


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        (versions_of(("一网通办专窗",), "model-1"), "词典"),
        (versions_of((), "model-2"), "向量模型"),
        (versions_of((), None), "向量模型"),
        (replace(VERSIONS, format=VERSIONS.format + 1), "格式"),
    ],
)
def test_a_base_of_other_versions_is_refused(tmp_path: Path, versions: Any, reason: str) -> None:
    first_base(new_store(tmp_path))
    other = Store(tmp_path / "index", versions)
    assert other.newest() is None
    assert reason in other.refused
    with other.writing() as writer:
        writer.rebuild([FIRST[:1]], encoded, TOKENISER, position=9, mark="log")
    assert other.newest() is not None
    assert other.refused == ""
    assert held(newest(new_store(tmp_path))) == by_id(FIRST)  # the other's own is still there for who can read it


def test_own_words_count_in_whatever_order() -> None:
    assert versions_of(("甲乙", "丙丁"), None) == versions_of(iter(("丙丁", "甲乙")), None)


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert store.writer == ""
    with store.writing():
        assert store.writer == f"进程 {os.getpid()}"
        assert in_another_process(lambda: store.writing().__enter__()) == "Busy"
        with pytest.raises(Busy), store.writing(wait=0.1):
            pass
    assert store.writer == ""
    with store.writing():
        pass


def in_another_process(work: Callable[[], Any]) -> str:
    """The name of what it raised; empty when nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - told to the parent
            os.write(write, type(raised).__name__.encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as told:
        return told.read()


def test_two_states_are_kept_and_everything_else_goes(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    with store.writing() as writer:
        for number in range(10, 14):
            base = append(writer, base, [document(number)])
        (store.folder / "segment-00000009-0.arrays.tmp").write_bytes(b"half")
        (store.folder / "segment-00000008-0.arrays").write_bytes(b"of nobody")
        opened = newest(store)
        merged = writer.merge(base)
        assert merged is not None
        writer.clean()
    names = {path.name for path in store.folder.iterdir()}
    assert {name for name in names if name.startswith("manifest")} == {
        f"manifest-{generation:08d}.json" for generation in (5, merged.manifest.generation)
    }
    kept = {file.name for manifest in (base.manifest, merged.manifest) for file in manifest.segments}
    assert {name for name in names if name.startswith("segment")} == kept
    assert held(opened) == held(merged)


def test_a_base_that_grows_in_one_process_does_not_grow_what_is_written(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    base = first_base(store)
    Segment.build([document(30, "居住证续签")], TOKENISER, base.vocabularies, None)
    with store.writing() as writer:
        appended = append(writer, base, [document(40, "医保断缴")])
    assert appended.vocabularies.words.known("居住证") is None
    assert appended.vocabularies.words.known("医保") is not None
