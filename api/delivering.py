"""Sending what waits in the outbox: a signed POST to the city's other systems, a mail to who has an address.

A message may arrive twice when we are stopped between its arrival and our note of it: receivers tell by
``X-Zhida-Delivery``, and mail programs by the Message-ID.
"""

import hashlib
import hmac
import http.client
import json
import logging
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from api.repeating import Repeating
from api.settings import MailSecurity, Settings
from kb_admin import deliveries
from kb_admin.deliveries import WAYS_OUT, Parcel
from kb_admin.notifications import holders, tell_inside
from models.database import sessions
from models.values import Channel, Role

TIMEOUT_SECONDS = 10.0
"""For each step of a conversation. A mail takes some eight of them, less than ``deliveries.LEASE`` together."""
POLL_SECONDS = 1.0
LONGEST_SUBJECT = 60
READ_OF_REFUSAL = 200
"""Bytes of what a receiver says when it refuses: enough to know why."""

log = logging.getLogger(__name__)


class NotDelivered(Exception):
    """The receiver could not be reached or did not take it; ``str`` says why."""


class WayOut(Protocol):
    """One channel as it is set up."""

    @property
    def channel(self) -> Channel: ...

    def send(self, parcel: Parcel, now: datetime) -> None:
        """Returns once the receiver has taken it. Raises NotDelivered."""


@dataclass(frozen=True)
class Webhook:
    """POSTs each message as JSON to one address, signed with a secret that the receiver knows."""

    url: str
    secret: str
    site_url: str
    channel: Channel = Channel.WEBHOOK

    def send(self, parcel: Parcel, now: datetime) -> None:
        told = {**parcel.body, "address": self.site_url + parcel.body["address"]}
        body = json.dumps(told, ensure_ascii=False).encode()
        timestamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Zhida-Event": deliveries.kind_of(parcel.event),
            "X-Zhida-Delivery": str(parcel.id),
            "X-Zhida-Timestamp": timestamp,
            "X-Zhida-Signature": signature(self.secret, timestamp, body),
        }
        try:
            status, said = self._post(body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotDelivered(f"连接失败：{error or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise NotDelivered(f"对方答复 {status}：{said}")

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        target = urlsplit(self.url)
        secure = target.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(target.hostname or "", target.port, timeout=TIMEOUT_SECONDS)
        try:
            path = (target.path or "/") + (f"?{target.query}" if target.query else "")
            connection.request("POST", path, body=body, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read(READ_OF_REFUSAL).decode(errors="replace")
        finally:
            connection.close()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over "timestamp.body": a receiver that knows the secret can tell that it is ours and recent."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Mail:
    """Sends each message as a mail through the office's server."""

    host: str
    port: int
    security: MailSecurity
    user: str
    password: str
    sender: str
    site_url: str
    channel: Channel = Channel.MAIL

    def send(self, parcel: Parcel, now: datetime) -> None:
        try:
            with self._connect() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(self._message(parcel, now))
        except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: an address that none can be
            raise NotDelivered(f"邮件服务器：{error}") from error

    def _connect(self) -> smtplib.SMTP:
        if self.security is MailSecurity.TLS:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        if self.security is MailSecurity.STARTTLS:
            server.starttls(context=ssl.create_default_context())
        return server

    def _message(self, parcel: Parcel, now: datetime) -> EmailMessage:
        text = str(parcel.body["text"])
        line = " ".join(text.split())  # a header is one line; a reason that somebody gave may be several
        message = EmailMessage(policy=SMTP)
        message["Subject"] = f"【知识库】{line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + '…'}"
        message["From"] = self.sender
        message["To"] = parcel.recipient
        message["Date"] = now
        message["Message-ID"] = f"<zhida-{parcel.id}@{self.sender.rpartition('@')[2].rstrip('>')}>"
        message.set_content(f"{text}\n\n{self.site_url}{parcel.body['address']}\n")
        return message


class Courier(Repeating):
    """Sends what waits for one channel, one message at a time. Any number of them may run, in any number of
    processes."""

    def __init__(
        self, open_session: sessionmaker[Session], way: WayOut, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__(f"courier-{way.channel.value}", self.send_due, every_seconds=POLL_SECONDS)
        self._open_session = open_session
        self._way = way
        self._clock = clock

    def send_due(self) -> int:
        """Try all that is to be tried by now; returns how many arrived."""
        arrived = 0
        while not self.stopping and (parcel := self._take()) is not None:
            arrived += self._send(parcel)
        return arrived

    def _take(self) -> Parcel | None:
        with self._open_session() as session:
            taken = deliveries.take(session, self._clock(), channels=frozenset({self._way.channel}), limit=1)
            session.commit()
        return taken[0] if taken else None

    def _send(self, parcel: Parcel) -> bool:
        try:
            self._way.send(parcel, self._clock())
        except NotDelivered as error:
            self._failed(parcel, str(error))
            return False
        with self._open_session() as session:
            deliveries.arrived(session, parcel, self._clock())
            session.commit()
        return True

    def _failed(self, parcel: Parcel, why: str) -> None:
        now = self._clock()
        with self._open_session() as session:
            if deliveries.failed(session, parcel, why, now):
                log.warning(
                    "%s第 %s 号消息试了 %s 次没有送达：%s", parcel.channel.label, parcel.id, parcel.attempt, why
                )
                people = holders(session, Role.ADMINISTRATOR)
                text = f"{parcel.channel.label}第 {parcel.id} 号消息试了 {parcel.attempt} 次没有送达，不再重试：{why}"
                event = f"delivery:{parcel.id}:given_up"
                tell_inside(session, people, event, text=text, address="/notifications", at=now)
            session.commit()


def ways_out(settings: Settings) -> tuple[WayOut, ...]:
    """The channels that are set up."""
    ways: list[WayOut] = []
    if settings.webhook_url:
        ways.append(Webhook(settings.webhook_url, settings.webhook_secret.get_secret_value(), settings.site_url))
    if settings.smtp_host:
        ways.append(
            Mail(
                host=settings.smtp_host,
                port=settings.smtp_port,
                security=settings.smtp_security,
                user=settings.smtp_user,
                password=settings.smtp_password.get_secret_value(),
                sender=settings.smtp_from,
                site_url=settings.site_url,
            )
        )
    return tuple(ways)


def sessions_of(engine: Engine, settings: Settings) -> sessionmaker[Session]:
    """The factory of sessions whose actions also write what is to be sent."""
    open_session = sessions(engine)
    open_session.configure(info={WAYS_OUT: frozenset(way.channel for way in ways_out(settings))})
    return open_session
