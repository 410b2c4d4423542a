"""What is printed of a played quarter: a table with the definition of each figure, and one line for programs."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.simulation.quarter_calls import (
    CITIZEN_MISJUDGES,
    CITIZEN_NOTICES,
    JUDGES,
    JUDGES_WRONG,
    MISJUDGES,
    NOTICES,
)
from benchmarks.simulation.quarter_figures import EDGE_WEEKS, RATE, Answers, Course, Figures, median_hours
from benchmarks.simulation.quarter_truth import FaultKind
from benchmarks.simulation.quarter_world import JUDGING, QuarterPlan

ALL = "all"
Hours = Callable[[Course], float | None]


@dataclass(frozen=True)
class QuarterOutcome:
    """The quarter in numbers, and how long it took to play."""

    plan: QuarterPlan
    model: str
    """Empty: by words alone."""
    figures: Figures
    seconds: float

    def as_json(self) -> str:
        """One line; the same for the same seed, but for the seconds."""
        f = self.figures
        line: dict[str, Any] = {
            "seed": self.plan.seed,
            "agents": self.plan.agents,
            "calls": self.plan.calls,
            "from": self.plan.first.isoformat(),
            "weeks": self.plan.weeks,
            "model": self.model,
            "entries": f.entries,
            "planted": _by_kind(f.planted),
            "found": _by_kind(f.found),
            "mended": _by_kind(f.mended),
            "median_working_hours_to_find": _medians(f, lambda course: course.hours_to_find),
            "median_working_hours_to_mend": _medians(f, lambda course: course.hours_to_mend),
            "correction_notices": f.correction_notices,
            "unjust_notices": f.unjust_notices,
            "unjust_dispatched": f.unjust_dispatched,
            "gap_notices": f.gap_notices,
            "gap_notices_on_missing": f.gap_notices_on_missing,
            "gap_notices_never_held": f.gap_notices_never_held,
            "similar_questions_proposed": f.proposed,
            "precision": f.precision,
            "recall": f.recall,
            "direct_answer_rate": {"before": f.before.by_base, "after": f.after.by_base},
            "true_direct_answer_rate": {"before": f.before.true, "after": f.after.true},
            "possible_direct_answer_rate": {"before": f.before.possible, "after": f.after.possible},
            "wrong_answers": {"before": f.before.wrong, "after": f.after.wrong},
            "questions": f.questions,
            "verdicts": dict(f.verdicts),
            "seconds": round(self.seconds, 1),
        }
        return json.dumps(line, ensure_ascii=False)


def quarter_table(outcome: QuarterOutcome) -> str:
    """Everything as people read it."""
    plan, f = outcome.plan, outcome.figures
    return "\n".join(
        [
            f"自 {plan.first:%Y-%m-%d} 起 {plan.weeks} 周，种子 {plan.seed}：坐席 {plan.agents} 人，"
            f"来电 {plan.calls:,} 个，提问 {f.questions:,} 次，评价 {sum(f.verdicts.values()):,} 次"
            f"（话务员 {f.verdicts['agent']:,}，市民 {f.verdicts['citizen']:,}）；"
            f"{outcome.model or '无模型，仅按词语'}。",
            "",
            *_faults(f),
            "",
            f"整改通知单 {f.correction_notices} 张，"
            f"其中条目本来无误 {f.unjust_notices} 张（已派发 {f.unjust_dispatched} 张）；"
            f"超期 {f.overdue} 次，再次通知 {f.second_notices} 次，电话联系 {f.calls_to_units} 次。",
            f"缺失知识派单 {f.gap_notices} 张，其中所缺为埋设的 {f.gap_notices_on_missing} 张，"
            f"库中从未有过的 {f.gap_notices_never_held} 张；库中有而没有查到的，提为相似问法 {f.proposed} 条。",
            f"查出的准确率 {_percent(f.precision)}，查全率 {_percent(f.recall)}。",
            "",
            f"| | 前 {EDGE_WEEKS} 周 | 后 {EDGE_WEEKS} 周 |",
            "|---|---:|---:|",
            *_answers(f.before, f.after),
            "",
            *DEFINITIONS,
            f"用时 {outcome.seconds:.0f} 秒。",
        ]
    )


def _faults(f: Figures) -> Iterable[str]:
    yield "| 埋设的缺陷 | 埋设 | 查出 | 已改正 | 查出用时（工作小时，中位数） | 改正用时（工作小时，中位数） |"
    yield "|---|---:|---:|---:|---:|---:|"
    for kind in (*FaultKind, None):
        of_kind = [course for course in f.courses if kind is None or course.fault.kind is kind]
        cells = (
            len(of_kind),
            sum(course.found_at is not None for course in of_kind),
            sum(course.mended_at is not None for course in of_kind),
            _number(median_hours(course.hours_to_find for course in of_kind)),
            _number(median_hours(course.hours_to_mend for course in of_kind)),
        )
        yield f"| {kind.label if kind else '合计'} | {' | '.join(map(str, cells))} |"


def _answers(before: Answers, after: Answers) -> Iterable[str]:
    yield f"| 应计的来电 | {before.calls:,} | {after.calls:,} |"
    yield f"| 直接解答率（库中记录） | {_percent(before.by_base)} | {_percent(after.by_base)} |"
    yield f"| 其中答复属实的 | {_percent(before.true)} | {_percent(after.true)} |"
    yield f"| 库中有正确答案的 | {_percent(before.possible)} | {_percent(after.possible)} |"
    yield f"| 答错而没有发觉的来电 | {before.wrong:,} | {after.wrong:,} |"


DEFINITIONS = (
    "各数的口径：",
    "- 埋设：开始前改坏（有误：数字或材料换成别的；过期：数字全换成旧的）、抽走（缺失）的条目，"
    "和期间规定变了而条目没变的（季中过期）。",
    "- 查出：缺陷存在期间，对该条目起草了整改通知单；缺失的，市热线办把含该事项的知识缺失派给了单位。",
    "- 已改正：应有的内容经采编、审核、发布，已在库中生效。",
    "- 查出用时：自缺陷存在（或第一天零时）到起草或派单；改正用时：自查出到生效。都只计办公时间。",
    "- 条目本来无误：起草时，被指的版本与应有的内容一致。",
    "- 准确率：（无误报的整改通知单＋所缺为埋设的派单）"
    "÷（全部整改通知单＋全部派单，库中从未有过的不计）；查全率：查出 ÷ 埋设。",
    f"- 直接解答率：指标定义 {RATE}；其中答复属实的：分子再去掉答的不是所问、或内容已不对的；"
    "库中有正确答案的：分子为所问事项当时在库中有正确条目的来电。分母都相同。",
    f"- 假设：{JUDGING:.0%} 的坐席会评价，给出答案后评“正确” {JUDGES:.0%}；"
    f"错的答案 {NOTICES:.0%} 被发觉，发觉后评“有误” "
    f"{JUDGES_WRONG:.0%}；对的答案 {MISJUDGES:.0%} 被当成错的。市民把对的评为有误 {CITIZEN_MISJUDGES:.0%}，"
    f"发觉错的 {CITIZEN_NOTICES:.0%}。其余见 docs/simulation.md。",
)


def _by_kind(count: Callable[[FaultKind], int]) -> dict[str, int]:
    counts = {kind.value: count(kind) for kind in FaultKind}
    return counts | {ALL: sum(counts.values())}


def _medians(f: Figures, hours: Hours) -> dict[str, float | None]:
    by_kind = {
        kind.value: median_hours(hours(course) for course in f.courses if course.fault.kind is kind)
        for kind in FaultKind
    }
    return by_kind | {ALL: median_hours(map(hours, f.courses))}


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
