"""The loops that numpy cannot do in one pass, compiled by numba; they run without the interpreter's lock.

Arrays that belong to the index come in read-only, whether they lie in memory or in a file: one compiled form for both.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import ArrayLike, NDArray

K1 = 1.2
B = 0.75
"""Lucene's defaults; questions are short, so neither moves the result much."""

BINS = 1024
"""Of the scale on which the k-th best score is estimated from below."""
LOOKED_UP = 24
"""Entries of a list that are added in the time in which one row is looked up and scored by itself."""

_SIGN_AND_VALUE = np.int32(-0x70002000)
"""Bit 31 and bits 13 to 27."""

_read_at: Any = types.ExternalFunction("pread", types.intp(types.int32, types.voidptr, types.uintp, types.int64))
"""The C library's own, so that reading a row takes no turn through the interpreter."""

Call = TypeVar("Call", bound=Callable[..., Any])


def compiled(function: Call) -> Call:
    """Compiled on first use, and kept on disk where a place can be written to."""
    try:
        return cast(Call, njit(nogil=True, cache=True)(function))
    except RuntimeError:  # nowhere to keep it: compiled in each process
        return cast(Call, njit(nogil=True)(function))


def reassociated(function: Call) -> Call:
    """As ``compiled``; sums may be taken in any order, which lets them run side by side."""
    try:
        return cast(Call, njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})(function))
    except RuntimeError:
        return cast(Call, njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})(function))


def fixed(array: ArrayLike, dtype: Any) -> NDArray[Any]:
    """The array as the kernels take what belongs to the index: plain, contiguous, read-only. Copied only if it must."""
    view = np.ascontiguousarray(np.asarray(array), dtype).view()
    view.flags.writeable = False
    return view


def _count_ones(context: Any, value: Any) -> Any:  # noqa: ARG001 - numba's own form
    """Bits set in an unsigned 64-bit number, by the processor's own instruction."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


def _reread(context: Any, bits: Any) -> Any:  # noqa: ARG001
    """32 bits read as a single-precision number."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), build


_ones: Any = intrinsic(_count_ones)
_as_float: Any = intrinsic(_reread)


@numba.njit(inline="always")
def _half(bits: Any) -> Any:
    """A half float given as its 16 bits (signed); infinities and not-a-numbers do not occur."""
    shifted = (np.int32(bits) << np.int32(13)) & _SIGN_AND_VALUE
    return _as_float(shifted) * np.float32(2.0**112)


# Words


class Lists(NamedTuple):
    """Rows and how often, list behind list."""

    rows: NDArray[np.int32]
    counts: NDArray[Any]


FIRST, END, MERGED, SCALE, WEIGHT, BOUND = range(6)
"""Columns of a question, a row for each thing asked for in its order: where the list of its rows begins and ends;
whether that is one of the merged lists, whose counts are already scaled; what the counts are to be multiplied by; its
idf; and more than it can give to any row."""


@compiled
def place_of(terms: Any, term: int) -> int:
    """Where ``term`` stands among the sorted ``terms``; -1: nowhere."""
    low, high = 0, len(terms)
    while low < high:
        middle = (low + high) >> 1
        if terms[middle] < term:
            low = middle + 1
        else:
            high = middle
    return low if low < len(terms) and terms[low] == term else -1


@compiled
def places_in(rows: Any, wanted: Any) -> Any:
    """Where each of ``wanted`` stands among the sorted ``rows``; -1: nowhere."""
    places = np.empty(len(wanted), np.int64)
    low = 0
    for i in range(len(wanted)):
        if i and wanted[i] < wanted[i - 1]:
            low = 0
        low = _at_least(rows, low, len(rows), wanted[i])
        places[i] = low if low < len(rows) and rows[low] == wanted[i] else -1
    return places


@compiled
def intersect(rows: Any, counts: Any, others: Any, often: Any) -> Any:
    """Rows in both lists, with the smaller of the two counts."""
    if len(rows) > len(others):
        rows, counts, others, often = others, often, rows, counts
    held = np.empty(len(rows), np.int32)
    least = np.empty(len(rows), np.float32)
    size, there = 0, 0
    for here in range(len(rows)):
        there = _at_least(others, there, len(others), rows[here])
        if there == len(others):
            break
        if others[there] == rows[here]:
            held[size] = rows[here]
            least[size] = min(counts[here], often[there])
            size += 1
    return held[:size].copy(), least[:size].copy()


@compiled
def unite(rows: Any, counts: Any, strength: Any, others: Any, often: Any, weight: Any) -> Any:
    """Rows in either list: counts added, those of ``others`` by their weight; the higher of both strengths."""
    most = len(rows) + len(others)
    united = np.empty(most, np.int32)
    total = np.empty(most, np.float32)
    best = np.empty(most, np.float32)
    here, there, size = 0, 0, 0
    while here < len(rows) or there < len(others):
        mine = here < len(rows) and (there == len(others) or rows[here] <= others[there])
        theirs = there < len(others) and (here == len(rows) or others[there] <= rows[here])
        count, strong = np.float32(0), np.float32(0)
        if mine:
            united[size], count, strong = rows[here], counts[here], strength[here]
            here += 1
        if theirs:
            united[size] = others[there]
            count += often[there] * weight
            strong = max(strong, weight)
            there += 1
        total[size], best[size] = count, strong
        size += 1
    return united[:size].copy(), total[:size].copy(), best[:size].copy()


@compiled
def score_rows(asked: Any, lists: Any, merged: Any, lengths: Any, average: Any, rows: Any) -> Any:
    """BM25 of the given rows, added in the order of the question; quickest when they increase."""
    scores = np.zeros(len(rows), np.float32)
    for slot in range(len(asked)):
        _add_looked_up(asked[slot], lists, merged, lengths, average, rows, scores)
    return scores


@compiled
def _add_looked_up(slot: Any, lists: Any, merged: Any, lengths: Any, average: Any, rows: Any, scores: Any) -> None:
    """Add what one thing asked for gives to each of the rows."""
    first: Any = np.int64(slot[FIRST])
    end: Any = np.int64(slot[END])
    scale, weight = np.float32(slot[SCALE]), np.float32(slot[WEIGHT])
    own = slot[MERGED] > 0
    held = merged.rows if own else lists.rows
    place = first
    for i in range(len(rows)):
        if i and rows[i] < rows[i - 1]:
            place = first
        place = _at_least(held, place, end, rows[i])
        if place < end and held[place] == rows[i]:
            count = merged.counts[place] if own else np.float32(lists.counts[place]) * scale
            scores[i] += _given(weight, count, lengths[rows[i]], average)


@compiled
def likely_rows(
    asked: Any, lists: Any, merged: Any, lengths: Any, average: Any, allowed: Any, k: int, sums: Any, touched: Any
) -> Any:
    """Rows among which the ``k`` best allowed ones are, in no order: MaxScore (Turtle & Flood 1995), list by list.

    Lists are added up from the one that can give most. Once the k-th best sum is above all that the lists left can
    give, no row that has not been met comes in; what is met and can still come in is returned. ``allowed``: by row,
    empty when all are. ``sums`` is all zero before and after; ``touched`` is scratch, one longer
    than there are rows.
    """
    slots = len(asked)
    order = _by_bound(asked)
    rest = np.zeros(slots + 1, np.float32)
    left = np.zeros(slots + 1, np.int64)
    for j in range(slots - 1, -1, -1):
        rest[j] = rest[j + 1] + np.float32(asked[order[j], BOUND])
        left[j] = left[j + 1] + np.int64(asked[order[j], END] - asked[order[j], FIRST])
    slack = np.float32(1 + (slots + 4) * 2.0**-22)
    met, closed, threshold = 0, False, np.float32(0)
    j = 0
    while True:
        if met >= k and (j == slots or rest[j] * slack < rest[0] - rest[j]):
            threshold = max(threshold, _kth_best(sums, touched, met, k, rest[0]) / slack)
            closed = closed or rest[j] * slack < threshold
            if closed and j < slots:
                likely = 0
                for i in range(met):
                    likely += (sums[touched[i]] + rest[j]) * slack >= threshold
                if likely * LOOKED_UP <= left[j]:
                    break
        if j == slots:
            break
        slot = order[j]
        first, end = np.int64(asked[slot, FIRST]), np.int64(asked[slot, END])
        scale, weight = np.float32(asked[slot, SCALE]), np.float32(asked[slot, WEIGHT])
        if asked[slot, MERGED] > 0:
            rows, counts = merged.rows[first:end], merged.counts[first:end]
            met = _add_list(rows, counts, scale, weight, lengths, average, allowed, closed, sums, touched, met)
        else:
            held, often = lists.rows[first:end], lists.counts[first:end]
            met = _add_list(held, often, scale, weight, lengths, average, allowed, closed, sums, touched, met)
        j += 1
    found = np.empty(met, np.int64)
    size = 0
    for i in range(met):
        row = touched[i]
        if (sums[row] + rest[j]) * slack >= threshold:
            found[size] = row
            size += 1
        sums[row] = 0
    return found[:size].copy()


@compiled
def _add_list(
    rows: Any, counts: Any, scale: Any, weight: Any, lengths: Any, average: Any, allowed: Any, closed: bool,
    sums: Any, touched: Any, met: int,
) -> int:  # fmt: skip
    """Add one list to ``sums``; returns how many rows are met now. ``closed``: rows that are not yet met stay out."""
    plain = np.float32(K1 * (1 - B))
    by_length = np.float32(K1 * B) / average
    checked = len(allowed) > 0
    if closed:
        for place in range(len(rows)):
            row = rows[place]
            before = sums[row]
            if before > 0:
                count = np.float32(counts[place]) * scale
                sums[row] = before + weight * count / (count + plain + by_length * lengths[row])
        return met
    for place in range(len(rows)):
        row = rows[place]
        if checked and not allowed[row]:
            continue
        before = sums[row]
        touched[met] = row
        met += before == 0
        count = np.float32(counts[place]) * scale
        sums[row] = before + weight * count / (count + plain + by_length * lengths[row])
    return met


@compiled
def _kth_best(sums: Any, touched: Any, met: int, k: int, highest: Any) -> Any:
    """A number that at least ``k`` of the sums reach, and close to the highest such number."""
    bins = np.zeros(BINS + 1, np.int64)
    scale = np.float32(BINS) / highest
    for i in range(met):
        reached: Any = min(BINS, np.int64(sums[touched[i]] * scale))
        bins[reached] += 1
    above, place = 0, BINS
    while place > 0:
        above += bins[place]
        if above >= k:
            break
        place -= 1
    return np.float32(place) / scale


@numba.njit(inline="always")
def _given(weight: Any, count: Any, length: Any, average: Any) -> Any:
    """What one thing asked for gives to a row."""
    saturation = np.float32(K1) * (np.float32(1 - B) + np.float32(B) * length / average)
    return weight * count / (count + saturation)


@compiled
def _by_bound(asked: Any) -> Any:
    """Things asked for in order of falling bound."""
    order: Any = np.arange(len(asked))
    for i in range(1, len(order)):
        j = i
        while j and asked[order[j - 1], BOUND] < asked[order[j], BOUND]:
            order[j - 1], order[j] = order[j], order[j - 1]
            j -= 1
    return order


@compiled
def _at_least(rows: Any, low: int, end: int, row: int) -> int:
    """The first place from ``low`` on where ``rows`` is not below ``row``: steps that double, then halving."""
    step = 1
    high = low
    while high < end and rows[high] < row:
        low = high + 1
        high += step
        step <<= 1
    high = min(high, end)
    while low < high:
        middle = (low + high) >> 1
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


# Vectors


@reassociated
def cosines(table: Any, query: Any, rows: Any) -> Any:
    """Dot products of ``query`` (single precision) and the given rows of ``table`` (half floats as 16 bits)."""
    result = np.empty(len(rows), np.float32)
    asked = query.astype(np.float64)
    for i in range(len(rows)):
        vector = table[rows[i]]
        total = 0.0
        for j in range(len(asked)):
            total += np.float64(_half(vector[j])) * asked[j]
        result[i] = total
    return result


@reassociated
def cosines_in_file(descriptor: Any, start: Any, query: Any, rows: Any) -> Any:
    """As ``cosines``, of rows read one by one from an open file in which the table begins at ``start``; fewer when the
    file ends too soon."""
    result = np.empty(len(rows), np.float32)
    asked = query.astype(np.float64)
    size = 2 * len(asked)
    vector = np.empty(len(asked), np.int16)
    for i in range(len(rows)):
        if _read_at(descriptor, vector.ctypes, size, start + rows[i] * size) != size:
            return result[:i]
        total = 0.0
        for j in range(len(asked)):
            total += np.float64(_half(vector[j])) * asked[j]
        result[i] = total
    return result


@reassociated
def scan(table: Any, query: Any, allowed: Any) -> Any:
    """Dot products of ``query`` with all rows in single precision; below any where ``allowed`` (empty: all) is not."""
    result = np.empty(len(table), np.float32)
    for row in range(len(table)):
        if len(allowed) and not allowed[row]:
            result[row] = np.float32(-3)
            continue
        vector = table[row]
        total = np.float32(0)
        for j in range(len(query)):
            total += _half(vector[j]) * query[j]
        result[row] = total
    return result


@reassociated
def likenesses(octets: Any, worth: Any, rows: Any) -> Any:
    """For each row the sum of what its octets (n, d / 8) are worth, by place and value: ``worth`` (d / 8, 256)."""
    result = np.empty(len(rows), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        total = np.float32(0)
        for j in range(len(worth)):
            total += worth[j, octets[row, j]]
        result[i] = total
    return result


@compiled
def nearest_codes(codes: Any, asked: Any, allowed: Any, depth: int) -> Any:
    """The ``depth`` allowed rows (``allowed`` empty: of all) nearest by Hamming distance, and those as near as the
    last of them; in increasing order."""
    words = codes.shape[1]
    room = 4 * depth + 64
    rows = np.empty(room, np.int64)
    distances = np.empty(room, np.int32)
    counted = np.zeros(64 * words + 1, np.int64)
    limit = np.int32(64 * words)
    nearer, size = 0, 0
    for row in range(len(codes)):
        distance = np.int32(0)
        for j in range(words):
            distance += np.int32(_ones(codes[row, j] ^ asked[j]))
        if distance > limit or (len(allowed) and not allowed[row]):
            continue
        if size == room:
            kept = 0
            for i in range(size):
                if distances[i] <= limit:
                    rows[kept], distances[kept] = rows[i], distances[i]
                    kept += 1
            size = kept
            if size > room // 2:
                room *= 2
                rows, distances = _grown(rows, room), _grown(distances, room)
        rows[size], distances[size] = row, distance
        size += 1
        counted[distance] += 1
        nearer += 1
        while nearer - counted[limit] >= depth:
            nearer -= counted[limit]
            limit -= np.int32(1)
    kept = 0
    for i in range(size):
        if distances[i] <= limit:
            rows[kept] = rows[i]
            kept += 1
    return rows[:kept].copy()


@compiled
def _grown(array: Any, room: int) -> Any:
    larger = np.empty(room, array.dtype)
    larger[: len(array)] = array
    return larger


# At start


def warm() -> None:
    """Compile or load every kernel, so that no one waits for it at the first question."""
    rows, counts, lengths = fixed([0, 1], np.int32), fixed([1, 1], np.uint16), fixed([1, 1], np.float32)
    halves, signs, everything = fixed([[0, 0]], np.int16), fixed([[0]], np.uint64), fixed([], np.bool_)
    wanted, weights, one = fixed([0], np.int64), fixed([1, 1], np.float32), np.float32(1)
    place_of(rows, 0)
    places_in(rows, wanted)
    intersect(rows, weights, rows, weights)
    unite(rows, weights, weights, rows, weights, one)
    slots = np.ones((1, 6))
    lists, merged = Lists(rows, counts), Lists(rows, weights)
    score_rows(slots, lists, merged, lengths, one, wanted)
    sums, touched = np.zeros(2, np.float32), np.zeros(3, np.int32)
    likely_rows(slots, lists, merged, lengths, one, everything, 1, sums, touched)
    cosines(halves, weights, wanted)
    cosines_in_file(-1, 0, weights, wanted)
    scan(halves, weights, everything)
    nearest_codes(signs, signs[0], everything, 1)
    likenesses(fixed([[0]], np.uint8), fixed(np.zeros((1, 256)), np.float32), wanted)
