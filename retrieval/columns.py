"""The columns that decide visibility, checked at query time: rights, publicity, validity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.values import Publicity, Viewer
from retrieval.documents import Document


@dataclass(frozen=True)
class Columns:
    """One row for each document."""

    entry_ids: NDArray[np.int64]
    version_ids: NDArray[np.int64]
    unit_ids: NDArray[np.int64]
    public: NDArray[np.bool_]
    valid_from: NDArray[np.float64]
    """POSIX seconds; minus infinity when open."""
    valid_to: NDArray[np.float64]
    """POSIX seconds, exclusive; infinity when open."""

    @classmethod
    def of(cls, documents: Sequence[Document]) -> "Columns":
        return cls(
            entry_ids=np.array([d.entry_id for d in documents], np.int64),
            version_ids=np.array([d.version_id for d in documents], np.int64),
            unit_ids=np.array([d.unit_id for d in documents], np.int64),
            public=np.array([d.publicity is Publicity.PUBLIC for d in documents], np.bool_),
            valid_from=np.array([_seconds(d.valid_from, -np.inf) for d in documents], np.float64),
            valid_to=np.array([_seconds(d.valid_to, np.inf) for d in documents], np.float64),
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple["Columns", NDArray[np.int64]]], order: NDArray[np.int64]) -> "Columns":
        """The given rows of several; ``order`` says which of them, laid end to end, comes where."""
        return cls(*(np.concatenate([getattr(c, f.name)[rows] for c, rows in parts])[order] for f in fields(cls)))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Columns":
        return cls(*(arrays[field.name] for field in fields(cls)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def visible(self, viewer: Viewer, now: datetime) -> NDArray[np.bool_]:
        """Rows that the viewer may see and that are in force at ``now``; the column form of ``Viewer.may_see``."""
        moment = now.timestamp()
        rows = (self.valid_from <= moment) & (moment < self.valid_to)
        if not viewer.everything:
            rows &= self.public | np.isin(self.unit_ids, np.fromiter(viewer.unit_ids, np.int64, len(viewer.unit_ids)))
        if viewer.hidden_entry_ids:
            hidden = np.fromiter(viewer.hidden_entry_ids, np.int64, len(viewer.hidden_entry_ids))
            rows &= ~np.isin(self.entry_ids, hidden)
        return rows

    def next_change(self, now: datetime) -> float:
        """The first moment after ``now`` at which ``visible`` may differ, in POSIX seconds; infinity when at none."""
        moment = now.timestamp()
        return min(float(np.min(c, where=c > moment, initial=np.inf)) for c in (self.valid_from, self.valid_to))


def _seconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()
