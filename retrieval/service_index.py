"""What a service needs of its index, wherever the entries lie."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from models.values import Viewer
from retrieval.answering import CandidateRanker
from retrieval.documents import Result, Suggestion
from retrieval.embedded import Means
from retrieval.question import Understood
from retrieval.ranker import Thresholds
from retrieval.tokens import Tokeniser


class ServiceIndex(Protocol):
    """``EmbeddedIndex`` or ``MilvusIndex``. All methods may be called from several threads."""

    @property
    def tokeniser(self) -> Tokeniser: ...

    @property
    def means(self) -> Means: ...

    @property
    def delta_entries(self) -> int: ...

    def frozen(self, means: Means) -> "ServiceIndex": ...

    def use(self, tokeniser: Tokeniser) -> None: ...

    def use_weights(self, ranker: CandidateRanker, thresholds: Thresholds) -> None: ...

    def use_counts(self, uses: Mapping[int, float]) -> None: ...

    def explain(self, text: str) -> Understood: ...

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10, *, literal: bool = False) -> Result: ...

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]: ...

    def leave_connections(self) -> None: ...

    def __len__(self) -> int: ...
