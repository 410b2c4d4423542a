"""Suggestions while typing: stored phrasings that fit what has been typed, by text, by words in any order, by sound.

What fits better comes first, then what is used more, then the shorter, then by entry. Each fit is looked for either in
a list of rows that may fit, or among all rows from the best on, whichever is short; both find the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from retrieval import sound_kernels
from retrieval.documents import Suggestion
from retrieval.generation import Generation, Seen
from retrieval.kernels import fixed
from retrieval.phrase_sounds import Rows, codes
from retrieval.segment import Segment
from retrieval.sound_kernels import BEGINS, INSIDE, SOUND_AT_WORD, pick, pick_places, pick_sharing, run_span
from retrieval.sounds import kernel_table
from retrieval.tokens import bigrams
from retrieval.typed import Fit, fits, keys_of, pair_codes

SMALL = 1000
"""Rows of a segment that are simply all looked at."""
SHORT = 4000
"""Rows of a list that are looked at without more ado."""
FROM_BEST = 8_000
"""Rows that are looked at from the best on in the hope that enough of them fit."""
MOST = 50_000
"""Rows of a segment that are looked at where nothing but common characters is known of what is sought: 3 药."""
PLACES = 5
"""Places that are looked at in the time of one row."""
LOOKED_UP = 16
"""Characters and pairs of a run by which phrasings are looked up; more of them hardly narrow it."""
MOST_SHARED, MOST_PAIRS = 40, 100_000
"""Typed pairs of characters beyond which no phrasing can hold half of them; pairs compared in each segment, those of
phrasings with the rarest pairs first."""
STEPS = 2.0
"""Steps of use for each doubling: twice as much used counts, a little more does not."""

Masked = NDArray[np.bool_]


class Used(NamedTuple):
    """How much a segment's entries are used."""

    steps: NDArray[np.uint8]
    """By document; 0 is never."""
    rows: Rows
    """Phrasings of used entries: more used first, then shorter."""


class Uses:
    """Uses of each entry of late, laid out by segment when they are first needed."""

    def __init__(self, weights: Mapping[int, float] | None = None) -> None:
        used = sorted((entry, weight) for entry, weight in (weights or {}).items() if weight > 0)
        self._ids = np.array([entry for entry, _ in used], np.int64)
        doublings = np.log2(1 + np.array([weight for _, weight in used], np.float64))
        self._steps = np.clip(STEPS * doublings, 1, 255).astype(np.uint8)
        self._kept: WeakKeyDictionary[Segment, Used] = WeakKeyDictionary()

    def of(self, segment: Segment) -> Used:
        """The segment's part of it."""
        used = self._kept.get(segment)
        if used is None:
            used = self._kept[segment] = self._laid_out(segment)
        return used

    def _laid_out(self, segment: Segment) -> Used:
        steps = np.zeros(len(segment), np.uint8)
        if len(self._ids):
            ids = segment.columns.entry_ids
            places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
            steps = np.where(self._ids[places] == ids, self._steps[places], np.uint8(0))
        preferred = segment.sounds.preference
        of_rows = steps[segment.phrase_document[preferred]] if steps.any() else np.zeros(len(preferred), np.uint8)
        used = np.flatnonzero(of_rows)
        by_use = used[np.argsort(255 - of_rows[used], kind="stable")]
        return Used(fixed(steps, np.uint8), fixed(preferred[by_use], np.int32))


@dataclass(frozen=True)
class Place:
    """A phrasing that fits, in the order of suggestions."""

    badness: int
    entry_id: int
    row: int
    part: int
    document: int


@dataclass(frozen=True)
class Shown:
    """What may be shown to who is typing, and what is shown already."""

    generation: Generation
    visible: Sequence[Seen]
    uses: Uses
    taken: Sequence[list[int]]
    """Documents of each part that are among the suggestions."""


def suggestions(
    typed: str, generation: Generation, visible: Sequence[Seen], uses: Uses, k: int
) -> tuple[Suggestion, ...]:
    """At most ``k``, one for each entry, of the phrasings that ``visible`` shows."""
    found: list[Suggestion] = []
    shown = Shown(generation, visible, uses, [[] for _ in visible])

    def take(places: Sequence[Place], matched: Fit | None) -> bool:
        for place in sorted(places, key=lambda p: (p.badness, p.entry_id, p.row))[: k - len(found)]:
            found.append(_suggestion(visible[place.part].segment, place, typed, matched))
            shown.taken[place.part].append(place.document)
        return len(found) >= k

    before, after = fits(typed)
    for fit in before:
        if take(_fitting(shown, fit, k - len(found)), fit):
            return tuple(found)
    if before and take(_sharing(shown, typed, k - len(found)), None):
        return tuple(found)
    for fit in after:
        if take(_fitting(shown, fit, k - len(found)), fit):
            break
    return tuple(found)


def warm() -> None:
    """Have the loops and tables ready before anybody waits for them."""
    sound_kernels.warm()
    for blurred in (False, True):
        keys_of("a公", blurred=blurred)


def _fitting(shown: Shown, fit: Fit, k: int) -> list[Place]:
    places: list[Place] = []
    for part, seen in enumerate(shown.visible):
        best = np.empty((k, 3), np.int64)
        held = _picked(shown, part, fit, best)
        places += _places(best[:held], part, seen.segment)
    return places


def _picked(shown: Shown, part: int, fit: Fit, best: NDArray[np.int64]) -> int:
    """Fills ``best``; how many it holds."""
    seen = shown.visible[part]
    segment, used, taken = seen.segment, shown.uses.of(seen.segment), _array(shown.taken[part])
    phrases, table, held = _phrases(segment), kernel_table(), 0
    everything = segment.sounds.preference

    def look(rows: Rows, most: int, *, best_first: bool, unused: bool = False) -> tuple[bool, bool]:
        """Whether enough was found, and whether all rows were looked at."""
        nonlocal held
        view, limits = (seen.phrases, used.steps, unused), (most, int(best_first))
        held, complete = pick(rows, fit.patterns, phrases, table, view, taken, best, held, limits)
        return best_first and held == len(best), complete

    def look_from_best(most: int) -> tuple[bool, bool]:
        enough, complete = look(used.rows, most, best_first=True)
        if enough or not complete:
            return enough, complete
        return look(everything, most, best_first=True, unused=bool(len(used.rows)))

    if len(everything) <= SMALL:
        look_from_best(len(everything))
        return held
    listed = _listed(fit, shown.generation, segment)
    if listed.size > SHORT:
        enough, complete = look_from_best(FROM_BEST)
        if enough or complete:
            return held
        if int(np.count_nonzero(seen.phrases)) < min(listed.size, MOST):
            listed = Listed.of((np.flatnonzero(seen.phrases).astype(np.int32),))
        elif listed.rows and listed.rows[0] is everything:
            look_from_best(MOST)
            return held
    if rows := [rows for rows in listed.rows if len(rows)]:
        look(_together(rows), sum(map(len, rows)), best_first=False)
    if places := [places for places in listed.places if len(places)]:
        view = (seen.phrases, used.steps, False)
        held = pick_places(_together(places), listed.run, fit.patterns, phrases, table, view, taken, best, held)
    return held


class Listed(NamedTuple):
    """Where all that fit are."""

    size: int
    """Rows that may be looked at in the time that it takes."""
    rows: Sequence[Rows]
    places: Sequence[Rows] = ()
    """Places among the characters where one of the runs may be said."""
    run: int = -1
    """That run."""

    @classmethod
    def of(cls, rows: Sequence[Rows], places: Sequence[Rows] = (), run: int = -1) -> "Listed":
        return cls(sum(map(len, rows)) + sum(map(len, places)) // PLACES, rows, places, run)


def _listed(fit: Fit, generation: Generation, segment: Segment) -> Listed:
    """As few as is quickly known."""
    everything = Listed.of((segment.sounds.preference,))
    ways = (way for number in range(len(fit.runs)) for way in _ways(fit, number, generation, segment))
    return min((everything, *ways), key=lambda listed: listed.size)


def _ways(fit: Fit, number: int, generation: Generation, segment: Segment) -> list[Listed]:
    run, sounds = fit.runs[number], segment.sounds
    ways: list[Listed] = []
    if run.way in (BEGINS, INSIDE):
        rare = (sounds.with_character(code) for code in dict.fromkeys(codes(run.text[:LOOKED_UP]).tolist()))
        ways += [Listed.of((rows,)) for rows in rare if rows is not None]
    if run.way == INSIDE:
        terms = [generation.vocabularies.pairs.known(run.text[i : i + 2]) for i in range(len(run.text) - 1)[:LOOKED_UP]]
        ways += [Listed.of((segment.pairs.rows_with(term)[0],) if term is not None else ()) for term in terms]
        return ways
    wanted = keys_of(run.text, blurred=fit.blurred)
    inner = sounds.within(wanted) if run.way == SOUND_AT_WORD else ()
    return [*ways, Listed.of(sounds.beginning(wanted), inner, number)]


def _together(lists: Sequence[Rows]) -> Rows:
    return fixed(lists[0] if len(lists) == 1 else np.concatenate(lists), np.int32)


def _sharing(shown: Shown, typed: str, k: int) -> list[Place]:
    """Phrasings that hold at least half of the typed pairs of characters, by idf."""
    pairs = [pair for pair in sorted(set(bigrams(typed))) if len(pair) == 2]
    if not 2 <= len(pairs) <= MOST_SHARED:
        return []
    vocabulary = shown.generation.vocabularies.pairs
    weights = {pair: shown.generation.pairs.idf(vocabulary.readings(pair)) for pair in pairs}
    rarest = sorted(pairs, key=lambda pair: (-weights[pair], pair))
    total, reached, needed = sum(weights.values()), 0.0, []
    for pair in rarest:  # who holds half of the weight holds at least one of these
        needed.append(vocabulary.known(pair))
        reached += weights[pair]
        if 2 * reached > total:
            break
    places: list[Place] = []
    typed_pairs, typed_weights = pair_codes(pairs), np.array([weights[pair] for pair in pairs], np.float64)
    for part, seen in enumerate(shown.visible):
        segment, best = seen.segment, np.empty((k, 3), np.int64)
        lists = [segment.pairs.rows_with(term)[0] for term in needed if term is not None]
        if not any(map(len, lists)):
            continue
        rows = np.concatenate(lists)
        rows = rows[seen.phrases[rows]][: MOST_PAIRS // len(pairs)]
        view = (seen.phrases, shown.uses.of(segment).steps, False)
        phrases, barred = _phrases(segment), _array(shown.taken[part])
        held = pick_sharing(fixed(rows, np.int32), typed_pairs, typed_weights, phrases, view, barred, best, 0)
        places += _places(best[:held], part, segment)
    return places


def _suggestion(segment: Segment, place: Place, typed: str, fit: Fit | None) -> Suggestion:
    document = segment.documents[place.document]
    phrasing = document.phrasings[place.row - int(segment.phrase_start[place.document])]
    internal = not bool(segment.columns.public[place.document])
    text = segment.phrase_texts[place.row]
    if fit is None:
        matched = tuple(pair for pair in dict.fromkeys(bigrams(typed)) if pair in text)
    else:
        matched = _spans(fit, segment, place.row, text)
    return Suggestion(place.entry_id, phrasing, internal, matched)


def _spans(fit: Fit, segment: Segment, row: int, text: str) -> tuple[str, ...]:
    """The parts of the phrasing that each run is found in."""
    phrases, table = _phrases(segment), kernel_table()
    spans = (run_span(run, row, fit.patterns, phrases, table) for run in range(len(fit.runs)))
    return tuple(text[at:end] for at, end in spans)


def _places(best: NDArray[np.int64], part: int, segment: Segment) -> list[Place]:
    ids = segment.columns.entry_ids
    return [Place(badness, int(ids[document]), row, part, document) for badness, row, document in best.tolist()]


def _phrases(segment: Segment) -> tuple[NDArray[np.int64], Rows, NDArray[np.uint16], NDArray[np.uint16]]:
    sounds = segment.sounds
    return fixed(segment.phrase_document, np.int64), sounds.start, sounds.characters, sounds.sounds


def _array(documents: Sequence[int]) -> NDArray[np.int64]:
    return np.array(documents, np.int64)
