"""What goes into the index and what comes out: the interface that every backend keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from models.values import Outcome, Publicity, Viewer


@dataclass(frozen=True)
class Document:
    """The searchable side of one published version."""

    entry_id: int
    version_id: int
    question: str
    similar: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    answer: str = ""
    """Plain text, without Markdown marks; the spoken answer first."""
    unit_id: int = 0
    publicity: Publicity = Publicity.INTERNAL
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    places: tuple[str, ...] = ()
    """Names of all regions that the entry holds for, a city's with its counties; empty when nothing is known of it."""

    @property
    def phrasings(self) -> tuple[str, ...]:
        """Standard question first."""
        return (self.question, *self.similar)


@dataclass(frozen=True)
class Change:
    """From now on the entry is what ``document`` says; ``None``: it is gone. Applying one twice changes nothing."""

    entry_id: int
    document: Document | None


@dataclass(frozen=True)
class Hit:
    """One entry, ranked."""

    entry_id: int
    version_id: int
    score: float
    """0..1: the estimated probability that this entry answers the question. Higher is better."""
    phrasing: str
    """The phrasing that matched best."""
    matched: tuple[str, ...] = ()
    """Words of the question found in the entry, for highlighting."""
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The answer of one search: hits best first (ties by entry id), what the service says to it, where time went."""

    hits: tuple[Hit, ...]
    outcome: Outcome
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    aspects: tuple[str, ...] = ()
    """What the question asks about (费用, 材料 …), as named in ``dictionary/aspects.toml``."""


@dataclass(frozen=True)
class Suggestion:
    """A stored phrasing that continues or contains what has been typed."""

    entry_id: int
    text: str


class Index(Protocol):
    """A searchable set of documents. All methods may be called from several threads."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Make the changes visible to every search that starts after this returns."""

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10) -> Result:
        """The best ``k`` entries that ``viewer`` may see and that are valid at ``now`` (aware)."""

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]:
        """Stored phrasings for what has been typed so far, at most one for each entry, same filters as ``search``."""

    def __len__(self) -> int:
        """Number of entries held, visible or not."""
