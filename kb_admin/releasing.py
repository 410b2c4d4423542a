"""Release to sites, media and the public (清远 art. 4(3)1(4)): public entries in force that the city office let go, or
that the rulebook lets go by itself; taken back at any time."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, update
from sqlalchemy.orm import Session

from kb_admin import audit
from kb_admin.permissions import Action, grants_of, require
from kb_admin.rulebook import Release, RightsRule
from kb_admin.visibility import answering
from models.errors import Conflict, Invalid
from models.knowledge import Attachment, Category, Entry, Phrasing, Version
from models.organisation import Person, Unit
from models.values import STRANGER, Publicity, VersionStatus


def is_released(entry: Entry, rights: RightsRule) -> bool:
    """Whether the entry may leave the system, as far as it is public and answers."""
    let_go = entry.released_at is not None or rights.release is Release.AUTOMATIC
    return let_go and entry.taken_back_at is None


def release(session: Session, entry: Entry, *, actor: Person, now: datetime) -> None:
    """Let a public entry go. Raises Invalid when its live version is not public, or there is none."""
    require(grants_of(actor), Action.RELEASE)
    live = select(Version.publicity).where(Version.entry_id == entry.id, Version.status == VersionStatus.PUBLISHED)
    publicity = session.scalar(live)
    if publicity is None:
        raise Invalid(f"条目 {entry.code} 没有已发布的版本，不能对外发布。")
    if publicity is not Publicity.PUBLIC:
        raise Invalid(
            f"条目 {entry.code} 的公开属性是“{publicity.label}”，不能对外发布。需要对外时，请先改为“公开”再审核发布。"
        )
    entry.released_at, entry.taken_back_at = now, None
    audit.record(session, actor=actor, act="entry.release", subject=f"entry:{entry.code}", now=now)


def take_back(session: Session, entry: Entry, *, actor: Person, now: datetime) -> None:
    """Let it go no more: from this moment it stands neither in the feed nor on the public pages."""
    require(grants_of(actor), Action.RELEASE)
    change = (
        update(Entry)
        .where(Entry.id == entry.id, Entry.taken_back_at.is_(None))
        .values(released_at=None, taken_back_at=now)
        .returning(Entry.id)
    )
    if session.scalar(change.execution_options(synchronize_session=False)) is None:
        raise Conflict(f"条目 {entry.code} 已经收回，不用再收回。")
    session.refresh(entry)
    audit.record(session, actor=actor, act="entry.take_back", subject=f"entry:{entry.code}", now=now)


def public_versions(
    session: Session,
    rights: RightsRule,
    now: datetime,
    *,
    since: datetime | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Sequence[Version]:
    """What the public may read at this moment, the newest first; ``since``: only what changed then or later."""
    query = _of_public(select(Version), rights, now, since)
    newest = query.order_by(Version.published_at.desc(), Version.id.desc())
    return session.scalars(newest.limit(limit).offset(offset)).all()


def count_public(session: Session, rights: RightsRule, now: datetime, *, since: datetime | None = None) -> int:
    """How many versions that are."""
    return session.scalar(_of_public(select(func.count(Version.id)), rights, now, since)) or 0


def public_units(session: Session, rights: RightsRule, now: datetime) -> Sequence[tuple[int, str, int]]:
    """Units of which the public may read something: id, name, how many entries; by name."""
    query = _of_public(select(Unit.id, Unit.name, func.count(Version.id)), rights, now, None)
    per_unit = query.join(Unit, Unit.id == Entry.unit_id).group_by(Unit.id, Unit.name).order_by(Unit.name)
    return session.execute(per_unit).tuples().all()


def public_titles(
    session: Session, unit_id: int, rights: RightsRule, now: datetime
) -> Sequence[tuple[str, int, str, str]]:
    """What the public may read of one unit: category (perhaps empty), the entry's id and code, its question."""
    columns = (func.coalesce(Category.path, ""), Entry.id, Entry.code, Phrasing.text)
    query = (
        _of_public(select(*columns), rights, now, None)
        .outerjoin(Category, Category.id == Version.category_id)
        .join(Phrasing, and_(Phrasing.version_id == Version.id, Phrasing.position == 0))
        .where(Entry.unit_id == unit_id)
    )
    return session.execute(query.order_by(func.coalesce(Category.path, ""), Entry.code)).tuples().all()


def public_codes(session: Session, rights: RightsRule, now: datetime) -> Sequence[str]:
    """Codes of all that the public may read: who keeps a copy drops what is not among them."""
    return session.scalars(_of_public(select(Entry.code), rights, now, None).order_by(Entry.code)).all()


def public_version(session: Session, code: str, rights: RightsRule, now: datetime) -> Version | None:
    """The version of that entry that the public may read; None when there is none for it."""
    return session.scalar(_of_public(select(Version), rights, now, None).where(Entry.code == code))


def released_files(
    session: Session, rights: RightsRule, now: datetime, *, sha256: str | None = None
) -> Sequence[Attachment]:
    """Attachments of what the public may read; those with one digest, or all."""
    query = _of_public(select(Attachment), rights, now, None).join(Attachment, Attachment.version_id == Version.id)
    wanted = query if sha256 is None else query.where(Attachment.sha256 == sha256)
    return session.scalars(wanted.order_by(Attachment.id)).all()


def changed_at(version: Version) -> datetime:
    """Since when the public reads it so: published, in force and let go."""
    moments = (version.published_at, version.valid_from, version.entry.released_at)
    return max(moment for moment in moments if moment is not None)


def released_sql(rights: RightsRule) -> ColumnElement[bool]:
    """``is_released`` as a condition on ``Entry``."""
    let_go = true() if rights.release is Release.AUTOMATIC else Entry.released_at.is_not(None)
    return and_(let_go, Entry.taken_back_at.is_(None))


Columns = TypeVarTuple("Columns")


def _of_public(query: Select[*Columns], rights: RightsRule, now: datetime, since: datetime | None) -> Select[*Columns]:
    public = query.select_from(Version).join(Entry, Entry.id == Version.entry_id)
    public = public.where(answering(STRANGER, Version, now), released_sql(rights))
    if since is None:
        return public
    moments = (Version.published_at, Version.valid_from, Entry.released_at)
    return public.where(or_(*(moment >= since for moment in moments)))
