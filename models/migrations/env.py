"""Alembic's entry: runs the steps on the connection that ``models/migrate.py`` hands over."""

from alembic import context

from models.migrate import configure_options

context.configure(connection=context.config.attributes["connection"], **configure_options())
with context.begin_transaction():
    context.run_migrations()
