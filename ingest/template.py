"""The workbook that editors fill in: headers with notes, drop-down lists, an example, an explanation."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from ingest.columns import HEADERS
from ingest.dates import read_end, read_start
from ingest.export import FIELDS, SHEET, cells
from ingest.sheet_writing import HEADER_FILL, WRAPPED, header_cell, text_cell, width_of
from models.values import BasisContent, EntryContent, ExportedEntry, Publicity
from models.values import EntryField as F

EXAMPLE_SHEET = "填写示例"
"""Import passes this sheet over."""
NOTES_SHEET = "填写说明"
CHOICES_SHEET = "选项"
LAST_ROW = 5_000
"""Drop-down lists and text format reach down to here; more rows are imported just as well."""
INFO_TYPES = (
    *("法律法规", "业务政策", "部门职能", "行政审批", "办事指南"),
    *("公共服务信息", "公共服务紧急临时信息", "常见问题", "热点问题"),
)
"""济源 art. 4."""
NOTES = {
    F.CODE: "新条目请留空，由系统编号。填写已有编号即更新该条目。",
    F.QUESTION: "必填。一个群众会问的问题，不超过 500 字。同一单位内不能重复。",
    F.SIMILAR: "群众的其他问法，一行一条（单元格内换行按 Alt+Enter）。",
    F.SPOKEN: "坐席可直接照读的简短答复，40 至 110 字为宜。",
    F.ANSWER: "必填。完整答案，可用 Markdown：## 条件、## 材料、## 流程、## 时限、## 费用、## 电话；列表用 - 开头。",
    F.KEYWORDS: "一行一个，也可用逗号、顿号隔开。",
    F.CATEGORY: "如：社会保险/养老保险。没有的类目会自动建立。",
    F.BASIS: "一行一件，如：《中华人民共和国社会保险法》。",
    F.BASIS_NUMBER: "与文件名称逐行对应，没有文号的行留空。",
    F.BASIS_ATTACHMENTS: "与文件名称逐行对应的整数，没有附件写 0。",
    F.VALID_FROM: "如 2025-01-31；当日 0 时起生效。也可写 2025-01-31 16:30。",
    F.VALID_TO: "如 2026-06-30；当日仍有效，次日 0 时下架。长期有效请留空。",
    F.PUBLICITY: "公开或内部。留空按内部处理，或按导入时指定的默认值。",
    F.INFO_TYPE: "从下拉列表中选择。",
    F.UNIT: "承办单位全称，从下拉列表中选择。",
    F.REGION: "从下拉列表中选择。",
}
EXAMPLE = ExportedEntry(
    "",
    EntryContent(
        question="灵活就业人员怎样参加职工养老保险",
        similar=("没有单位自己怎么交社保", "跑外卖的能不能交养老保险"),
        spoken="带身份证到参保地社保经办窗口，或在社保网上服务平台登记后按月缴费，登记当场办结，不收费。",
        answer="## 材料\n- 居民身份证\n## 流程\n1. 到窗口或网上平台登记\n2. 按月缴费\n## 费用\n登记不收费。",
        keywords=("灵活就业", "养老保险", "参保"),
        category="社会保险/养老保险",
        bases=(
            BasisContent("《中华人民共和国社会保险法》", "主席令第三十五号", 0),
            BasisContent("《某市灵活就业人员参保办法》", "", 2),
        ),
        valid_from=read_start("2025-01-01"),
        valid_to=read_end("2027-12-31"),
        publicity=Publicity.PUBLIC,
        info_type="办事指南",
        unit="（承办单位全称）",
        region="（适用区域）",
    ),
)


def template_xlsx(*, units: Sequence[str] = (), regions: Sequence[str] = ()) -> bytes:
    """An empty workbook to fill in; ``units`` and ``regions`` become drop-down lists."""
    book = Workbook()
    entries: Any = book.active
    entries.title = SHEET
    _write_headers(entries)
    publicity = [choice.label for choice in Publicity]
    choices = {F.PUBLICITY: publicity, F.INFO_TYPE: INFO_TYPES, F.UNIT: units, F.REGION: regions}
    _write_example(book.create_sheet(EXAMPLE_SHEET))
    _write_notes(book.create_sheet(NOTES_SHEET))
    _write_choices(book.create_sheet(CHOICES_SHEET), entries, choices)
    book.properties.created = book.properties.modified = datetime(2026, 1, 1)  # noqa: DTZ001 - same bytes each time
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def _write_headers(sheet: Any) -> None:
    sheet.freeze_panes = "B2"
    for index, field in enumerate(FIELDS, start=1):
        column = sheet.column_dimensions[get_column_letter(index)]
        column.width = width_of(HEADERS[field])
        column.alignment = WRAPPED
        column.number_format = "@"
        cell = sheet.cell(1, index)
        _copy(header_cell(sheet, HEADERS[field]), cell)
        cell.comment = Comment(NOTES[field], "直答", width=320, height=120)


def _write_example(sheet: Any) -> None:
    _write_headers(sheet)
    for index, text in enumerate(cells(EXAMPLE), start=1):
        _copy(text_cell(sheet, text), sheet.cell(2, index))


def _write_notes(sheet: Any) -> None:
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 32, 90
    sheet.append(["列名", "怎样填写"])
    for cell in sheet[1]:
        cell.fill = HEADER_FILL
    for field in FIELDS:
        sheet.append([HEADERS[field], NOTES[field]])
    sheet.append(["本表与“填写示例”不会导入", f"只在“{SHEET}”表中填写；请勿合并单元格，勿用公式。"])


def _write_choices(sheet: Any, entries: Any, choices: Mapping[F, Sequence[str]]) -> None:
    """The lists stand in a hidden sheet: a list written into the rule itself may hold only 255 characters."""
    sheet.sheet_state = "hidden"
    for column, (field, words) in enumerate(choices.items(), start=1):
        for row, word in enumerate(words, start=1):
            _copy(text_cell(sheet, word), sheet.cell(row, column))
        if words:
            letter = get_column_letter(column)
            area = f"'{CHOICES_SHEET}'!${letter}$1:${letter}${len(words)}"
            rule = DataValidation("list", formula1=area, allow_blank=True, showErrorMessage=True)
            rule.errorTitle, rule.error = HEADERS[field], "请从列表中选择。"
            target = get_column_letter(FIELDS.index(field) + 1)
            rule.add(f"{target}2:{target}{LAST_ROW}")
            entries.add_data_validation(rule)


def _copy(source: Any, cell: Any) -> None:
    """Set value and style as the shared cell writers make them."""
    cell.value = source.value
    cell.data_type = source.data_type
    cell.font, cell.fill, cell.alignment = source.font.copy(), source.fill.copy(), source.alignment.copy()
