"""应急信息 on every agent's page: what is in force at this moment, and how long each still is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from api import dates
from api.rendering import plain_text, split_answer
from api.security import Caller
from kb_admin.emergencies import Emergency, emergencies
from models.values import Role

HEARS = frozenset({Role.AGENT, Role.CITY_OFFICE, Role.COUNTY_OFFICE})
"""Who answers callers, and who answers for what they say."""
SHOWN = 2
"""Stand open in the banner; more are folded: "还有 3 条"."""
LONGEST_TEXT = 120
"""Characters; two lines at half a screen. The entry has the rest."""
ONE_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class BannerLine:
    """One emergency in the banner."""

    emergency: Emergency
    text: str
    until: str
    left_ms: int
    """Until it is gone, for the page's own timer: the clock of the person's computer need not be right."""


@dataclass(frozen=True)
class Banner:
    """All of them, the newest first."""

    open: tuple[BannerLine, ...]
    folded: tuple[BannerLine, ...]


def hears_emergencies(caller: Caller) -> bool:
    """Whether the banner stands on this person's pages."""
    return any(grant.role in HEARS for grant in caller.grants)


def banner_for(session: Session, caller: Caller, now: datetime) -> Banner:
    """What this person's banner says at ``now``; what they may not see is not in it."""
    lines = tuple(_line(emergency, now) for emergency in emergencies(session, caller.viewer, now))
    return Banner(lines[:SHOWN], lines[SHOWN:])


def _line(emergency: Emergency, now: datetime) -> BannerLine:
    text = " ".join(plain_text(section.html) for section in split_answer(emergency.text, {})).strip()
    return BannerLine(
        emergency=emergency,
        text=text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…",
        until=dates.moment(emergency.valid_to),
        left_ms=-((now - emergency.valid_to) // ONE_MILLISECOND),
    )
