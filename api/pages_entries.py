"""Entries: the list, one entry with all its versions and moves, and the moves that its reader may make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BeforeValidator
from sqlalchemy.orm import Session

from api import dates, entry_list
from api.cards import Content, attachments_of, content_of
from api.clock import utc_now
from api.entry_list import Due, Wanted
from api.listing import Listing
from api.pages_agent import PageCaller
from api.reading import ReadEntry, read_entry, searchable
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingServices, UsingSession
from kb_admin import lifecycle
from kb_admin.permissions import Action, may, require
from models.errors import Conflict, NotFound
from models.knowledge import Transition, Version
from models.values import VersionStatus

router = APIRouter(include_in_schema=False)
Number = Annotated[Id | None, BeforeValidator(lambda given: given or None)]
"""An id in the address; a form sends an empty one for "any"."""
Word = Annotated[str, Query(max_length=32)]
"""A choice in the address; one that is not offered counts as none."""

S = VersionStatus
LONGEST_PATH = 256
"""As long as a category's path can be stored."""
COLUMNS = (
    ("code", "编号"),
    ("question", "标准问"),
    ("unit", "责任单位"),
    ("category", "类别"),
    ("status", "状态"),
    ("valid_to", "有效至"),
)


@dataclass(frozen=True)
class Step:
    """A move that a button offers."""

    name: str
    label: str
    action: Action
    sources: frozenset[VersionStatus]
    target: VersionStatus
    needs_reason: bool


STEPS = {
    "submit": Step("submit", "提交审核", Action.SUBMIT, frozenset({S.DRAFT}), S.SUBMITTED, needs_reason=False),
    "publish": Step(
        "publish",
        "发布",
        Action.PUBLISH,
        frozenset({S.SUBMITTED, S.CHECKED, S.WITHDRAWN}),
        S.PUBLISHED,
        needs_reason=False,
    ),
    "send-back": Step(
        "send-back", "退回", Action.PUBLISH, frozenset({S.SUBMITTED, S.CHECKED}), S.DRAFT, needs_reason=True
    ),
    "withdraw": Step("withdraw", "下架", Action.WITHDRAW, frozenset({S.PUBLISHED}), S.WITHDRAWN, needs_reason=True),
}


@dataclass(frozen=True)
class ShownVersion:
    """One version with what happened to it and what may happen next."""

    number: int
    status: VersionStatus
    content: Content
    similar: tuple[str, ...]
    keywords: tuple[str, ...]
    category: str
    info_type: str
    publicity: str
    region: str
    created_at: datetime
    created_by: str
    published_at: datetime | None
    moves: tuple[Transition, ...]
    steps: tuple[Step, ...]


@router.get("/entries")
def entry_list_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    unit: Number = None,
    category: Annotated[str, Query(max_length=LONGEST_PATH)] = "",
    status: Word = "",
    due: Word = "",
    sort: Word = "code",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The entries that this person may see; every filter is in the address."""
    now = utc_now()
    wanted = Wanted(
        text=q.strip(),
        unit_id=unit,
        category=category,
        status=next((value for value in S if value.value == status), None),
        due=Due(due) if due in set(Due) else None,
        sort=sort,
    )
    filters = {"q": wanted.text, "unit": str(unit or ""), "category": category}
    filters |= {"status": status, "due": due, "sort": sort}
    context = {
        "lines": _lines(session, wanted, caller, now, page_number),
        "listing": Listing("/entries", filters, page_number, entry_list.count_entries(session, wanted, caller, now)),
        "filters": filters,
        "columns": COLUMNS,
        "units": entry_list.visible_units(session, caller, now),
        "categories": entry_list.visible_categories(session, caller, now),
        "statuses": list(S),
        "may_export": may(caller.grants, Action.EXPORT),
        "may_import": may(caller.grants, Action.IMPORT),
    }
    return page(request, "entries.html", caller, context)


@router.get("/entries/{code}")
def entry_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    code: str,
) -> HTMLResponse:
    """One entry as the agent sees it; its versions, moves and buttons for those whose work it is."""
    now = utc_now()
    read = read_entry(session, code, caller, now)
    versions = _shown_versions(session, read, caller, now)
    context = {
        "entry": read.entry,
        "standing": versions[0] if read.live is None else next(v for v in versions if v.number == read.live.number),
        "live": read.live,
        "in_force": read.in_force,
        "searchable": read.live is not None and searchable(services, session, read.entry.id),
        "versions": versions if read.versions is not None else (),
    }
    return page(request, "entry.html", caller, context)


@router.post("/entries/{code}/versions/{number}/{step}", dependencies=[Depends(check_csrf)])
def move_version(
    *,
    session: UsingSession,
    caller: PageCaller,
    code: str,
    number: int,
    step: str,
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> RedirectResponse:
    """Make one move, as one of the buttons says."""
    now = utc_now()
    read = read_entry(session, code, caller, now)
    wanted = STEPS.get(step)
    version = next((v for v in read.versions or () if v.number == number), None)
    if wanted is None or version is None:
        raise NotFound(f"条目“{code}”没有第 {number} 版，或没有这项操作。")
    require(caller.grants, wanted.action, unit_id=read.entry.unit_id, region_id=read.entry.unit.region_id)
    if version.status not in wanted.sources:
        raise Conflict(_too_late(version, wanted))
    _MOVES[step](session, version, reason, caller, now)
    session.commit()
    return RedirectResponse(f"/entries/{quote(code, safe='')}", 303)


def _too_late(version: Version, step: Step) -> str:
    """Who was quicker, and what is left to do."""
    last = version.transitions[-1]
    actor = last.actor.name if last.actor else "系统"
    done = f"第 {version.number} 版已由{actor}于 {dates.moment(last.at)} 改为“{version.status.label}”"
    return f"{done}，{'无须再' if version.status is step.target else '不能再'}{step.label}。"


def _submit(session: Session, version: Version, _reason: str, caller: Caller, now: datetime) -> None:
    lifecycle.submit(session, version, actor=person_of(session, caller), now=now)


def _publish(session: Session, version: Version, _reason: str, caller: Caller, now: datetime) -> None:
    lifecycle.publish(session, version, actor=person_of(session, caller), now=now)


def _send_back(session: Session, version: Version, reason: str, caller: Caller, now: datetime) -> None:
    lifecycle.send_back(session, version, reason, actor=person_of(session, caller), now=now)


def _withdraw(session: Session, version: Version, reason: str, caller: Caller, now: datetime) -> None:
    lifecycle.withdraw(session, version, reason, actor=person_of(session, caller), now=now)


_MOVES: Mapping[str, Callable[[Session, Version, str, Caller, datetime], None]] = {
    "submit": _submit,
    "publish": _publish,
    "send-back": _send_back,
    "withdraw": _withdraw,
}


def _lines(
    session: Session, wanted: Wanted, caller: Caller, now: datetime, page_number: int
) -> list[dict[str, object]]:
    found = entry_list.list_entries(session, wanted, caller, now, page=page_number)
    return [
        {
            "entry": line,
            "validity": dates.validity(line.valid_from, line.valid_to, now),
            "until": dates.last_moment(line.valid_to) if line.valid_to else "长期有效",
        }
        for line in found
    ]


def _shown_versions(session: Session, read: ReadEntry, caller: Caller, now: datetime) -> tuple[ShownVersion, ...]:
    """Newest first; only the live one for those who do not read history."""
    versions = read.versions if read.versions is not None else tuple(v for v in (read.live,) if v)
    attachments = attachments_of(session, [version.id for version in versions])
    with_history = read.versions is not None
    return tuple(
        ShownVersion(
            number=v.number,
            status=v.status,
            content=content_of(v, attachments.get(v.id, {}), now=now),
            similar=v.similar,
            keywords=tuple(k.text for k in v.keywords),
            category=v.category.path if v.category else "",
            info_type=v.info_type,
            publicity=v.publicity.label,
            region=v.region.name,
            created_at=v.created_at,
            created_by=v.created_by.name if v.created_by else "系统",
            published_at=v.published_at,
            moves=tuple(v.transitions) if with_history else (),
            steps=_steps(v, caller) if with_history else (),
        )
        for v in versions
    )


def _steps(version: Version, caller: Caller) -> tuple[Step, ...]:
    unit = version.entry.unit
    return tuple(
        step
        for step in STEPS.values()
        if version.status in step.sources and may(caller.grants, step.action, unit_id=unit.id, region_id=unit.region_id)
    )
