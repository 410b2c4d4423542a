"""定期回顾: a unit looks at each of its live entries once a month, and what it found is kept (梅州 art. 8(3))."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from api.cards import Content, attachments_of, content_of
from api.clock import utc_now
from api.due_times import ShownClock
from api.errors import status_of
from api.listing import PAGE_SIZE, Listing, offset_of
from api.notice_list import lines_of
from api.pages_agent import PageCaller
from api.pages_entries import Number
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.viewing import note_version
from api.wiring import UsingSession
from kb_admin import reviews
from kb_admin.permissions import UNIT_PARTIES, Action, acts_as, require
from kb_admin.reviews import ToReview, period_of, progress, review_queue
from kb_admin.rulebook import Party
from models.duties import Finding
from models.errors import Conflict, Invalid, NotFound
from models.knowledge import Entry, Version
from models.notices import Notice
from models.organisation import Unit
from models.values import VersionStatus

router = APIRouter(include_in_schema=False)
BASE = "/reviews"
PERIOD = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
KEYS = ((Finding.STILL_RIGHT, "1"), (Finding.TO_CHANGE, "2"), (Finding.INVALID, "3"))
Period = Annotated[str, Query(max_length=7)]


@dataclass(frozen=True)
class UnitProgress:
    """How far a unit is, for its office."""

    unit: Unit
    done: int
    count: int


@dataclass(frozen=True)
class View:
    """Which unit's month is on the page, and which entry of it."""

    unit: Unit
    month: str
    now: datetime
    entry: str = ""
    """Code of the one to show."""
    after: str = ""
    """Code of the one that was passed over."""
    page: int = 1


@dataclass(frozen=True)
class Current:
    """The entry that is looked at now."""

    line: ToReview
    card: Content


@router.get(BASE)
def review_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    unit: Number = None,
    period: Period = "",
    entry: Annotated[str, Query(max_length=64)] = "",
    after: Annotated[str, Query(max_length=64)] = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> HTMLResponse:
    """One entry after the other, and what was found; for an office the units and how far they are.

    ``entry`` is the one to show, ``after`` the one that was passed over.
    """
    require(caller.grants, Action.READ_REVIEWS)
    now = utc_now()
    units = _units(session, caller)
    month = _month(period, now)
    chosen = _chosen(units, caller, unit)
    if chosen is None:
        lines = [UnitProgress(unit, *progress(session, unit, month)) for unit in units]
        context = {"lines": [line for line in lines if line.count], "month": month, "this_month": period_of(now)}
        return page(request, "reviews_overview.html", caller, context)
    return _shown(request, session, caller, View(chosen, month, now, entry=entry, after=after, page=page_number))


@router.post(BASE, dependencies=[Depends(check_csrf)])
def record(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    code: Annotated[str, Form(max_length=64)],
    finding: Annotated[Finding, Form()],
    note: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """Write down what was found, and go on to the next."""
    require(caller.grants, Action.READ_REVIEWS)
    now = utc_now()
    entry = session.scalar(select(Entry).where(Entry.code == code))
    if entry is None or not any(unit.id == entry.unit_id for unit in _units(session, caller)):
        raise NotFound(f"没有编号为“{code}”的条目，或您无权查看。")
    unit, actor = entry.unit, person_of(session, caller)
    try:
        reviews.review_entry(session, entry, finding, note.strip(), actor=actor, now=now)
    except (Invalid, Conflict) as error:
        session.rollback()
        view = View(unit, period_of(now), now, entry=code)
        return _shown(request, session, caller, view, fault=error, note=note)
    session.commit()
    return RedirectResponse(f"{BASE}?{urlencode({'unit': unit.id, 'after': code})}", 303)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    view: View,
    *,
    fault: Invalid | Conflict | None = None,
    note: str = "",
) -> HTMLResponse:
    done, count = progress(session, view.unit, view.month)
    queue = review_queue(session, view.unit, view.month, limit=PAGE_SIZE, offset=offset_of(view.page))
    reviewer = any(acts_as(caller.grants, party, view.unit) for party in reviews.REVIEWERS)
    works = reviewer and view.month == period_of(view.now)
    current = _current(session, view) if works or view.entry else None
    context = {
        "unit": view.unit,
        "units": _units(session, caller),
        "month": view.month,
        "this_month": period_of(view.now),
        "clock": _clock(session, view),
        "done": done,
        "count": count,
        "queue": queue,
        "listing": Listing(BASE, {"unit": str(view.unit.id), "period": view.month}, view.page, count),
        "current": current,
        "works": works,
        "keys": KEYS,
        "note": note,
        "longest": reviews.LONGEST_NOTE,
        "fault": str(fault) if fault else "",
    }
    if current is not None:
        note_version(session, current.line.version, caller, view.now)
        session.commit()
    return page(request, "reviews.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _current(session: Session, view: View) -> Current | None:
    """The one asked for, else the next without a finding behind the one passed over, else the first without."""
    line = _asked(session, view) or _next(session, view, after=view.after) or _next(session, view)
    if line is None:
        return None
    attachments = attachments_of(session, [line.version.id])
    return Current(line, content_of(line.version, attachments.get(line.version.id, {}), now=view.now))


def _next(session: Session, view: View, *, after: str = "") -> ToReview | None:
    waiting = review_queue(session, view.unit, view.month, waiting=True, after=after, limit=1)
    return next(iter(waiting), None)


def _asked(session: Session, view: View) -> ToReview | None:
    if not view.entry:
        return None
    found = review_queue(session, view.unit, view.month, code=view.entry)
    return next(iter(found), None)


def _units(session: Session, caller: Caller) -> list[Unit]:
    """The caller's own units, and for an office those of its part that have live entries."""
    live = exists().where(Entry.unit_id == Unit.id, Version.entry_id == Entry.id)
    answering = live.where(Version.status == VersionStatus.PUBLISHED)
    parties = (*UNIT_PARTIES, Party.OWN_OFFICE, Party.CITY_OFFICE)
    every = session.scalars(select(Unit).where(answering).order_by(Unit.name))
    own = set(session.scalars(select(Unit.id).where(Unit.id.in_({grant.unit_id for grant in caller.grants}))))
    found = [unit for unit in every if any(acts_as(caller.grants, party, unit) for party in parties)]
    without = own - {unit.id for unit in found}
    return found + list(session.scalars(select(Unit).where(Unit.id.in_(without)).order_by(Unit.name)))


def _chosen(units: Sequence[Unit], caller: Caller, unit_id: int | None) -> Unit | None:
    """The unit asked for, else the only one of one's own; None: an office looks at all. Raises NotFound."""
    if unit_id is not None:
        found = next((unit for unit in units if unit.id == unit_id), None)
        if found is None:
            raise NotFound("没有这个单位，或您无权查看其回顾检查。")
        return found
    own = [unit for unit in units if any(acts_as(caller.grants, party, unit) for party in UNIT_PARTIES)]
    return own[0] if own else None


def _month(period: str, now: datetime) -> str:
    return period if PERIOD.fullmatch(period) else period_of(now)


def _clock(session: Session, view: View) -> ShownClock | None:
    """Until when the month's look is to be done, where the rulebook asks for one."""
    notice = session.scalar(select(Notice).where(Notice.once == f"review:{view.unit.id}:{view.month}"))
    return lines_of(session, [notice], view.now)[0].clock if notice else None
