"""正确率 of a version: worked out from the verdicts on it each time it is asked for, exactly, and stored nowhere.

Correctness is correct ÷ (correct + incorrect), per version, among distinct raters with the rulebook's weights (济源
art. 9(3)1). Below the threshold is below it exactly: at 80 % of an 80 % threshold nothing is triggered.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import sqrt

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin.contents import batches
from kb_admin.rulebook import CorrectionRule, Rulebook
from kb_admin.rules_in_force import InForce, rules_of
from models.improvement import Defence
from models.knowledge import Entry, Transition, Version
from models.notices import Notice
from models.organisation import Unit
from models.usage import Verdict
from models.values import ApplicationStatus, Choice, Judgement, NoticeKind, NoticeStatus, Rater, VersionStatus

S = VersionStatus
NORMAL_95 = 1.959963984540054
"""The 0.975 quantile of the normal distribution: 95 % lie within so many standard deviations."""


class Standing(Choice):
    """How a version stands against the threshold."""

    BELOW = "below", "低于"
    NEAR = "near", "接近"
    SOUND = "sound", "正常"
    FEW = "few", "评价不足"


@dataclass(frozen=True)
class Rating:
    """A verdict as far as it counts."""

    rater: Rater
    rater_key: str
    judgement: Judgement
    at: datetime
    verdict_id: int = 0
    """0: not from the base."""


@dataclass(frozen=True)
class Correctness:
    """What the verdicts on a version come to."""

    correct: Fraction
    incorrect: Fraction
    """Weights of the distinct raters."""
    correct_raters: int
    incorrect_raters: int
    rate: Fraction | None
    """Exact; None: nobody has judged."""
    enough: bool
    """As many raters as the rulebook asks for at least."""
    below: bool
    """Enough of them, and the rate is below the threshold, exactly."""
    interval: tuple[float, float] | None
    """95 % confidence interval of the raters' share, without weights: Wilson (1927), J. Am. Stat. Assoc. 22, 209."""

    @property
    def raters(self) -> int:
        return self.correct_raters + self.incorrect_raters


@dataclass(frozen=True)
class Tally:
    """What the count of one version comes to, and under which rule."""

    version_ids: tuple[int, ...]
    """See ``counted_versions``."""
    since: datetime | None
    """The count began anew then; None: it never did."""
    rules: InForce
    result: Correctness

    @property
    def rule(self) -> CorrectionRule:
        return self.rules.rulebook.correction

    @property
    def standing(self) -> Standing:
        return standing_of(self.result, self.rules.rulebook)


@dataclass(frozen=True)
class Count(Tally):
    """The same with all that goes into it."""

    ratings: tuple[Rating, ...]
    """All on these versions, oldest first, also those that do not count."""

    def counting(self, now: datetime) -> tuple[Rating, ...]:
        """Those of the ratings that count: of each rater the latest within the bounds."""
        return counting(self.ratings, self.rule, now=now, since=self.since)

    def at(self, moment: datetime) -> Correctness:
        """What the count would have come to at an earlier moment, under today's rule."""
        return correctness(self.ratings, self.rule, now=moment, since=self.since)


def correctness(
    ratings: Iterable[Rating], rule: CorrectionRule, *, now: datetime, since: datetime | None = None
) -> Correctness:
    """What these verdicts come to at ``now``, of which those count that ``counting`` says."""
    return _correctness(Counter((r.rater, r.judgement) for r in counting(ratings, rule, now=now, since=since)), rule)


def counting(
    ratings: Iterable[Rating], rule: CorrectionRule, *, now: datetime, since: datetime | None = None
) -> tuple[Rating, ...]:
    """Of each rater the latest verdict, however many there are; the later one given where two are of one moment.

    Only verdicts up to ``now`` and later than ``since`` and than the beginning of the rule's window count; of raters
    whose weight is 0, none.
    """
    after = _after(rule, now, since)
    last: dict[str, Rating] = {}
    for rating in ratings:
        if rating.at > now or (after is not None and rating.at <= after) or not rule.weights[rating.rater.value]:
            continue
        before = last.get(rating.rater_key)
        if before is None or before.at <= rating.at:
            last[rating.rater_key] = rating
    return tuple(last.values())


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share; ``trials`` at least 1."""
    share, z2 = successes / trials, NORMAL_95**2
    centre = share + z2 / (2 * trials)
    spread = NORMAL_95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def standing_of(result: Correctness, rulebook: Rulebook) -> Standing:
    """Below the threshold, near it, or neither; too few raters say nothing."""
    if not result.enough or result.rate is None:
        return Standing.FEW
    if result.below:
        return Standing.BELOW
    return Standing.NEAR if result.rate < rulebook.statistics.near else Standing.SOUND


def percent(rate: Fraction) -> str:
    """With one decimal, cut off and never rounded up: what is below 80 % never reads "80.0%"."""
    tenths = int(rate * 1000)
    return f"{tenths // 10}.{tenths % 10}%"


def correctness_of(session: Session, version: Version, now: datetime) -> Correctness:
    """Of one version, with all that counts for it."""
    return counts_of(session, [version.id], now)[version.id].result


def correctness_of_many(session: Session, version_ids: Collection[int], now: datetime) -> dict[int, Correctness]:
    """The same for many versions in few queries; ids that there are not are left out."""
    return {version_id: tally.result for version_id, tally in tallies_of(session, version_ids, now).items()}


def tallies_of(session: Session, version_ids: Collection[int], now: datetime) -> dict[int, Tally]:
    """For many versions, by version: the database counts, but for the few that count with others or began anew."""
    frames = _frames(session, version_ids, now)
    special = [each for each, frame in frames.items() if len(frame.version_ids) > 1 or frame.since is not None]
    found: dict[int, Tally] = dict(_counts(session, {each: frames[each] for each in special}, now))
    by_rules: dict[int, list[int]] = defaultdict(list)
    for version_id in sorted(frames.keys() - found.keys()):
        by_rules[frames[version_id].rules.rulebook_id].append(version_id)
    for ids in by_rules.values():
        rules, known = frames[ids[0]].rules, dict[frozenset[tuple[RaterSaid, int]], Correctness]()
        counted = _raters(session, ids, rules.rulebook.correction, now)
        for version_id in ids:
            said = counted.get(version_id, {})
            key = frozenset(said.items())
            if key not in known:
                known[key] = _correctness(said, rules.rulebook.correction)
            found[version_id] = Tally((version_id,), None, rules, known[key])
    return found


def counts_of(session: Session, version_ids: Collection[int], now: datetime) -> dict[int, Count]:
    """The counts of these versions, by version, with every rating: for one or a page of them."""
    return _counts(session, _frames(session, version_ids, now), now)


def counted_versions(session: Session, version: Version) -> tuple[int, ...]:
    """Ids of the versions whose verdicts count for this one: itself, and those before it that differ from it in
    keywords only, which were replaced without passing a check; the newest first."""
    return chains_of(session, [version.id])[version.id]


def chains_of(session: Session, version_ids: Collection[int]) -> dict[int, tuple[int, ...]]:
    """``counted_versions`` of many."""
    before: dict[int, int] = {}
    looked_at: set[int] = set()
    ahead = set(version_ids)
    while ahead:
        looked_at |= ahead
        found = _replaced_as_they_were(session, sorted(ahead))
        before.update(found)
        ahead = set(found.values()) - looked_at
    return {version_id: _chain(version_id, before) for version_id in version_ids}


@dataclass(frozen=True)
class _Frame:
    """What bounds the count of one version."""

    version_ids: tuple[int, ...]
    since: datetime | None
    rules: InForce


RaterSaid = tuple[Rater, Judgement]


def _frames(session: Session, version_ids: Collection[int], now: datetime) -> dict[int, _Frame]:
    wanted = sorted(set(version_ids))
    chains, rules = chains_of(session, wanted), _rules(session, wanted, now)
    begun = _begun_anew(session, sorted({each for chain in chains.values() for each in chain}))
    return {
        version_id: _Frame(
            chains[version_id],
            max((begun[each] for each in chains[version_id] if each in begun), default=None),
            rules[version_id],
        )
        for version_id in wanted
        if version_id in rules
    }


def _counts(session: Session, frames: Mapping[int, _Frame], now: datetime) -> dict[int, Count]:
    ratings = _ratings(session, sorted({each for frame in frames.values() for each in frame.version_ids}))
    found = {}
    for version_id, frame in frames.items():
        said = sorted(
            (rating for each in frame.version_ids for rating in ratings.get(each, ())),
            key=lambda rating: (rating.at, rating.verdict_id),
        )
        result = correctness(said, frame.rules.rulebook.correction, now=now, since=frame.since)
        found[version_id] = Count(frame.version_ids, frame.since, frame.rules, result, tuple(said))
    return found


def _raters(
    session: Session, version_ids: Sequence[int], rule: CorrectionRule, now: datetime
) -> Mapping[int, Mapping[RaterSaid, int]]:
    """``counting`` in the database: by version, how many raters of each kind last said what."""
    found: dict[int, dict[RaterSaid, int]] = defaultdict(dict)
    after, weighty = _after(rule, now, None), [rater for rater in Rater if rule.weights[rater.value]]
    place = func.row_number().over(
        partition_by=(Verdict.version_id, Verdict.rater_key), order_by=(Verdict.at.desc(), Verdict.id.desc())
    )
    within = [Verdict.at <= now, Verdict.rater.in_(weighty), *([Verdict.at > after] if after else [])]
    for ids in batches(version_ids):
        said = select(Verdict.version_id, Verdict.rater, Verdict.judgement, place.label("place"))
        last = said.where(Verdict.version_id.in_(ids), *within).subquery()
        kinds = (last.c.version_id, last.c.rater, last.c.judgement)
        counted = select(*kinds, func.count()).where(last.c.place == 1).group_by(*kinds)
        for version_id, rater, judgement, raters in session.execute(counted).tuples():
            found[version_id][rater, judgement] = raters
    return found


def _correctness(raters: Mapping[RaterSaid, int], rule: CorrectionRule) -> Correctness:
    correct, incorrect = (
        sum((rule.weights[rater.value] * raters.get((rater, judgement), 0) for rater in Rater), Fraction(0))
        for judgement in (Judgement.CORRECT, Judgement.INCORRECT)
    )
    right, wrong = (
        sum(raters.get((rater, judgement), 0) for rater in Rater)
        for judgement in (Judgement.CORRECT, Judgement.INCORRECT)
    )
    rate = correct / (correct + incorrect) if right + wrong else None
    enough = right + wrong >= rule.minimum_ratings
    return Correctness(
        correct=correct,
        incorrect=incorrect,
        correct_raters=right,
        incorrect_raters=wrong,
        rate=rate,
        enough=enough,
        below=enough and rate is not None and rate < rule.threshold,
        interval=wilson(right, right + wrong) if right + wrong else None,
    )


def _after(rule: CorrectionRule, now: datetime, since: datetime | None) -> datetime | None:
    window = None if rule.window_days is None else now - timedelta(days=rule.window_days)
    return max((moment for moment in (window, since) if moment is not None), default=None)


def _chain(version_id: int, before: Mapping[int, int]) -> tuple[int, ...]:
    chain = [version_id]
    while chain[-1] in before:
        chain.append(before[chain[-1]])
    return tuple(chain)


def _replaced_as_they_were(session: Session, version_ids: Sequence[int]) -> dict[int, int]:
    """Of versions that began as published, which one each replaced: the last to give way before it began."""
    began: list[tuple[int, int, int]] = []
    for ids in batches(version_ids):
        births = (
            select(Transition.version_id, Transition.id, Version.entry_id)
            .join(Version, Version.id == Transition.version_id)
            .where(Transition.version_id.in_(ids))
            .where(Transition.from_status.is_(None), Transition.to_status == S.PUBLISHED)
        )
        began += session.execute(births).tuples().all()
    gave_way: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for entry_ids in batches(sorted({entry_id for _, _, entry_id in began})):
        replaced = (
            select(Version.entry_id, Transition.id, Transition.version_id)
            .join(Version, Version.id == Transition.version_id)
            .where(Version.entry_id.in_(entry_ids))
            .where(Transition.from_status == S.PUBLISHED, Transition.to_status == S.SUPERSEDED)
        )
        for entry_id, moved, version_id in session.execute(replaced).tuples():
            gave_way[entry_id].append((moved, version_id))
    found = {}
    for version_id, birth, entry_id in began:
        earlier = [step for step in gave_way[entry_id] if step[0] < birth]
        if earlier:
            found[version_id] = max(earlier)[1]
    return found


def _ratings(session: Session, version_ids: Sequence[int]) -> Mapping[int, Sequence[Rating]]:
    """All that were given, by version."""
    found: dict[int, list[Rating]] = defaultdict(list)
    said = select(Verdict.version_id, Verdict.rater, Verdict.rater_key, Verdict.judgement, Verdict.at, Verdict.id)
    for ids in batches(version_ids):
        rows = session.execute(said.where(Verdict.version_id.in_(ids))).tuples()
        for version_id, rater, rater_key, judgement, at, verdict_id in rows:
            found[version_id].append(Rating(rater, rater_key, judgement, at, verdict_id))
    return found


def _begun_anew(session: Session, version_ids: Sequence[int]) -> Mapping[int, datetime]:
    """When the office last accepted a defence of a version or cancelled a correction of it."""
    found: dict[int, datetime] = {}
    for ids in batches(version_ids):
        of_these = (Notice.kind == NoticeKind.CORRECTION, Notice.version_id.in_(ids))
        defended = (
            select(Notice.version_id, func.max(Defence.decided_at))
            .join(Defence, Defence.notice_id == Notice.id)
            .where(*of_these, Defence.status == ApplicationStatus.GRANTED)
        )
        cancelled = select(Notice.version_id, func.max(func.coalesce(Notice.cancelled_at, Notice.created_at))).where(
            *of_these, Notice.status == NoticeStatus.CANCELLED
        )
        for query in (defended, cancelled):
            for version_id, moment in session.execute(query.group_by(Notice.version_id)).tuples():
                if version_id is not None and moment is not None:
                    found[version_id] = max(found.get(version_id, moment), moment)
    return found


def _rules(session: Session, version_ids: Sequence[int], now: datetime) -> Mapping[int, InForce]:
    """What holds for the unit of each of these versions."""
    regions: dict[int, int] = {}
    for ids in batches(version_ids):
        mine = select(Version.id, Unit.region_id).join(Entry, Entry.id == Version.entry_id)
        of_these = mine.join(Unit, Unit.id == Entry.unit_id).where(Version.id.in_(ids))
        regions.update(session.execute(of_these).tuples().all())
    in_force = {region_id: rules_of(session, region_id, now) for region_id in sorted(set(regions.values()))}
    return {version_id: in_force[region_id] for version_id, region_id in regions.items()}
