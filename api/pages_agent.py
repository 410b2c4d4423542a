"""The agent's page: ask, read, judge, record what is missing; as pages, and as pieces for the script."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api.asking import Asked, Found, ask, find, suggest
from api.call_bar import call_bar
from api.cards import AskedView, attachments_of, view_of
from api.cautions import cautions_of
from api.clock import utc_now
from api.origins import Sender, sender_of
from api.rendering import mark
from api.said_before import SaidBefore, said_before
from api.schemas import Id
from api.security import Caller, check_csrf, page_caller, person_of
from api.templating import page
from api.viewing import note_answer
from api.wiring import Services, UsingServices, UsingSession
from kb_admin import feedback, incoming
from kb_admin.permissions import Action, may
from kb_admin.rules_in_force import city_rules
from models.usage import Question
from models.values import FaultReason, Judgement, Outcome, Role, UseKind

router = APIRouter(include_in_schema=False)
PageCaller = Annotated[Caller, Depends(page_caller)]
Opened = Annotated[int | None, Query(alias="open")]
"""Rank of the card to open."""
Piece = Annotated[bool, Header(alias="X-Piece")]
"""The script asks for the changed piece; a plain form gets its page back."""


@router.get("/")
def agent_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    q: str = "",
    opened: Opened = None,
    literal: bool = False,
) -> HTMLResponse:
    """The search page, with the answer to the question in its address: reload and no script work."""
    asked = (
        _answer(request, services, session, caller, q, opened=opened, literal=literal, reload=True)
        if q.strip()
        else None
    )
    bar = call_bar(session, caller, utc_now())
    session.commit()
    context = {
        "question": q.strip(),
        "asked": asked,
        "reasons": list(FaultReason),
        "on_line": bar,
        "may_invite": _may_invite(session, caller, asked),
        "empty_base": len(services.index) == 0,
        "may_import": may(caller.grants, Action.IMPORT),
        "manages": any(grant.role is Role.ADMINISTRATOR for grant in caller.grants),
    }
    return page(request, "agent.html", caller, context)


@router.get("/ask")
def answer_piece(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    q: str,
    opened: Opened = None,
    literal: bool = False,
) -> HTMLResponse:
    """Only the answer."""
    asked = _answer(request, services, session, caller, q, opened=opened, literal=literal)
    bar = call_bar(session, caller, utc_now())
    session.commit()
    context = {
        "question": q.strip(),
        "asked": asked,
        "reasons": list(FaultReason),
        "on_line": bar,
        "may_invite": _may_invite(session, caller, asked),
    }
    return page(request, "answer.html", caller, context)


@router.get("/suggest")
def suggestions_piece(request: Request, services: UsingServices, caller: PageCaller, q: str = "") -> HTMLResponse:
    """Stored phrasings for what has been typed so far."""
    found = suggest(services, q, caller, utc_now())
    shown = [{"text": s.text, "marked": mark(s.text, (q.strip(), *s.matched)), "internal": s.internal} for s in found]
    return page(request, "suggestions.html", caller, {"suggestions": shown})


@router.post("/judge", dependencies=[Depends(check_csrf)])
def judge(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    question_id: Annotated[Id, Form()],
    version_id: Annotated[Id, Form()],
    judgement: Annotated[Judgement | None, Form()] = None,
    reason: Annotated[FaultReason | None, Form()] = None,
    note: Annotated[str, Form(max_length=500)] = "",
    q: Annotated[str, Form()] = "",
    x_piece: Piece = False,
) -> Response:
    """Right, or wrong for a reason; a reason alone means wrong: its button is one stroke."""
    verdict = feedback.judge(
        session,
        question_id=question_id,
        version_id=version_id,
        judgement=judgement or Judgement.INCORRECT,
        reason=reason,
        note=note,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    session.commit()
    if not x_piece:
        return _back_to_question(q)
    context = {
        "card": {"version_id": version_id, "question_id": question_id, "judged": verdict},
        "question": q,
        "reasons": list(FaultReason),
    }
    return page(request, "verdict.html", caller, context)


@router.post("/gap", dependencies=[Depends(check_csrf)])
def record_gap(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    text: Annotated[str, Form()],
    question_id: Annotated[Id | None, Form()] = None,
    note: Annotated[str, Form(max_length=500)] = "",
    x_piece: Piece = False,
) -> Response:
    """知识缺失: nobody could answer this; the caller's words go to the office's list."""
    gap = feedback.record_gap(
        session, question_id=question_id, text=text, note=note, actor=person_of(session, caller), now=utc_now()
    )
    session.commit()
    if not x_piece:
        return _back_to_question(text)
    return page(request, "gap_recorded.html", caller, {"asked": {"gap": gap, "may_take_back": question_id is not None}})


@router.post("/gap/take-back", dependencies=[Depends(check_csrf)])
def take_back_gap(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    question_id: Annotated[Id, Form()],
    x_piece: Piece = False,
) -> Response:
    """The gap was recorded by a slip of the hand: within a minute it can be undone."""
    question = feedback.take_back_gap(session, question_id=question_id, actor=person_of(session, caller), now=utc_now())
    session.commit()
    if not x_piece:
        return _back_to_question(question.text)
    asked = {"question_id": question.id, "outcome": question.outcome, "may_record_gap": True, "earlier_gap": None}
    return page(request, "gap.html", caller, {"asked": {**asked, "gap": None}, "question": question.text})


def _answer(
    request: Request,
    services: Services,
    session: Session,
    caller: Caller,
    question: str,
    *,
    opened: int | None,
    literal: bool,
    reload: bool = False,
) -> AskedView:
    """The answers. A link on another site asks nothing in the person's name: then nothing is written down."""
    now = utc_now()
    found: Found
    if sender_of(request.headers) is Sender.OURS:
        found = ask(services, session, question, caller, now, literal=literal, reload=reload)
        _note_opened(session, found, opened, caller, now)
    else:
        found = find(services, session, question, caller, now, literal=literal)
        note_answer(session, found, None, caller, now)
    attachments = attachments_of(session, [shown.version.id for shown in found.answers])
    before = said_before(session, found.question_id, now=now) if isinstance(found, Asked) else SaidBefore()
    view = view_of(
        found,
        attachments,
        question,
        opened=opened,
        literal=literal,
        tokeniser=services.tokeniser,
        before=before,
        cautions=cautions_of(session, [shown.version.entry_id for shown in found.answers], now),
        grants=caller.grants,
        now=now,
    )
    session.commit()
    return view


def _note_opened(session: Session, asked: Asked, opened: int | None, caller: Caller, now: datetime) -> None:
    """Another card than the one that opens by itself was asked for in the address: without a script, by a click."""
    if opened is None or not 1 <= opened <= len(asked.answers) or not may(caller.grants, Action.TAKE_CALLS):
        return
    if opened == 1 and asked.result.outcome is Outcome.DIRECT:
        return
    incoming.use(
        session,
        question_id=asked.question_id,
        version_id=asked.answers[opened - 1].version.id,
        kind=UseKind.OPENED,
        actor=person_of(session, caller),
        now=now,
    )


def _may_invite(session: Session, caller: Caller, asked: AskedView | None) -> bool:
    """Whether the caller on the line can be sent a link."""
    if asked is None or asked.question_id is None or not may(caller.grants, Action.SEND_RATING_LINKS):
        return False
    in_call = session.get_one(Question, asked.question_id).call_id is not None
    return in_call and city_rules(session, utc_now()).rulebook.ratings.link_days > 0


def _back_to_question(question: str) -> RedirectResponse:
    return RedirectResponse("/?" + urlencode({"q": question}) if question else "/", 303)
