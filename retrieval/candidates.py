"""Stage 1: the entries worth a closer look, from every field by itself."""

import numpy as np
from numpy.typing import NDArray

from retrieval.generation import Generation, Mask
from retrieval.postings import Floats, bm25
from retrieval.question import Understood
from retrieval.segment import Segment

PER_FIELD = 30
"""Rows that each field may nominate. Doubling it changed no first hit on the development sets."""


def candidates(question: Understood, segment: Segment, generation: Generation, visible: Mask) -> NDArray[np.int64]:
    """Rows of ``segment`` among ``visible`` that some field ranks high; in increasing order."""
    if not visible.any():
        return np.empty(0, np.int64)
    owner = segment.phrase_document
    visible_phrases = visible[owner]
    nominated = [
        owner[_best(bm25(segment.words, generation.words, question.known_words), visible_phrases)],
        owner[_best(bm25(segment.pairs, generation.pairs, question.known_pairs), visible_phrases)],
        _best(bm25(segment.answers, generation.answers, question.known_words), visible),
    ]
    if question.vector is not None and segment.phrase_vectors and segment.answer_vectors:
        nominated.append(owner[segment.phrase_vectors.nearest(question.vector, PER_FIELD, visible_phrases)])
        nominated.append(segment.answer_vectors.nearest(question.vector, PER_FIELD, visible))
    return np.unique(np.concatenate(nominated))


def _best(scores: Floats, allowed: Mask) -> NDArray[np.int64]:
    """Up to PER_FIELD allowed rows with the highest score above zero; ties at the edge by row number."""
    rows = np.flatnonzero(allowed & (scores > 0))
    if len(rows) > PER_FIELD:
        edge = np.partition(scores[rows], len(rows) - PER_FIELD)[len(rows) - PER_FIELD]
        above = rows[scores[rows] > edge]
        rows = np.concatenate([above, rows[scores[rows] == edge][: PER_FIELD - len(above)]])
    return rows
