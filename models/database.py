"""Opening the database: SQLite with the pragmas that lose nothing, or PostgreSQL, both by URL."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

SQLITE_BUSY_TIMEOUT_MS = 10_000
"""Longer than any of our write transactions; a spreadsheet of 20,000 rows commits in one."""


def open_engine(url: str) -> Engine:
    """An engine for ``url``. SQLite: WAL mode, synchronous=FULL (a commit survives a power cut), foreign keys on."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def sessions(engine: Engine) -> sessionmaker[Session]:
    """The factory that edges open sessions from; objects stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
