"""Why a hit is there, and what tells close hits apart: for the agent who must check it in seconds."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Facet, Hit, Synonym
from retrieval.features import Measured
from retrieval.marks import aspect_names, contrasts
from retrieval.question import Understood

CLOSE = 0.15
"""Hits this near to the best in probability are as good as it."""
LIKELY = 0.1
"""Less probable hits are not worth telling apart."""
COMPARED = 4
"""Hits that are told apart."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")

Place = tuple[Measured, int]
"""A candidate: the measured part of a segment that holds it, and its place there."""


def hit(question: Understood, place: Place, *, score: float, features: dict[str, float]) -> Hit:
    """One ranked candidate with its reasons."""
    measured, i = place
    segment, row = measured.segment, measured.rows[i]
    document, phrasing = measured.document(i)
    text = segment.entry_texts[row]
    found = [(slot.word, [word for word in slot.spellings if word in text]) for slot in question.focus_slots]
    phrase = measured.best_phrases[i]
    untold = np.uint64(question.aspects) & ~(segment.phrase_aspects[phrase] | segment.answer_aspects[row])
    return Hit(
        entry_id=document.entry_id,
        version_id=document.version_id,
        score=score,
        phrasing=phrasing,
        matched=_longest([word for _, words in found for word in words]),
        synonyms=tuple(
            Synonym(asked, words[0]) for asked, words in found if words and asked not in words and len(asked) > 1
        ),
        untold=aspect_names(int(untold)),
        features=features,
    )


def _longest(words: Sequence[str]) -> tuple[str, ...]:
    """Words of more than one character that are not inside another of them; in order, each once."""
    told = [word for word in dict.fromkeys(words) if len(word) > 1]
    return tuple(word for word in told if not any(word != other and word in other for other in told))


def facet(places: Sequence[Place], scores: NDArray[np.float64]) -> Facet | None:
    """The contrast, place or year in which the close best hits differ; None when one stands out or nothing is named."""
    close = [place for place, score in zip(places[:COMPARED], scores, strict=False) if scores[0] - score <= CLOSE]
    if len(close) < 2 or scores[0] < LIKELY:
        return None
    for number, (name, kinds) in enumerate(contrasts()):

        def kind(place: Place, number: int = number, kinds: Sequence[Sequence[str]] = kinds) -> str:
            bits = int(place[0].segment.question_kinds[place[0].rows[place[1]], number])
            return kinds[bits.bit_length() - 1][0] if bits.bit_count() == 1 else ""

        if found := _differing(name, close, kind):
            return found
    return _differing("地区", close, _place) or _differing("年份", close, _year)


def _differing(name: str, close: Sequence[Place], value: Callable[[Place], str]) -> Facet | None:
    values = {int(m.segment.columns.entry_ids[m.rows[i]]): value((m, i)) for m, i in close}
    said = {entry: told for entry, told in values.items() if told}
    return Facet(name, said) if len(said) == len(close) and len(set(said.values())) > 1 else None


def _place(place: Place) -> str:
    regions = place[0].segment.documents[place[0].rows[place[1]]].places
    return regions[0] if regions else ""


def _year(place: Place) -> str:
    years = _YEAR.findall(place[0].segment.documents[place[0].rows[place[1]]].question)
    return years[0] if years else ""
