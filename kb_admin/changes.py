"""What would change in an entry, part by part, short enough to be looked over before it is confirmed."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta

from models.values import CHINA, BasisContent, EntryContent, EntryField, Publicity

PARTS = {
    "question": EntryField.QUESTION,
    "answer": EntryField.ANSWER,
    "unit": EntryField.UNIT,
    "region": EntryField.REGION,
    "similar": EntryField.SIMILAR,
    "spoken": EntryField.SPOKEN,
    "keywords": EntryField.KEYWORDS,
    "category": EntryField.CATEGORY,
    "bases": EntryField.BASIS,
    "valid_from": EntryField.VALID_FROM,
    "valid_to": EntryField.VALID_TO,
    "publicity": EntryField.PUBLICITY,
    "info_type": EntryField.INFO_TYPE,
}
"""Each part of EntryContent under the name that people know it by."""
COUNTED = {EntryField.SIMILAR: "条", EntryField.KEYWORDS: "个", EntryField.BASIS: "件"}
SHOWN = 40
"""Characters of a text from where it begins to differ."""
LED_IN = 10
"""Characters of what is the same, before them."""


@dataclass(frozen=True)
class FieldChange:
    """One part of an entry that would say something else."""

    field: EntryField
    before: str
    after: str
    """Shortened around the first difference; "" for nothing."""
    cleared: str
    """What would be gone, counted where it can be: "相似问法 4 条"; empty when something stands in its place."""

    @property
    def name(self) -> str:
        return _name(self.field)


def changes(old: EntryContent, new: EntryContent) -> tuple[FieldChange, ...]:
    """What differs, in the order of a file's columns."""
    by_field = {PARTS[part.name]: (getattr(old, part.name), getattr(new, part.name)) for part in fields(EntryContent)}
    order = [field for field in EntryField if field in by_field]
    return tuple(_change(field, *by_field[field]) for field in order if by_field[field][0] != by_field[field][1])


def _change(field: EntryField, before: object, after: object) -> FieldChange:
    old, new = _shown(field, before), _shown(field, after)
    pairs = enumerate(zip(old, new, strict=False))
    same = next((place for place, (a, b) in pairs if a != b), min(len(old), len(new)))
    return FieldChange(field, _shortened(old, same), _shortened(new, same), "" if after else _lost(field, before))


def _lost(field: EntryField, before: object) -> str:
    return f"{_name(field)} {len(before)} {COUNTED[field]}" if isinstance(before, tuple) else _name(field)


def _name(field: EntryField) -> str:
    """Documents are one part here: name, number and attachments together."""
    return "依据" if field is EntryField.BASIS else field.label


def _shown(field: EntryField, value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return _moment(value, ends=field is EntryField.VALID_TO)
        case Publicity():
            return value.label
        case tuple():
            return "；".join(_items(value))
        case _:
            return " ".join(str(value).split())


def _items(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, BasisContent):
            attached = f"附件 {value.attachment_count} 件" if value.attachment_count else ""
            yield " ".join(part for part in (value.document, value.number, attached) if part)
        else:
            yield str(value)


def _moment(moment: datetime, *, ends: bool) -> str:
    """As files write it: an end at midnight is named by its last day."""
    local = moment.astimezone(CHINA)
    if local.time() != time():
        return f"{local:%Y-%m-%d %H:%M}"
    return f"{local - timedelta(days=ends):%Y-%m-%d}"


def _shortened(text: str, same: int) -> str:
    start = max(same - LED_IN, 0) if len(text) > SHOWN else 0
    end = max(same, start) + SHOWN
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"
