"""The command line: a base from nothing, people, tokens, files, and a service that starts and stops."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from api import cli
from models.database import open_engine, sessions
from models.knowledge import Version
from models.organisation import Person

Zhida = Callable[..., str]


@pytest.fixture
def zhida(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Zhida:
    """Runs a command on a base of its own; returns what it printed, or raises what it complained of."""
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path / "var"))

    def run(*arguments: str | Path, typed: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["zhida", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        if end.value.code:
            raise ValueError(said.err)
        return said.out

    return run


def test_setup_loads_the_demonstration_base_once(zhida: Zhida, tmp_path: Path) -> None:
    count = int(re.search(r"已载入演示条目 (\d+) 条", zhida("setup", "--demo"))[1])
    assert count >= 240
    assert "已经载入过" in zhida("setup", "--demo")
    engine = open_engine(f"sqlite:///{tmp_path}/var/zhida.db")
    with sessions(engine)() as session:
        assert session.scalar(select(func.count()).select_from(Version)) == count
    engine.dispose()
    assert "市热线办" in zhida("user", "list")


def test_setup_of_a_real_base_asks_for_an_administrator_and_takes_no_demonstration(zhida: Zhida) -> None:
    assert "user add" in zhida("setup")
    zhida(
        "user",
        "add",
        "guanli",
        "--name",
        "吴管理",
        "--role",
        "administrator",
        "--password-stdin",
        typed="八位以上的好密码",
    )
    assert "没有载入演示库" in zhida("setup", "--demo")
    assert "user add" not in zhida("setup")


def test_a_command_without_a_base_says_what_to_run(zhida: Zhida) -> None:
    with pytest.raises(ValueError, match="zhida setup"):
        zhida("user", "list")


@pytest.mark.parametrize(
    ("arguments", "password", "complaint"),
    [
        (("--role", "editor"), "八位以上的好密码", "须用 --unit"),
        (("--role", "editor", "--unit", "某局"), "八位以上的好密码", "没有名为“某局”的单位"),
        (("--role", "agent", "--unit", "某局"), "八位以上的好密码", "不要写 --unit"),
        (("--role", "county_office"), "八位以上的好密码", "须用 --region"),
        (("--role", "agent"), "短", "8 至 256"),
    ],
)
def test_a_faulty_account_is_refused(arguments: tuple[str, ...], password: str, complaint: str, zhida: Zhida) -> None:
    zhida("setup")
    with pytest.raises(ValueError, match=complaint):
        zhida("user", "add", "li", "--name", "李四", *arguments, "--password-stdin", typed=password)
    assert "李四" not in zhida("user", "list")


def test_a_new_password_ends_sessions_and_a_login_name_is_taken_once(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup")
    add = ("user", "add", "li", "--name", "李四", "--role", "agent", "--password-stdin")
    zhida(*add, typed="八位以上的好密码\n")
    with pytest.raises(ValueError, match="已有人使用"):
        zhida(*add, typed="八位以上的好密码\n")
    before = _password_hash(tmp_path)
    zhida("user", "password", "li", "--password-stdin", typed="另一个更长的密码\n")
    assert _password_hash(tmp_path) != before
    zhida("user", "close", "li")
    assert "已停用" in zhida("user", "list")


def test_a_real_citys_organisation_comes_from_a_file(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup")
    file = tmp_path / "机构.json"
    shipped = json.loads((Path(cli.__file__).parents[1] / "ingest/demonstration/organisation.json").read_text("utf-8"))
    file.write_text(json.dumps(shipped | {"people": []}, ensure_ascii=False), encoding="utf-8")
    units = len(shipped["units"])
    assert f"单位 {units} 个，人员 0 人" in zhida("organisation", file)
    assert "单位 0 个，人员 0 人" in zhida("organisation", file)
    file.write_text(json.dumps(shipped, ensure_ascii=False), encoding="utf-8")
    assert "人员 8 人" in zhida("organisation", file, "--password-stdin", typed="八位以上的好密码\n")
    file.write_text('{"regions": []}', encoding="utf-8")
    with pytest.raises(ValueError, match="units"):
        zhida("organisation", file)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="第 1 行"):
        zhida("organisation", file)


def test_a_token_is_shown_once_and_can_be_revoked(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    token = zhida("token", "create", "zuoxi", "工单系统").strip()
    assert len(token) == 43
    assert token not in zhida("token", "list")
    assert token.encode() not in (tmp_path / "var" / "zhida.db").read_bytes()
    zhida("token", "revoke", "zuoxi", "工单系统")
    assert "已停用" in zhida("token", "list")
    with pytest.raises(ValueError, match="没有名为“工单系统”的有效令牌"):
        zhida("token", "revoke", "zuoxi", "工单系统")


def test_export_and_import_by_command_change_nothing(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    for name in ("条目.xlsx", "条目.csv", "条目.jsonl"):
        exported = re.search(r"已导出 (\d+) 条", zhida("export", "--out", tmp_path / name))[1]
        tried = zhida("import", tmp_path / name)
        assert f"共 {exported} 行：新增 0，修改 0，不变 {exported}，不能导入 0" in tried
        assert "没有写入" in tried


def test_import_by_command_writes_only_when_told(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    file = tmp_path / "新.csv"
    file.write_text("问题,答案\n直升机停机坪怎么申请,向民航部门申请。\n,没有问题\n", encoding="utf-8")
    source = (file, "--unit", "安澜市公安局")
    assert "新增 1，修改 0，不变 0，不能导入 1" in zhida("import", *source)
    with pytest.raises(ValueError, match="没有导入任何一行"):
        zhida("import", *source, "--apply")
    report = tmp_path / "改.xlsx"
    done = zhida("import", *source, "--apply", "--good-rows-only", "--publish", "--report", report)
    assert "已写入：新增 1，修改 0（已发布）" in done
    assert report.stat().st_size > 0
    assert "不变 1" in zhida("import", *source)


def test_the_template_is_a_workbook(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    zhida("template", tmp_path / "模板.xlsx")
    assert zipfile.is_zipfile(tmp_path / "模板.xlsx")


def test_a_backup_holds_database_and_attachments(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    attachment = tmp_path / "var" / "attachments" / "ab" / ("ab" * 32)
    attachment.parent.mkdir(parents=True)
    attachment.write_bytes(b"picture")
    zhida("backup", tmp_path / "备份.zip")
    with zipfile.ZipFile(tmp_path / "备份.zip") as packed:
        packed.extractall(tmp_path / "restored")
    assert (tmp_path / "restored" / "attachments" / "ab" / ("ab" * 32)).read_bytes() == b"picture"
    engine = open_engine(f"sqlite:///{tmp_path}/restored/zhida.db")
    with sessions(engine)() as session:
        assert session.scalar(select(func.count()).select_from(Version)) >= 240
    engine.dispose()
    with pytest.raises(ValueError, match="已存在"):
        zhida("backup", tmp_path / "备份.zip")


def test_the_service_starts_answers_and_stops(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    environment = os.environ | {"ZHIDA_DATA_FOLDER": str(tmp_path / "var"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0"]
    root = Path(cli.__file__).parents[1]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as service:
        said = ""
        while "按 Ctrl+C 停止" not in said:
            line = service.stdout.readline()
            assert line, said
            said += line
        address = re.search(r"http://[\d.:]+", said)[0]
        assert "zuoxi" in said and "zhida-12345" in said
        with urllib.request.urlopen(f"{address}/api/v1/health", timeout=10) as reply:
            assert reply.status == 200
        service.send_signal(signal.SIGINT)
        assert "服务已停止" in service.stdout.read()
        assert service.wait() == 0


def _password_hash(tmp_path: Path) -> str:
    engine = open_engine(f"sqlite:///{tmp_path}/var/zhida.db")
    with sessions(engine)() as session:
        found = session.scalars(select(Person.password_hash).where(Person.login == "li")).one()
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("ZHIDA_PORT", "八千", "ZHIDA_PORT"), ("ZHIDA_CHOOSE_THRESHOLD", "0.95", "ZHIDA_DIRECT_THRESHOLD")],
)
def test_an_unusable_setting_is_named_without_a_traceback(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["zhida", "serve"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
