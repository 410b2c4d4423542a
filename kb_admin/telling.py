"""Whom the system tells when a version moves: who takes the next step, and who wrote it."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from sqlalchemy.orm import Session

from kb_admin.courses import Course, gate_of
from kb_admin.notifications import parties, tell
from kb_admin.routes import publishers
from models.knowledge import Version
from models.organisation import Person
from models.values import CHINA, VersionStatus

S = VersionStatus


def moved(session: Session, version: Version, course: Course, *, actor: Person | None, now: datetime) -> None:
    """Tell those for whom it is now to act, and its writer when it is live or has a moment. A gate with a notice has
    its own messages."""
    name, unit = _name(version), version.entry.unit
    gate = gate_of(course, version)
    if version.status is S.SUBMITTED and gate is not None and gate.notice is None:
        people = parties(session, unit, gate.by)
        _tell(session, version, people, "gate", f"{name}等待{gate.title}。", actor=actor, now=now)
    elif version.status is S.CHECKED and version.takes_effect_at is None:
        people = parties(session, unit, *publishers(course.route))
        _tell(session, version, people, "checked", f"{name}已通过审核，等待发布。", actor=actor, now=now)
    elif version.status is S.CHECKED and version.takes_effect_at is not None:
        moment = version.takes_effect_at.astimezone(CHINA)
        words = f"{name}将于 {moment:%Y-%m-%d %H:%M} 生效，此前仍用旧版。"
        _tell(session, version, _writer(version), "scheduled", words, actor=actor, now=now)
    elif version.status is S.PUBLISHED:
        _tell(session, version, _writer(version), "published", f"{name}已发布。", actor=actor, now=now)


def sent_back(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """Tell the writer why the version came back."""
    _tell(session, version, _writer(version), "sent_back", f"{_name(version)}被退回：{reason}", actor=actor, now=now)


def _writer(version: Version) -> list[Person]:
    return [version.created_by] if version.created_by is not None else []


def _name(version: Version) -> str:
    return f"{version.entry.code}“{version.question}”第 {version.number} 版"


def _tell(
    session: Session,
    version: Version,
    people: Iterable[Person],
    what: str,
    text: str,
    *,
    actor: Person | None,
    now: datetime,
) -> None:
    """Nobody is told what they have just done themselves."""
    others = [person for person in people if person.active and (actor is None or person.id != actor.id)]
    if others:
        event = f"version:{version.id}:{what}:{now.timestamp():.0f}"
        tell(session, others, event, text, f"/entries/{quote(version.entry.code, safe='')}", now)
