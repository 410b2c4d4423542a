"""Stage 2: what is measured of each candidate. The same for every backend."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.candidates import LookedUp, answer_scores
from retrieval.documents import Document
from retrieval.generation import Generation
from retrieval.postings import Floats, Postings
from retrieval.question import Slot, Understood
from retrieval.segment import Segment
from retrieval.statistics import Statistics
from retrieval.vocabulary import text_key

OWN = (
    "cosine_phrase",  # cosine of the question to the best phrasing
    "cosine_answer",  # cosine of the question to the answer
    "cosine_focus",  # the same two of the part of a long story that asks; equal to them for other questions
    "cosine_focus_answer",
    "cover_question",  # share of the question's words, by idf, that the best phrasing holds
    "cover_phrase",  # share of that phrasing's words, by idf, that the question holds
    "pairs_question",  # the same two with character bigrams
    "pairs_phrase",
    "cover_entry",  # share of the question's words found anywhere in the entry
    "cover_title",  # share of them found in any phrasing or the keywords
    "cover_focus",  # share of the words of the part that asks, found anywhere in the entry
    "cover_answer",  # BM25 of the answer over the highest that it could be
    "cover_keywords",  # share of the question's words that are keywords
    "named_keywords",  # share of the keywords' words, by idf, that the question holds
    "exact",  # the question is one of the phrasings
    "bare",  # the entry has no answer text, so that nothing can be found in it
    "rarest_missing",  # idf of the rarest word of the part that asks that the entry does not hold, over the highest idf
    "aspect_same",  # the best phrasing asks about the same aspect (费用, 材料, 时限 …)
    "aspect_other",  # both ask about an aspect, but not the same
    "aspect_missing",  # share of the asked aspects that the entry does not tell
    "kind_same",  # groups of contrasts (职工/居民 …) in which the standard question names the same kind
    "kind_conflict",  # groups in which it names only another kind
    "kind_absent",  # groups of which the entry nowhere names the question's kind
    "number_missing",  # share of the question's numbers that the entry does not hold
    "year_conflict",  # the standard question and keywords name years, but none that the question names
    "place_conflict",  # share of the question's places for which the entry does not hold: it is for others
    "place_missing",  # share of the question's places that the entry nowhere names
)
"""Of one candidate alone."""
RELATIVE = (
    "cosine_phrase",
    "cosine_answer",
    "cosine_focus",
    "cover_question",
    "pairs_question",
    "cover_entry",
    "cover_title",
    "cover_answer",
)
"""Also measured as distance to the best other candidate of the question, as 'lead_…': above 0 only for the best."""
SHARED = (
    "unknown",  # share of the question's words, by idf, that no entry holds
    "length",  # logarithm of the number of content words
    "mended",  # a slip of the keyboard was mended
    "story",  # a long story, of which a part asks
)
"""The same for all candidates of one question."""
NAMES = (*OWN, *(f"lead_{name}" for name in RELATIVE), *SHARED)


_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True)
class Measured:
    """Candidates of one segment with their features."""

    segment: Segment
    rows: NDArray[np.int64]
    features: Floats
    """(len(rows), len(OWN)); each in 0..1 but for the cosines in -1..1."""
    best_phrases: NDArray[np.int64]
    """For each candidate the phrasing, as a row of the segment's phrasings, that matched best."""

    def document(self, place: int) -> tuple[Document, str]:
        """The candidate at ``place``, and its phrasing that matched best."""
        row = self.rows[place]
        document = self.segment.documents[row]
        return document, document.phrasings[int(self.best_phrases[place] - self.segment.phrase_start[row])]


def measure(question: Understood, looked_up: LookedUp, rows: NDArray[np.int64], generation: Generation) -> Measured:
    """The OWN features of the given documents of one segment."""
    segment = looked_up.segment
    spread = _Spread.of(segment, rows)
    phrases, starts = spread.phrases, spread.starts
    cosine, cosine_answer, cosine_focus, cosine_focus_answer = _cosines(question, segment, spread)
    in_phrases = [found.strength_in(phrases) for found in looked_up.words]
    in_keywords = [found.strength_in(rows) for found in looked_up.keywords]
    words = _overlap(segment.words, phrases, question.slots, in_phrases, generation.words)
    pairs = _pair_overlap(segment.pairs, phrases, question.pairs, generation.pairs)
    likeness = cosine + np.float32(0.25) * (words.of_question + words.of_row + pairs.of_question + pairs.of_row)
    best = _argmax_by_group(likeness, starts)
    whole = sum(slot.answer_weight for slot in question.slots)
    answers = answer_scores(question, looked_up, generation, rows)
    keywords = _overlap(segment.keywords, rows, question.slots, in_keywords, generation.words)
    cover = _cover_entry(
        question, looked_up, spread, in_phrases=in_phrases, in_keywords=in_keywords, generation=generation
    )
    columns = (
        np.maximum.reduceat(cosine, starts) if len(rows) else cosine,
        cosine_answer,
        cosine_focus,
        cosine_focus_answer,
        words.of_question[best],
        words.of_row[best],
        pairs.of_question[best],
        pairs.of_row[best],
        cover.entry,
        cover.title,
        cover.focus,
        answers / np.float32(whole) if whole else answers,
        keywords.of_question,
        keywords.of_row,
        _exact(question, segment, phrases, starts),
        segment.answers.lengths[rows] == 0,
        cover.rarest_missing,
        *_aspects(question, segment, rows, spread.phrases[best]),
        *_kinds(question, segment, rows),
        _number_missing(question, segment, rows),
        _year_conflict(question, segment, rows),
        *_places(question, segment, rows),
    )
    return Measured(segment, rows, np.stack([np.asarray(c, np.float32) for c in columns], 1), phrases[best])


def complete(own: Floats, question: Understood, generation: Generation) -> Floats:
    """All features, in the order of NAMES, of all candidates of one question; (n, len(OWN)) to (n, len(NAMES))."""
    columns = [own]
    for name in RELATIVE:
        column = own[:, OWN.index(name)]
        columns.append((column - _best_other(column))[:, None])
    shared = (
        _unknown(question, generation),
        np.log1p(len(question.slots)) / 4,
        bool(question.mended),
        question.is_story,
    )
    columns += [np.full((len(own), 1), value, np.float32) for value in shared]
    return np.hstack(columns).astype(np.float32)


@dataclass(frozen=True)
class _Spread:
    """Documents and all their phrasings laid end to end."""

    rows: NDArray[np.int64]
    phrases: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, segment: Segment, rows: NDArray[np.int64]) -> "_Spread":
        sizes = np.diff(segment.phrase_start)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        phrases = np.arange(sizes.sum()) + np.repeat(segment.phrase_start[rows] - starts, sizes)
        return cls(rows, phrases, starts, sizes)


@dataclass(frozen=True)
class _Overlap:
    of_question: Floats
    of_row: Floats


def _cosines(question: Understood, segment: Segment, spread: _Spread) -> tuple[Floats, Floats, Floats, Floats]:
    """Of the whole question to each phrasing and each answer; of its focus to the best phrasing and the answer."""
    rows, phrases, starts = spread.rows, spread.phrases, spread.starts
    if question.vector is None or not len(rows) or not (segment.phrase_vectors and segment.answer_vectors):
        zeros: Floats = np.zeros(len(rows), np.float32)
        return np.zeros(len(phrases), np.float32), zeros, zeros, zeros
    phrase = segment.phrase_vectors.cosines(question.vector, phrases)
    answer = segment.answer_vectors.cosines(question.vector, rows)
    if question.focus_vector is None or question.focus_vector is question.vector:
        return phrase, answer, np.maximum.reduceat(phrase, starts), answer
    focus = segment.phrase_vectors.cosines(question.focus_vector, phrases)
    return (
        phrase,
        answer,
        np.maximum.reduceat(focus, starts),
        segment.answer_vectors.cosines(question.focus_vector, rows),
    )


def _overlap(
    postings: Postings,
    rows: NDArray[np.int64],
    slots: Sequence[Slot],
    strengths: Sequence[Floats],
    statistics: Statistics,
) -> _Overlap:
    """What the question and each row share, weighted by idf: as share of the question, and of the row.

    ``strengths``: how well each slot was found in each of the rows.
    """
    of_question = np.zeros(len(rows), np.float32)
    asked: dict[int, float] = {}
    for slot, strength in zip(slots, strengths, strict=True):
        of_question += strength * np.float32(slot.weight)
        for reading in slot.readings:
            for term in reading.terms:
                asked[term] = max(asked.get(term, 0.0), reading.weight)
    whole = sum(slot.weight for slot in slots)
    return _Overlap(
        of_question=of_question / np.float32(whole) if whole else of_question,
        of_row=_share_of_row(postings, rows, asked, statistics),
    )


def _pair_overlap(
    postings: Postings, rows: NDArray[np.int64], slots: Sequence[Slot], statistics: Statistics
) -> _Overlap:
    """The same of bigrams, each of which has one reading, itself: what a row holds of them says all."""
    asked = {reading.terms[0]: 1.0 for slot in slots for reading in slot.readings}
    weights = {reading.terms[0]: slot.weight for slot in slots for reading in slot.readings}
    held, starts = postings.terms_of(rows)
    whole = sum(slot.weight for slot in slots)
    of_question = _sum_by_group(_looked_up(weights, held), starts)
    return _Overlap(
        of_question=of_question / np.float32(whole) if whole else of_question,
        of_row=_share_of_row(postings, rows, asked, statistics),
    )


def _share_of_row(
    postings: Postings, rows: NDArray[np.int64], asked: Mapping[int, float], statistics: Statistics
) -> Floats:
    """Share of each row's terms, by idf, that is asked for."""
    held, starts = postings.terms_of(rows)
    idfs = statistics.idfs(held)
    shared = _sum_by_group(_looked_up(asked, held) * idfs, starts)
    own = _sum_by_group(idfs, starts)
    return np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)


def _looked_up(values: Mapping[int, float], terms: NDArray[np.int32]) -> NDArray[np.float64]:
    """The value of each term, 0 for those that have none."""
    if not values or not len(terms):
        return np.zeros(len(terms))
    known = np.array(sorted(values), np.int64)
    of_known = np.array([values[int(term)] for term in known])
    places = np.minimum(np.searchsorted(known, terms), len(known) - 1)
    return np.where(known[places] == terms, of_known[places], 0.0)


@dataclass(frozen=True)
class _Cover:
    """Shares of the question's words, by idf, found in each entry."""

    entry: Floats
    """In a phrasing, the answer or the keywords."""
    title: Floats
    """In a phrasing or the keywords."""
    focus: Floats
    """Of the part that asks, anywhere in the entry."""
    rarest_missing: Floats
    """Idf of its rarest word that is nowhere in the entry, over the highest idf."""


def _cover_entry(
    question: Understood,
    looked_up: LookedUp,
    spread: _Spread,
    *,
    in_phrases: Sequence[Floats],
    in_keywords: Sequence[Floats],
    generation: Generation,
) -> _Cover:
    rows = spread.rows
    entry, title, focus, rarest = (np.zeros(len(rows), np.float32) for _ in range(4))
    in_focus = frozenset(looked_up.focus)
    whole, whole_focus = 0.0, 0.0
    for i, slot in enumerate(question.slots):
        weight = np.float32(slot.weight)
        in_title = np.maximum.reduceat(in_phrases[i], spread.starts) if len(rows) else in_phrases[i]
        in_title = np.maximum(in_title, in_keywords[i])
        found = np.maximum(in_title, looked_up.answers[i].strength_in(rows))
        entry += found * weight
        title += in_title * weight
        whole += slot.weight
        if i in in_focus:
            focus += found * weight
            whole_focus += slot.weight
            rarest = np.maximum(rarest, (1 - found) * weight)
    if whole:
        entry, title = entry / np.float32(whole), title / np.float32(whole)
    if whole_focus:
        focus = focus / np.float32(whole_focus)
    return _Cover(entry, title, focus, rarest / np.float32(generation.words.idf(())))


def _aspects(
    question: Understood, segment: Segment, rows: NDArray[np.int64], phrases: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """Asked by the best phrasing too; another asked instead; share that neither phrasing nor answer tells."""
    asked = np.uint64(question.aspects)
    of_phrase = segment.phrase_aspects[phrases]
    same = (of_phrase & asked) > 0
    other = ~same & (of_phrase > 0) & (asked > 0)
    missing = np.bitwise_count(asked & ~(of_phrase | segment.answer_aspects[rows]))
    share = missing / max(1, question.aspects.bit_count())
    return same.astype(np.float32), other.astype(np.float32), share.astype(np.float32)


def _kinds(question: Understood, segment: Segment, rows: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Groups of contrasts in which the entry's question names the same kind, only others; where the kind is nowhere."""
    named = question.kinds > 0
    of_question = segment.question_kinds[rows]
    shared = (of_question & question.kinds) > 0
    same = (shared & named).sum(1)
    conflict = (~shared & (of_question > 0) & named).sum(1)
    absent = (((segment.entry_kinds[rows] & question.kinds) == 0) & named).sum(1)
    return same.astype(np.float32), conflict.astype(np.float32), absent.astype(np.float32)


def _number_missing(question: Understood, segment: Segment, rows: NDArray[np.int64]) -> Floats:
    if not question.numbers:
        return np.zeros(len(rows), np.float32)
    sought = [re.compile(rf"(?<![\d.]){re.escape(number)}(?!\.?\d)") for number in question.numbers]
    texts = [segment.entry_texts[row] for row in rows]
    missing = [
        sum(not (n in text and s.search(text)) for n, s in zip(question.numbers, sought, strict=True)) for text in texts
    ]
    return np.array(missing, np.float32) / np.float32(len(question.numbers))


def _year_conflict(question: Understood, segment: Segment, rows: NDArray[np.int64]) -> Floats:
    conflict = np.zeros(len(rows), np.float32)
    asked = {number for number in question.numbers if _YEAR.fullmatch(number)}
    if asked:
        for i, row in enumerate(rows):
            named = set(_YEAR.findall(segment.title_texts[row]))
            conflict[i] = bool(named) and not named & asked
    return conflict


def _places(question: Understood, segment: Segment, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Share of the asked places that the entry is not for, and share that it nowhere names."""
    conflict, missing = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    if not question.places:
        return conflict, missing
    for i, row in enumerate(rows):
        regions, title = segment.documents[row].places, segment.title_texts[row]
        elsewhere = bool(regions or segment.names_place[row])
        for place in question.places:
            if any(region.startswith(place) for region in regions) or place in title:
                continue
            conflict[i] += elsewhere
            missing[i] += place not in segment.entry_texts[row]
    whole = np.float32(len(question.places))
    return conflict / whole, missing / whole


def _exact(question: Understood, segment: Segment, phrases: NDArray[np.int64], starts: NDArray[np.int64]) -> Floats:
    asked = question.squeezed
    same = np.zeros(len(phrases), np.float32)
    if asked:
        for place in np.flatnonzero(segment.phrase_keys[phrases] == text_key(asked)):
            same[place] = segment.phrase_texts[phrases[place]] == asked
    return np.asarray(np.maximum.reduceat(same, starts), np.float32) if len(starts) else same


def _unknown(question: Understood, generation: Generation) -> float:
    whole = sum(slot.weight for slot in question.slots)
    missing = sum(
        slot.weight
        for slot in question.slots
        if not any(all(map(generation.use, reading.terms)) for reading in slot.readings)
    )
    return missing / whole if whole else 1.0


def _best_other(column: Floats) -> Floats:
    """For each value the highest of the others; its own value when it is alone."""
    if len(column) < 2:
        return column
    order = np.argsort(-column, kind="stable")
    others = np.full(len(column), column[order[0]], np.float32)
    others[order[0]] = column[order[1]]
    return others


def _argmax_by_group(values: Floats, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the first highest value of each group; groups are not empty."""
    if not len(starts):
        return np.empty(0, np.int64)
    highest = np.maximum.reduceat(values, starts)
    sizes = np.diff(np.append(starts, len(values)))
    positions = np.where(values == np.repeat(highest, sizes), np.arange(len(values)), len(values))
    return np.asarray(np.minimum.reduceat(positions, starts), np.int64)


def _sum_by_group(values: NDArray[np.float64], starts: NDArray[np.int64]) -> Floats:
    """Sums between neighbouring ``starts`` (end last); empty groups give 0."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(sums[starts[1:]] - sums[starts[:-1]], np.float32)
