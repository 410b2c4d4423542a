"""zhida gaps …: questions without a good answer, put together; what the service does by itself every few minutes."""

from typing import Annotated

import typer

from api.clock import utc_now
from api.commands.console import base_session, require_base, say
from api.gap_grouping import group_waiting, rerun, take_in
from api.settings import Settings
from api.wiring import build
from kb_admin.gap_list import Wanted, list_groups

commands = typer.Typer(help="知识缺失：没有好答案的提问，归组、列出。", no_args_is_help=True)


@commands.command("group")
def group_now() -> None:
    """把新的提问归组，并用新发布的条目重新查一遍未了结的需求。服务每五分钟自动做一次。"""
    settings = Settings()
    require_base(settings)
    services = build(settings)
    try:
        services.follower.catch_up()
        services.weights.look()
        with services.open_session() as session:
            take_in(session, utc_now())
            session.commit()
            total = 0
            while grouped := group_waiting(services, session, utc_now()):
                session.commit()
                total += grouped
            closed = rerun(services, session, utc_now())
            session.commit()
        say(f"归组 {total} 个提问；{closed} 组需求现已能解答。")
    finally:
        services.close()


@commands.command("list")
def list_now(most: Annotated[int, typer.Option("--most", min=1, help="最多列出多少组")] = 20) -> None:
    """列出未了结的需求，来电多的在前。"""
    with base_session(Settings()) as session:
        lines = list_groups(session, Wanted(), utc_now(), limit=most)
        for line in lines:
            unit = line.group.unit.name if line.group.unit else "—"
            week = f"近一周 {line.this_week} 通"
            say(f"{line.group.id:>6} {line.calls:>5} 通 {week} {line.group.status.label} {unit} {line.group.label}")
        say(f"列出 {len(lines)} 组。")
