"""The part of the JSON API that a call platform uses: calls begin and end, callers judge by key or by link."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import schemas
from api.clock import utc_now
from api.incoming_schemas import CallBegun, CallEnded, CallRated, CallRating, CallShown, LinkGiven, LinkWanted
from api.rating_texts import invitation
from api.security import Caller, UsingCaller, person_of
from api.wiring import UsingSession
from kb_admin import feedback, incoming, rating_links, service_keys
from kb_admin.incoming_answers import answered_with, shown_in
from kb_admin.permissions import Action, may, require
from kb_admin.rules_in_force import city_rules
from models.errors import Conflict, NotFound
from models.incoming import IncomingCall
from models.knowledge import Version
from models.organisation import Person
from models.usage import Question
from models.values import FaultReason, Judgement

KNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ErrorResponse, "description": "没有这个来电或话务员，或您无权操作：两者不加区分。"},
    409: {"model": schemas.ErrorResponse, "description": "已经不是这样，如编号属于另一名话务员、链接已用过。"},
}
Reference = Annotated[str, Path(min_length=1, max_length=64, description="话务平台中的来电编号。")]

router = APIRouter(tags=["来电"], responses=KNOWN)


@router.post("/calls", summary="来电开始")
def begin(given: CallBegun, session: UsingSession, caller: UsingCaller) -> CallShown:
    """话务员接起一个来电。他此前未结束的来电随即结束。同一编号再次提交，返回同一个来电。

    令牌属于话务员本人的，只能报自己的来电；属于系统管理员或市热线办的，可用 `agent` 指明话务员。
    来电号码只用来算出代号，不保存。
    """
    now = utc_now()
    agent = _agent(session, caller, given.agent)
    key = service_keys.caller_key(session, given.caller, now=now)
    call = incoming.begin(session, actor=agent, now=now, reference=given.reference, caller=key, matter=given.matter)
    shown = CallShown.of(call)
    session.commit()
    return shown


@router.post("/calls/{reference:path}/end", summary="来电结束")
def end(reference: Reference, given: CallEnded, session: UsingSession, caller: UsingCaller) -> CallShown:
    """来电挂断。话务员已经登记结束方式、选了诉求类别的，不改动。直接解答的，用的是哪个版本由系统按评价、复制、展开的先后认定。"""
    now = utc_now()
    call, agent = _call(session, caller, reference)
    incoming.end(session, call, None, actor=agent, now=now)  # waits for the agent's own key, and shows what it said
    ending = given.ending if call.ending is None else None
    matter = given.matter if call.matter is None else None
    incoming.end(session, call, ending, actor=agent, now=now, matter=matter)
    shown = CallShown.of(call)
    session.commit()
    return shown


@router.post("/calls/{reference:path}/ratings", summary="来电人按键评价")
def rate(reference: Reference, given: CallRated, session: UsingSession, caller: UsingCaller) -> CallRating:
    """来电人在电话中按键，评价这次来电中给出的一个答复。同一来电人对同一版本再次评价，当天的以后一次为准。

    只有系统管理员或市热线办的令牌可用：话务员不能代来电人评价。
    """
    require(caller.grants, Action.CONNECT_CALLS)
    now = utc_now()
    call, _agent_of_it = _call(session, caller, reference)
    version_id = _version(session, call, given.version_id)
    question_id = shown_in(session, call, version_id)
    wrong = given.judgement is Judgement.INCORRECT
    verdict = feedback.judge_as_citizen(
        session,
        question=session.get_one(Question, question_id),
        version_id=version_id,
        rater_key=rating_links.rater_of(call),
        judgement=given.judgement,
        reason=(given.reason or FaultReason.OTHER) if wrong else given.reason,
        note=given.note,
        now=now,
    )
    shown = CallRating(verdict_id=verdict.id, version_id=version_id, judgement=verdict.judgement, reason=verdict.reason)
    session.commit()
    return shown


@router.post("/calls/{reference:path}/rating-link", summary="评价链接")
def invite(
    reference: Reference, given: LinkWanted, request: Request, session: UsingSession, caller: UsingCaller
) -> LinkGiven:
    """给来电人的一次性评价链接和可以照发的短信内容，由话务平台发送。每次来电对每个版本只有一个链接。内部条目没有。"""
    now = utc_now()
    call, agent = _call(session, caller, reference)
    version_id = _version(session, call, given.version_id)
    token = rating_links.invite(session, call, version_id, actor=agent, now=now)
    link = rating_links.open_link(session, token, now)
    days = city_rules(session, now).rulebook.ratings.link_days
    invited = invitation(request, session.get_one(Version, version_id), token, days)
    shown = LinkGiven(url=invited.url, text=invited.text, expires_at=link.expires_at)
    session.commit()
    return shown


def _agent(session: Session, caller: Caller, login: str) -> Person:
    """Who takes the call: the token's own person, or whom a platform's token names."""
    if login in ("", caller.login):
        return person_of(session, caller)
    require(caller.grants, Action.CONNECT_CALLS)
    agent = session.scalar(select(Person).where(Person.login == login, Person.active))
    if agent is None:
        raise NotFound(f"没有登录名为“{login}”的话务员。")
    return agent


def _call(session: Session, caller: Caller, reference: str) -> tuple[IncomingCall, Person]:
    """The call and its agent, for that agent and for platforms; for others there is none."""
    if not may(caller.grants, Action.CONNECT_CALLS):
        require(caller.grants, Action.TAKE_CALLS)
    call = incoming.by_reference(session, reference)
    if call.person_id != caller.person_id and not may(caller.grants, Action.CONNECT_CALLS):
        raise NotFound("没有这个编号的来电。")
    return call, call.person


def _version(session: Session, call: IncomingCall, version_id: int | None) -> int:
    """The one named, else the one that the call was answered with."""
    found = answered_with(session, call, version_id if version_id is not None else call.version_id)
    if found is None:
        raise Conflict("这次来电没有给出过可以评价的答复。")
    return found
