"""知识需求 behind the pages: questions without a good answer are put together, and asked again when something is
published."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from api.repeating import Repeating
from ingest.following import Following
from kb_admin import gap_groups
from kb_admin.gap_groups import STRONG, WAITING
from kb_admin.gap_list import examples
from kb_admin.gap_material import collect
from kb_admin.upserts import insert_into
from models.improvement import GapGroup, GapItem, Progress
from models.knowledge import ChangeLog, Version
from models.notices import NoticeVersion
from models.values import EARLIEST, GapStatus, Outcome, VersionStatus, Viewer
from retrieval import grouping
from retrieval.embedded import TextEncoder
from retrieval.grouping import KnownGroup, squeezed
from retrieval.service_index import ServiceIndex
from retrieval.standard_question import standard_question
from retrieval.story import focus
from retrieval.term_rows import TermRows
from retrieval.vector_store import FingerprintedEncoder
from retrieval.vectors import Matrix

GROUPING, RERUN = "gap_grouping", "gap_rerun"
"""Names of ``Progress``."""
GAPS_LOCK = 0x5A48_4741
"""Key of PostgreSQL's advisory lock: one process groups at a time."""
AT_ONCE = 5000
"""Questions grouped in one transaction."""
ASKED_AGAIN = 10
"""Wordings of a group that are asked again: the most frequent ones."""
ENOUGH = 0.5
"""Share of them that has to be answered, by one and the same entry."""
NEAR, NEAR_BY_TERMS = 0.75, 0.15
"""Cosine of a group's questions to a phrasing of an entry, or overlap of terms: farther groups are not asked again."""
NOISE = 0.02
"""Confidence below which a near entry says nothing of whose matter it is."""
MOST_NEAR = 200
"""Groups asked again in one go; the nearest to what was published."""
LOOK_SECONDS = 5.0
"""An answer that is published closes its group within about this time."""
GROUP_EVERY = timedelta(minutes=5)
"""With 100,000 questions grouped already it takes some seconds of one core."""
EVERYTHING = Viewer(everything=True)
"""The base as the office sees it."""


class Searching(Protocol):
    """What of the service is needed."""

    @property
    def index(self) -> ServiceIndex: ...

    @property
    def encoder(self) -> FingerprintedEncoder | None: ...

    @property
    def memory(self) -> TextEncoder | None:
        """The same encoder, which remembers what it has encoded; None without a model."""

    @property
    def follower(self) -> Following: ...


@dataclass(frozen=True)
class Parts:
    """The same by itself, for the worker, which is a part of the service."""

    index: ServiceIndex
    encoder: FingerprintedEncoder | None
    memory: TextEncoder | None
    follower: Following


@dataclass(frozen=True)
class Near:
    """An entry near to a group's question."""

    version: Version
    score: float


def group_new(searching: Searching, session: Session, now: datetime, *, limit: int = AT_ONCE) -> int:
    """Take in what calls have added and give each question its group; returns how many got one. The caller commits.

    Nothing happens while another process is at it.
    """
    take_in(session, now)
    return group_waiting(searching, session, now, limit=limit)


def take_in(session: Session, now: datetime) -> int:
    """Write down the questions of calls that are over; returns how many. The caller commits."""
    return collect(session, now) if _my_turn(session) else 0


def group_waiting(searching: Searching, session: Session, now: datetime, *, limit: int = AT_ONCE) -> int:
    """Give the questions that wait for it their groups; returns how many. The caller commits.

    What takes time is done before anything is written, so that SQLite's other writers hardly wait.
    """
    if not _my_turn(session):
        return 0
    waiting = select(GapItem).where(GapItem.group_id.is_(None)).order_by(GapItem.id).limit(limit)
    items = session.scalars(waiting).all()
    with session.no_autoflush:
        sorted_out = _sort_out(searching, session, items, now) if items else None
    _reach(session, GROUPING, 0, now)
    still = select(func.count()).where(GapItem.id.in_([item.id for item in items]), GapItem.group_id.is_(None))
    if sorted_out is None or session.scalar(still) != len(items):  # another process on SQLite was quicker
        return 0
    _write(searching, session, items, sorted_out, now)
    return len(items)


def rerun(searching: Searching, session: Session, now: datetime) -> int:
    """Ask the waiting groups near to what was published, and is searchable, or took effect since the last time, again;
    returns how many are closed. The caller commits.
    """
    last = session.execute(select(Progress.position, Progress.at).where(Progress.name == RERUN)).tuples().first()
    reached, at = last or (0, EARLIEST)
    position = max(reached, searching.follower.position)
    changed = select(ChangeLog.entry_id).where(ChangeLog.seq > reached, ChangeLog.seq <= position)
    took_effect = and_(Version.valid_from > at, Version.valid_from <= now)
    live = select(Version).where(
        Version.status == VersionStatus.PUBLISHED, or_(Version.entry_id.in_(changed), took_effect)
    )
    versions = session.scalars(live.order_by(Version.entry_id)).all()
    if (position == reached and not versions) or not _my_turn(session):
        return 0
    near = near_groups(searching, session, versions)
    answers = [(waiting, _answered_by(searching, session, waiting, now)) for waiting in near]
    _reach(session, RERUN, position, now)
    return sum(
        gap_groups.close_answered(session, waiting, answer, now=now)
        for waiting, answer in answers
        if answer is not None
    )


class GapWorker(Repeating):
    """Groups what has come in, every few minutes; asks again soon after something is published. One process does it at
    a time; any number may run."""

    def __init__(
        self, open_session: sessionmaker[Session], searching: Searching, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__("gaps", self.catch_up, every_seconds=LOOK_SECONDS)
        self._open_session = open_session
        self._searching = searching
        self._clock = clock

    def catch_up(self) -> int:
        """What is due; returns how many questions got a group and how many groups were closed."""
        done = self._do(rerun)
        with self._open_session() as session:
            last = session.scalar(select(Progress.at).where(Progress.name == GROUPING))
        if last is None or self._clock() - last >= GROUP_EVERY:
            self._do(lambda _, session, now: take_in(session, now))
            while not self.stopping and (grouped := self._do(group_waiting)):
                done += grouped
        return done

    def _do(self, work: Callable[[Searching, Session, datetime], int]) -> int:
        with self._open_session() as session:
            done = work(self._searching, session, self._clock())
            session.commit()
        return done


def nearest_entries(
    index: ServiceIndex, session: Session, question: str, now: datetime, *, viewer: Viewer = EVERYTHING, most: int = 5
) -> list[Near]:
    """The entries that come nearest to a question, with their scores."""
    hits = index.search(question, viewer, now, most).hits
    versions = session.scalars(select(Version).where(Version.id.in_([hit.version_id for hit in hits]))).all()
    by_id = {version.id: version for version in versions}
    return [Near(by_id[hit.version_id], hit.score) for hit in hits if hit.version_id in by_id]


def similar_groups(session: Session, group: GapGroup, *, most: int) -> list[GapGroup]:
    """Open groups whose names are nearest in words, for who wants to put them together."""
    others = select(GapGroup).where(GapGroup.status == GapStatus.OPEN, GapGroup.id != group.id).order_by(GapGroup.id)
    held = session.scalars(others).all()
    if not held:
        return []
    rows = TermRows.of([squeezed(group.label), *(squeezed(other.label) for other in held)]).folded()
    overlap = rows[1:] @ rows[0]
    return [held[place] for place in np.argsort(-overlap, kind="stable")[:most]]


@dataclass(frozen=True)
class SortedOut:
    """Where each of some questions belongs; nothing of it is written yet."""

    numbers: tuple[int, ...]
    new: dict[int, GapGroup]
    vectors: Matrix | None


def _sort_out(searching: Searching, session: Session, items: Sequence[GapItem], now: datetime) -> SortedOut:
    _mend_vectors(searching, session)
    asked = [focus(item.text) for item in items]
    vectors = searching.memory.encode(asked) if searching.memory else None
    found = grouping.group(asked, vectors, _known(session))
    new = {number: _new_group(searching, session, asked[place], now) for number, place in found.labels.items()}
    return SortedOut(found.numbers, new, vectors)


def _write(
    searching: Searching, session: Session, items: Sequence[GapItem], sorted_out: SortedOut, now: datetime
) -> None:
    session.add_all(sorted_out.new.values())
    session.flush()
    old = {number for number in sorted_out.numbers if number > 0}
    groups = sorted_out.new | {held.id: held for held in session.scalars(select(GapGroup).where(GapGroup.id.in_(old)))}
    for place, (item, number) in enumerate(zip(items, sorted_out.numbers, strict=True)):
        held = groups[number]
        item.group_id, held.changed_at = held.id, now
        if sorted_out.vectors is not None:
            held.vector = _plus(held.vector, sorted_out.vectors[place])
            held.encoder = _fingerprint(searching)
        else:
            held.encoder = ""  # the sum lacks this question, should a model come back
        if held.status is GapStatus.ANSWERED and held.closed_at and item.at > held.closed_at and item.signal in STRONG:
            gap_groups.asked_again(session, held, now=now)
    session.flush()


def _new_group(searching: Searching, session: Session, label: str, now: datetime) -> GapGroup:
    """Named by what was asked; the unit is that of the nearest entries, best first: the one with most of the score."""
    question = standard_question(label)
    near = [one for one in nearest_entries(searching.index, session, question, now) if one.score >= NOISE]
    scores: dict[int, float] = defaultdict(float)
    for one in near:
        scores[one.version.entry.unit_id] += one.score
    return GapGroup(
        status=GapStatus.OPEN,
        label=label,
        standard_question=question,
        unit_id=max(scores, key=lambda unit: scores[unit], default=None),
        entry_id=near[0].version.entry_id if near else None,
        created_at=now,
        changed_at=now,
    )


def _known(session: Session) -> list[KnownGroup]:
    texts: dict[int, dict[str, int]] = defaultdict(dict)
    counted = (
        select(GapItem.group_id, GapItem.text, func.count())
        .where(GapItem.group_id.is_not(None))
        .group_by(GapItem.group_id, GapItem.text)
        .order_by(func.min(GapItem.id))
    )
    for group_id, said, count in session.execute(counted):
        assert group_id is not None
        asked = focus(said)
        texts[group_id][asked] = texts[group_id].get(asked, 0) + count
    vectors = dict(session.execute(select(GapGroup.id, GapGroup.vector)).tuples().all())
    vectors |= {held.id: held.vector for held in session.dirty if isinstance(held, GapGroup)}
    return [
        KnownGroup(group_id, tuple(asked), _read(vectors[group_id]), sum(asked.values()))
        for group_id, asked in texts.items()
    ]


def _mend_vectors(searching: Searching, session: Session) -> None:
    """Groups that the office has changed, or whose vector is another model's, get theirs anew."""
    if searching.memory is None:
        return
    stale = select(GapGroup).where(GapGroup.encoder != _fingerprint(searching)).order_by(GapGroup.id)
    for held in session.scalars(stale).all():
        said = session.scalars(select(GapItem.text).where(GapItem.group_id == held.id).order_by(GapItem.id)).all()
        if said:
            held.vector = searching.memory.encode([focus(one) for one in said]).sum(axis=0).tobytes()
        held.encoder = _fingerprint(searching)


def near_groups(searching: Searching, session: Session, versions: Sequence[Version]) -> Sequence[GapGroup]:
    """Waiting groups that these versions may answer: by what they say, by the notice that they answer, or because the
    entry was the nearest before."""
    if not versions:
        return []
    waiting = session.scalars(select(GapGroup).where(GapGroup.status.in_(WAITING)).order_by(GapGroup.id)).all()
    entry_ids = {version.entry_id for version in versions}
    answers = select(NoticeVersion.notice_id).join(Version, Version.id == NoticeVersion.version_id)
    answered = set(session.scalars(answers.where(Version.entry_id.in_(entry_ids))))
    nearness = _nearness(searching, waiting, [text for version in versions for text in _phrasings(version)])
    linked = [g for g in waiting if g.entry_id in entry_ids or g.notice_id in answered]
    ranked = sorted(zip(nearness, waiting, strict=True), key=lambda pair: (-pair[0], pair[1].id))
    near = [g for nearness_of, g in ranked if nearness_of > 0]
    return list({g.id: g for g in (*linked, *near)}.values())[:MOST_NEAR]


def _nearness(searching: Searching, groups: Sequence[GapGroup], phrasings: Sequence[str]) -> list[float]:
    """How near each group is to the nearest of the phrasings; 0 for those that are not near."""
    if not groups:
        return []
    labels = [squeezed(g.label) for g in groups]
    rows = TermRows.of([*labels, *map(squeezed, phrasings)]).folded()
    overlap = (rows[: len(labels)] @ rows[len(labels) :].T).max(axis=1)
    nearness = np.where(overlap >= NEAR_BY_TERMS, overlap, 0.0)
    if searching.memory is not None:
        said = searching.memory.encode(list(phrasings))
        nothing = np.zeros(said.shape[1], np.float32)
        own = [_read(g.vector) if g.encoder == _fingerprint(searching) else None for g in groups]
        centres = np.array([nothing if vector is None else _unit(vector) for vector in own], np.float32)
        cosine = (centres @ said.T).max(axis=1)
        nearness = np.maximum(nearness, np.where(cosine >= NEAR, cosine, 0.0))
    return [float(one) for one in nearness]


def _answered_by(searching: Searching, session: Session, waiting: GapGroup, now: datetime) -> Version | None:
    """The version that now answers at least ENOUGH of the group's most frequent wordings: found directly, or first
    among several, and published after the wording was last asked."""
    asked = examples(session, waiting, limit=ASKED_AGAIN)
    counts: dict[int, int] = defaultdict(int)
    for example in asked:
        result = searching.index.search(focus(example.item.text), EVERYTHING, now, 2)
        if result.outcome is Outcome.NONE or not result.hits:
            continue
        version = session.get_one(Version, result.hits[0].version_id)
        if version.published_at and max(version.published_at, version.valid_from or EARLIEST) > example.item.at:
            counts[version.id] += 1
    best = max(counts, key=lambda version_id: (counts[version_id], -version_id), default=None)
    if best is None or counts[best] < ENOUGH * len(asked):
        return None
    return session.get_one(Version, best)


def _phrasings(version: Version) -> tuple[str, ...]:
    return (version.question, *version.similar)


def _fingerprint(searching: Searching) -> str:
    """Of the model; empty without one."""
    return searching.encoder.fingerprint if searching.encoder else ""


def _my_turn(session: Session) -> bool:
    """SQLite has one writer anyway; in PostgreSQL who comes second leaves it to the first."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": GAPS_LOCK}))


def _reach(session: Session, name: str, position: int, now: datetime) -> None:
    said = {"position": position, "at": now}
    write = insert_into(session, Progress).values(name=name, **said)
    session.execute(write.on_conflict_do_update(index_elements=["name"], set_=said))


def _read(stored: bytes | None) -> Matrix | None:
    return None if stored is None else np.frombuffer(stored, np.float32)


def _plus(stored: bytes | None, vector: Matrix) -> bytes:
    before = _read(stored)
    whole = vector if before is None else before + vector
    return np.asarray(whole, np.float32).tobytes()


def _unit(vector: Matrix) -> Matrix:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
