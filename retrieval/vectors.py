"""Rows of unit vectors as half floats: nearest neighbours by a full scan while few, by sign codes first when many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval import kernels
from retrieval.codes import SignCodes
from retrieval.kernels import fixed

Matrix = NDArray[np.float32]
Halves = NDArray[np.float16]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

CODED_FROM = 20_000
"""Rows from which sign codes are kept (docs/decisions/0011)."""
_ALONE = 4
"""Allowed rows are compared one by one when there are no more than this times the codes' depth."""
_BLOCK = 8192
"""Rows copied at a time: a million vectors are a gigabyte, of which there should not be two."""
_ROUNDING = np.float32(4e-6)
"""More than the cosine of a scan in single precision can be off."""


class RowsInFile(Protocol):
    """Where the rows of a table lie in a file that is open for reading."""

    @property
    def descriptor(self) -> int: ...

    @property
    def start(self) -> int: ...

    def too_short(self) -> Exception:
        """What to raise when a row is not there."""


@dataclass(frozen=True)
class VectorTable:
    """An immutable table of ``(n, d)`` L2-normalised vectors."""

    halves: Halves
    codes: SignCodes | None
    in_file: RowsInFile | None = None
    """Rows looked at singly are read from there: looked at through a mapping, each would have many of its neighbours
    counted as memory of the process."""

    @classmethod
    def of(cls, vectors: NDArray[Any]) -> "VectorTable":
        """Of single or half floats."""
        halves = np.ascontiguousarray(vectors, np.float16)
        halves.flags.writeable = False
        return cls(halves, SignCodes.of(halves) if len(halves) >= CODED_FROM else None)

    @classmethod
    def joined(cls, parts: Sequence[tuple["VectorTable", Rows]], order: Rows) -> "VectorTable":
        """The given rows of several tables as one; ``order`` says which of the rows, laid end to end, comes where."""
        halves = np.empty((len(order), parts[0][0].halves.shape[1]), np.float16)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        done = 0
        for table, rows in parts:
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                halves[place[done : done + len(block)]] = table.halves[block]
                done += len(block)
        return cls.of(halves)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, by name."""
        codes = {} if self.codes is None else self.codes.arrays()
        return {"halves": self.halves, **{f"code_{name}": array for name, array in codes.items()}}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "VectorTable":
        """As ``arrays`` gave them; they may be mapped from a file."""
        codes = {name.removeprefix("code_"): array for name, array in arrays.items() if name.startswith("code_")}
        return cls(fixed(arrays["halves"], np.float16), SignCodes.of_arrays(codes) if codes else None)

    def __len__(self) -> int:
        return len(self.halves)

    def nearest(self, query: Matrix, k: int, allowed: Mask | None = None) -> Rows:
        """Row numbers of the ``k`` allowed rows (None: of all) with the highest cosine to ``query`` (d,), best first.

        Equal ones by row number. With codes the best are found at least as often as the gate asks.
        """
        if not len(self) or k <= 0:
            return np.empty(0, np.int64)
        open_rows = len(self) if allowed is None else int(np.count_nonzero(allowed))
        rows = self._near(query, k, allowed, open_rows)
        cosines = self.cosines(query, rows)
        if len(rows) > k:
            edge = np.partition(cosines, len(rows) - k)[len(rows) - k]
            rows, cosines = rows[cosines >= edge], cosines[cosines >= edge]
        return rows[np.lexsort((rows, -cosines))][:k]

    def _near(self, query: Matrix, k: int, allowed: Mask | None, open_rows: int) -> Rows:
        """Rows among which the nearest are."""
        if allowed is not None and open_rows <= max(k, _ALONE * (self.codes.fine if self.codes else k)):
            return np.flatnonzero(allowed)
        mask = fixed(_ALL if allowed is None or open_rows == len(self) else allowed, np.bool_)
        if self.codes and self.codes.fine >= k:
            return self.codes.near(query, mask)
        scanned = kernels.scan(self._bits, _halved(query), mask)
        edge = np.partition(scanned, len(scanned) - k)[len(scanned) - k] if len(scanned) > k else np.float32(-2)
        return np.flatnonzero(scanned >= max(edge - _ROUNDING, np.float32(-2)))

    def cosines(self, query: Matrix, rows: Rows) -> Matrix:
        """Cosine of ``query`` (d,) to each of the given rows; shape (len(rows),).

        Products of half floats are whole multiples of 2**-48, so their sum is exact in double precision: a row has the
        same cosine whichever rows stand beside it.
        """
        if not len(rows):
            return np.empty(0, np.float32)
        asked, wanted = _halved(query), fixed(rows, np.int64)
        if self.in_file is None:
            return np.asarray(kernels.cosines(self._bits, asked, wanted), np.float32)
        cosines = kernels.cosines_in_file(self.in_file.descriptor, self.in_file.start, asked, wanted)
        if len(cosines) < len(rows):
            raise self.in_file.too_short()
        return np.asarray(cosines, np.float32)

    def rows(self, rows: Rows) -> Matrix:
        """The stored vectors of the given rows, (len(rows), d)."""
        return self.halves[rows].astype(np.float32)

    @property
    def _bits(self) -> NDArray[np.int16]:
        return self.halves.view(np.int16)


_ALL: Mask = np.empty(0, np.bool_)


def _halved(query: Matrix) -> Matrix:
    """As half floats hold it."""
    return fixed(query.astype(np.float16), np.float32)
