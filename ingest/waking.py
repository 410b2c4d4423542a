"""Wakes the follower as soon as the change log has grown, so that it need not look through the tables all the time.

On SQLite the end of the log is read every few milliseconds, which takes some microseconds; on PostgreSQL the writers of
the log notify whoever listens, as they commit. What fails here costs time and nothing else: the follower looks by
itself now and then.
"""

import logging
import threading
from time import monotonic
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from models.database import CHANGES_CHANNEL
from models.knowledge import ChangeLog

LOOK_SECONDS = 0.003
AGAIN_SECONDS = 10.0
"""After a failure; until then there is only the pause."""

_END = f"SELECT max(seq) FROM {ChangeLog.__tablename__}"  # noqa: S608 - nothing from outside

log = logging.getLogger(__name__)


class Bell:
    """Rings when there may be something new in the change log; for one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        """The driver's own."""
        self._end: int | None = None
        self._not_before = 0.0

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """Return when the log may have grown since the last wait, when all is to stop, or after so long."""
        until = monotonic() + seconds
        if monotonic() >= self._not_before:
            try:
                self._connection = self._connection or self._open()
                self._wait_for_growth(stopping, until)
                return
            except (SQLAlchemyError, OSError, self._engine.dialect.loaded_dbapi.Error) as error:
                log.info("暂不能及时得知改动，改为定时查看：%s", error)
                self.close()
                self._not_before = monotonic() + AGAIN_SECONDS
        stopping.wait(max(0.0, until - monotonic()))

    def close(self) -> None:
        """It opens again with the next wait."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _listens(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _open(self) -> Any:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.dbapi_connection
        pooled.detach()  # it is not for others, and not one of their number
        if self._listens:
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANGES_CHANNEL}")
        return connection

    def _wait_for_growth(self, stopping: threading.Event, until: float) -> None:
        if self._listens:
            for _ in self._connection.notifies(timeout=max(0.0, until - monotonic()), stop_after=1):
                return
            return
        while (end := self._connection.execute(_END).fetchone()[0]) == self._end:
            left = until - monotonic()
            if left <= 0 or stopping.wait(min(LOOK_SECONDS, left)):
                return
        self._end = end
