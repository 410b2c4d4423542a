"""What every response carries and how much a request may bring: plain ASGI, around the whole application."""

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
UPLOADS = frozenset({"/import", "/thesaurus/import", "/api/v1/import"})
"""Where files are taken."""
MULTIPART = b"multipart/form-data"
FORMS = frozenset({MULTIPART, b"application/x-www-form-urlencoded"})
UTF_8 = frozenset({b"utf-8", b"utf8"})
STATIC = "/static/"


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
    """Refuses with 413 a body that is too large, before more of it is read than is allowed."""

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
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            if taken > limit:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_within_limit, send)


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
