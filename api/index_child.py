"""The process that writes the index to disk: a child, so that its memory and its processor time are its own."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from api.settings import Settings
from models.errors import Unavailable

SENT = ("data_folder", "database_url", "model")
"""What the child must know of the settings; the rest it takes from the environment that it inherits."""
ENDS_WITHIN_SECONDS = 20
"""After it was told to stop; then it is killed. Wherever that befalls it, the base is whole."""


class IndexChild:
    """``zhida index …`` as a child of this process, one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stops = 0

    @property
    def process_id(self) -> int | None:
        """While one runs."""
        process = self._process
        return None if process is None else process.pid

    def run(self, arguments: Sequence[str], tell: Callable[[str], None] = lambda _: None) -> None:
        """Returns when it has done its work; raises Unavailable, with its last words, when it has not.

        ``tell`` gets each line that it says on the way.
        """
        stops = self._stops
        with self._lock:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "api.start", "index", *arguments, "--as-child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
            self._process = process
            if self._stops != stops:  # told while this one waited for its turn
                process.terminate()
            try:
                said = self._listen(process, tell)
            finally:
                self._process = None
        if process.returncode:
            ended = f"（代码 {process.returncode}）" if process.returncode > 0 else f"（信号 {-process.returncode}）"
            raise Unavailable(said or f"写索引的进程中途结束{ended}。")

    def stop(self) -> None:
        """End the one that runs, if any, and those that wait for their turn."""
        self._stops += 1
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _listen(self, process: "subprocess.Popen[str]", tell: Callable[[str], None]) -> str:
        """What it said last."""
        assert process.stdin is not None
        assert process.stdout is not None
        settings = {name: str(value) for name, value in self._settings.model_dump(include=set(SENT)).items()}
        with suppress(BrokenPipeError), process.stdin as to_child:
            to_child.write(json.dumps(settings))
        last = ""
        with process.stdout as from_child:
            for line in from_child:
                if line := line.strip():
                    tell(line)
                    last = line
        process.wait()
        return last
