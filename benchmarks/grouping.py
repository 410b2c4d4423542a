"""How well questions are put together, beside plain ways of doing it, and how fast."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeVar

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import homogeneity_completeness_v_measure

from benchmarks.paraphrases import FIT_ON, REPORTED_ON, GroupedTexts, all_texts, read_groups
from retrieval import grouping
from retrieval.encoder import Encoder
from retrieval.grouping import ALIKE, ALIKE_BY_TERMS, KnownGroup, group, squeezed
from retrieval.vectors import Matrix

Done = TypeVar("Done")
Say = Callable[[str], None]
Numbers = Sequence[int]
LEADER, AVERAGE = 0.95, 0.95
"""Cosines of the plain ways, the best ones on FIT_ON of COSINES: they get the same chance."""
COSINES = (0.86, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97)
LIKENESSES = (0.65, 0.7, 0.725, 0.75, 0.775, 0.8)
LIKENESSES_BY_TERMS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
BATCHES = 20
SEED = 1


@dataclass(frozen=True)
class Quality:
    """How groups found compare with those marked; all 0..1, higher is better."""

    v_measure: float
    precision: float
    recall: float
    f: float
    """The last three: B-cubed (Bagga & Baldwin 1998)."""


@dataclass(frozen=True)
class Encoded:
    """A set with the vectors of its texts."""

    marked: GroupedTexts
    vectors: Matrix


def measured(marked: Sequence[Hashable], found: Sequence[Hashable]) -> Quality:
    """V-measure by scikit-learn; B-cubed by its definition, mean over the texts."""
    both = Counter(zip(marked, found, strict=True))
    ours, theirs = Counter(found), Counter(marked)
    precision = sum(n * n / ours[b] for (_, b), n in both.items()) / len(found)
    recall = sum(n * n / theirs[a] for (a, _), n in both.items()) / len(found)
    names = ([{key: i for i, key in enumerate(dict.fromkeys(side))}[key] for key in side] for side in (marked, found))
    _, _, v_measure = homogeneity_completeness_v_measure(*names)
    return Quality(float(v_measure), precision, recall, 2 * precision * recall / (precision + recall))


def run(data: Path, encoder: Encoder, most: int, sizes: Sequence[int], say: Say) -> str:
    """Markdown: quality by set and way, then speed; the last line is one JSON object."""
    lines = [
        "| 数据集 | 问句 | 组 | 方法 | V-measure | B³ 精确 | B³ 召回 | B³ F |",
        "|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    means: dict[str, list[Quality]] = {}
    for name in (*FIT_ON, *REPORTED_ON):
        encoded = _encoded(data, name, most, encoder)
        say(f"{name}：{len(encoded.marked.texts)} 个问句")
        for way, numbers in _ways(encoded):
            quality = measured(encoded.marked.groups, numbers)
            lines.append(_row(encoded.marked, way, quality))
            if name in REPORTED_ON:
                means.setdefault(way, []).append(quality)
    lines += [
        "",
        f"没有用来拟合阈值的 {len(REPORTED_ON)} 个数据集的平均（分组前都看过，见 docs/decisions/0009）：",
        "",
        "| 方法 | V-measure | B³ F |",
        "|---|---:|---:|",
    ]
    averages = {way: (_mean(q.v_measure for q in found), _mean(q.f for q in found)) for way, found in means.items()}
    lines += [f"| {way} | {v:.3f} | {f:.3f} |" for way, (v, f) in averages.items()]
    speeds = list(_speeds(data, encoder, sizes, say))
    lines += [
        "",
        "| 问句 | 编码 s | 一次归组 s | 其中处理器 s | 合计 s | 组 | 仅按字词 s | 分 20 批，末批 s |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [speed.row for speed in speeds]
    summary = {
        "v_measure": {way: round(v, 4) for way, (v, _) in averages.items()},
        "b_cubed_f": {way: round(f, 4) for way, (_, f) in averages.items()},
        "reported_on": list(REPORTED_ON),
        "seconds": {speed.count: round(speed.at_once, 1) for speed in speeds},
        "processor_seconds": {speed.count: round(speed.processor, 1) for speed in speeds},
        "seconds_with_encoding": {speed.count: round(speed.at_once + speed.encoding, 1) for speed in speeds},
    }
    return "\n".join([*lines, "", json.dumps(summary, ensure_ascii=False)])


def fit(data: Path, encoder: Encoder, most: int) -> str:
    """Markdown: B-cubed F, mean of FIT_ON, of each threshold: where ALIKE, LEADER and the others come from."""
    sets = [_encoded(data, name, most, encoder) for name in FIT_ON]
    lines = ["| 方法 | 阈值 | B³ F，三个数据集的平均 |", "|---|---:|---:|"]
    ways: tuple[tuple[str, Sequence[float], Callable[[Encoded, float], Numbers]], ...] = (
        ("意思与字词", LIKENESSES, _ours),
        ("仅按字词", LIKENESSES_BY_TERMS, _ours_by_terms),
        ("最近的组长（余弦）", COSINES, lambda e, at: leader(e.vectors, at)),
        ("平均距离（余弦）", COSINES, lambda e, at: average_linkage(e.vectors, at)),
    )
    for way, grid, found in ways:
        for at in grid:
            scores = [measured(e.marked.groups, found(e, at)).f for e in sets]
            lines.append(f"| {way} | {at} | {_mean(scores):.3f}（{'，'.join(f'{score:.3f}' for score in scores)}） |")
    return "\n".join(lines)


def leader(vectors: Matrix, at: float) -> Numbers:
    """Each text joins the first text of a group that it is nearest to, when near enough (Hartigan 1975)."""
    leaders = np.empty_like(vectors)
    count, numbers = 0, []
    for vector in vectors:
        products = leaders[:count] @ vector
        best = int(products.argmax()) if count else -1
        if best < 0 or products[best] < at:
            leaders[count], best, count = vector, count, count + 1
        numbers.append(best)
    return numbers


def average_linkage(vectors: Matrix, at: float) -> Numbers:
    """scikit-learn's, all pairs compared."""
    ways = AgglomerativeClustering(n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - at)
    return [int(number) for number in ways.fit_predict(vectors)]


def _ways(encoded: Encoded) -> Iterator[tuple[str, Numbers]]:
    texts, vectors = encoded.marked.texts, encoded.vectors
    yield "直答：意思与字词", _ours(encoded, ALIKE)
    yield "直答：仅按字词（无模型）", _ours_by_terms(encoded, ALIKE_BY_TERMS)
    names: dict[str, int] = {}
    yield "基线：原文相同", [names.setdefault(squeezed(text), len(names)) for text in texts]
    yield f"基线：最近的组长，余弦 {LEADER}", leader(vectors, LEADER)
    yield f"基线：平均距离，余弦 {AVERAGE}", average_linkage(vectors, AVERAGE)
    count = len(set(encoded.marked.groups))
    found = KMeans(count, n_init=1, random_state=SEED).fit_predict(vectors)
    yield "基线：k-means，给出真实组数", [int(number) for number in found]


def _ours(encoded: Encoded, at: float) -> Numbers:
    grouping.ALIKE = at
    try:
        return group(encoded.marked.texts, encoded.vectors, ()).numbers
    finally:
        grouping.ALIKE = ALIKE


def _ours_by_terms(encoded: Encoded, at: float) -> Numbers:
    grouping.ALIKE_BY_TERMS = at
    try:
        return group(encoded.marked.texts, None, ()).numbers
    finally:
        grouping.ALIKE_BY_TERMS = ALIKE_BY_TERMS


@dataclass(frozen=True)
class _Speed:
    count: int
    encoding: float
    at_once: float
    processor: float
    """Processor seconds of it: what it takes where nothing else runs, divided by the cores that it uses."""
    groups: int
    by_terms: float
    last_batch: float

    @property
    def row(self) -> str:
        total = self.encoding + self.at_once
        return (
            f"| {self.count} | {self.encoding:.1f} | {self.at_once:.1f} | {self.processor:.1f} | {total:.1f} "
            f"| {self.groups} | {self.by_terms:.1f} | {self.last_batch:.1f} |"
        )


def _speeds(data: Path, encoder: Encoder, sizes: Sequence[int], say: Say) -> Iterator[_Speed]:
    texts = list(islice(all_texts(data), max(sizes, default=0)))
    vectors, encoding = _timed(lambda: encoder.encode(texts))
    for size in sizes:
        part, own = texts[:size], vectors[:size]
        begun = process_time()
        found, at_once = _timed(lambda part=part, own=own: group(part, own, ()))  # type: ignore[misc]
        processor = process_time() - begun
        _, by_terms = _timed(lambda part=part: group(part, None, ()))  # type: ignore[misc]
        last = _last_of_batches(part, own)
        say(f"{len(part)} 个问句：{at_once:.1f} 秒")
        share = len(part) / max(len(texts), 1)
        yield _Speed(len(part), encoding * share, at_once, processor, len(set(found.numbers)), by_terms, last)


def _last_of_batches(texts: Sequence[str], vectors: Matrix) -> float:
    """Seconds for the last of BATCHES when the groups of those before are known."""
    start = len(texts) * (BATCHES - 1) // BATCHES
    found = group(texts[:start], vectors[:start], ())
    held: dict[int, KnownGroup] = {}
    for place, number in enumerate(found.numbers):
        empty = KnownGroup(-number, (), np.zeros(vectors.shape[1], np.float32), 0)
        before = held.get(number, empty)
        assert before.vector is not None
        whole = before.vector + vectors[place]
        held[number] = replace(before, texts=(*before.texts, texts[place]), vector=whole, count=before.count + 1)
    _, seconds = _timed(lambda: group(texts[start:], vectors[start:], list(held.values())))
    return seconds


def _timed(work: Callable[[], Done]) -> tuple[Done, float]:
    begun = perf_counter()
    done = work()
    return done, perf_counter() - begun


def _encoded(data: Path, name: str, most: int, encoder: Encoder) -> Encoded:
    marked = read_groups(data, name, most)
    return Encoded(marked, encoder.encode(marked.texts))


def _row(marked: GroupedTexts, way: str, q: Quality) -> str:
    counts = f"{marked.name} | {len(marked.texts)} | {len(set(marked.groups))}"
    return f"| {counts} | {way} | {q.v_measure:.3f} | {q.precision:.3f} | {q.recall:.3f} | {q.f:.3f} |"


def _mean(values: Iterator[float] | Sequence[float]) -> float:
    return float(np.mean(list(values)))
