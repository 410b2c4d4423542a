"""zhida user …: people and their roles."""

import re
import sys
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.commands.console import base_session, person_named, say
from api.passwords import hash_password
from api.security import LONGEST_LOGIN, set_password
from api.settings import Settings
from kb_admin.permissions import UNIT_ROLES
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.organisation import Person, Region, RoleGrant, Unit
from models.values import Role

commands = typer.Typer(help="人员与岗位。", no_args_is_help=True)

MAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
LONGEST_MAIL = 254
"""RFC 5321, 4.5.3.1.3, less the brackets."""
LONGEST_TEAM = 64
ROLES = "，".join(f"{role.value}（{role.label}）" for role in Role)
FromInput = Annotated[bool, typer.Option("--password-stdin", help="从标准输入读取密码，供脚本使用。")]


@commands.command("add")
def add(
    login: Annotated[str, typer.Argument(help="登录名。")],
    *,
    name: Annotated[str, typer.Option(help="姓名。")],
    role: Annotated[Role, typer.Option(help=f"岗位：{ROLES}。")],
    unit: Annotated[str, typer.Option(help="单位全称；采编员、审核员、分管领导必填。")] = "",
    region: Annotated[str, typer.Option(help="县（市、区）名称；县级热线办必填。")] = "",
    mail: Annotated[str, typer.Option(help="邮件地址；设了邮件服务器时，通知也发到这里。")] = "",
    password_stdin: FromInput = False,
) -> None:
    """新增人员，密码在提示后输入。"""
    with base_session(Settings()) as session:
        if not 0 < len(login.strip()) <= LONGEST_LOGIN:
            raise Invalid(f"登录名应为 1 至 {LONGEST_LOGIN} 个字符。")
        if session.scalar(select(Person.id).where(Person.login == login)) is not None:
            raise Conflict(f"登录名“{login}”已有人使用，请换一个。")
        address = checked_mail(mail)
        grant = _grant(session, role, unit, region)
        password_hash = hash_password(ask_password(from_input=password_stdin))
        session.add(Person(login=login, name=name, password_hash=password_hash, mail=address, grants=[grant]))
        session.commit()
    place = f"（{unit or region}）" if unit or region else ""
    say(f"已新增 {name}（{login}），岗位：{role.label}{place}。")


@commands.command("password")
def password(login: Annotated[str, typer.Argument(help="登录名。")], password_stdin: FromInput = False) -> None:
    """重设密码；该人员已登录的页面随即失效，因输错密码而不能登录的随即可以登录。"""
    with base_session(Settings()) as session:
        set_password(session, person_named(session, login), ask_password(from_input=password_stdin))
        session.commit()
    say(f"已重设 {login} 的密码。")


@commands.command("mail")
def change_mail(
    login: Annotated[str, typer.Argument(help="登录名。")],
    address: Annotated[str, typer.Argument(help="邮件地址；写成空的引号即不再发。")],
) -> None:
    """改邮件地址；设了邮件服务器时，通知也发到那里。"""
    with base_session(Settings()) as session:
        person_named(session, login).mail = checked_mail(address)
        session.commit()
    say(f"{login} 的邮件地址现为：{address.strip() or '（无）'}。")


@commands.command("team")
def change_team(
    login: Annotated[str, typer.Argument(help="登录名。")],
    team: Annotated[str, typer.Argument(help="班组，如 早班一组；写成空的引号即不属于任何班组。")],
) -> None:
    """改话务员的班组；此后的来电记在新班组名下，以前的不变。"""
    with base_session(Settings()) as session:
        name = readable(team, name="班组", longest=LONGEST_TEAM)
        person_named(session, login).team = name
        session.commit()
    say(f"{login} 的班组现为：{name or '（无）'}。")


@commands.command("close")
def close(login: Annotated[str, typer.Argument(help="登录名。")]) -> None:
    """停用账号；该人员不能再登录，其令牌也随即失效，记录保留。"""
    with base_session(Settings()) as session:
        person = person_named(session, login)
        person.active = False
        session.commit()
    say(f"已停用 {login}。")


@commands.command("list")
def list_people() -> None:
    """列出全部人员。"""
    with base_session(Settings()) as session:
        for person in session.scalars(select(Person).order_by(Person.login)):
            places = ((g, g.unit.name if g.unit else g.region.name if g.region else "") for g in person.grants)
            roles = "、".join(f"{g.role.label}（{place}）" if place else g.role.label for g, place in places)
            team = f"  {person.team}" if person.team else ""
            say(f"{person.login:<16} {person.name:<8} {roles}{team}{'' if person.active else '  已停用'}")


def checked_mail(address: str) -> str:
    """A mail address as it is kept, or none. Raises Invalid for what is no address."""
    mail = address.strip()
    if mail and (len(mail) > LONGEST_MAIL or not MAIL.fullmatch(mail)):
        raise Invalid(f"“{mail}”不是邮件地址。")
    return mail


def ask_password(*, from_input: bool = False) -> str:
    """A new password, typed twice and not shown; or one line of the standard input."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("密码", hide_input=True, confirmation_prompt="再输入一次"))


def _grant(session: Session, role: Role, unit: str, region: str) -> RoleGrant:
    if (role in UNIT_ROLES) != bool(unit):
        need = "须用 --unit 指明单位" if role in UNIT_ROLES else "不属于某个单位，不要写 --unit"
        raise Invalid(f"岗位“{role.label}”{need}。")
    if (role is Role.COUNTY_OFFICE) != bool(region):
        need = "须用 --region 指明县（市、区）" if role is Role.COUNTY_OFFICE else "不要写 --region"
        raise Invalid(f"岗位“{role.label}”{need}。")
    return RoleGrant(role=role, unit=_unit(session, unit), region=_region(session, region))


def _unit(session: Session, name: str) -> Unit | None:
    unit = session.scalar(select(Unit).where(Unit.name == name)) if name else None
    if name and unit is None:
        raise NotFound(f"没有名为“{name}”的单位。")
    return unit


def _region(session: Session, name: str) -> Region | None:
    region = session.scalar(select(Region).where(Region.name == name)) if name else None
    if name and region is None:
        raise NotFound(f"没有名为“{name}”的区域。")
    return region
