"""An immutable set of documents with all that is needed to search it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.columns import Columns
from retrieval.documents import Document
from retrieval.postings import Postings, Vocabulary
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix, VectorTable


@dataclass(frozen=True)
class Vocabularies:
    """Shared by all segments of one index."""

    words: Vocabulary
    pairs: Vocabulary


@dataclass(frozen=True)
class Segment:
    documents: tuple[Document, ...]
    columns: Columns
    phrase_start: NDArray[np.int64]
    """Phrasings of document ``i`` are the rows ``phrase_start[i]:phrase_start[i + 1]``; standard question first."""
    phrase_texts: tuple[str, ...]
    """Normalised, without spaces."""
    words: Postings
    """Words of each phrasing."""
    pairs: Postings
    """Character bigrams of each phrasing."""
    answers: Postings
    """Words of each answer."""
    keywords: Postings
    """Words of each document's keywords."""
    phrase_vectors: VectorTable | None
    answer_vectors: VectorTable | None

    @classmethod
    def build(
        cls,
        documents: Sequence[Document],
        tokeniser: Tokeniser,
        vocabularies: Vocabularies,
        vectors: tuple[Matrix, Matrix] | None,
    ) -> "Segment":
        """``vectors``: of all phrasings and of all answers, in the order of the documents; None without a model."""
        phrasings = [p for document in documents for p in document.phrasings]
        sizes = [len(document.phrasings) for document in documents]
        return cls(
            documents=tuple(documents),
            columns=Columns.of(documents),
            phrase_start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            phrase_texts=tuple(normalise(p).replace(" ", "") for p in phrasings),
            words=Postings.build([tokeniser.content_words(p) for p in phrasings], vocabularies.words),
            pairs=Postings.build([bigrams(p) for p in phrasings], vocabularies.pairs),
            answers=Postings.build([tokeniser.words(d.answer) for d in documents], vocabularies.words),
            keywords=Postings.build([tokeniser.words(" ".join(d.keywords)) for d in documents], vocabularies.words),
            phrase_vectors=VectorTable(vectors[0]) if vectors else None,
            answer_vectors=VectorTable(vectors[1]) if vectors else None,
        )

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def phrase_document(self) -> NDArray[np.int64]:
        """The document of each phrasing."""
        return np.repeat(np.arange(len(self)), np.diff(self.phrase_start))
