"""申辩: the unit holds that the entry under correction is right and says why; the office accepts that, or does not.

The notice's clocks run on all the time. An accepted defence completes the notice, and the version's count starts anew.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin import audit, notice_moves
from kb_admin import notice_messages as messages
from kb_admin.notice_moves import OPEN
from kb_admin.notifications import UNIT_PEOPLE, parties, tell
from kb_admin.permissions import acts_as, grants_of
from kb_admin.rulebook import Party
from kb_admin.wording import readable
from models.errors import Conflict, Forbidden, Invalid
from models.improvement import Defence
from models.notices import Notice
from models.organisation import Person
from models.values import ApplicationStatus, NoticeKind

S = ApplicationStatus
LONGEST_REASON = 2000
"""Characters: with the words before it, within what a notice's result holds."""
DEFENDERS = (Party.EDITOR, Party.REVIEWER)
"""Who of the unit knows the entry: those who write and check it."""
ACCEPTED = "经核实原答案无误：{reason}"
DECIDED_MEANWHILE = "这份申辩刚刚被其他人处理过，请刷新后再看。"


def defend(session: Session, notice: Notice, reason: str, *, actor: Person, now: datetime) -> Defence:
    """The unit's editor or reviewer says why the answer is right; the office is told.

    Raises Forbidden for others, Invalid without a reason or for another kind of notice, Conflict when the notice is
    not in the unit's hands or a defence of it waits already.
    """
    _require(notice, actor, DEFENDERS, "申辩")
    if notice.kind is not NoticeKind.CORRECTION:
        raise Invalid(f"{notice.kind.label}不能申辩，只有信息整改通知单可以。")
    words = readable(reason, name="申辩理由", longest=LONGEST_REASON)
    if not words:
        raise Invalid("请写明原答案无误的理由和依据。")
    _hold(session, notice)
    if notice.status not in OPEN:
        raise Conflict(f"{notice.number} 现为“{notice.status.label}”，不能申辩。")
    defence = Defence(notice=notice, status=S.CONSENTED, reason=words, asked_by=actor, asked_at=now)
    try:
        with session.begin_nested():
            session.add(defence)
    except IntegrityError as error:
        raise Conflict(f"{notice.number} 已有一份申辩等待热线办核实，不必再提。") from error
    text = f"{notice.unit.name}对{messages.name(notice)}提出申辩：{words}"
    _tell(session, defence, (Party.OWN_OFFICE,), "asked", text, at=now)
    _record(session, defence, "ask", words, actor=actor, now=now)
    return defence


def decide(
    session: Session, defence: Defence, *, granted: bool, answer: str, actor: Person | None, now: datetime
) -> None:
    """The office accepts the defence, which completes the notice, or refuses it with an answer; the unit is told.

    Raises Forbidden for who is not the unit's office, Invalid for a refusal without an answer, Conflict when it has
    been decided, or the notice has been completed meanwhile.
    """
    notice = defence.notice
    _require(notice, actor, (Party.OWN_OFFICE,), "决定申辩")
    words = readable(answer, name="答复", longest=LONGEST_REASON)
    if not granted and not words:
        raise Invalid("不采纳申辩时请写明理由。")
    _hold(session, notice)
    if notice.status not in OPEN:
        raise Conflict(f"{notice.number} 现为“{notice.status.label}”，申辩不必再办。")
    _move(session, defence, S.GRANTED if granted else S.REFUSED, words, actor=actor, now=now)
    if granted:
        notice_moves.finish(session, notice, ACCEPTED.format(reason=defence.reason), actor=actor, now=now)
    said = f"{'：' + words if words else '。'}"
    text = f"对{messages.name(notice)}的申辩{'已采纳，通知单办结' if granted else '未采纳，请继续整改'}{said}"
    _tell(session, defence, UNIT_PEOPLE, "decided", text, at=now)
    _record(session, defence, "grant" if granted else "refuse", words, actor=actor, now=now)


def take_back(session: Session, defence: Defence, *, actor: Person, now: datetime) -> None:
    """The unit no longer holds that; it will mend the entry. Raises Conflict when it has been decided."""
    _require(defence.notice, actor, DEFENDERS, "撤回申辩")
    _move(session, defence, S.CANCELLED, "", actor=actor, now=now)
    _record(session, defence, "take_back", "", actor=actor, now=now)


def of_notice(session: Session, notice: Notice) -> Sequence[Defence]:
    """All of them, the latest first."""
    mine = select(Defence).where(Defence.notice_id == notice.id)
    return session.scalars(mine.order_by(Defence.asked_at.desc(), Defence.id.desc())).all()


def refused(session: Session, notice: Notice) -> int:
    """How often the office has refused a defence of it."""
    mine = select(func.count()).where(Defence.notice_id == notice.id, Defence.status == S.REFUSED)
    return session.scalar(mine) or 0


def _hold(session: Session, notice: Notice) -> None:
    """The notice as it is now, and until this transaction ends nobody else moves it: whoever completes it lets its
    defences lapse, and takes the two rows in the same order."""
    session.refresh(notice, ["status"], with_for_update={"key_share": True})


def _require(notice: Notice, actor: Person | None, wanted: Sequence[Party], what: str) -> None:
    if actor is None or any(acts_as(grants_of(actor), party, notice.unit) for party in wanted):
        return
    who = "、".join(party.label for party in wanted)
    raise Forbidden(f"您不能{what}。可以操作的是“{notice.unit.name}”的{who}。")


def _move(
    session: Session, defence: Defence, to: ApplicationStatus, answer: str, *, actor: Person | None, now: datetime
) -> None:
    """Only from waiting, and only by one of two who come at once."""
    if defence.status is not S.CONSENTED:
        raise Conflict(f"这份申辩现为“{defence.status.label}”，不能再处理。请刷新后再看。")
    changed = (
        update(Defence)
        .where(Defence.id == defence.id, Defence.status == S.CONSENTED)
        .values(status=to, answer=answer, decided_at=now, decided_by_id=actor.id if actor else None)
        .returning(Defence.id)
        .execution_options(synchronize_session=False)
    )
    if not session.scalars(changed).all():
        raise Conflict(DECIDED_MEANWHILE)
    session.refresh(defence)


def _tell(session: Session, defence: Defence, wanted: Sequence[Party], what: str, text: str, *, at: datetime) -> None:
    notice = defence.notice
    people = parties(session, notice.unit, *wanted)
    event = f"defence:{defence.id}:{what}"
    tell(session, people, event, text, messages.address(notice), at, details=messages.details(notice))


def _record(session: Session, defence: Defence, act: str, words: str, *, actor: Person | None, now: datetime) -> None:
    details = {"words": words} if words else {}
    subject = f"notice:{defence.notice.number}"
    audit.record(session, actor=actor, act=f"defence.{act}", subject=subject, details=details, now=now)
