"""Text in which something cannot be shown, stored or exported: told, and made fit to be shown."""

import unicodedata

REPLACED = "\ufffd"
"""Stands where a character could not be shown. It is itself refused: such a text is damaged, not merely odd."""


def unreadable(text: str) -> str:
    """The first character that no entry may hold, or "": control characters, half surrogate pairs, non-characters."""
    return next((c for c in text if c not in "\n\t" and _is_unreadable(c)), "")


def visible(text: str) -> str:
    """The text with each such character replaced by a mark that people see."""
    return "".join(REPLACED if c not in "\n\t" and _is_unreadable(c) else c for c in text) if unreadable(text) else text


def _is_unreadable(character: str) -> bool:
    if character in "\ufffd\ufffe\uffff":
        return True
    return not character.isprintable() and unicodedata.category(character) in ("Cc", "Cs")
