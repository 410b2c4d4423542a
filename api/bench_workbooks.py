"""A test run, and a comparison of two, as workbooks."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from openpyxl import Workbook

from api import dates
from api.bench_views import AS_MILLISECONDS, AS_NUMBER, DEFINITIONS, UNSEEN, CaseLine, PairLine, table_of
from ingest.sheet_writing import Cell, write_table
from kb_admin.bench_comparison import Comparison, Difference
from kb_admin.bench_curve import Curve
from kb_admin.bench_runs import RunSettings
from models.bench import TestRun

CASE_HEADERS = ("行", "问题", "应答条目", "结果", "系统判断", "名次", "首位条目", "首位标准问", "首位可信度", "毫秒")
PAIR_HEADERS = (
    *("行", "问题", "应答条目", "变化", "前一次结果", "前一次判断", "前一次名次", "前一次首位", "前一次可信度"),
    *("后一次结果", "后一次判断", "后一次名次", "后一次首位", "后一次可信度"),
)


def run_xlsx(run: TestRun, lines: Sequence[CaseLine], titles: Mapping[str, str]) -> bytes:
    """Figures with their definitions, the curve as numbers, each question."""
    book = Workbook(write_only=True)
    figures = run.summary["figures"] if run.summary else None
    told = [] if figures is None else [(label, _figure(name, figures.get(name)), t) for name, label, t in DEFINITIONS]
    rows: list[Sequence[Cell]] = [*_facts(run), *told]
    write_table(book, "指标", ("指标", "数值", "定义"), rows)
    curve, direct = Curve.of([line.judged for line in lines]), float(run.circumstances.get("direct", 1.0))
    points = ((round(p.threshold, 3), Fraction(p.direct), Fraction(p.wrong)) for p in table_of(curve, direct))
    write_table(book, "阈值", ("直接答复阈值", "直接答复 ÷ 全部题", "直接答错 ÷ 全部题"), points)
    write_table(book, "逐题", CASE_HEADERS, (list(_case(line, titles)) for line in lines))
    return _bytes(book)


def comparison_xlsx(
    runs: tuple[TestRun, TestRun], found: Comparison, pairs: Sequence[PairLine], titles: Mapping[str, str]
) -> bytes:
    """What changed, how sure that is, and each question side by side."""
    book = Workbook(write_only=True)
    facts = [(f"{name}：{label}", text, told) for name, run in _named(runs) for label, text, told in _facts(run)]
    verdict = [("结论", found.verdict, "")]
    counts = [("变好", found.better, ""), ("变差", found.worse, ""), ("不变", found.unchanged, "")]
    write_table(book, "比较", ("项", "内容", "说明"), [*facts, *verdict, *counts])
    headers = ("指标", "题数", "前一次", "后一次", "差（百分点）", "95 % 区间（百分点）", "McNemar p", "结论")
    write_table(book, "差别", headers, (list(_difference(name, figure)) for name, figure in differences(found)))
    write_table(book, "逐题", PAIR_HEADERS, (list(_pair(pair, titles)) for pair in pairs))
    return _bytes(book)


def differences(found: Comparison) -> tuple[tuple[str, Difference], ...]:
    """With the names that people read."""
    return (
        ("首位正确率（有答案的题）", found.first_place),
        ("直接答复（全部题）", found.direct),
        ("直接答对（全部题）", found.right_direct),
        ("直接答错（全部题）", found.wrong_direct),
    )


def points_text(change: float) -> str:
    """+1.2."""
    return f"{100 * change:+.1f}"


def _named(runs: tuple[TestRun, TestRun]) -> Iterable[tuple[str, TestRun]]:
    return zip(("前一次", "后一次"), runs, strict=True)


def _figure(name: str, value: float | None) -> Cell:
    if value is None:
        return "—"
    if name in AS_MILLISECONDS:
        return round(value)
    return round(value, 3) if name in AS_NUMBER else Fraction(value)


def _facts(run: TestRun) -> list[tuple[str, Cell, str]]:
    known = run.circumstances
    return [
        ("测试集", run.set.name, run.set.source),
        ("运行", run.name, "，".join(RunSettings.of(run.settings).described())),
        ("完成时间", dates.moment(run.ended_at), ""),
        ("库中条目", known.get("entries"), "参加检索的条目数"),
        ("模型", known.get("model") or "无，仅按词语", "有精读" if known.get("reader") else "不精读"),
        ("直接答复阈值", round(known.get("direct", 0), 3), f"请核对阈值 {known.get('choose', 0):.2f}"),
        ("应答条目不在库中的题", known.get("absent", 0), "这些题不可能答对"),
    ]


def _case(line: CaseLine, titles: Mapping[str, str]) -> Iterator[Cell]:
    yield from (line.case.number, line.case.question, _codes(line.case.expected, titles))
    yield from _result(line, titles)


def _result(line: CaseLine, titles: Mapping[str, str]) -> Iterator[Cell]:
    yield from (line.grade.label, line.result.outcome.label, line.result.rank)
    if line.result.found:
        code, score = line.result.found[0]["code"], line.result.found[0]["score"]
        yield from (_codes([code], titles), titles.get(code, ""), round(score, 3))
    else:
        yield from ("", "", "")
    yield round(line.result.took_ms)


def _pair(pair: PairLine, titles: Mapping[str, str]) -> Iterator[Cell]:
    yield from (pair.case.number, pair.case.question, _codes(pair.case.expected, titles), pair.changed.label)
    for line in (pair.before, pair.after):
        grade, outcome, rank, code, _, score, _ = _result(line, titles)
        yield from (grade, outcome, rank, code, score)


def _difference(name: str, figure: Difference) -> Iterator[Cell]:
    count = figure.count or 1
    yield from (name, figure.count, Fraction(figure.before, count), Fraction(figure.after, count))
    yield round(100 * figure.change, 1)
    yield " 至 ".join(map(points_text, figure.interval)) if figure.interval else ""
    yield from (figure.p, figure.verdict)


def _codes(codes: Iterable[str], titles: Mapping[str, str]) -> str:
    return "\n".join(code if code in titles else UNSEEN for code in codes)


def _bytes(book: Workbook) -> bytes:
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()
