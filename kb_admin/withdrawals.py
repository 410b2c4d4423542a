"""撤销申请 (历城 art. 7(1)): a unit asks for its entry to be taken down, the office decides."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import applying, lifecycle
from kb_admin.courses import require_party
from kb_admin.notifications import UNIT_PEOPLE
from kb_admin.routes import OFFICES
from kb_admin.rulebook import Party
from kb_admin.taking_effect import settle
from models.errors import Conflict, Invalid
from models.knowledge import Entry
from models.notices import Application
from models.organisation import Person
from models.values import ApplicationKind, ApplicationStatus

S = ApplicationStatus
"""Nobody need consent in the unit: it waits for the office at once."""
NAME = ApplicationKind.WITHDRAWAL.label


def apply(session: Session, entry: Entry, reason: str, *, actor: Person, now: datetime) -> Application:
    """Ask for the live version to be taken down. Raises Conflict when nothing of the entry is live, or the same is
    asked already."""
    require_party(UNIT_PEOPLE, entry.unit, actor, doing=NAME)
    words = applying.reason_of(NAME, reason)
    settle(session, [entry.id], now)
    if lifecycle.live_version(session, entry.id) is None:
        raise Conflict(f"条目 {entry.code} 没有在用的版本，不用申请撤销。")
    application = Application(
        kind=ApplicationKind.WITHDRAWAL,
        status=S.CONSENTED,
        unit=entry.unit,
        entry=entry,
        reason=words,
        asked_by=actor,
        asked_at=now,
    )
    try:
        with session.begin_nested():
            session.add(application)
    except IntegrityError as error:
        raise Conflict(f"条目 {entry.code} 已有一份撤销申请在等热线办批准。") from error
    said = f"{entry.unit.name}申请撤销条目 {entry.code}：{words}"
    applying.asked(session, application, Party.OWN_OFFICE, said, subject=_subject(entry), now=now)
    return application


def decide(
    session: Session, application: Application, *, granted: bool, answer: str = "", actor: Person, now: datetime
) -> None:
    """The office takes the entry down as the unit asked, or refuses and says why.

    Granting what is no longer live only ends the application.
    """
    entry = entry_of(application)
    require_party(OFFICES, application.unit, actor, doing=f"{NAME}的批准")
    words = applying.answer_of(answer, granted=granted)
    applying.move(
        session,
        application,
        S.CONSENTED,
        S.GRANTED if granted else S.REFUSED,
        decided_by_id=actor.id,
        decided_at=now,
        answer=words,
    )
    settle(session, [entry.id], now)
    live = lifecycle.live_version(session, entry.id)
    if granted and live is not None:
        lifecycle.withdraw(session, live, f"{NAME}：{application.reason}", actor=actor, now=now)
    outcome = "已批准，条目已下架。" if granted else f"未批准：{words}"
    said = f"条目 {entry.code} 的撤销申请{outcome}"
    applying.decided(session, application, said, subject=_subject(entry), actor=actor, now=now)


def take_back(session: Session, application: Application, *, actor: Person, now: datetime) -> None:
    """The unit needs it no more, before it is decided."""
    entry = entry_of(application)
    require_party(UNIT_PEOPLE, application.unit, actor, doing=NAME)
    applying.move(session, application, S.CONSENTED, S.CANCELLED)
    applying.taken_back(session, application, subject=_subject(entry), actor=actor, now=now)


def entry_of(application: Application) -> Entry:
    """The entry that an application is about. Raises Invalid for an application of another kind."""
    if application.kind is not ApplicationKind.WITHDRAWAL or application.entry is None:
        raise Invalid(f"这是{application.kind.label}，不是{NAME}。")
    return application.entry


def _subject(entry: Entry) -> str:
    return f"entry:{entry.code}"
