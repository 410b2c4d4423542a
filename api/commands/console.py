"""What all commands share: the settings, a database of the right form, and how they speak."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.settings import Settings
from models.database import open_engine, sessions
from models.errors import NotFound, Unavailable
from models.migrate import is_current
from models.organisation import Person


@contextmanager
def base_session(settings: Settings) -> Iterator[Session]:
    """A session on the base; the command commits. Raises Unavailable when the base is not set up."""
    engine = open_engine(settings.database_url)
    try:
        if not is_current(engine):
            raise Unavailable("数据库尚未建立或版本不符，请先运行 zhida setup。")
        with sessions(engine)() as session:
            yield session
    finally:
        engine.dispose()


def say(text: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(text)


def person_named(session: Session, login: str) -> Person:
    """The person with that login name."""
    person = session.scalar(select(Person).where(Person.login == login))
    if person is None:
        raise NotFound(f"没有登录名为“{login}”的人员。用 zhida user list 查看全部人员。")
    return person
