"""Our table of vectors beside FAISS and usearch: recall of exact, time, memory, filters, and what an update costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.engines import Built, Measured, Rows, measure, one_thread, times
from benchmarks.quality import Report
from benchmarks.scale import PHRASINGS, ScaleText
from retrieval import kernels
from retrieval.codes import SignCodes
from retrieval.embedded import TextEncoder
from retrieval.vectors import VectorTable

TOP = 10
OURS = "直答"
SHARES = (0.1, 0.01, 0.0001)
"""Of the rows that a filter leaves."""
TRAINED_ON = 50_000
"""Rows that a peer with training learns from."""
TUNED_BY = 100
"""Questions by which a peer's effort is chosen."""
PROMISED = 0.995
"""Recall that is enough for a peer where ours is higher."""
NEARLY = 0.001
_BLOCK = 4096
_BATCH = 5000
_SEED = 11

Matrix = NDArray[np.float32]
Halves = NDArray[np.float16]
Mask = NDArray[np.bool_]
Answer = Callable[[Matrix], Rows]


@dataclass(frozen=True)
class Vectors:
    """Rows of the table, questions, and the exact answers to them."""

    rows: Halves
    questions: Matrix
    exact: list[set[int]]


def run(
    sizes: Sequence[int],
    data: Path,
    encoder: TextEncoder,
    wanted: Sequence[str],
    report: Report,
    *,
    questions: int = 500,
) -> tuple[str, dict[str, Any]]:
    """A table for each size, and the figures. ``wanted``: names of PEERS.

    Raises RuntimeError when one of them fails.
    """
    one_thread()
    kernels.warm()
    tables, figures = [], {}
    for size in sizes:
        vectors = _vectors(data, encoder, size, questions, report)
        measured = [_measure(OURS, vectors, 0.0, report)]
        reached = recall(vectors, measured[0].answers)
        measured += [_measure(name, vectors, reached, report) for name in wanted]
        filtered = {share: _filtered(vectors, share) for share in SHARES}
        tables.append(_table(size, vectors, measured, filtered))
        figures[str(size)] = _figures(vectors, measured, filtered)
    return "\n\n".join(tables), {"bench": "vectors", "top": TOP, "sizes": figures}


def recall(vectors: Vectors, answers: Sequence[Rows]) -> float:
    """Share of the exact TOP that is among the answers."""
    pairs = list(zip(vectors.exact, answers, strict=False))
    return sum(len(best & {int(row) for row in found}) for best, found in pairs) / sum(len(best) for best, _ in pairs)


def _vectors(data: Path, encoder: TextEncoder, size: int, questions: int, report: Report) -> Vectors:
    """Phrasings of the scale corpus, and real questions that are not among them."""
    text = ScaleText.read(data)
    entries = -(-size // PHRASINGS)
    rows = np.empty((size, encoder.dimension), np.float16)
    pending: list[str] = []
    done = 0
    for document in text.documents(entries):
        pending += document.phrasings
        if len(pending) >= _BATCH or document.entry_id == entries:
            batch = pending[: size - done]
            rows[done : done + len(batch)] = encoder.encode(batch)
            done, pending = done + len(batch), []
    rows.flags.writeable = False
    asked = encoder.encode([q.text for q in text.questions(entries, questions)])
    report(f"{size} 个向量，{len(asked)} 个问题")
    table = VectorTable(rows, None)
    return Vectors(rows, asked, [set(map(int, table.nearest(question, TOP))) for question in asked])


def _measure(name: str, vectors: Vectors, reached: float, report: Report) -> Measured:
    measured = measure(name, lambda: BUILDERS[name](vectors, reached), list(vectors.questions))
    report(
        f"{name}：建库 {measured.build_seconds:.1f} 秒，中位数 {measured.p50:.3f} 毫秒，"
        f"召回 {recall(vectors, measured.answers):.4f}"
    )
    return measured


def ours(vectors: Vectors, reached: float) -> Built:  # noqa: ARG001 - as the others
    """The table itself; an update is a delta table of one entry and a row that is out of the mask."""
    table = VectorTable.of(vectors.rows.copy())
    allowed = np.ones(len(table), np.bool_)
    entry = vectors.rows[:PHRASINGS].copy()

    def update() -> None:
        delta = VectorTable.of(entry)
        allowed[:PHRASINGS] = False
        delta.nearest(vectors.questions[0], TOP)

    depth = "全部精确" if table.codes is None else f"按符号取 {table.codes.depth}"
    return Built(lambda question: table.nearest(question, TOP), update, depth)


def faiss_flat(vectors: Vectors, reached: float) -> Built:  # noqa: ARG001
    """FAISS IndexFlatIP over single floats."""
    faiss = _faiss()
    index = faiss.IndexFlatIP(vectors.rows.shape[1])
    _add(index, vectors.rows)
    return Built(_asked(index))


def faiss_flat_halves(vectors: Vectors, reached: float) -> Built:  # noqa: ARG001
    """FAISS scalar quantiser with half floats, full scan."""
    faiss = _faiss()
    index = faiss.IndexScalarQuantizer(vectors.rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    _add(index, vectors.rows)
    return Built(_asked(index))


def faiss_hnsw(vectors: Vectors, reached: float) -> Built:
    """FAISS HNSW, 16 neighbours, efConstruction 100; efSearch by recall."""
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(vectors.rows.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 100
    _add(index, vectors.rows)

    def effort(width: int) -> None:
        index.hnsw.efSearch = width

    chosen = _tuned(vectors, reached, effort, _asked(index), (16, 32, 64, 128, 256, 512, 1024, 2048))
    return Built(_asked(index), notes=f"efSearch {chosen}")


def faiss_ivf(vectors: Vectors, reached: float) -> Built:
    """FAISS IVF with 8-bit components; nprobe by recall."""
    faiss = _faiss()
    size, dimension = vectors.rows.shape
    lists = max(16, min(4096, int(4 * size**0.5)))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter = 6
    index.cp.max_points_per_centroid = max(40, TRAINED_ON // lists)
    index.train(_sample(vectors.rows, max(TRAINED_ON, 40 * lists)))
    _add(index, vectors.rows)
    extra = _sample(vectors.rows, PHRASINGS)

    def effort(width: int) -> None:
        index.nprobe = width

    chosen = _tuned(vectors, reached, effort, _asked(index), (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024))

    def update() -> None:
        index.add_with_ids(extra, np.arange(size, size + PHRASINGS))
        index.remove_ids(np.arange(size, size + PHRASINGS))

    return Built(_asked(index), update, f"{lists} 格，nprobe {chosen}")


def faiss_binary(vectors: Vectors, reached: float) -> Built:
    """FAISS IndexBinaryFlat over our codes, rescored by our exact cosines; depth by recall."""
    faiss = _faiss()
    table = VectorTable(vectors.rows, None)
    codes = SignCodes.of(vectors.rows)
    if codes is None:
        raise RuntimeError("这些向量的符号码达不到召回，faiss-binary 无从比较。")
    index = faiss.IndexBinaryFlat(vectors.rows.shape[1])
    index.add(np.ascontiguousarray(codes.words).view(np.uint8).reshape(len(table), -1))
    depth = [codes.depth]

    def answer(question: Matrix) -> Rows:
        asked = np.packbits(question[None] > codes.centre, axis=1, bitorder="little")
        _, near = index.search(asked, min(depth[0], len(table)))
        cosines = table.cosines(question, near[0])
        best = np.argpartition(-cosines, TOP)[:TOP]
        found: Rows = near[0][best[np.argsort(-cosines[best])]]
        return found

    def effort(width: int) -> None:
        depth[0] = width

    chosen = _tuned(vectors, reached, effort, answer, (400, 800, 1600, 3200, 4800, 6400, 9600))
    return Built(answer, notes=f"取 {chosen}")


def usearch_halves(vectors: Vectors, reached: float) -> Built:
    """usearch HNSW over half floats; expansion by recall."""
    return _usearch(vectors, reached, "f16")


def usearch_bytes(vectors: Vectors, reached: float) -> Built:
    """usearch HNSW over 8-bit components; expansion by recall."""
    return _usearch(vectors, reached, "i8")


BUILDERS: dict[str, Callable[[Vectors, float], Built]] = {
    OURS: ours,
    "faiss-flat": faiss_flat,
    "faiss-fp16": faiss_flat_halves,
    "faiss-binary": faiss_binary,
    "faiss-ivf": faiss_ivf,
    "faiss-hnsw": faiss_hnsw,
    "usearch-f16": usearch_halves,
    "usearch-i8": usearch_bytes,
}
PEERS = tuple(name for name in BUILDERS if name != OURS)
QUICK_PEERS = PEERS[:4]
"""Those that are built within a minute at a million rows."""


def _usearch(vectors: Vectors, reached: float, kind: str) -> Built:
    from usearch.index import Index  # noqa: PLC0415 - only of the bench

    size, dimension = vectors.rows.shape
    index: Any = Index(ndim=dimension, metric="ip", dtype=kind, connectivity=16, expansion_add=100)
    for start in range(0, size, _BLOCK):
        block = vectors.rows[start : start + _BLOCK].astype(np.float32)
        index.add(np.arange(start, start + len(block)), block, threads=1)
    extra = vectors.rows[0].astype(np.float32)

    def effort(width: int) -> None:
        index.expansion_search = width

    def answer(question: Matrix) -> Rows:
        found: Rows = index.search(question, TOP, threads=1).keys
        return found

    chosen = _tuned(vectors, reached, effort, answer, (16, 32, 64, 128, 256, 512, 1024, 2048))

    def update() -> None:
        for key in range(PHRASINGS):
            index.add(size + key, extra, threads=1)
            index.remove(size + key)

    return Built(answer, update, f"expansion {chosen}")


def _faiss() -> Any:
    import faiss  # noqa: PLC0415 - only of the bench

    faiss.omp_set_num_threads(1)
    return faiss


def _add(index: Any, rows: Halves) -> None:
    if not index.is_trained:
        index.train(_sample(rows, TRAINED_ON))
    for start in range(0, len(rows), _BLOCK):
        index.add(rows[start : start + _BLOCK].astype(np.float32))


def _sample(rows: Halves, size: int) -> Matrix:
    chosen = np.random.default_rng(_SEED).choice(len(rows), min(size, len(rows)), replace=False)
    return rows[np.sort(chosen)].astype(np.float32)


def _asked(index: Any) -> Answer:
    return lambda question: index.search(question[None], TOP)[1][0]


def _tuned(
    vectors: Vectors, reached: float, effort: Callable[[int], None], answer: Answer, widths: Sequence[int]
) -> int:
    """Set the least effort at which the recall is ours, PROMISED at most, or nearly the most there is; returns it."""
    found: list[float] = []
    for width in widths:
        effort(width)
        found.append(recall(vectors, [answer(question) for question in vectors.questions[:TUNED_BY]]))
        if found[-1] >= min(reached, PROMISED):
            return width
    chosen = next(width for width, value in zip(widths, found, strict=True) if value >= max(found) - NEARLY)
    effort(chosen)
    return chosen


@dataclass(frozen=True)
class Filtered:
    """Ours under a filter."""

    p50: float
    p95: float
    recall: float


def _filtered(vectors: Vectors, share: float) -> Filtered:
    allowed = np.random.default_rng(_SEED).random(len(vectors.rows)) < share
    plain = VectorTable(vectors.rows, None)
    exact = [set(map(int, plain.nearest(q, TOP, allowed))) for q in vectors.questions]

    def build() -> Built:
        table = VectorTable.of(vectors.rows)
        return Built(lambda question: table.nearest(question, TOP, allowed))

    measured = measure(OURS, build, list(vectors.questions))
    found = Vectors(vectors.rows, vectors.questions, exact)
    return Filtered(measured.p50, measured.p95, recall(found, measured.answers) if any(exact) else 1.0)


def _table(size: int, vectors: Vectors, measured: Sequence[Measured], filtered: dict[float, Filtered]) -> str:
    base = measured[0]
    lines = [
        f"**{size} 个 {vectors.rows.shape[1]} 维向量，前 {TOP} 名，{len(vectors.questions)} 问**",
        "",
        "| 索引 | 召回@10 | p50 ms | p95 ms | 直答快几倍 | 建库 s | 内存 MB | 一次更新 ms | 说明 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for m in measured:
        update = "重建" if m.update_ms is None else f"{m.update_ms:.3f}"
        lines.append(
            f"| {m.name} | {recall(vectors, m.answers):.4f} | {m.p50:.3f} | {m.p95:.3f} | {times(m.p50 / base.p50)} | "
            f"{m.build_seconds:.1f} | {m.memory_mb:.0f} | {update} | {m.notes} |"
        )
    lines += ["", "| 过滤后剩下 | 召回@10 | p50 ms | p95 ms |", "|---:|---:|---:|---:|"]
    lines += [f"| {share:.2%} | {f.recall:.4f} | {f.p50:.3f} | {f.p95:.3f} |" for share, f in filtered.items()]
    return "\n".join(lines)


def _figures(vectors: Vectors, measured: Sequence[Measured], filtered: dict[float, Filtered]) -> dict[str, Any]:
    base = measured[0]
    engines = {
        m.name: {
            "recall": round(recall(vectors, m.answers), 5),
            "p50_ms": round(m.p50, 4),
            "p95_ms": round(m.p95, 4),
            "ratio": round(m.p50 / base.p50, 2),
            "build_s": round(m.build_seconds, 2),
            "memory_mb": round(m.memory_mb, 1),
            "update_ms": None if m.update_ms is None else round(m.update_ms, 4),
            "notes": m.notes,
        }
        for m in measured
    }
    shares = {
        str(share): {"recall": round(f.recall, 5), "p50_ms": round(f.p50, 4), "p95_ms": round(f.p95, 4)}
        for share, f in filtered.items()
    }
    return {"questions": len(vectors.questions), "engines": engines, "filtered": shares}
