"""Our top 100 by words beside the field's engines, on the same tokens, from the tokens of a question to row numbers."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import Built, Measured, Rows, measure, one_thread, times
from benchmarks.quality import Report
from benchmarks.scale import PHRASINGS, ScaleText
from retrieval import kernels
from retrieval.kernels import K1, B
from retrieval.postings import Postings, bm25, find, ranked_rows
from retrieval.statistics import Statistics
from retrieval.tokens import Tokeniser
from retrieval.vocabulary import Vocabulary

TOP = 100
OURS = "直答"
SLOW = 20_000_000
"""Rows times questions that an engine which looks at every row is asked."""
TOLERANCE = 1e-5

Row = Sequence[str]


@dataclass(frozen=True)
class Texts:
    """Rows and questions as tokens."""

    rows: list[list[str]]
    questions: list[list[str]]


def run(
    sizes: Sequence[int], data: Path | None, questions: int, wanted: Sequence[str], report: Report
) -> tuple[str, dict[str, Any]]:
    """A table for each size, and the figures. ``data``: where the real text is; None for synthetic text.

    ``wanted``: names of PEERS. Raises RuntimeError when one of them fails.
    """
    one_thread()
    kernels.warm()
    tables, figures = [], {}
    for size in sizes:
        texts = synthetic(size, questions) if data is None else real(data, size, questions)
        report(f"{size} 行，{sum(map(len, texts.rows))} 个词，{len(texts.questions)} 个问题")
        measured = [_measure(name, texts, report) for name in (OURS, *wanted)]
        agreement = _agreement(texts, measured)
        tables.append(_table(size, measured, agreement))
        figures[str(size)] = _figures(measured, agreement)
    source = "synthetic" if data is None else "real"
    return "\n\n".join(tables), {"bench": "words", "text": source, "top": TOP, "sizes": figures}


def real(data: Path, size: int, questions: int) -> Texts:
    """The phrasings of the scale corpus, and real questions that are not among them."""
    text = ScaleText.read(data)
    tokeniser = Tokeniser()
    entries = -(-size // PHRASINGS)
    phrasings = (p for document in text.documents(entries) for p in document.phrasings)
    known: dict[str, str] = {}
    rows = [[known.setdefault(w, w) for w in tokeniser.content_words(p)] for p in islice(phrasings, size)]
    asked = [list(dict.fromkeys(tokeniser.asked_words(q.text))) for q in text.questions(entries, questions)]
    return Texts(rows, [tokens for tokens in asked if tokens])


def synthetic(size: int, questions: int, *, words: int = 100_000, seed: int = 7) -> Texts:
    """Rows of words drawn by Zipf's law; questions of eight words, half of them from one row."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, words + 1) ** 1.05
    lengths = random.integers(4, 16, size)
    drawn = random.choice(words, int(lengths.sum()), p=shares / shares.sum())
    names = [f"词{number}" for number in range(words)]
    parts = np.split(drawn, np.cumsum(lengths)[:-1])
    asked = []
    for row in random.integers(0, size, questions):
        others = random.choice(words, 8, p=shares / shares.sum())
        asked.append(list(dict.fromkeys(names[n] for n in (*parts[row][:4], *others)))[:8])
    return Texts([[names[n] for n in part] for part in parts], asked)


def _measure(name: str, texts: Texts, report: Report) -> Measured:
    questions = texts.questions
    if name == "rank-bm25":
        questions = questions[: max(5, min(len(questions), SLOW // len(texts.rows)))]
    measured = measure(name, lambda: BUILDERS[name](texts.rows), questions)
    report(f"{name}：建库 {measured.build_seconds:.1f} 秒，中位数 {measured.p50:.3f} 毫秒")
    return measured


def ours(rows: list[list[str]]) -> Built:
    """Postings and the exact best rows, ranked."""
    vocabulary = Vocabulary()
    postings = Postings.build(rows, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))

    def answer(tokens: Row) -> Rows:
        readings = [vocabulary.readings(token) for token in tokens]
        asked = [(statistics.idf(r), find(postings, r)) for r in readings if r]
        return ranked_rows(postings, statistics, asked, None, TOP)[0]

    return Built(answer)


def rank_bm25(rows: list[list[str]]) -> Built:
    """BM25Okapi, which scores every row in numpy."""
    from rank_bm25 import BM25Okapi  # noqa: PLC0415

    engine = BM25Okapi(rows, k1=K1, b=B)

    def answer(tokens: Row) -> Rows:
        scores = engine.get_scores(tokens)
        best = np.argpartition(-scores, min(TOP, len(scores) - 1))[:TOP]
        return best[np.argsort(-scores[best])]

    return Built(answer)


def bm25s_numba(rows: list[list[str]]) -> Built:
    """bm25s, method lucene, numba backend."""
    import bm25s  # noqa: PLC0415

    engine = bm25s.BM25(method="lucene", k1=K1, b=B, backend="numba")
    engine.index(rows, show_progress=False)
    known = engine.vocab_dict
    top = min(TOP, len(rows))

    def answer(tokens: Row) -> Rows:
        asked = [token for token in tokens if token in known]
        if not asked:
            return []
        found = engine.retrieve([asked], k=top, show_progress=False, n_threads=0, backend_selection="numba")
        return [row for row, score in zip(found.documents[0], found.scores[0], strict=True) if score > 0]

    return Built(answer)


def tantivy_engine(rows: list[list[str]]) -> Built:
    """tantivy in memory: one writer thread, tokens split at spaces, counts without positions."""
    import tantivy  # noqa: PLC0415

    schema = tantivy.SchemaBuilder().add_text_field("t", tokenizer_name="spaces", index_option="freq").build()
    index = tantivy.Index(schema)
    index.register_tokenizer("spaces", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    writer = index.writer(heap_size=1_000_000_000, num_threads=1)
    for row in rows:
        document = tantivy.Document()
        document.add_text("t", " ".join(row))
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def answer(tokens: Row) -> Rows:
        terms = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "t", token)) for token in tokens]
        hits = searcher.search(tantivy.Query.boolean_query(terms), TOP, count=False).hits
        return [address.doc for _, address in hits]

    return Built(answer, notes=f"{searcher.num_segments} 段")


def sqlite_fts5(rows: list[list[str]]) -> Built:
    """SQLite FTS5 in memory, ordered by its bm25()."""
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE t USING fts5(words, content='', tokenize=\"unicode61 remove_diacritics 0\")"
    )
    connection.executemany("INSERT INTO t(rowid, words) VALUES (?, ?)", enumerate(map(" ".join, rows)))
    connection.execute("INSERT INTO t(t) VALUES ('optimize')")
    connection.commit()

    def answer(tokens: Row) -> Rows:
        asked = " OR ".join('"' + token.replace('"', '""') + '"' for token in tokens)
        found = connection.execute(
            "SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t) LIMIT ?", (asked, TOP)
        ).fetchall()
        return [row for (row,) in found]

    return Built(answer)


BUILDERS: dict[str, Callable[[list[list[str]]], Built]] = {
    OURS: ours,
    "rank-bm25": rank_bm25,
    "bm25s": bm25s_numba,
    "tantivy": tantivy_engine,
    "fts5": sqlite_fts5,
}
PEERS = tuple(name for name in BUILDERS if name != OURS)


def _agreement(texts: Texts, measured: Sequence[Measured]) -> dict[str, float] | None:
    """How far our best rows and those of bm25s are the same; ``by_score``: rows as good as our last one count too."""
    by_name = {m.name: m.answers for m in measured}
    if "bm25s" not in by_name:
        return None
    vocabulary = Vocabulary()
    postings = Postings.build(texts.rows, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))
    same, good, all_rows = 0, 0, 0
    for tokens, mine, theirs in zip(texts.questions, by_name[OURS], by_name["bm25s"], strict=True):
        asked = [(statistics.idf(r), find(postings, r)) for r in map(vocabulary.readings, tokens) if r]
        same += len(set(mine) & set(theirs))
        all_rows += max(len(mine), len(theirs))
        if mine and theirs:
            last = bm25(postings, statistics, asked, np.array(mine)).min()
            good += int((bm25(postings, statistics, asked, np.array(theirs)) >= last * (1 - TOLERANCE)).sum())
    whole = max(1, all_rows)
    return {"rows": same / whole, "by_score": good / whole}


def _table(size: int, measured: Sequence[Measured], agreement: dict[str, float] | None) -> str:
    base = measured[0]
    lines = [
        f"**{size} 行，前 {TOP} 名，{len(base.ms)} 问**",
        "",
        "| 引擎 | p50 ms | p95 ms | 直答快几倍 | 建库 s | 内存 MB | 问数 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {m.name} | {m.p50:.3f} | {m.p95:.3f} | {times(m.p50 / base.p50)} | {m.build_seconds:.1f} | "
        f"{m.memory_mb:.0f} | {len(m.ms)} |"
        for m in measured
    ]
    if agreement is not None:
        lines += [
            "",
            f"与 bm25s 的前 {TOP} 名相同 {agreement['rows']:.2%}；计入与末名同分的 {agreement['by_score']:.3%}。",
        ]
    return "\n".join(lines)


def _figures(measured: Sequence[Measured], agreement: dict[str, float] | None) -> dict[str, Any]:
    base = measured[0]
    engines = {
        m.name: {
            "p50_ms": round(m.p50, 4),
            "p95_ms": round(m.p95, 4),
            "ratio": round(m.p50 / base.p50, 2),
            "build_s": round(m.build_seconds, 2),
            "memory_mb": round(m.memory_mb, 1),
            "questions": len(m.ms),
        }
        for m in measured
    }
    return {"engines": engines, "agreement_with_bm25s": agreement}
