"""How far a unit is with this month's look at its entries, and the notice that ends with the last one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session, aliased, joinedload

from kb_admin import notices
from kb_admin.contents import batches
from models.duties import EntryReview
from models.errors import Invalid
from models.knowledge import Entry, Version
from models.organisation import Person, Unit
from models.values import CHINA, VersionStatus

S = VersionStatus


@dataclass(frozen=True)
class ToReview:
    """An entry of the month's list, and what somebody found, if they have looked."""

    entry: Entry
    version: Version
    """The live one; for what was taken off after the look, the version that was looked at."""
    review: EntryReview | None


def period_of(moment: datetime) -> str:
    """The month in China: "2026-11"."""
    return f"{moment.astimezone(CHINA):%Y-%m}"


def end_of(period: str) -> datetime:
    """The first moment after the month. Raises Invalid for what is no month."""
    try:
        begins = datetime.strptime(period, "%Y-%m").replace(tzinfo=CHINA)
    except ValueError as error:
        raise Invalid(f"“{period}”不是月份，请写成 2026-11 这样。") from error
    return begins.replace(year=begins.year + begins.month // 12, month=begins.month % 12 + 1)


def review_queue(
    session: Session,
    unit: Unit,
    period: str,
    *,
    waiting: bool = False,
    code: str = "",
    after: str = "",
    limit: int | None = None,
    offset: int = 0,
) -> tuple[ToReview, ...]:
    """The unit's entries that are live in the month, by code, each with its review or none; or a part of them: those
    that nobody has looked at (``waiting``), the one of that ``code``, those that stand ``after`` a code.

    What was looked at and then taken off stays in the list: it is the evidence.
    """
    query = select(Entry.id).where(Entry.id.in_(_live_ids(unit, period)) | Entry.id.in_(_reviewed(unit, period)))
    if waiting:
        query = query.where(Entry.id.not_in(_reviewed(unit, period)))
    if code:
        query = query.where(Entry.code == code)
    if after:
        query = query.where(Entry.code > after)
    ids = session.scalars(query.order_by(Entry.code).limit(limit).offset(offset)).all()
    reviews = {review.entry_id: review for review in _reviews(session, period, ids)}
    live = {version.entry_id: version for version in _live(session, unit, period, ids)}
    found = [ToReview(v.entry, v, reviews.get(entry_id)) for entry_id, v in live.items()]
    found += [ToReview(r.entry, r.version, r) for entry_id, r in reviews.items() if entry_id not in live]
    return tuple(sorted(found, key=lambda each: each.entry.code))


def progress(session: Session, unit: Unit, period: str) -> tuple[int, int]:
    """How many entries were looked at, and how many there are to look at."""
    done = session.scalar(select(func.count()).select_from(_reviewed(unit, period).subquery())) or 0
    open_ones = select(func.count(Entry.id)).where(
        Entry.id.in_(_live_ids(unit, period)), Entry.id.not_in(_reviewed(unit, period))
    )
    return done, done + (session.scalar(open_ones) or 0)


def complete_if_done(session: Session, unit: Unit, period: str, *, actor: Person | None, now: datetime) -> bool:
    """When nothing is left to look at, the unit's notice of the month is done; whether that is so."""
    done, total = progress(session, unit, period)
    if done < total:
        return False
    found = select(EntryReview.finding, func.count()).join(Entry, Entry.id == EntryReview.entry_id)
    counted = found.where(Entry.unit_id == unit.id, EntryReview.period == period).group_by(EntryReview.finding)
    by_finding = "、".join(f"{finding.label} {count} 条" for finding, count in sorted(session.execute(counted)))
    result = f"已逐条回顾检查 {done} 条" + (f"：{by_finding}。" if by_finding else "。")
    notices.complete_once(session, f"review:{unit.id}:{period}", result, actor=actor, now=now)
    return True


def _reviews(session: Session, period: str, entry_ids: Sequence[int]) -> Iterator[EntryReview]:
    query = select(EntryReview).join(EntryReview.entry).options(joinedload(EntryReview.person))
    for ids in batches(entry_ids):
        yield from session.scalars(query.where(EntryReview.entry_id.in_(ids), EntryReview.period == period))


def _live(session: Session, unit: Unit, period: str, entry_ids: Sequence[int]) -> Iterator[Version]:
    live = (Version.status == S.PUBLISHED, Version.entry_id.in_(_live_ids(unit, period)))
    query = select(Version).where(*live).options(joinedload(Version.entry))
    for ids in batches(entry_ids):
        yield from session.scalars(query.where(Version.entry_id.in_(ids)).order_by(Version.id))


def _live_ids(unit: Unit, period: str) -> Select[int]:
    """Entries that are live and have been so before the month's end."""
    earlier = aliased(Version)
    before = exists().where(earlier.entry_id == Version.entry_id, earlier.published_at < end_of(period))
    live = select(Version.entry_id).join(Version.entry).where(Version.status == S.PUBLISHED, before)
    return live.where(Entry.unit_id == unit.id)


def _reviewed(unit: Unit, period: str) -> Select[int]:
    query = select(EntryReview.entry_id).join(EntryReview.entry)
    return query.where(Entry.unit_id == unit.id, EntryReview.period == period)
