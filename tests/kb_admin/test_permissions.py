"""Who may do what, who sees what."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.permissions import Action, Grant, Reach, grants_of, may, readable_history, require, viewer_of
from models.errors import Forbidden
from models.organisation import Person, Unit
from models.values import Publicity, Role, Viewer
from tests.cast import Cast

EVERYBODY = {role.value for role in Role}
ALLOWED: dict[Action, set[str]] = {
    Action.SEARCH: EVERYBODY,
    Action.JUDGE: {"agent", "city_office"},
    Action.RECORD_GAP: {"agent", "city_office"},
    Action.READ_GAPS: {"city_office", "analyst"},
    Action.IMPORT: {"city_office", "editor"},
    Action.EXPORT: {"city_office", "analyst", "editor", "reviewer"},
    Action.SUBMIT: {"city_office", "editor"},
    Action.PUBLISH: {"city_office"},
    Action.WITHDRAW: {"city_office"},
    Action.READ_HISTORY: {"city_office", "editor", "reviewer", "unit_leader", "county_office", "analyst"},
    Action.EDIT_THESAURUS: {"city_office"},
}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_says(role: Role, action: Action) -> None:
    assert may({_grant(role)}, action, unit_id=7, region_id=3) is (role.value in ALLOWED[action])


@pytest.mark.parametrize("role", list(Role))
def test_units_and_county_offices_act_on_their_own_alone(role: Role) -> None:
    """Entries of another unit of the same county, of another county, and of a unit of which no county is known."""
    bounded = role in (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER), role is Role.COUNTY_OFFICE
    reads = role.value in ALLOWED[Action.READ_HISTORY]
    assert may({_grant(role)}, Action.READ_HISTORY, unit_id=8, region_id=3) is (reads and not bounded[0])
    assert may({_grant(role)}, Action.READ_HISTORY, unit_id=8, region_id=4) is (reads and not any(bounded))
    assert may({_grant(role)}, Action.READ_HISTORY, unit_id=8) is (reads and not any(bounded))


@pytest.mark.parametrize("action", [Action.IMPORT, Action.EXPORT, Action.SUBMIT, Action.READ_HISTORY])
def test_an_editor_is_refused_for_another_units_entry(action: Action) -> None:
    editor = {Grant(Role.EDITOR, unit_id=7)}
    assert may(editor, action, unit_id=7)
    assert not may(editor, action, unit_id=8)


def test_a_refusal_names_who_may() -> None:
    with pytest.raises(Forbidden, match="市热线办"):
        require({Grant(Role.AGENT)}, Action.PUBLISH)


def test_a_closed_account_has_no_grants(session: Session, cast: Cast) -> None:
    assert grants_of(cast.agent)
    cast.agent.active = False
    assert grants_of(cast.agent) == frozenset()


def test_nobody_without_a_role_sees_more_than_the_public() -> None:
    assert viewer_of((), ()) == Viewer()


@pytest.mark.parametrize("who", ["agent", "office", "analyst", "administrator"])
def test_the_office_and_its_agents_see_every_unit(who: str, session: Session, cast: Cast) -> None:
    assert _viewer(session, getattr(cast, who)).everything


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader"])
def test_a_unit_sees_its_own_and_its_counterparts(who: str, session: Session, cast: Cast) -> None:
    seen = _viewer(session, getattr(cast, who))
    assert seen == Viewer(unit_ids=frozenset({cast.unit.id, cast.county_unit.id}))


def test_a_county_office_sees_its_countys_units(session: Session, cast: Cast) -> None:
    assert _viewer(session, cast.county_office) == Viewer(unit_ids=frozenset({cast.county_unit.id}))


@pytest.mark.parametrize(
    ("roles", "units"),
    [
        (("agent",), set()),
        (("administrator",), set()),
        (("editor",), {"unit"}),
        (("county_office",), {"county_unit"}),
        (("agent", "county_office"), {"county_unit"}),
        (("administrator", "leader"), {"unit"}),
        (("county_office", "stranger"), {"county_unit", "other_unit"}),
    ],
)
def test_roles_of_one_person_add_up_and_do_not_mix(
    roles: tuple[str, ...], units: set[str], session: Session, cast: Cast
) -> None:
    grants = {grant for who in roles for grant in grants_of(getattr(cast, who))}
    read = readable_history(grants, session.scalars(select(Unit)))
    assert read == Reach(unit_ids=frozenset(getattr(cast, name).id for name in units))


@pytest.mark.parametrize("who", ["office", "analyst"])
def test_the_city_office_and_analysts_read_every_history(who: str, session: Session, cast: Cast) -> None:
    read = readable_history(grants_of(getattr(cast, who)) | grants_of(cast.editor), session.scalars(select(Unit)))
    assert read == Reach(everything=True)
    assert read.holds(cast.other_unit.id)


def test_a_stranger_sees_of_another_unit_only_what_is_public(session: Session, cast: Cast) -> None:
    seen = _viewer(session, cast.stranger)
    assert not seen.may_see(entry_id=1, unit_id=cast.unit.id, publicity=Publicity.INTERNAL)
    assert seen.may_see(entry_id=1, unit_id=cast.unit.id, publicity=Publicity.PUBLIC)


def test_a_hidden_entry_is_hidden_even_from_those_who_see_everything() -> None:
    seen = Viewer(everything=True, hidden_entry_ids=frozenset({5}))
    assert not seen.may_see(entry_id=5, unit_id=1, publicity=Publicity.PUBLIC)


def _grant(role: Role) -> Grant:
    """Of unit 7 or county 3, as the role wants it."""
    unit = 7 if role in (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER) else None
    return Grant(role, unit_id=unit, region_id=3 if role is Role.COUNTY_OFFICE else None)


def _viewer(session: Session, person: Person) -> Viewer:
    return viewer_of(grants_of(person), session.scalars(select(Unit)))
