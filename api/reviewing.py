"""One version as its reviewer or office sees it: beside its predecessor, with checklist, checks and moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api import moves
from api.cards import Content, attachments_of, content_of
from api.checking import findings_for
from api.comparing import ComparedPart, compare_contents, unchanged_parts
from api.due_times import ShownClock, calendars_of, shown_clock
from api.reading import ReadEntry, read_entry
from api.security import Caller
from api.viewing import note_entry
from api.wiring import Services
from kb_admin.checks import Finding
from kb_admin.courses import Course, course_of, gate_of
from kb_admin.lifecycle import possible_moves
from kb_admin.permissions import acts_as
from kb_admin.routes import Move, MoveName
from kb_admin.rulebook import ChecklistItem, Gate
from kb_admin.waiting import running_clocks
from models.errors import NotFound
from models.knowledge import Transition, Version
from models.notices import Notice
from models.values import VersionStatus


@dataclass(frozen=True)
class Point:
    """One point of the city's checklist."""

    item: ChecklistItem
    rule: str


@dataclass(frozen=True)
class OpenedVersion:
    """A version on the review page."""

    version: Version
    content: Content
    keywords: tuple[str, ...]
    similar: tuple[str, ...]
    base: Version | None
    """What it is compared with: the live version, or another that was chosen; None: nothing stands before it."""
    bases: tuple[Version, ...]
    """What it may be compared with, newest first."""
    parts: tuple[ComparedPart, ...]
    unchanged: tuple[str, ...]
    """Names of the parts that both say alike."""
    gate: Gate | None
    rule: str
    """The article behind the gate, or behind the publication."""
    checklist: tuple[Point, ...]
    findings: tuple[Finding, ...]
    moves: tuple[Move, ...]
    publishes_too: bool
    """Whether the same person may publish what they approve."""
    may_amend: bool
    clock: ShownClock | None
    notice: Notice | None
    """The notice whose clock runs."""
    last: Transition

    @property
    def forward(self) -> Move | None:
        """What A does: approve, or publish."""
        wanted = (MoveName.APPROVE, MoveName.PUBLISH)
        return next((move for move in self.moves if move.name in wanted), None)

    @property
    def back(self) -> Move | None:
        """What S does: send back, or take down what is live already."""
        wanted = (MoveName.SEND_BACK, MoveName.WITHDRAW)
        return next((move for name in wanted for move in self.moves if move.name is name), None)


def open_version(
    services: Services, session: Session, version_id: int, caller: Caller, *, against: int | None, now: datetime
) -> OpenedVersion:
    """The version as this person may handle it; ``against``: number of the version to compare it with. Sight of what is
    internal is noted; the edge commits.

    Raises NotFound when it does not exist or they do not read its history.
    """
    version, read = whole_version(session, version_id, caller, now)
    note_entry(session, read, caller, now)
    course = course_of(session, version, caller.grants, now)
    gate = gate_of(course, version)
    possible = possible_moves(session, version, caller.grants, now)
    bases = tuple(v for v in read.versions or () if v.number < version.number)
    base = _base(bases, against)
    parts = compare_contents(base.content(), version.content(), services.tokeniser) if base else ()
    clock = running_clocks(session, [version.id]).get(version.id)
    return OpenedVersion(
        version=version,
        content=content_of(version, attachments_of(session, [version.id]).get(version.id, {}), now=now),
        keywords=tuple(keyword.text for keyword in version.keywords),
        similar=version.similar,
        base=base,
        bases=bases,
        parts=parts,
        unchanged=unchanged_parts(parts) if base else (),
        gate=gate,
        rule=course.rulebook.cite(gate.source if gate else course.route.source),
        checklist=tuple(Point(i, course.rulebook.cite(i.source)) for i in course.rulebook.checklist) if gate else (),
        findings=findings_for(services, session, version, caller, now),
        moves=moves.offered(session, version, caller.grants, now),
        publishes_too=gate is not None and _publishes_too(course, version, caller),
        may_amend=any(move.name is MoveName.AMEND for move in possible),
        clock=shown_clock(clock, calendars_of(session, [clock.notice.rulebook_id])[clock.notice.rulebook_id], now)
        if clock
        else None,
        notice=clock.notice if clock else None,
        last=version.transitions[-1],
    )


def whole_version(session: Session, version_id: int, caller: Caller, now: datetime) -> tuple[Version, ReadEntry]:
    """The version and its entry, read whole. Raises NotFound as above."""
    version = session.get(Version, version_id)
    missing = NotFound("没有这一版，或您无权查看。")
    if version is None:
        raise missing
    try:
        read = read_entry(session, version.entry.code, caller, now)
    except NotFound as error:
        raise missing from error
    if read.versions is None:
        raise missing
    return next(v for v in read.versions if v.id == version_id), read


def _base(bases: Sequence[Version], against: int | None) -> Version | None:
    """The version chosen; else the one that answers now, else the one before."""
    chosen = next((v for v in bases if v.number == against), None)
    live = next((v for v in bases if v.status is VersionStatus.PUBLISHED), None)
    return chosen or live or next(iter(bases), None)


def _publishes_too(course: Course, version: Version, caller: Caller) -> bool:
    """Whether this is the last gate, and the same person publishes."""
    publishes = course.route.publishes
    last = version.status is VersionStatus.SUBMITTED and version.gates_passed + 1 == len(course.route.gates)
    return last and publishes is not None and acts_as(caller.grants, publishes, version.entry.unit)
