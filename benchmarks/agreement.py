"""How often the index in Milvus answers as the embedded one does, on real questions: and where it does not, why."""

import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from api.clock import utc_now
from benchmarks.scale import PHRASINGS, ScaleText
from benchmarks.scale_base import VECTORS
from models.errors import Unavailable
from models.values import STRANGER, Viewer
from retrieval.answering import PairReader
from retrieval.documents import Change, Result
from retrieval.embedded import EmbeddedIndex, Means, TextEncoder
from retrieval.encoder import Encoder
from retrieval.service_index import ServiceIndex
from retrieval.tokens import shipped_tokeniser
from retrieval.vector_store import VectorStore

VIEWERS = {"全部可见": Viewer(everything=True), "公众": STRANGER, "一个单位": Viewer(unit_ids=frozenset({7}))}
BATCH = 500
"""Entries written at a time."""
SHOWN = 5
ALL_CANDIDATES = 1000
"""More than both engines together nominate."""
SAME_SCORE = 1e-6
NAME = "zhida_agreement"
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Agreed:
    """One viewer."""

    viewer: str
    questions: int
    same_first: float
    same_five: float
    same_outcome: float
    same_suggestions: float
    reasons: dict[str, int]
    """Why the five differ, by question."""
    embedded_ms: float
    embedded_p95_ms: float
    milvus_ms: float
    milvus_p95_ms: float


def run(
    phrasings: int,
    most: int,
    data: Path,
    models: tuple[TextEncoder | None, TextEncoder | None, PairReader | None],
    *,
    url: str,
    say: Callable[[str], None],
) -> list[Agreed]:
    """``models``: encoder, the same one remembering, and reader. Without ``url`` on a server of Milvus Lite."""
    encoder, memory, reader = models
    text = ScaleText.read(data)
    entries = phrasings // PHRASINGS
    asked = [question.text for question in text.questions(entries, most)]
    with nullcontext(url) if url else _lite() as address:
        embedded = EmbeddedIndex(encoder, memory=memory, reader=reader)
        with closing(_Milvus(address, embedded.means, memory)) as milvus:
            documents = text.documents(entries)
            done = 0
            while batch := [Change(d.entry_id, d) for d in islice(documents, BATCH)]:
                embedded.apply(batch)
                milvus.apply(batch)
                done += len(batch)
                if done % (10 * BATCH) == 0 or done == entries:
                    say(f"已写入 {done} / {entries} 条")
            milvus.settle()
            return [_compared(name, viewer, embedded, milvus.index, asked) for name, viewer in VIEWERS.items()]


@contextmanager
def remembered(encoder: Encoder | None) -> Iterator[VectorStore | None]:
    """The encoder that remembers the vectors of the scale corpus; None without a model."""
    if encoder is None:
        yield None
        return
    with closing(VectorStore(VECTORS, encoder)) as memory:
        yield memory


def table(agreed: Sequence[Agreed]) -> str:
    """For people."""
    lines = [
        "| 谁在问 | 题数 | 首条相同 | 前五条相同 | 结论相同 | 联想相同 | 本机 p50 / p95 毫秒 | Milvus p50 / p95 毫秒 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for a in agreed:
        shares = " | ".join(f"{s:.2%}" for s in (a.same_first, a.same_five, a.same_outcome, a.same_suggestions))
        times = f"{a.embedded_ms:.1f} / {a.embedded_p95_ms:.1f} | {a.milvus_ms:.1f} / {a.milvus_p95_ms:.1f}"
        lines.append(f"| {a.viewer} | {a.questions} | {shares} | {times} |")
    for a in agreed:
        told = "；".join(f"{reason} {many} 题" for reason, many in a.reasons.items())
        lines.append(f"\n{a.viewer}：前五条不同的原因：{told or '无'}")
    return "\n".join(lines)


def summary(agreed: Sequence[Agreed], phrasings: int) -> dict[str, Any]:
    """For machines."""
    return {"phrasings": phrasings, "viewers": [asdict(one) for one in agreed]}


def _compared(name: str, viewer: Viewer, embedded: EmbeddedIndex, milvus: ServiceIndex, asked: Sequence[str]) -> Agreed:
    now = utc_now()
    first = five = outcome = suggested = 0
    reasons: Counter[str] = Counter()
    times: tuple[list[float], list[float]] = ([], [])
    for question in asked:
        one = _timed(embedded, question, viewer, now, times[0])
        other = _timed(milvus, question, viewer, now, times[1])
        mine, theirs = [h.entry_id for h in one.hits[:SHOWN]], [h.entry_id for h in other.hits[:SHOWN]]
        first += mine[:1] == theirs[:1]
        five += mine == theirs
        outcome += one.outcome is other.outcome
        typed = question[:4]
        suggested += embedded.suggest(typed, viewer, now) == milvus.suggest(typed, viewer, now)
        if mine != theirs:
            reasons[_reason(embedded, milvus, question, viewer)] += 1
    many = max(1, len(asked))
    (mine_p50, mine_p95), (their_p50, their_p95) = (np.percentile(t, [50, 95]) if t else (0.0, 0.0) for t in times)
    return Agreed(
        viewer=name,
        questions=len(asked),
        same_first=first / many,
        same_five=five / many,
        same_outcome=outcome / many,
        same_suggestions=suggested / many,
        reasons=dict(reasons),
        embedded_ms=float(mine_p50),
        embedded_p95_ms=float(mine_p95),
        milvus_ms=float(their_p50),
        milvus_p95_ms=float(their_p95),
    )


def _timed(index: ServiceIndex, question: str, viewer: Viewer, now: Any, times: list[float]) -> Result:
    started = time.perf_counter()
    result = index.search(question, viewer, now)
    times.append((time.perf_counter() - started) * 1000)
    return result


def _reason(embedded: EmbeddedIndex, milvus: ServiceIndex, question: str, viewer: Viewer) -> str:
    """Of two answers whose first five differ."""
    now = utc_now()
    mine, theirs = (
        {hit.entry_id: hit.score for hit in index.search(question, viewer, now, ALL_CANDIDATES).hits}
        for index in (embedded, milvus)
    )
    shown = {hit.entry_id for index in (embedded, milvus) for hit in index.search(question, viewer, now, SHOWN).hits}
    if shown - theirs.keys():
        return "Milvus 没有提名其中一条"
    if shown - mine.keys():
        return "本机没有提名其中一条"
    if all(abs(mine[entry] - theirs[entry]) <= SAME_SCORE for entry in shown):
        return "分数相同，次序不同"
    return "其他候选不同，牵动了相对的特征"


class _Milvus:
    """An index in Milvus that this process alone writes and searches."""

    def __init__(self, url: str, means: Means, memory: TextEncoder | None) -> None:
        try:
            from retrieval.milvus import MilvusIndex  # noqa: PLC0415 - an extra
            from retrieval.milvus_store import MilvusStore  # noqa: PLC0415
            from retrieval.milvus_writing import LoneWriter  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise Unavailable(f'没有安装 {error.name}，请运行 pip install "pymilvus>=3.0.2" milvus-lite。') from error
        self._store = MilvusStore(url, "", NAME, memory.dimension if memory else None)
        if self._store.exists():
            self._store.drop()
        self._store.create()
        self.index = MilvusIndex(self._store, means, shipped_tokeniser())
        self._writer = LoneWriter(self._store, self.index, memory)

    def apply(self, changes: Sequence[Change]) -> None:
        self._writer.apply(changes)

    def settle(self) -> None:
        self._store.settle()

    def close(self) -> None:
        self._store.drop()
        self._store.close()


@contextmanager
def _lite() -> Iterator[str]:
    """A server of Milvus Lite of our own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="zhida-milvus-") as folder:
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", f"{folder}/data"]
        with Path(folder, "log").open("wb") as log:
            server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log)
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while True:
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if server.poll() is not None or time.monotonic() > until:
                    raise Unavailable(f"Milvus Lite 没有启动：{Path(folder, 'log').read_text()[-300:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)
