"""The searchable side of published versions, read from the database."""

import re
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from models.knowledge import Entry, Keyword, Phrasing, Version
from models.organisation import Region
from models.values import VersionStatus
from retrieval.documents import Document

DOCUMENT_FORM = 1
"""Goes up when ``documents_where`` makes something else of the same version: indexes on disk are then built anew."""
_PICTURE = re.compile(r"!\[([^\[\]]*)\]\([^\[)]*\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^\[)]*\)")
"""No attempt at a match reads beyond the next ``[``, so the time grows with the length and not with its square."""
_TABLE_RULE = frozenset("|:- \t")
_MARKS = re.compile(r"[#*`>|_~]+")


def documents_of(session: Session, entry_ids: Sequence[int]) -> list[Document]:
    """Documents of those of the entries that have a published version."""
    return documents_where(session, and_(Version.entry_id.in_(entry_ids), Version.status == VersionStatus.PUBLISHED))


def documents_where(session: Session, condition: ColumnElement[bool]) -> list[Document]:
    """The searchable side of the versions that the condition holds for, by entry and number. Rows are read and no
    objects made of them: this is most of the time that a large index takes to be built."""
    versions = session.execute(
        select(
            Version.id,
            Version.entry_id,
            Entry.unit_id,
            Version.region_id,
            Version.publicity,
            Version.spoken,
            Version.answer,
            Version.valid_from,
            Version.valid_to,
        )
        .join(Entry, Entry.id == Version.entry_id)
        .where(condition)
        .order_by(Version.entry_id, Version.number)
    ).all()
    if not versions:
        return []
    version_ids = [version.id for version in versions]
    places = places_of_regions(session.scalars(select(Region).order_by(Region.id)).all())
    phrasings = _texts(session, Phrasing, version_ids)
    keywords = _texts(session, Keyword, version_ids)
    return [
        Document(
            entry_id=entry_id,
            version_id=version_id,
            question=phrasings[version_id][0],
            similar=tuple(phrasings[version_id][1:]),
            keywords=tuple(keywords.get(version_id, ())),
            answer="\n".join(filter(None, (spoken, plain_text(answer)))),
            unit_id=unit_id,
            publicity=publicity,
            valid_from=valid_from,
            valid_to=valid_to,
            places=places[region_id],
        )
        for version_id, entry_id, unit_id, region_id, publicity, spoken, answer, valid_from, valid_to in versions
    ]


def places_of_regions(regions: Sequence[Region]) -> dict[int, tuple[str, ...]]:
    """For each region the names of all that what holds in it may be asked for: a city and its counties, or a county
    and its city."""
    return {
        region.id: tuple(
            other.name for other in regions if region.id in (other.id, other.parent_id) or other.id == region.parent_id
        )
        for region in regions
    }


def plain_text(markdown: str) -> str:
    """Markdown without its marks: the words of headings, lists, tables, links and picture captions stay."""
    words = _LINK.sub(r"\1", _PICTURE.sub(r"\1", markdown))
    text = "\n".join("" if _TABLE_RULE.issuperset(line.strip()) else line for line in words.split("\n"))
    return re.sub(r"[ \t]+", " ", _MARKS.sub(" ", text)).strip()


def _texts(session: Session, table: type[Phrasing] | type[Keyword], version_ids: Sequence[int]) -> dict[int, list[str]]:
    """Of each version, in their order; the standard question is the first phrasing. They are asked for by number: a
    version may be withdrawn since it was read, and keeps its texts."""
    found: dict[int, list[str]] = defaultdict(list)
    rows = session.execute(
        select(table.version_id, table.text)
        .where(table.version_id.in_(version_ids))
        .order_by(table.version_id, table.position, table.id)
    )
    for version_id, text in rows:
        found[version_id].append(text)
    return found
