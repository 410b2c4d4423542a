"""``make bench``: every set with questions, beside three plain baselines in the same run."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from benchmarks import quality
from benchmarks.baselines import Cosine, ReciprocalRanks, Words
from benchmarks.datasets import Corpus, Query, read_corpus, read_queries
from benchmarks.quality import Report
from retrieval.documents import Index
from retrieval.embedded import EmbeddedIndex
from retrieval.encoder import Encoder
from retrieval.tokens import Tokeniser

COLUMNS = (
    "R@1", "R@3", "R@10", "MRR@10", "direct_rate", "wrong_direct", "precision_of_direct", "abstain_on_unanswerable",
    "best_direct_rate_p95", "auroc_top1", "ece_top1", "p50_ms", "p95_ms",
)  # fmt: skip
NOT_OF_BASELINES = (
    "direct_rate", "wrong_direct", "precision_of_direct", "abstain_on_unanswerable", "p50_ms", "p95_ms",
)  # fmt: skip
"""A baseline has no threshold of its own, and remembers the scores of a question that is asked again."""
DEMONSTRATION_QUESTIONS = Path(__file__).parent / "demonstration"


def run(data: Path, encoder: Encoder | None, report: Report) -> str:
    """Markdown: one table a set. Near-miss questions are the answerable ones again with their entries hidden."""
    parts = [_heading(encoder)]
    sets = [
        (read_corpus(folder / "corpus.jsonl"), read_queries(folder / "queries.jsonl"))
        for folder in sorted(data.glob("*"))
        if (folder / "corpus.jsonl").exists() and (folder / "queries.jsonl").exists()
    ]
    for split in ("dev", "held"):
        base = demonstration_corpus()
        sets.append((replace(base, name=f"{base.name}（{split}）"), demonstration_queries(split)))
    strangers = read_queries(data / "ood" / "queries.jsonl") if (data / "ood" / "queries.jsonl").exists() else []
    if not data.exists():
        report(f"没有 {data}，只测演示库")
    for corpus, queries in sets:
        parts.append(_table(corpus, queries, strangers, encoder, report))
    return "\n\n".join(parts)


def demonstration_corpus() -> Corpus:
    """The demonstration base, shipped with the package."""
    folder = Path(str(files("ingest"))) / "demonstration"
    paths = sorted((folder / "entries").glob("*.jsonl"))
    corpus = read_corpus(*paths, name="演示库")
    regions = [json.loads(line)["region"] for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    city = next(iter(Counter(regions).most_common(1)))[0]
    places = {region: (region, city) for region in regions} | {city: tuple(sorted(set(regions)))}
    documents = [replace(d, places=places[r]) for d, r in zip(corpus.documents, regions, strict=True)]
    return replace(corpus, documents=tuple(documents))


def demonstration_queries(split: str = "") -> list[Query]:
    """The demonstration base's own test questions; ``split`` 'dev' (seen in tuning) or 'held' (not) for a part."""
    queries = read_queries(*sorted(DEMONSTRATION_QUESTIONS.glob("*.jsonl")))
    return [q for q in queries if split in ("", q.split)]


def near_misses(queries: Sequence[Query]) -> list[Query]:
    """Each answerable question once more with its entries hidden: the topic may be there, the answer is not."""
    return [
        replace(q, id=f"{q.id}#hidden", relevant=frozenset(), exclude=q.exclude | q.relevant, answerable=False)
        for q in queries
        if q.answerable
    ]


def _table(
    corpus: Corpus, queries: Sequence[Query], strangers: Sequence[Query], encoder: Encoder | None, report: Report
) -> str:
    hidden = near_misses(queries)
    lines = [
        f"### {corpus.name}：{len(corpus.documents)} 条，{len(queries)} 问，"
        f"近似而无答案 {len(hidden)} 问，域外 {len(strangers)} 问",
        "",
        f"| 方法 | {' | '.join(COLUMNS)} | 域外直接答复 |",
        "|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    for name, index in _methods(encoder):
        seconds = quality.build(index, corpus)
        answers, _ = quality.answer_all(index, corpus, [*queries, *hidden])
        row = quality.summary([*queries, *hidden], answers)
        outside, _ = quality.answer_all(index, corpus, strangers)
        if name != "直答":
            row |= dict.fromkeys(NOT_OF_BASELINES)
        report(f"{corpus.name} {name}：建库 {seconds:.1f} 秒，R@1 {row['R@1']}")
        direct = sum(answer.direct for answer in outside) if name == "直答" else None
        lines.append(f"| {name} | {' | '.join(_cell(row[c]) for c in COLUMNS)} | {_cell(direct)} |")
    return "\n".join(lines)


def _methods(encoder: Encoder | None) -> list[tuple[str, Index]]:
    words = Words(Tokeniser())
    if encoder is None:
        return [("BM25 词语", words), ("直答", EmbeddedIndex(None))]
    cosine = Cosine(encoder)
    fused = ReciprocalRanks(words, cosine)
    return [("BM25 词语", words), ("向量余弦", cosine), ("两者 RRF", fused), ("直答", EmbeddedIndex(encoder))]


def _heading(encoder: Encoder | None) -> str:
    model = encoder.name if encoder else "无模型，仅按词语"
    return (
        f"模型：{model}。每集的问题一半有答案，一半为同样的问题而隐去其条目（不应答）；"
        "R@k、MRR 只计有答案的问题；best_direct_rate_p95 为单一阈值下精度不低于 0.95 时最高的直接答复率。"
    )


def _cell(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
