"""One base, one set of questions: what the service answers, in a file, and how good that is, in one line."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.datasets import Corpus, Query
from benchmarks.measures import Answered, figures, judge
from kb_admin.bench_figures import DEPTH
from models.values import Outcome, Viewer
from retrieval.documents import Change, Index

SCORE_DIGITS = 6

Report = Callable[[str], None]


def build(index: Index, corpus: Corpus) -> float:
    """Put the whole base into an empty index; returns the seconds it took."""
    start = perf_counter()
    index.apply([Change(document.entry_id, document) for document in corpus.documents])
    return perf_counter() - start


def answer_all(
    index: Index, corpus: Corpus, queries: Sequence[Query], report: Report = lambda _: None
) -> tuple[list[Answered], dict[str, float]]:
    """Ask every question as an agent with full rights; also the median milliseconds of each stage."""
    number_of = {key: number for number, key in enumerate(corpus.ids)}
    now = datetime.now(UTC)
    answers: list[Answered] = []
    stages: dict[str, list[float]] = {}
    for done, query in enumerate(queries, 1):
        hidden = frozenset(number_of[key] for key in query.exclude if key in number_of)
        start = perf_counter()
        result = index.search(query.text, Viewer(everything=True, hidden_entry_ids=hidden), now, DEPTH)
        took = (perf_counter() - start) * 1000
        hits = tuple((corpus.ids[hit.entry_id], round(hit.score, SCORE_DIGITS)) for hit in result.hits)
        answers.append(Answered(query.id, hits, result.outcome is Outcome.DIRECT, took))
        for stage, ms in result.timings_ms.items():
            stages.setdefault(stage, []).append(ms)
        if done % 500 == 0:
            report(f"已提问 {done}/{len(queries)}")
    return answers, {stage: float(np.median(ms)) for stage, ms in stages.items()}


def summary(queries: Sequence[Query], answers: Sequence[Answered]) -> dict[str, float | int | None]:
    """All figures of ``benchmarks.measures`` and the milliseconds of a question, rounded for reading."""
    row = figures(judge(queries, answers))
    milliseconds = np.array([answer.ms for answer in answers] or [0.0])
    row["p50_ms"] = float(np.percentile(milliseconds, 50))
    row["p95_ms"] = float(np.percentile(milliseconds, 95))
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def write_results(path: Path, answers: Sequence[Answered]) -> None:
    """One line a question: ``{"id","hits":[{"id","score"}…],"direct","ms"}``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for answer in answers:
            hits = [{"id": key, "score": score} for key, score in answer.hits]
            line = {"id": answer.id, "hits": hits, "direct": answer.direct, "ms": round(answer.ms, 3)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
