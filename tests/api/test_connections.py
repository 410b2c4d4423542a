"""Connections that are cut off: who takes no answer, and who never ends a body that nobody waits for."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from api import connections, limits
from api.connections import Connection

LONG = 20_000_000
"""Bytes: more than the system takes from us before the other side has read any."""
PATIENCE_SECONDS = 20.0


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    length = LONG if scope["path"] == "/long" else 2
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(length).encode())]})
    await send({"type": "http.response.body", "body": b"x" * length})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(limits, "READING_SECONDS", 0.2)
    monkeypatch.setattr(connections, "HEADERS_SECONDS", 0.2)
    config = uvicorn.Config(
        answer, http=Connection, lifespan="off", port=0, timeout_keep_alive=60, timeout_graceful_shutdown=1
    )
    made = uvicorn.Server(config)
    thread = threading.Thread(target=made.run)
    thread.start()
    assert eventually(lambda: made.started)
    yield made
    made.should_exit = True
    thread.join()


def caller(server: uvicorn.Server) -> socket.socket:
    return socket.create_connection(server.servers[0].sockets[0].getsockname())


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


def test_who_takes_no_piece_of_an_answer_is_cut_off(server: uvicorn.Server) -> None:
    with caller(server) as silent:
        silent.sendall(b"GET /long HTTP/1.1\r\nHost: here\r\n\r\n")
        assert eventually(lambda: server.server_state.total_requests == 1)
        assert eventually(lambda: not server.server_state.connections)


def test_who_never_ends_a_body_after_the_answer_is_cut_off(server: uvicorn.Server) -> None:
    with caller(server) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\nx")
        assert eventually(lambda: server.server_state.total_requests == 1)
        slow.sendall(b"x")  # it goes on, so that it does not count as idle
        assert eventually(lambda: not server.server_state.connections)


def test_who_takes_a_long_answer_gets_all_of_it(server: uvicorn.Server) -> None:
    with caller(server) as reader:
        reader.sendall(b"GET /long HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := reader.recv(1 << 20):
            got += len(piece)
    assert got > LONG
