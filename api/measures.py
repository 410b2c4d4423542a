"""What this service measures of itself: the names in docs/operations.md, each with its meaning."""

from collections.abc import Mapping, Sequence
from typing import Literal

from api.metrics import OTHER, Metrics
from models.values import Outcome

STATUSES = tuple(
    str(code)
    for code in (
        *(200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308),
        *(400, 401, 403, 404, 405, 408, 409, 413, 415, 416, 422, 429, 500, 502, 503, 504),
    )
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STAGES = ("words", "encode", "candidates", "features", "read", "rank", "reasons")
"""Stages of a search that have a series of their own; a new one counts as other until it is named here."""
STAGE_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SUGGEST_SECONDS = (0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
QUEUES = ("search", "suggest", "page")
"""The queues that requests wait in."""
Refusal = Literal["full", "late"]
"""No place left to wait in; or waited as long as anybody may."""


class Measures:
    """The families, for all who have something to count."""

    def __init__(self, places: int = 1) -> None:
        """``places``: as of Metrics."""
        self.metrics = Metrics(places)
        counter, gauge, histogram = self.metrics.counter, self.metrics.gauge, self.metrics.histogram
        self.declare_routes(())
        stages = [(stage,) for stage in (*STAGES, OTHER)]
        self._stages = histogram(
            "zhida_search_stage_seconds", "Time of each stage of a search.", ("stage",), stages, STAGE_SECONDS
        )
        self._outcomes = counter(
            "zhida_search_outcomes_total", "Answered questions by outcome.", ("outcome",), [(o.value,) for o in Outcome]
        )
        self.suggest = histogram("zhida_suggest_seconds", "Time of suggestions in the index.", edges=SUGGEST_SECONDS)
        queues = [(queue,) for queue in QUEUES]
        self.waiting = gauge("zhida_queue_waiting", "Requests that wait for their turn.", ("queue",), queues)
        self.under_way = gauge("zhida_queue_running", "Requests that are being worked on.", ("queue",), queues)
        self.waited = histogram("zhida_queue_wait_seconds", "How long requests waited.", ("queue",), queues)
        reasons = [(queue, reason) for queue in QUEUES for reason in ("full", "late")]
        self.refused = counter(
            "zhida_refused_total", "Requests refused with 503 because too many wait.", ("queue", "reason"), reasons
        )
        self.entries = gauge("zhida_index_entries", "Entries that can be found.")
        self.delta_entries = gauge("zhida_index_delta_entries", "Entries changed since the base of the index.")
        self.generation = gauge("zhida_index_generation", "Number of the base of the index on disk.")
        self.behind = gauge("zhida_index_behind_changes", "Changes that have not reached the index.")
        self.lag = gauge("zhida_index_lag_seconds", "How long the oldest of them may have waited.")
        self.connections = gauge(
            "zhida_database_connections", "Connections of the pool.", ("state",), [("used",), ("idle",)]
        )
        self.memory = gauge("zhida_private_memory_bytes", "Memory of the process that it shares with no other.")
        self.ready = gauge("zhida_ready", "1 while the process can answer, else 0.")
        self.worker_starts = counter(
            "zhida_worker_starts_total", "Workers started by reason.", ("reason",), [("start",), ("died",)]
        )

    def declare_routes(self, routes: Sequence[tuple[str, str]]) -> None:
        """``routes``: method and path template of every route of the application."""
        known = [*routes, *((method, OTHER) for method in METHODS), (OTHER, OTHER)]
        self._requests = self.metrics.counter(
            "zhida_requests_total",
            "Answered requests.",
            ("method", "route", "status"),
            [(*route, status) for route in known for status in (*STATUSES, OTHER)],
        )
        self._request_seconds = self.metrics.histogram(
            "zhida_request_seconds", "Time until the answer had left.", ("method", "route"), known
        )
        self._routes = frozenset(known)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answered request; ``route`` is the path's template, never the path that was asked for."""
        key = (method, route)
        if key not in self._routes:
            key = (method, OTHER) if method in METHODS else (OTHER, OTHER)
        shown = str(status)
        self._requests.add(*key, shown if shown in STATUSES else OTHER)
        self._request_seconds.observe(seconds, *key)

    def count_search(self, outcome: Outcome, timings_ms: Mapping[str, float]) -> None:
        """One search, by its stages."""
        self._outcomes.add(outcome.value)
        for stage, milliseconds in timings_ms.items():
            self._stages.observe(milliseconds / 1000, stage)
