"""zhida organisation: regions, units and people of a real city, from one file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from api.clock import utc_now
from api.commands.console import base_session, say
from api.commands.users import FromInput, ask_password
from api.passwords import hash_password
from api.settings import Settings
from ingest.demonstration import read_organisation
from kb_admin.organisation import establish
from models.definitions import OrganisationDefinition
from models.errors import Invalid

NOBODY = ""
"""Password hash where the file names no people: nobody gets it."""


def organisation(
    path: Annotated[Path, typer.Argument(metavar="文件", exists=True, dir_okay=False, help="JSON 文件。")],
    password_stdin: FromInput = False,
) -> None:
    """按文件建立区域、单位和人员，可反复运行。文件的写法见 ingest/demonstration/organisation.json。"""
    definition = _read(path)
    with base_session(Settings()) as session:
        if definition.people:
            say("新建立的人员使用同一个初始密码，请各自尽快修改。")
        first = hash_password(ask_password(from_input=password_stdin)) if definition.people else NOBODY
        created = establish(session, definition, password_hash=first, now=utc_now())
        session.commit()
    say(f"新建区域 {created.regions} 个，单位 {created.units} 个，人员 {created.people} 人；其余已按文件更新。")


def _read(path: Path) -> OrganisationDefinition:
    try:
        return read_organisation(path)
    except json.JSONDecodeError as error:
        raise Invalid(f"{path} 第 {error.lineno} 行不是有效的 JSON。") from error
    except (KeyError, TypeError) as error:
        raise Invalid(f"{path} 缺少或写错了 {error}。写法见 ingest/demonstration/organisation.json。") from error
