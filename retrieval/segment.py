"""An immutable set of documents with all that is needed to search it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.array_file import part_of
from retrieval.columns import Columns
from retrieval.documents import Document
from retrieval.marks import Bits, asked_aspects, held_aspects, kind_table
from retrieval.phrase_sounds import Sounds
from retrieval.postings import Postings, runs
from retrieval.spelling_table import SpellingTable
from retrieval.text import Normalised, normalise
from retrieval.texts import DocumentColumn, TextColumn
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix, VectorTable
from retrieval.vocabulary import Vocabularies, text_keys

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Segment:
    """Made of documents, or of arrays that lie on disk; the latter decodes texts and documents when they are read."""

    documents: Sequence[Document]
    """By entry id, each entry once."""
    columns: Columns
    touched: Rows
    """Entries, in increasing order, that older segments no longer speak for: those here and those that are gone."""
    phrase_start: Rows
    """Phrasings of document ``i`` are the rows ``phrase_start[i]:phrase_start[i + 1]``; standard question first."""
    phrase_document: Rows
    """The document of each phrasing."""
    phrase_texts: Sequence[str]
    """Normalised, without spaces."""
    phrase_keys: NDArray[np.uint64]
    """``text_key`` of each phrasing's text."""
    entry_texts: Sequence[str]
    """All that each document says, normalised, without spaces."""
    title_texts: Sequence[str]
    """Phrasings and keywords of each document, normalised, without spaces."""
    names_place: NDArray[np.bool_]
    """Whether the standard question of each document names a place."""
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
    sounds: Sounds
    """Characters and sounds of each phrasing, for suggestions."""
    spellings: SpellingTable
    """Words of phrasings and keywords that may be put in for a slip."""
    phrase_vectors: VectorTable | None
    answer_vectors: VectorTable | None

    @classmethod
    def build(
        cls,
        documents: Sequence[Document],
        tokeniser: Tokeniser,
        vocabularies: Vocabularies,
        vectors: tuple[Matrix, Matrix] | None,
        *,
        gone: Collection[int] = (),
    ) -> "Segment":
        """``documents``: by entry id, each entry once. ``vectors``: of all phrasings and of all answers, in the order
        of the documents; None without a model. ``gone``: entries that are no more."""
        phrasings = [Normalised(normalise(p)) for document in documents for p in document.phrasings]
        phrase_start, phrase_document = _layout(np.array([len(d.phrasings) for d in documents], np.int64))
        phrase_texts = tuple(_squeezed(p) for p in phrasings)
        told = [Normalised(normalise(d.answer)) for d in documents]
        answers = [_squeezed(text) for text in told]
        titles = tuple(
            "\n".join((*phrase_texts[start : start + len(d.phrasings)], *map(_squeezed, d.keywords)))
            for d, start in zip(documents, phrase_start.tolist(), strict=False)
        )
        texts = tuple(f"{title}\n{answer}" for title, answer in zip(titles, answers, strict=True))
        words = Postings.build([tokeniser.content_words(p) for p in phrasings], vocabularies.words)
        keywords = Postings.build([tokeniser.cut(" ".join(d.keywords)) for d in documents], vocabularies.words)
        in_titles = np.union1d(words.terms, keywords.terms)
        columns = Columns.of(documents)
        return cls(
            documents=tuple(documents),
            columns=columns,
            touched=np.union1d(columns.entry_ids, np.array(sorted(gone), np.int64)),
            phrase_start=phrase_start,
            phrase_document=phrase_document,
            phrase_texts=phrase_texts,
            phrase_keys=text_keys(phrase_texts),
            entry_texts=texts,
            title_texts=titles,
            names_place=np.array([bool(tokeniser.places(phrasings[i])) for i in phrase_start[:-1]], np.bool_),
            phrase_aspects=np.array([asked_aspects(text) for text in phrase_texts], np.uint64),
            answer_aspects=np.array([held_aspects(text) for text in answers], np.uint64),
            question_kinds=kind_table([phrase_texts[start] for start in phrase_start[:-1]]),
            entry_kinds=kind_table(texts),
            words=words,
            pairs=Postings.build([bigrams(p) for p in phrasings], vocabularies.pairs),
            answers=Postings.build([tokeniser.cut(text) for text in told], vocabularies.words),
            keywords=keywords,
            sounds=Sounds.build(phrasings, tokeniser),
            spellings=SpellingTable.of(zip(in_titles.tolist(), vocabularies.words.tokens(in_titles), strict=True)),
            phrase_vectors=VectorTable.of(vectors[0]) if vectors else None,
            answer_vectors=VectorTable.of(vectors[1]) if vectors else None,
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple["Segment", Rows]]) -> "Segment":
        """The given rows of several segments as one, by entry id; nothing is read, cut or encoded again.

        No entry may stand in two of them. The whole touches what any of them does.
        """
        return cls(**dict(_joined_fields(parts)))

    @classmethod
    def joined_arrays(
        cls, parts: Sequence[tuple["Segment", Rows]], *, oldest: bool
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """As ``joined(parts).arrays()``, but each part is made when its turn comes and can be let go then.

        ``oldest``: there are no older segments, and so none but its own entries are touched.
        """
        for name, field in _joined_fields(parts):
            if name == "columns" and oldest:
                yield "segment/touched", field.entry_ids
            if name != "touched" or not oldest:
                yield from _named_arrays(name, field)
            del field

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Segment":
        """As ``arrays`` gave them; they may lie on disk, and none of them is read through."""

        def vectors(name: str) -> VectorTable | None:
            held = part_of(arrays, name)
            return VectorTable.of_arrays(held) if held else None

        parts: dict[str, Any] = {
            "documents": DocumentColumn.of_arrays(part_of(arrays, "documents")),
            "columns": Columns.of_arrays(part_of(arrays, "columns")),
            **{name: TextColumn.of_arrays(part_of(arrays, name)) for name in _TEXTS},
            **{name: arrays[f"segment/{name}"] for name in _ROWS},
            **{name: Postings.of_arrays(part_of(arrays, name)) for name in _POSTINGS},
            "sounds": Sounds.of_arrays(part_of(arrays, "sounds")),
            "spellings": SpellingTable.of_arrays(part_of(arrays, "spellings")),
            "phrase_vectors": vectors("phrase_vectors"),
            "answer_vectors": vectors("answer_vectors"),
        }
        return cls(**parts)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, each array by its part and its name in it: ``words/terms``."""
        return dict(chain.from_iterable(_named_arrays(field.name, getattr(self, field.name)) for field in fields(self)))

    def __len__(self) -> int:
        return len(self.documents)

    def title_words(self, vocabularies: Vocabularies) -> list[str]:
        """Distinct words of all phrasings and keywords."""
        return vocabularies.words.tokens(np.union1d(self.words.terms, self.keywords.terms))


_TEXTS = ("phrase_texts", "entry_texts", "title_texts")
_POSTINGS = ("words", "pairs", "answers", "keywords")
_ROWS = (
    "touched",
    "phrase_start",
    "phrase_document",
    "phrase_keys",
    "names_place",
    "phrase_aspects",
    "answer_aspects",
    "question_kinds",
    "entry_kinds",
)


def _named_arrays(name: str, field: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of one field of a segment, by their names in a file."""
    if name in _ROWS:
        yield f"segment/{name}", field
        return
    if name == "documents":
        field = DocumentColumn.of(field)
    elif name in _TEXTS:
        field = TextColumn.of(field)
    if field is not None:
        yield from ((f"{name}/{array}", held) for array, held in field.arrays().items())


def _joined_fields(parts: Sequence[tuple[Segment, Rows]]) -> Iterator[tuple[str, Any]]:
    """The fields of the given rows of several segments as one, by entry id, each made when it is asked for."""
    segments = [segment for segment, _ in parts]
    rows = [np.asarray(rows, np.int64) for _, rows in parts]
    phrase_sizes = [np.diff(s.phrase_start)[r] for s, r in zip(segments, rows, strict=True)]
    phrase_rows = [runs(s.phrase_start[r], sizes) for s, r, sizes in zip(segments, rows, phrase_sizes, strict=True)]
    order = np.argsort(np.concatenate([s.columns.entry_ids[r] for s, r in zip(segments, rows, strict=True)]))
    sizes = np.concatenate(phrase_sizes)
    phrase_order = runs(_layout(sizes)[0][order], sizes[order])
    phrase_start, phrase_document = _layout(sizes[order])

    def by_document(name: str) -> list[tuple[Any, Rows]]:
        return [(getattr(s, name), r) for s, r in zip(segments, rows, strict=True)]

    def by_phrase(name: str) -> list[tuple[Any, Rows]]:
        return [(getattr(s, name), r) for s, r in zip(segments, phrase_rows, strict=True)]

    yield "documents", _joined_documents(by_document("documents"), order)
    yield "columns", Columns.joined(by_document("columns"), order)
    yield "touched", np.unique(np.concatenate([s.touched for s in segments]))
    yield "phrase_start", phrase_start
    yield "phrase_document", phrase_document
    yield "phrase_texts", _joined_texts(by_phrase("phrase_texts"), phrase_order)
    for name in ("entry_texts", "title_texts"):
        yield name, _joined_texts(by_document(name), order)
    for name in ("phrase_keys", "phrase_aspects"):
        yield name, _joined_rows(by_phrase(name), phrase_order)
    for name in ("names_place", "answer_aspects", "question_kinds", "entry_kinds"):
        yield name, _joined_rows(by_document(name), order)
    words = Postings.joined(by_phrase("words"), phrase_order)
    keywords = Postings.joined(by_document("keywords"), order)
    yield "spellings", SpellingTable.joined([s.spellings for s in segments], np.union1d(words.terms, keywords.terms))
    yield "words", words
    yield "keywords", keywords
    del words, keywords
    yield "pairs", Postings.joined(by_phrase("pairs"), phrase_order)
    yield "answers", Postings.joined(by_document("answers"), order)
    yield "sounds", Sounds.joined(by_phrase("sounds"), phrase_order)
    yield "phrase_vectors", _joined_vectors(by_phrase("phrase_vectors"), phrase_order)
    yield "answer_vectors", _joined_vectors(by_document("answer_vectors"), order)


def _squeezed(text: str) -> str:
    return normalise(text).replace(" ", "")


def _layout(sizes: Rows) -> tuple[Rows, Rows]:
    """Where the phrasings of each document begin, the end last; and the document of each phrasing."""
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
    return start, np.repeat(np.arange(len(sizes)), sizes)


def _joined_rows(parts: Sequence[tuple[Any, Rows]], order: Rows) -> Any:
    return np.concatenate([column[rows] for column, rows in parts])[order]


def _joined_texts(parts: Sequence[tuple[Sequence[str], Rows]], order: Rows) -> Sequence[str]:
    """Few texts in memory stay what they are, so that a small segment is joined without coding any."""
    if all(isinstance(texts, tuple) for texts, _ in parts):
        laid_out = [texts[row] for texts, rows in parts for row in rows]
        return tuple(laid_out[i] for i in order)
    return TextColumn.joined(parts, order)


def _joined_documents(parts: Sequence[tuple[Sequence[Document], Rows]], order: Rows) -> Sequence[Document]:
    if all(isinstance(documents, tuple) for documents, _ in parts):
        laid_out = [documents[row] for documents, rows in parts for row in rows]
        return tuple(laid_out[i] for i in order)
    return DocumentColumn.joined(parts, order)


def _joined_vectors(parts: Sequence[tuple[VectorTable | None, Rows]], order: Rows) -> VectorTable | None:
    """None when there is no model; an index has vectors in all its segments or in none."""
    held = [(table, rows) for table, rows in parts if table is not None]
    return VectorTable.joined(held, order) if held else None
