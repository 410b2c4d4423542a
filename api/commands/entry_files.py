"""zhida import, export, template: files of entries in and out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api import files
from api.clock import utc_now
from api.commands.console import base_session, say
from api.files import OFFICE, FileFormat
from api.settings import Settings
from api.viewing import note_export
from ingest.refusals import refusals_xlsx
from ingest.rows import Defaults
from ingest.spreadsheets import ReadFile, read_file
from kb_admin.exporting import Wanted, entries_to_export
from kb_admin.importing import ChangedRow, ImportPlan, apply_import, plan_import
from kb_admin.permissions import Reach
from models.errors import Invalid, ZhidaError
from models.values import Publicity

SHOWN_PROBLEMS = 20
SHOWN_CHANGES = 20


def import_files(
    paths: Annotated[list[Path], typer.Argument(metavar="文件…", exists=True, dir_okay=False, help="要导入的文件。")],
    *,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="写入，或只试算（默认）。")] = False,
    good_rows_only: Annotated[
        bool, typer.Option("--good-rows-only", help="只导入无误的行；默认有一行不能导入就全部不导入。")
    ] = False,
    publish: Annotated[bool, typer.Option("--publish", help="直接发布；默认提交审核。")] = False,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="列的更正，可多次给出：C=question，D=- 为不导入。")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", help="表头在第几行，可多次给出：Sheet1=2，没有表头写 Sheet1=0；默认自动识别。"),
    ] = None,
    unit: Annotated[str, typer.Option(help="文件中没有责任单位时，新增的条目用它。")] = "",
    region: Annotated[str, typer.Option(help="文件中没有适用区域时，新增的条目用它；默认为本市。")] = "",
    publicity: Annotated[Publicity, typer.Option(help="文件中没有公开属性时，新增的条目用它。")] = Publicity.INTERNAL,
    report: Annotated[Path | None, typer.Option(help="把不能导入的行写成 .xlsx，改好后可再导入。")] = None,
) -> None:
    """导入条目：.xlsx、.csv、.jsonl。默认只试算；一个文件一个事务，依次导入，遇到不能导入的文件即停。"""
    if report is not None and len(paths) > 1:
        raise Invalid("--report 一次只写一个文件的结果，请逐个导入。")
    with base_session(Settings()) as session:
        choices, header_rows = files.column_choices(mapping or []), files.header_rows(header or [])
        defaults = Defaults(unit=unit, region=region or files.usual_region(session), publicity=publicity)
        for place, path in enumerate(paths):
            try:
                read = read_file(path, mapping=choices, header_rows=header_rows, defaults=defaults)
                plan = plan_import(session, read.rows, read.problems, grants=OFFICE, faulty=read.faulty, now=utc_now())
                _describe(read, plan)
                if report is not None:
                    report.write_bytes(refusals_xlsx(read, plan.refused))
                if apply:
                    _carry_out(session, plan, all_or_nothing=not good_rows_only, publish=publish)
            except (ZhidaError, SQLAlchemyError):
                _say_what_stands(paths, place, written=apply)
                raise
    if not apply:
        say("以上为试算，没有写入。加 --apply 写入。")


def export_file(
    out: Annotated[Path, typer.Option(help="写到哪个文件。")],
    file_format: Annotated[FileFormat | None, typer.Option("--format", help="文件格式，默认取文件名的后缀。")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="只导出这个单位，可多次给出。")] = None,
    wanted: Annotated[Wanted, typer.Option(help="live 现行版本，newest 最新版本（含未发布的）。")] = Wanted.LIVE,
) -> None:
    """导出条目；原样导入不产生任何改动。"""
    chosen = file_format or _format_of(out)
    with base_session(Settings()) as session:
        unit_ids = [files.unit_id_of(session, name) for name in unit] if unit else None
        entries = entries_to_export(
            session, grants=OFFICE, allowed=Reach(everything=True), unit_ids=unit_ids, wanted=wanted
        )
        note_export(session, entries, None, utc_now(), written=chosen)
        session.commit()
    out.write_bytes(files.written(entries, chosen))
    say(f"已导出 {len(entries)} 条到 {out}。")


def write_template(out: Annotated[Path, typer.Argument(help="写到哪个 .xlsx 文件。")]) -> None:
    """写出空白的导入模板，带填写示例和本库的单位、区域下拉列表。"""
    with base_session(Settings()) as session:
        out.write_bytes(files.template_of(session))
    say(f"模板已写到 {out}。")


def _describe(read: ReadFile, plan: ImportPlan) -> None:
    say(f"{read.filename}")
    for table in read.tables:
        if table.passed_over:
            say(f"  工作表“{table.sheet}”未读取：{table.passed_over}")
            continue
        columns = "，".join(f"{c.name}→{c.field.label}" for c in table.layout.columns if c.field)
        ignored = "、".join(c.name for c in table.layout.columns if not c.field)
        place = f"表头在第 {table.layout.header_row} 行" if table.layout.header_row else "没有表头"
        say(f"  工作表“{table.sheet}”（{place}）：{columns}{f'；不导入：{ignored}' if ignored else ''}")
    say(
        f"  共 {plan.row_count} 行：新增 {len(plan.new)}，修改 {len(plan.changed)}，"
        f"不变 {len(plan.unchanged)}，不能导入 {plan.refused_rows}"
    )
    if plan.pending or plan.off:
        say(f"  不变的行中：尚未发布 {len(plan.pending)}，已下架、到期或失效 {len(plan.off)}（导入不会恢复）")
    for changed in plan.changed[:SHOWN_CHANGES]:
        _describe_change(changed)
    if len(plan.changed) > SHOWN_CHANGES:
        say(f"    ……另有 {len(plan.changed) - SHOWN_CHANGES} 条修改。")
    for problem in plan.refused[:SHOWN_PROBLEMS]:
        say(f"    {read.located(problem)}")
    if len(plan.refused) > SHOWN_PROBLEMS:
        say(f"    ……另有 {len(plan.refused) - SHOWN_PROBLEMS} 处，用 --report 文件 取得全部。")


def _describe_change(changed: ChangedRow) -> None:
    say(f"    修改 {changed.code}（工作表“{changed.row.sheet}”第 {changed.row.row} 行）{changed.row.content.question}")
    for change in changed.changes:
        if not change.cleared:
            say(f"      {change.name}：{change.before or '（空）'} → {change.after}")
    lost = "、".join(change.cleared for change in changed.changes if change.cleared)
    if lost:
        say(f"      将清空：{lost}")


def _carry_out(session: Session, plan: ImportPlan, *, all_or_nothing: bool, publish: bool) -> None:
    done = apply_import(session, plan, all_or_nothing=all_or_nothing, publish=publish, actor=None, now=utc_now())
    session.commit()
    state = "已发布" if done.published else "待审核"
    along = f"；原已提交的 {done.pending} 条随之发布" if done.published and done.pending else ""
    say(f"  已写入：新增 {done.new}，修改 {done.changed}（{state}）{along}。")


def _say_what_stands(paths: Sequence[Path], place: int, *, written: bool) -> None:
    """Each file is a transaction of its own, so those before the one that failed are in the base."""
    say(f"{paths[place].name}：没有导入，原因见下。")
    if written and place:
        say(f"  在它之前已写入的予以保留：{_names(paths[:place])}。")
    if paths[place + 1 :]:
        say(f"  在它之后的没有处理：{_names(paths[place + 1 :])}。")


def _names(paths: Sequence[Path]) -> str:
    return "、".join(path.name for path in paths)


def _format_of(out: Path) -> FileFormat:
    suffix = out.suffix.lstrip(".").lower()
    if suffix not in list(FileFormat):
        raise Invalid(f"不知道 {out.name} 该用什么格式，请用 --format 指明：{'、'.join(FileFormat)}。")
    return FileFormat(suffix)
