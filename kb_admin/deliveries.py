"""What goes out of the system, by webhook or mail: written down in the transaction that it tells of, sent afterwards.

Which ways out there are is a setting of the process; its sessions carry it (``info={WAYS_OUT: …}``), so that an action
need not be told. A message is taken by one sender at a time, tried again with growing pauses, and given up at last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kb_admin.upserts import insert_into
from models.messages import Delivery
from models.organisation import Person
from models.values import Channel

WAYS_OUT = "ways_out"
"""Key in a session's ``info``: the channels that are set up, as a frozenset. Nothing there: none."""
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300, 600, 1800, 3600, 10800))
"""After the first failed attempt, the second …: ten attempts within some five hours, a night's outage of a receiver
apart. After the last it is given up."""
LEASE = timedelta(minutes=2)
"""Longer than an attempt may take; then the sender has died and another takes its place."""
LONGEST_ERROR = 500


@dataclass(frozen=True)
class Parcel:
    """A message that one sender has taken, as plain values: no transaction is open while it is sent."""

    id: int
    channel: Channel
    event: str
    recipient: str
    body: Mapping[str, Any]
    attempt: int
    """1 for the first."""


def kind_of(event: str) -> str:
    """What an event is, without the numbers: "clock.expired" for "clock:12:expired:1"."""
    return ".".join(part for part in event.split(":") if not part.isdigit())


def queue(
    session: Session,
    *,
    event: str,
    people: Sequence[Person],
    text: str,
    address: str,
    details: Mapping[str, Any],
    at: datetime,
) -> None:
    """Write down what is to be sent: one message for the webhook, and a mail for each of these people who has one."""
    ways: frozenset[Channel] = session.info.get(WAYS_OUT, frozenset())
    recipients = [(Channel.WEBHOOK, "")] if Channel.WEBHOOK in ways else []
    if Channel.MAIL in ways:
        recipients += [(Channel.MAIL, mail) for mail in sorted({person.mail for person in people if person.mail})]
    if not recipients:
        return
    body = {"event": kind_of(event), "key": event, "at": at.isoformat(), "text": text, "address": address, **details}
    rows = [
        {
            "channel": channel,
            "event": event,
            "recipient": recipient,
            "body": body,
            "created_at": at,
            "attempts": 0,
            "next_at": at,
            "error": "",
        }
        for channel, recipient in recipients
    ]
    once = insert_into(session, Delivery).on_conflict_do_nothing(index_elements=["channel", "event", "recipient"])
    session.execute(once, rows)


def take(session: Session, now: datetime, *, channels: frozenset[Channel], limit: int = 20) -> list[Parcel]:
    """The messages to be sent now, for the caller alone until ``LEASE`` has passed. Commit before sending."""
    due = (
        select(Delivery.id, Delivery.next_at)
        .where(Delivery.next_at <= now, Delivery.channel.in_(channels))
        .order_by(Delivery.next_at, Delivery.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for delivery_id, next_at in session.execute(due).tuples().all():
        claim = (
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.next_at == next_at)
            .values(next_at=now + LEASE, attempts=Delivery.attempts + 1)
            .returning(
                Delivery.id,
                Delivery.channel,
                Delivery.event,
                Delivery.recipient,
                Delivery.body,
                Delivery.attempts,
            )
            .execution_options(synchronize_session=False)
        )
        taken += [Parcel(*row) for row in session.execute(claim).tuples()]
    return taken


def arrived(session: Session, parcel: Parcel, now: datetime) -> None:
    """It is there; nobody sends it again."""
    _after_attempt(session, parcel, sent_at=now, next_at=None, error="")


def failed(session: Session, parcel: Parcel, error: str, now: datetime) -> bool:
    """It did not arrive; returns whether it is given up now."""
    pause = PAUSES[parcel.attempt - 1] if parcel.attempt <= len(PAUSES) else None
    next_at = now + pause if pause else None
    _after_attempt(session, parcel, sent_at=None, next_at=next_at, error=error[:LONGEST_ERROR])
    return pause is None


def waiting(session: Session) -> Sequence[Delivery]:
    """What has not arrived, given up or not, the oldest first."""
    unsent = select(Delivery).where(Delivery.sent_at.is_(None)).order_by(Delivery.created_at, Delivery.id)
    return session.scalars(unsent).all()


def try_again(session: Session, *, now: datetime) -> int:
    """Send once more what was given up; returns how many."""
    given_up = update(Delivery).where(Delivery.sent_at.is_(None), Delivery.next_at.is_(None))
    again = given_up.values(next_at=now, attempts=0, error="").returning(Delivery.id)
    return len(session.scalars(again.execution_options(synchronize_session=False)).all())


def _after_attempt(
    session: Session, parcel: Parcel, *, sent_at: datetime | None, next_at: datetime | None, error: str
) -> None:
    """Unless another sender, who came when the lease had passed, has gone on with it."""
    done = update(Delivery).where(Delivery.id == parcel.id, Delivery.attempts == parcel.attempt)
    told = done.where(Delivery.sent_at.is_(None)).values(sent_at=sent_at, next_at=next_at, error=error)
    session.execute(told.execution_options(synchronize_session=False))
