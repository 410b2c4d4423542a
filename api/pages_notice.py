"""One notice: its form, its clocks, what has happened to it, and what its reader may do with it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from api import correctness_list
from api.clock import utc_now
from api.due_times import shown_clock
from api.errors import status_of
from api.form_fields import entries_given, moment_given
from api.notice_list import read_notice
from api.pages_agent import PageCaller
from api.printed_notices import has_form, printed
from api.schemas import LARGEST_ID
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.viewing import note_version
from api.wiring import UsingSession
from kb_admin import defences, extensions, notices
from kb_admin.calendars import CalendarNotPublished
from kb_admin.entry_notices import AT_GATE
from kb_admin.lifecycle import live_version
from kb_admin.permissions import UNIT_PARTIES, Action, acts_as, require
from kb_admin.rulebook import Party
from kb_admin.rules_in_force import InForce, rules_by_id
from models.errors import Conflict, Invalid, NotFound
from models.improvement import Defence
from models.knowledge import Entry, Version
from models.notices import Clock, ClockEvent, Notice
from models.organisation import Person
from models.values import ApplicationStatus, ClockEventKind, NoticeKind, NoticeStatus

router = APIRouter(include_in_schema=False)
S = NoticeStatus
LONGEST_TEXT = 2000
ANSWERED_BY_ENTRIES = frozenset({NoticeKind.COLLECTION, NoticeKind.QUESTION, NoticeKind.UPDATE, NoticeKind.CORRECTION})
EVENTS: Mapping[ClockEventKind, str] = {
    ClockEventKind.WARNED: "到期提醒",
    ClockEventKind.EXPIRED: "超期",
    ClockEventKind.SECOND_NOTICE: "再次发送超期通知",
    ClockEventKind.CALL_LIST: "列入热线办联系清单",
    ClockEventKind.EXTENDED: "时限延长",
}
"""What befell a clock, where the notice itself does not tell it."""
DEFENCES: Mapping[ApplicationStatus, str] = {
    ApplicationStatus.GRANTED: "申辩已采纳",
    ApplicationStatus.REFUSED: "申辩未采纳",
    ApplicationStatus.CANCELLED: "申辩已撤回",
    ApplicationStatus.CONSENTED: "申辩待核实",
}
NoticeId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


@dataclass(frozen=True)
class Act:
    """Something that a form on the page does."""

    name: str
    label: str
    main: bool = False
    """What is to be done next."""


@dataclass(frozen=True)
class Typed:
    """What stood in a form that could not be carried out."""

    act: str = ""
    text: str = ""
    codes: str = ""
    until: str = ""


NOTHING_TYPED = Typed()


@dataclass(frozen=True)
class Event:
    at: datetime
    text: str
    who: str
    note: str = ""


@dataclass(frozen=True)
class ExtensionWords:
    """What the page says of asking for more time."""

    last_moment: datetime | None
    """The last one at which it is possible; None when nothing runs that could be extended."""
    too_late: bool
    lead: str
    consent: str
    decides: str
    source: str


@router.get("/notices/{notice_id}")
def notice_page(*, request: Request, session: UsingSession, caller: PageCaller, notice_id: NoticeId) -> HTMLResponse:
    """The notice as far as it is for this person, with the forms of what they may do now."""
    require(caller.grants, Action.READ_NOTICES)
    return _shown(request, session, caller, read_notice(session, notice_id, caller.grants))


@router.get("/notices/{notice_id}/print")
def print_page(*, request: Request, session: UsingSession, caller: PageCaller, notice_id: NoticeId) -> HTMLResponse:
    """The notice as a form on A4, for signature and seal."""
    require(caller.grants, Action.READ_NOTICES)
    notice = read_notice(session, notice_id, caller.grants)
    if notice.version is not None:
        note_version(session, notice.version, caller, utc_now())
        session.commit()
    return page(request, "notice_print.html", caller, {"notice": notice, "form": printed(notice)})


@router.post("/notices/{notice_id}/{act}", dependencies=[Depends(check_csrf)])
def do(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    notice_id: NoticeId,
    act: str,
    text: Annotated[str, Form(max_length=20_000)] = "",
    codes: Annotated[str, Form(max_length=5000)] = "",
    until: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Do what a form says. What was typed stays when it cannot be done."""
    notice = read_notice(session, notice_id, caller.grants)
    if act not in _DOES:
        raise NotFound("通知单没有这项操作。")
    typed = Typed(act, text.strip(), codes.strip(), until)
    try:
        _DOES[act](session, notice, typed, caller, utc_now())
    except (Invalid, Conflict) as error:
        session.rollback()
        again = read_notice(session, notice_id, caller.grants)
        return _shown(request, session, caller, again, typed=typed, fault=error)
    session.commit()
    return RedirectResponse(f"/notices/{notice_id}", 303)


def acts_for(notice: Notice, caller: Caller) -> tuple[Act, ...]:
    """What the caller may do with the notice as it stands: the actions themselves ask again."""
    return tuple(_acts(notice, caller))


def _acts(notice: Notice, caller: Caller) -> Iterator[Act]:
    works = any(acts_as(caller.grants, party, notice.unit) for party in UNIT_PARTIES)
    office = acts_as(caller.grants, Party.OWN_OFFICE, notice.unit)
    asks = any(acts_as(caller.grants, party, notice.unit) for party in (Party.EDITOR, Party.REVIEWER))
    under_way = notice.status in notices.OPEN
    if office and notice.status is S.DRAFT:
        yield Act("dispatch", "派发", main=True)
    if works and notice.status is S.DISPATCHED:
        yield Act("sign", "签收", main=True)
    if works and notice.status is S.SIGNED and is_done_by_hand(notice):
        yield Act("complete", "办结", main=True)
    if office and notice.status is S.COMPLETED:
        yield Act("see", "标为已查看", main=True)
    if asks and under_way and notice.kind is NoticeKind.CORRECTION:
        yield Act("defend", "提交申辩")
    if asks and under_way and not _wish_waits(notice):
        yield Act("extend", "提交延期申请")
    if office and notice.status in notices.UNFINISHED and not _follows_an_entry(notice):
        yield Act("cancel", "取消通知单")


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    notice: Notice,
    *,
    typed: Typed = NOTHING_TYPED,
    fault: Invalid | Conflict | None = None,
) -> HTMLResponse:
    now = utc_now()
    rules = rules_by_id(session, notice.rulebook_id)
    words = extension_words(session, notice, rules, now)
    told = defences.of_notice(session, notice)
    waits = next((defence for defence in told if defence.status is ApplicationStatus.CONSENTED), None)
    awaits_version = notices.awaits_new_version(session, notice)
    acts = tuple(
        act
        for act in acts_for(notice, caller)
        if not (act.name == "extend" and not _may_be_extended(notice, rules))
        and not (act.name == "complete" and awaits_version)
        and not (act.name == "defend" and waits is not None)
    )
    works = any(acts_as(caller.grants, party, notice.unit) for party in UNIT_PARTIES)
    office = acts_as(caller.grants, Party.OWN_OFFICE, notice.unit)
    context = {
        "notice": notice,
        "clocks": [shown_clock(clock, rules.calendar, now) for clock in notice.clocks],
        "events": _events(session, notice),
        "acts": acts,
        "answers": [answer.version for answer in notice.answers],
        "applications": notice.applications,
        "defences": told,
        "decides_defence": waits is not None and office,
        "takes_back_defence": waits is not None and _defends(notice, caller),
        "awaits_version": awaits_version and works and notice.status in notices.OPEN,
        "judged": notice.entry is not None and correctness_list.reach(session, caller, now).holds(notice.unit_id),
        "entry": notice.entry,
        "about_version": notice.version,
        "extension": words,
        "may_write": works and notice.status in notices.OPEN and notice.kind in ANSWERED_BY_ENTRIES,
        "may_supervise": office and notice.status in notices.OPEN and notice.kind is not NoticeKind.SUPERVISION,
        "elsewhere": _elsewhere(notice) if works and notice.status in notices.OPEN else None,
        "printable": has_form(notice.kind),
        "typed": typed,
        "longest": LONGEST_TEXT,
        "fault": str(fault) if fault else "",
    }
    return page(request, "notice.html", caller, context, status=status_of(fault)[0] if fault else 200)


def extension_words(session: Session, notice: Notice, rules: InForce, now: datetime) -> ExtensionWords:
    """Until when more time may be asked for, of whom, and under which article."""
    rule = rules.rulebook.extension
    last = _last_moment(session, notice)
    return ExtensionWords(
        last_moment=last,
        too_late=last is not None and now > last,
        lead=rule.lead.words,
        consent=rule.consent.label,
        decides=rule.decides.label,
        source=rules.rulebook.cite(rule.source),
    )


def _last_moment(session: Session, notice: Notice) -> datetime | None:
    try:
        return extensions.last_moment(session, notice)
    except (Conflict, CalendarNotPublished):
        return None


def _may_be_extended(notice: Notice, rules: InForce) -> bool:
    return notice.kind in rules.rulebook.extension.kinds


def _wish_waits(notice: Notice) -> bool:
    waiting = (ApplicationStatus.ASKED, ApplicationStatus.CONSENTED)
    return any(application.status in waiting for application in notice.applications)


def is_done_by_hand(notice: Notice) -> bool:
    """Whether somebody says that it is done; the others are done when a check is passed, or all has been looked at."""
    return notice.kind is not NoticeKind.REVIEW and not _follows_an_entry(notice)


def _defends(notice: Notice, caller: Caller) -> bool:
    return any(acts_as(caller.grants, party, notice.unit) for party in defences.DEFENDERS)


def _follows_an_entry(notice: Notice) -> bool:
    return (notice.once or "").startswith(AT_GATE)


def _elsewhere(notice: Notice) -> tuple[str, str] | None:
    """Address and words of the page where a notice is worked on that is not completed by hand."""
    if is_done_by_hand(notice):
        return None
    if notice.kind is NoticeKind.REVIEW:
        return f"/reviews?unit={notice.unit_id}", "去逐条检查"
    return f"/review/{notice.version_id}" if notice.version_id else "/review", "去审核"


def _events(session: Session, notice: Notice) -> list[Event]:
    """In order; a notice that nobody has dispatched has one."""
    return sorted(_all_events(session, notice), key=lambda event: event.at)


def _all_events(session: Session, notice: Notice) -> Iterator[Event]:
    made = "登记" if notice.kind is NoticeKind.UPDATE else "形成通知单"
    yield Event(notice.created_at, made, _name(notice.created_by))
    if notice.dispatched_at:
        yield Event(notice.dispatched_at, "派发", "")
    if notice.signed_at:
        yield Event(notice.signed_at, "签收", _name(notice.signed_by))
    for event in session.scalars(
        select(ClockEvent)
        .join(Clock)
        .where(Clock.notice_id == notice.id, ClockEvent.kind.in_(EVENTS))
        .order_by(ClockEvent.at, ClockEvent.id)
        .options(selectinload(ClockEvent.clock), selectinload(ClockEvent.actor))
    ):
        yield Event(event.at, f"{event.clock.title}：{EVENTS[event.kind]}", _name(event.actor), event.note)
    for wish in notice.applications:
        yield Event(wish.asked_at, "申请延期", wish.asked_by.name, wish.reason)
        if wish.consented_at:
            yield Event(wish.consented_at, "同意延期申请", _name(wish.consented_by))
        if wish.decided_at:
            yield Event(wish.decided_at, f"延期申请{wish.status.label}", _name(wish.decided_by), wish.answer)
    for defence in defences.of_notice(session, notice):
        yield Event(defence.asked_at, "提出申辩", defence.asked_by.name)
        if defence.decided_at:
            yield Event(defence.decided_at, DEFENCES[defence.status], _name(defence.decided_by))
    if notice.completed_at:
        yield Event(notice.completed_at, "办结", _name(notice.completed_by))
    if notice.seen_at:
        yield Event(notice.seen_at, "查看并记录", _name(notice.seen_by), notice.remark)


def _name(person: Person | None) -> str:
    return person.name if person else "系统"


def _dispatch(session: Session, notice: Notice, _typed: Typed, caller: Caller, now: datetime) -> None:
    notices.dispatch(session, notice, actor=person_of(session, caller), now=now)


def _sign(session: Session, notice: Notice, _typed: Typed, caller: Caller, now: datetime) -> None:
    notices.sign(session, notice, actor=person_of(session, caller), now=now)


def _complete(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    entries = entries_given(session, typed.codes, caller.history, name="条目编号")
    versions = [_answering(session, entry) for entry in entries]
    actor = person_of(session, caller)
    notices.complete(session, notice, typed.text, versions=versions, actor=actor, now=now)


def _extend(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    until = moment_given(typed.until, name="延至")
    if until is None:
        raise Invalid("延至：请填写新的办结时限。")
    extensions.ask(session, notice, reason=typed.text, until=until, actor=person_of(session, caller), now=now)


def _see(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    notices.see(session, notice, typed.text, actor=person_of(session, caller), now=now)


def _cancel(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    notices.cancel(session, notice, typed.text, actor=person_of(session, caller), now=now)


def _defend(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    defences.defend(session, notice, typed.text, actor=person_of(session, caller), now=now)


def _accept_defence(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    waiting, actor = _waiting_defence(session, notice), person_of(session, caller)
    defences.decide(session, waiting, granted=True, answer=typed.text, actor=actor, now=now)


def _refuse_defence(session: Session, notice: Notice, typed: Typed, caller: Caller, now: datetime) -> None:
    waiting, actor = _waiting_defence(session, notice), person_of(session, caller)
    defences.decide(session, waiting, granted=False, answer=typed.text, actor=actor, now=now)


def _take_back_defence(session: Session, notice: Notice, _typed: Typed, caller: Caller, now: datetime) -> None:
    defences.take_back(session, _waiting_defence(session, notice), actor=person_of(session, caller), now=now)


def _waiting_defence(session: Session, notice: Notice) -> Defence:
    waiting = (d for d in defences.of_notice(session, notice) if d.status is ApplicationStatus.CONSENTED)
    found = next(waiting, None)
    if found is None:
        raise Conflict(f"{notice.number} 没有等待核实的申辩。请刷新后再看。")
    return found


_DOES: Mapping[str, Callable[[Session, Notice, Typed, Caller, datetime], None]] = {
    "dispatch": _dispatch,
    "sign": _sign,
    "complete": _complete,
    "extend": _extend,
    "see": _see,
    "cancel": _cancel,
    "defend": _defend,
    "accept-defence": _accept_defence,
    "refuse-defence": _refuse_defence,
    "take-back-defence": _take_back_defence,
}


def _answering(session: Session, entry: Entry) -> Version:
    """The version that answers: the live one, else the newest."""
    newest = select(Version).where(Version.entry_id == entry.id).order_by(Version.number.desc()).limit(1)
    return live_version(session, entry.id) or session.scalars(newest).one()
