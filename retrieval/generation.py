"""One consistent state of the index: its segments, which of their rows live, and the statistics over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.postings import Statistics
from retrieval.segment import Segment, Vocabularies

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Generation:
    """Never changes once made; a search works on the one it started with."""

    parts: tuple[tuple[Segment, Mask], ...]
    """Segments, each with its live documents."""
    words: Statistics
    pairs: Statistics
    answers: Statistics
    keywords: Statistics

    @classmethod
    def of(cls, parts: Sequence[tuple[Segment, Mask]], vocabularies: Vocabularies) -> "Generation":
        phrase_live = [np.repeat(live, np.diff(segment.phrase_start)) for segment, live in parts]
        words, pairs = len(vocabularies.words), len(vocabularies.pairs)
        return cls(
            parts=tuple(parts),
            words=Statistics.of([(s.words, m) for (s, _), m in zip(parts, phrase_live, strict=True)], words),
            pairs=Statistics.of([(s.pairs, m) for (s, _), m in zip(parts, phrase_live, strict=True)], pairs),
            answers=Statistics.of([(s.answers, live) for s, live in parts], words),
            keywords=Statistics.of([(s.keywords, live) for s, live in parts], words),
        )

    def __len__(self) -> int:
        return sum(int(live.sum()) for _, live in self.parts)

    def in_titles(self, term: int) -> bool:
        """Whether any live phrasing or keyword list holds the word."""
        return self.words.frequency(term) + self.keywords.frequency(term) > 0

    def use(self, term: int | None) -> int:
        """In how many live phrasings, answers and keyword lists the word stands."""
        return 0 if term is None else sum(s.frequency(term) for s in (self.words, self.answers, self.keywords))
