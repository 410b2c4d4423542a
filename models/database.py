"""Opening the database: SQLite with the pragmas that lose nothing, or PostgreSQL, both by URL."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

CHANGES_CHANNEL = "zhida_change_log"
"""On PostgreSQL, who writes the change log notifies whoever listens there."""
SQLITE_BUSY_TIMEOUT_MS = 10_000
"""Longer than any of our write transactions; a spreadsheet of 20,000 rows commits in one."""

CONNECT_SECONDS = 5
"""A PostgreSQL that is away is noticed within this time, not within the minutes that TCP would take."""
POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 12, "pool_timeout": 5, "hide_parameters": True}
"""Who finds no free connection for that many seconds is told so, instead of piling up. Parameters of statements are
questions and hashes of passwords: they stay out of error messages, so out of the log."""


def open_engine(url: str) -> Engine:
    """An engine for ``url``. SQLite: WAL mode, synchronous=FULL (a commit survives a power cut), foreign keys on."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        waiting = {"connect_timeout": CONNECT_SECONDS}
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args=waiting, **POOL
        )
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **(POOL if parsed.database and parsed.database != ":memory:" else {}))
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
