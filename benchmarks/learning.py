"""``zhida bench learning``: what a log teaches, on bases with questions whose answers are known.

The questions of a base, in a random order, are taken for a year's log: each was asked once and its right entry
confirmed. The older part teaches, the newer part tests; questions alike in their words stand on one side. The test is
made with the truth, the teaching also with a share of wrong verdicts. Each base is tried with the weights that come
with the product, which were made with questions of these very bases, and with weights made without the base: those
are what a new city has.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from api.learning import language_of
from api.refitting import OLDER_SHARE, Measured, Trial, tried
from benchmarks import fit_ranker
from benchmarks.datasets import Corpus, Query
from benchmarks.suite import DEMONSTRATION, question_sets
from kb_admin.learning import Language
from kb_admin.ranker_log import LoggedQuestion
from retrieval.answering import PairReader
from retrieval.embedded import weights_for
from retrieval.encoder import Encoder
from retrieval.features import NAMES
from retrieval.fitting import Answer, Example, answers_of, divided
from retrieval.ranker import Ranker
from retrieval.tokens import shipped_tokeniser

SHOWN = ("i_shenzhen_intents", "gov_mailbox", "ncp_policy_qa", DEMONSTRATION)
WRONG_SHARE = 0.2
"""Of wrong verdicts, in the second trial."""
AMONG_FIRST = 5
"""A wrong verdict confirms one of so many that stood first: what an agent has on the screen."""
LEARNT_AT_MOST = 10
"""Similar questions that an entry gets."""
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
EXACT = NAMES.index("exact")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Base:
    """A base, its questions as a log, and what the index measures of each."""

    name: str
    corpus: Corpus
    queries: tuple[Query, ...]
    examples: tuple[Example, ...]
    hidden: tuple[Example | None, ...]
    """The same questions with their entries hidden: nothing answers them."""
    taught: tuple[fit_ranker.Example, ...]
    """For making weights for other bases."""


@dataclass(frozen=True)
class Row:
    """One base under one kind of weights, mean over the orders."""

    base: str
    weights: str
    verdicts: str
    fitted: float
    held: float
    before: float
    after: float
    lowest: float
    highest: float
    """Least and greatest gain of the orders, in points."""
    better: int
    """Orders after which the weights would be promoted."""
    direct_before: float
    direct_after: float
    wrong_before: float
    wrong_after: float
    """Direct answers and the wrong ones among them, held-back questions and their hidden twins."""


def run(
    data: Path, encoder: Encoder | None, reader: PairReader | None, *, orders: int, left_out: bool, say: Say
) -> tuple[str, dict[str, Any]]:
    """Markdown and the summary."""
    name = weights_for(encoder, reader)
    shipped, language = Ranker.load(name), language_of(shipped_tokeniser())
    bases = [base for base in _bases(data, encoder, reader, say) if left_out or base.name in SHOWN]
    rows: list[Row] = []
    for base in (base for base in bases if base.name in SHOWN):
        priors = {"随产品": shipped}
        if left_out:
            others = [example for other in bases if other.name != base.name for example in other.taught]
            priors["未见此库"] = replace(fit_ranker.fit(others), promises=shipped.promises)
        for kind, prior in priors.items():
            for wrong in (0.0, WRONG_SHARE):
                rows.append(_row(base, kind, prior, language, wrong=wrong, orders=orders))
                say(f"{base.name} {kind} 错评 {wrong:.0%}：{rows[-1].before:.3f} → {rows[-1].after:.3f}")
    similar = [_similar(base, shipped, language, encoder, reader) for base in bases if base.name in SHOWN]
    return _markdown(name, rows, similar, orders), {
        "weights": name,
        "rows": [asdict(row) for row in rows],
        "similar": similar,
    }


def _bases(data: Path, encoder: Encoder | None, reader: PairReader | None, say: Say) -> Iterator[Base]:
    for corpus, asked in question_sets(data):
        queries = [q for q in asked if q.split in ("", "dev")] if corpus.name in SHOWN else asked[::2]
        collected = fit_ranker.collect(corpus.name, corpus, queries, encoder, reader)
        say(f"{corpus.name}：{len(queries)} 个问题")
        plain = [replace(e, features=e.features.astype(np.float32)) for e in collected]
        twins = iter(plain[len(queries) :])
        yield Base(
            name=corpus.name,
            corpus=corpus,
            queries=tuple(queries),
            examples=tuple(map(_example, plain[: len(queries)])),
            hidden=tuple(_example(next(twins)) if query.answerable else None for query in queries),
            taught=tuple(plain),
        )


def _example(collected: fit_ranker.Example) -> Example:
    relevant = collected.relevant if collected.answerable else np.zeros_like(collected.relevant)
    features = np.asarray(collected.features, np.float32)
    return Example(features, collected.entry_ids, relevant, collected.answerable, collected.read)


def _row(base: Base, kind: str, prior: Ranker, language: Language, *, wrong: float, orders: int) -> Row:
    tries = [_try(base, prior, language, np.random.default_rng(seed), wrong) for seed in range(orders)]
    gains = [100 * (t["after"] - t["before"]) for t in tries]
    mean = {key: float(np.mean([t[key] for t in tries])) for key in tries[0]}
    return Row(
        base=base.name,
        weights=kind,
        verdicts="全对" if not wrong else f"{wrong:.0%} 有误",
        fitted=mean["fitted"],
        held=mean["held"],
        before=mean["before"],
        after=mean["after"],
        lowest=min(gains),
        highest=max(gains),
        better=sum(int(t["better"]) for t in tries),
        direct_before=mean["direct_before"],
        direct_after=mean["direct_after"],
        wrong_before=mean["wrong_before"],
        wrong_after=mean["wrong_after"],
    )


def _try(base: Base, prior: Ranker, language: Language, random: np.random.Generator, wrong: float) -> dict[str, float]:
    """One order of the log: taught with verdicts of which a share is wrong, tested with the truth."""
    order = [int(i) for i in random.permutation(len(base.queries)) if not _word_for_word(base.examples[i])]
    log = [_logged(base, i, day) for day, i in enumerate(order)]
    told = [_mistaken(base.examples[i], prior, random) if random.random() < wrong else base.examples[i] for i in order]
    older, newer = divided(
        [frozenset(language.words(one.text)) for one in log], list(range(len(log))), share=OLDER_SHARE
    )
    taught = set(older)
    seen = tuple(told[i] if i in taught else base.examples[place] for i, place in enumerate(order))
    threshold = prior.direct_threshold()
    trial: Trial = tried(Measured(tuple(log), seen, 0), prior, prior, language, direct_from=threshold)
    held = [base.examples[order[i]] for i in newer]
    held += [twin for i in newer if (twin := base.hidden[order[i]]) is not None]
    before, after = (answers_of(ranker, held, direct_from=threshold) for ranker in (prior, trial.ranker))
    answerable = [example.answerable for example in held]
    return {
        "fitted": trial.comparison["fitted"],
        "held": sum(answerable),
        "before": _first(before, answerable),
        "after": _first(after, answerable),
        "better": trial.comparison["better"],
        **_direct("before", before),
        **_direct("after", after),
    }


def _direct(when: str, answers: Sequence[Answer]) -> dict[str, float]:
    direct = [answer for answer in answers if answer.direct]
    return {f"direct_{when}": len(direct), f"wrong_{when}": sum(not answer.right for answer in direct)}


def _first(answers: Sequence[Answer], answerable: Sequence[bool]) -> float:
    return sum(a.right for a, known in zip(answers, answerable, strict=True) if known) / max(1, sum(answerable))


def _mistaken(example: Example, shown_by: Ranker, random: np.random.Generator) -> Example:
    """As if an agent had confirmed another of the first few."""
    if not example.answerable or not len(example.features):
        return example
    first = shown_by.rank(example.features.astype(np.float64), example.entry_ids).rows[:AMONG_FIRST]
    others = [int(row) for row in first if not example.relevant[row]]
    if not others:
        return example
    relevant = np.zeros_like(example.relevant)
    relevant[random.choice(others)] = True
    return replace(example, relevant=relevant)


def _logged(base: Base, place: int, day: int) -> LoggedQuestion:
    query, example = base.queries[place], base.examples[place]
    right = frozenset(int(i) for i in example.entry_ids[example.relevant]) or frozenset({-1})
    return LoggedQuestion(query.text, BEGINNING + timedelta(hours=day), right if query.answerable else frozenset())


def _word_for_word(example: Example) -> bool:
    return bool((example.features[:, EXACT] > 0).any())


def _similar(
    base: Base, shipped: Ranker, language: Language, encoder: Encoder | None, reader: PairReader | None
) -> dict[str, Any]:
    """The older questions added to their entries as similar ones, and the newer asked again."""
    order = [int(i) for i in np.random.default_rng(0).permutation(len(base.queries))]
    words = [frozenset(language.words(base.queries[i].text)) for i in order]
    older, newer = divided(words, list(range(len(order))), share=OLDER_SHARE)
    learnt: dict[str, list[str]] = {}
    for i in older:
        query = base.queries[order[i]]
        if query.answerable and len(query.relevant) == 1 and not query.exclude:
            learnt.setdefault(next(iter(query.relevant)), []).append(query.text)
    documents = tuple(
        replace(document, similar=(*document.similar, *learnt.get(key, [])[:LEARNT_AT_MOST]))
        for key, document in zip(base.corpus.ids, base.corpus.documents, strict=True)
    )
    asked = [base.queries[order[i]] for i in newer if base.queries[order[i]].answerable]
    collected = fit_ranker.collect(base.name, replace(base.corpus, documents=documents), asked, encoder, reader)
    examples = [_example(one) for one in collected[: len(asked)]]
    old = [base.examples[order[i]] for i in newer if base.queries[order[i]].answerable]
    before, after = (answers_of(shipped, some, direct_from=1.0) for some in (old, examples))
    return {
        "base": base.name,
        "added": sum(min(len(texts), LEARNT_AT_MOST) for texts in learnt.values()),
        "held": len(asked),
        "before": sum(a.right for a in before) / max(1, len(asked)),
        "after": sum(a.right for a in after) / max(1, len(asked)),
    }


def _markdown(name: str, rows: Sequence[Row], similar: Sequence[Mapping[str, Any]], orders: int) -> str:
    lines = [
        f"权重 {name}；每库 {orders} 种随机的先后次序，取平均；较旧的 {OLDER_SHARE:.0%} 组问题用于拟合，其余检验，"
        "词语相近的问题只在一边。R@1 只计有答案的问题；直接答复连同隐去条目后的同样问题一起计。",
        "",
        "| 库 | 原有权重 | 评价 | 拟合 | 检验 | R@1 前 | R@1 后 | 增减（百分点，各次序最小…最大） | 会被采用 | "
        "直接答复 前→后 | 其中有误 前→后 |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r.base} | {r.weights} | {r.verdicts} | {r.fitted:.0f} | {r.held:.0f} | {r.before:.3f} | {r.after:.3f} | "
        f"{100 * (r.after - r.before):+.1f}（{r.lowest:+.1f}…{r.highest:+.1f}） | {r.better}/{orders} | "
        f"{r.direct_before:.1f} → {r.direct_after:.1f} | {r.wrong_before:.1f} → {r.wrong_after:.1f} |"
        for r in rows
    ]
    lines += [
        "",
        f"把较旧的问题作为相似问法加进各自的条目（每条至多 {LEARNT_AT_MOST} 个），权重不变，再问较新的问题：",
        "",
        "| 库 | 加入 | 检验 | R@1 前 | R@1 后 |",
        "|---|---:|---:|---:|---:|",
        *(f"| {s['base']} | {s['added']} | {s['held']} | {s['before']:.3f} | {s['after']:.3f} |" for s in similar),
    ]
    return "\n".join(lines)


def printed(summary: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(summary, ensure_ascii=False)
