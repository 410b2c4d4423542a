"""What the service counts about itself, in the text form that Prometheus reads.

Each family lives in memory that is shared by the processes of one service: it is taken before they part, each writes
its own row, and whoever is asked adds up all rows. Nothing of it is a file, so nothing stale is left behind.
"""

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the classes that times are counted in."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
OTHER = "other"
"""Takes the place of label values that were not foreseen: a stranger cannot make the page grow."""


@dataclass(frozen=True)
class _Family:
    name: str
    help: str
    kind: str
    labels: Labels
    cells: Mapping[Labels, int]
    """The first cell of each series."""
    rows: NDArray[np.float64]
    """(processes, cells)."""
    edges: tuple[float, ...] = ()


class Counter:
    """A number that only grows, for each combination of labels; the processes' numbers are added."""

    def __init__(self, metrics: "Metrics", family: _Family) -> None:
        self._metrics = metrics
        self._family = family

    def add(self, *labels: str, amount: float = 1.0) -> None:
        cell = _cell_of(self._family, labels)
        if cell is not None:
            self._metrics.grow(self._family.rows, cell, amount)


class Gauge:
    """A number that goes up and down; each process has its own, told apart by the label ``worker``."""

    def __init__(self, metrics: "Metrics", family: _Family) -> None:
        self._metrics = metrics
        self._family = family

    def set(self, value: float, *labels: str) -> None:
        cell = _cell_of(self._family, labels)
        if cell is not None:
            self._family.rows[self._metrics.place, cell] = value


class Histogram:
    """Times in seconds, counted by class; the processes' numbers are added."""

    def __init__(self, metrics: "Metrics", family: _Family) -> None:
        self._metrics = metrics
        self._family = family

    def observe(self, seconds: float, *labels: str) -> None:
        cell = _cell_of(self._family, labels)
        if cell is not None:
            edges = self._family.edges
            self._metrics.grow(self._family.rows, cell + bisect_left(edges, seconds), 1.0)
            self._metrics.grow(self._family.rows, cell + len(edges) + 1, seconds)


class Metrics:
    """The families of one service. ``places``: how many processes write; each calls ``take_place`` once."""

    def __init__(self, places: int = 1) -> None:
        self.place = 0
        self._places = places
        self._families: dict[str, _Family] = {}
        self._lock = threading.Lock()

    def take_place(self, place: int) -> None:
        """This process writes row ``place`` from now on. Counters of a process that died before it go on."""
        self.place = place
        self._lock = threading.Lock()

    def counter(self, name: str, help_text: str, labels: Labels = (), series: Iterable[Labels] = ((),)) -> Counter:
        return Counter(self, self._family(name, help_text, "counter", labels, series))

    def gauge(self, name: str, help_text: str, labels: Labels = (), series: Iterable[Labels] = ((),)) -> Gauge:
        return Gauge(self, self._family(name, help_text, "gauge", labels, series))

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Labels = (),
        series: Iterable[Labels] = ((),),
        edges: tuple[float, ...] = SECONDS,
    ) -> Histogram:
        return Histogram(self, self._family(name, help_text, "histogram", labels, series, edges=edges))

    def grow(self, rows: NDArray[np.float64], cell: int, amount: float) -> None:
        """Threads of one process take turns; no other process writes this row."""
        with self._lock:
            rows[self.place, cell] += amount

    def forget(self, place: int) -> None:
        """The process of that row is gone: what it last measured is true no more, what it counted stays."""
        for family in self._families.values():
            if family.kind == "gauge":
                family.rows[place, :] = np.nan

    def text(self) -> str:
        """Every number, over all processes."""
        return "".join(line + "\n" for family in self._families.values() for line in _lines(family))

    def _family(
        self,
        name: str,
        help_text: str,
        kind: str,
        labels: Labels,
        series: Iterable[Labels],
        *,
        edges: tuple[float, ...] = (),
    ) -> _Family:
        """The family of that name. Declared again with more series, it begins anew."""
        keys = tuple(dict.fromkeys(series))
        known = self._families.get(name)
        if known is not None and tuple(known.cells) == keys:
            return known
        width = len(edges) + 2 if edges else 1
        rows = _shared_rows(self._places, width * len(keys))
        if kind == "gauge":
            rows[:] = np.nan
        cells = {key: number * width for number, key in enumerate(keys)}
        family = _Family(name, help_text, kind, labels, cells, rows, edges)
        self._families[name] = family
        return family


def _shared_rows(rows: int, cells: int) -> NDArray[np.float64]:
    """Zeros that stay common to this process and those that it forks."""
    memory = mmap.mmap(-1, max(1, rows * cells) * 8)
    return np.frombuffer(memory, dtype=np.float64, count=rows * cells).reshape(rows, cells)


def _cell_of(family: _Family, labels: Labels) -> int | None:
    """The series' first cell; that of OTHER where it was not foreseen, None where there is none for others."""
    cell = family.cells.get(labels)
    return cell if cell is not None else family.cells.get((OTHER,) * len(family.labels))


def _lines(family: _Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    if family.kind == "gauge":
        for key, cell in family.cells.items():
            for place, value in enumerate(family.rows[:, cell]):
                if not np.isnan(value):
                    yield _line(family.name, (*family.labels, "worker"), (*key, str(place)), float(value))
        return
    totals = family.rows.sum(axis=0)
    for key, cell in family.cells.items():
        if family.kind == "counter":
            if totals[cell] or len(family.cells) == 1:
                yield _line(family.name, family.labels, key, float(totals[cell]))
            continue
        counts = totals[cell : cell + len(family.edges) + 1].cumsum()
        if not counts[-1]:
            continue
        for edge, count in zip((*map(str, family.edges), "+Inf"), counts, strict=True):
            yield _line(f"{family.name}_bucket", (*family.labels, "le"), (*key, edge), float(count))
        yield _line(f"{family.name}_sum", family.labels, key, float(totals[cell + len(family.edges) + 1]))
        yield _line(f"{family.name}_count", family.labels, key, float(counts[-1]))


def _line(name: str, labels: Sequence[str], values: Sequence[str], number: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(labels, values, strict=True))
    shown = str(int(number)) if number.is_integer() else repr(number)
    return f"{name}{{{pairs}}} {shown}" if pairs else f"{name} {shown}"


def _escaped(value: str) -> str:
    """As the format of Prometheus wants it in quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
