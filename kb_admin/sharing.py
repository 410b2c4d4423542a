"""查看共享: a unit asks to see another's entries, the owner consents, the city office grants, and it ends on its day
(清远 art. 4(3)1(5), 梅州 art. 6)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, or_, select, true, update
from sqlalchemy.orm import Session, joinedload

from kb_admin import audit, notifications
from kb_admin.notice_messages import when
from kb_admin.permissions import Action, Grant, grants_of, may, require, unit_ids_of
from kb_admin.rulebook import Party, RightsRule
from kb_admin.rules_in_force import city_rules
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.notices import Application
from models.organisation import Person, Unit
from models.values import ApplicationKind, ApplicationStatus, Role

S = ApplicationStatus
UNDER_WAY = (S.ASKED, S.CONSENTED)
LONGEST_REASON = 500
ADDRESS = "/sharing"
OWNER_PARTIES = (Party.REVIEWER, Party.LEADER)


def ask(
    session: Session, unit: Unit, owner: Unit, *, reason: str, until: datetime, actor: Person, now: datetime
) -> Application:
    """Ask for ``unit`` to see the live entries of ``owner`` until a moment.

    Raises Invalid when the city has no sharing, the reason is missing, or the end is not ahead or too far; Conflict
    when the same is asked or granted already.
    """
    require(grants_of(actor), Action.ASK_SHARING, unit_id=unit.id, region_id=unit.region_id)
    rights = city_rules(session, now).rulebook.rights
    words = readable(reason, name="申请理由", longest=LONGEST_REASON)
    if unit.id == owner.id:
        raise Invalid("本单位的条目不用申请，请选择其他单位。")
    _check_wish(words, until, rights, now)
    if session.scalar(select(Application.id).where(_between(unit, owner), _open_or_in_force(now)).limit(1)):
        raise Conflict(f"{unit.name}查看{owner.name}条目的申请正在办理，或者已经批准、还没有到期。")
    asked = Application(
        kind=ApplicationKind.SHARING,
        status=S.ASKED if rights.sharing_needs_consent else S.CONSENTED,
        unit=unit,
        owner=owner,
        reason=words,
        until=until,
        asked_by=actor,
        asked_at=now,
    )
    session.add(asked)
    session.flush()
    _record(session, asked, "sharing.ask", actor, now)
    said = f"{unit.name}申请查看{owner.name}的条目，到 {when(until)} 为止：{words}"
    _tell(session, asked, _who_is_next(session, asked), said, now)
    return asked


def _check_wish(reason: str, until: datetime, rights: RightsRule, now: datetime) -> None:
    if not rights.sharing:
        raise Invalid("本市的规则没有设置单位之间的查看共享，不能申请。需要时请与市热线办联系。")
    if not reason:
        raise Invalid("请写明申请理由。")
    if until <= now:
        raise Invalid("到期日应在今天或以后。")
    if until > now + timedelta(days=rights.sharing_longest_days + 1):
        raise Invalid(f"共享最长 {rights.sharing_longest_days} 天，请把到期日提前；到期后可以再申请。")


def consent(session: Session, asked: Application, *, granted: bool, answer: str, actor: Person, now: datetime) -> None:
    """The owning unit's reviewer or leader agrees, or does not."""
    owner = _owner(asked)
    require(grants_of(actor), Action.CONSENT_SHARING, unit_id=owner.id, region_id=owner.region_id)
    words = _answer(answer, granted=granted)
    if granted:
        _move(session, asked, S.ASKED, S.CONSENTED, consented_by_id=actor.id, consented_at=now, answer=words)
        said = f"{owner.name}已同意{asked.unit.name}查看其条目，请审批。"
    else:
        _move(session, asked, S.ASKED, S.REFUSED, decided_by_id=actor.id, decided_at=now, answer=words)
        said = f"{owner.name}未同意{asked.unit.name}查看其条目：{words}"
    _record(session, asked, "sharing.consent" if granted else "sharing.refuse", actor, now)
    _tell(session, asked, _who_is_next(session, asked), said, now)


def decide(session: Session, asked: Application, *, granted: bool, answer: str, actor: Person, now: datetime) -> None:
    """The city office grants what the owner has consented to, or refuses it."""
    owner = _owner(asked)
    require(grants_of(actor), Action.DECIDE_SHARING)
    words = _answer(answer, granted=granted)
    if granted and not _is_ahead(asked, now):
        raise Conflict("申请的到期日已经过去，不能批准。请申请单位重新申请。")
    to = S.GRANTED if granted else S.REFUSED
    _move(session, asked, S.CONSENTED, to, decided_by_id=actor.id, decided_at=now, answer=words)
    _record(session, asked, "sharing.grant" if granted else "sharing.refuse", actor, now)
    outcome = f"已批准，到 {when(asked.until)} 为止。" if granted and asked.until else f"未获批准：{words}"
    said = f"{asked.unit.name}查看{owner.name}条目的申请{outcome}"
    _tell(session, asked, [*_people_of(session, asked.unit), *_people_of(session, owner)], said, now)


def end(session: Session, asked: Application, *, reason: str, actor: Person, now: datetime) -> None:
    """The owner, or the city office, ends a share before its day; from this second on nothing is shared."""
    owner, held = _owner(asked), grants_of(actor)
    if not may(held, Action.DECIDE_SHARING):
        require(held, Action.CONSENT_SHARING, unit_id=owner.id, region_id=owner.region_id)
    words = readable(reason, name="结束原因", longest=LONGEST_REASON)
    if not words:
        raise Invalid("请写明提前结束的原因。")
    if asked.status is not S.GRANTED or not _is_ahead(asked, now):
        raise Conflict("这项共享没有批准，或者已经结束，不用再结束。")
    _move(session, asked, S.GRANTED, S.GRANTED, until=now, answer=f"{asked.answer}\n提前结束：{words}".strip())
    _record(session, asked, "sharing.end", actor, now)
    said = f"{asked.unit.name}查看{owner.name}条目的共享已提前结束：{words}"
    _tell(session, asked, [*_people_of(session, asked.unit), *_people_of(session, owner)], said, now)


def take_back(session: Session, asked: Application, *, actor: Person, now: datetime) -> None:
    """The unit that asked needs it no more, before it is decided."""
    require(grants_of(actor), Action.ASK_SHARING, unit_id=asked.unit_id, region_id=asked.unit.region_id)
    if asked.status not in UNDER_WAY:
        raise Conflict(f"该申请现为“{asked.status.label}”，不能撤回。")
    _move(session, asked, asked.status, S.CANCELLED)
    _record(session, asked, "sharing.take_back", actor, now)


def shared_unit_ids(session: Session, unit_ids: Collection[int], now: datetime) -> frozenset[int]:
    """The units whose live entries are shared with one of these at this moment."""
    if not unit_ids:
        return frozenset()
    shared = select(Application.owner_id).where(Application.unit_id.in_(sorted(unit_ids)), in_force(now))
    return frozenset(owner_id for owner_id in session.scalars(shared) if owner_id is not None)


def in_force(now: datetime) -> ColumnElement[bool]:
    """Granted, and not at its end: at that very moment it is over."""
    return and_(_is_sharing(), Application.status == S.GRANTED, Application.until > now)


def applications(session: Session, grants: Iterable[Grant]) -> Sequence[Application]:
    """Those of one's own unit, those that wish to see its entries, or all for the city office; the newest first."""
    newest = _for(grants).order_by(Application.asked_at.desc(), Application.id.desc())
    return session.scalars(newest).all()


def application(session: Session, application_id: int, grants: Iterable[Grant]) -> Application:
    """One of them. Raises NotFound when it does not exist, or not for these roles."""
    found = session.scalar(_for(grants).where(Application.id == application_id))
    if found is None:
        raise NotFound("没有这项共享申请，或您无权查看。")
    return found


def _for(grants: Iterable[Grant]) -> Select[Application]:
    held = frozenset(grants)
    mine = sorted(unit_ids_of(held))
    own = or_(Application.unit_id.in_(mine), Application.owner_id.in_(mine))
    visible = true() if may(held, Action.DECIDE_SHARING) else own
    joined = (Application.unit, Application.owner, Application.asked_by, Application.consented_by)
    return (
        select(Application)
        .where(_is_sharing(), visible)
        .options(*(joinedload(one) for one in (*joined, Application.decided_by)))
    )


def _is_sharing() -> ColumnElement[bool]:
    return Application.kind == ApplicationKind.SHARING


def _between(unit: Unit, owner: Unit) -> ColumnElement[bool]:
    return and_(_is_sharing(), Application.unit_id == unit.id, Application.owner_id == owner.id)


def _open_or_in_force(now: datetime) -> ColumnElement[bool]:
    return or_(Application.status.in_(UNDER_WAY), in_force(now))


def _is_ahead(asked: Application, now: datetime) -> bool:
    return asked.until is not None and now < asked.until


def _owner(asked: Application) -> Unit:
    if asked.kind is not ApplicationKind.SHARING or asked.owner is None:
        raise NotFound("没有这项共享申请。")
    return asked.owner


def _answer(answer: str, *, granted: bool) -> str:
    words = readable(answer, name="答复意见", longest=LONGEST_REASON)
    if not granted and not words:
        raise Invalid("不同意时请写明原因。")
    return words


def _move(session: Session, asked: Application, before: S, to: S, **values: object) -> None:
    """Raises Conflict when somebody else was first."""
    change = (
        update(Application)
        .where(Application.id == asked.id, Application.status == before, Application.until == asked.until)
        .values(status=to, **values)
        .returning(Application.id)
    )
    if session.scalar(change.execution_options(synchronize_session=False)) is None:
        raise Conflict("该申请刚刚被其他人处理过，请刷新后再看。")
    session.refresh(asked)


def _record(session: Session, asked: Application, act: str, actor: Person, now: datetime) -> None:
    details = {
        "unit": asked.unit.name,
        "owner": _owner(asked).name,
        "until": asked.until.isoformat() if asked.until else None,
        "reason": asked.reason,
        "answer": asked.answer,
    }
    audit.record(session, actor=actor, act=act, subject=f"application:{asked.id}", details=details, now=now)


def _who_is_next(session: Session, asked: Application) -> list[Person]:
    """The owner, then the office; whoever asked, once it has been refused."""
    if asked.status is S.ASKED:
        return notifications.parties(session, _owner(asked), *OWNER_PARTIES)
    if asked.status is S.CONSENTED:
        return notifications.holders(session, Role.CITY_OFFICE)
    return _people_of(session, asked.unit)


def _people_of(session: Session, unit: Unit) -> list[Person]:
    return notifications.parties(session, unit, *notifications.UNIT_PEOPLE)


def _tell(session: Session, asked: Application, people: Iterable[Person], text: str, now: datetime) -> None:
    event = f"sharing:{asked.id}:{asked.status.value}:{int(now.timestamp())}"
    notifications.tell(session, people, event, text, ADDRESS, now)
