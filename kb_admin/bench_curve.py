"""What each threshold for direct answers would give: the direct-answer rate against the wrong answers."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from kb_admin.bench_figures import Judged

STEPS = (-0.20, -0.10, -0.05, 0.05, 0.10)
"""Moves of the threshold whose effect is told in words."""
LOWEST, HIGHEST = 0.05, 1.0


@dataclass(frozen=True)
class Point:
    """What one threshold gives, as shares of all questions."""

    threshold: float
    direct: float
    wrong: float


@dataclass(frozen=True)
class Move:
    """What moving the threshold would do, in percentage points."""

    before: Point
    after: Point

    def __str__(self) -> str:
        way = "降到" if self.after.threshold < self.before.threshold else "升到"
        direct, wrong = self.after.direct - self.before.direct, self.after.wrong - self.before.wrong
        return (
            f"阈值从 {self.before.threshold:.2f} {way} {self.after.threshold:.2f}："
            f"直接答复 {_points(direct)}，错误 {_points(wrong)}"
        )


@dataclass(frozen=True)
class Curve:
    """All thresholds at once; built from the confidence of each question's first entry."""

    scores: tuple[float, ...]
    """Ascending, of the questions that some threshold answers directly."""
    wrong_from: tuple[int, ...]
    """Wrong ones among those from each place on; one longer than ``scores``."""
    count: int
    """Of all questions."""

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> "Curve":
        able = sorted((j.score, j.correct) for j in judged if j.may_be_direct and j.score > 0)
        wrong = list(accumulate((not correct for _, correct in reversed(able)), initial=0))
        return cls(tuple(score for score, _ in able), tuple(reversed(wrong)), len(judged))

    def at(self, threshold: float) -> Point:
        """A question is answered directly from the threshold on."""
        place = bisect_left(self.scores, threshold)
        whole = self.count or 1
        return Point(threshold, (len(self.scores) - place) / whole, self.wrong_from[place] / whole)

    def points(self, most: int = 200) -> list[Point]:
        """The curve from the highest threshold to the lowest, at most so many points of it."""
        distinct = sorted(set(self.scores), reverse=True)
        step = max(1, -(-len(distinct) // most))
        kept = distinct[::step]
        if distinct and kept[-1] != distinct[-1]:
            kept.append(distinct[-1])
        return [Point(HIGHEST, 0.0, 0.0)] * (not distinct or distinct[0] < HIGHEST) + [self.at(t) for t in kept]

    def moves(self, threshold: float) -> list[Move]:
        """What the usual steps up and down would do."""
        targets = sorted({round(threshold + step, 2) for step in STEPS}, reverse=True)
        return [self.move(threshold, t) for t in targets if LOWEST <= t < HIGHEST]

    def move(self, before: float, after: float) -> Move:
        return Move(self.at(before), self.at(after))


def _points(change: float) -> str:
    """+8.2 个百分点."""
    return f"{100 * change:+.1f} 个百分点".replace("+0.0", "±0.0").replace("-0.0", "±0.0")
