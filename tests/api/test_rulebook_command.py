"""zhida rulebook and zhida calendar: what they print, what they write, and what they refuse."""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from api import cli
from api.clock import utc_now
from api.settings import Settings
from kb_admin.rulebook_files import SHIPPED, load_shipped, shipped_text, whole_text
from kb_admin.rules_in_force import city_rules, rules_of
from models.database import open_engine, sessions
from models.migrate import upgrade
from models.values import CHINA
from tests.cast import CITY, COUNTY, Cast, assemble

Zhida = Callable[..., list[str]]
NEXT_YEAR = """
year = 2150
document = "通知"
[[holiday]]
name = "元旦"
from = 2150-01-01
to = 2150-01-01
[[holiday]]
name = "劳动节"
from = 2150-05-01
to = 2150-05-03
workdays = [2150-05-09]
[[holiday]]
name = "国庆节"
from = 2150-10-01
to = 2150-10-07
"""


@pytest.fixture
def zhida(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Zhida:
    """Runs a command; returns the lines it printed, or raises what it printed and complained of."""
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path / "var"))

    def run(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["zhida", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        if end.value.code:
            raise ValueError(printed.out + printed.err)
        return printed.out.splitlines()

    return run


@pytest.fixture
def city(zhida: Zhida, tmp_path: Path) -> Iterator[tuple[Session, Cast]]:
    """The cast, in the base that the commands use."""
    (tmp_path / "var").mkdir()
    engine = open_engine(Settings().database_url)
    upgrade(engine)
    with sessions(engine)() as session:
        yield session, assemble(session)
    engine.dispose()


def test_check_counts_the_values_of_all_and_finds_them_sourced(zhida: Zhida) -> None:
    said = zhida("rulebook", "check")
    assert [line.split("（")[0] for line in said[:-1]] == list(SHIPPED)
    assert all(line.endswith("全部有出处。") for line in said)
    figures = [[int(figure) for figure in re.findall(r"(\d+) 个", line)] for line in said]
    for values, articles, defaults in figures:
        assert values == articles + defaults
    assert figures[-1] == [sum(column) for column in zip(*figures[:-1], strict=True)]
    assert int(re.findall(r"共 (\d+) 份", said[-1])[0]) == len(SHIPPED) == 6


def test_check_names_file_and_key_of_every_fault(zhida: Zhida, tmp_path: Path) -> None:
    path = tmp_path / "某市.toml"
    path.write_text(shipped_text("jiyuan").replace("[extension]", "[extention]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"：1 处错误\n  extention：没有这一节，是不是 extension？\njiyuan（"):
        zhida("rulebook", "check", str(path), "jiyuan")
    path.write_bytes("标题".encode("gbk"))
    with pytest.raises(ValueError, match="不是 UTF-8 编码的文字"):
        zhida("rulebook", "check", str(path))
    with pytest.raises(ValueError, match="没有名为“atlantis”的规则，也没有这个文件"):
        zhida("rulebook", "check", "atlantis")


def test_show_tells_everything_with_its_article(zhida: Zhida) -> None:
    said = zhida("rulebook", "show", "jiyuan")
    assert "  《济源示范区12345政务服务便民热线知识库管理细则》济区数〔2023〕4号" in said
    assert "    期限：1 个工作小时　〔济区数〔2023〕4号第九条（二）3〕" in said
    assert "    期限：22 小时　〔系统默认；取清远第五条（二）：22 小时；条文没有写“工作”二字，按自然小时计〕" in said
    assert sum(line.startswith("    ") for line in said) == len(load_shipped("jiyuan").sources)


def test_diff_tells_both_values_and_both_sources(zhida: Zhida) -> None:
    said = zhida("rulebook", "diff", "jiyuan", "meizhou")
    at = said.index("时限·政策、职能变化后更新·期限（clocks.update_after_change.limit）")
    assert said[at + 1].startswith("  济源示范区规则：2 个工作日　〔济区数〔2023〕4号第九条（四）")
    assert said[at + 2].startswith("  梅州市规则：5 个工作日　〔梅市府办函〔2015〕148号（知识库细则）第八条（三）")
    assert zhida("rulebook", "diff", "jiyuan", "jiyuan") == ["济源示范区规则与济源示范区规则共有 0 处不同。"]


def test_adopt_lets_a_region_follow_a_rulebook_from_a_day_on(
    zhida: Zhida, city: tuple[Session, Cast], tmp_path: Path
) -> None:
    session, cast = city
    day = utc_now().astimezone(CHINA).date()
    later = day + timedelta(days=30)
    zhida("rulebook", "adopt", "meizhou", "--region", CITY, "--from", day.isoformat())
    own = tmp_path / "本区.toml"
    own.write_text(whole_text("licheng"), encoding="utf-8")
    said = zhida("rulebook", "adopt", str(own), "--region", COUNTY, "--from", f"{later}T08:30")
    assert said == [f"{COUNTY}自 {later} 08:30 起采用“licheng”。此前开始的事项按原规则办完。"]
    session.rollback()
    assert city_rules(session, utc_now()).rulebook.name == "meizhou"
    assert rules_of(session, cast.county.id, utc_now()).rulebook.name == "meizhou"
    assert rules_of(session, cast.county.id, utc_now() + timedelta(days=31)).rulebook == load_shipped("licheng")
    listed = zhida("rulebook", "list")
    assert f"{CITY}：最初起采用 default" in listed
    assert f"{COUNTY}：自 {later} 08:30 起采用 licheng" in listed


@pytest.mark.parametrize(
    ("region", "begins", "said"),
    [
        (CITY, "2020-01-01", "2020-01-01 已经过去"),
        (CITY, "下个月", "时间“下个月”看不懂"),
        ("无此市", "2150-01-01", "没有名为“无此市”的区域"),
    ],
)
def test_adopt_refuses_what_cannot_be(
    zhida: Zhida, city: tuple[Session, Cast], region: str, begins: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        zhida("rulebook", "adopt", "jiyuan", "--region", region, "--from", begins)
    assert city_rules(city[0], utc_now()).rulebook.name == "default"


def test_a_year_is_added_listed_and_counted_with(zhida: Zhida, city: tuple[Session, Cast], tmp_path: Path) -> None:
    due = ("clock", "due", "--rulebook", "default", "--limit", "1 working_day", "--from", "2150-04-30T10:00")
    with pytest.raises(ValueError, match="2150"):
        zhida(*due)
    path = tmp_path / "2150.toml"
    path.write_text(NEXT_YEAR, encoding="utf-8")
    assert zhida("calendar", "add", str(path)) == ["已加入 2150 年的放假安排：放假 11 天，调休上班 1 天。"]
    assert zhida("calendar", "add", str(path))[0].startswith("已更新")
    assert "2150 年：通知；放假 11 天，调休上班 1 天。" in zhida("calendar", "list")
    assert zhida(*due)[0] == "2150-05-04T17:30:00+08:00"
    path.write_text(NEXT_YEAR.replace("workdays", "workday"), encoding="utf-8")
    with pytest.raises(ValueError, match="workday"):
        zhida("calendar", "add", str(path))


def test_commands_say_when_there_is_no_base(zhida: Zhida) -> None:
    for arguments in (("rulebook", "adopt", "jiyuan", "--region", CITY, "--from", "2150-01-01"), ("calendar", "list")):
        with pytest.raises(ValueError, match="请先运行 zhida setup"):
            zhida(*arguments)
