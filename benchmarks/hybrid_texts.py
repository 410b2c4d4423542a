"""What the hybrids are compared on: hotline bases with questions, in a large base of other questions.

Two kinds of questions, in turn: those of hotline bases that nothing was tuned on (``held``), and questions that people
have marked as the same as one in the base. The first are what the product is for; the second come from chats, a bank
and a search engine, with answers that do not belong to them, so that only the question itself can be matched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

from benchmarks.datasets import Corpus, Query
from benchmarks.scale import PHRASINGS, ScaleText
from benchmarks.suite import question_sets
from models.errors import Unavailable
from retrieval.documents import Document

HELD, SAME = "热线问题", "同义问句"
KINDS = (HELD, SAME)


@dataclass(frozen=True)
class Question:
    """One question and the entries that answer it."""

    kind: str
    text: str
    relevant: frozenset[int]


@dataclass(frozen=True)
class Texts:
    """A base and its questions."""

    documents: tuple[Document, ...]
    questions: tuple[Question, ...]


def gather(phrasings: int, most: int, data: Path) -> Texts:
    """A base of about so many phrasings, and at most so many questions, half of each kind where there are enough.

    Raises Unavailable when the hotline bases alone are larger.
    """
    scale = ScaleText.read(data)
    bases = [(corpus, held) for corpus, queries in question_sets(data) if (held := _held(queries))]
    first = 1
    documents: list[Document] = []
    asked: list[Question] = []
    for corpus, queries in bases:
        documents += [replace(d, entry_id=first + i, version_id=first + i) for i, d in enumerate(corpus.documents)]
        asked += _questions(corpus, queries, first)
        first += len(corpus.documents)
    entries = (phrasings - sum(len(document.phrasings) for document in documents)) // PHRASINGS
    if entries <= 0:
        raise Unavailable(f"{phrasings} 个问法太少，仅热线的库就不止这些。请加大 --size。")
    shift = first - 1
    documents += [
        replace(document, entry_id=document.entry_id + shift, version_id=document.version_id + shift)
        for document in scale.documents(entries)
    ]
    same = [
        Question(SAME, question.text, frozenset(number + shift for number in question.relevant))
        for question in scale.questions(entries, most // 2)
    ]
    step = max(1, len(asked) // max(1, most - len(same)))
    in_turn = chain.from_iterable(zip_longest(asked[::step][: most - len(same)], same))
    return Texts(tuple(documents), tuple(dict.fromkeys(question for question in in_turn if question)))


def _held(queries: Sequence[Query]) -> list[Query]:
    return [query for query in queries if query.split == "held" and query.answerable]


def _questions(corpus: Corpus, queries: Sequence[Query], first: int) -> list[Question]:
    numbers = {key: first + place for place, key in enumerate(corpus.ids)}
    return [
        Question(HELD, query.text, frozenset(numbers[key] for key in query.relevant if key in numbers))
        for query in queries
    ]
