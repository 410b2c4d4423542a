"""The files that we hand out: template, report of refused rows, demonstration base."""

from io import BytesIO

from openpyxl import load_workbook

from ingest.columns import HEADERS
from ingest.demonstration import read_demonstration
from ingest.refusals import refusals_xlsx
from ingest.spreadsheets import read_file
from ingest.template import EXAMPLE, EXAMPLE_SHEET, template_xlsx
from kb_admin.content_rules import content_faults
from models.errors import Problem
from models.values import EntryField as F
from models.values import Role
from tests.ingest.workbooks import workbook


def test_template_as_it_is_imports_nothing_and_says_so() -> None:
    read = read_file(template_xlsx(units=["甲局"], regions=["乙市"]), "模板.xlsx")
    assert (read.rows, read.problems) == ((), ())
    passed_over = [table.sheet for table in read.tables if table.passed_over]
    assert passed_over == ["知识条目", EXAMPLE_SHEET, "填写说明", "选项"]
    assert {column.field for column in read.tables[0].layout.columns} == set(F)


def test_example_filled_in_as_shown_is_read_as_meant() -> None:
    book = load_workbook(BytesIO(template_xlsx()))
    for column, cell in enumerate(book[EXAMPLE_SHEET][2], start=1):
        book["知识条目"].cell(2, column).value = cell.value
    output = BytesIO()
    book.save(output)
    (row,) = read_file(output.getvalue(), "模板.xlsx").rows
    assert (row.code, row.content) == ("", EXAMPLE.content)
    assert not content_faults(row.content)


def test_template_offers_the_choices_as_lists() -> None:
    book = load_workbook(BytesIO(template_xlsx(units=["甲局", "乙局"], regions=["丙市"])))
    rules = book["知识条目"].data_validations.dataValidation
    assert {rule.formula1 for rule in rules} == {
        "'选项'!$A$1:$A$2",
        "'选项'!$B$1:$B$9",
        "'选项'!$C$1:$C$2",
        "'选项'!$D$1:$D$1",
    }
    assert [cell.value for cell in book["选项"]["C"][:2]] == ["甲局", "乙局"]


FAULTY = workbook(
    [
        ("问题", "答案", "生效时间", "备注"),
        ("甲怎么办", "甲答", "明天", "-1"),
        ("乙怎么办", "乙答", "", ""),
        ("丙", "=A1", "", ""),
    ]
)


def test_report_holds_the_refused_rows_as_they_stood_and_can_come_back() -> None:
    read = read_file(FAULTY, "a.xlsx")
    also = Problem("Sheet1", 3, F.UNIT.label, "没有这个单位。")
    again = read_file(refusals_xlsx(read, [*read.problems, also]), "r.xlsx")
    headers = [column.header for column in again.tables[0].layout.columns]
    assert headers == ["工作表", "行", "列", "原因", "问题", "答案", "生效时间", "备注"]
    assert [(row.content.question, row.content.answer) for row in again.rows] == [("乙怎么办", "乙答"), ("丙", "")]
    assert [problem.column for problem in again.problems] == ["生效时间"]
    assert again.originals[again.tables[0].sheet, 2][7] == "-1"


def test_report_shows_where_a_character_was_that_it_cannot_hold_and_is_refused_again_unless_mended() -> None:
    read = read_file(workbook([("问题", "答案"), ("甲_xD83D_怎么办", "甲_x0007_答")]), "a.xlsx")
    assert [problem.row for problem in read.problems] == [2, 2]
    again = read_file(refusals_xlsx(read, read.problems), "r.xlsx")
    assert again.originals[again.tables[0].sheet, 2][4] == "甲\ufffd怎么办"
    assert {problem.column for problem in again.problems} == {F.QUESTION.label, F.ANSWER.label}


def test_report_without_refusals_is_an_empty_table() -> None:
    assert read_file(refusals_xlsx(read_file(FAULTY, "a.xlsx"), []), "r.xlsx").rows == ()


def test_demonstration_base_is_whole() -> None:
    demonstration = read_demonstration()
    units = {unit.name for unit in demonstration.organisation.units}
    regions = {region.name for region in demonstration.organisation.regions}
    assert not demonstration.problems
    assert not [row for row in demonstration.rows if content_faults(row.content)]
    assert {row.content.unit for row in demonstration.rows} <= units
    assert {row.content.region for row in demonstration.rows} <= regions
    assert len({row.code for row in demonstration.rows}) == len(demonstration.rows) >= 240
    assert {grant.role for person in demonstration.organisation.people for grant in person.grants} == set(Role)
    assert all(unit.phone.startswith("0000-81") for unit in demonstration.organisation.units)


def test_every_field_has_a_header_of_its_own() -> None:
    assert set(HEADERS) == set(F)
    assert len(set(HEADERS.values())) == len(F)
