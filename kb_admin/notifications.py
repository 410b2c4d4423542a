"""What people are told in the system: one message to each person for each event, read or unread."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from kb_admin import deliveries
from kb_admin.permissions import UNIT_PARTIES
from kb_admin.rulebook import Party
from kb_admin.upserts import insert_into
from models.messages import Notification
from models.organisation import Person, RoleGrant, Unit
from models.values import Level, Role

UNIT_PEOPLE = (Party.EDITOR, Party.REVIEWER, Party.LEADER)
LISTED = 200
"""Messages on the page: some weeks of a busy person."""
LONGEST_TEXT = 512


def tell(  # noqa: PLR0917 - six things make a message
    session: Session,
    people: Iterable[Person],
    event: str,
    text: str,
    address: str,
    at: datetime,
    *,
    details: Mapping[str, Any] | None = None,
) -> None:
    """One message to each of them, and outwards where that is set up; who was told of the event before is not again.

    ``event`` says what happened to what ("clock:12:expired:1"), ``address`` is the page that shows it, ``at`` when it
    happened. ``details`` go out beside the text, for programs.
    """
    told = sorted(set(people), key=lambda person: person.id)
    tell_inside(session, told, event, text=text, address=address, at=at)
    deliveries.queue(session, event=event, people=told, text=text, address=address, details=details or {}, at=at)


def tell_inside(
    session: Session, people: Sequence[Person], event: str, *, text: str, address: str, at: datetime
) -> None:
    """The same for what does not leave the system."""
    if not people:
        return
    words = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    rows = [{"person_id": p.id, "event": event, "text": words, "address": address, "at": at} for p in people]
    once = insert_into(session, Notification).on_conflict_do_nothing(index_elements=["person_id", "event"])
    session.execute(once, rows)


def parties(session: Session, unit: Unit, *wanted: Party) -> list[Person]:
    """Everybody who is one of these parties for the unit and whose account is open."""
    grants = or_(*(_holds(party, unit) for party in wanted))
    query = select(Person).where(Person.active, Person.id.in_(select(RoleGrant.person_id).where(grants)))
    return list(session.scalars(query.order_by(Person.id)))


def holders(session: Session, role: Role) -> list[Person]:
    """Everybody with a role that is bound to no unit, whose account is open."""
    held = select(RoleGrant.person_id).where(RoleGrant.role == role)
    return list(session.scalars(select(Person).where(Person.active, Person.id.in_(held)).order_by(Person.id)))


def unread(session: Session, person_id: int) -> int:
    """How many messages the person has not read."""
    mine = select(func.count()).where(Notification.person_id == person_id, Notification.read_at.is_(None))
    return session.scalars(mine).one()


def list_for(session: Session, person_id: int, *, limit: int = LISTED, offset: int = 0) -> Sequence[Notification]:
    """The person's messages: unread ones first, then the newest."""
    mine = select(Notification).where(Notification.person_id == person_id)
    order = (Notification.read_at.is_not(None), Notification.at.desc(), Notification.id.desc())
    return session.scalars(mine.order_by(*order).limit(limit).offset(offset)).all()


def mark_read(session: Session, person_id: int, notification_ids: Iterable[int] | None = None, *, now: datetime) -> int:
    """Mark some of the person's messages as read, or all; returns how many were unread. Others' stay as they are."""
    mine = update(Notification).where(Notification.person_id == person_id, Notification.read_at.is_(None))
    if notification_ids is not None:
        mine = mine.where(Notification.id.in_(sorted(set(notification_ids))))
    return len(session.scalars(mine.values(read_at=now).returning(Notification.id)).all())


def _holds(party: Party, unit: Unit) -> ColumnElement[bool]:
    """The rule of ``permissions.acts_as`` as a condition on role grants."""
    if party in UNIT_PARTIES:
        return and_(RoleGrant.role == UNIT_PARTIES[party], RoleGrant.unit_id == unit.id)
    if party is Party.OWN_OFFICE and unit.level is Level.COUNTY:
        return and_(RoleGrant.role == Role.COUNTY_OFFICE, RoleGrant.region_id == unit.region_id)
    return RoleGrant.role == Role.CITY_OFFICE
