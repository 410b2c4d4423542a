"""What one check says of a draft, before the rulebook decides how much it weighs."""

from dataclasses import dataclass

from models.values import EntryField

SHOWN = 24
"""Characters of a text that a remark quotes; a line at half a screen holds the rest of the sentence beside it."""


@dataclass(frozen=True)
class Fix:
    """A mend that one stroke makes: in that part, ``old`` becomes ``new`` wherever it stands."""

    old: str
    new: str


@dataclass(frozen=True)
class Remark:
    """One fault in words a clerk can act on: where, what, and how to mend it."""

    field: EntryField
    message: str
    mend: str
    place: int = 0
    """Which of several: the row of a basis, the line of a similar question; counted from 0."""
    fixes: tuple[Fix, ...] = ()
    code: str = ""
    """Of the entry of the base that it is about; empty: of none."""


def quoted(text: str) -> str:
    """The beginning of a text, as a message quotes it."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= SHOWN else line[:SHOWN] + '…'}”"
