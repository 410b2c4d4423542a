"""The worker beside the service and in a process of its own: what is due gets done while nobody looks."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.repeating import Repeating
from api.settings import Settings
from api.wiring import Services, build
from api.worker import Worker
from kb_admin import duties, notices
from kb_admin.worktime import CalendarNotPublished
from models.notices import Clock, ClockEvent, Notice
from models.values import ClockEventKind, NoticeKind
from tests.cast import NOW, Cast
from tests.kb_admin.test_clocks import at, correction

PATIENCE_SECONDS = 20


def wait_until(holds: Callable[[], bool]) -> None:
    """A thread or a process needs a moment."""
    end = time.perf_counter() + PATIENCE_SECONDS
    while not holds():
        assert time.perf_counter() < end, "it did not happen"
        time.sleep(0.02)


def overdue(session: Session, cast: Cast) -> Notice:
    """A notice whose limit ended years ago, and nobody has looked."""
    now = datetime(2025, 3, 3, 2, 0, tzinfo=UTC)
    notice = notices.open_notice(
        session, kind=NoticeKind.QUESTION, unit=cast.unit, title="旧题", dispatched=True, actor=cast.office, now=now
    )
    session.commit()
    return notice


def ran_out(session: Session) -> bool:
    session.rollback()
    return ClockEventKind.EXPIRED in session.scalars(select(ClockEvent.kind)).all()


def test_it_does_all_that_is_due_and_then_nothing(services: Services, base: Session, people: Cast) -> None:
    for _ in range(3):
        correction(base, people)
    base.commit()
    worker = Worker(services.open_session, clock=lambda: at("12-01 09:00"))
    assert worker.catch_up() >= 3
    assert base.scalars(select(Clock.next_at)).all() == [None] * 3
    assert worker.catch_up() == 0


def test_it_ticks_by_itself_until_it_is_stopped(services: Services, base: Session, people: Cast) -> None:
    overdue(base, people)
    worker = Worker(services.open_session)
    worker.start()
    wait_until(lambda: ran_out(base))
    worker.stop()
    assert not worker.running


def test_a_failure_is_logged_and_the_work_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.repeating.RETRY_SECONDS", 0.01)
    done = []

    def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("数据库不在")

    repeating = Repeating("试", work, every_seconds=0.01)
    repeating.start()
    wait_until(lambda: len(done) > 2)
    repeating.stop()
    assert "数据库不在" in caplog.text


def test_a_missing_year_is_logged_once(
    services: Services, people: Cast, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_args: object, **_kwargs: object) -> int:
        raise CalendarNotPublished(2031)

    monkeypatch.setattr(duties, "open_periodic", missing)
    worker = Worker(services.open_session, clock=lambda: NOW)
    with caplog.at_level(logging.WARNING):
        worker.catch_up()
        worker.catch_up()
    assert caplog.text.count("2031") == 1


def test_the_service_does_it_too_unless_told_otherwise(tmp_path: Path, sqlite_url: str) -> None:
    for does, own in ((True, ["worker", "learning"]), (False, [])):
        built = build(Settings(data_folder=tmp_path, database_url=sqlite_url, worker=does))
        assert [part.name for part in built.workers] == ["weights", "uses", "gauging"]
        assert [part.name for part in built.timed] == [*own, "index keeper", "test-runner", "gaps"]
        built.close()


@pytest.fixture
def process(services: Services) -> Iterator[subprocess.Popen[str]]:
    """zhida worker on the base of ``services``."""
    settings = services.settings
    environment = {
        **os.environ,
        "ZHIDA_DATA_FOLDER": str(settings.data_folder),
        "ZHIDA_DATABASE_URL": settings.database_url,
    }
    command = [sys.executable, "-m", "api.cli", "worker"]
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.wait()


def test_it_runs_as_a_process_of_its_own(base: Session, people: Cast, process: subprocess.Popen[str]) -> None:
    overdue(base, people)
    wait_until(lambda: ran_out(base))
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert "已停止" in said
