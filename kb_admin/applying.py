"""What applications to the office have in common: a reason, one decision, and the word to those concerned."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from kb_admin import audit
from kb_admin.notifications import UNIT_PEOPLE, parties, tell
from kb_admin.rulebook import Party
from kb_admin.wording import readable
from models.errors import Conflict, Invalid
from models.notices import Application
from models.organisation import Person
from models.values import ApplicationStatus

LONGEST_REASON = 2000
ADDRESS = "/applications"


def reason_of(name: str, reason: str) -> str:
    """The reason as it is kept. Raises Invalid when there is none."""
    words = readable(reason, name="理由", longest=LONGEST_REASON)
    if not words:
        raise Invalid(f"{name}请写明理由。")
    return words


def answer_of(answer: str, *, granted: bool) -> str:
    """The office's answer as it is kept. Raises Invalid for a refusal without one."""
    words = readable(answer, name="答复", longest=LONGEST_REASON)
    if not granted and not words:
        raise Invalid("不批准时请写明理由。")
    return words


def move(
    session: Session, application: Application, before: ApplicationStatus, to: ApplicationStatus, **values: Any
) -> None:
    """Raises Conflict when the application stands elsewhere, or somebody else has just moved it."""
    stands = (Application.id == application.id, Application.status == before)
    change = update(Application).where(*stands).values(status=to, **values).returning(Application.id)
    moved = session.scalars(change.execution_options(synchronize_session=False)).all()
    session.refresh(application)
    if not moved:
        raise Conflict(f"该申请现为“{application.status.label}”，不能改为“{to.label}”。请刷新后再看。")


def asked(
    session: Session, application: Application, decides: Party, said: str, *, subject: str, now: datetime
) -> None:
    """Record the application and tell who decides it."""
    session.flush()
    details = {"reason": application.reason}
    act = f"{application.kind.value}.ask"
    audit.record(session, actor=application.asked_by, act=act, subject=subject, details=details, now=now)
    people = parties(session, application.unit, decides)
    tell(session, people, f"application:{application.id}:asked", said, ADDRESS, now)


def decided(
    session: Session, application: Application, said: str, *, subject: str, actor: Person, now: datetime
) -> None:
    """Record the decision and tell the unit that asked."""
    act = f"{application.kind.value}.{'grant' if application.status is ApplicationStatus.GRANTED else 'refuse'}"
    details = {"answer": application.answer}
    audit.record(session, actor=actor, act=act, subject=subject, details=details, now=now)
    people = parties(session, application.unit, *UNIT_PEOPLE)
    tell(session, people, f"application:{application.id}:decided", said, ADDRESS, now)


def taken_back(session: Session, application: Application, *, subject: str, actor: Person, now: datetime) -> None:
    """Record that the unit wants it no more."""
    act = f"{application.kind.value}.take_back"
    audit.record(session, actor=actor, act=act, subject=subject, details={}, now=now)
