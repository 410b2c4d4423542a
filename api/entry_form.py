"""The form in which an entry is written: what was typed, exactly as typed, and the content that it means."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Form

from ingest.dates import NotADate, read_end, read_start
from kb_admin.content_rules import Fault
from models.values import CHINA, KEYWORD_SEPARATORS, BasisContent, EntryContent, EntryField, Publicity

BLANK_BASES = 1
"""Empty rows under the documents, so that one more can be added without a script."""
MOST_DIGITS = 6
Field = Annotated[str, Form()]
Fields = Annotated[list[str] | None, Form()]


@dataclass(frozen=True)
class BasisRow:
    document: str = ""
    number: str = ""
    attachments: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.document.strip() or self.number.strip() or self.attachments.strip(" 0"))


@dataclass(frozen=True)
class EntryForm:
    """Every part as text; lines of ``similar`` are questions, ``keywords`` has separators between words."""

    question: str = ""
    similar: str = ""
    spoken: str = ""
    answer: str = ""
    keywords: str = ""
    category: str = ""
    bases: tuple[BasisRow, ...] = ()
    valid_from: str = ""
    valid_to: str = ""
    publicity: str = Publicity.INTERNAL.value
    info_type: str = ""
    region: str = ""

    @classmethod
    def of(cls, content: EntryContent) -> "EntryForm":
        """As the form shows a content that is there already."""
        return cls(
            question=content.question,
            similar="\n".join(content.similar),
            spoken=content.spoken,
            answer=content.answer,
            keywords="、".join(content.keywords),
            category=content.category,
            bases=tuple(BasisRow(b.document, b.number, str(b.attachment_count)) for b in content.bases),
            valid_from=_local(content.valid_from),
            valid_to=_local(content.valid_to),
            publicity=content.publicity.value,
            info_type=content.info_type,
            region=content.region,
        )

    @property
    def shown_bases(self) -> tuple[BasisRow, ...]:
        return (*self.bases, *[BasisRow()] * BLANK_BASES)

    @property
    def is_blank(self) -> bool:
        """Nothing has been written yet."""
        return not any(text.strip() for text in (self.question, self.similar, self.spoken, self.answer))

    def read(self, unit: str) -> tuple[EntryContent, tuple[Fault, ...]]:
        """The content of that unit's entry, and what of the form could not be read; that part then stays empty."""
        faults: list[Fault] = []
        content = EntryContent(
            question=self.question.strip(),
            answer=_lines(self.answer).strip("\n"),
            unit=unit,
            region=self.region,
            similar=tuple(line.strip() for line in _lines(self.similar).split("\n") if line.strip()),
            spoken=_lines(self.spoken).strip(),
            keywords=tuple(word.strip() for word in KEYWORD_SEPARATORS.split(_lines(self.keywords)) if word.strip()),
            category="/".join(level.strip() for level in self.category.strip().strip("/").split("/")),
            bases=tuple(_basis(row, faults) for row in self.bases if not row.is_blank),
            valid_from=_moment(self.valid_from, EntryField.VALID_FROM, faults),
            valid_to=_moment(self.valid_to, EntryField.VALID_TO, faults),
            publicity=_publicity(self.publicity, faults),
            info_type=self.info_type.strip(),
        )
        return content, tuple(faults)


def sent_form(
    *,
    question: Field = "",
    similar: Field = "",
    spoken: Field = "",
    answer: Field = "",
    keywords: Field = "",
    category: Field = "",
    basis_document: Fields = None,
    basis_number: Fields = None,
    basis_attachments: Fields = None,
    valid_from: Field = "",
    valid_to: Field = "",
    publicity: Field = Publicity.INTERNAL.value,
    info_type: Field = "",
    region: Field = "",
) -> EntryForm:
    """Dependency: what was sent. Columns of the documents that are shorter than the others are filled up."""
    columns = [basis_document or [], basis_number or [], basis_attachments or []]
    height = max(map(len, columns))
    rows = zip(*(column + [""] * (height - len(column)) for column in columns), strict=True)
    bases = tuple(BasisRow(*row) for row in rows)
    return EntryForm(
        question=question,
        similar=similar,
        spoken=spoken,
        answer=answer,
        keywords=keywords,
        category=category,
        bases=tuple(row for row in bases if not row.is_blank),
        valid_from=valid_from,
        valid_to=valid_to,
        publicity=publicity,
        info_type=info_type,
        region=region,
    )


def _basis(row: BasisRow, faults: list[Fault]) -> BasisContent:
    written = row.attachments.strip()
    counted = written.isascii() and written.isdecimal() and len(written) <= MOST_DIGITS
    if written and not counted:
        faults.append(Fault(EntryField.BASIS_ATTACHMENTS, f"附件数量“{written[:20]}”不是数字，没有附件请填 0。"))
    return BasisContent(row.document.strip(), row.number.strip(), int(written) if counted else 0)


def _moment(written: str, field: EntryField, faults: list[Fault]) -> datetime | None:
    """A day alone means its beginning for the start, its end for the end, as in files."""
    if not written.strip():
        return None
    try:
        return read_start(written) if field is EntryField.VALID_FROM else read_end(written)
    except NotADate as error:
        faults.append(Fault(field, str(error)))
        return None


def _publicity(written: str, faults: list[Fault]) -> Publicity:
    found = next((value for value in Publicity if value.value == written), None)
    if found is None:
        faults.append(Fault(EntryField.PUBLICITY, "请选择公开或内部。"))
    return found or Publicity.INTERNAL


def _local(moment: datetime | None) -> str:
    """As a field for date and time takes it, in Asia/Shanghai; seconds only where there are any."""
    if moment is None:
        return ""
    local = moment.astimezone(CHINA).replace(tzinfo=None)
    return local.isoformat(timespec="seconds" if local.second or local.microsecond else "minutes")


def _lines(text: str) -> str:
    """Forms are sent with CR LF between lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
