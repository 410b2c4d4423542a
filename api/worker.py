"""The worker: looks at the clock each second and does what has fallen due."""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from api.repeating import Repeating
from kb_admin.advance import advance

TICK_SECONDS = 1.0
"""What takes effect or ends at a moment does so within about this time."""
BATCH = 200
"""What is due is done in transactions of this size: short enough that editors do not wait for them."""

log = logging.getLogger(__name__)


class Worker(Repeating):
    """Any number of them may run, in any number of processes; one after a stop makes up for it."""

    def __init__(self, open_session: sessionmaker[Session], *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__("worker", self.catch_up, every_seconds=TICK_SECONDS)
        self._open_session = open_session
        self._clock = clock
        self._missing_year: int | None = None

    def catch_up(self) -> int:
        """Do all that is due by now; returns how many things were done. Each batch is committed by itself."""
        total = 0
        while not self.stopping:
            with self._open_session() as session:
                done = advance(session, self._clock(), limit=BATCH)
                session.commit()
            total += done.total
            self._report(done.waiting_for_year)
            if not done.total:
                break
        return total

    def _report(self, missing_year: int | None) -> None:
        """Once, not each second."""
        if missing_year is not None and missing_year != self._missing_year:
            log.warning("系统中还没有 %s 年的放假安排，定期任务暂不派发。请用 zhida calendar add 加入。", missing_year)
        self._missing_year = missing_year
