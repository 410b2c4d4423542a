"""An immutable set of documents with all that is needed to search it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.columns import Columns
from retrieval.documents import Document
from retrieval.marks import Bits, asked_aspects, held_aspects, kind_table
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
    entry_texts: tuple[str, ...]
    """All that each document says, normalised, without spaces."""
    phrase_aspects: Bits
    """What each phrasing asks about."""
    answer_aspects: Bits
    """What each answer tells."""
    question_kinds: Bits
    """Kinds that each standard question names, by group of contrasts."""
    entry_kinds: Bits
    """Kinds that each document names anywhere."""
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
        phrase_texts = tuple(_squeezed(p) for p in phrasings)
        answers = [_squeezed(d.answer) for d in documents]
        texts = tuple(
            "\n".join((*map(_squeezed, (*d.phrasings, *d.keywords)), a))
            for d, a in zip(documents, answers, strict=True)
        )
        sizes = [len(document.phrasings) for document in documents]
        return cls(
            documents=tuple(documents),
            columns=Columns.of(documents),
            phrase_start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            phrase_texts=phrase_texts,
            entry_texts=texts,
            phrase_aspects=np.array([asked_aspects(text) for text in phrase_texts], np.uint64),
            answer_aspects=np.array([held_aspects(text) for text in answers], np.uint64),
            question_kinds=kind_table([_squeezed(d.question) for d in documents]),
            entry_kinds=kind_table(texts),
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


def _squeezed(text: str) -> str:
    return normalise(text).replace(" ", "")
