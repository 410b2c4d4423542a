"""What of a question an entry is about, and what of it the entry never mentions: how agents check a match."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.values import EntryContent
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, alternatives, stop_words, synonyms

STORY = 60
"""Characters. A longer question is a story: most of its words are beside the point, and no entry has them."""
MOST_MISSING = 4
"""Missing words that are named; with more of them the entry is about something else, which its title says."""


@dataclass(frozen=True)
class Words:
    shared: tuple[str, ...]
    """In the standard question, a similar one or the keywords."""
    missing: tuple[str, ...]
    """Nowhere in the entry, in no other spelling or part."""


def question_words(tokeniser: Tokeniser, question: str) -> tuple[str, ...]:
    """The words of a question that carry meaning, as they were typed."""
    return tuple(dict.fromkeys(w for w in tokeniser.cut(question) if len(w) > 1 and w not in stop_words()))


def compare(words: Sequence[str], question: str, content: EntryContent) -> Words:
    """The words of the question beside one entry; the longest of those that overlap."""
    title = _squeezed((content.question, *content.similar, *content.keywords))
    rest = _squeezed((content.spoken, content.answer, content.unit, content.region, content.category))
    shared = [word for word in words if _is_in(word, title)]
    known = [word for word in words if word in shared or _is_in(word, rest)]
    missing = [word for word in words if not any(part in word for part in known)]
    named = longest(missing) if len(question) <= STORY else ()
    return Words(longest(shared), named[:MOST_MISSING])


def longest(words: Sequence[str]) -> tuple[str, ...]:
    """Without the words that another one contains: 个体工商户 says all that 个体 and 工商 do."""
    return tuple(word for word in words if not any(word != other and word in other for other in words))


def _squeezed(texts: Iterable[str]) -> str:
    return "\n".join(normalise(text).replace(" ", "") for text in texts)


def _is_in(word: str, text: str) -> bool:
    return any(spelling in text for spelling in alternatives().get(synonyms().get(word, word), (word,)))
