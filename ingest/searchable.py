"""The searchable side of published versions, read from the database."""

import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.knowledge import Version
from models.organisation import Region
from models.values import VersionStatus
from retrieval.documents import Document

_PICTURE = re.compile(r"!\[([^\[\]]*)\]\([^\[)]*\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^\[)]*\)")
"""No attempt at a match reads beyond the next ``[``, so the time grows with the length and not with its square."""
_TABLE_RULE = frozenset("|:- \t")
_MARKS = re.compile(r"[#*`>|_~]+")


def documents_of(session: Session, entry_ids: Sequence[int]) -> Iterable[Document]:
    """Documents of those of the entries that have a published version."""
    versions = session.scalars(
        select(Version).where(Version.entry_id.in_(entry_ids), Version.status == VersionStatus.PUBLISHED)
    )
    places = places_of_regions(session.scalars(select(Region).order_by(Region.id)).all())
    return [document_of(version, places) for version in versions]


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


def document_of(version: Version, places: Mapping[int, tuple[str, ...]]) -> Document:
    """The searchable side of one version; ``places`` as from ``places_of_regions``."""
    return Document(
        entry_id=version.entry_id,
        version_id=version.id,
        question=version.question,
        similar=version.similar,
        keywords=tuple(keyword.text for keyword in version.keywords),
        answer="\n".join(filter(None, (version.spoken, plain_text(version.answer)))),
        unit_id=version.entry.unit_id,
        publicity=version.publicity,
        valid_from=version.valid_from,
        valid_to=version.valid_to,
        places=places[version.region_id],
    )
