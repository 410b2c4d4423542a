"""Whether the service can do its work right now, said truthfully."""

import logging
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin.advance import waiting_since
from models.knowledge import Version
from models.migrate import is_current
from models.values import VersionStatus

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Health:
    """What was found; a number that could not be read is None."""

    database: bool
    index_entries: int
    published_entries: int | None
    follower_behind: int | None
    """Changes that have not reached the index."""
    lag_seconds: float
    """How long the oldest of them may have waited."""
    lag_allowed: float
    follower_running: bool
    overdue_seconds: float | None
    """How long the oldest of what is due by the clock has waited for a worker."""
    model: str | None

    @property
    def well(self) -> bool:
        """A missing model is no illness: search goes on by words, and says so. Nor is a worker that rests: answers keep
        to validity by themselves, and another process may have to be started, not this one stopped."""
        return self.database and self.follower_running and self.lag_seconds <= self.lag_allowed


def examine(services: Services) -> Health:
    """Look at every part that a search needs."""
    published, behind, lag, overdue = None, None, 0.0, None
    try:
        reachable = is_current(services.engine)
        if reachable:
            with services.open_session() as session:
                published = _published(session)
                overdue = _overdue_seconds(session)
            behind = services.follower.lag()
            lag = services.follower.seconds_since_level() if behind else 0.0
    except DBAPIError as error:
        logger.error("数据库不可用：%s", error)
        reachable = False
    return Health(
        database=reachable,
        index_entries=len(services.index),
        published_entries=published,
        follower_behind=behind,
        lag_seconds=lag,
        lag_allowed=services.settings.follow_lag_seconds,
        follower_running=services.follower.running,
        overdue_seconds=overdue,
        model=services.encoder.name if services.encoder else None,
    )


def _published(session: Session) -> int:
    query = select(func.count()).select_from(Version).where(Version.status == VersionStatus.PUBLISHED)
    return session.scalar(query) or 0


def _overdue_seconds(session: Session) -> float:
    now = utc_now()
    since = waiting_since(session, now)
    return (now - since).total_seconds() if since else 0.0
