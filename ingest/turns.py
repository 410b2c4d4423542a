"""Reading files in turn: each fills a processor, so a few may at a time, a few more wait, and the rest come later."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import Unavailable

AT_ONCE = 2
"""A large file takes seconds and most of a core; searches need the others."""
WAITING = 4
"""Each holds one of the service's threads while it waits."""
WAIT_SECONDS = 10.0
BUSY = "正在读取其他人上传的文件，请过一会儿再试。"

_reading = threading.BoundedSemaphore(AT_ONCE)
_present = threading.BoundedSemaphore(AT_ONCE + WAITING)


@contextmanager
def a_turn() -> Iterator[None]:
    """Hold one of the places for reading. Raises Unavailable when none comes free in time."""
    if not _present.acquire(blocking=False):
        raise Unavailable(BUSY)
    try:
        if not _reading.acquire(timeout=WAIT_SECONDS):
            raise Unavailable(BUSY)
        try:
            yield
        finally:
            _reading.release()
    finally:
        _present.release()
