"""zhida test …: the same as the pages, from the terminal."""

from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.api.test_bench_pages import workbook
from tests.api.test_cli import Say, Zhida, say, zhida  # noqa: F401 - fixtures

ROWS = (("身份证丢了怎么补办", "GA-001"), ("火星移民怎么报名", "无"))


@pytest.fixture
def file(tmp_path: Path, zhida: Zhida) -> Path:  # noqa: F811
    """Test questions for the demonstration base, which is set up."""
    zhida("setup", "--demo")
    path = tmp_path / "题.xlsx"
    path.write_bytes(workbook(*ROWS))
    return path


def test_import_run_compare_and_export(zhida: Zhida, file: Path, tmp_path: Path) -> None:  # noqa: F811
    assert "没有保存" in zhida("test", "import", file, "--by", "fenxi")
    assert "测试集 1“题”" in zhida("test", "import", file, "--by", "fenxi", "--apply")
    first = zhida("test", "run", "题", "--by", "fenxi", "--model", "none")
    assert "已完成" in first
    assert "首位正确率" in first
    assert "运行 2" in zhida("test", "run", "1", "--by", "rexianban", "--direct", "1", "--name", "阈值 1")
    listed = zhida("test", "list")
    assert "2 题" in listed
    assert "阈值 1" in listed
    out = tmp_path / "比较.xlsx"
    compared = zhida("test", "compare", "1", "2", "--out", out, "--by", "fenxi")
    assert "95 % 区间" in compared
    assert load_workbook(out).sheetnames == ["比较", "差别", "逐题"]
    zhida("test", "export", "1", "--by", "fenxi", "--out", tmp_path / "运行.xlsx")
    assert load_workbook(tmp_path / "运行.xlsx")["逐题"].max_row == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "没有", "--by", "fenxi"), "没有名称或编号为“没有”的测试集"),
        (("run", "1", "--by", "zuoxi"), "您的岗位不能进行此项操作"),
        (("run", "1", "--by", "fenxi", "--model", "没有"), "没有名为“没有”的模型"),
        (("run", "1", "--by", "fenxi", "--direct", "2"), "不超过 1"),
        (("draw", "空", "--by", "fenxi", "--from", "2026-01-01", "--to", "2026-01-31"), "无题可抽"),
        (("draw", "空", "--by", "fenxi", "--from", "一月", "--to", "2026-01-31"), "看不懂"),
        (("compare", "1", "1"), "没有编号为 1 的测试运行"),
    ],
)
def test_what_cannot_be_is_told(arguments: tuple[str, ...], complaint: str, say: Say, file: Path) -> None:  # noqa: F811
    assert say("test", "import", file, "--by", "fenxi", "--apply").code == 0
    said = say("test", *arguments)
    assert said.code == 1
    assert complaint in said.err


def test_a_stranger_keeps_nothing(say: Say, file: Path) -> None:  # noqa: F811
    said = say("test", "import", file, "--by", "zuoxi", "--apply")
    assert said.code == 1
    assert "数据分析员" in said.err
    assert "题" not in say("test", "list").out
