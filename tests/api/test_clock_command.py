"""zhida clock: the answer, the working of it, and what is refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api import cli
from api.clock import utc_now
from api.settings import Settings
from models.database import open_engine, sessions
from models.migrate import upgrade
from models.rules import CalendarYear

Zhida = Callable[..., list[str]]


@pytest.fixture
def zhida(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Zhida:
    """Runs a command where there is no base yet; returns the lines it printed, or raises what it complained of."""
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path / "var"))

    def run(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["zhida", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        if end.value.code:
            raise ValueError(printed.err)
        return printed.out.splitlines()

    return run


def due(zhida: Zhida, limit: str, begins: str, *more: str) -> list[str]:
    return zhida("clock", "due", "--rulebook", "default", "--limit", limit, "--from", begins, *more)


def test_it_says_when_a_limit_ends_and_how_it_was_counted(zhida: Zhida) -> None:
    said = due(zhida, "5 working_days", "2026-09-29T16:40")
    assert said[0] == "2026-10-12T17:30:00+08:00"
    assert said[1].startswith("起算：2026年9月29日（周二）16:40")
    assert "10月10日（周六）：国庆节调休上班，第 4 个工作日。" in said


def test_the_start_day_may_count(zhida: Zhida) -> None:
    said = due(zhida, "5 working_days", "2026-09-29T16:40", "--start-day-counts")
    assert said[0] == "2026-10-10T17:30:00+08:00"


def test_a_time_with_an_offset_is_taken_as_it_is(zhida: Zhida) -> None:
    assert due(zhida, "22 hours", "2026-11-16T02:00+00:00")[0] == "2026-11-17T08:00:00+08:00"


@pytest.mark.parametrize("option", ["--to", "--due"])
def test_it_says_how_much_working_time_is_left(option: str, zhida: Zhida) -> None:
    said = zhida("clock", "left", "--rulebook", "default", "--from", "2026-09-30T16:40", option, "2026-10-08T11:10")
    assert said[:2] == ["2026-09-30T16:40:00+08:00", "2026-10-08T11:10:00+08:00"]
    assert said[-1] == "合计：3 小时工作时间，还剩 3 个工作小时。"


def test_it_says_how_far_past_it_is(zhida: Zhida) -> None:
    said = zhida("clock", "left", "--rulebook", "default", "--from", "2026-11-23T11:00", "--to", "2026-11-20T17:30")
    assert said[-1] == "合计：2 小时工作时间，已超 2 个工作小时。"


@pytest.mark.parametrize(
    ("limit", "begins", "says"),
    [
        ("5 天", "2026-09-29T16:40", "期限“5 天”看不懂"),
        ("0 days", "2026-09-29T16:40", "期限的数字是 0"),
        ("5 working_days", "昨天", "时间“昨天”看不懂"),
        ("5 working_days", "2026-09-29", "时间“2026-09-29”看不懂"),
        ("5 working_days", "2026-09-29T25:00", "看不懂"),
        ("5 hours", "1900-01-01T10:00", "不在 1949 年"),
        ("5 working_days", "0001-01-01T00:00", "不在 1949 年"),
        ("5 working_days", "2150-01-01T10:00", "没有 2150 年的放假安排"),
    ],
)
def test_bad_input_is_answered_in_one_sentence(limit: str, begins: str, says: str, zhida: Zhida) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        due(zhida, limit, begins)
    assert str(refused.value).count("\n") == 1


def test_an_unknown_rulebook_is_refused(zhida: Zhida) -> None:
    with pytest.raises(ValueError, match="没有"):
        zhida("clock", "due", "--rulebook", "无此城", "--limit", "1 hour", "--from", "2026-09-29T16:40")


def test_a_year_that_was_added_to_the_base_counts(zhida: Zhida) -> None:
    settings = Settings()
    settings.data_folder.mkdir()
    engine = open_engine(settings.database_url)
    upgrade(engine)
    with sessions(engine)() as session:
        session.add(CalendarYear(year=2150, holidays=["2150-01-01"], workdays=[], source="通知", added_at=utc_now()))
        session.commit()
    engine.dispose()
    # 1 January 2150 is a Thursday
    assert due(zhida, "1 working_day", "2150-01-01T10:00")[0] == "2150-01-02T17:30:00+08:00"
