"""The demonstration base in a database: put there, recognised, and who may log in to it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.demonstration import FOLDER, read_demonstration, read_organisation
from kb_admin.importing import apply_import, plan_import
from kb_admin.organisation import establish
from kb_admin.permissions import Grant
from models.errors import Invalid
from models.organisation import Region
from models.values import Role

PASSWORD = "zhida-12345"  # noqa: S105 - known to everybody, for a base that holds nothing real
OFFICE = frozenset({Grant(Role.CITY_OFFICE)})
"""In whose name the entries are published."""


def load(session: Session, *, password_hash: str, now: datetime) -> int:
    """Write organisation, accounts and published entries; how many entries. The caller commits: all or none."""
    shipped = read_demonstration()
    establish(session, shipped.organisation, password_hash=password_hash)
    plan = plan_import(session, shipped.rows, shipped.problems, grants=OFFICE)
    if plan.refused:
        raise Invalid(f"演示库有误：{plan.refused[0]}")
    return apply_import(session, plan, all_or_nothing=True, publish=True, actor=None, now=now).new


def is_loaded(session: Session) -> bool:
    """Whether the invented city is in the base."""
    city = read_organisation(FOLDER / "organisation.json").regions[0].name
    return session.scalar(select(Region.id).where(Region.name == city)) is not None


def accounts() -> tuple[tuple[str, str], ...]:
    """Login and name of each demonstration account."""
    return tuple((p.login, p.name) for p in read_organisation(FOLDER / "organisation.json").people)
