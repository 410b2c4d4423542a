"""Small files and short texts that were made to cost much: refused with facts, or read in time that grows no faster
than they do."""

import json
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ingest import turns, workbook_reading
from ingest.dates import PATTERN, NotADate, read_start
from ingest.html_to_markdown import TooComplex, to_markdown
from ingest.limits import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    MAX_ELEMENTS,
    MAX_HTML_CHARACTERS,
    MAX_HTML_DEPTH,
    MAX_KEY_CHARACTERS,
    MAX_LINES,
    MAX_MERGES,
    MAX_STYLE_ELEMENTS,
)
from ingest.raw_tables import Merge, RawRow, RawTable
from ingest.searchable import plain_text
from ingest.spreadsheets import read_file
from ingest.workbook_reading import filled_down
from models.errors import FileRefused, Unavailable
from tests.ingest.workbooks import FIRST, LOST, SHEET_PART, repacked, workbook

PLAIN = workbook([FIRST, LOST])
END = "</sheetData>"
LAST_ROW = 1_048_576
SMALL, LARGE = 500, 4_000


def growth(work: Callable[[str], object], unit: str, prefix: str = "", suffix: str = "") -> float:
    """How many times longer eight times the text takes: about 8 when linear, 64 when quadratic."""

    def seconds(length: int) -> float:
        text = prefix + (unit * length)[:length] + suffix
        times = []
        for _ in range(5):
            started = time.thread_time()
            for _ in range(10):
                work(text)
            times.append(time.thread_time() - started)
        return min(times)

    return seconds(LARGE) / seconds(SMALL)


@pytest.mark.parametrize("unit", ["[", "![", "[](", "![](", "[a](", "](", " ", "\t", "|", "|-", "-\n", "x\n  ", "*`_"])
@pytest.mark.parametrize("prefix", ["", "x\n"])
def test_taking_marks_out_of_an_answer_takes_time_in_step_with_its_length(unit: str, prefix: str) -> None:
    assert growth(plain_text, unit, prefix, "x") < 24


def test_matching_a_date_takes_time_in_step_with_its_length() -> None:
    for prefix in ("2025-01-01", "2025", "2025-01-01日", "2025-01-01T"):
        assert growth(PATTERN.fullmatch, " ", prefix, "x") < 24


def test_what_is_longer_than_any_date_is_none() -> None:
    with pytest.raises(NotADate, match="不是日期"):
        read_start("2025-01-01" + " " * 40 + "16:30")


@pytest.mark.parametrize(
    "written", ["2025-1-2 08:30", "2025 年 1 月 2 日 08:30", "2025/1/2T8:30:00", "2025.1.2  T 8:30"]
)
def test_dates_are_read_as_before(written: str) -> None:
    assert read_start(written) == datetime(2025, 1, 2, 0, 30, tzinfo=UTC)


def line(**more: object) -> bytes:
    return json.dumps({"question": "甲怎么办", "answer": "乙", **more}).encode()


LONG = "长" * (MAX_CELL_CHARACTERS + 1)


@pytest.mark.parametrize(
    ("key", "value", "column", "reason"),
    [
        ("spoken", LONG, "spoken", "最多 200000 个"),
        ("similar", ["乙怎么办", LONG], "similar", "最多 200000 个"),
        ("similar", ["长" * 1000] * 201, "similar", "最多 200000 个"),
        ("basis", [{"document": LONG}], "basis", "最多 200000 个"),
        ("basis", [{"document": "甲", "number": [["乙"]]}], "basis", "层次过多"),
        ("similar", json.loads("[" * 900 + "]" * 900), "similar", "层次过多"),
        ("similar", [f"问{n}" for n in range(MAX_LINES + 1)], "similar", "有 1001 条，最多 1000 条"),
        ("basis", [{"document": f"文{n}"} for n in range(MAX_LINES + 1)], "basis", "有 1001 件，最多 1000 件"),
        ("basis", [{"document": "甲", "attachments": f"{n}x"} for n in range(900)], "附件数量", "不是附件数量"),
        ("valid_from", "2025-01-01" + " " * 20_000 + "x", "valid_from", "不是日期"),
    ],
)
def test_too_much_in_one_value_costs_its_row_and_is_told_once(
    key: str, value: object, column: str, reason: str
) -> None:
    read = read_file(line(**{key: value}) + b"\n" + line(question="丙怎么办"), "a.jsonl")
    assert [row.row for row in read.rows] == [2]
    (problem,) = map(read.located, read.problems)
    assert (problem.row, problem.column, reason in problem.reason) == (1, column, True)


def test_name_of_a_column_that_is_a_novel_costs_its_row() -> None:
    read = read_file(line(**{"k" * (MAX_KEY_CHARACTERS + 1): "x"}) + b"\n" + line(), "a.jsonl")
    assert ([row.row for row in read.rows], [problem.row for problem in read.problems]) == ([2], [1])


def test_file_with_too_many_columns_is_refused_at_the_row_that_has_them() -> None:
    wide = ",".join(["a"] * 500_000)
    with pytest.raises(FileRefused, match="第 2 行的内容一直到第 500000 列，最多 200 列"):
        read_file(f"问题,答案\n{wide}\n".encode(), "a.csv")
    many = {f"k{n}": "x" for n in range(MAX_COLUMNS)}
    with pytest.raises(FileRefused, match="到第 1 行已有 202 种键"):
        read_file(line(**many) + b"\nno json at all", "a.jsonl")


def test_blank_cells_far_to_the_right_cost_nothing() -> None:
    read = read_file(f"问题,答案{',' * 16_000}\n甲怎么办,乙{',' * 16_000}\n".encode(), "a.csv")
    assert len(read.rows) == 1


def test_rows_under_merged_cells_are_visited_once_however_many_blocks_lie_on_them() -> None:
    numbers = range(2, 102)
    table = RawTable("甲", tuple(RawRow(n, {0: "社保"} if n == 2 else {1: "x"}) for n in numbers))

    blocks = tuple(Merge(2, LAST_ROW, 0, 0) for _ in range(MAX_MERGES))
    started = time.thread_time()
    filled = filled_down(RawTable(table.sheet, table.rows, merges=blocks), {0: True})
    assert [row.cells[0] for row in filled.rows] == ["社保"] * len(numbers)
    assert time.thread_time() - started < 2  # 10,000 blocks of a million rows each would take minutes


def test_merged_cells_without_end_are_refused() -> None:
    merges = "".join(f'<mergeCell ref="A{n}:A{n + 1}"/>' for n in range(1, 2 * MAX_MERGES + 3, 2))
    with pytest.raises(FileRefused, match="有 10001 处合并单元格，最多 10000 处"):
        read_file(repacked(PLAIN, replace={SHEET_PART: (END, f"{END}<mergeCells>{merges}</mergeCells>")}), "a.xlsx")


@pytest.mark.parametrize("rows", ["<row><c/></row>" * 500, f"<row>{'<c/>' * 1000}</row>"])
def test_empty_cells_before_the_last_value_are_counted(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_reading, "MAX_PARSED", 1_000)
    last = '<row><c t="inlineStr"><is><t>甲</t></is></c></row>'
    with pytest.raises(FileRefused, match="合计超过 1000 个"):
        read_file(repacked(PLAIN, replace={SHEET_PART: (END, rows + last + END)}), "a.xlsx")
    assert len(read_file(repacked(PLAIN, replace={SHEET_PART: (END, rows + END)}), "a.xlsx").rows) == 1


@pytest.mark.parametrize(
    ("part", "end", "element", "count"),
    [
        (SHEET_PART, END, "<row/>", MAX_ELEMENTS),
        ("xl/styles.xml", "</cellXfs>", "<xf/>", MAX_STYLE_ELEMENTS),
    ],
)
def test_part_with_too_many_elements_is_refused_before_it_is_parsed(
    part: str, end: str, element: str, count: int
) -> None:
    with pytest.raises(FileRefused, match=f"超过 {count} 个元素"):
        read_file(
            repacked(PLAIN, replace={part: (end, element * count + end)}, pad_bin=random.Random(1).randbytes(300_000)),
            "a.xlsx",
        )


def test_texts_of_all_cells_together_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [FIRST, *((f"问{n}怎么办", "长" * 90) for n in range(10))]
    assert len(read_file(workbook(rows), "a.xlsx").rows) == 10
    monkeypatch.setattr(workbook_reading, "MAX_FILE_CHARACTERS", 800)
    with pytest.raises(FileRefused, match="文字合计超过 800 个字"):
        read_file(workbook(rows), "a.xlsx")


def csv_with(html: str) -> bytes:
    return f'问题,内容\n甲怎么办,"{html}"\n乙怎么办,<p>乙</p>\n'.encode()


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div>" * 5_000 + "甲", "嵌套超过 50 层"),
        ("<blockquote>" * (MAX_HTML_DEPTH + 1) + "甲", "嵌套超过 50 层"),
        ("<div><!--</div>-->" * 2_000 + "甲", "嵌套超过 50 层"),
        ("<p>" + "长" * MAX_HTML_CHARACTERS, "最多 100000 个"),
        ("".join(f"<div><b id={n}></div>" for n in range(3_000)), "标签过多"),
        ("a<br>" * 19_000, "标签过多"),
    ],
)
def test_html_too_deep_or_too_long_costs_its_row(html: str, reason: str) -> None:
    read = read_file(csv_with(html), "a.csv")
    assert [row.content.question for row in read.rows] == ["乙怎么办"]
    (problem,) = map(read.located, read.problems)
    assert (problem.row, problem.column, reason in problem.reason) == (2, "B 内容", True)


def test_html_as_deep_as_allowed_is_rewritten() -> None:
    assert to_markdown("<div>" * MAX_HTML_DEPTH + "甲") == "甲"
    with pytest.raises(TooComplex):
        to_markdown("<div>" * (MAX_HTML_DEPTH + 1) + "甲")


def test_few_files_are_read_at_once_and_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.05)
    leave, inside = threading.Event(), threading.Semaphore(0)

    def reader() -> None:
        with turns.a_turn():
            inside.release()
            leave.wait()

    readers = [threading.Thread(target=reader) for _ in range(turns.AT_ONCE)]
    for thread in readers:
        thread.start()
        inside.acquire()
    with pytest.raises(Unavailable, match="正在读取"):
        read_file(line(), "a.jsonl")
    leave.set()
    for thread in readers:
        thread.join()
    assert len(read_file(line(), "a.jsonl").rows) == 1


def test_a_refused_file_gives_its_place_back() -> None:
    for _ in range(turns.AT_ONCE + turns.WAITING + 1):
        with pytest.raises(FileRefused):
            read_file(b"", "a.csv")
    assert len(read_file(line(), "a.jsonl").rows) == 1
