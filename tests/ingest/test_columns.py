"""What a column is taken for: by header, by content, by a person's word; and nothing is dropped unsaid."""

import json
from datetime import date

import pytest
from openpyxl import Workbook

from ingest.rows import Defaults
from ingest.spreadsheets import ReadFile, read_file
from models.errors import Invalid
from models.values import EntryField as F
from models.values import Publicity
from tests.ingest.workbooks import saved, workbook

QUESTIONS = ("社保卡丢了怎么办", "居住证在哪里申领", "公积金能提取吗", "医保断缴有什么影响")
ANSWER = "带身份证到就近的服务网点办理，材料齐全的当场办结，不收取任何费用。"


def fields(read: ReadFile) -> dict[str, F | None]:
    return {column.header or column.letter: column.field for column in read.tables[0].layout.columns}


def test_headers_with_long_explanations_are_still_known() -> None:
    headers = ("*知识标题（最多100个字）录入真实问法", "【必填】标准答案", "分类(一级/二级)", "关键词：多个用逗号隔开")
    read = read_file(workbook([headers, ("甲怎么办", "乙", "丙", "丁")]), "a.xlsx")
    assert list(fields(read).values()) == [F.QUESTION, F.ANSWER, F.CATEGORY, F.KEYWORDS]


def test_header_row_is_found_below_titles_and_instructions() -> None:
    rows = [("知识库导入表",), ("填表说明：问题不超过 100 字",), (), ("问题", "答案"), (QUESTIONS[0], ANSWER)]
    read = read_file(workbook(rows, merge=["A1:B1"]), "a.xlsx")
    assert read.tables[0].layout.header_row == 4
    assert [row.row for row in read.rows] == [5]


def test_columns_that_are_not_imported_are_listed_with_a_reason() -> None:
    read = read_file(workbook([("标题", "问题", "答案", "点击量"), ("甲", "乙怎么办", "丙", 7)]), "a.xlsx")
    reasons = {column.header: column.reason for column in read.tables[0].layout.columns if column.field is None}
    assert reasons == {"标题": "与另一列同为“标准问”，不导入", "点击量": "没有对应的项，不导入"}


def test_without_headers_the_content_tells_and_the_guess_is_shown() -> None:
    read = read_file(workbook([(n, question, ANSWER) for n, question in enumerate(QUESTIONS)]), "a.xlsx")
    assert fields(read) == {"A": None, "B": F.QUESTION, "C": F.ANSWER}
    assert "100% 的单元格像问句" in read.tables[0].layout.columns[1].reason
    assert len(read.rows) == len(QUESTIONS)


def test_a_persons_correction_has_the_last_word() -> None:
    content = workbook([("标题", "问题", "答案"), ("甲标题", "乙怎么办", "丙")])
    by_header = read_file(content, "a.xlsx", mapping={"标题": F.QUESTION})
    by_letter = read_file(content, "a.xlsx", mapping={"A": F.QUESTION, "B": F.SIMILAR})
    by_sheet = read_file(content, "a.xlsx", mapping={"Sheet1!A": F.QUESTION, "C": F.SPOKEN, "B": F.ANSWER})
    assert by_header.rows[0].content.question == "甲标题"
    assert by_letter.rows[0].content.similar == ("乙怎么办",)
    assert (by_sheet.rows[0].content.spoken, by_sheet.rows[0].content.answer) == ("丙", "乙怎么办")


def test_corrected_and_ignored_columns_say_why() -> None:
    content = workbook([("标题", "问题", "答案", "备注"), ("甲标题", "乙怎么办", "丙", "丁")])
    layout = read_file(content, "a.xlsx", mapping={"标题": F.QUESTION, "答案": None}).tables[0].layout
    assert [(column.field, column.reason) for column in layout.columns] == [
        (F.QUESTION, "由您指定"),
        (None, "您已指定另一列为“标准问”，不导入"),
        (None, "由您指定"),
        (None, "没有对应的项，不导入"),
    ]


def test_unknown_headers_can_be_mapped_by_their_names() -> None:
    content = workbook([("Q文本", "A文本"), ("甲怎么办", "乙")])
    read = read_file(content, "a.xlsx", mapping={"Q文本": F.QUESTION, "A文本": F.ANSWER})
    assert [(row.row, row.content.answer) for row in read.rows] == [(2, "乙")]


UNKNOWN_HEADERS = (("事项", "怎么说"), *((question, ANSWER) for question in QUESTIONS))


def test_a_header_that_nobody_knows_can_be_pointed_out() -> None:
    content = workbook([("热线常用语，请勿外传",), *UNKNOWN_HEADERS])
    corrected = {"A": F.QUESTION, "B": F.ANSWER}
    assert [row.row for row in read_file(content, "a.xlsx", mapping=corrected).rows] == [*range(1, 7)]
    read = read_file(content, "a.xlsx", mapping=corrected, header_rows={"Sheet1": 2})
    assert [(row.row, row.content.question) for row in read.rows] == list(zip(range(3, 7), QUESTIONS, strict=True))
    assert [column.name for column in read.tables[0].layout.columns] == ["A 事项", "B 怎么说"]


def test_below_a_header_that_was_pointed_out_the_content_still_tells() -> None:
    read = read_file(workbook(UNKNOWN_HEADERS), "a.xlsx", header_rows={"Sheet1": 1})
    assert fields(read) == {"事项": F.QUESTION, "怎么说": F.ANSWER}
    assert len(read.rows) == len(QUESTIONS)


def test_a_first_row_that_only_looks_like_a_header_can_be_told_so() -> None:
    content = workbook([("问题", "答案"), *((question, ANSWER) for question in QUESTIONS)])
    assert len(read_file(content, "a.xlsx").rows) == len(QUESTIONS)
    read = read_file(content, "a.xlsx", mapping={"A": F.QUESTION, "B": F.ANSWER}, header_rows={"Sheet1": 0})
    assert (read.tables[0].layout.header_row, read.rows[0].content.question) == (0, "问题")


def test_each_sheet_has_its_own_header_row_and_a_header_may_stand_far_down() -> None:
    book = Workbook()
    for title, above in (("甲表", 0), ("乙表", 14)):
        sheet = book.create_sheet(title)
        for row in ([("说明",)] * above, [("问题", "答案")], [(f"{title}怎么办", ANSWER)]):
            for cells in row:
                sheet.append(cells)
    read = read_file(saved(book), "a.xlsx", header_rows={"乙表": 15})
    assert [(row.sheet, row.row) for row in read.rows] == [("甲表", 2), ("乙表", 16)]
    assert list(read.tables[2].first_rows) == [*range(1, 11), 15]


def test_the_rows_that_may_be_the_header_are_shown_shortened() -> None:
    table = read_file(workbook([("长" * 50, "后"), ("问题", "答\n案"), ("甲", "乙")]), "a.xlsx").tables[0]
    assert table.first_rows == {1: "长" * 40 + "…", 2: "问题 | 答 案", 3: "甲 | 乙"}
    assert read_file(b'{"question": "a", "answer": "b"}', "a.jsonl").tables[0].first_rows == {}


@pytest.mark.parametrize(
    ("header_rows", "complaint"),
    [
        ({"Sheet2": 1}, "没有名为“Sheet2”的工作表，只有“Sheet1”"),
        ({"Sheet1": 3}, "“Sheet1”的第 3 行没有内容"),
        ({"Sheet1": -1}, "第 -1 行没有内容"),
    ],
)
def test_a_header_row_that_cannot_be_is_refused(header_rows: dict[str, int], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        read_file(workbook([("问题", "答案"), ("甲", "乙")]), "a.xlsx", header_rows=header_rows)


def test_lines_that_carry_their_own_keys_have_no_header_row() -> None:
    with pytest.raises(Invalid, match="没有表头行"):
        read_file(b'{"question": "a", "answer": "b"}', "a.jsonl", header_rows={"a.jsonl": 1})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("标题", "内容", "链接")], "只有第 1 行的表头"),
        ([("关键词", "分类", "同义词"), ("联系方式", "通讯", "手机号|电话号码")], "没有认出“标准问”列"),
        ([], "没有内容"),
    ],
)
def test_a_sheet_without_entries_says_why_nothing_was_read(rows: list[tuple[str, ...]], words: str) -> None:
    read = read_file(workbook(rows), "a.xlsx")
    assert (read.rows, read.problems, read.row_count) == ((), (), 0)
    assert words in read.tables[0].passed_over


def test_sheet_can_be_left_out() -> None:
    read = read_file(workbook([("问题", "答案"), ("甲", "乙")]), "a.xlsx", mapping={"Sheet1!*": None})
    assert (read.rows, read.tables[0].passed_over) == ((), "您选择了不读取。")


def test_correction_that_names_no_column_is_refused() -> None:
    with pytest.raises(Invalid, match="没有“标提”这一列"):
        read_file(workbook([("标题", "答案")]), "a.xlsx", mapping={"标提": F.QUESTION})


def one(**cells: object) -> ReadFile:
    """A row of another system's file: headers and cells."""
    values = {"问题": "甲怎么办", "答案": "乙", **cells}
    return read_file(workbook([list(values), list(values.values())]), "a.xlsx")


def test_similar_questions_stand_on_lines_or_between_bars() -> None:
    assert one(相似问法="甲\n乙，好吗\n\n 丙 ").rows[0].content.similar == ("甲", "乙，好吗", "丙")
    assert one(相似问法="甲|乙；丙").rows[0].content.similar == ("甲", "乙", "丙")
    assert one(相似问法="甲；一\n乙|二").rows[0].content.similar == ("甲；一", "乙|二")


def test_repeated_similar_question_is_left_out_and_told() -> None:
    read = one(相似问法="甲怎么办\n乙\n乙")
    assert read.rows[0].content.similar == ("乙",)
    assert [(notice.row, "2 条" in notice.reason) for notice in read.notices] == [(2, True)]


@pytest.mark.parametrize("path", ["社保/养老", "社保>>养老", "社保 > 养老", "社保→养老", "社保、养老", "社保／养老/"])
def test_category_paths_of_all_kinds_become_one_kind(path: str) -> None:
    assert one(类目路径=path).rows[0].content.category == "社保/养老"


def test_html_becomes_markdown_and_scripts_and_styles_go() -> None:
    html = (
        "<div><p>一、材料</p><table><tr><th>档次</th><th>金额</th></tr><tr><td>一档</td><td>200</td></tr></table>"
        '<p>见<a href="https://example.cn/a">通知</a><a href="javascript:x()">坏</a></p>'
        '<link rel="stylesheet" href="//x/y.css"><script>alert(1)</script><style>p{}</style></div>'
    )
    answer = one(答案=html).rows[0].content.answer
    assert "| 档次 | 金额 |" in answer
    assert "[通知](https://example.cn/a)" in answer
    assert not any(word in answer for word in ("<", "script", "alert", "css", "javascript"))


def test_comparison_sign_is_no_html() -> None:
    assert one(答案="年龄<18岁且a<b>c的不用交").rows[0].content.answer == "年龄<18岁且a<b>c的不用交"


def test_several_bases_stand_in_step() -> None:
    bases = one(文件名称="《甲办法》\n《乙通知》", 文号="\n安政规〔2024〕7号", 附件数量="2\n0").rows[0].content.bases
    assert [(b.document, b.number, b.attachment_count) for b in bases] == [
        ("《甲办法》", "", 2),
        ("《乙通知》", "安政规〔2024〕7号", 0),
    ]
    assert "无法逐行对应" in one(文件名称="《甲办法》", 文号="一号\n二号").problems[0].reason
    assert "不是附件数量" in one(文件名称="《甲办法》", 附件数量="若干").problems[0].reason


@pytest.mark.parametrize("text", ["2025-01-31", "2025/1/31", "2025年1月31日", "2025.01.31"])
def test_dates_of_all_kinds_are_days_in_shanghai(text: str) -> None:
    content = one(生效时间=text, 下架时间=text).rows[0].content
    assert f"{content.valid_from:%Y-%m-%d %H:%M}" == "2025-01-30 16:00"
    assert f"{content.valid_to:%Y-%m-%d %H:%M}" == "2025-01-31 16:00"


@pytest.mark.parametrize("end", ["9999-12-31", "9999/12/31 23:59:59", "9999-12-31T20:00:00Z", date(9999, 12, 31)])
def test_the_last_day_of_the_calendar_means_no_end(end: str | date) -> None:
    (row,) = one(下架时间=end).rows
    assert row.content.valid_to is None
    assert one(生效时间=end).problems[0].column == F.VALID_FROM.label


@pytest.mark.parametrize("year", [1000, 1900, 1948, 2200, 2999, 9999])
def test_years_beyond_those_of_the_base_are_refused_in_every_form(year: int) -> None:
    forms = (f"{year}-06-30", f"{year}-06-30T20:00:00+08:00", date(year, 6, 30))
    for column in ("生效时间", "下架时间"):
        assert ["1949 至 2199" in one(**{column: form}).problems[0].reason for form in forms] == [True] * 3


def test_the_first_and_the_last_day_of_the_base_are_taken() -> None:
    content = one(生效时间="1949-01-01", 下架时间="2199-12-31").rows[0].content
    assert f"{content.valid_from:%Y-%m-%d %H:%M}" == "1948-12-31 16:00"
    assert f"{content.valid_to:%Y-%m-%d %H:%M}" == "2199-12-31 16:00"
    assert one(下架时间="2099-12-31").rows[0].content.valid_to is not None


def test_moment_that_does_not_exist_is_refused_with_its_column() -> None:
    read = one(生效时间="2025-02-30", 公开属性="半公开")
    assert [(p.column, p.row) for p in map(read.located, read.problems)] == [("C 生效时间", 2), ("D 公开属性", 2)]


def test_defaults_fill_what_the_file_does_not_say() -> None:
    defaults = Defaults(unit="甲局", region="乙市", publicity=Publicity.PUBLIC)
    content = read_file(workbook([("问题", "答案", "责任单位"), ("甲", "乙", "")]), "a.xlsx", defaults=defaults)
    assert [content.rows[0].content.unit, content.rows[0].content.region] == ["甲局", "乙市"]
    assert content.rows[0].content.publicity is Publicity.PUBLIC
    assert one().rows[0].content.publicity is Publicity.INTERNAL


def test_numbers_and_dates_in_text_columns_read_as_people_see_them() -> None:
    assert one(问题=12345, 答案=1.5, 编号=7.0).rows[0].content.question == "12345"
    assert one(编号=7.0).rows[0].code == "7"


def test_jsonl_keys_are_taken_literally() -> None:
    line = {"id": "s-1", "question": "甲", "answer": "1. a<br>b ", "similar": ["一；二"], "keywords": "x,y"}
    row = read_file(json.dumps(line).encode(), "a.jsonl").rows[0]
    assert (row.code, row.content.answer, row.content.similar) == ("s-1", "1. a<br>b ", ("一；二",))
    assert row.content.keywords == ("x", "y")


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_of_any_usual_delimiter(delimiter: str) -> None:
    text = f"问题{delimiter}答案\r\n甲怎么办{delimiter}乙\r\n"
    assert read_file(text.encode(), "a.csv").rows[0].content.answer == "乙"


def test_half_a_character_costs_its_row_wherever_it_hides() -> None:
    good = {"question": "甲", "answer": "乙"}
    bad = [
        {"question": "\ud83d"},
        {"keywords": ["甲", "\ud83d"]},
        {"basis": [{"document": "\x00"}]},
        {"answer": "\x07"},
    ]
    read = read_file("\n".join(json.dumps({**good, **more}) for more in (*bad, {"\ud83d": 1})).encode(), "a.jsonl")
    assert [problem.row for problem in read.problems] == [1, 2, 3, 4]
    assert "U+D83D" in read.problems[0].reason
    assert [row.row for row in read.rows] == [5]
    assert read.tables[0].layout.columns[-1].name == "\ufffd"
