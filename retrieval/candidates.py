"""Stage 1: where the words of the question stand, and the entries worth a closer look, from every field by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.generation import Generation, Seen
from retrieval.postings import Found, Postings, bm25, find, ranked_rows
from retrieval.question import Slot, Understood
from retrieval.segment import Segment
from retrieval.statistics import Statistics
from retrieval.vectors import Matrix, VectorTable

PER_FIELD = 30
"""Rows that each field may nominate. Doubling it changed no first hit on the development sets."""

Rows = NDArray[np.int64]
Asked = Sequence[tuple[float, Found]]
"""The weight of each thing asked for, and where it was found."""


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


@dataclass(frozen=True)
class Field:
    """What one field of one segment nominates."""

    documents: Rows
    """The document of each nominated row; one may come more than once, by several of its phrasings."""
    scores: NDArray[np.floating]
    """In their order, on a scale that is the same in all segments; not read where there is only one segment."""
    order: Rows
    """(2, n): entry id and row of each, by which equal scores are put in order; as good as in one segment."""


def nominate(question: Understood, looked_up: LookedUp, generation: Generation, seen: Seen) -> tuple[Field, ...]:
    """What every field nominates among what is seen; the same fields in the same order for every segment."""
    return tuple(_fields(question, looked_up, generation, seen)) if seen.documents.any() else ()


def chosen(nominated: Sequence[tuple[Field, ...]]) -> list[Rows]:
    """For each segment the documents worth a closer look, in increasing order: the best PER_FIELD rows of each field
    over all segments, so that it does not matter in which segment an entry lies."""
    spoken = [i for i, fields in enumerate(nominated) if fields]
    rows: list[list[Rows]] = [[] for _ in nominated]
    for column in zip(*(nominated[i] for i in spoken), strict=True):
        if len(spoken) == 1:
            rows[spoken[0]].append(column[0].documents)
            continue
        owner = np.repeat(np.arange(len(column)), [len(field.documents) for field in column])
        ids, places = np.concatenate([field.order for field in column], axis=1)
        best = np.lexsort((places, ids, -np.concatenate([field.scores for field in column])))[:PER_FIELD]
        documents = np.concatenate([field.documents for field in column])
        for i in range(len(column)):
            rows[spoken[i]].append(documents[best[owner[best] == i]])
    return [np.unique(np.concatenate(held)) if held else np.empty(0, np.int64) for held in rows]


def answer_scores(question: Understood, looked_up: LookedUp, generation: Generation, rows: Rows) -> NDArray[np.float32]:
    """BM25 of the answers of the given documents."""
    return bm25(looked_up.segment.answers, generation.answers, _asked_answers(question, looked_up), rows)


def _fields(question: Understood, looked_up: LookedUp, generation: Generation, seen: Seen) -> Iterator[Field]:
    segment = looked_up.segment
    owner, lone = segment.phrase_document, len(generation.parts) == 1
    words = list(zip((slot.weight for slot in question.slots), looked_up.words, strict=True))
    pairs = list(zip((slot.weight for slot in question.pairs), looked_up.pairs, strict=True))

    def by_words(postings: Postings, statistics: Statistics, asked: Asked, owner: Rows | None) -> Field:
        allowed = seen.documents if owner is None else seen.phrases
        return field(*ranked_rows(postings, statistics, asked, allowed, PER_FIELD), owner)

    def by_vector(table: VectorTable, vector: Matrix, owner: Rows | None) -> Field:
        rows = table.nearest(vector, PER_FIELD, seen.documents if owner is None else seen.phrases)
        return field(rows, np.empty(0) if lone else table.cosines(vector, rows), owner)

    def field(rows: Rows, scores: NDArray[np.floating], owner: Rows | None) -> Field:
        documents = rows if owner is None else owner[rows]
        return Field(documents, scores, np.stack([segment.columns.entry_ids[documents], rows]))

    yield by_words(segment.words, generation.words, words, owner)
    yield by_words(segment.pairs, generation.pairs, pairs, owner)
    yield by_words(segment.answers, generation.answers, _asked_answers(question, looked_up), None)
    if question.is_story and looked_up.focus:
        yield by_words(segment.words, generation.words, [words[i] for i in looked_up.focus], owner)
    if segment.phrase_vectors is not None and segment.answer_vectors is not None:
        for vector in question.vectors:
            yield by_vector(segment.phrase_vectors, vector, owner)
            yield by_vector(segment.answer_vectors, vector, None)


def _asked_answers(question: Understood, looked_up: LookedUp) -> Asked:
    return list(zip((slot.answer_weight for slot in question.slots), looked_up.answers, strict=True))


def _find_all(postings: Postings, slots: Sequence[Slot]) -> tuple[Found, ...]:
    return tuple(find(postings, slot.readings) for slot in slots)
