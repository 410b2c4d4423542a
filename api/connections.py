"""Connections that do not outstay their welcome: bounds that uvicorn itself does not set."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import limits

HEADERS_SECONDS = 10.0
"""A connection's first request must have begun, and the headers of each be whole, within this time."""
KEEP_ALIVE_SECONDS = 20
"""Between two requests of a browser or a proxy."""
MOST_CONNECTIONS = 900
"""Of one process: below the 1,024 files that a system lets a process have open, and that also holds the database."""
MOST_HEADER_BYTES = 32_768
FULL = (
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
)
FULL_SENTENCE = "此刻使用的人太多，请过几秒再试。".encode()


class Connection(HttpToolsProtocol):
    """One connection. Who sends no request, or one that never ends, is cut off; so is who takes no piece of an answer,
    and who comes when all is full."""

    _cut_off: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.write(FULL.format(length=len(FULL_SENTENCE)).encode() + FULL_SENTENCE)
            transport.close()
            return
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        self._has_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._has_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_headers:
            self._header_bytes += len(data)
            if self._cut_off is None:
                self._await_headers()
        super().data_received(data)
        if self._in_headers and self._header_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Headers too large.")

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._headers_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._headers_came()
        self._in_headers, self._header_bytes = True, 0

    def on_response_complete(self) -> None:
        """The rest of a body that nobody waits for any more has as long as headers."""
        super().on_response_complete()
        if not self._in_headers and self._cut_off is None and not self.transport.is_closing():
            self._await_headers()

    def _await_headers(self) -> None:
        self._cut_off = cast("Any", self.loop).call_later(HEADERS_SECONDS, self._give_up)

    def _headers_came(self) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None

    def _watch_reader(self) -> None:
        """A transport that is closed first sends what it still holds, however long nobody takes it."""
        left = cast("Any", self.transport).get_write_buffer_size()
        if left and self._reading is None:
            self._reading = cast("Any", self.loop).call_later(limits.READING_SECONDS, self._look_at_reader, left)

    def _has_read(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _look_at_reader(self, left_before: int) -> None:
        self._reading = None
        if cast("Any", self.transport).get_write_buffer_size() >= left_before:
            self.transport.abort()
        else:
            self._watch_reader()

    def _give_up(self) -> None:
        self._cut_off = None
        if not self.transport.is_closing():
            self.transport.close()
