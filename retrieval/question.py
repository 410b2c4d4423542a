"""What is known of a question before any entry is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.segment import Vocabularies
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix

MAX_QUESTION_CHARACTERS = 2000
"""Longer text is refused at the edge; nobody types it, and it would only cost time."""


@dataclass(frozen=True)
class Understood:
    """A question ready for search. Term numbers are None for tokens that the index has never seen."""

    squeezed: str
    """Normalised, without spaces."""
    words: tuple[str, ...]
    """Content words in order, repeats dropped."""
    word_terms: tuple[int | None, ...]
    pair_terms: tuple[int | None, ...]
    vector: Matrix | None
    """(d,), L2-normalised; None without a model."""

    @property
    def known_words(self) -> list[int]:
        return [term for term in self.word_terms if term is not None]

    @property
    def known_pairs(self) -> list[int]:
        return [term for term in self.pair_terms if term is not None]


def understand(text: str, tokeniser: Tokeniser, vocabularies: Vocabularies, vector: Matrix | None) -> Understood:
    """Tokens of the question with their numbers in the index."""
    words = _distinct(tokeniser.content_words(text))
    pairs = _distinct(bigrams(text))
    return Understood(
        squeezed=normalise(text).replace(" ", ""),
        words=words,
        word_terms=tuple(vocabularies.words.known(word) for word in words),
        pair_terms=tuple(vocabularies.pairs.known(pair) for pair in pairs),
        vector=vector,
    )


def _distinct(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
