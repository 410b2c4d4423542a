"""Test runs as pages and files show them: each question with what was found, titles for who may see them, the curve."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from api.security import Caller
from kb_admin.bench_curve import Curve, Point
from kb_admin.bench_figures import Figures, Grade, Judged
from kb_admin.bench_runs import judged
from kb_admin.bench_sets import Sight
from kb_admin.contents import batches
from kb_admin.visibility import answering, in_units
from models.bench import TestCase, TestResult, TestRun
from models.knowledge import Entry, Phrasing, Version
from models.values import Choice, Outcome, PhrasingKind

UNSEEN = "（您无权查看的条目）"


class Shown(Choice):
    """Which questions of a run are listed."""

    ALL = "all", "全部"
    RIGHT = "right", "对"
    WRONG = "wrong", "错"
    DIRECT_WRONG = "direct_wrong", "直接答错"
    NONE = "none", "未找到"
    STRANGER = "stranger", "应无答案"


class Changed(Choice):
    """Which questions of a comparison are listed."""

    BETTER = "better", "变好"
    WORSE = "worse", "变差"
    SAME = "same", "不变"


@dataclass(frozen=True)
class CaseLine:
    """One question of a run."""

    case: TestCase
    result: TestResult
    judged: Judged

    @property
    def grade(self) -> Grade:
        return self.judged.grade

    def is_among(self, shown: Shown) -> bool:
        match shown:
            case Shown.ALL:
                return True
            case Shown.RIGHT:
                return self.grade.right
            case Shown.WRONG:
                return not self.grade.right
            case Shown.DIRECT_WRONG:
                return self.grade is Grade.DIRECT_WRONG
            case Shown.NONE:
                return self.result.outcome is Outcome.NONE
            case Shown.STRANGER:
                return not self.case.expected


@dataclass(frozen=True)
class PairLine:
    """One question in two runs."""

    before: CaseLine
    after: CaseLine

    @property
    def case(self) -> TestCase:
        return self.before.case

    @property
    def changed(self) -> Changed:
        gain = self.after.grade.worth - self.before.grade.worth
        return Changed.BETTER if gain > 0 else Changed.WORSE if gain < 0 else Changed.SAME


@dataclass(frozen=True)
class Figure:
    """One figure with its definition: no number stands without what it is of."""

    name: str
    text: str
    definition: str


DEFINITIONS: tuple[tuple[str, str, str], ...] = (
    ("R@1", "首位正确率", "应答条目排在首位的题 ÷ 有答案的题"),
    ("R@10", "前十命中率", "应答条目在前十位中的题 ÷ 有答案的题"),
    ("MRR@10", "平均倒数名次", "应答条目名次的倒数（不在前十位为 0）之和 ÷ 有答案的题"),
    ("direct", "直接答复", "给出直接答复的题 ÷ 全部题"),
    ("precision_of_direct", "直接答复的准确率", "直接答对的题 ÷ 直接答复的题"),
    ("wrong_direct", "直接答错", "直接答复而首位不是应答条目的题 ÷ 全部题；应无答案的题直接答复即为答错"),
    ("abstained", "应无答案而未直接答复", "没有直接答复的题 ÷ 应无答案的题"),
    ("told_none", "应无答案而判为未找到", "判为“未找到”的题 ÷ 应无答案的题"),
    ("auroc", "可信度区分度（AUROC）", "首位正确的题，可信度高于首位错误的题的概率；0.5 为没有区分"),
    ("p50_ms", "每题毫秒（中位数）", "一次检索所用的时间"),
    ("p95_ms", "每题毫秒（95 %）", "九成五的检索不超过此时间"),
)
AS_NUMBER = frozenset({"MRR@10", "auroc"})
AS_MILLISECONDS = frozenset({"p50_ms", "p95_ms"})


def figures_of(figures: Figures) -> list[Figure]:
    """In the order in which they are read; a dash where there was nothing to divide by."""
    return [Figure(label, figure_text(name, figures.get(name)), told) for name, label, told in DEFINITIONS]


def figure_text(name: str, value: float | None) -> str:
    """82.4 %, 0.871, 14 毫秒."""
    if value is None:
        return "—"
    if name in AS_MILLISECONDS:
        return f"{value:.0f}"
    return f"{value:.3f}" if name in AS_NUMBER else percent(value)


def percent(value: float) -> str:
    return f"{100 * value:.1f}\u2009%"


def lines_of(session: Session, run: TestRun) -> list[CaseLine]:
    """All questions of the run that have a result, in the order of the set."""
    query = (
        select(TestCase, TestResult)
        .join(TestResult, TestResult.case_id == TestCase.id)
        .where(TestResult.run_id == run.id)
        .order_by(TestCase.number)
    )
    rows = session.execute(query).tuples()
    return [CaseLine(case, result, judged(result, bool(case.expected))) for case, result in rows]


def pairs_of(session: Session, before: TestRun, after: TestRun) -> list[PairLine]:
    """All questions of two runs of one set."""
    later = {line.case.id: line for line in lines_of(session, after)}
    return [PairLine(line, later[line.case.id]) for line in lines_of(session, before) if line.case.id in later]


def sight_of(caller: Caller) -> Sight:
    """What this person may name in a test set."""
    return Sight(caller.viewer, caller.history)


def codes_in(lines: Iterable[CaseLine]) -> set[str]:
    """Of the entries that should have been found, and of those that were."""
    found: set[str] = set()
    for line in lines:
        found.update(line.case.expected)
        found.update(hit["code"] for hit in line.result.found)
    return found


def titles_of(session: Session, codes: Iterable[str], caller: Caller, now: datetime) -> dict[str, str]:
    """Standard question by code, of those of the entries that this person may see; the others do not exist for them."""
    titles: dict[str, str] = {}
    reads_whole = and_(in_units(caller.history), Entry.id.not_in(caller.viewer.hidden_entry_ids))
    for some in batches(sorted(set(codes))):
        live = answering(caller.viewer, Version, now)
        query = (
            select(Entry.code, Phrasing.text)
            .join(Version, Version.entry_id == Entry.id)
            .join(Phrasing, Phrasing.version_id == Version.id)
            .where(Phrasing.kind == PhrasingKind.STANDARD, Entry.code.in_(some), or_(live, reads_whole))
            .order_by(live, Version.number)
        )
        titles.update(session.execute(query).tuples().all())
    return titles


# The curve as a drawing: x is the share of wrong answers, y that of direct ones.

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 12, 44
TICKS = 5
ROUND_STEPS = (0.005, 0.01, 0.02, 0.04, 0.05, 0.1, 0.15, 0.2)
Place = Callable[[Point], tuple[float, float]]
LEAST_SPAN = 0.02
"""Of wrong answers, so that a run without any is no line on the axis."""


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Drawing:
    """Places in a box of WIDTH by HEIGHT, for a template to draw."""

    line: str
    """``points`` of a polyline."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    chosen: tuple[float, float]
    marks: tuple[tuple[float, float, str], ...]
    """Some thresholds along the line."""

    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM


def drawing_of(curve: Curve, chosen: Point) -> Drawing:
    """The whole curve, with the threshold in use and some others marked."""
    points = curve.points()
    wide = _step(max([LEAST_SPAN, chosen.wrong, *(point.wrong for point in points)]))
    high = _step(max([LEAST_SPAN, chosen.direct, *(point.direct for point in points)]))
    widest, highest = TICKS * wide, TICKS * high

    def place(point: Point) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * point.wrong / widest
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * point.direct / highest
        return round(x, 1), round(y, 1)

    return Drawing(
        line=" ".join(f"{x},{y}" for x, y in map(place, points)),
        across=tuple(Tick(place(Point(0, 0, n * wide))[0], percent(n * wide)) for n in range(TICKS + 1)),
        up=tuple(Tick(place(Point(0, n * high, 0))[1], percent(n * high)) for n in range(TICKS + 1)),
        chosen=place(chosen),
        marks=tuple(_marks(curve, place(chosen), place)),
    )


def _step(most: float) -> float:
    """Between two lines of the grid: a round share of which TICKS hold the most."""
    return next((step for step in ROUND_STEPS if TICKS * step >= most), ROUND_STEPS[-1])


def _marks(curve: Curve, chosen: tuple[float, float], place: Place) -> Iterable[tuple[float, float, str]]:
    """Thresholds in steps of a tenth, those left out that would stand on another."""
    taken: list[tuple[float, float]] = [chosen]
    for tenth in range(9, 0, -1):
        x, y = place(curve.at(tenth / 10))
        if all(abs(x - a) + abs(y - b) > 34 for a, b in taken):
            taken.append((x, y))
            yield x, y, f"{tenth / 10:.1f}"


def table_of(curve: Curve, chosen: float) -> Sequence[Point]:
    """The same as numbers: each twentieth, and the threshold in use."""
    steps = sorted({round(n / 20, 2) for n in range(1, 20)} | {chosen}, reverse=True)
    return [curve.at(step) for step in steps]
