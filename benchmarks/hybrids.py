"""Our whole search against complete hybrids, on the same texts and the same encoder's vectors. ``zhida bench hybrids``.

Each engine is built and asked in a process of its own, the questions in one order, one at a time. Encoding is left out
everywhere: vectors of questions are there beforehand. Peers hold what is valid today and nothing else, so they need no
filter; ours holds all and filters.
"""

import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scale_base
from benchmarks.encoders import open_encoder, open_reader
from benchmarks.hybrid_peers import KEPT, Asked, Haystack, MilvusLite, Peer, Rows
from benchmarks.hybrid_postgresql import PostgreSQL
from benchmarks.hybrid_texts import KINDS, Question, Texts, gather
from benchmarks.quality import Report
from models.errors import Unavailable
from models.values import Viewer
from retrieval.documents import Change
from retrieval.embedded import ANSWER_TOKENS, EmbeddedIndex
from retrieval.encoder import Encoder
from retrieval.tokens import shipped_tokeniser
from retrieval.vector_store import VectorStore
from retrieval.vectors import Matrix

PEERS: dict[str, Callable[[Path], Peer]] = {
    "Milvus Lite": MilvusLite,
    "PostgreSQL + pgvector": PostgreSQL,
    "haystack": Haystack,
}
OURS = {"直答": True, "直答，不精读": False}
"""Whether the best few are read anew."""
WARM = 20
"""Questions asked before time is taken."""
SPAWN = multiprocessing.get_context("spawn")


Place = tuple[str, int | None]
"""Kind of a question, and where its first right entry stands, from 0; None: not among the first ten."""


@dataclass(frozen=True)
class Outcome:
    """One way of searching one build."""

    engine: str
    build_seconds: float
    memory_mb: float
    """Grown by the build, servers included; the texts and vectors that it was handed are not counted."""
    milliseconds: tuple[float, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Task:
    """What an engine is measured on."""

    size: int
    """Phrasings."""
    questions: int
    seconds: float
    """An engine is asked no longer than that, in each of its ways."""
    folder: Path


def run(task: Task, engines: Sequence[str], tell: Report) -> list[Outcome]:
    """All engines, one after the other. Raises Unavailable without an encoder."""
    outcomes: list[Outcome] = []
    task.folder.mkdir(parents=True, exist_ok=True)
    for name in engines:
        tell(f"{name}：建库")
        ours, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=_measure, args=(name, task, theirs))
        process.start()
        theirs.close()
        try:
            outcomes += ours.recv()
        except EOFError:
            process.join()
            raise Unavailable(f"{name} 没有测成（进程退出码 {process.exitcode}），原因见上。") from None
        process.join()
        tell(_line(outcomes[-1]))
    return outcomes


def _measure(name: str, task: Task, told: Any) -> None:
    encoder = open_encoder(None, threads=1)
    if encoder is None:
        raise Unavailable("混合检索的比较要用语义模型。")
    texts = gather(task.size, task.questions, scale_base.DATA)
    with closing(VectorStore(scale_base.VECTORS, encoder)) as known:
        told.send(_ours(name, texts, encoder, known) if name in OURS else _peer(name, task, texts, encoder, known))


class _LookedUp:
    """The encoder, with the vectors of questions there beforehand; how long it took to encode others."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[tuple[str, int | None], Matrix] = {}

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:
        keys = [(text, max_tokens) for text in texts]
        for key in keys:
            if key not in self._known:
                self._known[key] = self._encoder.encode([key[0]], max_tokens=max_tokens)[0]
        return np.array([self._known[key] for key in keys])


def _ours(name: str, texts: Texts, encoder: Encoder, known: VectorStore) -> list[Outcome]:
    changes = [Change(document.entry_id, document) for document in texts.documents]
    before, began = _memory([]), time.perf_counter()
    index = EmbeddedIndex(_LookedUp(encoder), memory=known, reader=open_reader(encoder, wanted=OURS[name]))
    index.apply(changes)
    took = time.perf_counter() - began
    now = datetime.now(UTC)

    def ask(question: Question) -> list[int]:
        return [hit.entry_id for hit in index.search(question.text, Viewer(everything=True), now, KEPT).hits]

    for question in texts.questions:  # so that the vectors of what it looks for are there
        ask(question)
    grown = _memory([]) - before
    return [Outcome(name, took, grown, *_timed(ask, texts.questions, float("inf")))]


def _peer(name: str, task: Task, texts: Texts, encoder: Encoder, known: VectorStore) -> list[Outcome]:
    rows = _rows(texts, known)
    cut = shipped_tokeniser().content_words
    vectors = encoder.encode([question.text for question in texts.questions])
    asked = {
        question: Asked(question.text, cut(question.text), vector)
        for question, vector in zip(texts.questions, vectors, strict=True)
    }
    before = _memory([])
    peer = PEERS[name](task.folder)
    try:
        began = time.perf_counter()
        peer.build(rows)
        took = time.perf_counter() - began
        outcomes = []
        for way in peer.ways:

            def ask(question: Question, way: str = way) -> list[int]:
                return peer.search(asked[question], way)

            for question in texts.questions[:WARM]:
                ask(question)
            timed = _timed(ask, texts.questions, task.seconds)
            outcomes.append(Outcome(f"{name}，{way}", took, _memory(peer.process_ids()) - before, *timed))
        return outcomes
    finally:
        peer.close()


def _rows(texts: Texts, known: VectorStore) -> Rows:
    """What a peer holds of the documents: every phrasing, and every answer as one more of the entry's texts."""
    valid = [document for document in texts.documents if document.valid_to is None]
    phrasings = [(phrasing, document.entry_id) for document in valid for phrasing in document.phrasings]
    answers = [(document.answer, document.entry_id) for document in valid if document.answer.strip()]
    told = [text for text, _ in phrasings], [text for text, _ in answers]
    return Rows(
        texts=[*told[0], *told[1]],
        words=[shipped_tokeniser().content_words(text) for some in told for text in some],
        vectors=np.concatenate([known.encode(told[0]), known.encode(told[1], max_tokens=ANSWER_TOKENS)]),
        entry_ids=[entry_id for _, entry_id in (*phrasings, *answers)],
    )


def _timed(
    ask: Callable[[Question], list[int]], questions: Sequence[Question], seconds: float
) -> tuple[tuple[float, ...], tuple[Place, ...]]:
    """Milliseconds of each question, and where its first right entry stands."""
    until = time.perf_counter() + seconds
    milliseconds: list[float] = []
    places: list[Place] = []
    for question in questions:
        began = time.perf_counter()
        found = ask(question)
        ended = time.perf_counter()
        milliseconds.append((ended - began) * 1000)
        place = next((i for i, entry_id in enumerate(found) if entry_id in question.relevant), None)
        places.append((question.kind, place))
        if ended > until:
            break
    return tuple(milliseconds), tuple(places)


def _memory(process_ids: Sequence[int]) -> float:
    """MB that this process holds, and those with all their children: pages held together are shared out."""
    waiting, held = ["self", *map(str, process_ids)], 0.0
    while waiting:
        place = Path("/proc") / waiting.pop()
        rollup = (place / "smaps_rollup").read_text()
        held += sum(int(row.split()[1]) for row in rollup.splitlines() if row.startswith("Pss:")) / 1024
        if place.name != "self":
            for thread in (place / "task").iterdir():
                waiting += (thread / "children").read_text().split()
    return held


def figures(places: Sequence[Place], kind: str) -> dict[str, float]:
    """R@1, R@10 and MRR@10 of the questions of one kind."""
    ranks = [place for of_kind, place in places if of_kind == kind]
    found = [rank for rank in ranks if rank is not None]
    asked = max(1, len(ranks))
    return {
        "r1": round(sum(rank == 0 for rank in found) / asked, 4),
        "r10": round(len(found) / asked, 4),
        "mrr10": round(sum(1 / (rank + 1) for rank in found) / asked, 4),
    }


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: every way of every engine, then each peer beside ours on the questions that it had time for."""
    ours = [outcome for outcome in outcomes if outcome.engine in OURS]
    peers = [outcome for outcome in outcomes if outcome.engine not in OURS]
    columns = [f"{kind} {name}" for kind in KINDS for name in ("R@1", "R@10", "MRR@10")]
    head = f"| 系统 | 问题 | {' | '.join(columns)} | p50 ms | p95 ms | 建库 s | 内存 MB |"
    beside = [f"{kind} R@1 / MRR@10 之差" for kind in KINDS]
    return "\n".join(
        [
            *(head, "|---|" + "---:|" * (5 + len(columns)), *map(_line, outcomes), ""),
            f"| 直答 | 对照 | 快几倍（p50） | {' | '.join(beside)} |",
            "|---|---|" + "---:|" * (1 + len(beside)),
            *(_compared(one, peer) for one in ours for peer in peers),
        ]
    )


def _line(outcome: Outcome) -> str:
    ms = outcome.milliseconds
    values = [outcome.engine, str(len(ms))]
    values += [f"{figure:.3f}" for kind in KINDS for figure in figures(outcome.places, kind).values()]
    values += [f"{np.percentile(ms, 50):.2f}", f"{np.percentile(ms, 95):.2f}"]
    return "| " + " | ".join([*values, f"{outcome.build_seconds:.0f}", f"{outcome.memory_mb:.0f}"]) + " |"


def beside(ours: Outcome, peer: Outcome) -> dict[str, Any]:
    """How many times faster ours is, and how much better by kind of question: on those that the peer had time for."""
    asked = len(peer.places)
    told: dict[str, Any] = {"ours": ours.engine, "peer": peer.engine}
    told["times_faster"] = round(float(np.median(peer.milliseconds) / np.median(ours.milliseconds[:asked])), 2)
    for kind in KINDS:
        one, other = figures(ours.places[:asked], kind), figures(peer.places, kind)
        told[kind] = {name: round(one[name] - other[name], 4) for name in one}
    return told


def _compared(ours: Outcome, peer: Outcome) -> str:
    told = beside(ours, peer)
    gains = [f"{told[kind]['r1']:+.3f} / {told[kind]['mrr10']:+.3f}" for kind in KINDS]
    return f"| {ours.engine} | {peer.engine} | {told['times_faster']:.1f} | {' | '.join(gains)} |"


def summary(task: Task, outcomes: Sequence[Outcome]) -> str:
    """The last line: one JSON object."""
    ours = [outcome for outcome in outcomes if outcome.engine in OURS]
    engines = [
        {
            "engine": outcome.engine,
            "questions": len(outcome.milliseconds),
            "p50_ms": round(float(np.percentile(outcome.milliseconds, 50)), 3),
            "p95_ms": round(float(np.percentile(outcome.milliseconds, 95)), 3),
            "build_s": round(outcome.build_seconds, 1),
            "memory_mb": round(outcome.memory_mb),
            **{kind: figures(outcome.places, kind) for kind in KINDS},
        }
        for outcome in outcomes
    ]
    compared = [beside(one, peer) for one in ours for peer in outcomes if peer not in ours]
    settings = {name: value for name, value in asdict(task).items() if name != "folder"}
    return json.dumps({**settings, "engines": engines, "compared": compared}, ensure_ascii=False)
