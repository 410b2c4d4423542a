"""Who may do what with which role."""

import pytest
from sqlalchemy.orm import Session

from kb_admin.permissions import Action, Grant, grants_of, may, require, unit_ids_of
from models.errors import Forbidden
from models.values import Role
from tests.cast import Cast

EVERYBODY = {role.value for role in Role}
OF_UNITS = {"editor", "reviewer", "unit_leader"}
UNITS_AND_OFFICES = OF_UNITS | {"county_office", "city_office"}
ALLOWED: dict[Action, set[str]] = {
    Action.SEE: set(),
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
    Action.ASK_SHARING: OF_UNITS,
    Action.CONSENT_SHARING: {"reviewer", "unit_leader"},
    Action.DECIDE_SHARING: {"city_office"},
    Action.RELEASE: {"city_office"},
    Action.WRITE_STAFF: OF_UNITS,
    Action.READ_STAFF: UNITS_AND_OFFICES,
    Action.READ_GRANTS: {"city_office", "administrator"},
    Action.READ_AUDIT: {"city_office", "administrator"},
    Action.READ_NOTICES: UNITS_AND_OFFICES | {"analyst"},
    Action.READ_APPLICATIONS: UNITS_AND_OFFICES,
    Action.READ_CATEGORIES: UNITS_AND_OFFICES,
    Action.READ_REVIEWS: UNITS_AND_OFFICES,
    Action.READ_KEYWORDS: {"city_office", "county_office"},
    Action.CALL_UNITS: {"city_office", "county_office"},
    Action.READ_TODO: UNITS_AND_OFFICES,
    Action.REVIEW: UNITS_AND_OFFICES,
    Action.READ_MINE: UNITS_AND_OFFICES,
    Action.WRITE: {"city_office", "county_office", "editor"},
    Action.ADOPT_RULEBOOK: {"city_office"},
    Action.TAKE_CALLS: {"agent"},
    Action.CONNECT_CALLS: {"city_office", "administrator"},
    Action.READ_INCOMING: {"city_office", "agent", "analyst"},
    Action.SEND_RATING_LINKS: {"city_office", "agent"},
    Action.READ_VERDICTS: UNITS_AND_OFFICES | {"analyst"},
    Action.HANDLE_GAPS: {"city_office"},
    Action.READ_PROPOSALS: {"city_office", "editor"},
    Action.READ_STATISTICS: {"city_office", "county_office", "analyst", "unit_leader"},
    Action.RUN_TESTS: {"city_office", "analyst"},
    Action.SET_WEIGHTS: {"city_office", "administrator"},
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


def test_the_units_of_somebodys_roles(cast: Cast) -> None:
    assert unit_ids_of(grants_of(cast.editor) | grants_of(cast.stranger)) == {cast.unit.id, cast.other_unit.id}
    assert unit_ids_of(grants_of(cast.county_office) | grants_of(cast.agent)) == frozenset()


def _grant(role: Role) -> Grant:
    """Of unit 7 or county 3, as the role wants it."""
    unit = 7 if role in (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER) else None
    return Grant(role, unit_id=unit, region_id=3 if role is Role.COUNTY_OFFICE else None)
