"""Two runs of one test set held against each other, so that chance is not taken for progress."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kb_admin.bench_figures import Judged

RESAMPLES = 10_000
SEED = 12345
"""The same two runs give the same interval each time."""
LEVEL = 0.95
CHANCE = 0.05
"""A difference that chance alone brings about more often than this is not called one."""


@dataclass(frozen=True)
class Difference:
    """One yes-or-no figure in both runs, over the same questions."""

    count: int
    before: int
    """Questions with a yes in the first run."""
    after: int
    gained: int
    """No in the first, yes in the second."""
    lost: int
    p: float
    """McNemar's exact test: how often chance alone would bring about a difference as large."""
    interval: tuple[float, float] | None
    """95 % interval of the difference of the shares, by bootstrap; None without questions."""

    @property
    def change(self) -> float:
        """Of the shares, second run minus first."""
        return (self.after - self.before) / self.count if self.count else 0.0

    @property
    def sure(self) -> bool:
        """Whether chance hardly explains it."""
        return self.p < CHANCE

    @property
    def verdict(self) -> str:
        """The same in plain words."""
        if not self.gained and not self.lost:
            return "没有差别：每一题都一样。"
        balance = f"{self.gained} 题由否变是，{self.lost} 题由是变否"
        if not self.sure:
            return f"差别可能只是偶然（{balance}，{_p(self.p)}）。"
        way = "升高" if self.change > 0 else "降低"
        return f"确有{way}，不像是偶然（{balance}，{_p(self.p)}）。"


@dataclass(frozen=True)
class Comparison:
    """The second run against the first."""

    first_place: Difference
    """R@1, over the questions that have an answer."""
    direct: Difference
    """Direct answers, over all questions."""
    right_direct: Difference
    wrong_direct: Difference
    better: int
    worse: int
    unchanged: int

    @property
    def verdict(self) -> str:
        """One sentence for who reads nothing else."""
        figures = (
            ("首位正确率", self.first_place),
            ("直接答复", self.direct),
            ("直接答对", self.right_direct),
            ("直接答错", self.wrong_direct),
        )
        sure = [_moved(name, figure) for name, figure in figures if figure.sure]
        unsure = [_moved(name, figure) for name, figure in figures if figure.change and not figure.sure]
        if sure:
            rest = f"；{'，'.join(unsure)}，可能只是偶然" if unsure else ""
            return f"后一次与前一次确有差别：{'，'.join(sure)}{rest}。"
        if not self.better and not self.worse:
            return "两次运行没有差别。"
        return f"变好 {self.better} 题，变差 {self.worse} 题，差别可能只是偶然。"


def compare(before: Sequence[Judged], after: Sequence[Judged]) -> Comparison:
    """Hold two runs against each other, question by question. Raises ValueError unless they have the same."""
    pairs = list(zip(before, after, strict=True))
    changes = [b.grade.worth - a.grade.worth for a, b in pairs]
    answerable = [(a, b) for a, b in pairs if a.answerable]
    return Comparison(
        first_place=difference([(a.correct, b.correct) for a, b in answerable]),
        direct=difference([(a.direct, b.direct) for a, b in pairs]),
        right_direct=difference([(a.direct and a.correct, b.direct and b.correct) for a, b in pairs]),
        wrong_direct=difference([(a.direct and not a.correct, b.direct and not b.correct) for a, b in pairs]),
        better=sum(change > 0 for change in changes),
        worse=sum(change < 0 for change in changes),
        unchanged=sum(change == 0 for change in changes),
    )


def difference(pairs: Sequence[tuple[bool, bool]]) -> Difference:
    """A yes-or-no figure of the same questions in two runs."""
    gained = sum(b and not a for a, b in pairs)
    lost = sum(a and not b for a, b in pairs)
    return Difference(
        count=len(pairs),
        before=sum(a for a, _ in pairs),
        after=sum(b for _, b in pairs),
        gained=gained,
        lost=lost,
        p=mcnemar(gained, lost),
        interval=bootstrap(gained, lost, len(pairs)) if pairs else None,
    )


def _moved(name: str, figure: Difference) -> str:
    return f"{name}{'升高' if figure.change > 0 else '降低'} {100 * abs(figure.change):.1f} 个百分点"


def mcnemar(gained: int, lost: int) -> float:
    """McNemar's test in its exact form (two-sided binomial, McNemar 1947): of the questions in which the runs differ,
    either way is as probable if nothing has changed."""
    differing = gained + lost
    tail, term = 0, 1
    for k in range(min(gained, lost) + 1):
        tail += term
        term = term * (differing - k) // (k + 1)
    return min(1.0, float(2 * tail / (1 << differing)))


def bootstrap(
    gained: int, lost: int, count: int, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """Percentile interval of the difference of two shares over the same questions (Efron 1979).

    Each question contributes +1, -1 or 0, so that drawing questions anew is drawing how many of each.
    """
    shares = np.array([gained, lost, count - gained - lost]) / count
    drawn = np.random.default_rng(seed).multinomial(count, shares, size=resamples)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, [50 * (1 - LEVEL), 100 - 50 * (1 - LEVEL)])
    return float(low), float(high)


def _p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p 小于 0.001"
