"""The few ways our own operations fail. They know nothing of HTTP; ``api/errors.py`` maps them."""

from dataclasses import dataclass


class ZhidaError(Exception):
    """Base of every error that a person should read. ``str(error)`` is a Chinese sentence: what, where, what to do."""


class NotFound(ZhidaError):
    """The object does not exist, or does not exist for this viewer: the two are not told apart."""


class Forbidden(ZhidaError):
    """The viewer's role does not allow the action. The message says whose does."""


class Invalid(ZhidaError):
    """The given data cannot be accepted."""


class Conflict(ZhidaError):
    """Somebody else changed the object first, or its state does not allow the move."""


class Unavailable(ZhidaError):
    """A part of the system that the request needs is not there right now."""


@dataclass(frozen=True)
class Problem:
    """One fault in a file: where it stands and what is wrong, in words a clerk can act on."""

    sheet: str
    row: int
    """1-based, as the spreadsheet shows it; 0 for the file as a whole."""
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"工作表“{self.sheet}”第 {self.row} 行" if self.row else f"“{self.sheet}”"
        return f"{place}{f'“{self.column}”列' if self.column else ''}：{self.reason}"


class FileRefused(Invalid):
    """A file that cannot be read safely or at all."""
