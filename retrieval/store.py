"""The base of the index on disk: immutable segments and the manifests that name them, in one folder.

A segment is written whole before a manifest names it, and a manifest takes its place by renaming: whoever is killed at
whatever moment leaves the last manifest and all that it names. One process writes at a time; any number read, and
what one has opened stays readable to it when newer files take its place.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from retrieval.array_file import Damaged
from retrieval.base import Base, find_manifests, open_base, open_file
from retrieval.base_writing import Writer
from retrieval.manifest import Manifest, Versions, versions_of

__all__ = ["Base", "Busy", "Manifest", "Store", "Versions", "Writer", "versions_of"]

POLL_SECONDS = 0.05
LOCK_FILE = "writer.lock"


class Busy(Exception):
    """Another process is writing the base."""


class Store:
    """Reads the base; ``writing`` lets one process at a time change it."""

    def __init__(self, folder: Path, versions: Versions) -> None:
        self.folder = folder
        self.versions = versions
        self.refused = ""
        """Why ``newest`` took none, or not the newest, when it was last asked; empty when there was no reason."""

    def newest(self, *, before: int | None = None) -> Manifest | None:
        """The newest manifest of these versions that is whole and whose segments are there, as far as a quick look
        tells; None when there is none. ``before``: only generations older than this."""
        found = find_manifests(self.folder, self.versions, before=before, most=1)
        self.refused = found.refused
        return found.usable[0] if found.usable else None

    def open(self, manifest: Manifest) -> Base:
        """Map the segments. Raises Damaged when one of them is not there or not what the manifest says."""
        return open_base(self.folder, manifest)

    def check(self, manifest: Manifest) -> list[str]:
        """Read every byte against its checksum; a sentence for every file at fault."""
        faults = []
        for file in manifest.segments:
            try:
                open_file(self.folder, file).check()
            except (Damaged, OSError) as fault:
                faults.append(str(fault))
        return faults

    @property
    def writer(self) -> str:
        """Who is writing the base at this moment; empty when nobody is."""
        path = self.folder / LOCK_FILE
        with suppress(OSError), path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return f"进程 {lock.read().strip()}"
        return ""

    @contextmanager
    def writing(self, wait: float = 0) -> Iterator["Writer"]:
        """Be the one who writes. Raises Busy when another still is after ``wait`` seconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK_FILE).open("a+") as lock:
            until = time.monotonic() + max(wait, POLL_SECONDS)  # who only asks for the writer holds it for a moment too
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise Busy("另一个进程正在写索引，请稍后再试。") from None
                    time.sleep(min(POLL_SECONDS, 0.01 + wait / 10))
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield Writer(self.folder, self.versions)
