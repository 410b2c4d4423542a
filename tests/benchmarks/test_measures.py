"""Our figures agree with the scorer that the field's results files are judged by, and with scikit-learn."""

import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmarks.datasets import Query, read_corpus, read_queries
from benchmarks.measures import Answered, best_direct_rate, figures, judge
from benchmarks.quality import write_results
from kb_admin.bench_figures import auroc
from models.errors import FileRefused

SCORER = Path(__file__).parents[3] / "shared" / "tools" / "score.py"


def some_run(seed: int, size: int) -> tuple[list[Query], list[Answered]]:
    dice = random.Random(seed)
    entries = [f"e{i}" for i in range(30)]
    queries, answers = [], []
    for number in range(size):
        relevant = frozenset(dice.sample(entries, dice.choice([0, 1, 1, 2])))
        exclude = frozenset(dice.sample(entries, dice.choice([0, 0, 2])))
        queries.append(Query(f"q{number}", "?", relevant, exclude, bool(relevant)))
        if dice.random() < 0.05:
            continue
        scores = sorted((round(dice.uniform(0.001, 1), 2) for _ in range(12)), reverse=True)
        shown = dice.sample(entries, 12)
        if relevant and dice.random() < 0.6:
            shown = [min(relevant), *(e for e in shown if e != min(relevant))][:12]
        hits = tuple(zip(shown, scores, strict=True)) if dice.random() < 0.95 else ()
        answers.append(Answered(f"q{number}", hits, dice.random() < 0.4, 1.5))
    return queries, answers


@pytest.mark.skipif(not SCORER.exists(), reason=f"没有评分程序 {SCORER}，不作对照")
@pytest.mark.parametrize("seed", range(8))
def test_figures_agree_with_the_scorer_of_results_files(seed: int, tmp_path: Path) -> None:
    queries, answers = some_run(seed, 120)
    write_results(tmp_path / "results.jsonl", answers)
    spec = importlib.util.spec_from_file_location("score", SCORER)
    assert spec and spec.loader
    scorer: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    asked = [
        {"id": q.id, "relevant": sorted(q.relevant), "exclude": sorted(q.exclude), "answerable": q.answerable}
        for q in queries
    ]
    expected, _ = scorer.score(asked, scorer.read(tmp_path / "results.jsonl"))
    ours = figures(judge(queries, answers))
    assert ours["n"] == expected["n"]
    for name in set(ours) - {"n", "n_answerable"}:
        assert ours[name] == pytest.approx(expected[name], abs=6e-5), name


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
def test_auroc_agrees_with_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, correct = np.array([s / 6 for s, _ in rows]), np.array([c for _, c in rows])
    if correct.all() or not correct.any():
        assert auroc(scores, correct) is None
    else:
        assert auroc(scores, correct) == pytest.approx(roc_auc_score(correct, scores))


def test_a_tie_at_the_threshold_counts_as_a_whole() -> None:
    # Three answers share .9, one of them wrong: 2 of 3 is below .95, and no threshold parts them.
    scores, correct = np.array([0.9, 0.9, 0.9, 0.2]), np.array([True, True, False, True])
    assert best_direct_rate(scores, correct, precision=0.95) == (0, None)
    assert best_direct_rate(scores, correct, precision=0.60) == (3, 0.2)


def test_a_repeated_hit_counts_once_and_an_excluded_one_not_at_all() -> None:
    query = Query("q", "?", frozenset({"c"}), frozenset({"a"}))
    judged = judge([query], [Answered("q", (("a", 0.9), ("b", 0.8), ("b", 0.7), ("c", 0.6)), True)])
    assert (judged[0].rank, judged[0].score) == (1, 0.8)


@pytest.mark.parametrize(
    ("line", "named"),
    [('{"id": "1", "answer": "x"}', "question"), ("[1]", "第 2 行"), ('{"id"', "第 2 行"), ('{"question":"?"}', "id")],
)
def test_a_faulty_line_of_a_base_is_named(line: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(json.dumps({"id": "0", "question": "一问"}) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(FileRefused, match=named):
        read_corpus(path)


def test_a_question_without_relevant_entries_is_unanswerable(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"id": "1", "text": "甲"}\n{"id": "2", "text": "乙", "relevant": ["e"]}\n', encoding="utf-8")
    assert [q.answerable for q in read_queries(path)] == [False, True]
