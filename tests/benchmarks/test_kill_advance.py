"""A worker that is killed in the middle costs nothing; the measurement sees it when it does."""

import time

import pytest
from sqlalchemy.orm import Session

from benchmarks import kill_advance
from kb_admin import clocks


def test_ten_kills_lose_nothing_and_send_nothing_twice(database_url: str) -> None:
    outcome = kill_advance.run("", database_url, 10, say=lambda _line: None)
    assert outcome.kills == 10
    assert outcome.steps > 100
    assert (outcome.lost, outcome.sent_twice) == (0, 0)


def test_the_recount_sees_a_step_that_is_not_one_transaction(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clocks._move_on

    def in_halves(session: Session, *given: object) -> bool:
        moved = whole(session, *given)  # type: ignore[arg-type]
        session.commit()
        time.sleep(0.03)  # so that it is killed here, whatever else the machine does
        return moved

    monkeypatch.setattr(clocks, "_move_on", in_halves)
    outcome = kill_advance.run("", sqlite_url, 10, say=lambda _line: None)
    assert outcome.lost > 0
