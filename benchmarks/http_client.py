"""Agents at their search boxes, as a load: raw connections that stay open, requests by the clock.

The load is open: each request is due at its own moment, whether the service keeps up or not, and its time counts from
that moment. A client that waits for one answer before it asks again would measure a slow service as a quiet one.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import httptools
import numpy as np

SEARCH, SUGGEST = "search", "suggest"
MOST_CONNECTIONS = 600
GIVE_UP_SECONDS = 15.0


@dataclass(frozen=True)
class Rates:
    """Requests a second."""

    search: float
    suggest: float

    def times(self, factor: float) -> "Rates":
        return Rates(self.search * factor, self.suggest * factor)


@dataclass
class Tally:
    """What became of the requests of one kind."""

    ms: list[float] = field(default_factory=list)
    """Of those that were answered with 200."""
    refused: int = 0
    """503 with Retry-After."""
    errors: int = 0
    """Anything else, or nothing at all."""

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.ms, percent)) if self.ms else float("inf")


@dataclass
class Load:
    """One stretch of time at one rate."""

    rates: Rates
    seconds: float
    tallies: dict[str, Tally] = field(default_factory=lambda: {SEARCH: Tally(), SUGGEST: Tally()})

    @property
    def errors(self) -> int:
        return sum(tally.errors for tally in self.tallies.values())

    @property
    def refused(self) -> int:
        return sum(tally.refused for tally in self.tallies.values())

    @property
    def worst_p95(self) -> float:
        return max(tally.percentile(95) for tally in self.tallies.values())


class Agents:
    """Everybody's connections to one service. For one event loop."""

    def __init__(self, port: int, cookies: Sequence[str], questions: Sequence[str], seed: int = 1) -> None:
        self._port = port
        self._cookies = cookies
        self._questions = questions
        self._chance = random.Random(seed)
        self._free: list[_Connection] = []
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)

    async def ask(self, rates: Rates, seconds: float) -> Load:
        """Both kinds of requests at random moments, so many a second on average; returns when all have ended."""
        load = Load(rates, seconds)
        loop = asyncio.get_running_loop()
        start, under_way = loop.time() + 0.05, set[asyncio.Task[None]]()
        for due, kind in self._schedule(rates, seconds):
            if (pause := start + due - loop.time()) > 0:
                await asyncio.sleep(pause)
            task = asyncio.create_task(self._one(load.tallies[kind], self._request(kind), start + due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
        return load

    def close(self) -> None:
        for connection in self._free:
            connection.close()

    def _schedule(self, rates: Rates, seconds: float) -> list[tuple[float, str]]:
        due = []
        for kind, rate in ((SEARCH, rates.search), (SUGGEST, rates.suggest)):
            moment = self._chance.expovariate(rate)
            while moment < seconds:
                due.append((moment, kind))
                moment += self._chance.expovariate(rate)
        return sorted(due)

    def _request(self, kind: str) -> bytes:
        question = self._chance.choice(self._questions)
        if kind == SUGGEST:
            question = question[: self._chance.randint(1, 8)]
        path = "/ask" if kind == SEARCH else "/suggest"
        cookie = self._chance.choice(self._cookies)
        return (
            f"GET {path}?q={quote(question)} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nCookie: {cookie}\r\n"
            "Sec-Fetch-Site: same-origin\r\n\r\n"
        ).encode()

    async def _one(self, tally: Tally, request: bytes, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(due + GIVE_UP_SECONDS), self._room:
                status, retry = await self._answer(request)
        except (OSError, TimeoutError):
            tally.errors += 1
            return
        if status == 200:
            tally.ms.append((loop.time() - due) * 1000)
        elif status == 503 and retry:
            tally.refused += 1
        else:
            tally.errors += 1

    async def _answer(self, request: bytes) -> tuple[int, bool]:
        """Status, and whether the answer says when to come back. A connection that the service has closed since is
        opened anew."""
        while self._free:
            connection = self._free.pop()
            if connection.usable:
                break
        else:
            connection = await self._open()
        try:
            answer = await connection.send(request)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            self._free.append(connection)
        return answer

    async def _open(self) -> "_Connection":
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
        return connection


class _Connection(asyncio.Protocol):
    """One answer at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[tuple[int, bool]] | None = None
        self._retry = False

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> "asyncio.Future[tuple[int, bool]]":
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._retry = False
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("closed before the answer"))
        self._transport = None

    def on_header(self, name: bytes, _value: bytes) -> None:
        self._retry = self._retry or name.lower() == b"retry-after"

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((self._parser.get_status_code(), self._retry))
        self._parser = httptools.HttpResponseParser(self)
