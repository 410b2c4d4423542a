"""The template environment, and what every page shows around its own content."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select
from starlette.templating import Jinja2Templates

from api import dates
from api.clock import utc_now
from api.emergency_banner import Banner, banner_for, hears_emergencies
from api.security import Caller, NotLoggedIn, page_caller
from api.wiring import Services, get_services
from kb_admin import notifications
from kb_admin.permissions import UNIT_ROLES, Action, Grant, may
from kb_admin.rules_in_force import unpublished_year
from kb_admin.todo import count_todo
from models.organisation import Person, RoleGrant
from models.values import Role

HERE = Path(__file__).parent
STATIC_FOLDER = HERE / "static"


@dataclass(frozen=True)
class RailLink:
    label: str
    address: str
    current: bool


@dataclass(frozen=True)
class RailGroup:
    """The functions of one kind of work, for those who do it."""

    label: str
    links: tuple[RailLink, ...]


@dataclass(frozen=True)
class Shell:
    """What stands around a page: who is here, where they may go, what the installation lacks."""

    caller: Caller
    roles: str
    rail: tuple[RailGroup, ...]
    words_only: bool
    """No model is installed."""
    cares_for_model: bool
    """Administrator or office, who can have one installed: told in full; agents get a small mark."""
    demonstration: bool
    """The base holds the demonstration entries: nothing on the page is a real city's answer."""
    unpublished_year: Callable[[], int | None]
    """The year whose holidays limits will soon need and nobody has added; asked only for who can."""
    unread: Callable[[], int]
    """How many messages the caller has not read; asked only where it is shown."""
    waiting: Callable[[], int]
    """How many things wait for the caller; likewise."""
    hears_emergencies: bool
    """The banner of emergency information stands on this person's pages."""
    emergencies: Callable[[], Banner]


WORK: tuple[tuple[str, frozenset[Role], tuple[tuple[str, str, Action], ...]], ...] = (
    ("坐席", frozenset(Role), (("知识查询", "/", Action.SEARCH),)),
    ("坐席", frozenset({Role.AGENT}), (("我的评价", "/verdicts", Action.JUDGE),)),
    ("坐席", frozenset({Role.AGENT}), (("来电记录", "/incoming", Action.READ_INCOMING),)),
    ("采编", UNIT_ROLES, (("我的待办", "/todo", Action.READ_TODO),)),
    (
        "采编",
        frozenset(Role),
        (
            ("我的条目", "/mine", Action.READ_MINE),
            ("知识条目", "/entries", Action.SEARCH),
            ("新建条目", "/write", Action.WRITE),
            ("批量导入", "/import", Action.IMPORT),
        ),
    ),
    (
        "采编",
        UNIT_ROLES,
        (
            ("通知单", "/notices", Action.READ_NOTICES),
            ("正确率", "/correctness", Action.READ_VERDICTS),
            ("定期回顾", "/reviews", Action.READ_REVIEWS),
            ("申请", "/applications", Action.READ_APPLICATIONS),
            ("类别", "/categories", Action.READ_CATEGORIES),
            ("学习建议", "/proposals", Action.READ_PROPOSALS),
            ("查看共享", "/sharing", Action.ASK_SHARING),
            ("人员名单", "/staff", Action.READ_STAFF),
        ),
    ),
    ("审核", frozenset({Role.REVIEWER, Role.UNIT_LEADER}), (("待审条目", "/review", Action.REVIEW),)),
    (
        "热线办",
        frozenset({Role.CITY_OFFICE, Role.COUNTY_OFFICE}),
        (
            ("我的待办", "/todo", Action.READ_TODO),
            ("待审条目", "/review", Action.REVIEW),
            ("通知单", "/notices", Action.READ_NOTICES),
            ("正确率", "/correctness", Action.READ_VERDICTS),
            ("联系清单", "/calls", Action.CALL_UNITS),
            ("来电记录", "/incoming", Action.READ_INCOMING),
            ("申请", "/applications", Action.READ_APPLICATIONS),
            ("定期回顾", "/reviews", Action.READ_REVIEWS),
            ("类别", "/categories", Action.READ_CATEGORIES),
            ("关键字", "/keywords", Action.READ_KEYWORDS),
            ("知识缺失", "/gaps", Action.READ_GAPS),
            ("词库", "/thesaurus", Action.EDIT_THESAURUS),
            ("学习建议", "/proposals", Action.READ_PROPOSALS),
            ("查看共享", "/sharing", Action.DECIDE_SHARING),
            ("人员名单", "/staff", Action.READ_STAFF),
            ("对外发布", "/release", Action.RELEASE),
        ),
    ),
    (
        "分析",
        frozenset({Role.ANALYST, Role.CITY_OFFICE, Role.COUNTY_OFFICE, Role.UNIT_LEADER}),
        (
            ("看板", "/dashboard", Action.READ_STATISTICS),
            ("报表", "/reports", Action.READ_STATISTICS),
            ("指标定义", "/definitions", Action.READ_STATISTICS),
        ),
    ),
    (
        "分析",
        frozenset({Role.ANALYST}),
        (
            ("通知单", "/notices", Action.READ_NOTICES),
            ("正确率", "/correctness", Action.READ_VERDICTS),
            ("知识缺失", "/gaps", Action.READ_GAPS),
            ("来电记录", "/incoming", Action.READ_INCOMING),
        ),
    ),
    ("分析", frozenset({Role.ANALYST, Role.CITY_OFFICE}), (("测试", "/tests", Action.RUN_TESTS),)),
    ("分析", frozenset({Role.ANALYST, Role.CITY_OFFICE}), (("排序权重", "/ranker", Action.RUN_TESTS),)),
    (
        "管理",
        frozenset(Role),
        (
            ("规则", "/rulebook", Action.SEARCH),
            ("权限", "/rights", Action.SEARCH),
            ("审计", "/audit", Action.READ_AUDIT),
            ("排序权重", "/ranker", Action.SET_WEIGHTS),
        ),
    ),
)
"""Kind of work, who does it, and its pages, each with the action that one must be allowed. Rows with one label are one
group."""
CARE_FOR_MODEL = frozenset({Role.ADMINISTRATOR, Role.CITY_OFFICE})
WORK_ON_ENTRIES = UNIT_ROLES | {Role.COUNTY_OFFICE}
"""Who begins the day with the entries of their units; all others begin with a question."""


@cache
def static(name: str) -> str:
    """Address of a file under static/; a changed file has a new one, so no browser runs an old file."""
    digest = hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def shell_of(request: Request, services: Services, caller: Caller) -> Shell:
    """The frame of this page for this person."""
    roles = {grant.role for grant in caller.grants}
    return Shell(
        caller=caller,
        roles="、".join(role.label for role in Role if role in roles),
        rail=_rail(caller, request.url.path),
        words_only=services.encoder is None,
        cares_for_model=bool(roles & CARE_FOR_MODEL),
        demonstration=services.demonstration,
        unpublished_year=lambda: _unpublished_year(services),
        unread=lambda: _unread(services, caller),
        waiting=lambda: _waiting(services, caller),
        hears_emergencies=hears_emergencies(caller),
        emergencies=lambda: _emergencies(services, caller),
    )


def page(
    request: Request, name: str, caller: Caller, context: Mapping[str, object], *, status: int = 200
) -> HTMLResponse:
    """A page, or a piece of one, for a logged-in person."""
    services = get_services(request)
    whole = {
        "shell": shell_of(request, services, caller),
        "longest_question": services.settings.question_characters,
        **context,
    }
    return templates.TemplateResponse(request, name, whole, status)


def home_of(grants: Iterable[Grant]) -> str:
    """The page that a person's work begins with."""
    held = list(grants)
    if any(grant.role not in WORK_ON_ENTRIES for grant in held):
        return "/"
    units = {grant.unit_id for grant in held}
    unit = units.pop() if len(units) == 1 else None
    return f"/entries?unit={unit}" if unit else "/entries"


def error_page(
    request: Request, context: Mapping[str, object], status: int, headers: Mapping[str, str]
) -> HTMLResponse:
    """An error with the rail and the search beside it for who is logged in; on bare paper for others.

    When the service itself is at fault, who is asking is not looked up: it may fail in the same way.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return templates.TemplateResponse(request, "error.html", {**context, "ask": ""}, status, headers)
    try:
        caller = page_caller(request)
    except NotLoggedIn:
        return templates.TemplateResponse(request, "error.html", {**context, "ask": ""}, status, headers)
    ask = _administrators(request) if status == HTTPStatus.FORBIDDEN else ""
    response = page(request, "error_inside.html", caller, {**context, "ask": ask}, status=status)
    response.headers.update(headers)
    return response


def _administrators(request: Request) -> str:
    """Names of some who grant rights."""
    administrators = (
        select(Person.name)
        .join(Person.grants)
        .where(Person.active, RoleGrant.role == Role.ADMINISTRATOR)
        .distinct()
        .order_by(Person.name)
        .limit(3)
    )
    with get_services(request).open_session() as session:
        return "、".join(session.scalars(administrators))


def _unpublished_year(services: Services) -> int | None:
    with services.open_session() as session:
        return unpublished_year(session, utc_now())


def _unread(services: Services, caller: Caller) -> int:
    with services.open_session() as session:
        return notifications.unread(session, caller.person_id)


def _waiting(services: Services, caller: Caller) -> int:
    with services.open_session() as session:
        return count_todo(session, caller.grants, utc_now())


def _emergencies(services: Services, caller: Caller) -> Banner:
    with services.open_session() as session:
        return banner_for(session, caller, utc_now())


def _rail(caller: Caller, path: str) -> tuple[RailGroup, ...]:
    roles = {grant.role for grant in caller.grants}
    groups: dict[str, dict[str, RailLink]] = {}
    named: set[str] = set()
    for label, workers, links in WORK:
        mine = links if roles & workers else ()
        for name, address, action in mine:
            if may(caller.grants, action) and address not in named:
                named.add(address)
                groups.setdefault(label, {})[address] = RailLink(name, address, _is_at(path, address))
    return tuple(RailGroup(label, tuple(links.values())) for label, links in groups.items())


def _is_at(path: str, address: str) -> bool:
    return path == address or (address != "/" and path.startswith(address + "/"))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # pages change together with the code, at a restart
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static
    environment.filters["moment"] = dates.moment
    environment.filters["day"] = dates.day
    environment.filters["last_moment"] = dates.last_moment
    environment.filters["clock_time"] = dates.clock_time
    environment.filters["second_time"] = dates.second_time
    return environment


templates = Jinja2Templates(env=_environment())
