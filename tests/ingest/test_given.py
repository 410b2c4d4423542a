"""A row says which fields its file really has for it, so that the others can stay as they are."""

import json

import pytest

from ingest.export import export_csv, export_jsonl, export_xlsx
from ingest.rows import Defaults
from ingest.spreadsheets import ReadFile, read_file
from models.values import EntryField as F
from models.values import ExportedEntry, Publicity
from tests.cast import LOST_CARD
from tests.ingest.workbooks import FIRST, LOST, workbook

CHOSEN = Defaults(unit="甲局", region="乙市", publicity=Publicity.PUBLIC)


def given(read: ReadFile) -> frozenset[F]:
    return read.rows[0].given


def line(**parts: object) -> ReadFile:
    other = {"question": "另一问", "answer": "答", "similar": ["丙"], "keywords": ["丁"]}
    return read_file("\n".join(map(json.dumps, (parts, other))).encode(), "a.jsonl", defaults=CHOSEN)


def test_columns_that_are_not_there_are_not_given() -> None:
    assert given(read_file(workbook([FIRST, LOST]), "a.xlsx", defaults=CHOSEN)) == {F.QUESTION, F.ANSWER}


def test_an_empty_cell_of_a_column_is_given() -> None:
    rows = [(*FIRST, "相似问法", "口径"), (*LOST, "", "")]
    assert given(read_file(workbook(rows), "a.xlsx")) == {F.QUESTION, F.ANSWER, F.SIMILAR, F.SPOKEN}


def test_a_column_that_a_person_leaves_out_is_not_given() -> None:
    read = read_file(workbook([(*FIRST, "口径"), (*LOST, "甲")]), "a.xlsx", mapping={"口径": None})
    assert F.SPOKEN not in given(read)


def test_unit_region_and_publicity_cannot_be_emptied() -> None:
    rows = [(*FIRST, "责任单位", "适用区域", "公开属性"), (*LOST, "", " ", "")]
    assert given(read_file(workbook(rows), "a.xlsx", defaults=CHOSEN)) == {F.QUESTION, F.ANSWER}


def test_keys_are_given_line_by_line() -> None:
    assert given(line(question="甲", answer="乙")) == {F.QUESTION, F.ANSWER}


@pytest.mark.parametrize("empty", [None, "", []])
def test_a_key_with_nothing_is_given(empty: object) -> None:
    read = line(question="甲", answer="乙", similar=empty, basis=empty, valid_to=empty)
    assert given(read) >= {F.QUESTION, F.ANSWER, F.SIMILAR, F.VALID_TO, F.BASIS}
    assert not read.problems


def test_documents_listed_as_objects_give_their_numbers_too() -> None:
    assert F.BASIS_NUMBER not in given(line(question="甲", answer="乙", basis=["某办法"]))
    listed = given(line(question="甲", answer="乙", basis=[{"document": "某办法"}]))
    assert listed >= {F.BASIS, F.BASIS_NUMBER, F.BASIS_ATTACHMENTS}


def test_our_own_files_give_everything() -> None:
    entries = [ExportedEntry("A-1", LOST_CARD)]
    for content, name in ((export_xlsx(entries), "a.xlsx"), (export_csv(entries), "a.csv")):
        assert given(read_file(content, name)) == set(F)
    assert given(read_file(export_jsonl(entries), "a.jsonl")) == set(F)


def test_a_row_with_a_faulty_cell_is_kept_apart_for_its_other_faults() -> None:
    read = read_file(workbook([(*FIRST, "生效时间", "责任单位"), (*LOST, "昨天", "甲局")]), "a.xlsx")
    assert not read.rows
    assert [row.content.unit for row in read.faulty] == ["甲局"]
