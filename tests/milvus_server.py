"""A server of Milvus Lite for the tests of one module."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

STARTS_IN_SECONDS = 30


@contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """Its address. Skips the test where there is none to be had."""
    if find_spec("pymilvus") is None or find_spec("milvus_lite") is None:
        pytest.skip("pymilvus and milvus-lite are not installed here: pip install -e .[milvus,test]")
    port = _free_port()
    command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--data-dir", str(folder / "data")], stdout=log, stderr=log)
    try:
        if not _answers(port, server):
            pytest.skip(f"the server of milvus-lite does not start here: {(folder / 'log').read_text()[-300:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(port: int, server: "subprocess.Popen[bytes]") -> bool:
    until = time.monotonic() + STARTS_IN_SECONDS
    while server.poll() is None and time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
