"""zhida gaps …: what the service does by itself, done now, and the list in a terminal."""

import sys
from pathlib import Path

import pytest

from api import cli
from api.clock import utc_now
from kb_admin import feedback
from kb_admin.gap_material import TIME_TO_TAKE_BACK
from models.database import open_engine, sessions
from tests.cast import LOST_CARD, assemble, published

ASKED = "停机坪怎么预约"


@pytest.fixture
def zhida(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_url: str):  # type: ignore[no-untyped-def]
    """Runs a command on a base with one entry and two recorded gaps; returns what it printed."""
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("ZHIDA_DATABASE_URL", sqlite_url)
    with sessions(open_engine(sqlite_url))() as session:
        cast = assemble(session)
        published(session, LOST_CARD, code="SB-001")
        for text in (ASKED, f"请问{ASKED}？"):
            when = utc_now() - 2 * TIME_TO_TAKE_BACK
            feedback.record_gap(session, question_id=None, text=text, note="", actor=cast.agent, now=when)
        session.commit()

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["zhida", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        assert not end.value.code, printed.err
        return printed.out

    return run


def test_questions_are_grouped_and_listed(zhida) -> None:  # type: ignore[no-untyped-def]
    assert "归组 2 个提问；0 组需求现已能解答" in zhida("gaps", "group")
    assert "归组 0 个提问" in zhida("gaps", "group")
    listed = zhida("gaps", "list")
    assert ASKED in listed
    assert "2 通" in listed
    assert "列出 1 组" in listed
