"""Our own questions are whole, and no entry is on both sides of a split."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.suite import DEMONSTRATION, QUESTIONS, demonstration_corpus
from retrieval.text import normalise

FILES = sorted(QUESTIONS.glob("*.jsonl"))
KINDS = {
    "colloquial",
    "situation",
    "keywords",
    "detail",
    "plain",
    "slip",
    "dialect",
    "story",
    "near_miss",
    "out_of_scope",
}


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_question_is_whole_and_stands_once(path: Path) -> None:
    asked = rows(path)
    assert len({row["id"] for row in asked}) == len(asked)
    assert len({normalise(str(row["text"])) for row in asked}) == len(asked)
    for row in asked:
        assert row["kind"] in KINDS or not row["relevant"]
        assert bool(row["relevant"]) is (row["kind"] not in ("near_miss", "out_of_scope")), row
        assert row["split"] in ("train", "dev", "held")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_entry_is_on_two_sides(path: Path) -> None:
    sides: dict[object, set[object]] = defaultdict(set)
    for row in rows(path):
        if row.get("about"):
            sides[row["about"]].add(row["split"])
    assert all(len(found) == 1 for found in sides.values())


def test_the_demonstration_base_holds_what_its_questions_name_and_none_is_one_of_its_own() -> None:
    base = demonstration_corpus()
    known = set(base.ids)
    own = {normalise(phrasing) for document in base.documents for phrasing in document.phrasings}
    for row in rows(QUESTIONS / f"{DEMONSTRATION}.jsonl"):
        named = {*row["relevant"], *([row["about"]] if row.get("about") else [])}  # type: ignore[misc]
        assert named <= known
        assert normalise(str(row["text"])) not in own


def test_there_are_as_many_as_promised() -> None:
    asked = rows(QUESTIONS / f"{DEMONSTRATION}.jsonl")
    assert len(demonstration_corpus().documents) >= 500
    assert sum(bool(row["relevant"]) for row in asked) >= 3000
    assert sum(row["kind"] == "near_miss" for row in asked) >= 2500
    assert sum(row["split"] == "held" for row in asked) >= 100
