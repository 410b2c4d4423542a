"""类别: the tree of each unit (清远 art. 4(2)); whom the rulebook names sets it up, the unit asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.errors import status_of
from api.pages_agent import PageCaller
from api.pages_entries import LONGEST_PATH, Number
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import categories
from kb_admin.categories import Place
from kb_admin.courses import is_party
from kb_admin.notifications import UNIT_PEOPLE
from kb_admin.permissions import Action, require
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.notices import Application
from models.organisation import Unit
from models.values import ApplicationKind, ApplicationStatus, Choice

router = APIRouter(include_in_schema=False)
BASE = "/categories"
LONGEST_NAME = 64
UNDER_WAY = (ApplicationStatus.ASKED, ApplicationStatus.CONSENTED)


class Do(Choice):
    ADD = "add", "增加"
    RENAME = "rename", "改名"
    MOVE = "move", "移动"
    CLOSE = "close", "停用"
    REOPEN = "reopen", "恢复使用"
    APPLY = "apply", "申请"


Path = Annotated[str, Form(max_length=2000)]


@dataclass(frozen=True)
class TreeLine:
    """One line of the tree as it is drawn."""

    path: str
    name: str
    depth: int
    place: Place | None
    """None: a level that only others name."""


@router.get(BASE)
def categories_page(
    *, request: Request, session: UsingSession, caller: PageCaller, unit: Number = None
) -> HTMLResponse:
    """The tree of one unit, and the units that there are for the reader."""
    require(caller.grants, Action.READ_CATEGORIES)
    units = _units(session, caller)
    return _shown(request, session, caller, _chosen(units, caller, unit))


@router.post(f"{BASE}/{{do}}", dependencies=[Depends(check_csrf)])
def change(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    do: Do,
    unit: Annotated[Id, Form()],
    path: Path = "",
    above: Path = "",
    name: Annotated[str, Form(max_length=2000)] = "",
    reason: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """Add, rename, move, close, open again; or ask for a place."""
    require(caller.grants, Action.READ_CATEGORIES)
    chosen = _chosen(_units(session, caller), caller, unit)
    actor, now = person_of(session, caller), utc_now()
    called = name.strip()
    try:
        place = readable(path, name="类别", longest=LONGEST_PATH)
        readable(name, name="名称", longest=LONGEST_NAME)
        match do:
            case Do.ADD:
                categories.add(session, chosen, _below(above, called), actor=actor, now=now)
            case Do.REOPEN:
                categories.add(session, chosen, place, actor=actor, now=now)
            case Do.RENAME:
                categories.rename(session, chosen, place, called, actor=actor, now=now)
            case Do.MOVE:
                categories.move(session, chosen, place, above, actor=actor, now=now)
            case Do.CLOSE:
                categories.close(session, chosen, place, actor=actor, now=now)
            case Do.APPLY:
                categories.apply_for(session, chosen, _below(above, called), reason, actor=actor, now=now)
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, session, caller, chosen, fault=error, typed=called, reason=reason)
    session.commit()
    return RedirectResponse(f"{BASE}?unit={chosen.id}", 303)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    unit: Unit,
    *,
    fault: Invalid | Conflict | None = None,
    typed: str = "",
    reason: str = "",
) -> HTMLResponse:
    now = utc_now()
    rulebook = rules_of_unit(session, unit, now).rulebook
    party = categories.configures(session, unit, now)
    asked = select(Application).where(
        Application.kind == ApplicationKind.CATEGORY,
        Application.unit_id == unit.id,
        Application.status.in_(UNDER_WAY),
    )
    context = {
        "unit": unit,
        "units": _units(session, caller),
        "tree": shown_tree(categories.tree(session, unit)),
        "configures": is_party(caller.grants, [party], unit),
        "asks": is_party(caller.grants, UNIT_PEOPLE, unit),
        "party": party.label,
        "source": rulebook.cite(rulebook.sources["categories.by"]),
        "asked": session.scalars(asked.order_by(Application.asked_at)).all(),
        "longest_name": LONGEST_NAME,
        "longest_reason": 1000,
        "typed": typed,
        "reason": reason,
        "fault": str(fault) if fault else "",
    }
    return page(request, "categories.html", caller, context, status=status_of(fault)[0] if fault else 200)


def shown_tree(places: Sequence[Place]) -> list[TreeLine]:
    """The places in order, each under the levels that it names, though nobody has set those up themselves."""
    lines: list[TreeLine] = []
    named: set[str] = set()
    for place in places:
        levels = place.path.split("/")
        for depth in range(1, len(levels)):
            above = "/".join(levels[:depth])
            if above not in named:
                named.add(above)
                lines.append(TreeLine(above, levels[depth - 1], depth - 1, None))
        named.add(place.path)
        lines.append(TreeLine(place.path, place.name, place.depth, place))
    return lines


def _units(session: Session, caller: Caller) -> list[Unit]:
    """Those whose entries the caller reads whole: their own, their county's, for the city's office all."""
    every = session.scalars(select(Unit).order_by(Unit.name))
    return [unit for unit in every if caller.history.holds(unit.id)]


def _chosen(units: Sequence[Unit], caller: Caller, unit_id: int | None) -> Unit:
    """The unit asked for, else one's own, else the first. Raises NotFound."""
    own = {grant.unit_id for grant in caller.grants}
    wanted = [unit for unit in units if unit_id in (None, unit.id)]
    mine = [unit for unit in wanted if unit.id in own]
    if not wanted:
        raise NotFound("没有这个单位，或您无权查看其类别。")
    return (mine or wanted)[0]


def _below(above: str, name: str) -> str:
    return f"{above}/{name}" if above and name else name
