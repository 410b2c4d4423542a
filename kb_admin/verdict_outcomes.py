"""What became of verdicts (梅州 art. 9(1)): whether each counts, which correction it belongs to, what answers now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, joinedload

from kb_admin.contents import batches
from kb_admin.correctness import Count, chains_of, counts_of
from models.knowledge import Version
from models.notices import Notice
from models.organisation import Person
from models.usage import Verdict
from models.values import Choice, Judgement, NoticeKind, VersionStatus


class Bearing(Choice):
    """Whether a verdict counts for what answers now, and if not, why."""

    COUNTS = "counts", "计入正确率"
    LATER_ONE = "later_one", "以本人后来的评价为准"
    OLD_VERSION = "old_version", "评价的是旧版"
    BEFORE = "before", "此后重新统计"
    OUTSIDE = "outside", "已过统计期"
    NO_WEIGHT = "no_weight", "按规则不计"
    OFF = "off", "条目已停用"


@dataclass(frozen=True)
class Outcome:
    """One verdict and what became of it."""

    verdict: Verdict
    bearing: Bearing
    notice: Notice | None
    """The correction of what was found wrong, made because of it or open at the time; None: there was none."""
    live: Version | None
    """The version that answers now; None: the entry is out of use."""

    @property
    def renewed(self) -> bool:
        """Whether other words answer now than those that were judged."""
        return self.bearing is Bearing.OLD_VERSION


def verdicts_of(
    session: Session,
    person: Person,
    now: datetime,
    *,
    judgement: Judgement | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Outcome]:
    """What became of this person's verdicts, the newest first."""
    newest = _mine(person, judgement).order_by(Verdict.at.desc(), Verdict.id.desc()).limit(limit).offset(offset)
    return outcomes(session, session.scalars(newest).all(), now)


def count_verdicts_of(session: Session, person: Person, *, judgement: Judgement | None = None) -> int:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(_mine(person, judgement).subquery())) or 0


def outcomes(session: Session, verdicts: Sequence[Verdict], now: datetime) -> list[Outcome]:
    """What became of each of these."""
    versions = _versions(session, {verdict.version_id for verdict in verdicts})
    live = _live(session, {version.entry_id for version in versions.values()})
    counts = counts_of(session, [version.id for version in live.values()], now)
    counting = {
        entry_id: _counting(counts[version.id], now) for entry_id, version in live.items() if version.id in counts
    }
    corrections = _corrections(session, {version.entry_id for version in versions.values()})
    chains = chains_of(session, {n.version_id for each in corrections.values() for n in each if n.version_id})
    found = []
    for verdict in verdicts:
        entry_id = versions[verdict.version_id].entry_id
        answers = live.get(entry_id)
        count = counts.get(answers.id) if answers else None
        notice = _notice(verdict, corrections.get(entry_id, ()), chains)
        bearing = _bearing(verdict, count, counting.get(entry_id, frozenset()), now)
        found.append(Outcome(verdict, bearing, notice, answers))
    return found


def _counting(count: Count, now: datetime) -> frozenset[int]:
    """Ids of the verdicts that count."""
    return frozenset(rating.verdict_id for rating in count.counting(now))


def _bearing(verdict: Verdict, count: Count | None, counting: Collection[int], now: datetime) -> Bearing:
    """How the verdict bears on the count of the live version; None: there is none."""
    if count is None:
        return Bearing.OFF
    if verdict.version_id not in count.version_ids:
        return Bearing.OLD_VERSION
    if verdict.id in counting:
        return Bearing.COUNTS
    return _why_not(verdict, count, now)


def _why_not(verdict: Verdict, count: Count, now: datetime) -> Bearing:
    if not count.rule.weights[verdict.rater.value]:
        return Bearing.NO_WEIGHT
    if count.since is not None and verdict.at <= count.since:
        return Bearing.BEFORE
    if count.rule.window_days is not None and verdict.at <= now - timedelta(days=count.rule.window_days):
        return Bearing.OUTSIDE
    return Bearing.LATER_ONE


def _mine(person: Person, judgement: Judgement | None) -> Select[Verdict]:
    conditions: list[ColumnElement[bool]] = [Verdict.person_id == person.id]
    if judgement is not None:
        conditions.append(Verdict.judgement == judgement)
    return select(Verdict).where(*conditions)


def _versions(session: Session, version_ids: Collection[int]) -> dict[int, Version]:
    found: dict[int, Version] = {}
    for ids in batches(sorted(version_ids)):
        whole = select(Version).where(Version.id.in_(ids)).options(joinedload(Version.entry))
        found.update({version.id: version for version in session.scalars(whole)})
    return found


def _live(session: Session, entry_ids: Collection[int]) -> dict[int, Version]:
    found: dict[int, Version] = {}
    for ids in batches(sorted(entry_ids)):
        live = select(Version).where(Version.entry_id.in_(ids), Version.status == VersionStatus.PUBLISHED)
        found.update({version.entry_id: version for version in session.scalars(live)})
    return found


def _corrections(session: Session, entry_ids: Collection[int]) -> Mapping[int, Sequence[Notice]]:
    """By entry, the oldest first."""
    found: dict[int, list[Notice]] = {}
    for ids in batches(sorted(entry_ids)):
        of_these = select(Notice).where(Notice.kind == NoticeKind.CORRECTION, Notice.entry_id.in_(ids))
        for notice in session.scalars(of_these.order_by(Notice.id)):
            if notice.entry_id is not None:
                found.setdefault(notice.entry_id, []).append(notice)
    return found


def _notice(verdict: Verdict, of_entry: Sequence[Notice], chains: Mapping[int, Sequence[int]]) -> Notice | None:
    """The first correction of what was found wrong that was not over by then."""
    if verdict.judgement is Judgement.CORRECT:
        return None
    return next(
        (
            notice
            for notice in of_entry
            if notice.version_id is not None
            and verdict.version_id in chains[notice.version_id]
            and (notice.completed_at or notice.cancelled_at or verdict.at) >= verdict.at
        ),
        None,
    )
