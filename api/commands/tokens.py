"""zhida token …: keys of programs."""

from typing import Annotated

import typer
from sqlalchemy import select, update

from api.clock import utc_now
from api.commands.console import base_session, person_named, say
from api.security import create_token
from api.settings import Settings
from models.errors import NotFound
from models.organisation import ApiToken

commands = typer.Typer(help="程序接口的令牌。", no_args_is_help=True)


@commands.command("create")
def create(
    login: Annotated[str, typer.Argument(help="令牌以谁的权限工作：登录名。")],
    name: Annotated[str, typer.Argument(help="令牌的名称，写明由哪个程序使用。")],
) -> None:
    """发放令牌，只显示这一次。"""
    with base_session(Settings()) as session:
        token = create_token(session, person_named(session, login), name, utc_now())
        session.commit()
    say(token)


@commands.command("revoke")
def revoke(
    login: Annotated[str, typer.Argument(help="登录名。")],
    name: Annotated[str, typer.Argument(help="令牌的名称。")],
) -> None:
    """停用令牌。"""
    with base_session(Settings()) as session:
        valid = (
            ApiToken.person_id == person_named(session, login).id,
            ApiToken.name == name,
            ApiToken.revoked_at.is_(None),
        )
        revoked = session.scalars(
            update(ApiToken).where(*valid).values(revoked_at=utc_now()).returning(ApiToken.id)
        ).all()
        if not revoked:
            raise NotFound(f"{login} 没有名为“{name}”的有效令牌。用 zhida token list 查看。")
        session.commit()
    say(f"已停用 {login} 的令牌“{name}”。")


@commands.command("list")
def list_tokens() -> None:
    """列出全部令牌（不显示令牌本身）。"""
    with base_session(Settings()) as session:
        for token in session.scalars(select(ApiToken).order_by(ApiToken.id)):
            state = "已停用" if token.revoked_at else "有效"
            say(f"{token.person.login:<16} {token.name:<24} {state}")
