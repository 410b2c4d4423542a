"""The command line: a base from nothing, people, tokens, files, and a service that starts and stops."""

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from api import cli
from api.clock import utc_now
from api.security import TooManyAttempts, WrongCredentials, log_in
from api.settings import Settings
from api.wiring import Services, build, load_encoder
from models.database import open_engine, sessions
from models.knowledge import Version
from models.organisation import Person, RoleGrant
from models.values import Role
from tests.cast import Cast


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


TINY = Path(__file__).parents[1] / "retrieval" / "data" / "tiny_bert"
Say = Callable[..., Said]
Zhida = Callable[..., str]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command on a base of its own."""
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path / "var"))

    def run(*arguments: str | Path, typed: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["zhida", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return Said(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def zhida(say: Say) -> Zhida:
    """The same; returns what it printed, or raises what it complained of."""

    def run(*arguments: str | Path, typed: str = "") -> str:
        said = say(*arguments, typed=typed)
        if said.code:
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


def test_a_new_password_ends_the_wait_after_wrong_ones(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    settings = Settings(login_attempts=1)
    engine = open_engine(f"sqlite:///{tmp_path}/var/zhida.db")
    with sessions(engine)() as session:
        with pytest.raises(WrongCredentials):
            log_in(session, "zuoxi", "错误的密码", utc_now(), settings=settings)
        with pytest.raises(TooManyAttempts):
            log_in(session, "zuoxi", "zhida-12345", utc_now(), settings=settings)
        zhida("user", "password", "zuoxi", "--password-stdin", typed="另一个更长的密码\n")
        assert log_in(session, "zuoxi", "另一个更长的密码", utc_now(), settings=settings)
    engine.dispose()


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


def test_an_agent_has_a_team_until_another_is_named(zhida: Zhida) -> None:
    zhida("setup", "--demo")
    assert "早班一组" in zhida("user", "list")
    assert "晚班二组" in zhida("user", "team", "zuoxi", " 晚班二组 ")
    listed = zhida("user", "list")
    assert "晚班二组" in listed
    assert "早班一组" not in listed
    zhida("user", "team", "zuoxi", "")
    assert "晚班二组" not in zhida("user", "list")
    with pytest.raises(ValueError, match="最多 64 字"):
        zhida("user", "team", "zuoxi", "组" * 65)
    with pytest.raises(ValueError, match="meiyou"):
        zhida("user", "team", "meiyou", "晚班")


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


def test_the_dry_run_says_what_would_change_and_be_lost(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    file = tmp_path / "新.csv"
    source = (file, "--unit", "安澜市公安局")
    file.write_text("问题,答案,关键字\n直升机停机坪怎么申请,向民航部门申请。,停机坪\n", encoding="utf-8")
    zhida("import", *source, "--apply", "--publish")
    file.write_text("问题,答案,关键字\n直升机停机坪怎么申请,向机场申请。,\n", encoding="utf-8")
    said = zhida("import", *source)
    assert "新增 0，修改 1，不变 0，不能导入 0" in said
    assert "第 2 行）直升机停机坪怎么申请" in said
    assert "答案：向民航部门申请。 → 向机场申请。" in said
    assert "将清空：关键字 1 个" in said


def test_of_several_files_it_is_said_which_are_in_the_base(zhida: Zhida, tmp_path: Path, say: Say) -> None:
    zhida("setup", "--demo")
    first, faulty, last = (tmp_path / f"{name}.csv" for name in ("一", "二", "三"))
    first.write_text("问题,答案\n直升机停机坪怎么申请,向民航部门申请。\n", encoding="utf-8")
    faulty.write_text("问题,答案\n,没有问题\n", encoding="utf-8")
    last.write_text("问题,答案\n热气球怎么报备,向民航部门申请。\n", encoding="utf-8")
    said = say("import", first, faulty, last, "--unit", "安澜市公安局", "--apply")
    assert said.code == 1
    assert "已写入：新增 1" in said.out
    assert "二.csv：没有导入" in said.out
    assert "已写入的予以保留：一.csv" in said.out
    assert "没有处理：三.csv" in said.out
    assert "不变 1" in zhida("import", first, "--unit", "安澜市公安局")


def test_one_report_is_not_written_over_another(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup")
    files = [tmp_path / "一.csv", tmp_path / "二.csv"]
    for file in files:
        file.write_text("问题,答案\n甲,乙\n", encoding="utf-8")
    with pytest.raises(ValueError, match="逐个导入"):
        zhida("import", *files, "--report", tmp_path / "改.xlsx")
    assert not (tmp_path / "改.xlsx").exists()


def test_the_header_row_can_be_said_by_command(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    file = tmp_path / "新.csv"
    file.write_text("事项,怎么说\n直升机停机坪怎么申请,向民航部门申请。\n", encoding="utf-8")
    source = (file, "--unit", "安澜市公安局", "--map", "A=question", "--map", "B=answer")
    guessed = zhida("import", *source)
    assert "（没有表头）：A→标准问，B→答案" in guessed
    assert "共 2 行" in guessed
    told = zhida("import", *source, "--header", "新.csv=1")
    assert "（表头在第 1 行）：A 事项→标准问，B 怎么说→答案" in told
    assert "共 1 行：新增 1" in told
    with pytest.raises(ValueError, match="没有名为“旧"):
        zhida("import", *source, "--header", "旧.csv=1")


def test_the_template_is_a_workbook(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    zhida("template", tmp_path / "模板.xlsx")
    assert zipfile.is_zipfile(tmp_path / "模板.xlsx")


def test_a_backup_holds_database_and_attachments(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    attachment = tmp_path / "var" / "attachments" / "ab" / ("ab" * 32)
    attachment.parent.mkdir(parents=True)
    attachment.write_bytes(b"picture")
    (tmp_path / "var" / "words.txt").write_text("安澜通", encoding="utf-8")
    said = zhida("backup", tmp_path / "备份.zip")
    assert f"移走 {tmp_path}/var/zhida.db、{tmp_path}/var/zhida.db-wal" in said
    with zipfile.ZipFile(tmp_path / "备份.zip") as packed:
        packed.extractall(tmp_path / "restored")
    assert (tmp_path / "restored" / "words.txt").read_text("utf-8") == "安澜通"
    assert (tmp_path / "restored" / "attachments" / "ab" / ("ab" * 32)).read_bytes() == b"picture"
    engine = open_engine(f"sqlite:///{tmp_path}/restored/zhida.db")
    with sessions(engine)() as session:
        assert session.scalar(select(func.count()).select_from(Version)) >= 240
    engine.dispose()
    with pytest.raises(ValueError, match="已存在"):
        zhida("backup", tmp_path / "备份.zip")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_service_starts_answers_and_stops(stop: signal.Signals, zhida: Zhida, tmp_path: Path) -> None:
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
        service.send_signal(stop)
        assert "服务已停止" in service.stdout.read()
        assert service.wait() == 0
    left = [file.name for file in (tmp_path / "var").iterdir()]
    assert not [name for name in left if name.endswith(("-wal", "-shm"))]


def test_the_service_closes_the_vectors_it_remembers(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup")
    zhida("model", "fetch", TINY)
    with closing(build(Settings(data_folder=tmp_path / "var", model=TINY.name))) as services:
        services.memory.encode(["甲"])
        assert (tmp_path / "var" / "vectors.db-wal").exists()
    assert not (tmp_path / "var" / "vectors.db-wal").exists()
    assert not (tmp_path / "var" / "vectors.db-shm").exists()


def test_the_service_leaves_no_empty_base_behind(zhida: Zhida, tmp_path: Path) -> None:
    for command in (("serve",), ("user", "list")):
        with pytest.raises(ValueError, match="zhida setup"):
            zhida(*command)
    assert not (tmp_path / "var").exists()


def test_only_accounts_that_the_published_password_opens_are_shown(zhida: Zhida, tmp_path: Path) -> None:
    zhida("setup", "--demo")
    settings = Settings(data_folder=tmp_path / "var")
    with closing(build(settings)) as services:
        logins = [account.login for account in services.demonstration_accounts]
        assert services.demonstration
    zhida("user", "password", "zuoxi", "--password-stdin", typed="另一个更长的密码\n")
    with closing(build(settings)) as services:
        assert [account.login for account in services.demonstration_accounts] == logins[1:]
    for login in logins[1:]:
        zhida("user", "close", login)
    with closing(build(settings)) as services:
        assert not services.demonstration


def test_a_real_city_of_the_same_name_is_no_demonstration(services: Services, people: Cast) -> None:
    assert people.city.name == "安澜市"
    with closing(build(services.settings)) as again:
        assert not again.demonstration


def test_all_models_are_listed_the_damaged_ones_marked(zhida: Zhida, tmp_path: Path) -> None:
    for name in ("甲", "乙"):
        shutil.copytree(TINY, tmp_path / name)
        zhida("model", "fetch", tmp_path / name)
    (tmp_path / "var" / "models" / "乙" / "model.onnx").write_bytes(b"damaged")
    (damaged, whole) = sorted(zhida("model", "list").splitlines())
    assert damaged.startswith("乙") and "已损坏" in damaged
    assert whole.startswith("甲") and "已损坏" not in whole
    with pytest.raises(ValueError):
        zhida("model", "verify")


def test_a_ready_model_is_found_by_its_name_after_fetching(zhida: Zhida, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "甲")
    zhida("model", "fetch", tmp_path / "甲")
    carried = Path(shutil.move(tmp_path / "var" / "models" / "甲", tmp_path / "乙"))
    assert "ZHIDA_MODEL=乙" in zhida("model", "fetch", carried)
    assert load_encoder(Settings(data_folder=tmp_path / "var", model="乙")) is not None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://zhida@localhost/zhida", "只支持 sqlite:/// 和 postgresql://"),
        ("什么都不是", "不是有效的数据库地址"),
        ("postgresql://zhida:secret@localhost:x/zhida", "不是有效的数据库地址"),
        ("postgresql://zhida:secret@127.0.0.1:1/zhida", "数据库正忙或暂时不可用"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_sentence(
    url: str, complaint: str, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    monkeypatch.setenv("ZHIDA_DATABASE_URL", url)
    for command in (("setup",), ("user", "list"), ("serve", "--port", "0")):
        said = say(*command)
        assert said.code == 1
        assert complaint in said.err
        assert said.err.count("\n") == 1
        assert "secret" not in said.err


def test_a_data_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path / "file" / "var"))
    said = say("setup")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert f"不能读写 {tmp_path}/file/var" in said.err


def test_a_locked_base_is_one_sentence(zhida: Zhida, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    zhida("setup", "--demo")
    monkeypatch.setattr("models.database.SQLITE_BUSY_TIMEOUT_MS", 1)
    with closing(sqlite3.connect(tmp_path / "var" / "zhida.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        said = say("user", "close", "zuoxi")
    assert (said.code, said.err) == (1, "数据库正忙或暂时不可用，请稍后重试。（database is locked）\n")


def test_what_somebody_else_saved_meanwhile_is_one_sentence(
    zhida: Zhida, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    zhida("setup", "--demo")
    monkeypatch.setattr("api.commands.users._grant", lambda *_: RoleGrant(role=Role.AGENT, region_id=999))
    said = say("user", "add", "li", "--name", "李四", "--role", "agent", "--password-stdin", typed="八位以上的好密码")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "Traceback" not in said.err and "constraint failed" in said.err


def _password_hash(tmp_path: Path) -> str:
    engine = open_engine(f"sqlite:///{tmp_path}/var/zhida.db")
    with sessions(engine)() as session:
        found = session.scalars(select(Person.password_hash).where(Person.login == "li")).one()
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("ZHIDA_PORT", "八千", "ZHIDA_PORT"), ("ZHIDA_WRONG_PER_100", "40", "ZHIDA_WRONG_PER_100")],
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
