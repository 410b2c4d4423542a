"""The life of a version: one table of allowed moves, one ``move()``, and the actions people take through it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin.contents import batches
from models.errors import Conflict, Invalid
from models.knowledge import Basis, Category, ChangeLog, Entry, Keyword, Phrasing, Transition, Version
from models.organisation import Person, Region, Unit
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
CHANGE_LOG_LOCK = 0x5A48_4C47
"""Key of PostgreSQL's advisory lock: writers of the log take turns, so that ``seq`` is also the order of commits."""


def create_entry(
    session: Session, content: EntryContent, *, code: str = "", actor: Person | None, now: datetime
) -> Version:
    """A new entry whose first version is a draft. Without ``code`` the system gives one (清远 art. 4(2)3)."""
    unit = _unit(session, content.unit)
    entry = Entry(code=code or system_code(next_code_number(session)), unit=unit, created_at=now)
    session.add(entry)
    return add_version(session, entry, content, actor=actor, now=now)


def add_version(
    session: Session, entry: Entry, content: EntryContent, *, actor: Person | None, now: datetime
) -> Version:
    """A new draft beside whatever is live; the live version answers until the new one is published."""
    if content.unit != entry.unit.name:
        raise Invalid(f"条目 {entry.code} 属于“{entry.unit.name}”，不能改为“{content.unit}”。")
    region, category = _region(session, content.region), _category(session, entry.unit, content.category)
    last = session.scalar(select(func.max(Version.number)).where(Version.entry_id == entry.id)) or 0
    version = new_version(entry, content, number=last + 1, actor=actor, now=now)
    version.region, version.category = region, category
    session.add(version)
    session.flush()
    return version


def new_version(entry: Entry, content: EntryContent, *, number: int, actor: Person | None, now: datetime) -> Version:
    """A draft with its first transition, not yet written, its region and category still to be set."""
    return Version(
        entry=entry,
        number=number,
        status=S.DRAFT,
        spoken=content.spoken,
        answer=content.answer,
        valid_from=content.valid_from,
        valid_to=content.valid_to,
        publicity=content.publicity,
        info_type=content.info_type,
        created_by=actor,
        created_at=now,
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
        transitions=[Transition(to_status=S.DRAFT, actor=actor, at=now, reason="")],
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
    """Make the version live in place of the one before it, and tell the followers."""
    live = live_version(session, version.entry_id)
    if live is not None and live.id != version.id:
        move(session, live, S.SUPERSEDED, actor=actor, now=now, reason=f"由第 {version.number} 版替代")
    version.published_at = now
    session.flush()
    move(session, version, S.PUBLISHED, actor=actor, now=now)
    record_change(session, version.entry_id, now=now)


def withdraw(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """下架: the live version stops answering at once."""
    if not reason.strip():
        raise Invalid("下架时请写明原因。")
    move(session, version, S.WITHDRAWN, actor=actor, now=now, reason=reason)
    record_change(session, version.entry_id, now=now)


def move(
    session: Session,
    version: Version,
    to: VersionStatus,
    *,
    actor: Person | None,
    now: datetime,
    reason: str = "",
) -> None:
    """The only writer of status. Raises Conflict when the move is not allowed or somebody else moved first."""
    before = version.status
    if to not in MOVES[before]:
        raise Conflict(f"第 {version.number} 版现为“{before.label}”，不能改为“{to.label}”。请刷新后再看。")
    moved = session.execute(
        update(Version)
        .where(Version.id == version.id, Version.status == before)
        .values(status=to)
        .returning(Version.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    if moved is None:
        raise Conflict("该条目刚刚被其他人处理过，请刷新后再看。")
    session.add(Transition(version_id=version.id, from_status=before, to_status=to, actor=actor, at=now, reason=reason))
    session.flush()
    session.refresh(version, ["status"])


def walk(
    version: Version, path: Iterable[VersionStatus], *, actor: Person | None, now: datetime, reason: str = ""
) -> None:
    """The same moves for a version that is not yet written: nobody else can see it, so nothing can race."""
    for to in path:
        if to not in MOVES[version.status]:
            raise Conflict(f"第 {version.number} 版现为“{version.status.label}”，不能改为“{to.label}”。")
        version.transitions.append(
            Transition(from_status=version.status, to_status=to, actor=actor, at=now, reason=reason)
        )
        version.status = to
        if to is S.PUBLISHED:
            version.published_at = now


def supersede(session: Session, successors: Mapping[int, int], *, actor: Person | None, now: datetime) -> None:
    """Take the live versions of many entries off at once; ``successors`` maps an entry to its next version's number.

    Raises Conflict when somebody else moved one of them first.
    """
    query = select(Version.id, Version.entry_id).where(Version.status == S.PUBLISHED)
    change = update(Version).where(Version.status == S.PUBLISHED).values(status=S.SUPERSEDED)
    for entry_ids in batches(sorted(successors)):
        live = dict(session.execute(query.where(Version.entry_id.in_(entry_ids))).tuples().all())
        if not live:
            continue
        moved = change.where(Version.id.in_(live)).returning(Version.id)
        if len(session.execute(moved.execution_options(synchronize_session=False)).all()) < len(live):
            raise Conflict("有条目刚刚被其他人处理过，请重新核对后再导入。")
        session.execute(
            insert(Transition),
            [
                {
                    "version_id": version_id,
                    "from_status": S.PUBLISHED,
                    "to_status": S.SUPERSEDED,
                    "actor_id": actor.id if actor else None,
                    "at": now,
                    "reason": f"由第 {successors[entry_id]} 版替代",
                }
                for version_id, entry_id in live.items()
            ],
        )


def record_change(session: Session, entry_id: int, *, now: datetime) -> None:
    """Write the change-log row that followers of the base will read after commit."""
    record_changes(session, [entry_id], now=now)


def record_changes(session: Session, entry_ids: Sequence[int], *, now: datetime) -> None:
    """The same for several entries, in the order given."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHANGE_LOG_LOCK})
    if entry_ids:
        session.execute(insert(ChangeLog), [{"entry_id": entry_id, "at": now} for entry_id in entry_ids])


def live_version(session: Session, entry_id: int) -> Version | None:
    """The published version of an entry, valid today or not."""
    return session.scalar(select(Version).where(Version.entry_id == entry_id, Version.status == S.PUBLISHED))


def _unit(session: Session, name: str) -> Unit:
    unit = session.scalar(select(Unit).where(Unit.name == name))
    if unit is None:
        raise Invalid(f"没有名为“{name}”的承办单位。请先由管理员建立，或改用已有单位的全称。")
    return unit


def _region(session: Session, name: str) -> Region:
    region = session.scalar(select(Region).where(Region.name == name))
    if region is None:
        raise Invalid(f"没有名为“{name}”的区域。")
    return region


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


def next_code_number(session: Session) -> int:
    """Codes count up over the whole base: ZD-000001. The unique constraint settles a race."""
    last = session.scalar(select(func.max(Entry.code)).where(Entry.code.like("ZD-______")))
    return int(last[3:]) + 1 if last else 1


def system_code(number: int) -> str:
    return f"ZD-{number:06d}"
