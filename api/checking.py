"""Checks of a draft at the edge: what of the base stands beside it, and all that is to be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.reading import may_read
from api.security import Caller
from api.wiring import Services
from kb_admin import courses
from kb_admin.check_duplicates import NEAR, SAME, Neighbour
from kb_admin.checks import Finding, check
from kb_admin.content_rules import MAX_PHRASING, MAX_SIMILAR
from kb_admin.contents import batches
from kb_admin.permissions import Grant, acts_as
from kb_admin.rulebook import Route, Rulebook
from kb_admin.rules_in_force import rules_by_id, rules_of_unit
from models.errors import Invalid
from models.knowledge import Category, Entry, Phrasing, Version
from models.organisation import Unit
from models.values import EntryContent, Origin, Publicity, VersionStatus
from retrieval.documents import Hit

MOST_NEAR = 5
"""Hits of the search that are looked at: a duplicate stands among the first."""
STANDING = (VersionStatus.PUBLISHED, VersionStatus.CHECKED, VersionStatus.SUBMITTED, VersionStatus.DRAFT)
"""Versions that answer or are on their way."""
CONTRASTS = ("kind_conflict", "number_missing", "year_conflict", "place_conflict", "aspect_other")
"""Features of a search (``retrieval.features``) that say: nearly the same words, but another matter."""


@dataclass(frozen=True)
class Subject:
    """What is checked, and as what."""

    content: EntryContent
    unit: Unit
    origin: Origin = Origin.UNIT
    entry_id: int | None = None
    """Of the entry whose version it becomes; None: a new one."""


def findings_for(
    services: Services, session: Session, version: Version, caller: Caller, now: datetime
) -> tuple[Finding, ...]:
    """What is to be said of a stored version, under the rulebook under which it was submitted or would be."""
    entry = version.entry
    rules = (
        rules_by_id(session, version.rulebook_id) if version.rulebook_id else rules_of_unit(session, entry.unit, now)
    )
    subject = Subject(version.content(), entry.unit, entry.origin, entry.id)
    return findings_of(services, session, subject, rules.rulebook, caller=caller, now=now)


def findings_of(
    services: Services, session: Session, subject: Subject, rulebook: Rulebook, *, caller: Caller, now: datetime
) -> tuple[Finding, ...]:
    """What is to be said of a draft that nobody has stored yet. Only entries that ``caller`` may know of are named."""
    return check(
        subject.content,
        rulebook,
        route=route_of(session, subject, rulebook, caller.grants),
        neighbours=neighbours_of(services, session, subject, caller, now),
        categories=categories_of(session, subject.unit),
        now=now,
    )


def route_of(session: Session, subject: Subject, rulebook: Rulebook, grants: frozenset[Grant]) -> Route | None:
    """The route that it would take if somebody with these roles submitted it now; None when there is none for it.

    A new version of an entry may take another way than its first one: see ``kb_admin.courses``.
    """
    entry = session.get(Entry, subject.entry_id) if subject.entry_id is not None else None
    origins = courses.origins_of(entry) if entry else (subject.origin,)
    first = entry is None or courses.nothing_published(session, entry)
    try:
        found = courses.routes_open_to(rulebook, subject.content.info_type, origins, first=first)
    except Invalid:
        return None
    return next((route for route in found if acts_as(grants, route.writes, subject.unit)), found[0])


def categories_of(session: Session, unit: Unit) -> tuple[str, ...]:
    """Paths of the unit's categories that are in use, in order."""
    paths = select(Category.path).where(Category.unit_id == unit.id, Category.active).order_by(Category.path)
    return tuple(session.scalars(paths))


def neighbours_of(
    services: Services, session: Session, subject: Subject, caller: Caller, now: datetime
) -> tuple[Neighbour, ...]:
    """Entries that ask the same or nearly the same, nearest first; what the caller may not see does not exist."""
    found: dict[int, Neighbour] = {}
    for entry_id, neighbour in (
        *_alike(session, subject, caller, now),
        *_near(services, session, subject, caller, now),
    ):
        held = found.get(entry_id)
        if held is None or neighbour.likeness > held.likeness:
            found[entry_id] = neighbour
    return tuple(sorted(found.values(), key=lambda n: (-n.likeness, n.code)))


def _alike(session: Session, subject: Subject, caller: Caller, now: datetime) -> list[tuple[int, Neighbour]]:
    """Entries with one of the draft's phrasings, word for word, live or on their way."""
    asked = (subject.content.question, *subject.content.similar[:MAX_SIMILAR])
    phrasings = [text for text in asked if text and len(text) <= MAX_PHRASING]
    found = []
    for some in batches(list(dict.fromkeys(phrasings))):
        query = (
            select(Version, Phrasing.text)
            .join(Phrasing, Phrasing.version_id == Version.id)
            .where(Phrasing.text.in_(some), Version.status.in_(STANDING))
            .order_by(Version.entry_id, Version.number, Phrasing.position)
        )
        for version, text in session.execute(query).tuples():
            if version.entry_id != subject.entry_id and may_read(caller, version, now):
                found.append((version.entry_id, _neighbour(version, asked=text, phrasing=text, likeness=SAME)))
    return found


def _near(
    services: Services, session: Session, subject: Subject, caller: Caller, now: datetime
) -> list[tuple[int, Neighbour]]:
    """Live entries that the search finds for the standard question, with how like it they are."""
    question = subject.content.question.strip()
    if not question or len(question) > services.settings.question_characters:
        return []
    hits = services.index.search(question, caller.viewer, now, MOST_NEAR, literal=True).hits
    like = {hit.version_id: hit for hit in hits if hit.entry_id != subject.entry_id and likeness(hit) >= NEAR}
    versions = select(Version).where(Version.id.in_(like), Version.status == VersionStatus.PUBLISHED)
    return [
        (version.entry_id, _neighbour(version, asked=question, phrasing=hit.phrasing, likeness=likeness(hit)))
        for version in (session.scalars(versions) if like else ())
        for hit in (like[version.id],)
        if may_read(caller, version, now)
    ]


def likeness(hit: Hit) -> float:
    """0..1: how far a question and the phrasing that it hit are one question; 0 when they name a known contrast.

    The greater of the harmonic means of what they share in words (weighted by idf, synonyms alike) and in pairs of
    characters.
    """
    features = hit.features
    if features["exact"]:
        return SAME
    if any(features[name] > 0 for name in CONTRASTS):
        return 0.0
    return min(
        0.99, max(_mean(features, "cover_question", "cover_phrase"), _mean(features, "pairs_question", "pairs_phrase"))
    )


def _mean(features: Mapping[str, float], one: str, other: str) -> float:
    total = features[one] + features[other]
    return 2 * features[one] * features[other] / total if total else 0.0


def _neighbour(version: Version, *, asked: str, phrasing: str, likeness: float) -> Neighbour:
    return Neighbour(
        code=version.entry.code,
        unit=version.entry.unit.name,
        question=version.question,
        phrasing=phrasing,
        asked=asked,
        likeness=likeness,
        spoken=version.spoken,
        answer=version.answer,
        live=version.status is VersionStatus.PUBLISHED,
        internal=version.publicity is Publicity.INTERNAL,
    )
