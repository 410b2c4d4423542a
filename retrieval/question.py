"""What is known of a question before any entry is looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.marks import Bits, asked_aspects, kind_table
from retrieval.segment import Vocabularies
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix

PRECISE_CHARACTERS = 60
"""Longer questions are stories: they name so many kinds, aspects and numbers beside the point that none is taken."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Understood:
    """A question ready for search. Term numbers are None for tokens that the index has never seen."""

    squeezed: str
    """Normalised, without spaces."""
    words: tuple[str, ...]
    """Content words in order, repeats dropped."""
    word_terms: tuple[int | None, ...]
    pair_terms: tuple[int | None, ...]
    aspects: int
    """Bits of what it asks about."""
    kinds: Bits
    """Bits of the kinds it names, one for each group of contrasts."""
    numbers: tuple[str, ...]
    """Numbers in it: years, ages, amounts."""
    places: tuple[str, ...]
    """Places it names, without 市, 区, 县 …"""
    vector: Matrix | None
    """(d,), L2-normalised; None without a model."""

    @property
    def known_words(self) -> list[int]:
        return [term for term in self.word_terms if term is not None]

    @property
    def known_pairs(self) -> list[int]:
        return [term for term in self.pair_terms if term is not None]


def understand(text: str, tokeniser: Tokeniser, vocabularies: Vocabularies) -> Understood:
    """Tokens of the question with their numbers in the index; its vector is still to be set."""
    words = _distinct(tokeniser.content_words(text))
    pairs = _distinct(bigrams(text))
    squeezed = normalise(text).replace(" ", "")
    told = squeezed if len(squeezed) <= PRECISE_CHARACTERS else ""  # what it says of kinds, numbers, places
    return Understood(
        squeezed=squeezed,
        words=words,
        word_terms=tuple(vocabularies.words.known(word) for word in words),
        pair_terms=tuple(vocabularies.pairs.known(pair) for pair in pairs),
        aspects=asked_aspects(told),
        kinds=kind_table([told])[0],
        numbers=_distinct(_NUMBER.findall(told)),
        places=tokeniser.places(told) if told else (),
        vector=None,
    )


def _distinct(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
