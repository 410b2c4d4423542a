"""What a process measures of itself every few seconds, and whether it can answer."""

from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from api.measures import Measures
from api.repeating import Repeating
from retrieval.manifest import Manifest

EVERY_SECONDS = 5.0
"""A third of what Prometheus usually leaves between two looks."""
ROLLUP = Path("/proc/self/smaps_rollup")


class State:
    """How far a process is: it answers between its start and its end, and not while it is told to stop."""

    def __init__(self) -> None:
        self.running = False
        self.draining = False
        """It was told to stop: what is under way is finished, new requests should go elsewhere."""


class Measured(Protocol):
    """What is measured of the index."""

    @property
    def delta_entries(self) -> int: ...

    def __len__(self) -> int: ...


class Following(Protocol):
    """What is measured of the follower."""

    @property
    def base(self) -> Manifest | None: ...

    @property
    def loaded(self) -> bool: ...

    def lag(self) -> int: ...

    def seconds_since_level(self) -> float: ...


class Gauging(Repeating):
    """Writes down index, follower, connections and memory of this process."""

    def __init__(self, measures: Measures, state: State, engine: Engine, index: Measured, follower: Following) -> None:
        super().__init__("gauging", self.look, every_seconds=EVERY_SECONDS)
        self._measures = measures
        self._state = state
        self._engine = engine
        self._index = index
        self._follower = follower

    def look(self) -> None:
        measures, base = self._measures, self._follower.base
        measures.ready.set(float(self._state.running and self._follower.loaded and not self._state.draining))
        measures.entries.set(len(self._index))
        measures.delta_entries.set(self._index.delta_entries)
        measures.generation.set(base.generation if base else 0)
        measures.lag.set(self._follower.seconds_since_level())
        if isinstance(self._engine.pool, QueuePool):
            measures.connections.set(self._engine.pool.checkedout(), "used")
            measures.connections.set(self._engine.pool.checkedin(), "idle")
        measures.memory.set(private_bytes())
        try:
            measures.behind.set(self._follower.lag())
        except DBAPIError:  # the lag in seconds goes on growing, and says it
            measures.behind.set(float("nan"))

    def stop(self) -> None:
        super().stop()
        self._measures.ready.set(0.0)


def private_bytes() -> float:
    """Memory of this process that no other shares; nothing known, where the system does not tell."""
    try:
        lines = ROLLUP.read_text().splitlines()
    except OSError:
        return float("nan")
    return 1024.0 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
