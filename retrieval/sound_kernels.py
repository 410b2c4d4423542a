"""The loops behind suggestions: does a phrasing fit what has been typed, and which of many fit best."""

from typing import Any

import numpy as np

from retrieval.kernels import compiled, fixed
from retrieval.sounds import kernel_table

BEGINS, INSIDE, SOUND_BEGINS, SOUND_AT_WORD = 0, 1, 2, 3
"""How one run of what has been typed may stand in a phrasing."""
WORD, GAP, HEAD, SOUND = 0x8000, 0x4000, 0x2000, 0x1FFF
"""Of each character: a word begins with it; punctuation stood before it; a phrasing begins; the number of its sound."""
FARTHEST = 62
"""Characters of a run that are compared by sound."""


def warm() -> None:
    """Compile the loops, or read them from where they are kept, before anybody waits for them."""
    rows, best = fixed([0], np.int32), np.empty((1, 3), np.int64)
    characters, sounds = fixed([97, 98], np.uint16), fixed([WORD | HEAD, 0], np.uint16)
    phrases = fixed([0], np.int64), fixed([0, 2], np.int32), characters, sounds
    seen = np.ones(1, np.bool_), fixed([0], np.uint8), False
    table, taken = kernel_table(), np.empty(0, np.int64)
    heard = np.zeros(1, np.uint16)
    patterns = np.array([97], np.uint16), heard, np.array([0, 1]), np.array([SOUND_AT_WORD]), False
    held, _ = pick(rows, patterns, phrases, table, seen, taken, best, 0, (1, 1))
    held = pick_places(rows, 0, patterns, phrases, table, seen, taken, best, held)
    pick_sharing(rows, np.array([[97, 98]], np.uint16), np.ones(1), phrases, seen, taken, best, held)
    run_span(0, 0, patterns, phrases, table)


@compiled
def pick(
    rows: Any, patterns: Any, phrases: Any, table: Any, seen: Any, taken: Any, best: Any, held: int, limits: Any
) -> Any:
    """The best of ``rows`` that fit all patterns, into ``best``; how many it holds then, and whether all were read.

    ``patterns``: symbols, sounds of them, start of each run, how each may stand, whether sounds are blurred.
    ``phrases``: (document of each phrasing, start of each, characters, sounds). ``seen``: (visible phrasings, use of
    each document, whether used documents are passed over). ``best`` (k, 3): badness, row, document; in order.
    ``limits``: (rows to read at most, 1 when ``rows`` come best first so that a full ``best`` is the end).
    """
    symbols, heard, run_start, ways, blurred = patterns
    document_of, start, characters, sounds = phrases
    spelling_start, spellings, lengths, alike, initials = table
    visible, use, pass_over_used = seen
    most, best_first = limits
    k = len(best)
    for at in range(min(len(rows), most)):
        row = rows[at]
        if not visible[row]:
            continue
        document = document_of[row]
        if pass_over_used and use[document]:
            continue
        first, end = start[row], start[row + 1]
        badness = (np.int64(255 - use[document]) << 32) | np.int64(end - first)
        if held == k and (badness > best[k - 1, 0] or (badness == best[k - 1, 0] and row >= best[k - 1, 1])):
            continue
        fits = True
        for run in range(len(ways)):
            if (
                run_at(
                    run_start[run],
                    run_start[run + 1],
                    ways[run],
                    blurred,
                    symbols,
                    heard,
                    characters,
                    sounds,
                    first,
                    end,
                    spelling_start,
                    spellings,
                    lengths,
                    alike,
                    initials,
                )
                < 0
            ):
                fits = False
                break
        if fits and not _taken(taken, document):
            held = offer(best, held, badness, row, document)
            if best_first and held == k:
                return held, True
    return held, most >= len(rows)


@compiled
def pick_places(
    places: Any, known: int, patterns: Any, phrases: Any, table: Any, seen: Any, taken: Any, best: Any, held: int
) -> int:
    """As ``pick``, of phrasings that say the run ``known`` from one of these places on."""
    symbols, heard, run_start, ways, blurred = patterns
    document_of, start, characters, sounds = phrases
    spelling_start, spellings, lengths, alike, initials = table
    visible, use, _ = seen
    k = len(best)
    symbol, typed = symbols[run_start[known]], heard[run_start[known]]
    for place in places:
        sound = sounds[place] & SOUND
        if not _may_begin(symbol, alike[typed], blurred, characters[place], alike[sound], initials[sound]):
            continue
        if (
            _sounds_to(
                run_start[known],
                run_start[known + 1],
                blurred,
                symbols,
                heard,
                characters,
                sounds,
                place,
                len(sounds),
                spelling_start,
                spellings,
                lengths,
                alike,
            )
            < 0
        ):
            continue
        low, high = 0, len(start) - 1
        while high - low > 1:  # the last row that starts at or before the place
            middle = (low + high) // 2
            if start[middle] <= place:
                low = middle
            else:
                high = middle
        row = low
        if not visible[row]:
            continue
        document = document_of[row]
        first, end = start[row], start[row + 1]
        badness = (np.int64(255 - use[document]) << 32) | np.int64(end - first)
        if held == k and (badness > best[k - 1, 0] or (badness == best[k - 1, 0] and row >= best[k - 1, 1])):
            continue
        fits = True
        for run in range(len(ways)):
            if (
                run != known
                and run_at(
                    run_start[run],
                    run_start[run + 1],
                    ways[run],
                    blurred,
                    symbols,
                    heard,
                    characters,
                    sounds,
                    first,
                    end,
                    spelling_start,
                    spellings,
                    lengths,
                    alike,
                    initials,
                )
                < 0
            ):
                fits = False
                break
        if fits and not _taken(taken, document):
            held = offer(best, held, badness, row, document)
    return held


@compiled
def pick_sharing(rows: Any, pairs: Any, weights: Any, phrases: Any, seen: Any, taken: Any, best: Any, held: int) -> int:
    """The best of ``rows`` that share at least half of the typed ``pairs`` (p, 2) by weight; more shared is better,
    in eighths."""
    document_of, start, characters, sounds = phrases
    visible, use, _ = seen
    total = weights.sum()
    for row in rows:
        if not visible[row]:
            continue
        document = document_of[row]
        if _taken(taken, document):
            continue
        first, end = start[row], start[row + 1]
        shared = 0.0
        for pair in range(len(pairs)):
            for at in range(first, end - 1):
                if (
                    characters[at] == pairs[pair, 0]
                    and characters[at + 1] == pairs[pair, 1]
                    and not sounds[at + 1] & GAP
                ):
                    shared += weights[pair]
                    break
        if 2 * shared >= total:
            level = np.int64(8 * shared / total)
            badness = ((8 - level) << 48) | (np.int64(255 - use[document]) << 32) | (end - first)
            held = offer(best, held, badness, row, document)
    return held


@compiled
def offer(best: Any, held: int, badness: Any, row: int, document: int) -> int:
    """Put the row where it belongs, one for each document."""
    for place in range(held):
        if best[place, 2] == document:
            if best[place, 0] < badness or (best[place, 0] == badness and best[place, 1] <= row):
                return held
            for later in range(place, held - 1):
                for column in range(3):
                    best[later, column] = best[later + 1, column]
            held -= 1
            break
    if held == len(best):
        if best[held - 1, 0] < badness or (best[held - 1, 0] == badness and best[held - 1, 1] <= row):
            return held
        held -= 1
    place = held
    while place and (best[place - 1, 0] > badness or (best[place - 1, 0] == badness and best[place - 1, 1] > row)):
        for column in range(3):
            best[place, column] = best[place - 1, column]
        place -= 1
    best[place, 0], best[place, 1], best[place, 2] = badness, row, document
    return held + 1


@compiled
def run_span(run: int, row: int, patterns: Any, phrases: Any, table: Any) -> Any:
    """Where the run stands in the row's characters, and where it ends; (-1, -1) when it does not."""
    symbols, heard, run_start, ways, blurred = patterns
    _, start, characters, sounds = phrases
    spelling_start, spellings, lengths, alike, initials = table
    from_, to, first, end = run_start[run], run_start[run + 1], start[row], start[row + 1]
    at = run_at(
        from_,
        to,
        ways[run],
        blurred,
        symbols,
        heard,
        characters,
        sounds,
        first,
        end,
        spelling_start,
        spellings,
        lengths,
        alike,
        initials,
    )
    if at < 0:
        return -1, -1
    if ways[run] in (BEGINS, INSIDE):
        return at - first, at - first + to - from_
    reached = _sounds_to(
        from_, to, blurred, symbols, heard, characters, sounds, at, end, spelling_start, spellings, lengths, alike
    )
    return at - first, reached - first


@compiled
def run_at(
    run_first: int,
    run_end: int,
    way: int,
    blurred: bool,
    symbols: Any,
    heard: Any,
    characters: Any,
    sounds: Any,
    first: int,
    end: int,
    spelling_start: Any,
    spellings: Any,
    lengths: Any,
    alike: Any,
    initials: Any,
) -> int:
    """Where the symbols ``run_first:run_end`` stand in the characters ``first:end``; -1 when they do not."""
    size = run_end - run_first
    if way in (BEGINS, INSIDE):
        last = end - size
        if way == BEGINS:
            last = min(last, first)
        for at in range(first, last + 1):
            same = 0
            while same < size and characters[at + same] == symbols[run_first + same]:
                if way == INSIDE and same and sounds[at + same] & GAP:
                    break
                same += 1
            if same == size:
                return at
        return -1
    last = first + 1 if way == SOUND_BEGINS else end
    for at in range(first, min(last, end)):
        if at > first and not sounds[at] & WORD:
            continue
        sound = sounds[at] & SOUND
        typed = heard[run_first]
        if not _may_begin(symbols[run_first], alike[typed], blurred, characters[at], alike[sound], initials[sound]):
            continue
        if (
            _sounds_to(
                run_first,
                run_end,
                blurred,
                symbols,
                heard,
                characters,
                sounds,
                at,
                end,
                spelling_start,
                spellings,
                lengths,
                alike,
            )
            >= 0
        ):
            return at
    return -1


@compiled
def _may_begin(symbol: int, typed: int, blurred: bool, character: int, sound: int, initial: int) -> bool:
    """Quickly, whether the character may say the symbol; sounds as a blurred ear takes them."""
    if symbol == character:
        return True
    if symbol < 128:
        if initial == symbol - 96:
            return True
        return blurred and initial in (12, 14) and symbol in (108, 110)  # l, n
    return blurred and typed != 0 and typed == sound


@compiled
def _sounds_to(
    run_first: int,
    run_end: int,
    blurred: bool,
    symbols: Any,
    heard: Any,
    characters: Any,
    sounds: Any,
    at: int,
    end: int,
    spelling_start: Any,
    spellings: Any,
    lengths: Any,
    alike: Any,
) -> int:
    """Where the characters from ``at`` on have said all of the run; -1 when they do not.

    A letter run is read as whole syllables, initials, or both, the last one unfinished: gjj, gongjj, gongjij.
    """
    size = run_end - run_first
    reached = np.uint64(1)
    first = at
    while at < end and (at == first or not sounds[at] & HEAD):
        sound = sounds[at] & SOUND
        following = np.uint64(0)
        for typed in range(size):
            if not (reached >> np.uint64(typed)) & np.uint64(1):
                continue
            symbol = symbols[run_first + typed]
            spoken = heard[run_first + typed]
            if symbol == characters[at] or (blurred and spoken and alike[spoken] == alike[sound]):
                following |= np.uint64(1) << np.uint64(typed + 1)
            if not sound or symbol >= 128:
                continue
            last = spelling_start[sound + 1] if blurred else spelling_start[sound] + 1
            for spelling in range(spelling_start[sound], last):
                length = np.int64(lengths[spelling])
                same = 0
                while (
                    same < length
                    and typed + same < size
                    and symbols[run_first + typed + same] == spellings[spelling, same]
                ):
                    same += 1
                if same == 0:
                    continue
                if same == length:
                    following |= np.uint64(1) << np.uint64(typed + length)
                elif typed + same == size:
                    return at + 1
                following |= np.uint64(1) << np.uint64(typed + 1)
                if same >= 2 and spellings[spelling, 1] == 104:  # h of zh, ch, sh
                    following |= np.uint64(1) << np.uint64(typed + 2)
        at += 1
        if (following >> np.uint64(size)) & np.uint64(1):
            return at
        if not following:
            return -1
        reached = following
    return -1


@compiled
def _taken(taken: Any, document: int) -> bool:
    for other in taken:  # noqa: SIM110 - compiled
        if other == document:
            return True
    return False
