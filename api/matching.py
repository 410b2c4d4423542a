"""What of a question an entry is about, and what of it the entry never mentions: how agents check a match."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from models.values import EntryContent
from retrieval.marks import aspects
from retrieval.story import LONG
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, stop_words

STORY = LONG
"""Characters. A longer question is a story: most of its words are beside the point, and no entry has them."""
MOST_MISSING = 4
"""Missing words that are named; with more of them the entry is about something else, which its title says."""


@dataclass(frozen=True)
class Words:
    shared: tuple[str, ...]
    """In the standard question, a similar one or the keywords."""
    missing: tuple[str, ...]
    """Nowhere in the entry, neither as they are nor as another word for the same."""


def plainly_asked(question: str) -> frozenset[str]:
    """What the question asks about by words of its own: 多少钱 asks for 费用, though 多少 alone would ask for 标准."""
    text = normalise(question).replace(" ", "")
    said = {aspect.name: [word for word in aspect.asked if word in text] for aspect in aspects()}
    every = {word for words in said.values() for word in words}
    whole = {word for word in every if not any(word != other and word in other for other in every)}
    return frozenset(name for name, words in said.items() if not whole.isdisjoint(words))


def question_words(tokeniser: Tokeniser, question: str) -> tuple[str, ...]:
    """The words of a question that carry meaning, as they were typed; a word of the thesaurus is one."""
    words = tokeniser.question_words(question)
    return tuple(dict.fromkeys(word for word in words if len(word) > 1 and word not in stop_words()))


def compare(words: Sequence[str], question: str, content: EntryContent, tokeniser: Tokeniser) -> Words:
    """The words of the question beside one entry; the longest of those that overlap."""
    title = _squeezed((content.question, *content.similar, *content.keywords))
    whole = title + _squeezed((content.spoken, content.answer, content.unit, content.region, content.category))

    def is_known(word: str) -> bool:
        return any(reading.word in whole for reading in tokeniser.thesaurus.readings(word))

    told = [part for word in words for part in ((word,) if is_known(word) else _parts(word, tokeniser))]
    shared = [word for word in told if word in title]
    known = [word for word in told if is_known(word)]
    missing = [word for word in told if not _asks(word) and not any(part in word for part in known)]
    named = longest(dict.fromkeys(missing)) if len(question) <= STORY else ()
    return Words(longest(dict.fromkeys(shared)), named[:MOST_MISSING])


def _parts(word: str, tokeniser: Tokeniser) -> tuple[str, ...]:
    """The words that a long one of the thesaurus is made of: of 居住证到期 an entry may have one and not the other."""
    parts = tuple(part for part in tokeniser.cut(word) if part != word and len(part) > 1)
    return parts if word in tokeniser.thesaurus and parts else (word,)


def _asks(word: str) -> bool:
    """Whether the word says what is asked (多少钱, 材料): whether the entry tells that is told apart."""
    return any(word in said for aspect in aspects() for said in aspect.asked)


def longest(words: Collection[str]) -> tuple[str, ...]:
    """Without the words that another one contains: 个体工商户 says all that 个体 and 工商 do."""
    return tuple(word for word in words if not any(word != other and word in other for other in words))


def _squeezed(texts: Iterable[str]) -> str:
    return "".join(f"{normalise(text).replace(' ', '')}\n" for text in texts)
