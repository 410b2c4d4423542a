"""What receives our messages in tests: a web server and a mail server of the simplest kind, on real sockets."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Inbox:
    """Where a receiver listens and what came; ``answers`` are the next replies, then always the last of them."""

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [200])
    requests: list[Received] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)


@contextmanager
def web_receiver() -> Iterator[Inbox]:
    """Keeps every POST, and answers as it is told."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.requests.append(Received(self.path, dict(self.headers), body))
            status = inbox.answers.pop(0) if len(inbox.answers) > 1 else inbox.answers[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write("维护中".encode() if status >= 500 else b"")

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox.port = server.server_address[1]
        yield from _serving(server, inbox)


@contextmanager
def mail_receiver() -> Iterator[Inbox]:
    """Speaks as much SMTP (RFC 5321) as it takes to receive a mail; ``answers`` are its replies to RCPT."""
    inbox = Inbox(answers=[250])

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 sink")
            for raw in self.rfile:
                command = raw.decode().strip().upper()
                if command.startswith("QUIT"):
                    self._say("221 bye")
                    return
                if command.startswith("DATA"):
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    inbox.mails.append(b"".join(lines).decode())
                if command.startswith("RCPT"):
                    status = inbox.answers.pop(0) if len(inbox.answers) > 1 else inbox.answers[0]
                    self._say(f"{status} {'ok' if status == 250 else 'no such box'}")
                else:
                    self._say("250 ok")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        inbox.port = server.server_address[1]
        yield from _serving(server, inbox)


def _serving(server: socketserver.BaseServer, inbox: Inbox) -> Iterator[Inbox]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield inbox
    server.shutdown()
    thread.join()
