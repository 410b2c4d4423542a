"""Work that a process does again and again beside answering, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from api.database_faults import reason_of

RETRY_SECONDS = 5.0
"""After a failure: time for a database to come back, short beside any limit that it watches."""

log = logging.getLogger(__name__)


class Repeating:
    """Calls ``work`` every so many seconds until it is stopped. A failure is logged, and the work tried again."""

    def __init__(self, name: str, work: Callable[[], object], *, every_seconds: float) -> None:
        self.name = name
        self._work = work
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether the work should come to an end soon."""
        return self._stopping.is_set()

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when what is being done is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self._every_seconds
            try:
                self._work()
            except (OperationalError, InterfaceError, NoConnectionFree) as error:  # it comes back, or somebody is told
                log.warning("%s：数据库暂时不可用，%s 秒后再试（%s）", self.name, RETRY_SECONDS, reason_of(error))
                pause = RETRY_SECONDS
            except Exception:
                log.exception("%s 出错，%s 秒后再试", self.name, RETRY_SECONDS)
                pause = RETRY_SECONDS
            self._stopping.wait(pause)
