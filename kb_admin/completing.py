"""A row of a file together with what the file leaves as it is: the parts for which it has no column."""

from dataclasses import fields, replace

from kb_admin.changes import PARTS
from kb_admin.contents import KnownEntry
from models.values import BasisContent, CandidateRow, EntryContent, EntryField

ALL = frozenset(EntryField) - {EntryField.CODE}


def ground(entry: KnownEntry) -> EntryContent:
    """What a row about the entry changes: its live version, the newest where none is live."""
    return entry.live or entry.latest


def completed(row: CandidateRow, entry: KnownEntry) -> CandidateRow:
    """The row with the parts that its file does not have, as the entry has them.

    They come from the live or the newest version, if one of them agrees with all that the row says; else from the
    ground on which the row changes something.
    """
    if row.given >= ALL:
        return row
    versions = [content for content in (entry.live, entry.latest) if content is not None]
    agreeing = next((content for content in versions if _filled(row, content) == content), None)
    return replace(row, content=agreeing or _filled(row, ground(entry)))


def _filled(row: CandidateRow, kept: EntryContent) -> EntryContent:
    missing = {part.name: getattr(kept, part.name) for part in fields(kept) if PARTS[part.name] not in row.given}
    content = replace(row.content, **missing)
    if EntryField.BASIS in row.given:
        content = replace(content, bases=tuple(_basis(basis, row, kept) for basis in content.bases))
    if EntryField.SIMILAR not in row.given:
        content = replace(content, similar=tuple(text for text in content.similar if text != content.question))
    return content


def _basis(basis: BasisContent, row: CandidateRow, kept: EntryContent) -> BasisContent:
    """A document that was there before keeps what the file has no column for."""
    before = next((known for known in kept.bases if known.document == basis.document), None)
    if before is None:
        return basis
    number = basis.number if EntryField.BASIS_NUMBER in row.given else before.number
    counted = EntryField.BASIS_ATTACHMENTS in row.given
    return BasisContent(basis.document, number, basis.attachment_count if counted else before.attachment_count)
