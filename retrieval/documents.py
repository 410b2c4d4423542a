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
class Synonym:
    """A word of the question and the word of the entry that stands for it."""

    asked: str
    found: str


@dataclass(frozen=True)
class Mended:
    """A slip of the keyboard and what was taken to be meant."""

    typed: str
    meant: str


@dataclass(frozen=True)
class Facet:
    """What tells the best hits apart when they are close: 职工 or 居民, 河东 or 河西, 2025 or 2026."""

    name: str
    values: Mapping[int, str]
    """By entry id, of every hit that is close to the best."""


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
    synonyms: tuple[Synonym, ...] = ()
    """Words of the question found in the entry only as another word for the same."""
    untold: tuple[str, ...] = ()
    """What the question asks about (费用, 材料 …) and the entry does not tell."""
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The answer of one search: hits best first (ties by entry id), what the service says to it, where time went."""

    hits: tuple[Hit, ...]
    outcome: Outcome
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    aspects: tuple[str, ...] = ()
    """What the question asks about (费用, 材料 …), as named in ``dictionary/aspects.toml``."""
    mended: tuple[Mended, ...] = ()
    """Slips of the keyboard that were mended before searching."""
    searched: str = ""
    """What was looked for: the question, or the part of it that asks, slips mended."""
    focus: str = ""
    """The part of a long story that was taken for the question; empty when all of it was."""
    facet: Facet | None = None


@dataclass(frozen=True)
class Suggestion:
    """A stored phrasing that continues or contains what has been typed."""

    entry_id: int
    text: str
    internal: bool = False
    """Of an entry that is not for callers' ears."""
    matched: tuple[str, ...] = ()
    """The parts of it, normalised, that fit what has been typed, also by sound: gjj → 公积金."""


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
