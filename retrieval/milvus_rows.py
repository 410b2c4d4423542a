"""How documents lie in Milvus: a row for each phrasing, and one for each entry with its answer and the document itself.

Words are kept as sparse vectors of our own tokens and weights rather than through Milvus's BM25 function: the same
tokeniser cuts them, the same idf over the whole collection weighs them at query time, and every server of Milvus gives
the same scores. A dimension is the hash of a token.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from models.values import EARLIEST, LATEST, Publicity
from retrieval.documents import Document
from retrieval.kernels import K1, B
from retrieval.postings import Postings
from retrieval.question import Slot
from retrieval.segment import Segment
from retrieval.sound_kernels import SOUND
from retrieval.sounds import readings
from retrieval.vocabulary import Vocabularies, Vocabulary

Row = dict[str, Any]
Sparse = dict[int, float]

FORMAT = 1
"""Changes with anything that makes older rows unfit."""
PAYLOAD_BYTES = 65_000
"""Milvus keeps at most 65,535 bytes in one text."""
TEXT_BYTES = 2_048
LIKE_FIELDS = ("text", "sound", "initials")
"""Of a phrasing: itself, its pinyin and the first letters of that, all without spaces; looked into while typing."""
EMPTY: Sparse = {1: 1e-6}
"""Stands where a text has no words: Milvus keeps no empty vector. No token has this dimension."""
PUBLICITIES = {publicity.value: publicity for publicity in Publicity}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Lengths:
    """Mean lengths in tokens that the weights of rows were made with; fixed for the life of a collection.

    They differ from the live means by little, and only nominate: what a candidate is worth is measured anew.
    """

    words: float = 7.0
    pairs: float = 14.0
    answers: float = 60.0


def rows_of(segment: Segment, vocabularies: Vocabularies, lengths: Lengths) -> tuple[list[Row], list[Row]]:
    """Rows of phrasings, and rows of entries, of all documents of the segment."""
    words = _sparse_rows(segment.words, vocabularies.words.tokens, lengths.words)
    pairs = _sparse_rows(segment.pairs, vocabularies.pairs.tokens, lengths.pairs)
    answers = _sparse_rows(segment.answers, vocabularies.words.tokens, lengths.answers)
    keywords = _sparse_rows(segment.keywords, vocabularies.words.tokens, 1.0)
    phrasings: list[Row] = []
    entries: list[Row] = []
    for row, document in enumerate(segment.documents):
        payload = packed(document)
        common = _columns(document) | {"stamp": stamp_of(payload)}
        titles: Sparse = dict.fromkeys(keywords[row], 1.0)
        first = int(segment.phrase_start[row])
        for place in range(int(segment.phrase_start[row + 1]) - first):
            phrase = first + place
            titles |= dict.fromkeys(words[phrase], 1.0)
            told = {"id": f"{document.entry_id}:{place}", "place": place, **_likes(segment, phrase)}
            phrasings.append(common | told | {"words": words[phrase], "pairs": pairs[phrase]})
        entries.append(common | {"document": payload, "answer": answers[row], "titles": titles})
    if segment.phrase_vectors is not None and segment.answer_vectors is not None:
        _add_vectors(phrasings, segment.phrase_vectors.rows(np.arange(len(phrasings))))
        _add_vectors(entries, segment.answer_vectors.rows(np.arange(len(entries))))
    return phrasings, entries


def asked_words(slots: Sequence[Slot], weights: Iterable[float], vocabulary: Vocabulary) -> Sparse:
    """What is asked for as a vector: the idf of each slot on every token that it may be read as."""
    asked: Sparse = {}
    for slot, weight in zip(slots, weights, strict=True):
        best: Sparse = {}
        for reading in slot.readings:
            for token in vocabulary.tokens(reading.terms):
                dimension = dimension_of(token)
                best[dimension] = max(best.get(dimension, 0.0), weight * reading.weight / len(reading.terms))
        for dimension, value in best.items():
            asked[dimension] = asked.get(dimension, 0.0) + value
    return {dimension: value for dimension, value in asked.items() if value > 0}


@lru_cache(maxsize=200_000)
def dimension_of(token: str) -> int:
    """2 … 2**32 - 2. Of 200,000 tokens about five share theirs with another: they nominate together, no more."""
    return 2 + int.from_bytes(blake2b(token.encode(), digest_size=8).digest()) % (2**32 - 4)


def packed(document: Document) -> str:
    """The document as JSON, compressed where Milvus could not hold it otherwise.

    Of an answer that is too long even so, the end is left out: it is found by its beginning; then so are the ends of
    similar questions. One entry that does not fit would hold up all that are written after it.
    """
    while True:
        said = {f.name: getattr(document, f.name) for f in fields(document)}
        for name in ("valid_from", "valid_to"):
            said[name] = None if said[name] is None else said[name].isoformat()
        plain = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        if len(plain.encode()) <= PAYLOAD_BYTES:
            return plain
        small = "z" + base64.b85encode(zlib.compress(plain.encode(), 9)).decode()
        if len(small) <= PAYLOAD_BYTES:
            return small
        if document.answer:
            document = replace(document, answer=_beginning(document.answer))
        else:
            document = replace(document, similar=tuple(map(_beginning, document.similar)))


def _beginning(text: str) -> str:
    return text[: len(text) * 3 // 4]


def unpacked(payload: str) -> Document:
    """What ``packed`` made."""
    plain = zlib.decompress(base64.b85decode(payload[1:])).decode() if payload.startswith("z") else payload
    said: dict[str, Any] = json.loads(plain)
    for name in ("similar", "keywords", "places"):
        said[name] = tuple(said[name])
    for name in ("valid_from", "valid_to"):
        said[name] = None if said[name] is None else datetime.fromisoformat(said[name])
    return Document(**said | {"publicity": PUBLICITIES[said["publicity"]]})


def stamp_of(payload: str) -> str:
    """Tells one state of an entry from another."""
    return blake2b(f"{FORMAT}\n{payload}".encode(), digest_size=8).hexdigest()


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _columns(document: Document) -> Row:
    return {
        "entry_id": document.entry_id,
        "version_id": document.version_id,
        "unit_id": document.unit_id,
        "public": document.publicity is Publicity.PUBLIC,
        "valid_from": microseconds(document.valid_from or EARLIEST),
        "valid_to": microseconds(document.valid_to or LATEST),
    }


def _sparse_rows(postings: Postings, tokens: Any, mean: float) -> list[Sparse]:
    """Of every row the part of BM25 that does not depend on the question."""
    rows = []
    for row in range(len(postings)):
        place = slice(int(postings.row_start[row]), int(postings.row_start[row + 1]))
        counts = postings.row_counts[place].astype(float)
        values = counts / (counts + K1 * (1 - B + B * float(postings.lengths[row]) / mean))
        said = zip(tokens(postings.row_terms[place].tolist()), values.tolist(), strict=True)
        rows.append({dimension_of(token): value for token, value in said} or dict(EMPTY))
    return rows


def _add_vectors(rows: Sequence[Row], vectors: Any) -> None:
    for row, vector in zip(rows, vectors, strict=True):
        row["vector"] = vector.tolist()


def _likes(segment: Segment, phrase: int) -> Row:
    """The LIKE_FIELDS of one phrasing."""
    text = segment.phrase_texts[phrase]
    place = slice(int(segment.sounds.start[phrase]), int(segment.sounds.start[phrase + 1]))
    names = readings().syllables
    heard = [int(sound) & SOUND for sound in segment.sounds.sounds[place]]
    spoken = [names[sound - 1] if sound else "?" for sound in heard]
    fields = (text, "".join(spoken), "".join(syllable[0] for syllable in spoken))
    return dict(zip(LIKE_FIELDS, map(_short, fields), strict=True))


def _short(text: str) -> str:
    """As much of the text as is kept for suggestions."""
    return text.encode()[:TEXT_BYTES].decode(errors="ignore")
