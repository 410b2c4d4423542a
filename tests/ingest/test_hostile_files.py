"""Files that somebody made to do harm, or that a program broke: refused with facts, or read safely; never slowly."""

import io
import time
import zipfile

import pytest

from ingest.spreadsheets import ReadFile, read_file
from models.errors import FileRefused
from tests.ingest.workbooks import FIRST, LOST, SHEET_PART, repacked, workbook

PLAIN = workbook([FIRST, LOST])
LAST_ROW = 1_048_576


def reasons(read: ReadFile) -> list[str]:
    return [str(read.located(problem)) for problem in read.problems]


def test_zip_bomb_is_refused_without_unpacking_it() -> None:
    bomb = repacked(PLAIN, xl__media__bomb_bin=bytes(200 * 1024 * 1024))
    assert len(bomb) < 1024 * 1024
    started = time.perf_counter()
    with pytest.raises(FileRefused, match=r"压缩炸弹"):
        read_file(bomb, "a.xlsx")
    assert time.perf_counter() - started < 1


def test_workbook_that_unpacks_beyond_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(FileRefused, match=r"300 MB，超过 256 MB"):
        read_file(repacked(PLAIN, xl__media__big_bin=bytes(300 * 1024 * 1024)), "a.xlsx")


def test_macros_are_refused_whatever_the_name_says() -> None:
    with pytest.raises(FileRefused, match="宏"):
        read_file(repacked(PLAIN, xl__vbaProject_bin=b"\x01"), "a.xlsx")
    ordinary = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    enabled = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
    with pytest.raises(FileRefused, match="宏"):
        read_file(repacked(PLAIN, replace={"[Content_Types].xml": (ordinary, enabled)}), "a.xlsx")
    with pytest.raises(FileRefused, match=r"\.xlsm 格式"):
        read_file(PLAIN, "a.xlsm")


@pytest.mark.parametrize(
    ("content", "filename", "reason"),
    [
        (bytes.fromhex("D0CF11E0A1B11AE1") + bytes(512), "a.xlsx", "旧版 .xls 或加密"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "a.xlsx", "网页"),
        ("问题,答案\n甲,乙\n".encode(), "a.xlsx", "不是 .xlsx 工作簿"),
        (PLAIN, "a.csv", "压缩包或工作簿"),
        (PLAIN, "a.xls", "另存为 .xlsx"),
        (PLAIN, "a.docx", "扩展名"),
        ("问题,答案\n甲,乙\n".encode("utf-16"), "a.csv", "UTF-16"),
        (b"", "a.csv", "空文件"),
        (b" \n\n ", "a.jsonl", "空文件"),
        (PLAIN[: len(PLAIN) // 2], "a.xlsx", "已损坏"),
        (bytes(range(256)) * 40, "a.csv", "编码不是"),
    ],
)
def test_file_that_is_not_what_its_name_says_is_refused(content: bytes, filename: str, reason: str) -> None:
    with pytest.raises(FileRefused, match=reason):
        read_file(content, filename)


def test_plain_zip_named_xlsx_is_refused() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(FileRefused, match="是压缩包，但不是"):
        read_file(output.getvalue(), "a.xlsx")


def test_entity_bomb_is_refused_before_any_parser_sees_it() -> None:
    declaration = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    bomb = repacked(PLAIN, replace={SHEET_PART: ("<worksheet", f"{declaration}<worksheet")})
    with pytest.raises(FileRefused, match="文档类型声明"):
        read_file(bomb, "a.xlsx")


DOCTYPE = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><x>&a;</x>'


@pytest.mark.parametrize(
    "part",
    [
        DOCTYPE.encode(),
        b"\xef\xbb\xbf \n" + DOCTYPE.encode(),
        DOCTYPE.encode("utf-16"),
        DOCTYPE.encode("utf-16-le"),
        b'<?xml version="1.0" encoding="cp037"?>' + DOCTYPE.encode("cp037"),
    ],
    ids=["plain", "after a mark and blanks", "UTF-16", "UTF-16 without a mark", "in an encoding that hides it"],
)
def test_a_document_type_is_found_in_a_part_of_any_name(part: bytes) -> None:
    with pytest.raises(FileRefused, match="文档类型声明"):
        read_file(repacked(PLAIN, xl__worksheets__sheet9_bin=part), "a.xlsx")


def test_printer_settings_and_pictures_are_no_markup() -> None:
    settings, picture = "打印机".encode("utf-16-le") + bytes(64), b"\x89PNG\r\n\x1a\n" + bytes(64)
    harmless = repacked(PLAIN, xl__printerSettings1_bin=settings, xl__media__image1_bin=picture)
    assert len(read_file(harmless, "a.xlsx").rows) == 1


def test_broken_markup_is_refused_as_damaged() -> None:
    broken = repacked(PLAIN, replace={SHEET_PART: ("</worksheet>", "")})
    with pytest.raises(FileRefused, match="已损坏"):
        read_file(broken, "a.xlsx")


def test_formula_refuses_its_row_and_names_its_cell_and_only_where_the_column_is_needed() -> None:
    rows = [(*FIRST, "备注"), (*LOST, "=1+1"), ("怎么转移", '=HYPERLINK("http://x")', ""), ("怎么注销", "到窗口。", "")]
    read = read_file(workbook(rows), "a.xlsx")
    assert [row.row for row in read.rows] == [2, 4]
    assert len(read.problems) == 1
    assert "第 3 行“B 答案”列" in reasons(read)[0]
    assert "单元格 B3 是公式“=HYPERLINK" in reasons(read)[0]


def test_error_value_refuses_its_row() -> None:
    error = repacked(PLAIN, replace={SHEET_PART: ("</sheetData>", _row(3, '<c r="A3" t="e"><v>#REF!</v></c>'))})
    read = read_file(error, "a.xlsx")
    assert "单元格 A3 是错误值 #REF!" in reasons(read)[0]


@pytest.mark.parametrize("cells", ["", '<c r="A{n}" s="0"/>'])
def test_million_empty_rows_are_read_in_seconds(cells: str) -> None:
    empty = "".join(f'<row r="{n}">{cells.format(n=n)}</row>' for n in range(3, LAST_ROW + 1))
    long = repacked(PLAIN, replace={SHEET_PART: ("</sheetData>", f"{empty}</sheetData>")})
    started = time.perf_counter()
    read = read_file(long, "a.xlsx")
    assert time.perf_counter() - started < 5
    assert [row.content.question for row in read.rows] == [LOST[0]]


def test_row_after_a_million_absent_ones_is_read() -> None:
    last = _row(LAST_ROW, f'<c r="A{LAST_ROW}" t="inlineStr"><is><t>最后一行怎么办</t></is></c>')
    read = read_file(repacked(PLAIN, replace={SHEET_PART: ("</sheetData>", last)}), "a.xlsx")
    assert [row.row for row in read.rows] == [2, LAST_ROW]


def test_sheet_that_claims_all_cells_is_read_as_what_it_holds() -> None:
    claimed = repacked(PLAIN, replace={SHEET_PART: ('ref="A1:B2"', 'ref="A1:XFD1048576"')})
    assert [row.row for row in read_file(claimed, "a.xlsx").rows] == [2]


def test_content_far_to_the_right_is_refused_not_lost() -> None:
    far = repacked(PLAIN, replace={SHEET_PART: ("</sheetData>", _row(3, '<c r="XFD3"><v>1</v></c>'))})
    with pytest.raises(FileRefused, match="XFD 列"):
        read_file(far, "a.xlsx")


def test_merged_category_counts_for_each_row_and_merged_answer_is_refused() -> None:
    rows = [("类目", "标准问", "答案"), ("社保", "甲怎么办", "甲答"), ("", "乙怎么办", "乙答"), ("", "丙怎么办", "")]
    read = read_file(workbook(rows, merge=["A2:A4", "C3:C4"]), "a.xlsx")
    assert [(row.row, row.content.category) for row in read.rows] == [(2, "社保"), (3, "社保")]
    assert [(problem.row, "取消合并" in problem.reason) for problem in read.problems] == [(4, True)]
    assert "合并单元格" in read.notices[0].reason


def test_hidden_sheet_is_passed_over_and_named() -> None:
    hidden = repacked(PLAIN, replace={"xl/workbook.xml": ('state="visible"', 'state="hidden"')})
    (table,) = read_file(hidden, "a.xlsx").tables
    assert (table.sheet, "隐藏" in table.passed_over) == ("Sheet1", True)


HEADER = "问题,答案\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_is_read_in_the_encodings_that_offices_use(encoding: str) -> None:
    text = f"{HEADER}社保卡丢了怎么办,带身份证补领。\n居住证怎么办,到派出所申领。\n"
    read = read_file(text.encode(encoding), "a.csv")
    assert [row.content.question for row in read.rows] == ["社保卡丢了怎么办", "居住证怎么办"]
    assert not read.problems


def test_lines_in_another_encoding_are_refused_by_row_and_the_others_read() -> None:
    one, other = "社保卡丢失怎么办,带身份证到服务网点补领。\n", "居住证怎么申领呢,到居住地派出所申领。\n"
    mostly_utf8 = HEADER.encode() + one.encode() * 3 + other.encode("gb18030")
    read = read_file(mostly_utf8, "a.csv")
    assert [problem.row for problem in read.problems] == [5]
    mostly_gb = HEADER.encode("gb18030") + one.encode("gb18030") * 3 + other.encode() + one.encode("gb18030")
    read = read_file(mostly_gb, "a.csv")
    assert [problem.row for problem in read.problems] == [5]


def test_utf8_line_that_would_pass_as_gb18030_garbage_is_refused() -> None:
    garbled = "补领社保,社保补领\n".encode()
    assert garbled.decode("gb18030")
    read = read_file((HEADER + "甲怎么办呢,到窗口办理。\n" * 3).encode("gb18030") + garbled, "a.csv")
    assert [(problem.row, "UTF-8" in problem.reason) for problem in read.problems] == [(5, True)]


def test_nul_costs_its_row_and_undecodable_bytes_theirs() -> None:
    content = f"{HEADER}甲怎么办,甲答\n乙怎么办,乙\x00答\n".encode() + b"\xff\xfe\xff,x\n" + "丁怎么办,丁答\n".encode()
    read = read_file(content, "a.csv")
    assert [problem.row for problem in read.problems] == [3, 4]
    assert [row.row for row in read.rows] == [2, 5]


def test_open_quote_does_not_swallow_the_rest_of_the_file() -> None:
    with pytest.raises(FileRefused, match="从第 3 行开始的一条记录引号不成对"):
        read_file(f'{HEADER}甲怎么办,甲答\n"乙怎么办,乙答\n丙怎么办,丙答\n'.encode(), "a.csv")


def test_lines_of_jsonl_that_are_no_objects_are_refused_by_row() -> None:
    lines = ['{"question": "甲怎么办", "answer": "甲答"}', "[1]", "{", '{"question": {"a": 1}, "answer": "乙"}']
    read = read_file("\n".join([*lines, "[" * 100_000]).encode(), "a.jsonl")
    assert [row.row for row in read.rows] == [1]
    assert [problem.row for problem in read.problems] == [2, 3, 4, 5]


def _row(number: int, cells: str) -> str:
    return f'<row r="{number}">{cells}</row></sheetData>'
