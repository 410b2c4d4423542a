"""The part of the JSON API that takes and gives files of entries."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import files, schemas
from api.clock import utc_now
from api.files import FileFormat
from api.security import Caller, UsingCaller, person_of
from api.viewing import note_export
from api.wiring import UsingSession
from ingest.rows import Defaults
from ingest.spreadsheets import ReadFile, read_file
from kb_admin.exporting import Wanted, entries_to_export
from kb_admin.importing import ChangedRow, ImportPlan, ImportReport, apply_import, plan_import
from kb_admin.permissions import Action, require
from kb_admin.rules_in_force import city_rights
from kb_admin.visibility import reach_of
from models.errors import NotFound, Problem
from models.organisation import Unit
from models.values import Publicity

router = APIRouter(tags=["导入导出"])
NO_UNIT = 0
"""The id of no unit: only roles of the whole city reach it."""


def _file_response(example: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {example: {"schema": {"type": "string", "format": "binary"}}}, "description": "文件。"}}


@router.post("/import", summary="导入条目")
def import_file(
    *,
    session: UsingSession,
    caller: UsingCaller,
    file: Annotated[UploadFile, File(description=".xlsx、.csv（UTF-8 或 GB18030）或 .jsonl。")],
    dry_run: Annotated[bool, Form(description="只试算，不写入。")] = True,
    all_or_nothing: Annotated[bool, Form(description="有一行不能导入就全部不导入；false 为只导入无误的行。")] = True,
    publish: Annotated[bool, Form(description="直接发布，限市热线办；false 为提交审核。")] = False,
    mapping: Annotated[
        list[str] | None,
        Form(description="列的更正，可以多次给出：C=question、知识标题=question、D=-（不导入）。"),
    ] = None,
    header: Annotated[
        list[str] | None,
        Form(description="表头在第几行，不写则自动识别，可以多次给出：Sheet1=2；没有表头写 Sheet1=0。"),
    ] = None,
    unit: Annotated[str, Form(description="文件中没有责任单位时，新增的条目用它。")] = "",
    region: Annotated[str, Form(description="文件中没有适用区域时，新增的条目用它；默认为本市。")] = "",
    publicity: Annotated[Publicity, Form(description="文件中没有公开属性时，新增的条目用它。")] = Publicity.INTERNAL,
) -> schemas.ImportResponse:
    """读文件、与库中条目逐行比对：多少行新增、修改、不变、不能导入，不能导入的逐行说明原因。

    文件没有的列（.jsonl 为该行没有的键），已有条目的那一项不改动；有这一列而留空的，那一项清空。

    默认只试算。`dry_run=false` 时写入，全部在一个事务中完成。
    """
    require(caller.grants, Action.IMPORT)
    defaults = Defaults(unit=unit, region=region or files.usual_region(session), publicity=publicity)
    read = read_file(
        file.file.read(),
        file.filename or "",
        mapping=files.column_choices(mapping or []),
        header_rows=files.header_rows(header or []),
        defaults=defaults,
    )
    plan = plan_import(session, read.rows, read.problems, grants=caller.grants, faulty=read.faulty, now=utc_now())
    if dry_run:
        return _planned(read, plan)
    report = apply_import(
        session,
        plan,
        all_or_nothing=all_or_nothing,
        publish=publish,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    response = _planned(read, plan, report)
    session.commit()
    return response


@router.get(
    "/export",
    summary="导出条目",
    response_class=Response,
    responses=_file_response("application/octet-stream"),
)
def export(
    *,
    session: UsingSession,
    caller: UsingCaller,
    format: Annotated[FileFormat, Query(description="文件格式。")] = FileFormat.XLSX,
    unit: Annotated[list[str] | None, Query(description="只导出这些单位的条目，单位全称，可以多次给出。")] = None,
    wanted: Annotated[Wanted, Query(description="live 现行版本，newest 最新版本（含未发布的）。")] = Wanted.LIVE,
) -> Response:
    """您有权导出的条目，按编码排列。原样导入不产生任何改动。"""
    require(caller.grants, Action.EXPORT)
    unit_ids = None if unit is None else [_exported_unit(session, caller, name) for name in unit]
    now = utc_now()
    allowed = reach_of(Action.EXPORT, caller.grants, session.scalars(select(Unit)), city_rights(session, now))
    entries = entries_to_export(session, grants=caller.grants, allowed=allowed, unit_ids=unit_ids, wanted=wanted)
    note_export(session, entries, caller.person_id, now, written=format)
    session.commit()
    return _download(files.written(entries, format), f"zhida-entries.{format}", files.MEDIA_TYPES[format])


@router.get(
    "/template.xlsx",
    summary="导入模板",
    response_class=Response,
    responses=_file_response(files.MEDIA_TYPES[FileFormat.XLSX]),
)
def template(session: UsingSession, caller: UsingCaller) -> Response:
    """空白的导入模板，带填写示例和本库的单位、区域下拉列表。"""
    require(caller.grants, Action.IMPORT)
    media_type = files.MEDIA_TYPES[FileFormat.XLSX]
    return _download(files.template_of(session), "zhida-template.xlsx", media_type)


def _planned(read: ReadFile, plan: ImportPlan, report: ImportReport | None = None) -> schemas.ImportResponse:
    return schemas.ImportResponse(
        filename=read.filename,
        applied=report is not None,
        published=report is not None and report.published,
        rows=plan.row_count,
        new=len(plan.new),
        changed=len(plan.changed),
        unchanged=len(plan.unchanged),
        pending=len(plan.pending),
        off=len(plan.off),
        refused=plan.refused_rows,
        tables=[
            schemas.TableShown(
                sheet=table.sheet,
                rows=table.row_count,
                header_row=table.layout.header_row,
                passed_over=table.passed_over,
                columns=[
                    schemas.ColumnShown(letter=c.letter, header=c.header, field=c.field, reason=c.reason)
                    for c in table.layout.columns
                ],
            )
            for table in read.tables
        ],
        changed_entries=[_changed(row) for row in plan.changed],
        problems=_rows(read.located(problem) for problem in plan.refused),
        notices=_rows(read.notices),
    )


def _changed(changed: ChangedRow) -> schemas.ChangedEntry:
    return schemas.ChangedEntry(
        sheet=changed.row.sheet,
        row=changed.row.row,
        code=changed.code,
        question=changed.row.content.question,
        changes=[
            schemas.PartChange(field=c.field, before=c.before, after=c.after, cleared=c.cleared)
            for c in changed.changes
        ],
    )


def _rows(problems: Iterable[Problem]) -> list[schemas.RowProblem]:
    return [schemas.RowProblem(sheet=p.sheet, row=p.row, column=p.column, reason=p.reason) for p in problems]


def _exported_unit(session: Session, caller: Caller, name: str) -> int:
    """The unit's id. Who may not export a unit does not learn whether it exists: Forbidden comes before NotFound."""
    try:
        unit_id = files.unit_id_of(session, name)
    except NotFound:
        require(caller.grants, Action.EXPORT, unit_id=NO_UNIT)
        raise
    require(caller.grants, Action.EXPORT, unit_id=unit_id)
    return unit_id


def _download(content: bytes, filename: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(content, media_type=media_type, headers=headers)
