"""Documents into Milvus, and the counts by which the base has changed."""

from collections.abc import Mapping, Sequence

from retrieval.counts import Counts, counts_of
from retrieval.documents import Change, Document
from retrieval.embedded import TextEncoder, encoded
from retrieval.milvus import MilvusIndex
from retrieval.milvus_rows import Lengths, Row, packed, rows_of, stamp_of, unpacked
from retrieval.milvus_store import MilvusStore
from retrieval.segment import Segment
from retrieval.tokens import Tokeniser
from retrieval.vocabulary import Vocabularies, Vocabulary

Written = Mapping[int, tuple[str, Counts] | None]
"""By entry: its stamp and counts; None: it is gone."""


def write(
    store: MilvusStore, changes: Sequence[Change], tokeniser: Tokeniser, encoder: TextEncoder | None, lengths: Lengths
) -> Written:
    """Make the changes in Milvus; the last change of an entry wins. Doing it again changes nothing."""
    latest = {change.entry_id: change.document for change in changes}
    gone = [entry_id for entry_id, document in latest.items() if document is None]
    documents = [unpacked(packed(d)) for _, d in sorted(latest.items()) if d is not None]
    written: dict[int, tuple[str, Counts] | None] = dict.fromkeys(gone)
    vocabularies = Vocabularies(Vocabulary(), Vocabulary())
    phrasings: list[Row] = []
    entries: list[Row] = []
    if documents:
        segment = Segment.build(documents, tokeniser, vocabularies, encoded(documents, encoder))
        phrasings, entries = rows_of(segment, vocabularies, lengths)
        for document, row, counts in zip(documents, entries, counts_of(segment, vocabularies), strict=True):
            written[document.entry_id] = (row["stamp"], counts)
    store.write(phrasings, entries, gone)
    return written


class LoneWriter:
    """Writes and searches in one process, without a database: for benches and tests."""

    def __init__(self, store: MilvusStore, index: MilvusIndex, encoder: TextEncoder | None) -> None:
        self._store, self._index, self._encoder = store, index, encoder
        self._counted: dict[int, Counts] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        """Make the changes visible to every search that starts after this returns."""
        written = write(self._store, changes, self._index.tokeniser, self._encoder, Lengths())
        change = Counts()
        for entry_id, state in written.items():
            change.add(self._counted.pop(entry_id, Counts()), -1)
            if state is not None:
                self._counted[entry_id] = state[1]
                change.add(state[1])
        self._index.follow(change, self._store.written)


def stamp(document: Document) -> str:
    """Of the state in which the document would be written."""
    return stamp_of(packed(document))
