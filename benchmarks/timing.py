"""How long one search takes inside the process, by stage and size of the base."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks import quality
from benchmarks.datasets import Corpus, Query, read_corpus
from benchmarks.quality import Report
from benchmarks.suite import demonstration_corpus, question_sets
from retrieval.answering import PairReader
from retrieval.embedded import EmbeddedIndex
from retrieval.encoder import Encoder

STAGES = ("words", "encode", "candidates", "features", "read", "rank", "reasons")


def run(
    sizes: Sequence[int],
    questions: int,
    data: Path,
    models: tuple[Encoder | None, PairReader | None],
    report: Report,
) -> str:
    """A Markdown table: one row a size, median milliseconds of each stage and of the whole, its p95, seconds in all."""
    encoder, reader = models
    real, asked = _real_text(data, questions)
    lines = [
        f"| 条目 | {' | '.join(STAGES)} | 合计 p50 ms | p95 ms | 建库 s | {questions} 问 s |",
        "|---:|" + "---:|" * (len(STAGES) + 4),
    ]
    for size in sizes:
        index = EmbeddedIndex(encoder, reader=reader)
        corpus = _of_size(real, size)
        seconds = quality.build(index, corpus)
        report(f"{size} 条：建库 {seconds:.1f} 秒")
        quality.answer_all(index, corpus, asked[:50])
        start = perf_counter()
        answers, stages = quality.answer_all(index, corpus, asked)
        asking = perf_counter() - start
        total = np.array([answer.ms for answer in answers])
        figures = [f"{stages.get(stage, 0.0):.2f}" for stage in STAGES]
        figures += [
            f"{np.percentile(total, 50):.2f}",
            f"{np.percentile(total, 95):.2f}",
            f"{seconds:.0f}",
            f"{asking:.0f}",
        ]
        lines.append(f"| {size} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def _real_text(data: Path, questions: int) -> tuple[Corpus, list[Query]]:
    """All bases of the development data as one, or the demonstration base where they are not at hand."""
    files = sorted(data.glob("*/corpus.jsonl"))
    corpora = [read_corpus(file) for file in files] or [demonstration_corpus()]
    documents = [document for corpus in corpora for document in corpus.documents]
    asked = [query for _, queries in question_sets(data) for query in queries]
    plain = [replace(q, relevant=frozenset(), exclude=frozenset()) for q in asked]
    step = max(1, len(plain) // questions)
    return Corpus("real", (), tuple(documents)), plain[::step][:questions]


def _of_size(real: Corpus, size: int) -> Corpus:
    """``size`` entries of real text; beyond what there is, entries recur under other numbers."""
    documents = tuple(
        replace(document, entry_id=number, version_id=number)
        for number, document in enumerate(islice(cycle(real.documents), size))
    )
    return Corpus(f"{size}", tuple(map(str, range(size))), documents)
