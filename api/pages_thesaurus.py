"""词库: the office finds, changes and takes back groups of synonyms, and sees how a question is read with them."""

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api import files
from api.clock import utc_now
from api.errors import status_of
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.thesaurus import read_question, shipped
from api.wiring import Services, UsingServices, UsingSession
from ingest.thesaurus import export_csv, export_xlsx
from kb_admin import thesaurus
from kb_admin.permissions import Action, require
from kb_admin.thesaurus import HeldVersion, Origin, Touched
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.thesaurus import LONGEST_FIELD, LONGEST_NOTE, LONGEST_WORD, GroupSaying, WordGroup
from models.values import Choice

router = APIRouter(include_in_schema=False)
BLANK_LINES = 4
"""Empty lines under the sayings of a group, so that more can be added without a script."""
BETWEEN_WORDS = re.compile(r"[\n,，、;；]+")
SHOWN_QUESTIONS = 20
"""Of those that a change would touch; the number of all stands beside."""
BASE = "/thesaurus"


class Did(Choice):
    """What has just been done, said once on the page that follows."""

    SAVED = "saved", "已保存。通常一秒以内生效，不必重建索引。"
    REMOVED = "removed", "已停用。这一组的词不再互相替代，可在“已停用”中恢复。"
    RESTORED = "restored", "已恢复为所选的版本。通常一秒以内生效。"
    IMPORTED = "imported", "已导入。通常一秒以内生效。"
    NOTHING = "nothing", "与现行内容相同，没有写入。"


class Way(Choice):
    BOTH = "both", "双向"
    ONE = "one", "单向"


@dataclass(frozen=True)
class Wanted:
    """Which part of the list is seen; it stands in the address and goes along with every form."""

    q: str = ""
    field: str = ""
    origin: Origin | None = None
    page: int = 1

    @property
    def filters(self) -> dict[str, str]:
        return {"q": self.q, "field": self.field, "origin": self.origin or ""}

    @property
    def query(self) -> str:
        """For the hidden field of a form."""
        return urlencode({name: value for name, value in {**self.filters, "page": str(self.page)}.items() if value})

    def address(self, **more: str) -> str:
        """The same part of the list with something open. No fragment: with one, browsers do not heed autofocus."""
        return f"{BASE}?{self.query}&{urlencode(more)}"

    @classmethod
    def of(cls, query: str) -> "Wanted":
        """Back from the hidden field; what is not understood is left out."""
        told = dict(parse_qsl(query[:1000], max_num_fields=20))
        number = told.get("page", "1")
        return cls(
            q=told.get("q", ""),
            field=told.get("field", ""),
            origin=next((origin for origin in Origin if origin == told.get("origin")), None),
            page=int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 6 else 1,
        )


@dataclass(frozen=True)
class Line:
    """One saying as it stands in the form."""

    word: str = ""
    way: Way = Way.BOTH
    weight: str = "1"


@dataclass(frozen=True)
class Draft:
    """A group as it stands in the form, sound or not."""

    head: str
    based_on: int | None
    """None: a new group."""
    lines: tuple[Line, ...] = ()
    field: str = ""
    note: str = ""

    @property
    def lines_and_blank(self) -> tuple[Line, ...]:
        return (*self.lines, *[Line()] * BLANK_LINES)

    def group(self) -> WordGroup:
        """Raises Invalid for a weight that is no number."""
        return WordGroup(self.head, tuple(map(_saying, self.lines)), self.field, self.note)

    @classmethod
    def of(cls, held: HeldVersion) -> "Draft":
        group = held.group
        lines = (Line(s.word, Way.BOTH if s.both_ways else Way.ONE, f"{s.weight:g}") for s in group.sayings)
        return cls(group.head, held.number, tuple(lines), group.field, group.note)


@dataclass(frozen=True)
class Effect:
    """What a change would touch."""

    questions: tuple[Touched, ...]
    count: int
    of: int
    """Questions that were looked at."""


def wanted_part(
    q: Annotated[str, Query(max_length=200)] = "",
    field: Annotated[str, Query(max_length=LONGEST_FIELD)] = "",
    origin: str = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Wanted:
    """Dependency: the part of the list that the address asks for."""
    told = next((value for value in Origin if value == origin), None)
    if origin and told is None:
        raise Invalid("没有这种来源，请选本市改过、随产品或已停用。")
    return Wanted(q.strip(), field, told, page_number)


def drafted(
    *,
    head: Annotated[str, Form(max_length=200)] = "",
    based_on: Annotated[str, Form(max_length=12)] = "",
    word: Annotated[list[str] | None, Form()] = None,
    way: Annotated[list[Way] | None, Form()] = None,
    weight: Annotated[list[str] | None, Form()] = None,
    more: Annotated[str, Form(max_length=20_000)] = "",
    field: Annotated[str, Form(max_length=1000)] = "",
    note: Annotated[str, Form(max_length=5000)] = "",
) -> Draft:
    """Dependency: what stands in the form; a line without a word is left out."""
    words, ways, weights = word or [], way or [], weight or []
    if not len(words) == len(ways) == len(weights):
        raise Invalid("说法、方向、权重的个数不一致，请刷新页面后重新填写。")
    lines = [Line(w.strip(), d, v.strip()) for w, d, v in zip(words, ways, weights, strict=True) if w.strip()]
    lines += [Line(w.strip()) for w in BETWEEN_WORDS.split(more.replace("\r", "\n")) if w.strip()]
    return Draft(head.strip(), _number(based_on), tuple(lines), field.strip(), note.strip())


@router.get(BASE)
def thesaurus_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    wanted: Annotated[Wanted, Depends(wanted_part)],
    opened: Annotated[str, Query(alias="open", max_length=200)] = "",
    new: Annotated[str | None, Query(max_length=200)] = None,
    tried: Annotated[str, Query(alias="try")] = "",
    did: Did | None = None,
) -> HTMLResponse:
    """The list, with one group open for editing, or an empty form for a new one."""
    require(caller.grants, Action.EDIT_THESAURUS)
    draft: Draft | None = None
    if opened:
        draft = Draft.of(thesaurus.standing(session, shipped(), opened))
    elif new is not None:
        draft = Draft(new.strip(), None, field=wanted.field)
    return _shown(request, services, session, caller, wanted, draft=draft, tried=tried, did=did)


@router.post(f"{BASE}/save", dependencies=[Depends(check_csrf)])
def save(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    draft: Annotated[Draft, Depends(drafted)],
    back: Annotated[str, Form()] = "",
    preview: Annotated[bool, Form()] = False,
) -> Response:
    """Save the group, or only show which questions it would touch. What was typed stays when it cannot be saved."""
    require(caller.grants, Action.EDIT_THESAURUS)
    wanted = Wanted.of(back)
    try:
        if preview:
            effect = _effect(session, draft)
            return _shown(request, services, session, caller, wanted, draft=draft, effect=effect)
        number = thesaurus.save(
            session,
            shipped(),
            draft.group(),
            based_on=draft.based_on,
            actor=person_of(session, caller),
            now=utc_now(),
        )
    except (Invalid, Conflict) as error:
        session.rollback()
        return _shown(request, services, session, caller, wanted, draft=draft, fault=error)
    session.commit()
    did = Did.NOTHING if number == draft.based_on else Did.SAVED
    return RedirectResponse(wanted.address(open=draft.head, did=did), 303)


@router.post(f"{BASE}/remove", dependencies=[Depends(check_csrf)])
def remove(
    *,
    session: UsingSession,
    caller: PageCaller,
    head: Annotated[str, Form(max_length=200)],
    based_on: Annotated[int, Form(ge=0, le=1_000_000)],
    back: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """停用."""
    actor = person_of(session, caller)
    thesaurus.remove(session, shipped(), head, based_on=based_on, actor=actor, now=utc_now())
    session.commit()
    return RedirectResponse(Wanted.of(back).address(open=head, did=Did.REMOVED), 303)


@router.post(f"{BASE}/restore", dependencies=[Depends(check_csrf)])
def restore(
    *,
    session: UsingSession,
    caller: PageCaller,
    head: Annotated[str, Form(max_length=200)],
    number: Annotated[int, Form(ge=0, le=1_000_000)],
    based_on: Annotated[int, Form(ge=0, le=1_000_000)],
    back: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """A former version, or the one that comes with the product, holds again."""
    actor = person_of(session, caller)
    held = thesaurus.restore(session, shipped(), head, number, based_on=based_on, actor=actor, now=utc_now())
    session.commit()
    did = Did.NOTHING if held == based_on else Did.RESTORED
    return RedirectResponse(Wanted.of(back).address(open=head, did=did), 303)


@router.get(f"{BASE}/export")
def export(session: UsingSession, caller: PageCaller, format: str = "xlsx") -> Response:
    """All groups that hold, one saying a row; imported again it changes nothing."""
    require(caller.grants, Action.EDIT_THESAURUS)
    writers = {files.FileFormat.XLSX: export_xlsx, files.FileFormat.CSV: export_csv}
    kind = next((kind for kind in writers if kind == format), None)
    if kind is None:
        raise NotFound("词库只能导出为 xlsx 或 csv。")
    groups = (held.group for held in thesaurus.all_groups(session, shipped()) if not held.removed)
    headers = {"Content-Disposition": f'attachment; filename="zhida-thesaurus.{kind}"'}
    return Response(writers[kind](groups), media_type=files.MEDIA_TYPES[kind], headers=headers)


def _shown(
    request: Request,
    services: Services,
    session: Session,
    caller: Caller,
    wanted: Wanted,
    *,
    draft: Draft | None,
    effect: Effect | None = None,
    fault: Invalid | Conflict | None = None,
    tried: str = "",
    did: Did | None = None,
) -> HTMLResponse:
    groups = thesaurus.all_groups(session, shipped())
    found = thesaurus.chosen(groups, text=wanted.q, field=wanted.field, origin=wanted.origin, fold=shipped().fold)
    listing = Listing(BASE, wanted.filters, wanted.page, len(found))
    shown = found[offset_of(wanted.page) :][:PAGE_SIZE]
    past = _history(session, draft)
    question = readable(tried, name="问题", longest=services.settings.question_characters)
    context = {
        "wanted": wanted,
        "listing": listing,
        "groups": shown,
        "draft": draft,
        "in_list": draft is not None and any(held.group.head == draft.head for held in shown),
        "past": past,
        "fault": str(fault) if fault else "",
        "effect": effect,
        "did": did.label if did else "",
        "fields": thesaurus.fields_of(groups),
        "origins": list(Origin),
        "ways": list(Way),
        "tried": question,
        "read": read_question(services, question) if question else None,
        "heads": thesaurus.owners_of((h.group for h in groups if not h.removed), shipped().fold) if question else {},
        "longest_word": LONGEST_WORD,
        "longest_field": LONGEST_FIELD,
        "longest_note": LONGEST_NOTE,
    }
    status = status_of(fault)[0] if fault else 200
    return page(request, "thesaurus.html", caller, context, status=status)


def _history(session: Session, draft: Draft | None) -> tuple[HeldVersion, ...]:
    if draft is None or draft.based_on is None:
        return ()
    return thesaurus.history(session, shipped(), draft.head)


def _effect(session: Session, draft: Draft) -> Effect:
    past = _history(session, draft)
    before = past[0].group if past else None
    group = thesaurus.tidied(draft.group())
    touched = thesaurus.touched(session, shipped(), group, before=before)
    return Effect(touched[:SHOWN_QUESTIONS], len(touched), len(thesaurus.last_questions(session)))


def _saying(line: Line) -> GroupSaying:
    try:
        weight = float(line.weight or "1")
    except ValueError:
        raise Invalid(f"“{line.word}”的权重“{line.weight}”不是数字，请写 0 到 1 之间的数，如 0.6。") from None
    return GroupSaying(line.word, weight, line.way is Way.BOTH)


def _number(text: str) -> int | None:
    """The version that the form was made from; empty for a new group."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Invalid("表单已损坏，请刷新页面后重新填写。")
    return int(text)
