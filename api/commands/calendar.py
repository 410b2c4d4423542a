"""zhida calendar …: the holidays of a year that the program does not know yet."""

from pathlib import Path
from typing import Annotated

import typer

from api.clock import utc_now
from api.commands.console import base_session, say
from api.settings import Settings
from kb_admin.calendar_years import add_year, added_years
from kb_admin.published_years import library_year, read_year
from models.errors import FileRefused

commands = typer.Typer(help="放假安排：加入国务院办公厅公布的一年。", no_args_is_help=True)

SHOWN_YEARS = 3
"""Before and after this one, of those that the program brings along."""


@commands.command("add")
def add(
    path: Annotated[Path, typer.Argument(metavar="文件", exists=True, dir_okay=False, help="TOML 文件。")],
) -> None:
    """加入一年的放假安排，写法见 docs/working-time.md。已经算出的到期时间不变。"""
    try:
        year = read_year(path.read_text(encoding="utf-8"), name=path.name)
    except UnicodeDecodeError as error:
        raise FileRefused(f"{path} 不是 UTF-8 编码的文字，请另存为 UTF-8。") from error
    with base_session(Settings()) as session:
        new = add_year(session, year, actor=None, now=utc_now())
        session.commit()
    say(
        f"{'已加入' if new else '已更新'} {year.year} 年的放假安排："
        f"放假 {len(year.holidays)} 天，调休上班 {len(year.workdays)} 天。"
    )


@commands.command("list")
def list_() -> None:
    """系统知道哪些年份的放假安排。"""
    now = utc_now()
    known = [year for year in range(now.year - SHOWN_YEARS, now.year + SHOWN_YEARS) if library_year(year) is not None]
    say(f"随程序提供的：{'、'.join(map(str, known))} 年。")
    with base_session(Settings()) as session:
        years = added_years(session)
    for year in years.values():
        say(f"{year.year} 年：{year.source}；放假 {len(year.holidays)} 天，调休上班 {len(year.workdays)} 天。")
    if not years:
        say("没有另外加入的年份。加入用 zhida calendar add 文件。")
