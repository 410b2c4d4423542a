"""The 80 % loop (济源 art. 9(3)): an entry whose correctness falls below the threshold gets a correction notice.

It is drafted at once in the office's list, or goes out by itself where the rulebook says so. An entry has one
unfinished correction notice at a time; publication of its next version completes it (``kb_admin.entry_notices``), and
so does a defence that the office accepts (``kb_admin.defences``).
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from kb_admin import notice_messages as messages
from kb_admin import notices
from kb_admin.contents import batches
from kb_admin.correction_words import content, title
from kb_admin.correctness import Count, counts_of, tallies_of
from kb_admin.notifications import parties, tell
from kb_admin.rulebook import Dispatch, Party
from kb_admin.upserts import insert_into
from kb_admin.worktime import CalendarNotPublished
from models.errors import Conflict
from models.improvement import Progress
from models.knowledge import Entry, Version
from models.notices import Notice
from models.usage import Verdict
from models.values import Judgement, NoticeKind, VersionStatus

SWEEP = "corrections"
"""Name of the sweep's ``Progress``."""
SWEEP_EVERY = timedelta(hours=1)
"""Windows are counted in days, and rulebooks change seldom: an hour late is at once."""


def after_verdict(session: Session, version: Version, *, now: datetime) -> Notice | None:
    """The correction notice to which a verdict on this version has just led; mostly none.

    None also when the version counts for no live one, and when the entry has an unfinished correction notice.
    """
    return _judge_entry(session, version.entry_id, now, verdict_on=version.id)


def sweep(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Look at all entries once an hour: windows move on, and rules change, without a verdict. Returns how many notices
    were made, at most ``limit``; with that many the next call goes on where this one stopped."""
    position, last = _progress(session)
    if not position and last is not None and now - last < SWEEP_EVERY:
        return 0
    _save_progress(session, position, now)  # also makes SQLite's other writers wait
    made = 0
    for ids in batches(_suspects(session, after=position)):
        counts = tallies_of(session, ids, now)
        for version_id in ids:
            if not counts[version_id].result.below:
                continue
            entry_id = session.get_one(Version, version_id).entry_id
            made += _judge_entry(session, entry_id, now) is not None
            if made >= limit:
                _save_progress(session, version_id, now)
                return made
    _save_progress(session, 0, now)
    return made


def under_correction(session: Session, entry_ids: Collection[int]) -> dict[int, Notice]:
    """Of these entries those with an unfinished correction notice, drafts included, and the notice."""
    found: dict[int, Notice] = {}
    for ids in batches(sorted(set(entry_ids))):
        mine = (Notice.kind == NoticeKind.CORRECTION, Notice.status.in_(notices.UNFINISHED), Notice.entry_id.in_(ids))
        found.update({n.entry_id: n for n in session.scalars(select(Notice).where(*mine)) if n.entry_id is not None})
    return found


def _judge_entry(session: Session, entry_id: int, now: datetime, *, verdict_on: int | None = None) -> Notice | None:
    live_id = _hold_live(session, entry_id)
    if live_id is None:
        return None
    tally = tallies_of(session, [live_id], now)[live_id]
    if not tally.result.below or (verdict_on is not None and verdict_on not in tally.version_ids):
        return None
    if under_correction(session, [entry_id]):
        return None
    count = counts_of(session, [live_id], now)[live_id]
    return _draft(session, session.get_one(Version, live_id), count, now)


def _hold_live(session: Session, entry_id: int) -> int | None:
    """The live version of the entry, which nobody else judges or replaces until this transaction ends.

    Who judges writes the verdict first and then comes here: the second of two, waiting here, sees the verdict of the
    first. SQLite has one writer anyway.
    """
    session.execute(select(Entry.id).where(Entry.id == entry_id).with_for_update(key_share=True))
    live = select(Version.id).where(Version.entry_id == entry_id, Version.status == VersionStatus.PUBLISHED)
    return session.scalar(live.with_for_update(key_share=True))


def _draft(session: Session, version: Version, count: Count, now: datetime) -> Notice | None:
    unit = version.entry.unit
    try:
        notice = notices.open_notice(
            session,
            kind=NoticeKind.CORRECTION,
            unit=unit,
            title=title(version, count),
            content=content(session, version, count, now),
            entry=version.entry,
            version=version,
            actor=None,
            now=now,
        )
    except Conflict:  # the office has just made one by hand
        return None
    if count.rule.dispatch is Dispatch.AUTOMATIC:
        _dispatch(session, notice, now)
    words = "已自动派发" if notice.status in notices.OPEN else "请核实后派发"
    text = f"{messages.name(notice)}：{unit.name}，{words}。"
    event = f"notice:{notice.id}:drafted"
    office = parties(session, unit, Party.OWN_OFFICE)
    tell(session, office, event, text, messages.address(notice), now, details=messages.details(notice))
    return notice


def _dispatch(session: Session, notice: Notice, now: datetime) -> None:
    """Where the limit reaches into a year whose holidays are not known it stays a draft: a verdict is never lost."""
    try:
        notices.dispatch(session, notice, actor=None, now=now)
    except CalendarNotPublished:
        return


def _suspects(session: Session, *, after: int) -> Sequence[int]:
    """Live versions of entries that somebody has found wrong and of which no correction notice is unfinished."""
    judged = aliased(Version)
    found_wrong = exists().where(
        judged.entry_id == Version.entry_id, Verdict.version_id == judged.id, Verdict.judgement == Judgement.INCORRECT
    )
    open_notice = exists().where(
        Notice.kind == NoticeKind.CORRECTION,
        Notice.entry_id == Version.entry_id,
        Notice.status.in_(notices.UNFINISHED),
    )
    live = select(Version.id).where(Version.status == VersionStatus.PUBLISHED, Version.id > after)
    return session.scalars(live.where(found_wrong, ~open_notice).order_by(Version.id)).all()


def _progress(session: Session) -> tuple[int, datetime | None]:
    row = session.execute(select(Progress.position, Progress.at).where(Progress.name == SWEEP)).first()
    return (row[0], row[1]) if row else (0, None)


def _save_progress(session: Session, position: int, now: datetime) -> None:
    said = {"position": position, "at": now}
    write = insert_into(session, Progress).values(name=SWEEP, **said)
    session.execute(write.on_conflict_do_update(index_elements=["name"], set_=said))
