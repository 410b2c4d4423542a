"""What every index promises, shown on the embedded one and on Milvus (the server of Milvus Lite)."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import pytest

from models.values import STRANGER, Outcome, Publicity, Viewer
from retrieval.documents import Change, Document, Result, Suggestion
from retrieval.embedded import EmbeddedIndex
from retrieval.thesaurus import Thesaurus, read_group
from retrieval.tokens import Tokeniser
from tests.milvus_server import milvus_server
from tests.retrieval.test_embedded import LetterEncoder

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALL = Viewer(everything=True)
TOKENISER = Tokeniser()
SUBJECTS = ("身份证", "社保卡", "公积金", "居住证", "营业执照", "老年证", "护照", "驾驶证")
ACTIONS = ("丢了怎么补办", "在哪里办理", "要多少钱", "多久能办好", "到期怎么换")


class Subject(Protocol):
    """The contract, and what it says of words new to the thesaurus."""

    def apply(self, changes: Sequence[Change]) -> None: ...
    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10, *, literal: bool = False) -> Result: ...
    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]: ...
    def use(self, tokeniser: Tokeniser) -> None: ...
    def __len__(self) -> int: ...


Make = Callable[..., Subject]
_names = count(1)


@pytest.fixture(scope="module")
def milvus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of Milvus Lite, one for the module."""
    with milvus_server(tmp_path_factory.mktemp("milvus")) as url:
        yield url


@pytest.fixture(params=["embedded", "milvus"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes an index that holds the given documents."""
    opened = []

    def embedded(*documents: Document, vectors: bool = False, tokeniser: Tokeniser = TOKENISER) -> Subject:
        index = EmbeddedIndex(LetterEncoder() if vectors else None, tokeniser=tokeniser)
        index.apply([Change(d.entry_id, d) for d in documents])
        return index

    def milvus(*documents: Document, vectors: bool = False, tokeniser: Tokeniser = TOKENISER) -> Subject:
        from retrieval.milvus import MilvusIndex
        from retrieval.milvus_store import MilvusStore
        from retrieval.milvus_writing import LoneWriter

        class Alone(MilvusIndex):
            """Writes and searches in one process."""

            def apply(self, changes: Sequence[Change]) -> None:
                writer.apply(changes)

        encoder = LetterEncoder() if vectors else None
        url = request.getfixturevalue("milvus_url")
        store = MilvusStore(url, "", f"contract{next(_names)}", encoder.dimension if encoder else None)
        opened.append(store)
        store.create()
        index = Alone(store, EmbeddedIndex(encoder, tokeniser=tokeniser).means, tokeniser)
        writer = LoneWriter(store, index, encoder)
        index.apply([Change(d.entry_id, d) for d in documents])
        return index

    yield embedded if request.param == "embedded" else milvus
    for store in opened:
        store.drop()
        store.close()


def document(number: int, **changes: object) -> Document:
    subject, action = SUBJECTS[number % len(SUBJECTS)], ACTIONS[number // len(SUBJECTS) % len(ACTIONS)]
    plain = Document(
        entry_id=number,
        version_id=number * 10,
        question=subject + action,
        answer=f"第{number}号答复：请带材料到窗口办理。",
        unit_id=number % 3,
        publicity=Publicity.PUBLIC,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def found(index: Subject, query: str, viewer: Viewer = ALL, now: datetime = NOW, k: int = 10) -> list[int]:
    return [hit.entry_id for hit in index.search(query, viewer, now, k).hits]


def test_what_is_applied_is_found_replayed_changes_nothing_and_what_is_gone_is_not(make: Make) -> None:
    index = make(*(document(i) for i in range(1, 9)))
    assert found(index, "社保卡丢了怎么补办")[0] == 1
    for _ in range(2):
        index.apply([Change(1, document(1, version_id=11, question="暖气费怎么退")), Change(9, document(9))])
        assert found(index, "暖气费怎么退")[0] == 1
        assert found(index, "社保卡在哪里办理")[0] == 9
        assert index.search("暖气费怎么退", ALL, NOW).hits[0].version_id == 11
        assert len(index) == 9
    for _ in range(2):
        index.apply([Change(1, None)])
        assert 1 not in found(index, "暖气费怎么退")
        assert len(index) == 8
    index.apply([Change(2, None), Change(2, document(2))])  # the last change of a batch wins
    assert 2 in found(index, "公积金丢了怎么补办")


def test_an_index_without_entries_and_a_question_without_words_have_no_answer(make: Make) -> None:
    index = make()
    assert index.search("社保卡", ALL, NOW).outcome is Outcome.NONE
    assert index.suggest("社保", ALL, NOW) == ()
    index.apply([])
    index.apply([Change(1, document(1))])
    assert index.search("？？ ，", ALL, NOW).hits == ()
    assert index.suggest("   ", ALL, NOW) == ()
    assert index.search("", ALL, NOW).outcome is Outcome.NONE


def test_nobody_sees_what_is_not_for_him(make: Make) -> None:
    shown = random.Random(7)
    documents = [
        document(
            i,
            question="身份证丢了怎么补办",
            unit_id=i % 4,
            publicity=shown.choice([Publicity.PUBLIC, Publicity.INTERNAL]),
        )
        for i in range(24)
    ]
    index = make(*documents)
    for viewer in (
        STRANGER,
        ALL,
        Viewer(unit_ids=frozenset({2})),
        Viewer(unit_ids=frozenset({1, 3}), hidden_entry_ids=frozenset({1, 2, 5, 999})),
        Viewer(everything=True, hidden_entry_ids=frozenset(range(20))),
    ):
        may = {
            d.entry_id
            for d in documents
            if viewer.may_see(entry_id=d.entry_id, unit_id=d.unit_id, publicity=d.publicity)
        }
        assert set(found(index, "身份证", viewer, k=50)) == may
        assert {s.entry_id for s in index.suggest("身份证", viewer, NOW, 50)} == may


def test_an_entry_begins_and_ends_on_the_second(make: Make) -> None:
    index = make(document(0, valid_from=NOW, valid_to=NOW + 60 * SECOND), document(8, valid_to=NOW))
    for now, expected in (
        (NOW - SECOND, {8}),
        (NOW, {0}),
        (NOW + 60 * SECOND - timedelta(microseconds=1), {0}),
        (NOW + 60 * SECOND, set()),
    ):
        assert set(found(index, "身份证", now=now)) == expected
        assert {s.entry_id for s in index.suggest("身份证", ALL, now)} == expected


def test_one_entry_among_many_that_are_not_for_the_asker_is_found(make: Make) -> None:
    hidden = [document(i, question="身份证丢了怎么补办", publicity=Publicity.INTERNAL) for i in range(300)]
    index = make(*hidden, document(300, question="补办身份证要带什么", unit_id=9, publicity=Publicity.INTERNAL))
    viewer = Viewer(unit_ids=frozenset({9}))
    assert found(index, "身份证丢了怎么补办", viewer) == [300]
    assert [s.entry_id for s in index.suggest("补办", viewer, NOW)] == [300]
    assert found(index, "身份证丢了怎么补办", STRANGER) == []


def test_slips_are_mended_unless_the_words_are_to_be_taken_as_typed(make: Make) -> None:
    index = make(document(1, question="公积金提取需要什么材料", keywords=("公积金",)), document(2))
    assert index.search("gongjijin", ALL, NOW).mended[0].meant == "公积金"
    assert not index.search("gongjijin", ALL, NOW, literal=True).mended
    assert {s.entry_id for s in index.suggest("公机金", ALL, NOW)} == {1, 2}


def test_nobody_learns_from_a_mended_slip_of_words_that_only_others_may_read(make: Make) -> None:
    secret = Document(1, 1, "蓝盾计划怎么报名", keywords=("蓝盾计划",), unit_id=1, publicity=Publicity.INTERNAL)
    index = make(secret)
    assert index.search("landunjihua", ALL, NOW).mended
    assert not index.search("landunjihua", Viewer(unit_ids=frozenset({2})), NOW).mended


def test_entries_alike_come_in_the_order_of_their_numbers(make: Make) -> None:
    numbers = [7, 3, 30, 11, 2]
    index = make()
    for number in numbers:
        index.apply([Change(number, document(number, question="护照到期怎么换", answer="到窗口办。"))])
    assert found(index, "护照到期怎么换") == sorted(numbers)
    assert [s.entry_id for s in index.suggest("护照", ALL, NOW)] == sorted(numbers)


def test_suggestions_begin_with_what_was_typed_first_then_contain_it(make: Make) -> None:
    index = make(
        document(1, question="身份证丢了怎么补办"),
        document(2, question="补办身份证要钱吗"),
        document(3, question="社保卡", similar=("社会保障卡在哪里办",)),
        document(4, question="办社保卡"),
    )
    assert [s.text for s in index.suggest("身份证", ALL, NOW)] == ["身份证丢了怎么补办", "补办身份证要钱吗"]
    assert [s.entry_id for s in index.suggest("社", ALL, NOW)] == [3, 4]


def test_suggestions_are_found_by_sound_and_by_initials(make: Make) -> None:
    index = make(document(1, question="公积金提取要什么材料"), document(2, question="提取公积金"), document(3))
    for typed, expected in (
        ("gjj", [1, 2]),
        ("gongjij", [1, 2]),
        ("公积金tq", [1, 2]),
        ("gjjtq", [1, 2]),
        ("tiqu", [2, 1]),
        ("材料 公积金", [1]),
        ("zzz", []),
    ):
        assert [s.entry_id for s in index.suggest(typed, ALL, NOW)] == expected, typed


def test_odd_texts_are_kept_and_found(make: Make) -> None:
    odd = [
        document(1, question="“引号\"与'撇号'和\\反斜杠%_怎么填", answer=""),
        document(2, question="😀 表情也算问题吗", keywords=("",), answer="\n\n"),
        document(3, question="？！……", answer="只有标点"),
        document(4, question="ＡＢＣ全角字母和ABC怎么办", similar=("abc",)),
        document(5, question="很长" * 200, answer="长答复。" * 15_000, places=("河东区", "安澜市")),
    ]
    index = make(*odd)
    assert len(index) == 5
    assert found(index, "引号与撇号和反斜杠怎么填")[0] == 1
    assert found(index, "表情也算问题吗")[0] == 2
    assert found(index, "ABC")[0] == 4
    assert found(index, "很长很长长答复")[0] == 5
    for typed in ('"', "'", "\\", "%", "_", 'a" or entry_id > 0 or text like "', "😀"):
        index.suggest(typed, ALL, NOW)
        index.search(typed, ALL, NOW)
    index.apply([Change(i, None) for i in range(1, 6)])
    assert found(index, "引号") == []


def test_an_entry_with_many_phrasings_comes_once_and_names_the_best(make: Make) -> None:
    similar = tuple(f"第{i}种问法：{SUBJECTS[i % 8]}{ACTIONS[i % 5]}" for i in range(120))
    index = make(document(1, question="证件业务总说明", similar=similar), document(2))
    result = index.search("第77种问法：老年证要多少钱", ALL, NOW)
    assert [hit.entry_id for hit in result.hits].count(1) == 1
    assert result.hits[0].phrasing == similar[77]
    assert [s.entry_id for s in index.suggest("第7", ALL, NOW)] == [1]
    index.apply([Change(1, document(1, question="证件业务总说明", similar=similar[:2]))])
    assert index.search("第77种问法：老年证要多少钱", ALL, NOW).hits[0].phrasing != similar[77]
    assert index.suggest("第77种", ALL, NOW) == ()


def test_a_word_new_to_the_thesaurus_finds_entries_from_before_and_after(make: Make) -> None:
    index = make(document(1, question="随车津贴怎么申请"), tokeniser=Tokeniser())
    index.use(Tokeniser(thesaurus=Thesaurus([read_group("随车津贴: 跟车钱")])))
    index.apply([Change(2, document(2, question="随车津贴发多少"))])
    assert set(found(index, "跟车钱")) == {1, 2}


@pytest.mark.parametrize("vectors", [False, True])
def test_every_index_gives_the_answers_of_the_embedded_one(make: Make, vectors: bool) -> None:
    """After changes too: what is measured depends on counts over the whole base."""
    index = make(*(document(i, similar=(f"请问{SUBJECTS[i % 8]}",)) for i in range(1, 41)), vectors=vectors)
    index.apply([Change(i, None) for i in (3, 9, 27)])
    changed = document(5, version_id=51, question="老年证丢了去哪里补", keywords=("老年证",))
    index.apply([Change(5, changed)])
    whole = {i: document(i, similar=(f"请问{SUBJECTS[i % 8]}",)) for i in range(1, 41) if i not in (3, 9, 27)}
    same = EmbeddedIndex(LetterEncoder() if vectors else None, tokeniser=TOKENISER)
    same.apply([Change(d.entry_id, d) for d in (whole | {5: changed}).values()])
    for question in ("老年证丢了去哪里补", "社保卡多久办好", "驾驶证要多少钱，另外护照到期怎么换", "今晚吃什么"):
        one, other = index.search(question, ALL, NOW), same.search(question, ALL, NOW)
        assert [(h.version_id, h.phrasing) for h in one.hits] == [(h.version_id, h.phrasing) for h in other.hits]
        assert [h.score for h in one.hits] == pytest.approx([h.score for h in other.hits], abs=1e-6)
        assert (one.outcome, one.facet, one.aspects) == (other.outcome, other.facet, other.aspects)
