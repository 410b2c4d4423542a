"""Turns: how many requests are worked on at once, how many may wait for that, and how long.

Without such bounds a rush ends in a pile-up: everybody waits ever longer, and what is done at last, nobody waits for.
With them whoever is let in is answered quickly, and the others are told at once to come back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.measures import Measures, Refusal

RETRY_SECONDS = 2
"""What a refused caller is told to wait: longer than the queue takes to empty."""
SEARCHES = frozenset({"/ask", "/api/v1/search"})
SUGGESTIONS = frozenset({"/suggest", "/api/v1/suggest"})
UNBOUNDED = ("/static/", "/healthz", "/readyz", "/metrics", "/api/v1/version", "/api/v1/health")
"""Cheap, or must answer just when all else waits."""
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class Overloaded(HTTPException):
    """So many wait that this request is not let in; Retry-After says when to come back."""

    def __init__(self) -> None:
        super().__init__(503, headers={"Retry-After": str(RETRY_SECONDS)})


@dataclass(frozen=True)
class Bounds:
    """Of one queue in one process."""

    at_once: int
    longest: int
    wait_seconds: float


class Queue:
    """First come, first served. For one event loop."""

    def __init__(self, name: str, bounds: Bounds, measures: Measures) -> None:
        self.name = name
        self._bounds = bounds
        self._measures = measures
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        return self._under_way

    async def enter(self) -> None:
        """Returns when it is the caller's turn, who calls ``leave`` later. Raises Overloaded."""
        if self._under_way < self._bounds.at_once and not self._waiting:
            self._under_way += 1
            self._measures.waited.observe(0.0, self.name)
            self._tell()
            return
        if len(self._waiting) >= self._bounds.longest:
            raise self._refusal("full")
        started = time.perf_counter()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._tell()
        try:
            async with asyncio.timeout(self._bounds.wait_seconds):
                await turn
        except TimeoutError as error:
            if not self._given_up(turn):
                return
            raise self._refusal("late") from error
        except asyncio.CancelledError:
            if not self._given_up(turn):
                self.leave()
            raise
        finally:
            self._measures.waited.observe(time.perf_counter() - started, self.name)

    def leave(self) -> None:
        """The turn goes to who has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._tell()
                return
        self._under_way -= 1
        self._tell()

    def _given_up(self, turn: "asyncio.Future[None]") -> bool:
        """Whether the wait ended without a turn; at the last moment it may have come all the same."""
        if turn.done() and not turn.cancelled():
            return False
        if turn in self._waiting:
            self._waiting.remove(turn)
        self._tell()
        return True

    def _refusal(self, reason: Refusal) -> Overloaded:
        self._measures.refused.add(self.name, reason)
        return Overloaded()

    def _tell(self) -> None:
        self._measures.waiting.set(len(self._waiting), self.name)
        self._measures.under_way.set(self._under_way, self.name)


class Turns:
    """Around the application: every request but the cheapest waits for its turn in one of the queues.

    Searches, suggestions and all other pages each have their own, so that a page that takes long cannot starve the
    search box. A request with a body gets its turn when the whole body is there: a slow sender holds nobody up. It
    gives its turn back when the answer begins to leave: nor does a slow reader.
    """

    def __init__(
        self, app: ASGIApp, *, queues: Callable[[], dict[str, Queue]], respond: Callable[[Request], Response]
    ) -> None:
        """``respond`` makes the answer to who is not let in."""
        self.app = app
        self._make_queues = queues
        self._respond = respond
        self._queues: dict[str, Queue] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNBOUNDED):
            await self.app(scope, receive, send)
            return
        if self._queues is None:
            self._queues = self._make_queues()
        visit = _Visit(self._queues[queue_of(scope)], receive, send)
        try:
            if scope["method"] in WITHOUT_BODY:
                try:
                    await visit.enter()
                except Overloaded:
                    await self._respond(Request(scope))(scope, receive, send)
                    return
            await self.app(scope, visit.receive, visit.send)
        finally:
            visit.leave()


def queue_of(scope: Scope) -> str:
    """Where the request waits: the search page with a question is a search like any other."""
    path = scope["path"]
    if path in SUGGESTIONS:
        return "suggest"
    if path in SEARCHES or (path == "/" and scope["query_string"]):
        return "search"
    return "page"


class _Visit:
    """One request's way through its queue."""

    def __init__(self, queue: Queue, receive: Receive, send: Send) -> None:
        self._queue = queue
        self._receive: Callable[[], Awaitable[Message]] = receive
        self._send: Callable[[Message], Awaitable[None]] = send
        self._inside = False

    async def enter(self) -> None:
        await self._queue.enter()
        self._inside = True

    def leave(self) -> None:
        if self._inside:
            self._inside = False
            self._queue.leave()

    async def receive(self) -> Message:
        message = await self._receive()
        whole = message["type"] == "http.request" and not message.get("more_body", False)
        if whole and not self._inside and not self._left:
            await self.enter()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.leave()
            self._left = True
        await self._send(message)

    _left = False
