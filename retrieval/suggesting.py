"""Suggestions while typing: stored phrasings that begin with, contain, or share most of what has been typed."""

from datetime import datetime

import numpy as np

from models.values import Publicity, Viewer
from retrieval.documents import Suggestion
from retrieval.generation import Generation
from retrieval.postings import bm25, find
from retrieval.segment import Vocabularies
from retrieval.text import normalise
from retrieval.tokens import bigrams

LOOKED_AT = 100
"""Phrasings of each segment that are compared closely."""
SHARED_ENOUGH = 0.5
"""Share of the typed bigrams, by idf, that a phrasing must hold when it does not hold the whole."""


def suggestions(
    typed: str, generation: Generation, vocabularies: Vocabularies, *, viewer: Viewer, now: datetime, k: int
) -> tuple[Suggestion, ...]:
    """At most ``k``, one for each entry: beginnings, then containing, then sharing; shorter first, then by entry."""
    wanted = normalise(typed).replace(" ", "")
    if not wanted:
        return ()
    slots = {pair: vocabularies.pairs.readings(pair) for pair in sorted(set(bigrams(typed)))}
    pairs = {pair: generation.pairs.idf(readings) for pair, readings in slots.items()}
    ranked: list[tuple[int, float, int, int, str, bool]] = []
    for segment, live in generation.parts:
        owner = segment.phrase_document
        visible = (live & segment.columns.visible(viewer, now))[owner]
        if len(wanted) == 1:
            rows = [r for r in np.flatnonzero(visible) if wanted in segment.phrase_texts[r]]
        else:
            found = [(pairs[pair], find(segment.pairs, readings)) for pair, readings in slots.items()]
            scores = np.where(visible, bm25(segment.pairs, generation.pairs, found), 0)
            rows = [r for r in np.argsort(-scores, kind="stable")[:LOOKED_AT] if scores[r] > 0]
        for row in rows:
            text = segment.phrase_texts[row]
            kind = _kind(wanted, pairs, text)
            if kind is not None:
                document = segment.documents[owner[row]]
                phrasing = document.phrasings[row - segment.phrase_start[owner[row]]]
                internal = document.publicity is Publicity.INTERNAL
                ranked.append((*kind, len(text), document.entry_id, phrasing, internal))
    best: dict[int, Suggestion] = {}
    for *_, entry_id, phrasing, internal in sorted(ranked):
        best.setdefault(entry_id, Suggestion(entry_id, phrasing, internal))
    return tuple(best.values())[:k]


def _kind(wanted: str, pairs: dict[str, float], text: str) -> tuple[int, float] | None:
    """How well ``text`` fits, lower is better; None when it does not."""
    if text.startswith(wanted):
        return 0, 0.0
    if wanted in text:
        return 1, 0.0
    shared = sum(idf for pair, idf in pairs.items() if pair in text) / sum(pairs.values())
    return (2, -shared) if shared >= SHARED_ENOUGH else None
