"""Regions, units and people from definitions."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.demonstration import read_demonstration
from kb_admin.importing import apply_import, plan_import
from kb_admin.organisation import Created, establish
from kb_admin.permissions import Grant
from models.errors import Invalid
from models.organisation import Person, Unit
from models.values import Role
from tests.cast import NOW


def test_demonstration_base_loads_whole_and_a_second_time_changes_nothing(session: Session) -> None:
    demonstration = read_demonstration()
    assert establish(session, demonstration.organisation, password_hash="一", now=NOW) == Created(
        regions=4, units=28, people=8
    )
    assert establish(session, demonstration.organisation, password_hash="二", now=NOW) == Created(
        regions=0, units=0, people=0
    )
    assert set(session.scalars(select(Person.password_hash))) == {"一"}
    office = [Grant(Role.CITY_OFFICE)]
    plan = plan_import(session, demonstration.rows, (), grants=office, now=NOW)
    assert (len(plan.new), plan.refused) == (len(demonstration.rows), ())
    apply_import(session, plan, all_or_nothing=True, publish=True, actor=None, now=NOW)
    session.commit()
    again = plan_import(session, demonstration.rows, (), grants=office, now=NOW)
    assert len(again.unchanged) == len(demonstration.rows)


def test_changed_phone_is_brought_up_to_date(session: Session) -> None:
    organisation = read_demonstration().organisation
    establish(session, organisation, password_hash="一", now=NOW)
    moved = replace(organisation, units=tuple(replace(unit, phone="0000-8199") for unit in organisation.units))
    establish(session, moved, password_hash="一", now=NOW)
    assert set(session.scalars(select(Unit.phone))) == {"0000-8199"}


def test_definition_that_names_an_unknown_unit_is_refused(session: Session) -> None:
    organisation = replace(read_demonstration().organisation, units=())
    with pytest.raises(Invalid, match="没有名为“安澜市人力资源和社会保障局”的承办单位"):
        establish(session, organisation, password_hash="一", now=NOW)


def test_a_grant_that_is_listed_twice_is_given_once(session: Session) -> None:
    organisation = read_demonstration().organisation
    doubled = tuple(replace(person, grants=person.grants * 2) for person in organisation.people)
    establish(session, replace(organisation, people=doubled), password_hash="一", now=NOW)
    grants = sum(len(person.grants) for person in session.scalars(select(Person)))
    assert grants == sum(len(person.grants) for person in organisation.people)
