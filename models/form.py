"""Whether a database has the form that this version of the program expects; cheap enough to ask at every start."""

from functools import cache
from pathlib import Path

from sqlalchemy import Engine, inspect, text

STEPS = Path(__file__).parent / "migrations" / "versions"
STEP_NAME = "r*_*.py"
"""Named by their revision, r0001_…, and each follows the one before."""


def is_current(engine: Engine) -> bool:
    """Whether the database has exactly the form that this program expects."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        steps = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
    return list(steps) == [newest_step()]


@cache
def newest_step() -> str:
    """The last step that came with this program; it does not change while it runs."""
    return max(path.name.removeprefix("r").partition("_")[0] for path in STEPS.glob(STEP_NAME))
