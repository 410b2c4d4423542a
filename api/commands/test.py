"""zhida test …: test sets and their runs from the terminal, as in the pages."""

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.bench_indexes import check_model
from api.bench_running import TestRunner
from api.bench_views import CaseLine, codes_in, figures_of, lines_of, pairs_of, percent, sight_of, titles_of
from api.bench_workbooks import comparison_xlsx, differences, points_text, run_xlsx
from api.clock import utc_now
from api.commands.console import base_session, person_named, require_base, say
from api.form_fields import moment_given
from api.security import Caller, caller_of
from api.settings import Settings
from api.wiring import build
from ingest.bench_questions import ReadingChoices, read_test_file
from kb_admin import bench_draws, bench_runs, bench_sets
from kb_admin.bench_comparison import compare
from kb_admin.bench_runs import RunSettings
from kb_admin.permissions import Action, grants_of, require
from models.bench import SeenAs, TestRun, TestSet
from models.errors import Invalid, NotFound
from models.organisation import Person
from models.values import CHINA, RunStatus

commands = typer.Typer(help="测试：用答案已知的问题检验检索，比较两次运行。", no_args_is_help=True)
SHOWN_PROBLEMS = 20
SHOWN_CASES = 20

By = Annotated[str, typer.Option("--by", help="以谁的名义：登录名，须是市热线办或数据分析员。")]
SetName = Annotated[str, typer.Argument(metavar="测试集", help="测试集的名称或编号。")]
RunNumber = Annotated[int, typer.Argument(metavar="运行", help="运行的编号，见 zhida test list。")]


@commands.command("import")
def import_set(
    path: Annotated[Path, typer.Argument(metavar="文件", exists=True, dir_okay=False, help=".xlsx、.csv 或 .jsonl。")],
    by: By,
    *,
    name: Annotated[str, typer.Option(help="测试集名称，默认取文件名。")] = "",
    sheet: Annotated[str, typer.Option(help="工作表；默认自动识别。")] = "",
    question: Annotated[str, typer.Option(help="问题所在的列，如 B；默认自动识别。")] = "",
    expected: Annotated[str, typer.Option(help="应答条目所在的列；都应无答案时写 -。默认自动识别。")] = "",
    header: Annotated[int | None, typer.Option(min=0, help="表头在第几行，没有写 0；默认自动识别。")] = None,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="保存，或只核对（默认）。")] = False,
    good_rows_only: Annotated[
        bool, typer.Option("--good-rows-only", help="只保存无误的行；默认有误则不保存。")
    ] = False,
) -> None:
    """从表格建立测试集。默认只核对。"""
    with base_session(Settings()) as session:
        actor, caller = _acting(session, by)
        read = read_test_file(path.read_bytes(), path.name, ReadingChoices(sheet, header, question, expected))
        if read.undecided:
            columns = "，".join(column.name for column in read.columns)
            raise Invalid(f"工作表“{read.sheet}”：{read.undecided}现有的列：{columns}。")
        plan = bench_sets.plan_set(session, read.rows, read.problems, sight=sight_of(caller), now=utc_now())
        say(
            f"工作表“{read.sheet}”：可用 {len(plan.cases)} 题"
            f"（应无答案 {plan.unanswerable}），有误 {plan.refused_rows} 行"
        )
        for problem in plan.refused[:SHOWN_PROBLEMS]:
            say(f"  {problem}")
        if len(plan.refused) > SHOWN_PROBLEMS:
            say(f"  ……另有 {len(plan.refused) - SHOWN_PROBLEMS} 处。")
        if not apply:
            say("以上为核对，没有保存。加 --apply 保存。")
            return
        kept = bench_sets.keep_plan(
            session,
            name or path.stem,
            path.name,
            plan,
            all_or_nothing=not good_rows_only,
            actor=actor,
            now=utc_now(),
        )
        session.commit()
        say(f"已保存为测试集 {kept.id}“{kept.name}”。")


@commands.command("draw")
def draw_set(
    name: Annotated[str, typer.Argument(metavar="名称", help="新测试集的名称。")],
    by: By,
    *,
    first: Annotated[str, typer.Option("--from", help="开始日期，如 2026-10-01。")],
    last: Annotated[str, typer.Option("--to", help="结束日期（含当日）。")],
    size: Annotated[int, typer.Option(min=1, help="抽多少题。")] = 500,
    seed: Annotated[int, typer.Option(help="种子；同一种子抽到同样的题。")] = 1,
) -> None:
    """从来电中抽题：评为正确的提问，和登记的知识缺失。"""
    start, end = _day(first), _day(last) + timedelta(days=1)
    with base_session(Settings()) as session:
        actor, caller = _acting(session, by)
        pool = bench_draws.pool_of(session, start, end, sight=sight_of(caller), now=utc_now())
        cases = bench_draws.draw(pool, size, seed)
        source = f"{first} 至 {last} 的来电，可抽 {len(pool)} 题，种子 {seed}"
        kept = bench_sets.create_set(session, name, source, cases, actor=actor, now=utc_now())
        session.commit()
        say(f"已从 {len(pool)} 题中抽取 {len(cases)} 题，保存为测试集 {kept.id}“{kept.name}”。")


@commands.command("run")
def run_set(
    test_set: SetName,
    by: By,
    *,
    name: Annotated[str, typer.Option(help="运行名称，默认按设置命名。")] = "",
    at: Annotated[str, typer.Option("--at", help="知识库的时点，如 2026-10-01T08:00；默认现行知识库。")] = "",
    model: Annotated[str, typer.Option(help="模型名称；none 为仅按词语；默认在用的。")] = "",
    reader: Annotated[bool, typer.Option("--reader/--no-reader", help="是否精读。")] = True,
    direct: Annotated[float | None, typer.Option(help="直接答复阈值，0 至 1；默认在用的。")] = None,
    choose: Annotated[float | None, typer.Option(help="请核对阈值，0 至 1；默认在用的。")] = None,
    weights: Annotated[str, typer.Option(help="拟合权重的编号，或 shipped；默认在用的。")] = "",
    viewer: Annotated[SeenAs, typer.Option(help="以谁的眼光：agent、citizen 或 everything。")] = SeenAs.AGENT,
) -> None:
    """在本进程中运行一个测试集，不占用服务。"""
    settings = Settings()
    require_base(settings)
    moment = moment_given(at, name="知识库的时点")
    chosen = RunSettings(moment, model, reader, direct, choose, weights, viewer)
    check_model(settings, chosen)
    with closing(build(settings)) as services:
        say("正在载入知识库")
        services.follower.catch_up()
        with services.open_session() as session:
            actor, _ = _acting(session, by)
            run = bench_runs.start(session, _set(session, test_set), name, chosen, actor=actor, now=utc_now())
            TestRunner(services.bench).run_now(run, session, say)
            session.refresh(run)
            _tell(run)
            if run.status is not RunStatus.DONE:
                raise typer.Exit(1)


@commands.command("list")
def list_runs() -> None:
    """列出测试集和最近的运行。"""
    with base_session(Settings()) as session:
        sets = session.scalars(select(TestSet).order_by(TestSet.id)).all()
        counts = bench_sets.count_cases(session, [kept.id for kept in sets])
        for kept in sets:
            say(f"测试集 {kept.id:>4}  {kept.name}  {counts.get(kept.id, 0)} 题  {kept.source}")
        for run in session.scalars(select(TestRun).order_by(TestRun.id.desc()).limit(50)).all()[::-1]:
            figures = run.summary.get("figures", {})
            found = f"  R@1 {_share(figures['R@1'])}  直接答复 {_share(figures['direct'])}" if figures else ""
            say(f"运行   {run.id:>4}  {run.status.label}  {run.set.name}  {run.name}  {run.done}/{run.total}{found}")


@commands.command("compare")
def compare_runs(
    before: RunNumber,
    after: RunNumber,
    out: Annotated[Path | None, typer.Option(help="另存为 .xlsx，须给出 --by。")] = None,
    by: Annotated[str, typer.Option("--by", help="导出时以谁的名义。")] = "",
) -> None:
    """比较同一测试集的两次运行：变好、变差，以及是不是偶然。"""
    with base_session(Settings()) as session:
        one, other = bench_runs.read_run(session, before), bench_runs.read_run(session, after)
        bench_runs.comparable(one, other)
        pairs = pairs_of(session, one, other)
        found = compare([pair.before.judged for pair in pairs], [pair.after.judged for pair in pairs])
        say(found.verdict)
        for name, figure in differences(found):
            low, high = map(points_text, figure.interval or (0.0, 0.0))
            say(f"  {name}：{points_text(figure.change)} 个百分点（95 % 区间 {low} 至 {high}）。{figure.verdict}")
        say(f"变好 {found.better} 题，变差 {found.worse} 题，不变 {found.unchanged} 题。")
        moved = [pair for pair in pairs if pair.before.grade is not pair.after.grade]
        for pair in moved[:SHOWN_CASES]:
            say(f"  {pair.changed.label}：{pair.case.question}（{pair.before.grade.label} → {pair.after.grade.label}）")
        if out is not None:
            titles = _titles(session, [line for pair in pairs for line in (pair.before, pair.after)], by)
            out.write_bytes(comparison_xlsx((one, other), found, pairs, titles))
            say(f"已写到 {out}。")


@commands.command("export")
def export_run(run: RunNumber, by: By, out: Annotated[Path, typer.Option(help="写到哪个 .xlsx 文件。")]) -> None:
    """把一次运行的指标、阈值曲线和逐题结果写成 .xlsx。"""
    with base_session(Settings()) as session:
        found = bench_runs.read_run(session, run)
        lines = lines_of(session, found)
        out.write_bytes(run_xlsx(found, lines, _titles(session, lines, by)))
        say(f"已写到 {out}。")


def _acting(session: Session, login: str) -> tuple[Person, Caller]:
    person = person_named(session, login)
    require(grants_of(person), Action.RUN_TESTS)
    return person, caller_of(session, person, "", utc_now())


def _titles(session: Session, lines: Sequence[CaseLine], login: str) -> dict[str, str]:
    if not login:
        raise Invalid("请用 --by 给出登录名：文件中只写此人看得到的条目。")
    _, caller = _acting(session, login)
    return titles_of(session, codes_in(lines), caller, utc_now())


def _set(session: Session, name: str) -> TestSet:
    """By its name, or its number."""
    kept = session.scalar(select(TestSet).where(TestSet.name == name))
    if kept is None and name.isascii() and name.isdigit():
        kept = session.get(TestSet, int(name[:12]))
    if kept is None:
        count = session.scalar(select(func.count(TestSet.id)))
        raise NotFound(f"没有名称或编号为“{name}”的测试集（现有 {count} 个，见 zhida test list）。")
    return kept


def _tell(run: TestRun) -> None:
    say(f"运行 {run.id}“{run.name}”：{run.status.label}{f'，{run.error}' if run.error else ''}")
    for figure in figures_of(run.summary["figures"]) if run.summary else ():
        say(f"  {figure.name}：{figure.text}（{figure.definition}）")


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), CHINA)
    except ValueError:
        raise Invalid(f"日期“{text}”看不懂，请写成 2026-10-01。") from None


def _share(value: float | None) -> str:
    return "—" if value is None else percent(value)
