"""One group of questions without a good answer: what callers say, what comes near, and what the office makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.bench_views import titles_of
from api.clock import utc_now
from api.errors import status_of
from api.form_fields import entries_given, number_given
from api.gap_grouping import nearest_entries, similar_groups
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.schemas import LARGEST_ID
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from kb_admin import gap_groups, gap_list
from kb_admin.calendars import CalendarNotPublished
from kb_admin.gap_groups import CLOSED
from kb_admin.permissions import Action, may, require
from kb_admin.personal_words import names_somebody
from models.errors import Conflict, Invalid, NotFound
from models.improvement import GapGroup, GapItem
from models.organisation import Person, Unit
from models.values import GapStatus, NoticeKind
from retrieval.standard_question import standard_question

router = APIRouter(include_in_schema=False)
GroupId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Text = Annotated[str, Form(max_length=20_000)]
Short = Annotated[str, Form(max_length=1000)]
QUOTED = 5
"""Wordings that the notice to the unit quotes; those that name somebody are left out."""
WORTH_SUGGESTING = 0.1
"""Confidence from which the nearest entry is filled in as the one to add the question to."""
SIMILAR = 20
"""Groups offered for merging."""


@dataclass(frozen=True)
class Typed:
    """What stands in the forms of the page."""

    kind: str = ""
    unit: str = ""
    title: str = ""
    content: str = ""
    text: str = ""
    entry: str = ""
    question: str = ""
    reason: str = ""
    other: str = ""
    item: str = ""


NOTHING_TYPED = Typed()
FIELDS = {
    "send": ("kind", "unit", "title", "content"),
    "propose": ("text", "entry"),
    "describe": ("question",),
    "dismiss": ("reason",),
}
"""What each form holds."""


def typed(
    *,
    kind: Short = "",
    unit: Short = "",
    title: Short = "",
    content: Text = "",
    text: Short = "",
    entry: Short = "",
    question: Short = "",
    reason: Text = "",
    other: Short = "",
    item: Short = "",
) -> Typed:
    """Dependency: what was typed into one of the forms."""
    return Typed(kind, unit, title, content, text, entry, question, reason, other, item)


@router.get("/gaps/{group_id}")
def gap_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    group_id: GroupId,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The group with its figures, wordings and nearest entries; for the office with what it can do."""
    require(caller.grants, Action.READ_GAPS)
    return _shown(request, services, session, caller, _group(session, group_id), page_number=page_number)


@router.post("/gaps/{group_id}/{act}", dependencies=[Depends(check_csrf)])
def do(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    group_id: GroupId,
    act: Annotated[str, Path(max_length=32)],
    given: Annotated[Typed, Depends(typed)],
) -> Response:
    """One of the office's acts. What was typed stays when it cannot be carried out."""
    require(caller.grants, Action.HANDLE_GAPS)
    group = _group(session, group_id)
    carry_out = ACTS.get(act)
    if carry_out is None:
        raise NotFound("没有这个操作。")
    try:
        address = carry_out(session, group, given, By(caller, person_of(session, caller), utc_now()))
    except (Invalid, Conflict, CalendarNotPublished) as error:
        session.rollback()
        return _shown(request, services, session, caller, _group(session, group_id), act=act, given=given, fault=error)
    session.commit()
    return RedirectResponse(address or f"/gaps/{group_id}", 303)


@dataclass(frozen=True)
class By:
    """Who acts, and when."""

    caller: Caller
    actor: Person
    now: datetime


def _send(s: Session, group: GapGroup, given: Typed, by: By) -> str:
    kind = next((value for value in gap_groups.ASKED_OF_UNITS if value == given.kind), None)
    unit = _unit(s, given.unit)
    if kind is None or unit is None:
        raise Invalid("承办单位：请选择由哪个单位提供知识。")
    if not given.title.strip():
        raise Invalid("事项：请用一句话写明缺什么知识。")
    gap_groups.send_notice(
        s, group, unit, kind=kind, title=given.title, content=given.content, actor=by.actor, now=by.now
    )
    return ""


def _propose(s: Session, group: GapGroup, given: Typed, by: By) -> str:
    found = entries_given(s, given.entry, by.caller.history, name="条目编号")
    if len(found) != 1:
        raise Invalid("条目编号：请填写一个条目的编号。")
    gap_groups.propose_similar(s, group, found[0], given.text, actor=by.actor, now=by.now)
    return ""


def _describe(s: Session, group: GapGroup, given: Typed, by: By) -> str:
    unit = _unit(s, given.unit)
    gap_groups.describe(s, group, unit=unit, question=given.question, actor=by.actor, now=by.now)
    return ""


def _dismiss(s: Session, group: GapGroup, given: Typed, by: By) -> str:
    gap_groups.dismiss(s, group, given.reason, actor=by.actor, now=by.now)
    return ""


def _reopen(s: Session, group: GapGroup, given: Typed, by: By) -> str:  # noqa: ARG001
    gap_groups.reopen(s, group, actor=by.actor, now=by.now)
    return ""


def _merge(s: Session, group: GapGroup, given: Typed, by: By) -> str:
    number = number_given(given.other, name="并入的需求")
    if number is None:
        raise Invalid("请选择要并入的需求。")
    gap_groups.merge(s, group, _group(s, number), actor=by.actor, now=by.now)
    return ""


def _take_out(s: Session, group: GapGroup, given: Typed, by: By) -> str:
    number = number_given(given.item, name="问题")
    item = s.get(GapItem, number) if number else None
    if item is None:
        raise NotFound("这组需求中没有这个问题，可能刚刚被移出。")
    alone = gap_groups.take_out(s, group, item, actor=by.actor, now=by.now)
    return f"/gaps/{alone.id}"


ACTS: Mapping[str, Callable[[Session, GapGroup, Typed, By], str]] = {
    "send": _send,
    "propose": _propose,
    "describe": _describe,
    "dismiss": _dismiss,
    "reopen": _reopen,
    "merge": _merge,
    "take-out": _take_out,
}
"""Each returns the address that it leads to; empty for the group itself."""


def _shown(
    request: Request,
    services: Services,
    session: Session,
    caller: Caller,
    group: GapGroup,
    *,
    act: str = "",
    given: Typed = NOTHING_TYPED,
    fault: Invalid | Conflict | CalendarNotPublished | None = None,
    page_number: int = 1,
) -> HTMLResponse:
    now = utc_now()
    handles = may(caller.grants, Action.HANDLE_GAPS)
    question = group.standard_question or standard_question(group.label)
    wordings = gap_list.examples(session, group, limit=PAGE_SIZE, offset=offset_of(page_number))
    count = gap_list.count_wordings(session, group)
    near = nearest_entries(services.index, session, question, now, viewer=caller.viewer)
    context = {
        "group": group,
        "line": gap_list.line_of(session, group, now),
        "signals": gap_list.signals_of(session, group),
        "wordings": wordings,
        "listing": Listing(f"/gaps/{group.id}", {}, page_number, count),
        "near": near,
        "entry_seen": group.entry is not None and bool(titles_of(session, [group.entry.code], caller, now)),
        "handles": handles,
        "is_closed": group.status in CLOSED,
        "may_send": handles and group.status in (GapStatus.OPEN, GapStatus.PROPOSED),
        "may_propose": handles and group.status not in CLOSED,
        "units": session.execute(select(Unit.id, Unit.name).order_by(Unit.level, Unit.name)).tuples().all(),
        "similar": similar_groups(session, group, most=SIMILAR) if handles else [],
        "given": _kept(_suggested(session, group, question), act, given),
        "best": next((one.version.entry.code for one in near if one.score >= WORTH_SUGGESTING), ""),
        "kinds": (NoticeKind.COLLECTION, NoticeKind.QUESTION),
        "fault": str(fault) if fault else "",
    }
    return page(request, "gap_group.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _suggested(session: Session, group: GapGroup, question: str) -> Typed:
    """The forms as they stand before anybody has typed: all of it can be changed."""
    unit = str(group.unit_id or "")
    quoted = [
        example.item.text
        for example in gap_list.examples(session, group, limit=2 * QUOTED)
        if not names_somebody(example.item.text)
    ][:QUOTED]
    content = "\n".join(("来电人这样问：", *(f"{n}. {text}" for n, text in enumerate(quoted, 1)))) if quoted else ""
    told = "" if names_somebody(question) else question
    return Typed(unit=unit, title=told, content=content, text=told, question=question)


def _kept(suggested: Typed, act: str, given: Typed) -> Typed:
    """The form that could not be carried out as it was typed, the others as they are suggested."""
    return replace(suggested, **{name: getattr(given, name) for name in FIELDS.get(act, ())})


def _group(session: Session, group_id: int) -> GapGroup:
    group = session.get(GapGroup, group_id)
    if group is None:
        raise NotFound("没有这组知识需求，可能已并入别的需求。")
    return group


def _unit(session: Session, text: str) -> Unit | None:
    number = number_given(text, name="承办单位")
    if number is None:
        return None
    unit = session.get(Unit, number)
    if unit is None:
        raise Invalid("承办单位：请从列表中选择一个单位。")
    return unit
