"""What is known of a question before any entry is looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.documents import Mended
from retrieval.generation import Generation
from retrieval.marks import Bits, asked_aspects, kind_table
from retrieval.postings import Reading, Readings, Vocabulary
from retrieval.segment import Vocabularies
from retrieval.spelling import Speller
from retrieval.story import focus
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Slot:
    """One word of the question, with everything it may stand for."""

    word: str
    """Normalised, slips mended."""
    spellings: tuple[str, ...]
    """The word and its synonyms, most probable first."""
    readings: Readings
    """Those of them that the index knows."""
    weight: float
    """Its idf among phrasings, of words or of bigrams."""
    answer_weight: float = 0.0
    """Its idf among answers; of words only."""


@dataclass(frozen=True)
class Understood:
    """A question ready for search."""

    text: str
    """Normalised, slips mended."""
    focus: str
    """The part of it that asks; the same unless it is a long story."""
    to_encode: str
    """As typed, or ``text`` when slips were mended."""
    focus_to_encode: str
    mended: tuple[Mended, ...]
    slots: tuple[Slot, ...]
    """Its content words in order, repeats dropped."""
    focus_slots: tuple[Slot, ...]
    """Those of the focus; the same objects unless it is a long story."""
    pairs: tuple[Slot, ...]
    """Its character bigrams."""
    aspects: int
    """Bits of what it asks about."""
    kinds: Bits
    """Bits of the kinds it names, one for each group of contrasts."""
    numbers: tuple[str, ...]
    """Numbers in it: years, ages, amounts."""
    places: tuple[str, ...]
    """Places it names, without 市, 区, 县 …"""
    vector: Matrix | None = None
    """(d,), of the whole, L2-normalised; None without a model."""
    focus_vector: Matrix | None = None
    """(d,), of the focus."""

    @property
    def vectors(self) -> tuple[Matrix, ...]:
        """Of the whole and, where it is another text, of the focus; empty without a model."""
        return tuple({id(v): v for v in (self.vector, self.focus_vector) if v is not None}.values())

    @property
    def squeezed(self) -> str:
        """The text without spaces."""
        return self.text.replace(" ", "")

    @property
    def is_story(self) -> bool:
        return self.focus != self.text


def understand(
    text: str, tokeniser: Tokeniser, vocabularies: Vocabularies, generation: Generation, speller: Speller | None
) -> Understood:
    """The question, its slips mended, with its terms in the index; its vectors are still to be set.

    Without ``speller`` it is taken as typed.
    Aspects, kinds, numbers and places are taken from the part that asks: stories name many beside the point.
    """
    spoken = focus(text)
    asked, mended = mend(spoken, tokeniser, vocabularies, generation, speller)
    whole, mended_whole = asked, mended
    if spoken != text:
        whole, mended_whole = mend(text, tokeniser, vocabularies, generation, speller)
    slots = _slots(whole, tokeniser, vocabularies, generation)
    told = asked.replace(" ", "")
    return Understood(
        text=whole,
        focus=asked,
        to_encode=whole if mended_whole else text,
        focus_to_encode=asked if mended else spoken,
        mended=tuple(dict.fromkeys((*mended, *mended_whole))),
        slots=slots,
        focus_slots=slots if whole == asked else _slots(asked, tokeniser, vocabularies, generation),
        pairs=tuple(_pair(pair, vocabularies.pairs, generation) for pair in _distinct(bigrams(whole))),
        aspects=asked_aspects(told),
        kinds=kind_table([told])[0],
        numbers=_distinct(_NUMBER.findall(told)),
        places=tokeniser.places(asked),
    )


def mend(
    text: str, tokeniser: Tokeniser, vocabularies: Vocabularies, generation: Generation, speller: Speller | None
) -> tuple[str, tuple[Mended, ...]]:
    """``text`` normalised, with its slips mended by what live entries say, and which."""
    if speller is None:
        return normalise(text), ()

    def use(word: str) -> int:
        return generation.use(vocabularies.words.known(word))

    return speller.mend(normalise(text), tokeniser, use)


def _slots(text: str, tokeniser: Tokeniser, vocabularies: Vocabularies, generation: Generation) -> tuple[Slot, ...]:
    slots = []
    for word in _distinct(tokeniser.asked_words(text)):
        meant = tokeniser.thesaurus.readings(word)
        terms = [(_terms(reading.word, tokeniser, vocabularies.words), reading.weight) for reading in meant]
        readings = tuple(Reading(all_of, weight) for all_of, weight in terms if all_of)
        spellings = tuple(reading.word for reading in meant)
        weight, answer_weight = generation.words.idf(readings), generation.answers.idf(readings)
        slots.append(Slot(word, spellings, readings, weight, answer_weight))
    return tuple(slots)


def _terms(word: str, tokeniser: Tokeniser, vocabulary: Vocabulary) -> tuple[int, ...]:
    """The word's own term, or, where the index was cut before the word was known, the terms of its parts."""
    term = vocabulary.known(word)
    if term is not None:
        return (term,)
    parts = [vocabulary.known(part) for part in tokeniser.cut(word) if part != word]
    return tuple(p for p in parts if p is not None) if parts and None not in parts else ()


def _pair(pair: str, vocabulary: Vocabulary, generation: Generation) -> Slot:
    readings = vocabulary.readings(pair)
    return Slot(pair, (pair,), readings, generation.pairs.idf(readings))


def _distinct(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
