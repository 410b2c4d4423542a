"""What is read of an answer."""

from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.documents import Change, Document
from retrieval.embedded import EmbeddedIndex
from retrieval.passages import BUDGET, LONGEST_PIECE, cut, pair, passage

ANSWER = """## 条件
年满16周岁的本市居民。
## 材料
1. 户口簿；
2. 近期照片。
## 费用
首次申领免费，丢失补领每证40元，损坏换领每证20元。
## 地点
户籍所在地派出所户籍窗口，工作日九点到十七点。
"""
DOCUMENT = Document(1, 1, "身份证怎么办", ("办身份证",), answer=ANSWER)


def index() -> EmbeddedIndex:
    made = EmbeddedIndex(None)
    made.apply([Change(1, DOCUMENT)])
    return made


def test_headings_are_kept_and_stand_before_what_they_head() -> None:
    headings, pieces = cut(ANSWER)
    assert headings == ("条件", "材料", "费用", "地点")
    assert any(piece.text.startswith("费用：首次申领免费") for piece in pieces)


def test_what_is_asked_is_what_is_read() -> None:
    asked = index().explain("补领身份证多少钱")
    read = passage(asked, ANSWER, budget=30)
    assert "每证40元" in read
    assert "九点" not in read


def test_the_best_matching_phrasing_stands_beside_the_standard_question() -> None:
    asked = index().explain("办身份证")
    assert pair(asked, DOCUMENT, "办身份证").title == "身份证怎么办 办身份证"
    assert pair(asked, DOCUMENT, "身份证怎么办").title == "身份证怎么办"


@settings(deadline=None, max_examples=50)
@given(st.text("条件费用元，。；\n#1. 身份证", max_size=400))
def test_no_answer_is_too_odd_and_little_is_read(answer: str) -> None:
    headings, pieces = cut(answer)
    read = passage(index().explain("身份证费用"), answer)
    longest = max((len(piece.text) for piece in pieces), default=0)
    assert len(read) <= BUDGET + longest + sum(map(len, headings)) + len(headings) + len(pieces)
    assert all(len(piece.text) <= 2 * LONGEST_PIECE + 10 or "，" not in piece.text[:LONGEST_PIECE] for piece in pieces)
