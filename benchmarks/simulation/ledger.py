"""What the simulation itself remembers: who did what when. The recount rests on this and the rulebook's file alone."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Act(StrEnum):
    """What somebody did, and the base took."""

    # with a version
    LOADED = "loaded"
    DRAFTED = "drafted"
    SUBMITTED = "submitted"
    RECALLED = "recalled"
    APPROVED = "approved"
    AMENDED = "amended"
    """A new version, that stands where the one it takes the place of stood."""
    SENT_BACK = "sent_back"
    PUBLISHED = "published"
    DISCARDED = "discarded"
    WITHDRAWN = "withdrawn"
    MARKED_INVALID = "marked_invalid"
    RESTORED = "restored"
    LOOKED_AT = "looked_at"
    # with a notice
    OPENED = "opened"
    DISPATCHED = "dispatched"
    SIGNED = "signed"
    ANSWERED = "answered"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    ASKED_FOR_TIME = "asked_for_time"
    CONSENTED = "consented"
    GIVEN_TIME = "given_time"
    REFUSED_TIME = "refused_time"
    CALLED = "called"


@dataclass(frozen=True)
class Deed:
    """One thing that was done; which fields matter is for the act to say."""

    at: datetime
    act: Act
    version: int = 0
    entry: int = 0
    unit: int = 0
    origin: str = ""
    info_type: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    parties: tuple[str, ...] = ()
    """As whom the submitter could write for the unit."""
    replaces: int = 0
    """The version in whose place this one was written."""
    notice: int = 0
    kind: str = ""
    about_version: int = 0
    major: bool = False
    starts_at: datetime | None = None
    limit: str = ""
    until: datetime | None = None
    too_late: bool = False
    """The base refused it for that reason."""


@dataclass
class Ledger:
    """All deeds in order, and what was tried in vain."""

    deeds: list[Deed] = field(default_factory=list)
    strangers_refused: int = 0
    too_late_refused: int = 0
    stopped: tuple[datetime, datetime] | None = None
    """When no worker ran."""

    def note(self, deed: Deed) -> None:
        """Remember it."""
        self.deeds.append(deed)
