"""A service whose index lies in Milvus: set up by its settings, told of by its commands, plain when Milvus is away."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.settings import Settings
from api.wiring import Services, build
from models.errors import Invalid, Unavailable
from models.values import Viewer
from retrieval.milvus import MilvusIndex
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, assemble, published
from tests.milvus_server import milvus_server

ALL = Viewer(everything=True)


@pytest.fixture(scope="module")
def milvus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("milvus")) as url:
        yield url


@pytest.fixture
def services(milvus_url: str, sqlite_url: str, tmp_path: Path) -> Iterator[Services]:
    settings = Settings(
        data_folder=tmp_path, database_url=sqlite_url, index="milvus", milvus_url=milvus_url, milvus_collection="served"
    )
    built = build(settings)
    yield built
    built.close()
    built.index.leave_connections()


def test_milvus_must_be_named() -> None:
    with pytest.raises(Invalid, match="ZHIDA_MILVUS_URL"):
        Settings(index="milvus")
    with pytest.raises(Invalid, match="不是网址"):
        Settings(index="milvus", milvus_url="milvus:19530")


def test_a_service_follows_and_answers_and_its_commands_compare_both_sides(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(services.index, MilvusIndex)
    with services.open_session() as session:
        assemble(session)
        live = published(session, LOST_CARD)
    services.follower.catch_up()
    assert services.follower.loaded and services.follower.lag() == 0
    assert services.index.search(LOST_CARD.question, ALL, NOW).hits[0].version_id == live.id
    settings = services.settings
    for name in ("data_folder", "database_url", "milvus_url", "milvus_collection"):
        monkeypatch.setenv(f"ZHIDA_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("ZHIDA_INDEX", "milvus")
    run = CliRunner()
    assert "已发布 1 条，Milvus 中 1 条" in run.invoke(app, ["index", "status"]).stdout
    assert "完全一致" in run.invoke(app, ["index", "verify"]).stdout
    store = services.index._store
    store.write([], [], [live.entry_id])
    faulty = run.invoke(app, ["index", "verify"])
    assert faulty.exit_code == 1 and "索引中缺少 1 条" in faulty.stdout
    assert "改正后核对无误" in run.invoke(app, ["index", "verify", "--repair"]).stdout
    assert "已重写 1 条" in run.invoke(app, ["index", "rebuild"]).stdout
    assert isinstance(run.invoke(app, ["index", "flush"]).exception, Unavailable)


def test_processes_that_are_forked_off_open_their_own_connections(services: Services) -> None:
    with services.open_session() as session:
        assemble(session)
        published(session, RESIDENCE_PERMIT)
    services.follower.catch_up()
    services.ready_to_fork()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        found = services.index.search(RESIDENCE_PERMIT.question, ALL, NOW).hits
        os._exit(0 if len(found) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(services.index.search(RESIDENCE_PERMIT.question, ALL, NOW).hits) == 1


def test_a_search_says_plainly_that_milvus_is_away(tmp_path: Path, sqlite_url: str) -> None:
    settings = Settings(data_folder=tmp_path, database_url=sqlite_url, index="milvus", milvus_url="http://127.0.0.1:9")
    built = build(settings)
    with pytest.raises(Unavailable, match="Milvus"):
        built.index.search("社保卡", ALL, NOW)
    built.close()


def test_a_process_starts_while_milvus_is_away(tmp_path: Path, sqlite_url: str) -> None:
    settings = Settings(data_folder=tmp_path, database_url=sqlite_url, index="milvus", milvus_url="http://127.0.0.1:9")
    built = build(settings)
    built.start()
    assert built.state.running and built.follower.running and not built.follower.loaded
    built.close()
