"""Versions as they are built: what they say, where they stand in the unit's tree, and the history they begin with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin.moving import LONGEST_RULE, LONGEST_STEP, MOVED_MEANWHILE, check_start, fitting
from kb_admin.organisation import region_named
from kb_admin.routes import Move
from models.errors import Conflict, Invalid
from models.knowledge import Attachment, Basis, Category, Entry, Keyword, Phrasing, Transition, Version
from models.organisation import Person, Region, Unit
from models.values import EntryContent, PhrasingKind, VersionStatus

S = VersionStatus
DRAFTED = "起草"
"""Step of the first transition."""


def new_version(
    entry: Entry,
    content: EntryContent,
    *,
    number: int,
    moves: Sequence[Move] = (),
    begins: VersionStatus = S.DRAFT,
    step: str = DRAFTED,
    rule: str = "",
    actor: Person | None,
    now: datetime,
) -> Version:
    """A version that begins there by that ``step`` and made these ``moves``, all under that ``rule``; not yet written,
    region and category still to be set.

    Nobody else can see it, so nothing can race; but it goes only where the moves lead, else Conflict.
    """
    status = begins
    for move in moves:
        check_start(number, status, move)
        status = move.to
    path = (None, begins, *(move.to for move in moves))
    steps = (step, *(move.label for move in moves))
    common = {"actor": actor, "at": now, "reason": "", "rule": fitting(rule, LONGEST_RULE), "ticked": ""}
    history = [
        Transition(from_status=before, to_status=to, step=fitting(done, LONGEST_STEP), **common)
        for (before, to), done in zip(pairwise(path), steps, strict=True)
    ]
    return Version(
        entry=entry,
        number=number,
        status=status,
        created_by=actor,
        created_at=now,
        published_at=now if status is S.PUBLISHED else None,
        route="",
        gates_passed=0,
        emergency=False,
        transitions=history,
        **_said(content),
    )


@dataclass(frozen=True)
class Place:
    """Where a version holds, and where it stands in its unit's tree."""

    region: Region
    category: Category | None


def place_of(session: Session, unit: Unit, content: EntryContent, *, configures: bool = True) -> Place:
    """Raises Invalid for an unknown region. ``configures``: see ``category_for``."""
    category = category_for(session, unit, content.category, configures=configures)
    return Place(region_named(session, content.region), category)


def add(session: Session, version: Version, place: Place) -> Version:
    """Write a new version at its place. Raises Conflict when somebody else has just added one of the same number."""
    version.region, version.category = place.region, place.category
    session.add(version)
    try:
        session.flush()
    except IntegrityError as error:
        raise Conflict(MOVED_MEANWHILE) from error
    return version


def rewrite(session: Session, version: Version, content: EntryContent, place: Place) -> None:
    """Let a version that nobody has seen yet say something else."""
    version.phrasings, version.keywords, version.bases = [], [], []
    session.flush()
    for name, value in _said(content).items():
        setattr(version, name, value)
    version.region, version.category = place.region, place.category
    session.flush()


def next_number(session: Session, entry: Entry) -> int:
    """The number of the entry's next version."""
    return (session.scalar(select(func.max(Version.number)).where(Version.entry_id == entry.id)) or 0) + 1


def live_version(session: Session, entry_id: int) -> Version | None:
    """The published version of an entry, valid today or not."""
    return session.scalar(select(Version).where(Version.entry_id == entry_id, Version.status == S.PUBLISHED))


def carry_attachments(session: Session, before: Version, after: Version) -> None:
    """The files of one version belong to the next one too."""
    session.flush()
    for file in session.scalars(select(Attachment).where(Attachment.version_id == before.id).order_by(Attachment.id)):
        session.add(
            Attachment(
                version_id=after.id,
                filename=file.filename,
                media_type=file.media_type,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
            )
        )
    session.flush()


def check_unit(entry: Entry, content: EntryContent) -> None:
    """Raise Invalid when the content would take the entry to another unit."""
    if content.unit != entry.unit.name:
        raise Invalid(f"条目 {entry.code} 属于“{entry.unit.name}”，不能改为“{content.unit}”。")


def category_for(session: Session, unit: Unit, path: str, *, configures: bool = True) -> Category | None:
    """The unit's place of that path, made when there is none yet.

    ``configures``: whether who writes sets up the unit's tree. Without that right a new place is a proposal, not open
    for use until the office has set it up.
    """
    if not path:
        return None
    wanted = select(Category).where(Category.unit_id == unit.id, Category.path == path)
    category = session.scalar(wanted)
    if category is not None:
        return category
    try:
        with session.begin_nested():
            category = Category(unit_id=unit.id, path=path, active=configures)
            session.add(category)
    except IntegrityError:  # somebody else has just made the same
        return session.scalars(wanted).one()
    return category


def _said(content: EntryContent) -> dict[str, object]:
    return {
        "spoken": content.spoken,
        "answer": content.answer,
        "valid_from": content.valid_from,
        "valid_to": content.valid_to,
        "publicity": content.publicity,
        "info_type": content.info_type,
        "phrasings": [
            Phrasing(kind=PhrasingKind.SIMILAR if position else PhrasingKind.STANDARD, position=position, text=text)
            for position, text in enumerate((content.question, *content.similar))
        ],
        "keywords": [Keyword(position=i, text=word) for i, word in enumerate(content.keywords)],
        "bases": [
            Basis(position=i, document=b.document, number=b.number, attachment_count=b.attachment_count)
            for i, b in enumerate(content.bases)
        ],
    }
