"""zhida setup: the database in its present form, and something in it to begin with."""

import sys
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import demonstration
from api.clock import utc_now
from api.commands.console import engine_of, say
from api.commands.users import ask_password
from api.passwords import hash_password
from api.settings import Settings
from kb_admin.older_versions import put_on_routes
from kb_admin.rules_in_force import ensure_adopted
from models.database import sessions
from models.knowledge import Entry
from models.migrate import upgrade
from models.organisation import Person, RoleGrant
from models.values import Role


def setup(
    demo: Annotated[bool, typer.Option("--demo", help="库是空的时候，载入演示用的单位、账号和条目。")] = False,
) -> None:
    """建立或升级数据库。可以反复运行，已有的数据不会改动。"""
    settings = Settings()
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    with engine_of(settings) as engine:
        say("数据库已升级到当前版本。" if upgrade(engine) else "数据库已是当前版本。")
        with sessions(engine)() as session:
            ensure_adopted(session, now=utc_now())
            if placed := put_on_routes(session, now=utc_now()):
                say(f"升级前等待审核、发布的 {placed} 个版本已归入现行规则的流程。")
            if demo:
                _load_demonstration(session)
            elif not _has_administrator(session):
                _create_administrator(session)
            session.commit()


def _load_demonstration(session: Session) -> None:
    if demonstration.is_loaded(session):
        say("演示库已经载入过。")
    elif session.scalar(select(Person.id).limit(1)) or session.scalar(select(Entry.id).limit(1)):
        say("库中已有数据，没有载入演示库。")
    else:
        say("正在载入演示库……")
        count = demonstration.load(session, password_hash=hash_password(demonstration.PASSWORD), now=utc_now())
        say(f"已载入演示条目 {count} 条。")


def _has_administrator(session: Session) -> bool:
    query = select(RoleGrant.id).where(RoleGrant.role == Role.ADMINISTRATOR).limit(1)
    return session.scalar(query) is not None


def _create_administrator(session: Session) -> None:
    """A base without one cannot be used; without a terminal we cannot ask."""
    if not sys.stdin.isatty():
        say("还没有系统管理员。请运行：zhida user add 登录名 --name 姓名 --role administrator")
        return
    say("请建立系统管理员账号。")
    login = typer.prompt("登录名")
    name = typer.prompt("姓名")
    grants = [RoleGrant(role=Role.ADMINISTRATOR)]
    session.add(Person(login=login, name=name, password_hash=hash_password(ask_password()), grants=grants))
    say(f"已建立系统管理员 {name}（{login}）。")
