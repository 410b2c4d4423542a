"""Bringing a database to the form that this version of the program expects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

from models.base import Moment
from models.form import is_current
from models.tables import METADATA

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> bool:
    """Run the steps that the database lacks, all or none of them; whether there were any."""
    if is_current(engine):
        return False
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver would commit after each CREATE TABLE
        command.upgrade(_config(connection), "head")
    return True


def differences(engine: Engine) -> Sequence[object]:
    """What migrated tables and mapped classes do not agree on; empty when all is well."""
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=configure_options()), METADATA)
    return tuple(found)


def write_step(engine: Engine, message: str, revision: str) -> None:
    """A new file under migrations/versions from what has changed in the models since this up-to-date database.

    For developers (CONTRIBUTING.md); its author then reads and mends it.
    """
    with engine.connect() as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=revision)


def configure_options() -> dict[str, Any]:
    """How our tables are compared and written down; batch mode because SQLite cannot alter much."""
    return {
        "target_metadata": METADATA,
        "compare_type": True,
        "render_as_batch": True,
        "render_item": _render,
        "user_module_prefix": "models.base.",
    }


def _render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """A step must not change with the program: our own types are written as SQLAlchemy's."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config
