"""The whole search at growing sizes, on the base as the service keeps it: how long, how much memory, how soon there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np

from api.clock import utc_now
from api.settings import Settings
from api.wiring import Services, build
from benchmarks.quality import Report
from benchmarks.scale import PHRASINGS, AskedQuestion, ScaleText
from benchmarks.scale_base import DATA, agent, base, environment, token
from models.values import STRANGER, Viewer
from retrieval.embedded import EmbeddedIndex, Means, TextEncoder, weights_for
from retrieval.ranker import Ranker, Thresholds
from retrieval.vectors import Matrix

STAGES = ("words", "candidates", "features", "rank", "reasons")
VIEWERS = {"全部可见": Viewer(everything=True), "公众": STRANGER}
WARMING = 30
PATIENCE = 180.0
"""Seconds that a service may take to be ready."""
ASKED_BY_HTTP = 300


class Known:
    """An encoder that has the questions' vectors at hand, so that a search is measured without encoding."""

    def __init__(self, encoder: TextEncoder, texts: Sequence[str]) -> None:
        self.dimension = encoder.dimension
        self._encoder = encoder
        self._vectors = dict(zip(texts, encoder.encode(texts), strict=True))

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:
        """A text that was mended, or a story's focus, is encoded now, and known from then on."""
        for text in texts:
            if text not in self._vectors:
                self._vectors[text] = self._encoder.encode([text], max_tokens=max_tokens)[0]
        return np.stack([self._vectors[text] for text in texts])


@dataclass(frozen=True)
class Timed:
    """One size and one viewer."""

    phrasings: int
    entries: int
    viewer: str
    p50: float
    p95: float
    stages: Mapping[str, float]
    first_place: float
    """Share of the questions whose first hit is one that people marked as the same."""
    whole_p50: float
    whole_p95: float
    """With encoding and reading."""


@dataclass(frozen=True)
class Started:
    """A service of several workers on one base, from the command to the first answer."""

    phrasings: int
    ready_s: float
    resident_mb: tuple[float, ...]
    """Of the first process and of each further one, after questions were answered."""
    private_mb: tuple[float, ...]
    """What each has for itself alone."""
    shared_mb: float
    """Resident pages of the first process that others may use too: programs and the base's files."""


def run(
    sizes: Sequence[int], questions: int, folder: Path, report: Report, *, workers: int = 2
) -> tuple[list[Timed], Started | None]:
    """Every size (phrasings), and the start of a service on the largest. Raises OSError without the data."""
    corpus = ScaleText.read(DATA)
    timed: list[Timed] = []
    settings: Settings | None = None
    for size in sizes:
        entries = size // PHRASINGS
        settings = base(folder / f"base-{entries}", entries, tell=report)
        services = build(settings)
        try:
            began = time.perf_counter()
            services.follower.catch_up()
            report(f"{size} 条问法：载入用时 {time.perf_counter() - began:.1f} 秒")
            timed += _timed(size, services, corpus.questions(entries, questions))
        finally:
            services.close()
    started = _started(sizes[-1], settings, workers, report) if settings is not None and workers else None
    return timed, started


def table(timed: Sequence[Timed], started: Started | None) -> str:
    """Markdown."""
    lines = [
        "| 问法 | 条目 | 谁在问 | p50 ms | p95 ms | "
        + " | ".join(STAGES)
        + " | 首条命中 | 含编码与精读 p50 ms | p95 ms |",
        "|---:|---:|---|" + "---:|" * (len(STAGES) + 5),
    ]
    for row in timed:
        stages = " | ".join(f"{row.stages.get(stage, 0.0):.2f}" for stage in STAGES)
        lines.append(
            f"| {row.phrasings} | {row.entries} | {row.viewer} | {row.p50:.2f} | {row.p95:.2f} | {stages} | "
            f"{row.first_place:.3f} | {row.whole_p50:.1f} | {row.whole_p95:.1f} |"
        )
    if started:
        lines += [
            "",
            f"启动（{started.phrasings} 条问法）：从命令到 /readyz 为 200 用时 {started.ready_s:.2f} 秒",
            "",
            "| 进程 | 驻留 MB | 独占 MB |",
            "|---|---:|---:|",
            *(
                f"| {'第一个' if i == 0 else f'第 {i + 1} 个'} | {resident:.0f} | {private:.0f} |"
                for i, (resident, private) in enumerate(zip(started.resident_mb, started.private_mb, strict=True))
            ),
        ]
    return "\n".join(lines)


def growth(timed: Sequence[Timed], path: Path) -> None:
    """A log-log plot of p50 and p95 over the phrasings (PNG)."""
    import matplotlib  # noqa: PLC0415 - for this alone

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(6, 4), dpi=120)
    rows = [row for row in timed if row.viewer == timed[0].viewer]
    sizes = [row.phrasings for row in rows]
    for name, values in (("p50", [r.p50 for r in rows]), ("p95", [r.p95 for r in rows])):
        axes.loglog(sizes, values, marker="o", label=name)
    axes.loglog(sizes, [rows[0].p50 * size / sizes[0] for size in sizes], linestyle=":", label="in proportion")
    axes.set_xlabel("phrasings")
    axes.set_ylabel("ms, whole search without encoding")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def _timed(size: int, services: Services, asked: Sequence[AskedQuestion]) -> list[Timed]:
    index, encoder = services.index, services.encoder
    assert isinstance(index, EmbeddedIndex)
    means = index.means
    if encoder is None:
        alone = means
    else:
        ranker = Ranker.load(weights_for(encoder, None))
        known = Known(encoder, [question.text for question in asked])
        alone = Means(known, None, ranker, Thresholds(direct=ranker.direct_threshold()))
    rows = []
    for name, viewer in VIEWERS.items():
        without = index.frozen(alone)
        ms, stages, first = _asked(without, asked, viewer)
        whole, _, _ = _asked(index, asked[: len(asked) // 4 or 1], viewer)
        rows.append(
            Timed(
                phrasings=size,
                entries=len(index),
                viewer=name,
                p50=float(np.percentile(ms, 50)),
                p95=float(np.percentile(ms, 95)),
                stages=stages,
                first_place=first,
                whole_p50=float(np.percentile(whole, 50)),
                whole_p95=float(np.percentile(whole, 95)),
            )
        )
    return rows


def _asked(
    index: EmbeddedIndex, asked: Sequence[AskedQuestion], viewer: Viewer
) -> tuple[list[float], dict[str, float], float]:
    """Milliseconds of each question, of each stage the median, and the share found in first place."""
    now = utc_now()
    for question in asked[:WARMING]:
        index.search(question.text, viewer, now, 5)
    ms: list[float] = []
    stages: dict[str, list[float]] = {}
    found = 0
    for question in asked:
        began = time.perf_counter()
        result = index.search(question.text, viewer, now, 5)
        ms.append((time.perf_counter() - began) * 1000)
        found += bool(result.hits) and result.hits[0].entry_id in question.relevant
        for stage, taken in result.timings_ms.items():
            stages.setdefault(stage, []).append(taken)
    return ms, {stage: float(np.median(taken)) for stage, taken in stages.items()}, found / max(1, len(asked))


def _started(size: int, settings: Settings, workers: int, report: Report) -> Started:
    """Start the service as a person would, wait until it is ready, ask, and look at its processes."""
    port = _free_port()
    command = [sys.executable, "-m", "api.cli", "serve", "--port", str(port), "--workers", str(workers)]
    began = time.perf_counter()
    service = subprocess.Popen(
        command,
        env={**os.environ, **environment(settings)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(service, port)
        ready = time.perf_counter() - began
        report(f"服务 {ready:.2f} 秒后可用")
        _ask_by_http(port, ScaleText.read(DATA).questions(size // PHRASINGS, ASKED_BY_HTTP))
        processes = [_memory(pid) for pid in sorted(_family(service.pid))]
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)
    processes.sort(key=lambda process: -process["Rss"])
    return Started(
        phrasings=size,
        ready_s=ready,
        resident_mb=tuple(process["Rss"] for process in processes),
        private_mb=tuple(process["Private_Clean"] + process["Private_Dirty"] for process in processes),
        shared_mb=processes[0]["Shared_Clean"] + processes[0]["Shared_Dirty"],
    )


def _wait_until_ready(service: subprocess.Popen[bytes], port: int) -> None:
    until = time.perf_counter() + PATIENCE
    while time.perf_counter() < until and service.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (HTTPError, URLError, OSError, HTTPException):
            time.sleep(0.02)
    raise TimeoutError(f"服务在 {PATIENCE:.0f} 秒内没有准备好，请看它的日志。")


def _ask_by_http(port: int, asked: Sequence[AskedQuestion]) -> None:
    for number, question in enumerate(asked):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/search",
            data=json.dumps({"query": question.text}).encode(),
            headers={
                "Authorization": f"Bearer {token(agent(1 + number % 50))}",
                "Content-Type": "application/json",
            },
        )
        with suppress(HTTPError), urllib.request.urlopen(request, timeout=30) as response:  # a 503 is no answer
            response.read()


def _family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(member for child in children.read_text().split() for member in _family(int(child)))]


def _memory(pid: int) -> dict[str, float]:
    """Megabytes, as the kernel adds them up."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {name: int(value.split()[0]) / 1024 for name, value in (line.split(":") for line in lines)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
