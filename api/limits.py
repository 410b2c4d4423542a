"""What every response carries and how much a request may bring: plain ASGI, around the whole application; and how
often one address may come to pages that anybody may open."""

import asyncio
import threading
from collections import defaultdict, deque
from datetime import datetime, timedelta

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NOT_KEPT = {"Cache-Control": "no-store"}
"""For everything but static files: what it says depends on who asks."""
UPLOADS = frozenset({"/import", "/thesaurus/import", "/tests/import", "/api/v1/import"})
"""Where files are taken."""
MULTIPART = b"multipart/form-data"
FORMS = frozenset({MULTIPART, b"application/x-www-form-urlencoded"})
UTF_8 = frozenset({b"utf-8", b"utf8"})
STATIC = "/static/"
BODY_SECONDS = 20.0
"""A whole request must be there within this time; a file to be imported within the next."""
UPLOAD_SECONDS = 600.0
READING_SECONDS = 60.0
"""Who takes no piece of the answer for so long is given up."""


class SecurityHeaders:
    """Adds the headers above; only static files may be kept by caches."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith(STATIC):
                    for name, value in NOT_KEPT.items():
                        headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class BodyLimit:
    """Refuses with 413 a body that is too large, before more of it is read than is allowed, and with 408 one that
    takes too long to come; gives up who does not take the answer."""

    def __init__(self, app: ASGIApp, request_bytes: int, import_bytes: int) -> None:
        self.app = app
        self.request_bytes = request_bytes
        self.import_bytes = import_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.import_bytes if scope["path"] in UPLOADS else self.request_bytes
        declared = Headers(scope=scope).get("content-length", "0")
        taken = int(declared) if declared.isdecimal() else 0
        received, whole = 0, scope["method"] in ("GET", "HEAD")
        until = asyncio.get_running_loop().time() + (UPLOAD_SECONDS if scope["path"] in UPLOADS else BODY_SECONDS)

        async def receive_within_limit() -> Message:
            nonlocal received, whole
            if taken > limit:
                raise HTTPException(413)
            try:
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, headers={"Connection": "close"}) from error
            whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        async def send_to_who_takes_it(message: Message) -> None:
            async with asyncio.timeout(READING_SECONDS):
                await send(message)

        await self.app(scope, receive_within_limit, send_to_who_takes_it)


class FormEncoding:
    """Refuses with 415, before it is read, a form that is not UTF-8, and a multipart one where no file is taken.

    Starlette decodes the fields of a multipart form by the codec that its Content-Type names, whatever that is, and
    before anybody has asked who sends it: punycode stops the process for seconds, unicode_escape makes text that
    nothing can store. Charsets of the parts and a field ``_charset_`` it does not heed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refuse() -> Message:
            raise HTTPException(415)

        readable = scope["type"] != "http" or _is_readable(Headers(scope=scope).get("content-type"), scope["path"])
        await self.app(scope, receive if readable else refuse, send)


def _is_readable(content_type: str | None, path: str) -> bool:
    """Judged by the parse of the header that Starlette itself goes by."""
    kind, options = parse_options_header(content_type)
    if kind not in FORMS:
        return True
    charset = options.get(b"charset", b"utf-8").lower()
    return charset in UTF_8 and (kind != MULTIPART or path in UPLOADS)


class PerAddress:
    """Lets each address come ``most`` times ``within`` a time; kept in this process alone.

    Many telephones share one address of their network, so it stops who tries out links, not who follows one.
    """

    LONGEST = 10_000
    """Addresses that are remembered; past that, those that have come no more are forgotten."""

    def __init__(self, most: int, within: timedelta) -> None:
        self._most = most
        self._within = within
        self._came: defaultdict[str, deque[datetime]] = defaultdict(deque)
        self._lock = threading.Lock()

    def let_in(self, address: str, now: datetime) -> bool:
        """Whether the address may come once more; it counts as one visit if it may."""
        with self._lock:
            if len(self._came) > self.LONGEST:
                self._forget(now)
            visits = self._came[address]
            while visits and visits[0] <= now - self._within:
                visits.popleft()
            if len(visits) >= self._most:
                return False
            visits.append(now)
            return True

    def _forget(self, now: datetime) -> None:
        gone = [address for address, visits in self._came.items() if not visits or visits[-1] <= now - self._within]
        for address in gone:
            del self._came[address]
