"""zhida ranker … and zhida learn, on a base of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from api.cli import app
from kb_admin.ranker_fits import in_force
from models.database import open_engine, sessions
from models.errors import Invalid, NotFound
from tests.api.test_proposal_pages import TestWeights
from tests.cast import assemble

Zhida = Callable[..., str]


@pytest.fixture
def zhida(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zhida:
    """Runs a command and returns what it printed; raises what a person would be told."""
    monkeypatch.setenv("ZHIDA_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path))

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None:
            raise result.exception
        return result.output

    return run


@pytest.fixture
def opened(sqlite_url: str) -> Session:
    return sessions(open_engine(sqlite_url))()


def test_weights_are_listed_shown_promoted_and_undone(zhida: Zhida, opened: Session) -> None:
    fit = TestWeights.kept(opened)
    assert "可采用 检验得出的话。" in zhida("ranker", "list")
    assert '"held_confirmed": 110' in zhida("ranker", "show", str(fit.id))
    assert "几秒内生效" in zhida("ranker", "promote", str(fit.id))
    opened.expire_all()
    assert in_force(opened, "words") is fit
    assert "改用随产品的权重" in zhida("ranker", "undo", str(fit.id))
    opened.expire_all()
    assert in_force(opened, "words") is None


def test_what_is_not_better_is_refused_and_there_is_no_way_around(zhida: Zhida, opened: Session) -> None:
    fit = TestWeights.kept(opened, better=False)
    with pytest.raises(Invalid, match="不能采用"):
        zhida("ranker", "promote", str(fit.id))
    with pytest.raises(SystemExit):
        zhida("ranker", "promote", str(fit.id), "--anyway")
    with pytest.raises(NotFound):
        zhida("ranker", "promote", "99")


def test_an_empty_log_teaches_nothing(zhida: Zhida, opened: Session) -> None:
    assemble(opened)
    assert zhida("learn") == "相似问法建议 0 条，同义词建议 0 条，撤回不再有依据的 0 条。\n"
    with pytest.raises(Invalid, match="近期没有确认过答案的提问"):
        zhida("ranker", "refit")
