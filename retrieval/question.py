"""What is known of a question before any entry is looked at."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrieval.documents import Mended
from retrieval.generation import Generation, Seen
from retrieval.marks import Bits, asked_aspects, kind_table
from retrieval.postings import Reading, Readings
from retrieval.spelling import Speller
from retrieval.story import focus
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vectors import Matrix
from retrieval.vocabulary import Vocabularies

LONG_WORD = 4
AT_FIRST = 256
"""Rows of a word that are looked at first: most askers see one of them."""
IN_PARTS = 0.9
"""Weight of a word of the thesaurus whose parts stand apart."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Slot:
    """One word of the question, with everything it may stand for."""

    word: str
    """Normalised, slips mended."""
    spellings: tuple[str, ...]
    """The word and its synonyms, most probable first."""
    readings: Readings
    """Those of them that live entries use."""
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
    told_as: str
    """The same part in the caller's own characters."""
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


@dataclass(frozen=True)
class Context:
    """What a question is read against: the words that the index knows, and the entries that the asker may see."""

    tokeniser: Tokeniser
    generation: Generation
    visible: tuple[Seen, ...]
    """Of every segment what is live, in force and open to the asker."""
    speller: Speller | None
    """None: the question is taken as typed."""

    @property
    def vocabularies(self) -> Vocabularies:
        """Of the generation's words and pairs."""
        return self.generation.vocabularies

    def use(self, word: str) -> int:
        """1 when a phrasing, answer or keyword list that the asker may see holds the word: what others may read makes
        no word known to him, so that neither a slip that is mended nor one that is left tells of it."""
        term = self.vocabularies.words.known(word)
        return int(term is not None and any(_stands_in(seen, term) for seen in self.visible))

    def titles_with(self, word: str) -> int:
        """How well the titles that the asker may see know the word: twice the phrasings and keyword lists that hold it,
        and one more where any holds another word for it."""
        itself, *others = (reading.word for reading in self.tokeniser.thesaurus.readings(word))
        return 2 * self._titles(itself) + any(map(self._titles, others))

    def _titles(self, word: str) -> int:
        term = self.vocabularies.words.known(word)
        if term is None or not self.generation.in_titles(term):
            return 0
        return sum(
            int(seen.phrases[seen.segment.words.rows_with(term)[0]].sum())
            + int(seen.documents[seen.segment.keywords.rows_with(term)[0]].sum())
            for seen in self.visible
        )


def _stands_in(seen: Seen, term: int) -> bool:
    segment = seen.segment
    kinds = ((segment.words, seen.phrases), (segment.keywords, seen.documents), (segment.answers, seen.documents))
    for postings, visible in kinds:
        rows = postings.rows_with(term)[0]
        if bool(visible[rows[:AT_FIRST]].any()) or bool(visible[rows[AT_FIRST:]].any()):
            return True
    return False


def understand(text: str, context: Context) -> Understood:
    """The question, its slips mended, with its terms in the index; its vectors are still to be set.

    Aspects, kinds, numbers and places are taken from the part that asks: stories name many beside the point.
    """
    spoken = focus(text)
    asked, mended = mend(spoken, context)
    whole, mended_whole = asked, mended
    if spoken != text:
        whole, mended_whole = mend(text, context)
    slots = _slots(whole, context)
    told = asked.replace(" ", "")
    return Understood(
        text=whole,
        focus=asked,
        told_as=spoken,
        to_encode=whole if mended_whole else text,
        focus_to_encode=asked if mended else spoken,
        mended=tuple(dict.fromkeys((*mended, *mended_whole))),
        slots=slots,
        focus_slots=slots if whole == asked else _slots(asked, context),
        pairs=tuple(_pair(pair, context) for pair in _distinct(bigrams(whole))),
        aspects=asked_aspects(told),
        kinds=kind_table([told])[0],
        numbers=_distinct(_NUMBER.findall(told)),
        places=context.tokeniser.places(asked),
    )


def mend(text: str, context: Context) -> tuple[str, tuple[Mended, ...]]:
    """``text`` normalised, with its slips mended by words of titles that the asker may see, and which."""
    if context.speller is None:
        return normalise(text), ()
    return context.speller.mend(normalise(text), context)


def _slots(text: str, context: Context) -> tuple[Slot, ...]:
    generation = context.generation
    slots = []
    for word in _distinct(context.tokeniser.asked_words(text)):
        meant = context.tokeniser.thesaurus.readings(word)
        known = [
            Reading(terms, reading.weight) for reading in meant for terms in _terms(reading.word, context) if terms
        ]
        if parts := _parts(word, context):
            known.append(Reading(parts, IN_PARTS))
        live = [reading for reading in known if all(map(generation.use, reading.terms))]
        readings = tuple(sorted(live, key=lambda reading: -reading.weight))
        spellings = tuple(reading.word for reading in meant)
        weight, answer_weight = generation.words.idf(readings), generation.answers.idf(readings)
        slots.append(Slot(word, spellings, readings, weight, answer_weight))
    return tuple(slots)


def _terms(word: str, context: Context) -> Iterator[tuple[int, ...]]:
    """The word's own term; and, for a word that entries may have been cut without, the terms of its parts."""
    vocabulary = context.vocabularies.words
    term = vocabulary.known(word)
    if term is not None:
        yield (term,)
    parts = [vocabulary.known(part) for part in context.tokeniser.parts_of_new(word)]
    known = tuple(part for part in parts if part is not None)
    if known and len(known) == len(parts) and known != (term,):
        yield known


def _parts(word: str, context: Context) -> tuple[int, ...]:
    """The terms of the words that a long word of the thesaurus is made of: 公积金提取 stands also in 提取公积金."""
    if len(word) < LONG_WORD or word not in context.tokeniser.thesaurus:
        return ()
    parts = [context.vocabularies.words.known(part) for part in context.tokeniser.made_of(word)]
    known = tuple(part for part in parts if part is not None)
    return known if len(known) == len(parts) > 1 else ()


def _pair(pair: str, context: Context) -> Slot:
    readings = context.vocabularies.pairs.readings(pair)
    return Slot(pair, (pair,), readings, context.generation.pairs.idf(readings))


def _distinct(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
