"""What a slip, another wording or a larger base does to the same questions: ``zhida bench robust``."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pypinyin import lazy_pinyin

from benchmarks import quality
from benchmarks.datasets import Corpus, Query, read_corpus
from benchmarks.measures import Answered
from benchmarks.quality import Report
from benchmarks.suite import demonstration_corpus, demonstration_queries, near_misses
from retrieval.answering import PairReader
from retrieval.documents import Document
from retrieval.embedded import EmbeddedIndex
from retrieval.encoder import Encoder
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, stop_words

SEED = 12345
CLEAN = ("plain", "colloquial", "situation", "detail")
WRITTEN = (
    ("colloquial", "口语"),
    ("keywords", "关键词"),
    ("dialect", "方言"),
    ("slip", "写成的错字"),
    ("story", "长述"),
)
COLUMNS = ("R@1", "R@3", "direct_rate", "precision_of_direct", "auroc_top1")

Change = Callable[[str, random.Random], str]


def run(data: Path, models: tuple[Encoder | None, PairReader | None], sizes: Sequence[int], report: Report) -> str:
    """Markdown: the demonstration base's development questions, changed by rule and as written, and in larger bases."""
    encoder, reader = models
    base = demonstration_corpus()
    asked = demonstration_queries("dev")
    index = EmbeddedIndex(encoder, reader=reader)
    quality.build(index, base)
    head = f"| 问题 | 问 | {' | '.join(COLUMNS)} |\n|---|---:|" + "---:|" * len(COLUMNS)
    lines = [head]
    clean = [q for q in asked if q.answerable and q.kind in CLEAN]
    for title, change in changes(base):
        changed = [replace(q, text=change(q.text, random.Random(f"{SEED}{q.id}"))) for q in clean]
        lines.append(_row(title, index, base, changed))
        report(lines[-1])
    for kind, title in WRITTEN:
        lines.append(_row(title, index, base, [q for q in asked if q.kind == kind]))
    larger = _sizes(base, [q for q in asked if q.answerable], _others(data), models, sizes)
    return "\n\n".join(("\n".join(lines), larger))


def _row(title: str, index: EmbeddedIndex, base: Corpus, queries: Sequence[Query]) -> str:
    mixed = [*queries, *near_misses(queries)]
    answers, _ = quality.answer_all(index, base, mixed)
    row = quality.summary(mixed, answers)
    cells = [f"{value:.3f}" if isinstance(value := row[c], float) else "–" for c in COLUMNS]
    return f"| {title} | {len(queries)} | {' | '.join(cells)} |"


def changes(base: Corpus) -> list[tuple[str, Change]]:
    """Slips of the hand by name; each takes a question and a source of chance."""
    tokeniser = Tokeniser()
    by_sound: dict[str, set[str]] = defaultdict(set)
    characters = {c for document in base.documents for c in normalise(document.question + document.answer)}
    for character in characters:
        if "一" <= character <= "鿿":
            by_sound[lazy_pinyin(character)[0]].add(character)

    def words(text: str) -> list[str]:
        found = [w for w in tokeniser.pieces(text) if len(w) > 1 and w not in stop_words() and w[0] > "一"]
        return found or [text]

    def homophone(text: str, chance: random.Random) -> str:
        word = max(words(text), key=len)
        places = [i for i, c in enumerate(word) if len(by_sound[lazy_pinyin(c)[0]]) > 1]
        if not places:
            return text
        i = chance.choice(places)
        other = chance.choice(sorted(by_sound[lazy_pinyin(word[i])[0]] - {word[i]}))
        return normalise(text).replace(word, word[:i] + other + word[i + 1 :], 1)

    def pinyin(text: str, chance: random.Random) -> str:  # noqa: ARG001
        word = max(words(text), key=len)
        return normalise(text).replace(word, "".join(lazy_pinyin(word)), 1)

    def dropped(text: str, chance: random.Random) -> str:
        word = max(words(text), key=len)
        i = chance.randrange(len(word))
        return normalise(text).replace(word, word[:i] + word[i + 1 :], 1)

    def unchanged(text: str, chance: random.Random) -> str:  # noqa: ARG001
        return text

    return [
        ("原样", unchanged),
        ("最长的词里一字写成同音字", homophone),
        ("最长的词打成拼音", pinyin),
        ("最长的词漏一字", dropped),
    ]


def _sizes(
    base: Corpus,
    answerable: Sequence[Query],
    others: Sequence[Document],
    models: tuple[Encoder | None, PairReader | None],
    sizes: Sequence[int],
) -> str:
    """The same questions with other bases' entries put beside ours."""
    encoder, reader = models
    lines = [
        "| 条目 | R@1 | 原来答对、现在首条有误 | 原来直接答对、现在直接答错 | p50 ms |",
        "|---:|---:|---:|---:|---:|",
    ]
    before: dict[str, Answered] = {}
    for times in sizes:
        wanted = len(base.documents) * (times - 1)
        padding = others[:wanted]
        index = EmbeddedIndex(encoder, reader=reader)
        documents = [
            replace(d, entry_id=number, version_id=number) for number, d in enumerate((*base.documents, *padding))
        ]
        corpus = Corpus(base.name, (*base.ids, *(f"other-{i}" for i in range(len(padding)))), tuple(documents))
        quality.build(index, corpus)
        answers, _ = quality.answer_all(index, corpus, answerable)
        row = quality.summary(answerable, answers)
        now = {a.id: a for a in answers}
        before = before or now
        right = {q.id for q in answerable if _first(before[q.id]) in q.relevant}
        lost = sum(_first(now[q.id]) not in q.relevant for q in answerable if q.id in right)
        turned = sum(
            now[q.id].direct and before[q.id].direct and _first(now[q.id]) not in q.relevant
            for q in answerable
            if q.id in right
        )
        short = "" if len(padding) == wanted else "（数据只够这么多）"
        lines.append(
            f"| {len(documents)}{short} | {row['R@1']:.3f} | {lost} / {len(right)} | {turned} | {row['p50_ms']:.1f} |"
        )
    return "\n".join(lines)


def _first(answer: Answered) -> str:
    return answer.hits[0][0] if answer.hits else ""


def _others(data: Path) -> list[Document]:
    """Entries of all other bases, then questions of paraphrase sets as entries without an answer."""
    documents = [d for file in sorted(data.glob("*/corpus.jsonl")) for d in read_corpus(file).documents]
    random.Random(SEED).shuffle(documents)
    seen: dict[str, None] = {}
    for file in sorted(data.glob("*/pairs.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            seen.setdefault(str(json.loads(line)["a"]))
    return [*documents, *(Document(0, 0, question) for question in seen)]
