"""The few sentences of an answer that bear on a question: what a reader with little time reads of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.documents import Document
from retrieval.marks import aspects
from retrieval.question import Understood
from retrieval.reader import Pair
from retrieval.text import normalise

MOST_ASKED = 60
"""Characters of the question that are read."""
BUDGET = 70
"""Characters of an answer that are read."""
LONGEST_PIECE = 60
HEADING = 8
"""A line of so few characters without punctuation is the heading of what follows."""
_MARK = re.compile(r"^\s*(?:#+|[-*•]|\d{1,2}[.、)）]|[（(]\d{1,2}[)）]|[一二三四五六七八九十]{1,2}、)\s*")
_END = re.compile(r"(?<=[。；;！!？?])")
_CELL = re.compile(r"\s*\|\s*")


@dataclass(frozen=True)
class Piece:
    text: str
    """With its heading before it."""
    squeezed: str
    """Normalised, without spaces."""


def pair(question: Understood, document: Document, phrasing: str) -> Pair:
    """What is read of a question and an entry: the part that asks; the standard question, and the phrasing that matched
    best where it is another; the sentences of the answer that bear on it."""
    title = document.question if phrasing == document.question else f"{document.question} {phrasing}"
    return Pair(question.focus_to_encode[:MOST_ASKED], title, passage(question, document.answer))


def passage(question: Understood, answer: str, budget: int = BUDGET) -> str:
    """The headings of ``answer`` and its pieces that hold most of what is asked, in their order; else its beginning."""
    headings, pieces = cut(answer)
    if not pieces:
        return " ".join(headings)[:budget]
    values = [_value(question, piece) for piece in pieces]
    by_value = sorted(range(len(pieces)), key=lambda i: (-values[i], i))
    chosen: list[int] = []
    left = budget
    for i in by_value:
        if left <= 0 or (chosen and values[i] <= 0 < values[by_value[0]]):
            break
        chosen.append(i)
        left -= len(pieces[i].text)
    return " ".join((*headings, *(pieces[i].text for i in sorted(chosen))))


@lru_cache(maxsize=4096)
def cut(answer: str) -> tuple[tuple[str, ...], tuple[Piece, ...]]:
    """The headings of a plain or Markdown answer, and its pieces."""
    headings: list[str] = []
    pieces: list[Piece] = []
    heading = ""
    for line in answer.splitlines():
        text = _CELL.sub(" ", _MARK.sub("", line)).strip()
        if not text or not text.strip("-: "):
            continue
        if len(text) <= HEADING and not re.search(r"[，。：:；、\d]", text):
            heading = text
            headings.append(text)
            continue
        for part in _parts(text):
            said = f"{heading}：{part}" if heading else part
            pieces.append(Piece(said, normalise(said).replace(" ", "")))
    return tuple(dict.fromkeys(headings)), tuple(pieces)


def _parts(text: str) -> Sequence[str]:
    parts: list[str] = []
    for sentence in _END.split(text):
        cuts = [sentence] if len(sentence) <= LONGEST_PIECE else re.split(r"(?<=[，,、])", sentence)
        piece = ""
        for cut_off in cuts:
            if piece and len(piece) + len(cut_off) > LONGEST_PIECE:
                parts.append(piece)
                piece = ""
            piece += cut_off
        parts.append(piece)
    return [part.strip() for part in parts if part.strip()]


def _value(question: Understood, piece: Piece) -> float:
    value = sum(slot.weight for slot in question.focus_slots if any(word in piece.squeezed for word in slot.spellings))
    for bit, aspect in enumerate(aspects()):
        if question.aspects >> bit & 1 and any(word in piece.squeezed for word in aspect.held):
            value += 2.0
    return value + 2.0 * sum(number in piece.squeezed for number in question.numbers)
