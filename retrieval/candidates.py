"""Stage 1: where the words of the question stand, and the entries worth a closer look, from every field by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.generation import Generation, Mask
from retrieval.postings import Floats, Found, Postings, bm25, find
from retrieval.question import Slot, Understood
from retrieval.segment import Segment

PER_FIELD = 30
"""Rows that each field may nominate. Doubling it changed no first hit on the development sets."""


@dataclass(frozen=True)
class LookedUp:
    """The question in one segment: where each of its slots was found, in the order of the question."""

    segment: Segment
    words: tuple[Found, ...]
    """By phrasing."""
    answers: tuple[Found, ...]
    keywords: tuple[Found, ...]
    focus: tuple[int, ...]
    """Places of the focus's slots among those of the whole question."""
    pairs: tuple[Found, ...]

    @classmethod
    def of(cls, question: Understood, segment: Segment) -> "LookedUp":
        slots = question.slots
        place = {slot.word: i for i, slot in enumerate(slots)}
        return cls(
            segment=segment,
            words=_find_all(segment.words, slots),
            answers=_find_all(segment.answers, slots),
            keywords=_find_all(segment.keywords, slots),
            focus=tuple(place[slot.word] for slot in question.focus_slots if slot.word in place),
            pairs=_find_all(segment.pairs, question.pairs),
        )


def candidates(question: Understood, looked_up: LookedUp, generation: Generation, visible: Mask) -> NDArray[np.int64]:
    """Rows of the segment among ``visible`` that some field ranks high; in increasing order."""
    if not visible.any():
        return np.empty(0, np.int64)
    segment = looked_up.segment
    owner = segment.phrase_document
    visible_phrases = visible[owner]
    words = list(zip((slot.weight for slot in question.slots), looked_up.words, strict=True))
    pairs = list(zip((slot.weight for slot in question.pairs), looked_up.pairs, strict=True))
    nominated = [
        owner[_best(bm25(segment.words, generation.words, words), visible_phrases)],
        owner[_best(bm25(segment.pairs, generation.pairs, pairs), visible_phrases)],
        _best(answer_scores(question, looked_up, generation), visible),
    ]
    if question.is_story and looked_up.focus:
        focused = [words[i] for i in looked_up.focus]
        nominated.append(owner[_best(bm25(segment.words, generation.words, focused), visible_phrases)])
    if segment.phrase_vectors and segment.answer_vectors:
        for vector in question.vectors:
            nominated.append(owner[segment.phrase_vectors.nearest(vector, PER_FIELD, visible_phrases)])
            nominated.append(segment.answer_vectors.nearest(vector, PER_FIELD, visible))
    return np.unique(np.concatenate(nominated))


def answer_scores(question: Understood, looked_up: LookedUp, generation: Generation) -> Floats:
    """BM25 of every answer."""
    asked = list(zip((slot.answer_weight for slot in question.slots), looked_up.answers, strict=True))
    return bm25(looked_up.segment.answers, generation.answers, asked)


def _find_all(postings: Postings, slots: Sequence[Slot]) -> tuple[Found, ...]:
    return tuple(find(postings, slot.readings) for slot in slots)


def _best(scores: Floats, allowed: Mask) -> NDArray[np.int64]:
    """Up to PER_FIELD allowed rows with the highest score above zero; ties at the edge by row number."""
    rows = np.flatnonzero(allowed & (scores > 0))
    if len(rows) > PER_FIELD:
        edge = np.partition(scores[rows], len(rows) - PER_FIELD)[len(rows) - PER_FIELD]
        above = rows[scores[rows] > edge]
        rows = np.concatenate([above, rows[scores[rows] == edge][: PER_FIELD - len(above)]])
    return rows
