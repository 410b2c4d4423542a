"""The agent's page: ask, read, judge, record what is missing; as pages, and as pieces for the script."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api.asking import ask, suggest
from api.cards import AskedView, attachments_of, view_of
from api.clock import utc_now
from api.rendering import mark
from api.security import Caller, check_csrf, page_caller
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from kb_admin import feedback
from models.errors import NotFound
from models.organisation import Person
from models.values import FaultReason, Judgement

router = APIRouter(include_in_schema=False)
PageCaller = Annotated[Caller, Depends(page_caller)]
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
    opened: Annotated[int | None, Query(alias="open")] = None,
) -> HTMLResponse:
    """The search page, with the answer to the question in its address: reload and no script work."""
    asked = _ask(services, session, caller, q, opened) if q.strip() else None
    return page(request, "agent.html", caller, {"question": q.strip(), "asked": asked, "reasons": list(FaultReason)})


@router.get("/ask")
def answer_piece(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    q: str,
    opened: Annotated[int | None, Query(alias="open")] = None,
) -> HTMLResponse:
    """Only the answer."""
    asked = _ask(services, session, caller, q, opened)
    return page(request, "answer.html", caller, {"question": q.strip(), "asked": asked, "reasons": list(FaultReason)})


@router.get("/suggest")
def suggestions_piece(request: Request, services: UsingServices, caller: PageCaller, q: str = "") -> HTMLResponse:
    """Stored phrasings for what has been typed so far."""
    found = suggest(services, q, caller, utc_now())
    words = [q.strip()]
    shown = [{"text": s.text, "marked": mark(s.text, words)} for s in found]
    return page(request, "suggestions.html", caller, {"suggestions": shown})


@router.post("/judge", dependencies=[Depends(check_csrf)])
def judge(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    question_id: Annotated[int, Form()],
    version_id: Annotated[int, Form()],
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
        "asked": {"question_id": question_id},
        "card": {"version_id": version_id},
        "judged": verdict,
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
    question_id: Annotated[int | None, Form()] = None,
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
    return page(request, "gap_recorded.html", caller, {"text": gap.text, "note": gap.note})


def person_of(session: Session, caller: Caller) -> Person:
    """The caller as a row, for actions that write who acted."""
    person = session.get(Person, caller.person_id)
    if person is None:
        raise NotFound("您的账号刚刚被删除，请联系管理员。")
    return person


def _ask(services: Services, session: Session, caller: Caller, question: str, opened: int | None) -> AskedView:
    now = utc_now()
    asked = ask(services, session, question, caller, now)
    attachments = attachments_of(session, [shown.version.id for shown in asked.answers])
    view = view_of(asked, attachments, question, opened=opened, grants=caller.grants, now=now)
    session.commit()
    return view


def _back_to_question(question: str) -> RedirectResponse:
    return RedirectResponse("/?" + urlencode({"q": question}) if question else "/", 303)
