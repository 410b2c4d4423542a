"""The call on the agent's page: how it ended, the next one, what was opened and copied, and the link for the caller."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from api.call_bar import call_bar
from api.clock import utc_now
from api.pages_agent import PageCaller, Piece
from api.rating_texts import invitation
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import UsingSession
from kb_admin import incoming, rating_links
from kb_admin.deliveries import WAYS_OUT
from kb_admin.rules_in_force import city_rules
from models.errors import Conflict, Invalid, NotFound
from models.incoming import IncomingCall
from models.knowledge import Version
from models.organisation import Person
from models.usage import Question
from models.values import Channel, Ending, Matter, UseKind

router = APIRouter(include_in_schema=False)
CHECKED = [Depends(check_csrf)]
MatterGiven = Annotated[str, Form(max_length=24)]
"""Empty: not said."""


@router.get("/call")
def bar_piece(request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """The call as it is now, for a window that has long been in the background."""
    return _bar(request, session, caller, utc_now())


@router.post("/call/begin", dependencies=CHECKED)
def begin(request: Request, session: UsingSession, caller: PageCaller, x_piece: Piece = False) -> Response:
    """新来电: the call before is over, if nobody has said so."""
    now = utc_now()
    incoming.begin(session, actor=person_of(session, caller), now=now)
    session.commit()
    return _bar(request, session, caller, now) if x_piece else RedirectResponse("/", 303)


@router.post("/call/end", dependencies=CHECKED)
def end(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    ending: Annotated[Ending, Form()],
    call_id: Annotated[Id, Form()],
    matter: MatterGiven = "",
    x_piece: Piece = False,
) -> Response:
    """How the call ended; of one that has just ended, how it really did."""
    now = utc_now()
    actor = person_of(session, caller)
    call = _still_meant(session, actor, call_id, now)
    incoming.end(session, call, ending, actor=actor, now=now, matter=matter_given(matter))
    session.commit()
    return _bar(request, session, caller, now) if x_piece else RedirectResponse("/", 303)


@router.post("/call/matter", dependencies=CHECKED)
def say_matter(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    call_id: Annotated[Id, Form()],
    matter: MatterGiven = "",
) -> HTMLResponse:
    """诉求类别, as soon as it is chosen."""
    now = utc_now()
    actor = person_of(session, caller)
    call = _still_meant(session, actor, call_id, now)
    incoming.say_matter(session, call, matter_given(matter), actor=actor, now=now)
    session.commit()
    return _bar(request, session, caller, now)


@router.post("/use", dependencies=CHECKED, status_code=204)
def note_use(
    *,
    session: UsingSession,
    caller: PageCaller,
    question_id: Annotated[Id, Form()],
    version_id: Annotated[Id, Form()],
    kind: Annotated[UseKind, Form()],
) -> Response:
    """An answer was opened or copied; the page does not wait for us."""
    actor = person_of(session, caller)
    incoming.use(session, question_id=question_id, version_id=version_id, kind=kind, actor=actor, now=utc_now())
    session.commit()
    return Response(status_code=204)


@router.post("/rating-link", dependencies=CHECKED)
def invite(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    question_id: Annotated[Id, Form()],
    version_id: Annotated[Id, Form()],
    q: Annotated[str, Form()] = "",
    x_piece: Piece = False,
) -> HTMLResponse:
    """短信评价: the text to be sent to the caller; where the call platform sends it, it has been told."""
    now = utc_now()
    question = session.get(Question, question_id)
    if question is None or question.call is None:
        raise NotFound("这次提问不在来电中，没有可以请来评价的市民。")
    actor, call = person_of(session, caller), question.call
    token = rating_links.invite(session, call, version_id, actor=actor, now=now)
    days = city_rules(session, now).rulebook.ratings.link_days
    invited = invitation(request, session.get_one(Version, version_id), token, days)
    by_platform = call.reference is not None and Channel.WEBHOOK in session.info.get(WAYS_OUT, ())
    if by_platform:
        rating_links.announce(session, token, invited.text, now=now)
    session.commit()
    context = {"invited": invited, "by_platform": by_platform, "question": q}
    return page(request, "invited.html" if x_piece else "invited_page.html", caller, context)


def matter_given(text: str) -> Matter | None:
    """The 诉求类别 in a field; None when it is empty. Raises Invalid."""
    if not text:
        return None
    matter = next((value for value in Matter if value == text), None)
    if matter is None:
        raise Invalid("没有这种诉求类别，请重新选择。")
    return matter


def _still_meant(session: Session, actor: Person, call_id: int, now: datetime) -> IncomingCall:
    """The call of that id, unless the agent has another caller on the line: then the page is an old one."""
    call = session.get(IncomingCall, call_id)
    if call is None or call.person_id != actor.id:
        raise NotFound("没有找到这次来电。")
    on_line = incoming.current(session, actor, now)
    if on_line is not None and on_line.id != call_id:
        raise Conflict("另一个窗口已经开始了新的来电，这里显示的是上一个。请看清后再按一次。")
    return call


def _bar(request: Request, session: Session, caller: Caller, now: datetime) -> HTMLResponse:
    bar = call_bar(session, caller, now)
    if bar is None:
        raise NotFound("您的岗位不接听来电。")
    response = page(request, "call_bar.html", caller, {"on_line": bar})
    session.commit()
    return response
