"""The life of a version: one table of allowed moves, one writer of status, and the actions people take through it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import codes
from kb_admin.contents import Standing, batches
from kb_admin.organisation import region_named, unit_named
from models.errors import Conflict, Invalid
from models.knowledge import Basis, Category, ChangeLog, Entry, Keyword, Phrasing, Transition, Version
from models.organisation import Person, Unit
from models.values import EntryContent, PhrasingKind, VersionStatus

S = VersionStatus
MOVES: dict[VersionStatus, frozenset[VersionStatus]] = {
    S.DRAFT: frozenset({S.SUBMITTED}),
    S.SUBMITTED: frozenset({S.CHECKED, S.PUBLISHED, S.DRAFT}),
    S.CHECKED: frozenset({S.PUBLISHED, S.DRAFT}),
    S.PUBLISHED: frozenset({S.SUPERSEDED, S.EXPIRED, S.INVALID, S.WITHDRAWN}),
    S.SUPERSEDED: frozenset(),
    S.EXPIRED: frozenset(),
    S.INVALID: frozenset(),
    S.WITHDRAWN: frozenset({S.PUBLISHED}),
}
MOVED_MEANWHILE = "该条目刚刚被其他人处理过，请刷新后再看。"
CHANGE_LOG_LOCK = 0x5A48_4C47
"""Key of PostgreSQL's advisory lock: writers of the log take turns, so that ``seq`` is also the order of commits."""


def create_entry(
    session: Session, content: EntryContent, *, code: str = "", actor: Person | None, now: datetime
) -> Version:
    """A new entry whose first version is a draft. Without ``code`` the system gives one (清远 art. 4(2)3)."""
    unit = unit_named(session, content.unit)
    if code:
        codes.take_over(session, [code])
    entry = Entry(code=code or codes.give(session, 1)[0], unit=unit, created_at=now)
    session.add(entry)
    return add_version(session, entry, content, actor=actor, now=now)


def add_version(
    session: Session, entry: Entry, content: EntryContent, *, actor: Person | None, now: datetime
) -> Version:
    """A new draft beside whatever is live; the live version answers until the new one is published."""
    if content.unit != entry.unit.name:
        raise Invalid(f"条目 {entry.code} 属于“{entry.unit.name}”，不能改为“{content.unit}”。")
    region, category = region_named(session, content.region), _category(session, entry.unit, content.category)
    last = session.scalar(select(func.max(Version.number)).where(Version.entry_id == entry.id)) or 0
    version = new_version(entry, content, number=last + 1, actor=actor, now=now)
    version.region, version.category = region, category
    session.add(version)
    session.flush()
    return version


def new_version(
    entry: Entry,
    content: EntryContent,
    *,
    number: int,
    through: Sequence[VersionStatus] = (),
    actor: Person | None,
    now: datetime,
) -> Version:
    """A draft, or what becomes of it ``through`` these moves; not yet written, region and category still to be set.

    Nobody else can see it, so nothing can race; but it starts only where the table of moves leads.
    """
    path = (S.DRAFT, *through)
    for before, to in pairwise(path):
        _check_move(number, before, to)
    return Version(
        entry=entry,
        number=number,
        status=path[-1],
        spoken=content.spoken,
        answer=content.answer,
        valid_from=content.valid_from,
        valid_to=content.valid_to,
        publicity=content.publicity,
        info_type=content.info_type,
        created_by=actor,
        created_at=now,
        published_at=now if S.PUBLISHED in path else None,
        phrasings=[
            Phrasing(
                kind=PhrasingKind.SIMILAR if position else PhrasingKind.STANDARD,
                position=position,
                text=text_,
            )
            for position, text_ in enumerate((content.question, *content.similar))
        ],
        keywords=[Keyword(position=i, text=word) for i, word in enumerate(content.keywords)],
        bases=[
            Basis(position=i, document=b.document, number=b.number, attachment_count=b.attachment_count)
            for i, b in enumerate(content.bases)
        ],
        transitions=[
            Transition(from_status=before, to_status=to, actor=actor, at=now, reason="")
            for before, to in pairwise((None, *path))
        ],
    )


def submit(session: Session, version: Version, *, actor: Person | None, now: datetime) -> None:
    """Hand a draft in for review."""
    move(session, version, S.SUBMITTED, actor=actor, now=now)


def send_back(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """Return a submitted version to its editor with a reason."""
    if not reason.strip():
        raise Invalid("退回时请写明原因。")
    move(session, version, S.DRAFT, actor=actor, now=now, reason=reason)


def publish(session: Session, version: Version, *, actor: Person | None, now: datetime) -> None:
    """Make the version live in place of the one before it, and tell the followers.

    Raises Conflict when a later version is live already, or somebody else publishes another at the same moment.
    """
    publish_all(session, [Standing.of(version)], actor=actor, now=now)
    session.refresh(version, ["status", "published_at"])


def publish_all(session: Session, standings: Sequence[Standing], *, actor: Person | None, now: datetime) -> None:
    """The same for one version of each of several entries."""
    for standing in standings:
        _check_move(standing.number, standing.status, S.PUBLISHED)
    supersede(session, {s.entry_id: s.number for s in standings}, actor=actor, now=now)
    move_all(session, standings, S.PUBLISHED, actor=actor, now=now)
    record_changes(session, [s.entry_id for s in standings], now=now)


def withdraw(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """下架: the live version stops answering at once."""
    if not reason.strip():
        raise Invalid("下架时请写明原因。")
    move(session, version, S.WITHDRAWN, actor=actor, now=now, reason=reason)
    record_change(session, version.entry_id, now=now)


def supersede(session: Session, successors: Mapping[int, int], *, actor: Person | None, now: datetime) -> None:
    """Take the live versions of these entries off; ``successors`` maps an entry to its next version's number.

    Raises Conflict when the live version is later than its successor, or somebody else moved it first.
    """
    query = select(Version.id, Version.entry_id, Version.number, Version.status).where(Version.status == S.PUBLISHED)
    for entry_ids in batches(sorted(successors)):
        found = [Standing(*row) for row in session.execute(query.where(Version.entry_id.in_(entry_ids))).tuples()]
        live = [standing for standing in found if standing.number != successors[standing.entry_id]]
        for standing in live:
            number = successors[standing.entry_id]
            if standing.number > number:
                raise Conflict(f"已有更新的第 {standing.number} 版在用，不能再发布第 {number} 版。请刷新后再看。")
        reasons = {s.version_id: f"由第 {successors[s.entry_id]} 版替代" for s in live}
        move_all(session, live, S.SUPERSEDED, actor=actor, now=now, reasons=reasons)


def move(
    session: Session,
    version: Version,
    to: VersionStatus,
    *,
    actor: Person | None,
    now: datetime,
    reason: str = "",
) -> None:
    """``move_all`` for one version, which is then up to date."""
    move_all(session, [Standing.of(version)], to, actor=actor, now=now, reasons={version.id: reason})
    session.refresh(version, ["status"])


def move_all(
    session: Session,
    standings: Sequence[Standing],
    to: VersionStatus,
    *,
    actor: Person | None,
    now: datetime,
    reasons: Mapping[int, str] | None = None,
) -> None:
    """The only writer of the status of stored versions; ``reasons`` are by version id.

    Raises Conflict when a move is not allowed or somebody else moved a version first; then the transaction is of no
    more use.
    """
    by_status: dict[VersionStatus, list[int]] = {}
    for standing in standings:
        _check_move(standing.number, standing.status, to)
        by_status.setdefault(standing.status, []).append(standing.version_id)
    for before, version_ids in by_status.items():
        for ids in batches(sorted(version_ids)):
            _move_where(session, ids, before, to, now)
    if standings:
        why = reasons or {}
        common = {"to_status": to, "actor_id": actor.id if actor else None, "at": now}
        rows = [
            {**common, "version_id": s.version_id, "from_status": s.status, "reason": why.get(s.version_id, "")}
            for s in standings
        ]
        session.execute(insert(Transition), rows)


def _check_move(number: int, before: VersionStatus, to: VersionStatus) -> None:
    if to not in MOVES[before]:
        raise Conflict(f"第 {number} 版现为“{before.label}”，不能改为“{to.label}”。请刷新后再看。")


def _move_where(
    session: Session, version_ids: Sequence[int], before: VersionStatus, to: VersionStatus, now: datetime
) -> None:
    moment = {"published_at": now} if to is S.PUBLISHED else {}
    change = (
        update(Version)
        .where(Version.id.in_(version_ids), Version.status == before)
        .values(status=to, **moment)
        .returning(Version.id)
        .execution_options(synchronize_session="fetch")
    )
    try:
        moved = session.scalars(change).all()
    except IntegrityError as error:  # an entry has one live version: somebody else has just published another
        raise Conflict(MOVED_MEANWHILE) from error
    if len(moved) < len(version_ids):
        raise Conflict(MOVED_MEANWHILE)


def record_change(session: Session, entry_id: int, *, now: datetime) -> None:
    """Write the change-log row that followers of the base will read after commit."""
    record_changes(session, [entry_id], now=now)


def record_changes(session: Session, entry_ids: Sequence[int], *, now: datetime) -> None:
    """The same for several entries, in the order given."""
    _write_log(session, entry_ids, now)


def record_thesaurus_change(session: Session, *, now: datetime) -> None:
    """The same for the thesaurus. From here to the end of the transaction nobody else changes it."""
    _write_log(session, [None], now)


def _write_log(session: Session, entry_ids: Sequence[int | None], now: datetime) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHANGE_LOG_LOCK})
    if entry_ids:
        session.execute(insert(ChangeLog), [{"entry_id": entry_id, "at": now} for entry_id in entry_ids])


def live_version(session: Session, entry_id: int) -> Version | None:
    """The published version of an entry, valid today or not."""
    return session.scalar(select(Version).where(Version.entry_id == entry_id, Version.status == S.PUBLISHED))


def _category(session: Session, unit: Unit, path: str) -> Category | None:
    if not path:
        return None
    wanted = select(Category).where(Category.unit_id == unit.id, Category.path == path)
    category = session.scalar(wanted)
    if category is not None:
        return category
    try:
        with session.begin_nested():
            category = Category(unit_id=unit.id, path=path)
            session.add(category)
    except IntegrityError:  # somebody else has just made the same
        return session.scalars(wanted).one()
    return category
