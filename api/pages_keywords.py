"""关键字: the office sets those of each entry (清远 art. 6, 济源 art. 5(3)), and sees which are in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import ColumnElement, Select, exists, func, or_, select, true
from sqlalchemy.orm import Session, contains_eager

from api.clock import utc_now
from api.errors import status_of
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.pages_entries import Number
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import keywords
from kb_admin.courses import is_party
from kb_admin.permissions import Action, require
from kb_admin.rules_in_force import rules_of_unit
from models.errors import Conflict, Invalid, NotFound
from models.knowledge import Entry, Keyword, Phrasing, Version
from models.organisation import Unit
from models.values import KEYWORD_SEPARATORS, VersionStatus

router = APIRouter(include_in_schema=False)
BASE = "/keywords"
SHOWN_WORDS = 200
"""Keywords in use, the commonest first."""
NONE = "none"


@dataclass(frozen=True)
class Wanted:
    """Which entries are on the page; it stands in the address and goes along with the form."""

    q: str = ""
    word: str = ""
    """Entries with exactly this keyword."""
    show: str = ""
    """``none``: entries without any."""
    unit_id: int | None = None
    page: int = 1

    @property
    def filters(self) -> dict[str, str]:
        return {"q": self.q, "word": self.word, "show": self.show, "unit": str(self.unit_id or "")}

    def listing(self, count: int = 0) -> Listing:
        return Listing(BASE, self.filters, self.page, count)

    @classmethod
    def of(cls, query: str) -> "Wanted":
        """Back from the hidden field; what is not understood is left out."""
        told = dict(parse_qsl(query.partition("?")[2][:1000], max_num_fields=20))
        unit, number = told.get("unit", ""), told.get("page", "1")
        return cls(
            q=told.get("q", ""),
            word=told.get("word", ""),
            show=told.get("show", ""),
            unit_id=int(unit) if unit.isascii() and unit.isdigit() and len(unit) < 12 else None,
            page=int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 6 else 1,
        )


@dataclass(frozen=True)
class Line:
    version: Version
    keywords: str
    may_set: bool


def wanted_part(
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    word: Annotated[str, Query(max_length=64)] = "",
    show: Annotated[str, Query(max_length=20)] = "",
    unit: Number = None,
    page_number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Wanted:
    """Dependency: the part of the list that the address asks for."""
    return Wanted(q.strip(), word.strip(), NONE if show == NONE else "", unit, page_number)


@router.get(BASE)
def keywords_page(
    *, request: Request, session: UsingSession, caller: PageCaller, wanted: Annotated[Wanted, Depends(wanted_part)]
) -> HTMLResponse:
    """Live entries with their keywords, each to be changed in its row; beside them the keywords in use."""
    require(caller.grants, Action.READ_KEYWORDS)
    return _shown(request, session, caller, wanted)


@router.post(f"{BASE}/{{code}}", dependencies=[Depends(check_csrf)])
def set_keywords(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    code: str,
    words: Annotated[str, Form(max_length=5000)] = "",
    back: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Give an entry these keywords."""
    require(caller.grants, Action.READ_KEYWORDS)
    entry = session.scalar(select(Entry).where(Entry.code == code))
    if entry is None or not caller.history.holds(entry.unit_id):
        raise NotFound(f"没有编号为“{code}”的条目，或您无权查看。")
    given = [word.strip() for word in KEYWORD_SEPARATORS.split(words) if word.strip()]
    wanted = Wanted.of(back)
    try:
        keywords.set_keywords(session, entry, given, actor=person_of(session, caller), now=utc_now())
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, session, caller, wanted, fault=error, code=code, typed=words)
    session.commit()
    return RedirectResponse(f"{wanted.listing().address}#k-{code}", 303)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    wanted: Wanted,
    *,
    fault: Invalid | Conflict | None = None,
    code: str = "",
    typed: str = "",
) -> HTMLResponse:
    query = _entries(wanted, caller)
    count = session.scalar(query.with_only_columns(func.count(Version.id), maintain_column_froms=True)) or 0
    ordered = query.order_by(Entry.code).limit(PAGE_SIZE).offset(offset_of(wanted.page))
    lines = _lines(session, caller, session.scalars(ordered.options(contains_eager(Version.entry))).all())
    context = {
        "lines": lines,
        "listing": wanted.listing(count),
        "wanted": wanted,
        "without": session.scalar(
            _entries(Wanted(show=NONE), caller).with_only_columns(func.count(Version.id), maintain_column_froms=True)
        )
        or 0,
        "in_use": _in_use(session, caller),
        "units": _units(session, caller),
        "code": code if any(line.version.entry.code == code for line in lines) else "",
        "typed": typed,
        "fault": str(fault) if fault else "",
    }
    return page(request, "keywords.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _lines(session: Session, caller: Caller, versions: Sequence[Version]) -> list[Line]:
    now = utc_now()
    units = {version.entry.unit_id: version.entry.unit for version in versions}
    may = {
        unit_id: is_party(caller.grants, keywords.may_set(rules_of_unit(session, unit, now).rulebook), unit)
        for unit_id, unit in units.items()
    }
    return [Line(v, "、".join(k.text for k in v.keywords), may[v.entry.unit_id]) for v in versions]


def _entries(wanted: Wanted, caller: Caller) -> Select[Version]:
    """Live versions in the caller's reach that the filters leave."""
    conditions = [Version.status == VersionStatus.PUBLISHED, _in_reach(caller)]
    held = exists().where(Keyword.version_id == Version.id)
    if wanted.q:
        named = (column.contains(wanted.q, autoescape=True) for column in (Entry.code, Phrasing.text))
        conditions.append(or_(*named))
    if wanted.word:
        conditions.append(held.where(Keyword.text == wanted.word))
    if wanted.show == NONE:
        conditions.append(~held)
    if wanted.unit_id is not None:
        conditions.append(Entry.unit_id == wanted.unit_id)
    joined = select(Version).join(Version.entry).join(Phrasing, Phrasing.version_id == Version.id)
    return joined.where(Phrasing.position == 0, *conditions)


def _in_use(session: Session, caller: Caller) -> list[tuple[str, int]]:
    """Keywords of the live entries in the caller's reach, with how many entries have them."""
    counted = func.count().label("entries")
    query = (
        select(Keyword.text, counted)
        .join(Version, Version.id == Keyword.version_id)
        .join(Version.entry)
        .where(Version.status == VersionStatus.PUBLISHED, _in_reach(caller))
        .group_by(Keyword.text)
        .order_by(counted.desc(), Keyword.text)
    )
    return [(text, count) for text, count in session.execute(query.limit(SHOWN_WORDS))]


def _units(session: Session, caller: Caller) -> list[tuple[int, str]]:
    live = exists().where(Entry.unit_id == Unit.id, Version.entry_id == Entry.id)
    answering = live.where(Version.status == VersionStatus.PUBLISHED)
    query = select(Unit.id, Unit.name).where(answering).order_by(Unit.name)
    return [(unit_id, name) for unit_id, name in session.execute(query) if caller.history.holds(unit_id)]


def _in_reach(caller: Caller) -> ColumnElement[bool]:
    return true() if caller.history.everything else Entry.unit_id.in_(caller.history.unit_ids)
