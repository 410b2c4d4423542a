"""zhida index …, and the part of the service that calls it by itself, on a base of their own."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from api import index_keeper
from api.cli import app
from api.index_child import IndexChild
from api.index_keeper import IndexKeeper
from api.settings import Settings
from api.wiring import build
from kb_admin import lifecycle
from models.database import open_engine, sessions
from models.errors import Unavailable
from models.knowledge import Version
from retrieval.store import Manifest, Store, versions_of
from tests.cast import LOST_CARD, NOW, assemble, published
from tests.conftest import DATABASES

Zhida = Callable[..., Result]


@pytest.fixture(params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a base with three entries, without a model; on both kinds of database."""
    url = request.getfixturevalue(f"{request.param}_url")
    monkeypatch.setenv("ZHIDA_DATABASE_URL", url)
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path))
    with _opened(url) as session:
        assemble(session)
        for number in range(1, 4):
            published(session, replace(LOST_CARD, question=f"{number}号社会保障卡怎样补领"), code=f"N-{number}")
    return Settings(data_folder=tmp_path, database_url=url, worker=False)


@pytest.fixture
def zhida(settings: Settings) -> Zhida:
    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, ["index", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@contextmanager
def _opened(url: str) -> Iterator[Session]:
    engine = open_engine(url)
    with sessions(engine)() as session:
        yield session
    engine.dispose()


def _store(settings: Settings) -> Store:
    return Store(settings.index_folder, versions_of([], None))


def test_the_index_is_written_described_and_compared(settings: Settings, zhida: Zhida) -> None:
    assert "磁盘上没有可用的索引" in zhida("status").output
    assert zhida("verify").exit_code == 1
    assert "索引已建立：3 条" in zhida("flush").output
    assert "索引已是最新" in zhida("flush").output
    told = zhida("status").output
    assert "第 1 代" in told
    assert "条目 3 条" in told
    assert "没有落后" in told
    assert "正在写的进程：无" in told
    assert "完全一致" in zhida("verify").output
    assert "没有需要合并的段" in zhida("merge").output
    assert "索引已建立：3 条" in zhida("rebuild").output


def test_what_waits_to_be_written_is_told(settings: Settings, zhida: Zhida) -> None:
    zhida("flush")
    with _opened(settings.database_url) as session:
        version = session.query(Version).filter_by(status="published").first()
        assert version is not None
        lifecycle.withdraw(session, version, "废止", actor=None, now=NOW)
        session.commit()
    assert "其后还有 1 行" in zhida("status").output
    assert "已写入 1 条改动" in zhida("flush").output


def test_a_difference_is_told_and_put_right(settings: Settings, zhida: Zhida) -> None:
    zhida("flush")
    with _opened(settings.database_url) as session:  # past the log: nobody is told
        first = session.query(Version).order_by(Version.id).first()
        assert first is not None
        session.execute(update(Version).where(Version.id == first.id).values(answer="另一个答案"))
        session.commit()
    found = zhida("verify")
    assert found.exit_code == 1
    assert f"内容不同 1 条：条目号 {first.entry_id}" in found.output
    assert "改正后核对无误" in zhida("verify", "--repair").output
    assert zhida("verify").exit_code == 0


def test_a_harmed_file_is_named_and_the_index_written_again(settings: Settings, zhida: Zhida) -> None:
    zhida("flush")
    manifest = _store(settings).newest()
    assert manifest is not None
    file = settings.index_folder / manifest.segments[0].name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    found = zhida("verify")
    assert found.exit_code == 1
    assert file.name in found.output
    assert "改正后核对无误" in zhida("verify", "--repair").output


def test_who_does_not_wait_is_told_that_another_writes(settings: Settings, zhida: Zhida) -> None:
    with _store(settings).writing():
        assert "另一进程正在写索引" in zhida("flush", "--no-wait").output
        assert f"正在写的进程：进程 {os.getpid()}" in zhida("status").output


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_child_writes_for_the_service_and_the_service_goes_over_to_it(settings: Settings) -> None:
    services = build(settings)
    try:
        services.follower.catch_up()
        told: list[str] = []
        IndexChild(settings).run(["flush", "--polite"], told.append)
        assert told[-1].startswith("索引已建立：3 条")
        services.follower.catch_up()
        assert services.follower.base is not None
        assert services.index.delta_entries == 0
        assert len(services.index) == 3
    finally:
        services.close()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What the child runs instead of our program."""

    def be(script: str) -> None:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return be


def test_a_child_that_fails_says_why(tmp_path: Path, program: Callable[[str], None]) -> None:
    child = IndexChild(Settings(data_folder=tmp_path))
    program("echo 磁盘已满; exit 1")
    with pytest.raises(Unavailable, match="磁盘已满"):
        child.run(["flush"])
    program("kill -9 $$")
    with pytest.raises(Unavailable, match="信号 9"):
        child.run(["flush"])


def test_a_child_that_is_stopped_has_ended_and_none_follows_it(tmp_path: Path, program: Callable[[str], None]) -> None:
    child = IndexChild(Settings(data_folder=tmp_path))
    program("exec sleep 60")
    said: list[str] = []

    def run() -> None:
        with pytest.raises(Unavailable):
            child.run(["flush"], said.append)

    running, waiting = threading.Thread(target=run, daemon=True), threading.Thread(target=run, daemon=True)
    running.start()
    while child.process_id is None:
        threading.Event().wait(0.01)
    waiting.start()
    threading.Event().wait(0.05)
    child.stop()
    for thread in (running, waiting):
        thread.join(30)
        assert not thread.is_alive()


@dataclass
class Index:
    delta_entries: int = 0


@dataclass
class Followed:
    """A follower that has read so far, on a base that was written up to row 10."""

    position: int = 10
    base_is_old: bool = False
    loaded: bool = True
    base: Manifest | None = field(default_factory=lambda: Manifest(1, 10, "", versions_of([], None), (), NOW))


class Child:
    """Takes note of what it is to do."""

    def __init__(self, failing: bool = False) -> None:
        self.failing = failing
        self.asked: list[Sequence[str]] = []

    def run(self, arguments: Sequence[str]) -> None:
        self.asked.append(arguments)
        if self.failing:
            raise Unavailable("磁盘已满")

    def stop(self) -> None:
        pass


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture
def follower() -> Followed:
    return Followed()


def test_the_keeper_writes_when_much_has_come_together_or_little_for_long(
    tmp_path: Path, index: Index, follower: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child()
    keeper = IndexKeeper(tmp_path, index, follower, child)
    assert not keeper.look()  # nothing to write
    index.delta_entries, follower.position = 5, 15
    assert not keeper.look()
    monkeypatch.setattr(index_keeper, "LONGEST_SECONDS", 0.0)
    assert keeper.look()
    monkeypatch.undo()
    index.delta_entries = index_keeper.MOST_IN_MEMORY + 1
    assert not keeper.look()  # it has only just written
    monkeypatch.setattr(index_keeper, "REST_SECONDS", 0.0)
    keeper = IndexKeeper(tmp_path / "other", index, follower, child)
    assert keeper.look()
    index.delta_entries, follower.position, follower.base_is_old = 0, 10, True
    assert keeper.look()
    assert [arguments[0] for arguments in child.asked] == ["flush"] * 3
    keeper.stop()


def test_only_one_process_of_a_machine_keeps(tmp_path: Path, index: Index, follower: Followed) -> None:
    follower.position = 100_000
    first, second = (IndexKeeper(tmp_path, index, follower, Child()) for _ in range(2))
    assert first.look()
    assert not second.look()
    first.stop()
    assert second.look()
    second.stop()


def test_a_failure_hurts_nobody_and_is_not_repeated_at_once(
    tmp_path: Path, index: Index, follower: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    follower.position = 100_000
    child = Child(failing=True)
    keeper = IndexKeeper(tmp_path, index, follower, child)
    assert not keeper.look()
    assert not keeper.look()
    assert len(child.asked) == 1
    assert "磁盘已满" in caplog.text
    keeper.stop()
