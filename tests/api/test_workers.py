"""Several processes behind one socket: real ones, that are killed, renewed and stopped."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api import cli
from models.database import open_engine
from models.migrate import upgrade

ROOT = Path(cli.__file__).parents[1]
PATIENCE_SECONDS = 60.0
LITTLE = """
import os, signal, sys, time
from api.measures import Measures
from api.supervisor import Supervisor

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one piece: several write

def work(place, ready):
    if {broken}:
        raise RuntimeError("broken")
    tell("answers", place, os.getpid())
    ready()
    while True:
        try:
            signal.pause()
        except KeyboardInterrupt:
            if {deaf}:
                continue
            tell("drained", place)
            return

measures = Measures(3)
measures.metrics.take_place(2)
Supervisor(work, 2, measures, grace_seconds=0.5).run(
    [], on_ready=lambda: tell("ready", os.getpid()), renew=lambda those: tell("renew", *those))
tell("ended")
"""


@contextmanager
def running(*command: str, environment: dict[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A service of its own, of which nothing is left afterwards."""
    service = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    limit = threading.Timer(PATIENCE_SECONDS, service.kill)
    limit.start()
    try:
        yield service
    finally:
        limit.cancel()
        if service.poll() is None:
            service.kill()
        service.communicate()


def little(*, broken: bool = False, deaf: bool = False) -> tuple[str, str]:
    return "-c", LITTLE.replace("{broken}", str(broken)).replace("{deaf}", str(deaf))


def heard(service: "subprocess.Popen[str]", wanted: str, times: int = 1) -> list[str]:
    """The lines up to the one that is waited for."""
    lines = []
    while times:
        line = service.stdout.readline()
        assert line, "".join(lines)
        lines.append(line)
        times -= bool(re.search(wanted, line))
    return lines


def alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


def workers_in(lines: list[str]) -> dict[int, int]:
    """Process id of each place's worker."""
    found = (re.search(r"answers (\d+) (\d+)", line) for line in lines)
    return {int(match[1]): int(match[2]) for match in found if match}


def test_a_worker_that_dies_is_replaced_in_its_place_and_all_end_together() -> None:
    with running(*little()) as service:
        lines = heard(service, "^ready")
        before = workers_in(lines)
        os.kill(before[1], signal.SIGKILL)
        after = workers_in(heard(service, "answers"))
        assert set(after) == {1}
        assert after[1] != before[1]
        service.send_signal(signal.SIGTERM)
        lines = heard(service, "ended")
        assert sum("drained" in line for line in lines) == 2
        assert service.wait() == 0
        assert not alive(before[0])
        assert not alive(after[1])


def test_workers_whose_supervisor_is_gone_end_by_themselves() -> None:
    with running(*little()) as service:
        lines = heard(service, "^ready")
        workers = workers_in(lines)
        service.kill()
        assert eventually(lambda: not any(alive(each) for each in workers.values()))


def test_a_worker_that_cannot_start_is_tried_again_ever_more_slowly() -> None:
    with running(*little(broken=True)) as service:
        lines = [line for line in heard(service, "秒后另起一个", times=4) if "秒后" in line]
        pauses = [float(re.search(r"([\d.]+) 秒后", line)[1]) for line in lines]
        assert sorted(pauses) == [0.25, 0.25, 0.5, 0.5]
        service.send_signal(signal.SIGTERM)
        heard(service, "ended")


def test_a_worker_that_does_not_stop_is_stopped() -> None:
    with running(*little(deaf=True)) as service:
        heard(service, "^ready")
        service.send_signal(signal.SIGTERM)
        assert any("强行结束" in line for line in heard(service, "ended"))
        assert service.wait() == 0


def test_a_renewal_that_fails_changes_nothing() -> None:
    with running(*little()) as service:
        lines = heard(service, "^ready")
        workers = workers_in(lines)
        service.send_signal(signal.SIGHUP)
        said = heard(service, "^renew")[-1]
        assert {int(each) for each in said.split()[1:]} == set(workers.values())
        assert all(alive(each) for each in workers.values())
        service.send_signal(signal.SIGINT)
        heard(service, "ended")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty base."""
    engine = open_engine(f"sqlite:///{tmp_path}/var/zhida.db")
    upgrade(engine)
    engine.dispose()
    return os.environ | {"ZHIDA_DATA_FOLDER": str(tmp_path / "var")}


def test_two_processes_answer_are_renewed_without_a_refusal_and_leave_nothing_behind(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with running("-m", "api.cli", "serve", "--port", "0", "--workers", "2", environment=environment) as service:
        address = re.search(r"http://[\d.:]+", "".join(heard(service, "按 Ctrl.C 停止")))[0]
        assert eventually(lambda: _status(f"{address}/readyz") == 200)
        numbers = _text(f"{address}/metrics")
        assert 'zhida_worker_starts_total{reason="start"} 2' in numbers
        statuses = set()

        asking = threading.Event()

        def ask() -> None:
            while not asking.wait(0.02):
                statuses.add(_status(f"{address}/login"))

        caller = threading.Thread(target=ask)
        caller.start()
        service.send_signal(signal.SIGHUP)
        heard(service, "按 Ctrl.C 停止")
        asking.set()
        caller.join()
        assert statuses == {200}
        service.send_signal(signal.SIGTERM)
        assert "服务已停止" in heard(service, "服务已停止")[-1]
        assert service.wait() == 0
    left = [file.name for file in (tmp_path / "var").iterdir()]
    assert not [name for name in left if name.endswith(("-wal", "-shm"))]


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def _text(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as reply:
        return str(reply.read().decode())
