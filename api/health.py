"""Whether the service can do its work right now, said truthfully.

Three answers for three who ask: ``/healthz``, does the process live (restart it if not); ``/readyz``, may a request be
sent to it now; ``/api/v1/health``, how it stands in all, for people and programs that look after it.
"""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin.advance import waiting_since
from models.form import is_current
from models.knowledge import Version
from models.values import VersionStatus

logger = logging.getLogger(__name__)

PING_SECONDS = 1.0
"""A database that has not said anything for so long is as good as away."""
FRESH_SECONDS = 0.5
"""However often it is asked, the database is pinged no more often."""


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


class Readiness:
    """Whether one process can answer now. Asking costs nothing, even when the database does not reply any more."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._asking: ThreadPoolExecutor | None = None
        self._ping: Future[bool] | None = None
        self._pinged_at = float("-inf")
        self._reachable = False

    def obstacles(self) -> tuple[str, ...]:
        """Why no request should come here now; nothing: it may."""
        services, follower = self._services, self._services.follower
        if services.state.draining:
            return ("正在停止，不再接收新的请求。",)
        if not services.state.running or not follower.loaded:
            return (follower.preparing or "正在载入知识条目。",)
        found = []
        if not self._database_replies():
            found.append("数据库没有应答。")
        if not follower.running or follower.seconds_since_level() > services.settings.follow_lag_seconds:
            found.append("检索跟不上已发布的改动。")
        return tuple(found)

    def _database_replies(self) -> bool:
        """One ping at a time: while one waits, nobody else does."""
        with self._lock:
            if time.perf_counter() - self._pinged_at < FRESH_SECONDS:
                return self._reachable
            if self._asking is None:
                self._asking = ThreadPoolExecutor(1, "ping")
            if self._ping is None or self._ping.done():
                self._ping = self._asking.submit(_ping, self._services)
                wait = PING_SECONDS
            else:
                wait = 0.0
            try:
                self._reachable = self._ping.result(wait)
            except TookTooLong:
                self._reachable = False
            self._pinged_at = time.perf_counter()
            return self._reachable


def _ping(services: Services) -> bool:
    try:
        with services.engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM alembic_version"))
    except SQLAlchemyError as error:
        logger.error("数据库没有应答：%s", error)
        return False
    return True
