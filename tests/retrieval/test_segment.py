"""A segment is the same in memory and on disk, and joined it is what it would be had it been built so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.values import STRANGER, Publicity, Viewer
from retrieval.array_file import ArrayFile, write_arrays
from retrieval.columns import Columns
from retrieval.documents import Document
from retrieval.segment import Segment
from retrieval.vocabulary import Vocabularies, Vocabulary, text_key
from tests.retrieval.samples import DOCUMENTS, MOMENTS, TOKENISER, document, encoded

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def new_vocabularies() -> Vocabularies:
    return Vocabularies(Vocabulary(), Vocabulary())


def built(documents: list[Document], vocabularies: Vocabularies, *, vectors: bool = True) -> Segment:
    return Segment.build(documents, TOKENISER, vocabularies, encoded(documents) if vectors else None)


def same(one: Mapping[str, NDArray], other: Mapping[str, NDArray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=DOCUMENTS, vectors=st.booleans())
def test_a_segment_on_disk_is_the_one_in_memory(tmp_path: Path, documents: list[Document], vectors: bool) -> None:
    segment = built(documents, new_vocabularies(), vectors=vectors)
    write_arrays(tmp_path / "one.arrays", segment.arrays().items(), {})
    mapped = ArrayFile.open(tmp_path / "one.arrays").arrays
    held = Segment.of_arrays(mapped)
    same(held.arrays(), segment.arrays())
    assert all(np.may_share_memory(array, mapped[name]) for name, array in held.arrays().items() if array.size > 1)
    assert list(held.documents) == documents
    for name in ("phrase_texts", "entry_texts", "title_texts"):
        assert list(getattr(held, name)) == list(getattr(segment, name))
    assert (held.phrase_vectors is not None) == (held.answer_vectors is not None) == vectors
    assert len(held) == len(documents)


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS, st.lists(st.integers(0, 2), min_size=12, max_size=12), st.sets(st.integers(1, 12)), st.booleans())
def test_joined_is_what_would_have_been_built(
    documents: list[Document], part_of: list[int], dead: set[int], mapped: bool
) -> None:
    vocabularies = new_vocabularies()
    parts = []
    for number in range(3):
        segment = built([d for d in documents if part_of[d.entry_id - 1] == number], vocabularies)
        segment = Segment.of_arrays(segment.arrays()) if mapped and number != 1 else segment
        parts.append((segment, np.flatnonzero(~np.isin(segment.columns.entry_ids, list(dead)))))
    joined = Segment.joined(parts)
    whole = built([d for d in documents if d.entry_id not in dead], vocabularies)
    assert joined.touched.tolist() == [d.entry_id for d in documents]
    same(replace(joined, touched=whole.touched).arrays(), whole.arrays())
    same(dict(Segment.joined_arrays(parts, oldest=False)), joined.arrays())
    same(dict(Segment.joined_arrays(parts, oldest=True)), whole.arrays())


def test_a_segment_touches_its_own_entries_and_those_that_are_gone() -> None:
    segment = Segment.build([document(3), document(8)], TOKENISER, new_vocabularies(), None, gone=(9, 1))
    assert segment.touched.tolist() == [1, 3, 8, 9]


def test_what_is_looked_up_of_a_phrasing_and_of_an_entry() -> None:
    segment = built([document(3, "河东区怎么提取 公积金？"), document(8)], new_vocabularies())
    assert segment.phrase_texts[0] == "河东区怎么提取公积金"
    assert segment.phrase_keys[0] == text_key("河东区怎么提取公积金")
    assert segment.names_place.tolist() == [True, False]
    assert segment.title_texts[1] == "公积金怎么提取\n公积金怎么提取8\n公积金"
    assert segment.entry_texts[1] == segment.title_texts[1] + "\n第8号答复请到窗口办理"


def test_words_of_the_titles_are_those_of_phrasings_and_keywords() -> None:
    vocabularies = new_vocabularies()
    segment = built([document(1, "身份证补办", keywords=("户口",), similar=())], vocabularies)
    assert {"身份证", "补办", "户口"} <= set(segment.title_words(vocabularies))
    assert "窗口" not in segment.title_words(vocabularies)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, MOMENTS)
def test_what_is_visible_stays_so_until_the_next_change(documents: list[Document], now: datetime) -> None:
    columns = Columns.of(documents)
    everybody = Viewer(everything=True)
    change = columns.next_change(now)
    until = min(change, now.timestamp() + 1e9)
    before = datetime.fromtimestamp(until, UTC) - timedelta(microseconds=2)
    if before > now:
        np.testing.assert_array_equal(columns.visible(everybody, now), columns.visible(everybody, before))
    moments = [m.timestamp() for d in documents for m in (d.valid_from, d.valid_to) if m and m > now]
    assert change == min(moments, default=np.inf)


@pytest.mark.parametrize("viewer", [STRANGER, Viewer(unit_ids=frozenset({1})), Viewer(everything=True)])
def test_columns_say_the_same_when_joined(viewer: Viewer) -> None:
    documents = [document(i, unit_id=i % 3, publicity=list(Publicity)[i % len(Publicity)]) for i in range(9)]
    parts = [Columns.of(documents[:4]), Columns.of_arrays(Columns.of(documents[4:]).arrays())]
    joined = Columns.joined([(parts[0], np.array([3, 0])), (parts[1], np.array([1]))], np.array([1, 0, 2]))
    whole = Columns.of([documents[0], documents[3], documents[5]])
    np.testing.assert_array_equal(joined.visible(viewer, NOW), whole.visible(viewer, NOW))
    assert joined.version_ids.tolist() == [0, 30, 50]
