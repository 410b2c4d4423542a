"""``make bench``: every set with questions, beside three plain baselines in the same run."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from benchmarks import quality
from benchmarks.baselines import Cosine, Mixture, ReciprocalRanks, Words
from benchmarks.datasets import Corpus, Query, read_corpus, read_queries
from benchmarks.quality import Report
from retrieval.answering import PairReader
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
QUESTIONS = Path(__file__).parent / "questions"
"""Our own questions: of the demonstration base, and of bases in the data folder that came without."""
DEMONSTRATION = "demonstration"
OURS = "直答"


def run(data: Path, encoder: Encoder | None, reader: PairReader | None, report: Report, *, held: bool = False) -> str:
    """Markdown: one table a set, with hidden entries and, where there are any, with near-misses written for it.

    ``held``: the demonstration base by the questions that nothing was tuned on, instead of its development questions.
    """
    parts = [_heading(encoder, reader)]
    strangers = read_queries(data / "ood" / "queries.jsonl") if (data / "ood" / "queries.jsonl").exists() else []
    if not data.exists():
        report(f"没有 {data}，只测演示库")
    for corpus, queries in question_sets(data):
        wanted = "held" if held else "dev"
        own = corpus.name == DEMONSTRATION
        asked = [q for q in queries if q.split in ("", wanted) or (not own and q.split != "train")]
        parts.append(_tables(corpus, asked, _Run(encoder, reader, strangers, report)))
    return "\n\n".join(parts)


def question_sets(data: Path | None) -> Iterator[tuple[Corpus, list[Query]]]:
    """Every base that there are questions for, the demonstration base last; without ``data`` that alone."""
    for folder in sorted(data.glob("*")) if data else ():
        asked = next((p for p in (folder / "queries.jsonl", QUESTIONS / f"{folder.name}.jsonl") if p.exists()), None)
        if (folder / "corpus.jsonl").exists() and asked:
            yield read_corpus(folder / "corpus.jsonl"), read_queries(asked)
    yield demonstration_corpus(), demonstration_queries()


def demonstration_corpus() -> Corpus:
    """The demonstration base, shipped with the package."""
    folder = Path(str(files("ingest"))) / "demonstration"
    paths = sorted((folder / "entries").glob("*.jsonl"))
    corpus = read_corpus(*paths, name=DEMONSTRATION)
    regions = [json.loads(line)["region"] for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    city = next(iter(Counter(regions).most_common(1)))[0]
    places = {region: (region, city) for region in regions} | {city: tuple(sorted(set(regions)))}
    documents = [replace(d, places=places[r]) for d, r in zip(corpus.documents, regions, strict=True)]
    return replace(corpus, documents=tuple(documents))


def demonstration_queries(*splits: str) -> list[Query]:
    """Our questions to the demonstration base, of the given splits (train, dev, held) or all."""
    queries = read_queries(QUESTIONS / f"{DEMONSTRATION}.jsonl")
    return [q for q in queries if not splits or q.split in splits]


def near_misses(queries: Sequence[Query]) -> list[Query]:
    """Each answerable question once more with its entries hidden: the topic may be there, the answer is not."""
    return [
        replace(
            q,
            id=f"{q.id}#hidden",
            relevant=frozenset(),
            exclude=q.exclude | q.relevant,
            answerable=False,
            kind="hidden",
        )
        for q in queries
        if q.answerable
    ]


@dataclass(frozen=True)
class _Run:
    encoder: Encoder | None
    reader: PairReader | None
    strangers: Sequence[Query]
    """Questions that no base answers."""
    report: Report


def _tables(corpus: Corpus, queries: Sequence[Query], run: _Run) -> str:
    answerable = [q for q in queries if q.answerable]
    hidden = near_misses(queries)
    written = [q for q in queries if not q.answerable]
    mixes = {"隐去条目": [*answerable, *hidden]} | ({"写成的近似问题": [*answerable, *written]} if written else {})
    head = [
        f"### {corpus.name}：{len(corpus.documents)} 条",
        "",
        f"有答案 {len(answerable)} 问，写成的近似而无答案 {len(written)} 问。",
        "",
        f"| 方法 | 无答案的一半 | {' | '.join(COLUMNS)} | 域外 {len(run.strangers)} 问直接答复 |",
        "|---|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    lines, stages_line = [], ""
    for name, index in _methods(run.encoder, run.reader):
        seconds = quality.build(index, corpus)
        answers, stages = quality.answer_all(index, corpus, [*answerable, *hidden, *written])
        by_id = {answer.id: answer for answer in answers}
        outside, _ = quality.answer_all(index, corpus, run.strangers)
        for mix, asked in mixes.items():
            row = quality.summary(asked, [by_id[q.id] for q in asked])
            if name != OURS:
                row |= dict.fromkeys(NOT_OF_BASELINES)
            direct = sum(answer.direct for answer in outside) if name == OURS else None
            lines.append(f"| {name} | {mix} | {' | '.join(_cell(row[c]) for c in COLUMNS)} | {_cell(direct)} |")
            run.report(f"{corpus.name} {name} {mix}：建库 {seconds:.1f} 秒，R@1 {row['R@1']}")
        if name == OURS:
            stages_line = "直答各环节毫秒中位数：" + "，".join(f"{stage} {ms:.2f}" for stage, ms in stages.items())
    return "\n".join([*head, *lines, "", stages_line])


def _methods(encoder: Encoder | None, reader: PairReader | None) -> list[tuple[str, Index]]:
    words = Words(Tokeniser())
    if encoder is None:
        return [("BM25 词语", words), (OURS, EmbeddedIndex(None))]
    cosine = Cosine(encoder)
    others: list[tuple[str, Index]] = [
        ("BM25 词语", words),
        ("向量余弦", cosine),
        ("两者 RRF", ReciprocalRanks(words, cosine)),
        ("两者按值相加", Mixture(words, cosine)),
    ]
    return [*others, (OURS, EmbeddedIndex(encoder, reader=reader))]


def _heading(encoder: Encoder | None, reader: PairReader | None) -> str:
    model = encoder.name if encoder else "无模型，仅按词语"
    return (
        f"模型：{model}；{'有' if reader else '无'}精读。"
        "问题一半有答案，另一半无答案：或为同样的问题而隐去其条目，或为写成的近似问题。"
        "R@k、MRR 只计有答案的问题；best_direct_rate_p95 为单一阈值下精度不低于 0.95 时最高的直接答复率。"
    )


def _cell(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
