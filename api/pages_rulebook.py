"""规则: what the rulebook in force says, value by value with its article; the office takes another from a date on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.dates import moment
from api.errors import status_of
from api.form_fields import moment_given
from api.pages_agent import PageCaller
from api.schemas import LARGEST_ID
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin.permissions import Action, may
from kb_admin.rulebook import Rulebook
from kb_admin.rulebook_files import SHIPPED, load_shipped, shipped_text
from kb_admin.rulebook_words import Difference, count, differences, sections
from kb_admin.rules_in_force import adopt, adoptions_of, rules_by_id, rules_of
from models.errors import Conflict, Invalid, NotFound
from models.organisation import Region, Unit
from models.rules import Adoption
from models.values import EARLIEST

router = APIRouter(include_in_schema=False)
BASE = "/rulebook"
LONGEST_NAME = 64
RegionId = Annotated[int | None, Query(ge=1, le=LARGEST_ID)]


@dataclass(frozen=True)
class Held:
    """One adoption, as a line of the list."""

    title: str
    since: str
    by: str
    at: datetime
    state: str
    """``now``, ``coming`` or ``past``."""
    label: str
    differences: int
    """From what holds now."""


@dataclass(frozen=True)
class Proposal:
    """A shipped rulebook that the office looks at before it takes it."""

    name: str
    title: str
    differences: tuple[Difference, ...]
    begins: str = ""
    fault: str = ""


@router.get(BASE)
def rulebook_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    region: RegionId = None,
    articles: bool = False,
    propose: Annotated[str, Query(max_length=LONGEST_NAME)] = "",
) -> HTMLResponse:
    """For everybody who has logged in. ``articles`` leaves out what no article says."""
    place = _region(session, caller, region)
    held = rules_of(session, place.id, utc_now()).rulebook
    proposal = _proposal(propose, held) if may(caller.grants, Action.ADOPT_RULEBOOK) and propose else None
    context = _context(session, caller, place, held=held, articles=articles, proposal=proposal)
    return page(request, "rulebook.html", caller, context)


@router.post(f"{BASE}/adopt", dependencies=[Depends(check_csrf)])
def adopt_rulebook(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    region: Annotated[int, Form(ge=1, le=LARGEST_ID)],
    name: Annotated[str, Form(max_length=LONGEST_NAME)],
    begins: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Take a shipped rulebook from the given moment on, at once when none is given."""
    now = utc_now()
    place = _region(session, caller, region)
    try:
        since = moment_given(begins, name="从何时起") or now
        adopt(session, place, shipped_text(name), effective_from=since, actor=person_of(session, caller), now=now)
    except (Invalid, Conflict) as fault:
        session.rollback()
        place = _region(session, caller, region)
        held = rules_of(session, place.id, now).rulebook
        refused = Proposal(name, load_shipped(name).title, differences(held, load_shipped(name)), begins, str(fault))
        context = _context(session, caller, place, held=held, proposal=refused)
        return page(request, "rulebook.html", caller, context, status=status_of(fault)[0])
    session.commit()
    return RedirectResponse(f"{BASE}?region={place.id}", status_code=303)


def _context(
    session: Session,
    caller: Caller,
    place: Region,
    *,
    held: Rulebook,
    articles: bool = False,
    proposal: Proposal | None = None,
) -> dict[str, object]:
    adoptions = _adoptions(session, place)
    return {
        "place": place,
        "regions": session.scalars(select(Region).order_by(Region.level, Region.id)).all(),
        "inherits": not any(each.state == "now" for each in adoptions),
        "rulebook": held,
        "count": count(held),
        "sections": [each.from_articles() if articles else each for each in sections(held)],
        "articles": articles,
        "adoptions": adoptions,
        "may_adopt": may(caller.grants, Action.ADOPT_RULEBOOK),
        "shipped": [load_shipped(name) for name in SHIPPED],
        "proposal": proposal,
    }


def _region(session: Session, caller: Caller, region_id: int | None) -> Region:
    """The region that was asked for; else the caller's own; else the city. Raises NotFound."""
    if region_id is not None:
        asked = session.get(Region, region_id)
        if asked is None:
            raise NotFound("没有这个区域。")
        return asked
    units = [grant.unit_id for grant in caller.grants if grant.unit_id is not None]
    counties = [grant.region_id for grant in caller.grants if grant.region_id is not None]
    own = session.scalar(select(Unit).where(Unit.id.in_(units)).order_by(Unit.id).limit(1)) if units else None
    if own is not None:
        return own.region
    query = select(Region).order_by(Region.id.not_in(counties), Region.parent_id.is_not(None), Region.id).limit(1)
    found = session.scalar(query)
    if found is None:
        raise NotFound("库中还没有区域。请系统管理员先用 zhida organisation 建立。")
    return found


def _proposal(name: str, held: Rulebook) -> Proposal:
    proposed = load_shipped(name)
    return Proposal(name, proposed.title, differences(held, proposed))


def _adoptions(session: Session, place: Region) -> list[Held]:
    now = utc_now()
    rows = adoptions_of(session, place.id)
    current = next((row for row in rows if row.effective_from <= now), None)
    held = rules_of(session, place.id, now).rulebook
    return [_held(session, row, current, held, now) for row in rows]


def _held(session: Session, row: Adoption, current: Adoption | None, held: Rulebook, now: datetime) -> Held:
    rulebook = rules_by_id(session, row.rulebook_id).rulebook
    state, label = ("now", "现行") if row is current else ("past", "原来的")
    if row.effective_from > now:
        state, label = "coming", "将要施行"
    return Held(
        title=rulebook.title,
        since="最初" if row.effective_from == EARLIEST else moment(row.effective_from),
        by=row.adopted_by.name if row.adopted_by else "系统",
        at=row.adopted_at,
        state=state,
        label=label,
        differences=0 if row is current else len(differences(held, rulebook)),
    )
