"""What all commands share: the settings, a database of the right form, and how they speak."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from sqlalchemy import Engine, make_url, select
from sqlalchemy.orm import Session

from api.delivering import sessions_of
from api.settings import Settings
from models.database import open_engine
from models.errors import NotFound, Unavailable
from models.form import is_current
from models.organisation import Person

NOT_SET_UP = "数据库尚未建立或版本不符，请先运行 zhida setup。"


@contextmanager
def base_session(settings: Settings) -> Iterator[Session]:
    """A session on the base; the command commits. Raises Unavailable when the base is not set up."""
    require_base(settings)
    with engine_of(settings) as engine, sessions_of(engine, settings)() as session:
        yield session


def require_base(settings: Settings) -> None:
    """Raises Unavailable when the base is not set up, and leaves no empty one behind."""
    file = sqlite_file(settings)
    if file is not None and not file.is_file():
        raise Unavailable(NOT_SET_UP)
    with engine_of(settings) as engine:
        if not is_current(engine):
            raise Unavailable(NOT_SET_UP)


@contextmanager
def engine_of(settings: Settings) -> Iterator[Engine]:
    """The database as it is, or an empty one. Raises Unavailable when its driver is not installed."""
    try:
        engine = open_engine(settings.database_url)
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"没有安装数据库驱动 {error.name}。请运行 .venv/bin/pip install -r requirements/postgresql.txt"
        ) from error
    try:
        yield engine
    finally:
        engine.dispose()


def sqlite_file(settings: Settings) -> Path | None:
    """The file that holds the base; None for a database that is no file."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":", "file:")):
        return None
    return Path(url.database)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(text)


def person_named(session: Session, login: str) -> Person:
    """The person with that login name."""
    person = session.scalar(select(Person).where(Person.login == login))
    if person is None:
        raise NotFound(f"没有登录名为“{login}”的人员。用 zhida user list 查看全部人员。")
    return person
