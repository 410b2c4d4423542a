"""zhida clock …: when a limit ends and how much working time is left, with the working of it for people who doubt."""

from datetime import datetime
from typing import Annotated

import typer

from api.commands.console import NOT_SET_UP, base_session, say
from api.settings import Settings
from kb_admin.calendar_years import added_years
from kb_admin.calendars import Calendar
from kb_admin.rulebook_files import load_shipped
from kb_admin.time_words import explain_due, explain_left
from kb_admin.worktime import Limit, due_at
from models.errors import Invalid, Unavailable
from models.values import CHINA, EARLIEST, LATEST

commands = typer.Typer(help="期限：何时到期、还剩多久，逐步写出怎么数。", no_args_is_help=True)

RulebookName = Annotated[str, typer.Option("--rulebook", help="按哪个城市的办公时间：规则名称，如 default。")]
From = Annotated[str, typer.Option("--from", help="从何时起，如 2026-09-29T16:40；不写时区的是北京时间。")]


@commands.command("due")
def due(
    rulebook: RulebookName,
    limit: Annotated[str, typer.Option(help="期限，如 5 working_days、3 working_hours、22 hours、1 month。")],
    begins: From,
    start_day_counts: Annotated[
        bool, typer.Option("--start-day-counts", help="起算当天是工作日的，算第 1 个。")
    ] = False,
) -> None:
    """何时到期：第一行是到期时间，以下逐步写出怎么数。"""
    start, asked, calendar = _moment(begins), Limit.parse(limit), _calendar(rulebook)
    end = due_at(start, asked, calendar, start_day_counts=start_day_counts)
    say(end.astimezone(CHINA).isoformat())
    for line in explain_due(start, asked, calendar, start_day_counts=start_day_counts):
        say(line)


@commands.command("left")
def left(
    rulebook: RulebookName,
    begins: From,
    ends: Annotated[str, typer.Option("--to", "--due", help="到何时止，写法相同。")],
) -> None:
    """两个时刻之间有多少工作时间；前两行是这两个时刻，以下逐日写出。"""
    start, end, calendar = _moment(begins), _moment(ends), _calendar(rulebook)
    for moment in (start, end):
        say(moment.astimezone(CHINA).isoformat())
    for line in explain_left(start, end, calendar):
        say(line)


def _calendar(rulebook: str) -> Calendar:
    """The city's office hours, with the years that the administrator added, if there is a base."""
    hours = load_shipped(rulebook).hours
    try:
        with base_session(Settings()) as session:
            return Calendar(hours, added_years(session))
    except Unavailable as error:
        if str(error) != NOT_SET_UP:
            raise
    return Calendar(hours)


def _moment(text: str) -> datetime:
    """A day and a time of day; in China's time unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is None or len(text.strip()) <= len("2026-09-29"):
        raise Invalid(f"时间“{text}”看不懂。请写成日期和时刻，如 2026-09-29T16:40。")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=CHINA)
    if not EARLIEST <= aware <= LATEST:
        raise Invalid(f"时间“{text}”不在 {EARLIEST.year} 年至 {LATEST.year} 年之间。")
    return aware
