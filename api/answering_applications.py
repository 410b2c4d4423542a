"""What can be said to an application, and which part of the system does it for each kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from kb_admin import categories, extensions, sharing, withdrawals
from models.errors import Conflict
from models.notices import Application
from models.organisation import Person
from models.values import ApplicationKind, ApplicationStatus, Choice


class Answer(Choice):
    CONSENT = "consent", "同意"
    GRANT = "grant", "批准"
    REFUSE = "refuse", "不同意"
    TAKE_BACK = "take_back", "撤回申请"


@dataclass(frozen=True)
class Said:
    """Who says what to an application, and when."""

    text: str
    actor: Person
    now: datetime


A = ApplicationStatus
Does = Callable[[Session, Application, Said], None]


def answer_application(
    session: Session, asked: Application, answer: Answer, text: str, *, actor: Person, now: datetime
) -> None:
    """Carry the answer out. Raises Conflict where the application knows no such answer as it stands, and what the
    action raises."""
    does = _DOES[asked.kind].get((asked.status, answer))
    if does is None:
        raise Conflict(f"该申请现为“{asked.status.label}”，不能{answer.label}。请刷新后再看。")
    does(session, asked, Said(text, actor, now))


def _consent(session: Session, asked: Application, said: Said) -> None:
    extensions.consent(session, asked, actor=said.actor, now=said.now)


def _refuse_consent(session: Session, asked: Application, said: Said) -> None:
    extensions.refuse_consent(session, asked, said.text, actor=said.actor, now=said.now)


def _consent_to_sharing(session: Session, asked: Application, said: Said) -> None:
    sharing.consent(session, asked, granted=True, answer=said.text, actor=said.actor, now=said.now)


def _refuse_to_share(session: Session, asked: Application, said: Said) -> None:
    sharing.consent(session, asked, granted=False, answer=said.text, actor=said.actor, now=said.now)


class _Decide(Protocol):
    """What each kind has for the office's decision."""

    def __call__(
        self, session: Session, application: Application, /, *, granted: bool, answer: str, actor: Person, now: datetime
    ) -> None: ...


class _TakeBack(Protocol):
    def __call__(self, session: Session, application: Application, /, *, actor: Person, now: datetime) -> None: ...


def _grant(decide: _Decide) -> Does:
    return lambda session, asked, said: decide(
        session, asked, granted=True, answer=said.text, actor=said.actor, now=said.now
    )


def _refuse(decide: _Decide) -> Does:
    return lambda session, asked, said: decide(
        session, asked, granted=False, answer=said.text, actor=said.actor, now=said.now
    )


def _taken_back(take_back: _TakeBack) -> Does:
    return lambda session, asked, said: take_back(session, asked, actor=said.actor, now=said.now)


def _decided_by_office(decide: _Decide, take_back: _TakeBack) -> dict[tuple[ApplicationStatus, Answer], Does]:
    return {
        (A.CONSENTED, Answer.GRANT): _grant(decide),
        (A.CONSENTED, Answer.REFUSE): _refuse(decide),
        (A.ASKED, Answer.TAKE_BACK): _taken_back(take_back),
        (A.CONSENTED, Answer.TAKE_BACK): _taken_back(take_back),
    }


_DOES: Mapping[ApplicationKind, Mapping[tuple[ApplicationStatus, Answer], Does]] = {
    ApplicationKind.EXTENSION: {
        (A.ASKED, Answer.CONSENT): _consent,
        (A.ASKED, Answer.REFUSE): _refuse_consent,
        **_decided_by_office(extensions.decide, extensions.take_back),
    },
    ApplicationKind.SHARING: {
        (A.ASKED, Answer.CONSENT): _consent_to_sharing,
        (A.ASKED, Answer.REFUSE): _refuse_to_share,
        **_decided_by_office(sharing.decide, sharing.take_back),
    },
    ApplicationKind.WITHDRAWAL: _decided_by_office(withdrawals.decide, withdrawals.take_back),
    ApplicationKind.CATEGORY: _decided_by_office(categories.decide, categories.take_back),
}
