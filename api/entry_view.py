"""One entry as its page shows it: what answers now, what is under way, every version with its moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from api import correctness_list, moves
from api.cards import Content, attachments_of, content_of
from api.notice_list import NoticeLine, lines_of, seen_sql
from api.reading import ReadEntry
from api.security import Caller
from kb_admin.correction_words import rate_words
from kb_admin.correctness import Count, counts_of
from kb_admin.courses import is_party, origins_of, writers
from kb_admin.notifications import UNIT_PEOPLE
from kb_admin.routes import Move
from kb_admin.rules_in_force import rules_of_unit
from models.knowledge import Entry, Transition, Version
from models.notices import Application, Notice
from models.organisation import Unit
from models.values import ApplicationKind, ApplicationStatus, Origin, VersionStatus

OPEN = (ApplicationStatus.ASKED, ApplicationStatus.CONSENTED)
MOST_NOTICES = 20
"""Of one entry, the newest; the list of notices has them all."""


@dataclass(frozen=True)
class ShownVersion:
    """One version with what happened to it and what may happen next."""

    version_id: int
    number: int
    status: VersionStatus
    content: Content
    similar: tuple[str, ...]
    keywords: tuple[str, ...]
    category: str
    info_type: str
    publicity: str
    region: str
    created_at: datetime
    created_by: str
    published_at: datetime | None
    takes_effect_at: datetime | None
    """It is published and waits for this moment beside the one that answers."""
    emergency: bool
    moves: tuple[Transition, ...]
    steps: tuple[Move, ...]


def shown_versions(session: Session, read: ReadEntry, caller: Caller, now: datetime) -> tuple[ShownVersion, ...]:
    """Newest first; only the live one for those who do not read history."""
    with_history = read.versions is not None
    versions: Sequence[Version] = read.versions if read.versions is not None else [v for v in (read.live,) if v]
    attachments = attachments_of(session, [version.id for version in versions])
    return tuple(
        ShownVersion(
            version_id=v.id,
            number=v.number,
            status=v.status,
            content=content_of(v, attachments.get(v.id, {}), now=now),
            similar=v.similar,
            keywords=tuple(k.text for k in v.keywords),
            category=v.category.path if v.category else "",
            info_type=v.info_type,
            publicity=v.publicity.label,
            region=v.region.name,
            created_at=v.created_at,
            created_by=v.created_by.name if v.created_by else "系统",
            published_at=v.published_at,
            takes_effect_at=v.takes_effect_at,
            emergency=v.emergency,
            moves=tuple(v.transitions) if with_history else (),
            steps=moves.offered(session, v, caller.grants, now) if with_history else (),
        )
        for v in versions
    )


def may_write(session: Session, read: ReadEntry, caller: Caller, now: datetime) -> bool:
    """Whether this person may write a new version of the entry. What another system brings is changed there."""
    entry = read.entry
    if read.versions is None or entry.origin is Origin.SYNC:
        return False
    parties = writers(rules_of_unit(session, entry.unit, now).rulebook, origins_of(entry))
    return is_party(caller.grants, parties, entry.unit)


def may_ask_withdrawal(read: ReadEntry, applications: Sequence[Application], caller: Caller) -> bool:
    """Whether this person may ask the office to take the entry down, and nobody of the unit has."""
    waiting = any(asked.status in OPEN for asked in applications)
    return not waiting and read.live is not None and is_party(caller.grants, UNIT_PEOPLE, read.entry.unit)


def withdrawals_of(session: Session, read: ReadEntry) -> Sequence[Application]:
    """撤销申请 of the entry, the newest first; for who reads its history."""
    if read.versions is None:
        return ()
    newest = (
        select(Application)
        .where(Application.kind == ApplicationKind.WITHDRAWAL, Application.entry_id == read.entry.id)
        .order_by(Application.id.desc())
        .options(joinedload(Application.asked_by), joinedload(Application.decided_by))
    )
    return session.scalars(newest).all()


@dataclass(frozen=True)
class EntryCorrectness:
    """正确率 of the live version, as the page says it."""

    rate: str
    interval: str
    count: Count


def correctness_of_live(session: Session, read: ReadEntry, caller: Caller, now: datetime) -> EntryCorrectness | None:
    """For who reads the verdicts on the unit's entries; None for others, and where nothing answers."""
    if read.live is None or not correctness_list.reach(session, caller, now).holds(read.entry.unit_id):
        return None
    count = counts_of(session, [read.live.id], now)[read.live.id]
    rate, interval = rate_words(count), correctness_list.interval_words(count)
    return EntryCorrectness(rate, interval, count)


def notices_of(session: Session, entry: Entry, caller: Caller, now: datetime) -> list[NoticeLine]:
    """The notices about the entry that this person may see, the newest first."""
    query = (
        select(Notice)
        .join(Unit, Unit.id == Notice.unit_id)
        .where(Notice.entry_id == entry.id, seen_sql(caller.grants))
        .order_by(Notice.id.desc())
        .limit(MOST_NOTICES)
    )
    return lines_of(session, session.scalars(query).all(), now)
