"""Columns of texts that may lie on disk: UTF-8 end to end, decoded one by one when they are looked at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from models.values import Publicity
from retrieval.documents import Document
from retrieval.postings import runs

Rows = NDArray[np.int64]

ANY_TEXT = "surrogatepass"
"""Half a surrogate pair, which a broken file may hold, is kept as it came."""
GATHERED_BYTES = 1 << 22
"""Copied at a time when texts are put in another order: the places of so many bytes take eight times their room."""


@dataclass(frozen=True, eq=False)
class TextColumn(Sequence[str]):
    """Texts as one run of bytes."""

    utf8: NDArray[np.uint8]
    start: NDArray[np.int64]
    """Text ``i`` is the bytes ``start[i]:start[i + 1]``."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TextColumn":
        if isinstance(texts, cls):
            return texts
        encoded = [text.encode("utf-8", ANY_TEXT) for text in texts]
        sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), _starts(sizes))

    @classmethod
    def joined(cls, parts: Sequence[tuple[Sequence[str], Rows]], order: Rows) -> "TextColumn":
        """The given rows of several columns; ``order`` says which of them, laid end to end, comes where."""
        columns = [(cls.of(texts), rows) for texts, rows in parts]
        sizes = np.concatenate([np.empty(0, np.int64), *(np.diff(c.start)[rows] for c, rows in columns)])
        start = _starts(sizes[order])
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        utf8, done = np.empty(start[-1], np.uint8), 0
        for column, rows in columns:
            column._copy(rows, utf8, start[place[done : done + len(rows)]])
            done += len(rows)
        return cls(utf8, start)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "TextColumn":
        return cls(arrays["utf8"], arrays["start"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"utf8": self.utf8, "start": self.start}

    def __len__(self) -> int:
        return len(self.start) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        place = row + len(self) if row < 0 else row
        if not 0 <= place < len(self):
            raise IndexError(row)
        return self.utf8[self.start[place] : self.start[place + 1]].tobytes().decode("utf-8", ANY_TEXT)

    def _copy(self, rows: Rows, target: NDArray[np.uint8], places: Rows) -> None:
        """Write the texts of the rows into ``target``, each from its place."""
        first, sizes = self.start[rows], np.diff(self.start)[rows]
        cuts = np.searchsorted(np.cumsum(sizes), np.arange(0, sizes.sum() + GATHERED_BYTES, GATHERED_BYTES))
        for begin, end in zip(cuts, [*cuts[1:], len(rows)], strict=True):
            part = slice(begin, end)
            target[runs(places[part], sizes[part])] = self.utf8[runs(first[part], sizes[part])]


@dataclass(frozen=True, eq=False)
class DocumentColumn(Sequence[Document]):
    """Documents, each kept as JSON and made when it is looked at."""

    texts: TextColumn

    @classmethod
    def of(cls, documents: Sequence[Document]) -> "DocumentColumn":
        return documents if isinstance(documents, cls) else cls(TextColumn.of([_json(d) for d in documents]))

    @classmethod
    def joined(cls, parts: Sequence[tuple[Sequence[Document], Rows]], order: Rows) -> "DocumentColumn":
        """As ``TextColumn.joined``."""
        return cls(TextColumn.joined([(cls.of(documents).texts, rows) for documents, rows in parts], order))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "DocumentColumn":
        return cls(TextColumn.of_arrays(arrays))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.texts.arrays()

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, row: int) -> Document: ...
    @overload
    def __getitem__(self, row: slice) -> list[Document]: ...
    def __getitem__(self, row: int | slice) -> Document | list[Document]:
        if isinstance(row, slice):
            return [_document(text) for text in self.texts[row]]
        return _document(self.texts[row])


def _json(document: Document) -> str:
    """Fields in the order of their declaration."""
    fields = (
        document.entry_id,
        document.version_id,
        document.question,
        document.similar,
        document.keywords,
        document.answer,
        document.unit_id,
        document.publicity,
        _iso(document.valid_from),
        _iso(document.valid_to),
        document.places,
    )
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _document(text: str) -> Document:
    entry, version, question, similar, keywords, answer, unit, publicity, valid_from, valid_to, places = json.loads(
        text
    )
    return Document(
        entry_id=entry,
        version_id=version,
        question=question,
        similar=tuple(similar),
        keywords=tuple(keywords),
        answer=answer,
        unit_id=unit,
        publicity=_PUBLICITY[publicity],
        valid_from=_moment(valid_from),
        valid_to=_moment(valid_to),
        places=tuple(places),
    )


_PUBLICITY = {publicity.value: publicity for publicity in Publicity}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(iso: str | None) -> datetime | None:
    return None if iso is None else datetime.fromisoformat(iso)


def _starts(sizes: NDArray[np.int64]) -> Rows:
    """Where each text begins when they lie end to end, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
