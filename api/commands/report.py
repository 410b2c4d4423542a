"""``zhida report``: the report of a period as a workbook, without a browser."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from api.clock import utc_now
from api.commands.console import base_session, say
from api.report_view import view_of
from api.report_workbook import workbook
from api.settings import Settings
from kb_admin.periods import Period, Span
from kb_admin.permissions import Reach
from kb_admin.rates import published_name
from kb_admin.reports import report as made
from models.errors import Invalid

DAY = re.compile(r"(20\d{2})(?:-(\d{2}))?(?:-(\d{2}))?")


def report(
    out: Annotated[Path, typer.Option("--out", help="写到哪个 .xlsx 文件。")],
    period: Annotated[str, typer.Option("--period", help="期间内的任一天、月或年：2026-11-20、2026-10、2026。")],
    kind: Annotated[str, typer.Option("--kind", help="week、month、quarter 或 year。")] = "month",
) -> None:
    """把一周、一月、一季或一年的运行报表写成 Excel 文件，含全部单位。"""
    span = next((one for one in Span if one.value == kind and one is not Span.DAYS), None)
    if span is None:
        raise Invalid(f"没有“{kind}”这种报表，可写：week、month、quarter、year。")
    chosen = Period.of(span, _day(period))
    with base_session(Settings()) as session:
        now = utc_now()
        found = made(session, published_name(session, now), chosen, Reach(everything=True), now)
        content = workbook(view_of(session, found))
    out.write_bytes(content)
    say(f"{chosen.title}（{chosen.words}）的报表已写到 {out}。")


def _day(text: str) -> date:
    found = DAY.fullmatch(text.strip())
    try:
        return date(*(int(part or 1) for part in found.groups())) if found else date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"“{text}”不是日期，请写成 2026-11-20、2026-10 或 2026。") from None
