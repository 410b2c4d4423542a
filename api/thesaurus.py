"""The thesaurus at the edge: the shipped groups as the office's actions take them, and how a question is read."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ingest.thesaurus import shipped_groups
from kb_admin.thesaurus import Shipped
from retrieval.documents import Mended
from retrieval.marks import aspect_names
from retrieval.text import normalise
from retrieval.thesaurus import Reading

if TYPE_CHECKING:  # the wiring imports what learns, which compares words as this does
    from api.wiring import Services

WORDS_REMEMBERED = 65_536
"""Every word of the thesaurus is compared in each search of it; there are some 12,000."""


@dataclass(frozen=True)
class ReadWord:
    """A word of a question and what else it may stand for, most probable first."""

    word: str
    others: tuple[Reading, ...]
    beside_the_point: bool
    """It stands in the story, not in the part that asks."""


@dataclass(frozen=True)
class ReadQuestion:
    """How a question is understood before anything is looked up."""

    mended: tuple[Mended, ...]
    focus: str
    """The part of a long story taken as the question; empty when all of it was."""
    words: tuple[ReadWord, ...]
    aspects: tuple[str, ...]
    places: tuple[str, ...]


@cache
def shipped() -> Shipped:
    """What comes with the product."""
    return Shipped(shipped_groups(), lru_cache(WORDS_REMEMBERED)(normalise))


def read_question(services: "Services", text: str) -> ReadQuestion:
    """The question as the index of this process reads it at this moment."""
    understood = services.index.explain(text)
    thesaurus = services.tokeniser.thesaurus
    asked = {slot.word for slot in understood.focus_slots}
    return ReadQuestion(
        mended=understood.mended,
        focus=understood.told_as if understood.is_story else "",
        words=tuple(
            ReadWord(slot.word, thesaurus.readings(slot.word)[1:], slot.word not in asked) for slot in understood.slots
        ),
        aspects=aspect_names(understood.aspects),
        places=understood.places,
    )
