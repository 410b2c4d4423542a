"""Two versions of an entry side by side: what was taken out and what was put in, word by word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from difflib import SequenceMatcher

from api import dates
from kb_admin.changes import PARTS
from kb_admin.checks import PLACES
from models.values import BasisContent, EntryContent, EntryField, Publicity
from retrieval.tokens import Tokeniser

LONGEST_COMPARED = 4_000_000
"""Words of one side times words of the other: 0.2 s. Beyond it two blocks of lines are told apart as wholes."""
TOO_LITTLE = re.compile(r"[\W_]*")
"""What is the same between two changes and is no word: it belongs to the change, or the eye sees confetti."""


@dataclass(frozen=True)
class Piece:
    """A stretch of one side's text."""

    text: str
    changed: bool
    """The other side does not have it."""


@dataclass(frozen=True)
class ComparedPart:
    """One part of an entry that the two versions say differently."""

    field: EntryField
    before: tuple[Piece, ...]
    """Empty: the earlier version has nothing there."""
    after: tuple[Piece, ...]

    @property
    def name(self) -> str:
        """What people call the part; documents, numbers and attachments are one."""
        return PLACES.get(self.field, self.field.label)


def compare_contents(old: EntryContent, new: EntryContent, tokeniser: Tokeniser) -> tuple[ComparedPart, ...]:
    """The parts that differ, in the order in which files name them."""
    values = {PARTS[part.name]: (getattr(old, part.name), getattr(new, part.name)) for part in fields(EntryContent)}
    return tuple(
        ComparedPart(
            field, *compare_texts(_written(field, values[field][0]), _written(field, values[field][1]), tokeniser)
        )
        for field in EntryField
        if field in values and values[field][0] != values[field][1]
    )


def unchanged_parts(parts: Iterable[ComparedPart]) -> tuple[str, ...]:
    """Names of the parts that two versions say alike."""
    changed = {part.field for part in parts}
    return tuple(ComparedPart(f, (), ()).name for f in EntryField if f in PARTS.values() and f not in changed)


def compare_texts(old: str, new: str, tokeniser: Tokeniser) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both texts whole, cut where they differ: first by lines, then by words inside the lines that differ."""
    before: list[Piece] = []
    after: list[Piece] = []
    for old_lines, new_lines, same in _blocks(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        old_block, new_block = "".join(old_lines), "".join(new_lines)
        if same:
            before.append(Piece(old_block, changed=False))
            after.append(Piece(new_block, changed=False))
            continue
        for gone, come, alike in _without_confetti(_by_words(old_block, new_block, tokeniser)):
            before.append(Piece(gone, changed=not alike))
            after.append(Piece(come, changed=not alike))
    return _joined(before), _joined(after)


def _by_words(old: str, new: str, tokeniser: Tokeniser) -> Iterator[tuple[str, str, bool]]:
    before, after = tokeniser.as_written(old), tokeniser.as_written(new)
    if len(before) * len(after) > LONGEST_COMPARED:
        yield old, new, False
        return
    for gone, come, same in _blocks(before, after):
        yield "".join(gone), "".join(come), same


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str], bool]]:
    """Runs of both sides and whether they are the same; of a run that differs one side may be empty."""
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        yield old[start:end], new[new_start:new_end], kind == "equal"


def _without_confetti(runs: Iterable[tuple[str, str, bool]]) -> Iterator[tuple[str, str, bool]]:
    """The same runs; punctuation alone between two changes counts as changed."""
    held = list(runs)
    for place, (gone, come, same) in enumerate(held):
        between = 0 < place < len(held) - 1
        yield gone, come, same and not (between and TOO_LITTLE.fullmatch(gone))


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Neighbours of one kind as one; empty ones left out."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and piece.text and joined[-1].changed == piece.changed:
            joined[-1] = Piece(joined[-1].text + piece.text, piece.changed)
        elif piece.text:
            joined.append(piece)
    return tuple(joined)


def _written(field: EntryField, value: object) -> str:
    """A part as text, one thing a line."""
    match value:
        case None:
            return ""
        case datetime():
            return dates.last_moment(value) if field is EntryField.VALID_TO else dates.moment(value)
        case Publicity():
            return value.label
        case tuple():
            return "\n".join(_item(item) for item in value)
        case _:
            return str(value)


def _item(item: object) -> str:
    if not isinstance(item, BasisContent):
        return str(item)
    attached = f"附件 {item.attachment_count} 件" if item.attachment_count else ""
    return " ".join(part for part in (item.document, item.number, attached) if part)
