"""The reader that comes with the product: its file, its input, and what it can tell."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.reader import WHOLE_TOKENS, Pair, Reader, ReaderError, joined

IDS = st.lists(st.integers(5, 99), max_size=200)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load()


def test_an_answer_that_tells_it_reads_better_than_one_that_does_not(reader: Reader) -> None:
    question, title = "补办身份证要交多少钱", "身份证丢失后怎样补领"
    told = reader.read(Pair(question, title, "费用：补领每证收取工本费40元。"))
    untold = reader.read(Pair(question, title, "材料：户口簿。时限：20个工作日。"))
    other = reader.read(Pair(question, "小区噪声扰民找谁投诉", "拨打12345，由城管部门到场处理。"))
    assert told > untold > other


def test_a_pair_reads_alike_in_any_company(reader: Reader) -> None:
    pair = Pair("居住证怎么签注", "居住证每年签注", "流程：到派出所办理。")
    alone = reader.read(pair)
    reader.read(Pair("别的", "别的", "别的"))
    assert reader.read(pair) == alone
    assert Reader.load().read(pair) == alone


def test_empty_parts_are_no_error(reader: Reader) -> None:
    assert isinstance(reader.read(Pair("", "", "")), float)


@settings(deadline=None)
@given(IDS, IDS, IDS)
def test_the_input_is_never_too_long_and_keeps_its_marks(
    question: list[int], title: list[int], passage: list[int]
) -> None:
    ids = joined([question, title, passage], 101, 102)
    assert len(ids) <= WHOLE_TOKENS
    assert ids[0] == 101
    assert ids[-1] == 102
    assert ids.count(102) == 3 + sum(part.count(102) for part in (question, title, passage))


def test_a_missing_or_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="ZHIDA_READER 设为 false"):
        Reader.load(tmp_path / "none.onnx")
    damaged = tmp_path / "reader.onnx"
    damaged.write_bytes(b"not a model")
    with pytest.raises(ReaderError, match="已损坏"):
        Reader.load(damaged)
