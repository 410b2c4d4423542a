"""An immutable set of documents with all that is needed to search it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.columns import Columns
from retrieval.documents import Document
from retrieval.marks import Bits, asked_aspects, held_aspects, kind_table
from retrieval.postings import Postings, Vocabulary, runs
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix, VectorTable

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Vocabularies:
    """Shared by all segments of one index."""

    words: Vocabulary
    pairs: Vocabulary


@dataclass(frozen=True)
class Segment:
    documents: tuple[Document, ...]
    columns: Columns
    phrase_start: Rows
    """Phrasings of document ``i`` are the rows ``phrase_start[i]:phrase_start[i + 1]``; standard question first."""
    phrase_document: Rows
    """The document of each phrasing."""
    phrase_texts: tuple[str, ...]
    """Normalised, without spaces."""
    entry_texts: tuple[str, ...]
    """All that each document says, normalised, without spaces."""
    title_texts: tuple[str, ...]
    """Phrasings and keywords of each document, normalised, without spaces."""
    title_places: tuple[frozenset[str], ...]
    """Places that each standard question names, without 市, 区, 县 …"""
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
        phrase_start, phrase_document = _layout(documents)
        phrase_texts = tuple(_squeezed(p) for p in phrasings)
        answers = [_squeezed(d.answer) for d in documents]
        texts = tuple(
            "\n".join((*map(_squeezed, (*d.phrasings, *d.keywords)), a))
            for d, a in zip(documents, answers, strict=True)
        )
        return cls(
            documents=tuple(documents),
            columns=Columns.of(documents),
            phrase_start=phrase_start,
            phrase_document=phrase_document,
            phrase_texts=phrase_texts,
            entry_texts=texts,
            title_texts=tuple("\n".join(map(_squeezed, (*d.phrasings, *d.keywords))) for d in documents),
            title_places=tuple(frozenset(tokeniser.places(d.question)) for d in documents),
            phrase_aspects=np.array([asked_aspects(text) for text in phrase_texts], np.uint64),
            answer_aspects=np.array([held_aspects(text) for text in answers], np.uint64),
            question_kinds=kind_table([_squeezed(d.question) for d in documents]),
            entry_kinds=kind_table(texts),
            words=Postings.build([tokeniser.content_words(p) for p in phrasings], vocabularies.words),
            pairs=Postings.build([bigrams(p) for p in phrasings], vocabularies.pairs),
            answers=Postings.build([tokeniser.cut(d.answer) for d in documents], vocabularies.words),
            keywords=Postings.build([tokeniser.cut(" ".join(d.keywords)) for d in documents], vocabularies.words),
            phrase_vectors=VectorTable(vectors[0]) if vectors else None,
            answer_vectors=VectorTable(vectors[1]) if vectors else None,
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple["Segment", Rows]]) -> "Segment":
        """The given rows of several segments as one, by entry id; nothing is read, cut or encoded again."""
        segments = [segment for segment, _ in parts]
        phrase_rows = [runs(s.phrase_start[rows], np.diff(s.phrase_start)[rows]) for s, rows in parts]
        unsorted = [s.documents[row] for s, rows in parts for row in rows]
        order = np.array(sorted(range(len(unsorted)), key=lambda i: unsorted[i].entry_id), np.int64)
        starts, _ = _layout(unsorted)
        phrase_order = runs(starts[order], np.diff(starts)[order])
        documents = [unsorted[i] for i in order]
        phrase_start, phrase_document = _layout(documents)

        def rows_of(column: Callable[[Segment], Bits]) -> Bits:
            return np.concatenate([column(s)[rows] for s, rows in parts])[order]

        def phrases_of(column: Callable[[Segment], Bits]) -> Bits:
            return np.concatenate([column(s)[r] for s, r in zip(segments, phrase_rows, strict=True)])[phrase_order]

        phrase_texts = [s.phrase_texts[row] for s, r in zip(segments, phrase_rows, strict=True) for row in r]
        entry_texts = [s.entry_texts[row] for s, rows in parts for row in rows]
        title_texts = [s.title_texts[row] for s, rows in parts for row in rows]
        title_places = [s.title_places[row] for s, rows in parts for row in rows]
        return cls(
            documents=tuple(documents),
            columns=Columns.of(documents),
            phrase_start=phrase_start,
            phrase_document=phrase_document,
            phrase_texts=tuple(phrase_texts[i] for i in phrase_order),
            entry_texts=tuple(entry_texts[i] for i in order),
            title_texts=tuple(title_texts[i] for i in order),
            title_places=tuple(title_places[i] for i in order),
            phrase_aspects=phrases_of(lambda s: s.phrase_aspects),
            answer_aspects=rows_of(lambda s: s.answer_aspects),
            question_kinds=rows_of(lambda s: s.question_kinds),
            entry_kinds=rows_of(lambda s: s.entry_kinds),
            words=Postings.joined([(s.words, r) for s, r in zip(segments, phrase_rows, strict=True)], phrase_order),
            pairs=Postings.joined([(s.pairs, r) for s, r in zip(segments, phrase_rows, strict=True)], phrase_order),
            answers=Postings.joined([(s.answers, rows) for s, rows in parts], order),
            keywords=Postings.joined([(s.keywords, rows) for s, rows in parts], order),
            phrase_vectors=_joined_vectors([s.phrase_vectors for s in segments], phrase_rows, phrase_order),
            answer_vectors=_joined_vectors([s.answer_vectors for s in segments], [rows for _, rows in parts], order),
        )

    def __len__(self) -> int:
        return len(self.documents)

    def title_words(self, vocabularies: Vocabularies) -> list[str]:
        """Distinct words of all phrasings and keywords."""
        return vocabularies.words.tokens(np.union1d(self.words.row_terms, self.keywords.row_terms))


def _layout(documents: Sequence[Document]) -> tuple[Rows, Rows]:
    """Where the phrasings of each document begin, the end last; and the document of each phrasing."""
    sizes = np.array([len(document.phrasings) for document in documents], np.int64)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), np.repeat(np.arange(len(sizes)), sizes)


def _joined_vectors(tables: Sequence[VectorTable | None], rows: Sequence[Rows], order: Rows) -> VectorTable | None:
    """None when there is no model; an index has vectors in all its segments or in none."""
    held = [table.rows(r) for table, r in zip(tables, rows, strict=True) if table is not None]
    return VectorTable(np.concatenate(held)[order]) if held else None


def _squeezed(text: str) -> str:
    return normalise(text).replace(" ", "")
