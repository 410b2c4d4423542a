"""评价链接: with the link in a text message a caller judges one answer of their call, once (济源 art. 9(3)1).

The token is short enough for a text message. It names the call and the version and carries a keyed signature, so that a
made-up one is known before the base is looked into; the base keeps only its hash.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kb_admin import deliveries, feedback, service_keys
from kb_admin.incoming_answers import shown_in
from kb_admin.permissions import Action, grants_of, may, require
from kb_admin.rules_in_force import city_rules
from kb_admin.upserts import insert_into
from models.errors import Conflict, Invalid, NotFound
from models.incoming import IncomingCall, RatingLink
from models.knowledge import Version
from models.organisation import Person
from models.usage import Question, Verdict
from models.values import FaultReason, Judgement, Publicity

LINKS = "links"
"""Name of the key that signs."""
SIGNATURE_CHARACTERS = 16
"""Of base32: 80 bits, which nobody guesses over a network."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LARGEST_ID = 2**63 - 1
TOKEN = re.compile(rf"([0-9a-z]{{1,13}})-([0-9a-z]{{1,13}})-([a-z2-7]{{{SIGNATURE_CHARACTERS}}})")
ADDRESS = "/r/"


class LinkUsed(Conflict):
    """The answer has been judged with this link."""


class LinkExpired(Conflict):
    """The link's days are over."""


def invite(session: Session, call: IncomingCall, version_id: int, *, actor: Person, now: datetime) -> str:
    """The token with which the caller judges that answer; asked for again, the same one.

    Raises NotFound when the call is another agent's or did not show the version, Invalid where the rulebook sends no
    links or the entry is internal, LinkUsed and LinkExpired when there was a link already.
    """
    require(grants_of(actor), Action.SEND_RATING_LINKS)
    if call.person_id != actor.id and not may(grants_of(actor), Action.CONNECT_CALLS):
        raise NotFound("没有找到这次来电。")
    days = city_rules(session, now).rulebook.ratings.link_days
    if not days:
        raise Invalid("本市的规则不发送评价链接。")
    question_id = shown_in(session, call, version_id)
    version = session.get(Version, version_id)
    if question_id is None or version is None:
        raise NotFound("这次来电没有给出过该条目，不能请市民评价。")
    if not may_be_rated(version):
        raise Invalid("内部条目只供话务员参考，不能请市民评价。")
    row = {"call_id": call.id, "version_id": version_id, "question_id": question_id, "created_by_id": actor.id}
    token = _token(session, call.id, version_id, now)
    times = {"created_at": now, "expires_at": now + timedelta(days=days)}
    new = insert_into(session, RatingLink).values(token_hash=_hash(token), **row, **times).on_conflict_do_nothing()
    session.execute(new)
    open_link(session, token, now)
    return token


def announce(session: Session, token: str, text: str, *, now: datetime) -> None:
    """Let the call platform, where a webhook is set up, send the text; once for each link."""
    link = open_link(session, token, now)
    details = {"reference": link.call.reference, "expires_at": link.expires_at.isoformat()}
    event = f"rating:{link.id}:invited"
    deliveries.queue(session, event=event, people=[], text=text, address=ADDRESS + token, details=details, at=now)


def open_link(session: Session, token: str, now: datetime) -> RatingLink:
    """The link of that token, still to be used. Raises NotFound for a made-up one, LinkUsed, LinkExpired."""
    link = find_link(session, token, now)
    if link.used_at is not None:
        raise LinkUsed("这个链接已经用过，每个链接只能评价一次。")
    if link.expires_at <= now:
        raise LinkExpired("这个链接已经过期，不能再评价。")
    return link


def find_link(session: Session, token: str, now: datetime) -> RatingLink:
    """The link of that token, used and expired ones included. Raises NotFound."""
    found = TOKEN.fullmatch(token.lower()) if len(token) <= 64 else None
    if found is not None:
        call_id, version_id = int(found[1], 36), int(found[2], 36)
        in_range = max(call_id, version_id) <= LARGEST_ID
        if in_range and hmac.compare_digest(_token(session, call_id, version_id, now), token.lower()):
            query = select(RatingLink).where(RatingLink.token_hash == _hash(token.lower()))
            link = session.scalar(query.execution_options(populate_existing=True))
            if link is not None:
                return link
    raise NotFound("没有这个评价链接。请核对短信中的网址是否完整。")


def rate(
    session: Session, token: str, *, judgement: Judgement, reason: FaultReason | None, note: str, now: datetime
) -> Verdict:
    """The caller's verdict; the link can be used no more. Raises as ``open_link`` and ``feedback.judge_as_citizen``."""
    link = open_link(session, token, now)
    claim = update(RatingLink).where(RatingLink.id == link.id, RatingLink.used_at.is_(None)).values(used_at=now)
    claimed = session.scalar(claim.returning(RatingLink.id).execution_options(synchronize_session=False))
    session.refresh(link)
    if claimed is None:
        raise LinkUsed("这个链接刚刚已经用过，每个链接只能评价一次。")
    return feedback.judge_as_citizen(
        session,
        question=session.get_one(Question, link.question_id),
        version_id=link.version_id,
        rater_key=rater_of(link.call),
        judgement=judgement,
        reason=reason,
        note=note,
        now=now,
    )


def rater_of(call: IncomingCall) -> str:
    """Who called, as verdicts know them: by key or by link, in one call it is one caller, known or not.

    A call that no platform vouches for may be the agent's own doing. The unknown callers of one agent are therefore one
    rater together: somebody who opens his own links outvotes nobody.
    """
    if call.caller:
        return f"caller:{call.caller}"
    return f"{feedback.UNVOUCHED}{call.person_id}" if call.reference is None else f"call:{call.id}"


def form_key(session: Session, token: str, now: datetime) -> str:
    """What the form on the link's own page sends along: another site cannot know it."""
    return _signature(session, f"form:{token}", now)


def may_be_rated(version: Version) -> bool:
    """Internal entries are not for citizens."""
    return version.publicity is Publicity.PUBLIC


def _token(session: Session, call_id: int, version_id: int, now: datetime) -> str:
    return f"{_base36(call_id)}-{_base36(version_id)}-{_signature(session, f'{call_id}-{version_id}', now)}"


def _signature(session: Session, signed: str, now: datetime) -> str:
    key = service_keys.key(session, LINKS, now=now)
    digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:SIGNATURE_CHARACTERS]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits or "0"
