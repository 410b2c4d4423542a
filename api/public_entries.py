"""Released entries as the public reads them: laid out once for the pages, the feed and the exported folder."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import quote

from markupsafe import Markup, escape
from sqlalchemy.orm import Session

from api import dates
from api.cards import attachments_of
from api.rendering import ATTACHMENT, Section, split_answer
from kb_admin.releasing import changed_at, public_titles
from kb_admin.rulebook import RightsRule
from models.knowledge import Version
from models.values import BasisContent

FileAddress = Callable[[str], str]
"""Where the public finds the file with that SHA-256."""
PUBLIC_FILES = "/public/files/"


@dataclass(frozen=True)
class PublicEntry:
    """All that leaves the system of one entry. The spoken answer stays inside: it is written for agents."""

    entry_id: int
    code: str
    question: str
    sections: tuple[Section, ...]
    bases: tuple[BasisContent, ...]
    unit: str
    phone: str
    category: str
    keywords: tuple[str, ...]
    validity: str
    valid_from: datetime | None
    valid_to: datetime | None
    changed_at: datetime
    files: Mapping[str, str]
    """Its attachments, file name → SHA-256."""

    @property
    def html(self) -> Markup:
        """The whole answer in one piece."""
        parts = (f"<h4>{escape(s.heading)}</h4>{s.html}" if s.heading else s.html for s in self.sections)
        return Markup("\n".join(parts))  # noqa: S704 - sections are sanitised, headings escaped


@dataclass(frozen=True)
class CategoryTitles:
    """One category of a unit on the public list."""

    path: str
    entries: tuple[tuple[int, str, str], ...]
    """Id, code and question."""


@dataclass(frozen=True)
class Links:
    """Where the public pages find each other: by address in this service, by file name in an exported folder."""

    home: str
    unit: Callable[[int], str]
    entry: Callable[[int, str], str]
    """By id and code."""


LINKS = Links(
    home="/public",
    unit=lambda unit_id: f"/public/units/{unit_id}",
    entry=lambda _entry_id, code: f"/public/entries/{quote(code, safe='')}",
)
"""In this service."""


def here(sha256: str) -> str:
    """Address of a public entry's file in this service."""
    return f"{PUBLIC_FILES}{sha256}"


def laid_out(
    session: Session, versions: Sequence[Version], now: datetime, *, file_address: FileAddress = here
) -> list[PublicEntry]:
    """These versions, in their order."""
    files = attachments_of(session, [version.id for version in versions])
    return [_entry(version, files.get(version.id, {}), now, file_address) for version in versions]


def titles_of(session: Session, unit_id: int, rights: RightsRule, now: datetime) -> list[CategoryTitles]:
    """What a unit's public list shows, by category; without one last."""
    rows = sorted(public_titles(session, unit_id, rights, now), key=lambda row: (not row[0], row[0]))
    return [
        CategoryTitles(path, tuple((entry_id, code, question) for _, entry_id, code, question in group))
        for path, group in groupby(rows, key=lambda row: row[0])
    ]


def _entry(version: Version, files: Mapping[str, str], now: datetime, file_address: FileAddress) -> PublicEntry:
    unit = version.entry.unit
    return PublicEntry(
        entry_id=version.entry_id,
        code=version.entry.code,
        question=version.question,
        sections=tuple(_outside(section, file_address) for section in split_answer(version.answer, files)),
        bases=tuple(BasisContent(b.document, b.number, b.attachment_count) for b in version.bases),
        unit=unit.name,
        phone=unit.phone,
        category=version.category.path if version.category else "",
        keywords=tuple(keyword.text for keyword in version.keywords),
        validity=dates.validity(version.valid_from, version.valid_to, now).text,
        valid_from=version.valid_from,
        valid_to=version.valid_to,
        changed_at=changed_at(version),
        files=files,
    )


def _outside(section: Section, file_address: FileAddress) -> Section:
    """The section with its pictures and files where nobody has to log in."""
    html = re.sub(ATTACHMENT, lambda found: file_address(found.group()[-64:]), str(section.html))
    return Section(section.heading, Markup(html), section.preview)  # noqa: S704 - only addresses were changed
