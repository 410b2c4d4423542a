"""The demonstration base in a database: put there, recognised, and whom its password lets in."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.files import OFFICE
from api.passwords import password_fits
from ingest.demonstration import FOLDER, read_demonstration, read_organisation
from kb_admin.importing import apply_import, plan_import
from kb_admin.organisation import establish
from models.errors import Invalid
from models.organisation import Person, Region

PASSWORD = "zhida-12345"  # noqa: S105 - known to everybody, for a base that holds nothing real


@dataclass(frozen=True)
class Account:
    """Somebody who can log in."""

    login: str
    name: str


def load(session: Session, *, password_hash: str, now: datetime) -> int:
    """Write organisation, accounts and published entries; how many entries. The caller commits: all or none."""
    shipped = read_demonstration()
    establish(session, shipped.organisation, password_hash=password_hash, now=now)
    plan = plan_import(session, shipped.rows, shipped.problems, grants=OFFICE, now=now)
    if plan.refused:
        raise Invalid(f"演示库有误：{plan.refused[0]}")
    return apply_import(session, plan, all_or_nothing=True, publish=True, actor=None, now=now).new


def is_loaded(session: Session) -> bool:
    """Whether the invented city is in the base."""
    city = read_organisation(FOLDER / "organisation.json").regions[0].name
    return session.scalar(select(Region.id).where(Region.name == city)) is not None


def open_accounts(session: Session) -> tuple[Account, ...]:
    """The shipped accounts that the published password opens: with one of them, nothing in the base is kept safe."""
    logins = [person.login for person in read_organisation(FOLDER / "organisation.json").people]
    there = session.scalars(select(Person).where(Person.login.in_(logins), Person.active).order_by(Person.id)).all()
    fitting = {each for each in {person.password_hash for person in there} if password_fits(each, PASSWORD)}
    return tuple(Account(person.login, person.name) for person in there if person.password_hash in fitting)
