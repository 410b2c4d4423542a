"""What a caller gets to read: the text message with the link, and what the link's page may show of the answer."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.public_entries import laid_out
from api.rendering import Section
from api.wiring import get_services
from kb_admin.rating_links import ADDRESS, may_be_rated
from kb_admin.releasing import public_version
from kb_admin.rules_in_force import city_rules
from models.incoming import RatingLink
from models.knowledge import Version
from models.organisation import Region
from models.values import VersionStatus

LONGEST_TITLE = 24
"""Characters of the question in a text message, so that link and all fit into two parts of 67."""


@dataclass(frozen=True)
class Invitation:
    """A link, and the text in which it is sent."""

    url: str
    text: str


@dataclass(frozen=True)
class Judged:
    """What the link's page shows: no more than anybody may read at this moment."""

    city: str
    question: str
    """Empty when the entry is no longer there, or no longer public."""
    sections: tuple[Section, ...]
    """Only of an answer that is released, in the very version that the caller was given."""
    unit: str


def invitation(request: Request, version: Version, token: str, days: int) -> Invitation:
    """The link as people outside reach it, and the words around it."""
    site = get_services(request).settings.site_url.rstrip("/") or str(request.base_url).rstrip("/")
    title = version.question if len(version.question) <= LONGEST_TITLE else version.question[: LONGEST_TITLE - 1] + "…"
    url = f"{site}{ADDRESS}{token}"
    return Invitation(url, f"您来电咨询的“{title}”，答复是否正确？请点开评价：{url} （{days}天内有效，限评一次）")


def judged(session: Session, link: RatingLink, now: datetime) -> Judged:
    """What a citizen sees of the answer: its text if it is released and still the same, else only what was asked."""
    version = link.version
    city = session.scalar(select(Region.name).where(Region.parent_id.is_(None)).order_by(Region.id).limit(1)) or ""
    if not _still_public(session, version):
        return Judged(city, "", (), "")
    released = public_version(session, version.entry.code, city_rules(session, now).rulebook.rights, now)
    if released is None or released.id != version.id:
        return Judged(city, version.question, (), version.entry.unit.name)
    (entry,) = laid_out(session, [version], now)
    return Judged(city, entry.question, entry.sections, entry.unit)


def _still_public(session: Session, version: Version) -> bool:
    """The entry answers, and what answers now is public: an entry that became internal is named no more."""
    live = select(Version).where(Version.entry_id == version.entry_id, Version.status == VersionStatus.PUBLISHED)
    now_live = session.scalar(live)
    return may_be_rated(version) and now_live is not None and may_be_rated(now_live)
