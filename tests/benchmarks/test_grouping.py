"""Grouping is measured as the papers and scikit-learn say, on groups that people have marked."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import v_measure_score

from benchmarks.grouping import average_linkage, leader, measured
from benchmarks.paraphrases import all_texts, read_groups

MARKED = (1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3)
"""Three groups."""


def test_the_same_groups_under_other_names_are_perfect() -> None:
    found = measured(MARKED, [f"组{number}" for number in MARKED])
    assert (found.v_measure, found.precision, found.recall, found.f) == pytest.approx((1, 1, 1, 1))


def test_b_cubed_by_hand() -> None:
    """Two texts of one group and one of another are found as one group: each of the two shares it with 2 of 3."""
    found = measured((1, 1, 2), (5, 5, 5))
    assert found.precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)
    assert found.recall == 1
    alone = measured((1, 1, 2), (1, 2, 3))
    assert (alone.precision, alone.recall) == pytest.approx((1, (0.5 + 0.5 + 1) / 3))


def test_b_cubed_over_pairs_of_texts_and_v_measure_as_scikit_learn() -> None:
    chance = random.Random(5)
    for _ in range(20):
        marked = [chance.randrange(6) for _ in range(40)]
        found = [chance.randrange(8) for _ in range(40)]
        both = np.equal.outer(marked, marked) & np.equal.outer(found, found)
        quality = measured(marked, found)
        assert quality.precision == pytest.approx((both.sum(1) / np.equal.outer(found, found).sum(1)).mean())
        assert quality.recall == pytest.approx((both.sum(1) / np.equal.outer(marked, marked).sum(1)).mean())
        assert quality.v_measure == pytest.approx(v_measure_score(marked, found))


def test_marked_groups_are_what_hangs_together(tmp_path: Path) -> None:
    folder = tmp_path / "pairs_small"
    folder.mkdir()
    pairs = [("甲", "乙", 1), ("丙", "丁", 1), ("乙", "戊", 1), ("己", "甲", 0), ("丁", "丙", 1)]
    lines = (json.dumps({"a": a, "b": b, "label": same}, ensure_ascii=False) for a, b, same in pairs)
    (folder / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    read = read_groups(tmp_path, "pairs_small", 100)
    assert dict(zip(read.texts, read.groups, strict=True)) == {"甲": 0, "乙": 0, "戊": 0, "丙": 1, "丁": 1}
    assert list(all_texts(tmp_path)) == ["甲", "乙", "丙", "丁", "戊", "己"]


def test_the_plain_ways_join_what_is_near() -> None:
    turned = np.radians([0, 3, 50, 52, 90])
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    for found in (leader(vectors, 0.95), average_linkage(vectors, 0.95)):
        assert measured((0, 0, 1, 1, 2), found).f == 1
