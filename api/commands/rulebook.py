"""zhida rulebook …: what the cities' rulebooks say, whether they are sound, and which one holds where."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.commands.console import base_session, say
from api.settings import Settings
from kb_admin.organisation import region_named
from kb_admin.rulebook import Rulebook
from kb_admin.rulebook_files import SHIPPED, examine, read, shipped_text
from kb_admin.rulebook_words import Count, Told, count, differences, sections
from kb_admin.rules_in_force import adopt as adopt_text
from kb_admin.rules_in_force import adoptions_of
from models.errors import Invalid, NotFound
from models.organisation import Region
from models.rules import Adoption
from models.values import CHINA, EARLIEST

commands = typer.Typer(help="规则：查看、核对、比较各城市的规则，采用其中一份。", no_args_is_help=True)

WhichOne = Annotated[str, typer.Argument(metavar="名称或文件", help="随程序提供的规则的名称，或一个 .toml 文件。")]


@commands.command("check")
def check(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[名称或文件]…", help="不写时核对随程序提供的全部规则。")
    ] = None,
) -> None:
    """核对规则文件：每个值都有出处，没有不认识的键，没有矛盾。有错误的以 1 退出。"""
    total, faulty = Count(0, 0), 0
    asked = which or list(SHIPPED)
    for name in asked:
        rulebook, faults = examine(_text(name))
        if rulebook is None or faults:
            faulty += 1
            say(f"{name}：{len(faults)} 处错误")
            for fault in faults:
                say(f"  {fault}")
            continue
        found = count(rulebook)
        total += found
        say(f"{name}（{rulebook.title}）：{_counted(found)}。")
    say(f"共 {len(asked)} 份规则，{f'{faulty} 份有错误；其余 ' if faulty else ''}{_counted(total)}。")
    if faulty:
        raise typer.Exit(1)


@commands.command("show")
def show(which: WhichOne) -> None:
    """一份规则的全部内容，逐项写明出自哪一条；条文没有规定的，写明系统默认的理由。"""
    rulebook = _rulebook(which)
    say(f"{rulebook.title}（{rulebook.name}）：{_counted(count(rulebook))}")
    for document in rulebook.documents.values():
        say(f"  《{document.title}》{document.number}")
    for section in sections(rulebook):
        say(f"\n【{section.title}】")
        if not section.groups:
            say("  无")
        for group in section.groups:
            if group.title:
                say(f"  {group.title}")
            for line in group.lines:
                say(f"    {line.label}：{line.words}　〔{_reason(line)}〕")


@commands.command("diff")
def diff(
    one: Annotated[str, typer.Argument(metavar="甲", help="名称或文件。")],
    other: Annotated[str, typer.Argument(metavar="乙", help="名称或文件。")],
) -> None:
    """两份规则有哪些不同，逐键写出两边的值和出处。"""
    first, second = _rulebook(one), _rulebook(other)
    found = differences(first, second)
    for each in found:
        say(f"{each.told.section}·{each.told.item or each.told.label}·{each.told.label}（{each.told.key}）")
        for rulebook, line in ((first, each.one), (second, each.other)):
            say(f"  {rulebook.title}：{f'{line.words}　〔{_reason(line)}〕' if line else '没有这一项'}")
    say(f"{first.title}与{second.title}共有 {len(found)} 处不同。")


@commands.command("adopt")
def adopt(
    which: WhichOne,
    region: Annotated[str, typer.Option("--region", help="城市或县（市、区）的全称。县没有自己采用的，随所属城市。")],
    begins: Annotated[str, typer.Option("--from", help="从何时起，如 2027-01-01 或 2027-01-01T08:30（北京时间）。")],
) -> None:
    """让一个区域从某时起采用一份规则。此前开始的事项仍按原来的规则办完。"""
    now = utc_now()
    with base_session(Settings()) as session:
        place = region_named(session, region)
        adoption = adopt_text(
            session,
            place,
            _text(which),
            effective_from=_moment(begins, now),
            actor=None,
            now=now,
        )
        session.commit()
        say(f"{place.name}{_told_moment(adoption)}起采用“{adoption.rulebook.name}”。此前开始的事项按原规则办完。")


@commands.command("list")
def list_() -> None:
    """随程序提供的规则，以及各区域从何时起采用哪一份。"""
    for name in SHIPPED:
        rulebook = _rulebook(name)
        say(f"{name}　{rulebook.title}")
    with base_session(Settings()) as session:
        for region in session.scalars(select(Region).order_by(Region.level, Region.id)):
            _say_adoptions(session, region)


def _say_adoptions(session: Session, region: Region) -> None:
    adoptions = adoptions_of(session, region.id)
    if not adoptions:
        say(f"{region.name}：随所属城市")
    for adoption in adoptions:
        say(f"{region.name}：{_told_moment(adoption)}起采用 {adoption.rulebook.name}")


def _told_moment(adoption: Adoption) -> str:
    if adoption.effective_from == EARLIEST:
        return "最初"
    return f"自 {adoption.effective_from.astimezone(CHINA):%Y-%m-%d %H:%M} "


def _moment(text: str, now: datetime) -> datetime:
    """A day begins at midnight; today means from now on. Raises Invalid for what has passed."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Invalid(f"时间“{text}”看不懂。请写成 2027-01-01 或 2027-01-01T08:30。") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=CHINA)
    if moment == datetime.combine(_today(now), time(), CHINA):
        return now
    if moment < now:
        raise Invalid(f"{text} 已经过去。规则只能从现在起生效，写今天的日期即为立即生效。")
    return moment


def _today(now: datetime) -> date:
    return now.astimezone(CHINA).date()


def _rulebook(which: str) -> Rulebook:
    return read(_text(which), file=which)


def _text(which: str) -> str:
    if which in SHIPPED:
        return shipped_text(which)
    path = Path(which)
    if not path.is_file():
        raise NotFound(f"没有名为“{which}”的规则，也没有这个文件。随程序提供的有：{'、'.join(SHIPPED)}。")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"文件 {which} 不是 UTF-8 编码的文字，请另存为 UTF-8。") from error


def _counted(found: Count) -> str:
    return f"{found.values} 个值，{found.from_articles} 个出自条文，{found.defaults} 个为系统默认，全部有出处"


def _reason(line: Told) -> str:
    return f"{line.source}；{line.why}" if line.why else line.source
