"""zhida audit …: whether the log is as it was written, and what it says."""

import json
from datetime import date, datetime, time, timedelta
from typing import Annotated

import typer
from sqlalchemy import select

from api.clock import utc_now
from api.commands.console import base_session, say
from api.dates import CHINA
from api.settings import Settings
from kb_admin.audit import verify as verify_log
from models.audit import AuditRecord
from models.errors import Conflict, Invalid

commands = typer.Typer(help="审计日志：核对、查看。", no_args_is_help=True)


@commands.command("verify")
def verify(
    known: Annotated[str, typer.Option(help="以前记下的 条数:校验值；日志到那一条应与之相同。")] = "",
) -> None:
    """从第一条核对到最后一条：有改动、缺少、调换或截断的，说明在第几条。"""
    with base_session(Settings()) as session:
        found = verify_log(session)
        if found.broken_at is not None:
            raise Conflict(f"审计日志不完整：{found.fault}。前 {found.count} 条完好。")
        if known:
            seq, _, seal = known.partition(":")
            if not seq.isdecimal():
                raise Invalid(f"“{known}”应写成 条数:校验值，与核对时显示的一样。")
            if session.scalar(select(AuditRecord.hash).where(AuditRecord.seq == int(seq))) != seal:
                raise Conflict(f"第 {seq} 条与当时记下的不同：日志从头改写过，或者不是同一个库。")
    say(f"审计日志完整，共 {found.count} 条。")
    say(f"请把这一行抄到别处，日后可用 --known 核对：{found.count}:{found.last_hash}")


@commands.command("show")
def show(
    subject: Annotated[str, typer.Option(help="只看这一对象，如 entry:ZD-000001（含其各版）。")] = "",
    login: Annotated[str, typer.Option(help="只看这个登录名。")] = "",
    day: Annotated[str, typer.Option(help="只看这一天，如 2026-11-20。")] = "",
    most: Annotated[int, typer.Option(min=1, max=100_000, help="最多多少条，取最近的。")] = 100,
) -> None:
    """列出记录：序号、时间、谁、做了什么、对什么、详情。"""
    query = select(AuditRecord).order_by(AuditRecord.seq.desc()).limit(most)
    if subject:
        query = query.where(AuditRecord.subject.startswith(subject, autoescape=True))
    if login:
        query = query.where(AuditRecord.actor.has(login=login))
    if day:
        start, end = _bounds(day)
        query = query.where(AuditRecord.at >= start, AuditRecord.at < end)
    with base_session(Settings()) as session:
        for one in reversed(session.scalars(query).all()):
            who = one.actor.login if one.actor else "-"
            details = json.dumps(one.details, ensure_ascii=False) if one.details else ""
            moment = one.at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
            say(f"{one.seq:>8} {moment} {who:<12} {one.act:<18} {one.subject} {details}".rstrip())


def _bounds(day: str) -> tuple[datetime, datetime]:
    try:
        start = datetime.combine(date.fromisoformat(day), time(), CHINA)
    except ValueError as error:
        raise Invalid(f"“{day}”不是日期，应写成 {utc_now().astimezone(CHINA):%Y-%m-%d} 的样子。") from error
    return start, start + timedelta(days=1)
