"""Who sees what: 清远's matrix, role by role, and what a share adds."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.permissions import Action, Grant, Reach, grants_of
from kb_admin.rulebook import Release, RightsRule, Scope, Source
from kb_admin.visibility import CITIZEN, Onlooker, Thing, may, reach_of, readable_history, viewer_of
from models.organisation import Person, Unit
from models.values import Publicity, Role, Viewer
from tests.cast import Cast

ALL, OWN = frozenset({Scope.ALL}), frozenset({Scope.OWN, Scope.COUNTERPART})
QINGYUAN = RightsRule(
    sees={
        Role.CITY_OFFICE: ALL,
        Role.AGENT: ALL,
        Role.ANALYST: ALL,
        Role.ADMINISTRATOR: ALL,
        Role.COUNTY_OFFICE: frozenset({Scope.COUNTY}),
        Role.EDITOR: OWN,
        Role.REVIEWER: OWN,
        Role.UNIT_LEADER: OWN,
    },
    sharing=True,
    sharing_needs_consent=True,
    sharing_longest_days=365,
    release=Release.BY_OFFICE,
    source=Source("qingyuan", "第四条（三）1"),
)
"""清远 art. 4(3)1, and the two roles that it does not know."""
NOTHING = replace(QINGYUAN, sees={})


def test_nobody_without_a_role_sees_more_than_the_public() -> None:
    assert viewer_of(CITIZEN, (), QINGYUAN) == Viewer()


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
    "who", ["agent", "editor", "reviewer", "leader", "office", "county_office", "analyst", "administrator"]
)
def test_a_role_that_the_rulebook_does_not_name_sees_what_is_public_only(
    who: str, session: Session, cast: Cast
) -> None:
    grants, units = grants_of(getattr(cast, who)), list(session.scalars(select(Unit)))
    assert viewer_of(Onlooker(grants), units, NOTHING) == Viewer()
    assert readable_history(grants, units, NOTHING) == Reach()
    public, internal = (Thing(cast.unit.id, cast.city.id, None, p, answers=True) for p in Publicity)
    assert may(Onlooker(grants), Action.SEE, public, NOTHING)
    assert not may(Onlooker(grants), Action.SEE, internal, NOTHING)


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
    read = readable_history(grants, session.scalars(select(Unit)), QINGYUAN)
    assert read == Reach(unit_ids=frozenset(getattr(cast, name).id for name in units))


@pytest.mark.parametrize("who", ["office", "analyst"])
def test_the_city_office_and_analysts_read_every_history(who: str, session: Session, cast: Cast) -> None:
    grants = grants_of(getattr(cast, who)) | grants_of(cast.editor)
    read = readable_history(grants, session.scalars(select(Unit)), QINGYUAN)
    assert read == Reach(everything=True)
    assert read.holds(cast.other_unit.id)


def test_a_role_without_sight_takes_nothing_out_by_the_sight_of_another(session: Session, cast: Cast) -> None:
    """The analyst may export, and sees nothing here; the county's office sees its county, and may not export."""
    blind = replace(QINGYUAN, sees={Role.COUNTY_OFFICE: frozenset({Scope.COUNTY})})
    both, units = grants_of(cast.analyst) | grants_of(cast.county_office), list(session.scalars(select(Unit)))
    assert readable_history(both, units, blind) == Reach(unit_ids=frozenset({cast.county_unit.id}))
    assert reach_of(Action.EXPORT, both, units, blind) == Reach()


def test_a_share_shows_live_entries_and_no_history(session: Session, cast: Cast) -> None:
    onlooker = Onlooker(grants_of(cast.stranger), frozenset({cast.unit.id}))
    live = Thing(cast.unit.id, cast.city.id, answers=True)
    assert may(onlooker, Action.SEE, live, QINGYUAN)
    assert not may(onlooker, Action.SEE, replace(live, answers=False), QINGYUAN)
    assert not may(onlooker, Action.READ_HISTORY, live, QINGYUAN)
    assert not may(onlooker, Action.EXPORT, live, QINGYUAN)
    assert not may(replace(onlooker, shared_unit_ids=frozenset()), Action.SEE, live, QINGYUAN)
    seen = viewer_of(onlooker, session.scalars(select(Unit)), QINGYUAN)
    assert seen == Viewer(unit_ids=frozenset({cast.unit.id, cast.other_unit.id}))


def test_a_right_that_is_no_matter_of_sight_reaches_as_far_as_its_role(session: Session, cast: Cast) -> None:
    units = list(session.scalars(select(Unit)))
    assert reach_of(Action.READ_STAFF, grants_of(cast.office), units, NOTHING) == Reach(everything=True)
    assert reach_of(Action.READ_STAFF, grants_of(cast.agent), units, QINGYUAN) == Reach()
    county = reach_of(Action.READ_STAFF, grants_of(cast.county_office), units, NOTHING)
    assert county == Reach(unit_ids=frozenset({cast.county_unit.id}))
    own = reach_of(Action.READ_STAFF, grants_of(cast.stranger), units, QINGYUAN)
    assert own == Reach(unit_ids=frozenset({cast.other_unit.id}))


def test_a_unit_role_that_sees_everything_still_reads_its_own_history_only(session: Session, cast: Cast) -> None:
    open_city = replace(QINGYUAN, sees={Role.EDITOR: ALL})
    grants, units = frozenset({Grant(Role.EDITOR, unit_id=cast.unit.id)}), list(session.scalars(select(Unit)))
    assert viewer_of(Onlooker(grants), units, open_city).everything
    assert readable_history(grants, units, open_city) == Reach(unit_ids=frozenset({cast.unit.id}))


def test_a_stranger_sees_of_another_unit_only_what_is_public(session: Session, cast: Cast) -> None:
    seen = _viewer(session, cast.stranger)
    assert not seen.may_see(entry_id=1, unit_id=cast.unit.id, publicity=Publicity.INTERNAL)
    assert seen.may_see(entry_id=1, unit_id=cast.unit.id, publicity=Publicity.PUBLIC)


def test_a_hidden_entry_is_hidden_even_from_those_who_see_everything() -> None:
    seen = Viewer(everything=True, hidden_entry_ids=frozenset({5}))
    assert not seen.may_see(entry_id=5, unit_id=1, publicity=Publicity.PUBLIC)


def _viewer(session: Session, person: Person) -> Viewer:
    return viewer_of(Onlooker(grants_of(person)), session.scalars(select(Unit)), QINGYUAN)
