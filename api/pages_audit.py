"""审计: who saw which internal entry and who changed what, newest first; and whether the log is whole."""

import json
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, joinedload

from api.audit_words import act_words, subject_words
from api.form_fields import moment_given
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.templating import page
from api.wiring import UsingSession
from kb_admin.audit import verify
from kb_admin.permissions import Action, require
from models.audit import AuditHead, AuditRecord
from models.errors import Invalid
from models.organisation import Person

router = APIRouter(include_in_schema=False)
Word = Annotated[str, Query(max_length=128)]
DAY = timedelta(days=1)


@router.get("/audit")
def audit_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    subject: Word = "",
    who: Word = "",
    act: Word = "",
    day: Word = "",
    check: bool = False,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """For the city office and the administrator; ``check`` goes through the whole chain."""
    require(caller.grants, Action.READ_AUDIT)
    filters = {"subject": subject.strip(), "who": who.strip(), "act": act, "day": day.strip()}
    fault, conditions = "", _conditions(filters, None)
    try:
        conditions = _conditions(filters, moment_given(day, name="日期"))
    except Invalid as error:
        fault = str(error)
    count = session.scalar(select(func.count(AuditRecord.seq)).where(*conditions)) or 0
    newest = select(AuditRecord).where(*conditions).order_by(AuditRecord.seq.desc()).limit(PAGE_SIZE)
    records = session.scalars(newest.offset(offset_of(page_number)).options(joinedload(AuditRecord.actor)))
    context = {
        "records": [(one, act_words(one.act), subject_words(one.subject), _details(one)) for one in records],
        "listing": Listing("/audit", filters, page_number, count),
        "filters": filters,
        "acts": _acts(session),
        "verified": verify(session) if check else None,
        "head": session.get(AuditHead, 1),
        "fault": fault,
    }
    return page(request, "audit.html", caller, context)


def _conditions(filters: dict[str, str], day: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters["subject"]:
        conditions.append(AuditRecord.subject.contains(filters["subject"], autoescape=True))
    if filters["who"]:
        named = or_(Person.login == filters["who"], Person.name == filters["who"])
        conditions.append(AuditRecord.actor.has(named))
    if filters["act"]:
        conditions.append(AuditRecord.act == filters["act"])
    if day is not None:
        conditions.extend((AuditRecord.at >= day, AuditRecord.at < day + DAY))
    return conditions


def _acts(session: Session) -> list[tuple[str, str]]:
    """Those that occur, in words."""
    found = session.scalars(select(AuditRecord.act).distinct())
    return sorted(((act, act_words(act)) for act in found), key=lambda pair: pair[1])


def _details(one: AuditRecord) -> str:
    return json.dumps(one.details, ensure_ascii=False, indent=1) if one.details else ""
