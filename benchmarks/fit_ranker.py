"""Make ``retrieval/weights/*.json`` from data: ``python -m benchmarks.fit_ranker``; deterministic.

``order`` is a listwise logistic model (softmax over the candidates of one question; Cao et al. 2007, ListNet top one),
``reorder`` the same over the few candidates that were read, ``confidence`` a binary one on the first candidate. Sets
weigh by the square root of their size, in each the answerable questions as much as the others. The reader has seen the
questions marked ``train``: the weights for it are fitted without them. ``--leave-out`` prints, for each base, the
figures of weights that were fitted without it; ``--ablation`` the same without one group of features after the other.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from benchmarks import quality
from benchmarks.datasets import Corpus, Query
from benchmarks.encoders import open_encoder
from benchmarks.measures import figures
from benchmarks.suite import DEMONSTRATION, demonstration_corpus, near_misses, question_sets
from kb_admin.bench_figures import DEPTH, Judged
from models.values import Viewer
from retrieval.answering import PairReader
from retrieval.embedded import EmbeddedIndex
from retrieval.encoder import Encoder
from retrieval.features import NAMES
from retrieval.ranker import (
    CONFIDENCE_NAMES,
    MOST_READ,
    WRONG_PER_100,
    Linear,
    Ranked,
    Ranker,
    Read,
    summary,
)
from retrieval.reader import Reader

ORDER_L2 = 1e-3
"""Chosen by --leave-out over 1e-2 … 1e-4: the best mean R@1 without losing the largest base."""
PLAIN_ORDER = {"cosine_phrase": 4, "cosine_answer": 3, "cover_phrase": 3, "cover_entry": 3, "pairs_phrase": 3}
READ_AHEAD = MOST_READ + 3
"""Candidates read of each question, by the plain order: the one that is sought chooses among them."""
WEIGHTS = Path(__file__).parents[1] / "retrieval" / "weights"
THREADS = 2

Floats = NDArray[np.float64]

GROUPS: dict[str, tuple[str, ...]] = {
    "向量": ("cosine_",),
    "词语覆盖": ("cover_question", "cover_phrase", "cover_entry", "cover_title", "cover_focus", "rarest_missing"),
    "字对": ("pairs_",),
    "答案 BM25": ("cover_answer",),
    "关键词": ("cover_keywords", "named_keywords"),
    "问的方面": ("aspect_",),
    "对立的类别": ("kind_",),
    "数字、年份、地点": ("number_", "year_", "place_"),
    "与次优之差": ("lead_",),
    "问题本身": ("unknown", "length", "mended", "story"),
}
"""Features by what they look at, by the beginning of their names ('lead_…' goes with its own)."""


@dataclass(frozen=True)
class Example:
    """One question with all its candidates."""

    family: str
    features: Floats
    """(n, len(NAMES))"""
    relevant: NDArray[np.bool_]
    entry_ids: NDArray[np.int64]
    answerable: bool
    read: Mapping[int, float]
    """What the reader says of the first rows; empty without one, and where it would only remember."""


def main(
    data: Annotated[Path, typer.Option(help="开发数据所在文件夹")] = Path("../shared/data"),
    leave_out: Annotated[bool, typer.Option(help="逐库留出，只打印成绩，不写文件")] = False,
    ablation: Annotated[bool, typer.Option(help="逐组去掉特征，逐库留出，只打印成绩")] = False,
    words: Annotated[bool, typer.Option(help="只求不用模型的权重")] = False,
    reader: Annotated[Path | None, typer.Option(help="另一个精读模型文件")] = None,
) -> None:
    """由数据求出排序与置信度的权重，写入 retrieval/weights。"""
    if words:
        examples = collect_all(data, None, None)
        variants = {"words": examples}
    else:
        examples = collect_all(data, open_encoder(None, threads=THREADS), Reader.load(reader))
        variants = {"reader": examples, "hybrid": [replace(e, read={}) for e in examples]}
    for name, chosen in variants.items():
        if ablation:
            _print_ablation(name, chosen)
            continue
        unseen = left_out(chosen)
        print(_table(name, unseen), flush=True)
        if not leave_out:
            path = WEIGHTS / f"{name}.json"
            weights = fit(chosen).described() | {"direct_threshold": thresholds(unseen)}
            path.write_text(json.dumps(weights, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def collect_all(data: Path, encoder: Encoder | None, reader: PairReader | None) -> list[Example]:
    """All examples of all sets."""
    return [e for family, corpus, queries in sets(data) for e in collect(family, corpus, queries, encoder, reader)]


def sets(data: Path) -> Iterator[tuple[str, Corpus, list[Query]]]:
    """Family, base, questions. The demonstration base's held-back test questions are not among them.

    Real bases have fewer similar questions and keywords than ours, or no answers: it is also asked without them.
    """
    for corpus, queries in question_sets(data):
        yield corpus.name, corpus, [q for q in queries if corpus.name != DEMONSTRATION or q.split != "held"]
    base = demonstration_corpus()
    (own,) = [q for corpus, q in question_sets(None) if corpus.name == DEMONSTRATION]
    seen = [q for q in own if q.split != "held"]
    yield DEMONSTRATION, _stripped(base, similar=(), keywords=()), seen[::2]
    yield DEMONSTRATION, _stripped(base, answer=""), [q for q in seen if q.answerable][::6]


def collect(
    family: str, corpus: Corpus, queries: Sequence[Query], encoder: Encoder | None, reader: PairReader | None
) -> list[Example]:
    """Ask each question, and each answerable one again with its entries hidden; keep the features of all candidates."""
    number_of = {key: number for number, key in enumerate(corpus.ids)}
    remembered = _Remembering(reader) if reader else None
    noting = _Noting()
    index = EmbeddedIndex(encoder, reader=remembered, ranker=noting)
    quality.build(index, corpus)

    def ask(query: Query) -> Example:
        hidden = frozenset(number_of[key] for key in query.exclude if key in number_of)
        viewer = Viewer(everything=True, hidden_entry_ids=hidden)
        noting.reads = query.split != "train"
        noted = noting.asked(lambda: index.search(query.text, viewer, datetime.now(UTC), 1))
        return Example(
            family=family,
            features=np.asarray(noted.features, np.float64),
            relevant=np.array([corpus.ids[i] in query.relevant for i in noted.entry_ids], bool),
            entry_ids=noted.entry_ids,
            answerable=query.answerable,
            read=noted.read,
        )

    return [ask(query) for query in (*queries, *near_misses(queries))]


@dataclass(frozen=True)
class _Noted:
    features: Floats
    entry_ids: NDArray[np.int64]
    read: Mapping[int, float]


class _Noting:
    """Ranks by the plain order, reads the first few, and keeps what it was given."""

    def __init__(self) -> None:
        order = Linear.read({**PLAIN_ORDER, "intercept": 0.0}, NAMES)
        self._ranker = Ranker(order, Linear(np.zeros(len(CONFIDENCE_NAMES)), 0.0))
        self.last: list[_Noted] = []
        self.reads = True

    def rank(
        self, features: Floats | NDArray[np.float32], entry_ids: NDArray[np.int64], read: Read | None = None
    ) -> Ranked:
        ranked = self._ranker.rank(features, entry_ids)
        said = {int(row): read(int(row)) for row in ranked.rows[:READ_AHEAD]} if read and self.reads else {}
        self.last = [_Noted(np.asarray(features, np.float64), entry_ids, said)]
        return ranked

    def direct_threshold(self) -> float:
        return self._ranker.direct_threshold()

    def asked(self, search: Callable[[], object]) -> _Noted:
        """What a search gave to rank."""
        search()
        return self.last[0]


class _Remembering:
    """A reader that reads nothing twice."""

    def __init__(self, reader: PairReader) -> None:
        self._reader = reader
        self._read: dict[tuple[str, str, str], float] = {}

    def read(self, pair: tuple[str, str, str]) -> float:
        if pair not in self._read:
            self._read[pair] = self._reader.read(pair)  # type: ignore[arg-type]
        return self._read[pair]


def fit(examples: Sequence[Example], without: Sequence[str] = ()) -> Ranker:
    """All regressions; features whose names begin with one of ``without`` stay at 0."""
    gone = tuple(without)
    kept = np.array([not name.startswith(gone) and not name.removeprefix("lead_").startswith(gone) for name in NAMES])
    sorted_out = [e for e in examples if e.answerable and e.relevant.any() and not e.relevant.all()]
    order = Linear(_listwise([(e.features * kept, e.relevant) for e in sorted_out], _weights(sorted_out)), 0.0)
    reorder = _fit_reorder(examples, order) if any(e.read for e in examples) else None
    ranker = Ranker(order, Linear(np.zeros(len(CONFIDENCE_NAMES)), 0.0), reorder)
    shown = [e for e in examples if len(e.features) and (e.read or not reorder)]
    firsts = [_first(ranker, e) for e in shown]
    kept_too = np.append(kept, np.ones(len(CONFIDENCE_NAMES) - len(NAMES), bool))
    model = LogisticRegression(max_iter=5000).fit(
        np.array([row for row, _ in firsts]) * kept_too,
        np.array([right for _, right in firsts]),
        sample_weight=_weights(shown) * len(shown),
    )
    return replace(ranker, confidence=Linear(model.coef_[0], float(model.intercept_[0])))


def _fit_reorder(examples: Sequence[Example], order: Linear) -> Linear:
    groups = []
    chosen = []
    for example in examples:
        rows = list(example.read)
        relevant = example.relevant[rows]
        if example.answerable and relevant.any() and not relevant.all():
            groups.append((np.stack([order(example.features)[rows], list(example.read.values())], 1), relevant))
            chosen.append(example)
    return Linear(_listwise(groups, _weights(chosen)), 0.0)


def _first(ranker: Ranker, example: Example) -> tuple[Floats, bool]:
    """What ``confidence`` sees of the first candidate, and whether it is right."""
    ranked = ranker.rank(example.features, example.entry_ids, _reading(example))
    row = summary(example.features, ranker.order(example.features), ranked.rows, ranked.read)
    return row, bool(example.relevant[ranked.rows[0]] and example.answerable)


def _reading(example: Example) -> Read | None:
    """What was read ahead; a candidate that was not is taken for as good as the worst that was."""
    if not example.read:
        return None
    worst = min(example.read.values())
    return lambda row: example.read.get(row, worst)


def judge_all(ranker: Ranker, examples: Sequence[Example]) -> list[Judged]:
    """The given questions under the given weights; each answerable one weighs as its hidden twin."""
    results = []
    for example in examples:
        ranked = ranker.rank(example.features, example.entry_ids, _reading(example))
        ranks = np.flatnonzero(example.relevant[ranked.rows[:DEPTH]])
        score = float(ranked.scores[0]) if len(ranked.scores) else 0.0
        results.append(
            Judged(
                score=score,
                rank=int(ranks[0]) if len(ranks) and example.answerable else None,
                direct=score >= ranker.direct_threshold(),
                answerable=example.answerable,
            )
        )
    return results


def left_out(examples: Sequence[Example], without: Sequence[str] = ()) -> dict[str, list[Judged]]:
    """Every family under weights fitted on the others alone."""
    families = sorted({e.family for e in examples})

    def one(family: str) -> list[Judged]:
        ranker = fit([e for e in examples if e.family != family], without)
        judged_by = [e for e in examples if e.family == family]
        return judge_all(ranker, [e for e in judged_by if e.read] or judged_by)

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(families, pool.map(one, families), strict=True))


def thresholds(by_family: Mapping[str, Sequence[Judged]]) -> dict[str, float]:
    """The lowest score from which at most so many of 100 direct answers are wrong, by weights that never saw the base.

    Families weigh as in fitting, answerable and other questions alike. A score of 1 - X/100 promises X by itself: the
    threshold is kept between 1 - 2.5 X/100 and 1 - 0.5 X/100, so that a few questions cannot carry it far away.
    """
    scores, right, weights = [], [], []
    for results in by_family.values():
        for kind in (True, False):
            part = [r for r in results if r.answerable is kind]
            scores += [r.score for r in part]
            right += [r.correct for r in part]
            weights += [len(results) ** 0.5 / max(1, len(part))] * len(part)
    order = np.argsort(-np.array(scores), kind="stable")
    weight = np.array(weights)[order]
    precision = np.cumsum(weight * np.array(right)[order]) / np.cumsum(weight)
    by_score = np.array(scores)[order]
    found = {}
    for wrong in WRONG_PER_100:
        good = np.flatnonzero(precision >= 1 - wrong / 100)
        measured = float(by_score[good[-1]]) if len(good) else 1.0
        found[f"{wrong:g}"] = round(min(1 - wrong / 200, max(measured, 1 - wrong / 40)), 4)
    return found


def _listwise(groups: Sequence[tuple[Floats, NDArray[np.bool_]]], weights: Floats) -> Floats:
    """Weights under which the relevant rows of each group get the largest share of the softmax; no intercept."""
    features = np.concatenate([rows for rows, _ in groups])
    relevant = np.concatenate([right for _, right in groups])
    sizes = np.array([len(right) for _, right in groups])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def loss(w: Floats) -> tuple[float, Floats]:
        values = features @ w
        powers = np.exp(values - np.repeat(np.maximum.reduceat(values, starts), sizes))
        whole, good = np.add.reduceat(powers, starts), np.add.reduceat(powers * relevant, starts)
        pull = powers / np.repeat(whole, sizes) - powers * relevant / np.repeat(good, sizes)
        value = float(weights @ (np.log(whole) - np.log(good)) + ORDER_L2 * w @ w)
        return value, features.T @ (pull * np.repeat(weights, sizes)) + 2 * ORDER_L2 * w

    return np.asarray(minimize(loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B").x)


def _weights(examples: Sequence[Example]) -> Floats:
    """Sum 1; a family of n questions weighs as the square root of n, its answerable ones as much as the others."""
    families = Counter(e.family for e in examples)
    kinds = Counter((e.family, e.answerable) for e in examples)
    weights = np.array([families[e.family] ** 0.5 / kinds[e.family, e.answerable] for e in examples])
    return np.asarray(weights / weights.sum())


def _table(name: str, by_family: Mapping[str, Sequence[Judged]]) -> str:
    """Figures of each base by weights that never saw it."""
    columns = (
        "n", "R@1", "R@3", "R@10", "MRR@10", "direct_rate", "precision_of_direct", "abstain_on_unanswerable",
        "best_direct_rate_p95", "auroc_top1", "ece_top1",
    )  # fmt: skip
    lines = [f"| {name}，权重未见此库 | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for family, results in by_family.items():
        row = figures(results)
        cells = [f"{row[c]:.3f}" if isinstance(row[c], float) else str(row[c]) for c in columns]
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _print_ablation(name: str, examples: Sequence[Example]) -> None:
    print(f"| {name}：去掉 | R@1 | AUROC | ECE | 精度 .95 时直接答复 |\n|---|---:|---:|---:|---:|")
    for title, without in {"（不去）": (), **GROUPS}.items():
        rows = [figures(results) for results in left_out(examples, without).values()]
        means = [
            np.mean([row[k] or 0.0 for row in rows]) for k in ("R@1", "auroc_top1", "ece_top1", "best_direct_rate_p95")
        ]
        print(f"| {title} | " + " | ".join(f"{m:.3f}" for m in means) + " |", flush=True)


def _stripped(base: Corpus, **fields: object) -> Corpus:
    """The base with the given fields of every entry replaced."""
    return Corpus(base.name, base.ids, tuple(replace(d, **fields) for d in base.documents))  # type: ignore[arg-type]


if __name__ == "__main__":
    typer.run(main)
