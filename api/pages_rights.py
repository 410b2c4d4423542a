"""权限: whose entries each role sees under the rulebook in force, with the article, and who holds which role."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.pages_agent import PageCaller
from api.security import Caller
from api.templating import page
from api.wiring import UsingSession
from kb_admin.permissions import UNIT_ROLES, WHO_MAY, Action, may
from kb_admin.rulebook import Rulebook, Scope
from kb_admin.rules_in_force import city_rules
from kb_admin.visibility import BOUND_BY_SIGHT
from models.organisation import Person
from models.values import Role

router = APIRouter(include_in_schema=False)

DRAFTS = {Role.COUNTY_OFFICE: "本县（市、区）单位"} | dict.fromkeys(UNIT_ROLES, "本单位")
"""Whose drafts and former versions a role reads, where it is not everybody's."""


@dataclass(frozen=True)
class RoleLine:
    """What one role sees."""

    label: str
    sees: str
    history: str
    exports: str
    source: str


@router.get("/rights")
def rights_page(*, request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """For everybody who has logged in; who holds which role, for the office and the administrator."""
    rulebook = city_rules(session, utc_now()).rulebook
    rights = rulebook.rights
    context = {
        "rulebook": rulebook,
        "lines": [_line(role, rulebook) for role in Role],
        "sharing": _sharing(rulebook),
        "sharing_source": _cited(rulebook, "rights.sharing"),
        "release": rights.release.label,
        "release_source": _cited(rulebook, "rights.release"),
        "people": _people(session, caller),
        "reads_all": may(caller.grants, Action.READ_GRANTS),
    }
    return page(request, "rights.html", caller, context)


def _line(role: Role, rulebook: Rulebook) -> RoleLine:
    scopes = rulebook.rights.sees.get(role, frozenset())
    return RoleLine(
        label=role.label,
        sees="、".join(scope.label for scope in Scope if scope in scopes) or "只看公开条目",
        history=_as_far(role, Action.READ_HISTORY, rulebook),
        exports=_as_far(role, Action.EXPORT, rulebook),
        source=_cited(rulebook, f"rights.sees.{role.value}"),
    )


def _as_far(role: Role, action: Action, rulebook: Rulebook) -> str:
    assert action in BOUND_BY_SIGHT
    if role not in WHO_MAY[action] or not rulebook.rights.sees.get(role):
        return "—"
    return DRAFTS.get(role, "全部单位")


def _sharing(rulebook: Rulebook) -> str:
    rights = rulebook.rights
    if not rights.sharing:
        return "没有设置"
    consent = "经对方单位同意、" if rights.sharing_needs_consent else ""
    return f"{consent}市热线办批准后，可以查看其他单位的现行条目，最长 {rights.sharing_longest_days} 天"


def _cited(rulebook: Rulebook, key: str) -> str:
    return rulebook.cite(rulebook.sources.get(key, rulebook.rights.source))


def _people(session: Session, caller: Caller) -> Sequence[Person]:
    """Everybody for those who look after rights, oneself for all others."""
    query = select(Person).where(Person.active).order_by(Person.login)
    if not may(caller.grants, Action.READ_GRANTS):
        query = query.where(Person.id == caller.person_id)
    return session.scalars(query).all()
