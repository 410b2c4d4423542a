"""The agent's page: ask, read, judge, record what is missing; as pages, and as pieces for the script."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api.asking import Asked, ask, find, suggest
from api.cards import AskedView, attachments_of, view_of
from api.clock import utc_now
from api.origins import Sender, sender_of
from api.rendering import mark
from api.said_before import SaidBefore, said_before
from api.schemas import Id
from api.security import Caller, check_csrf, page_caller, person_of
from api.templating import page
from api.viewing import note_answer
from api.wiring import Services, UsingServices, UsingSession
from kb_admin import feedback
from kb_admin.permissions import Action, may
from models.values import FaultReason, Judgement, Role

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
    asked = _answer(request, services, session, caller, q, opened=opened, literal=literal) if q.strip() else None
    context = {
        "question": q.strip(),
        "asked": asked,
        "reasons": list(FaultReason),
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
    return page(request, "answer.html", caller, {"question": q.strip(), "asked": asked, "reasons": list(FaultReason)})


@router.get("/suggest")
def suggestions_piece(request: Request, services: UsingServices, caller: PageCaller, q: str = "") -> HTMLResponse:
    """Stored phrasings for what has been typed so far."""
    found = suggest(services, q, caller, utc_now())
    words = [q.strip()]
    shown = [{"text": s.text, "marked": mark(s.text, words), "internal": s.internal} for s in found]
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
) -> AskedView:
    """The answers. A link on another site asks nothing in the person's name: then nothing is written down."""
    now = utc_now()
    ours = sender_of(request.headers) is Sender.OURS
    found = (ask if ours else find)(services, session, question, caller, now, literal=literal)
    if not isinstance(found, Asked):
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
        grants=caller.grants,
        now=now,
    )
    session.commit()
    return view


def _back_to_question(question: str) -> RedirectResponse:
    return RedirectResponse("/?" + urlencode({"q": question}) if question else "/", 303)
