"""Columns of texts and documents: what goes in comes out, in whatever order it is joined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import texts
from retrieval.documents import Document
from retrieval.texts import DocumentColumn, TextColumn
from tests.retrieval.samples import DOCUMENTS

ODD_TEXTS = st.lists(st.text(max_size=20) | st.sampled_from(["", "\n", "😀公积金", "\ud800", "\0"]), max_size=8)


@settings(deadline=None)
@given(ODD_TEXTS)
def test_texts_come_back(held: list[str]) -> None:
    column = TextColumn.of_arrays(TextColumn.of(held).arrays())
    assert list(column) == held
    assert column[1:3] == held[1:3]
    assert [column[-i - 1] for i in range(len(held))] == held[::-1]
    with pytest.raises(IndexError):
        column[len(held)]


@settings(deadline=None)
@given(st.lists(ODD_TEXTS, min_size=1, max_size=4), st.data())
def test_joined_texts_are_those_that_were_chosen_in_the_order_asked_for(
    parts: list[list[str]], data: st.DataObject
) -> None:
    chosen = [data.draw(st.permutations(range(len(part)))) for part in parts]
    chosen = [rows[: data.draw(st.integers(0, len(rows)))] for rows in chosen]
    laid_out = [part[row] for part, rows in zip(parts, chosen, strict=True) for row in rows]
    order = data.draw(st.permutations(range(len(laid_out))))
    given_parts = [(TextColumn.of(part), np.array(rows, np.int64)) for part, rows in zip(parts, chosen, strict=True)]
    joined = TextColumn.joined(given_parts, np.array(order, np.int64))
    assert list(joined) == [laid_out[i] for i in order]


def test_long_columns_are_copied_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "GATHERED_BYTES", 16)
    held = ["", "公积金" * 20, "a", "", "社保" * 3, *map(str, range(50)), ""]
    rows = np.arange(len(held))[::-1]
    joined = TextColumn.joined([(tuple(held), rows), (TextColumn.of(["x" * 40]), np.array([0]))], np.arange(57))
    assert list(joined) == [*held[::-1], "x" * 40]


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS)
def test_documents_come_back(documents: list[Document]) -> None:
    column = DocumentColumn.of_arrays(DocumentColumn.of(documents).arrays())
    assert list(column) == documents
    rows = np.arange(len(documents))[::-1]
    assert list(DocumentColumn.joined([(column, rows)], np.arange(len(documents)))) == documents[::-1]
