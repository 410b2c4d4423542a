"""Who may do what with which role, and whose part of the work it is. What one sees is in ``visibility``."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kb_admin.rulebook import Party
from models.errors import Forbidden
from models.organisation import Person, Unit
from models.values import Level, Role

OFFICE = frozenset({Role.CITY_OFFICE})
UNIT_ROLES = frozenset({Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER})
UNIT_PARTIES = {Party.EDITOR: Role.EDITOR, Party.REVIEWER: Role.REVIEWER, Party.LEADER: Role.UNIT_LEADER}


class Action(StrEnum):
    SEE = "see"
    SEARCH = "search"
    JUDGE = "judge"
    RECORD_GAP = "record_gap"
    READ_GAPS = "read_gaps"
    IMPORT = "import"
    EXPORT = "export"
    SUBMIT = "submit"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    READ_HISTORY = "read_history"
    EDIT_THESAURUS = "edit_thesaurus"
    ADOPT_RULEBOOK = "adopt_rulebook"
    ASK_SHARING = "ask_sharing"
    CONSENT_SHARING = "consent_sharing"
    DECIDE_SHARING = "decide_sharing"
    RELEASE = "release"
    WRITE_STAFF = "write_staff"
    READ_STAFF = "read_staff"
    READ_GRANTS = "read_grants"
    READ_AUDIT = "read_audit"
    READ_NOTICES = "read_notices"
    READ_APPLICATIONS = "read_applications"
    READ_CATEGORIES = "read_categories"
    READ_REVIEWS = "read_reviews"
    READ_TODO = "read_todo"
    REVIEW = "review"
    READ_MINE = "read_mine"
    WRITE = "write"
    READ_KEYWORDS = "read_keywords"
    CALL_UNITS = "call_units"
    TAKE_CALLS = "take_calls"
    CONNECT_CALLS = "connect_calls"
    READ_INCOMING = "read_incoming"
    SEND_RATING_LINKS = "send_rating_links"
    READ_VERDICTS = "read_verdicts"
    HANDLE_GAPS = "handle_gaps"
    READ_PROPOSALS = "read_proposals"
    READ_STATISTICS = "read_statistics"
    RUN_TESTS = "run_tests"
    SET_WEIGHTS = "set_weights"


WHO_MAY: dict[Action, frozenset[Role]] = {
    Action.SEE: frozenset(),
    Action.SEARCH: frozenset(Role),
    Action.JUDGE: frozenset({Role.AGENT, Role.CITY_OFFICE}),
    Action.RECORD_GAP: frozenset({Role.AGENT, Role.CITY_OFFICE}),
    Action.READ_GAPS: frozenset({Role.CITY_OFFICE, Role.ANALYST}),
    Action.IMPORT: OFFICE | {Role.EDITOR},
    Action.EXPORT: OFFICE | {Role.ANALYST, Role.EDITOR, Role.REVIEWER},
    Action.SUBMIT: OFFICE | {Role.EDITOR},
    Action.PUBLISH: OFFICE,
    Action.WITHDRAW: OFFICE,
    Action.READ_HISTORY: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE, Role.ANALYST},
    Action.EDIT_THESAURUS: OFFICE,
    Action.ADOPT_RULEBOOK: OFFICE,
    Action.ASK_SHARING: UNIT_ROLES,
    Action.CONSENT_SHARING: frozenset({Role.REVIEWER, Role.UNIT_LEADER}),
    Action.DECIDE_SHARING: OFFICE,
    Action.RELEASE: OFFICE,
    Action.WRITE_STAFF: UNIT_ROLES,
    Action.READ_STAFF: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.READ_GRANTS: OFFICE | {Role.ADMINISTRATOR},
    Action.READ_AUDIT: OFFICE | {Role.ADMINISTRATOR},
    Action.READ_NOTICES: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE, Role.ANALYST},
    Action.READ_APPLICATIONS: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.READ_CATEGORIES: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.READ_REVIEWS: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.READ_TODO: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.REVIEW: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.READ_MINE: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE},
    Action.WRITE: OFFICE | {Role.EDITOR, Role.COUNTY_OFFICE},
    Action.READ_KEYWORDS: OFFICE | {Role.COUNTY_OFFICE},
    Action.CALL_UNITS: OFFICE | {Role.COUNTY_OFFICE},
    Action.TAKE_CALLS: frozenset({Role.AGENT}),
    Action.CONNECT_CALLS: OFFICE | {Role.ADMINISTRATOR},
    Action.READ_INCOMING: OFFICE | {Role.AGENT, Role.ANALYST},
    Action.SEND_RATING_LINKS: OFFICE | {Role.AGENT},
    Action.READ_VERDICTS: OFFICE | UNIT_ROLES | {Role.COUNTY_OFFICE, Role.ANALYST},
    Action.HANDLE_GAPS: OFFICE,
    Action.READ_PROPOSALS: OFFICE | {Role.EDITOR},
    Action.READ_STATISTICS: OFFICE | {Role.COUNTY_OFFICE, Role.ANALYST, Role.UNIT_LEADER},
    Action.RUN_TESTS: OFFICE | {Role.ANALYST},
    Action.SET_WEIGHTS: OFFICE | {Role.ADMINISTRATOR},
}
"""What a role may do wherever it is held. Whose entries a role sees is for the city's rulebook to say, so no role by
itself allows SEE; who takes which step on a route, the rulebook says by ``Party``."""


@dataclass(frozen=True)
class Grant:
    """A role as a plain value."""

    role: Role
    unit_id: int | None = None
    region_id: int | None = None


def grants_of(person: Person) -> frozenset[Grant]:
    """The person's roles; none when the account is closed."""
    if not person.active:
        return frozenset()
    return frozenset(Grant(g.role, g.unit_id, g.region_id) for g in person.grants)


@dataclass(frozen=True)
class Reach:
    """Units to which a right extends: some of them, or all that there are."""

    everything: bool = False
    unit_ids: frozenset[int] = frozenset()

    def holds(self, unit_id: int) -> bool:
        """Whether the right extends to that unit."""
        return self.everything or unit_id in self.unit_ids


def may(grants: Iterable[Grant], action: Action, *, unit_id: int | None = None, region_id: int | None = None) -> bool:
    """Whether one of the roles by itself allows the action: a unit's role for that unit's entries, a county
    office's for the entries of its county's units.

    ``unit_id`` and ``region_id`` are the unit that owns the object and that unit's region; both None when the action
    is on no entry in particular. Without the region, a county office's role reaches no unit.
    """
    return any(grant.role in WHO_MAY[action] and _reaches(grant, unit_id, region_id) for grant in grants)


def _reaches(grant: Grant, unit_id: int | None, region_id: int | None) -> bool:
    if unit_id is None:
        return True
    if grant.role in UNIT_ROLES:
        return grant.unit_id == unit_id
    if grant.role is Role.COUNTY_OFFICE:
        return region_id is not None and grant.region_id == region_id
    return True


def acts_as(grants: Iterable[Grant], party: Party, unit: Unit) -> bool:
    """Whether one of the roles makes its holder that party for the unit: its reviewer, its office."""
    return any(_is_party(grant, party, unit) for grant in grants)


def _is_party(grant: Grant, party: Party, unit: Unit) -> bool:
    if party in UNIT_PARTIES:
        return grant.role is UNIT_PARTIES[party] and grant.unit_id == unit.id
    if party is Party.OWN_OFFICE and unit.level is Level.COUNTY:
        return grant.role is Role.COUNTY_OFFICE and grant.region_id == unit.region_id
    return grant.role is Role.CITY_OFFICE


def require(
    grants: Iterable[Grant], action: Action, *, unit_id: int | None = None, region_id: int | None = None
) -> None:
    """Raise Forbidden, naming the roles that may, unless the action is allowed."""
    if not may(grants, action, unit_id=unit_id, region_id=region_id):
        roles = "、".join(role.label for role in Role if role in WHO_MAY[action])
        limits = "（单位岗位限本单位）" if WHO_MAY[action] & UNIT_ROLES else ""
        raise Forbidden(f"您的岗位不能进行此项操作。可以操作的岗位：{roles}{limits}。")


def unit_ids_of(grants: Iterable[Grant]) -> frozenset[int]:
    """The units for which these roles are held."""
    return frozenset(grant.unit_id for grant in grants if grant.unit_id is not None)
