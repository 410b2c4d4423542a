"""延期: a unit that cannot be done in time asks for more, in time and with its leader's consent; the office decides.

济源 art. 9(1)3: at least one working day before the limit ends, with the leader's consent, reason, length and new date.
What is put to the office has its consent, so both the wish and the consent must come that early. A wish that is refused
leaves the clock as it was; one that is granted after the limit has passed lets the clock run on, and what befell it
meanwhile stays in its history.
"""

from datetime import date, datetime, time
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kb_admin import audit, clocks
from kb_admin import notice_messages as messages
from kb_admin.notice_moves import OPEN, completion_clock
from kb_admin.notifications import UNIT_PEOPLE, parties, tell
from kb_admin.permissions import acts_as, grants_of
from kb_admin.rulebook import ExtensionRule, Party
from kb_admin.rules_in_force import InForce
from kb_admin.wording import readable
from kb_admin.worktime import Limit, LimitUnit, due_at, lead
from models.errors import Conflict, Forbidden, Invalid
from models.notices import Application, Clock, Notice
from models.organisation import Person, Unit
from models.values import CHINA, ApplicationKind, ApplicationStatus

S = ApplicationStatus
ASKING = (Party.EDITOR, Party.REVIEWER)
LONGEST_REASON = 2000
ONE_DAY = Limit(1, LimitUnit.WORKING_DAYS)


def ask(session: Session, notice: Notice, *, reason: str, until: datetime, actor: Person, now: datetime) -> Application:
    """Ask for the notice to be due at ``until``.

    Raises Forbidden for who may not, Invalid for a date that cannot be, Conflict when it is too late or another wish
    for the notice waits.
    """
    _require(actor, notice.unit, ASKING, "申请延期")
    rules = clocks.rules_of(session, notice)
    if notice.kind not in rules.rulebook.extension.kinds:
        raise Invalid(f"{notice.kind.label}不能延期。（{rules.rulebook.cite(rules.rulebook.extension.source)}）")
    words = readable(reason, name="延期的原因", longest=LONGEST_REASON)
    if not words:
        raise Invalid("申请延期请说明具体原因。")
    clock = _clock(notice, rules)
    _check_in_time(notice, clock, rules, now)
    _check_until(clock, until, rules)
    _check_alone(session, notice)
    application = Application(
        kind=ApplicationKind.EXTENSION,
        status=S.ASKED,
        unit=notice.unit,
        notice=notice,
        reason=words,
        until=until,
        asked_by=actor,
        asked_at=now,
    )
    session.add(application)
    session.flush()
    told = parties(session, notice.unit, rules.rulebook.extension.consent)
    _tell(session, application, told, "asked", messages.asked_for_time(application, notice), at=now)
    _record(session, application, "ask", actor=actor, now=now)
    return application


def consent(session: Session, application: Application, *, actor: Person, now: datetime) -> None:
    """The unit's leader agrees: with that it is put to the office, and must still be in time."""
    notice = notice_of(application)
    rules = clocks.rules_of(session, notice)
    _require(actor, notice.unit, (rules.rulebook.extension.consent,), "同意延期申请")
    _check_in_time(notice, _clock(notice, rules), rules, now)
    _move(session, application, S.ASKED, S.CONSENTED, consented_by_id=actor.id, consented_at=now)
    told = parties(session, notice.unit, rules.rulebook.extension.decides)
    _tell(session, application, told, "consented", messages.asked_for_time(application, notice), at=now)
    _record(session, application, "consent", actor=actor, now=now)


def decide(
    session: Session, application: Application, *, granted: bool, answer: str = "", actor: Person, now: datetime
) -> None:
    """The office grants it, and the clock runs until then; or refuses it and says why."""
    notice = notice_of(application)
    rules = clocks.rules_of(session, notice)
    _require(actor, notice.unit, (rules.rulebook.extension.decides,), "批准延期")
    words = readable(answer, name="答复", longest=LONGEST_REASON)
    if not granted and not words:
        raise Invalid("不批准延期时请写明理由。")
    if granted and application.until is not None and application.until <= now:
        raise Conflict(f"所申请的 {messages.when(application.until)} 已过，不能再批准。")
    to = S.GRANTED if granted else S.REFUSED
    _move(session, application, S.CONSENTED, to, decided_by_id=actor.id, decided_at=now, answer=words)
    if granted and application.until is not None:
        until = f"延至 {messages.when(application.until)}"
        clocks.extend(session, _clock(notice, rules), application.until, actor=actor, now=now, note=until)
    told = parties(session, notice.unit, *UNIT_PEOPLE)
    _tell(session, application, told, "decided", messages.decided(application, notice, granted=granted), at=now)
    _record(session, application, "grant" if granted else "refuse", actor=actor, now=now)


def refuse_consent(session: Session, application: Application, answer: str, *, actor: Person, now: datetime) -> None:
    """The unit's leader does not agree, and says why: the office need not decide."""
    notice = notice_of(application)
    rules = clocks.rules_of(session, notice)
    _require(actor, notice.unit, (rules.rulebook.extension.consent,), "答复延期申请")
    words = readable(answer, name="答复", longest=LONGEST_REASON)
    if not words:
        raise Invalid("不同意延期时请写明理由。")
    _move(session, application, S.ASKED, S.REFUSED, decided_by_id=actor.id, decided_at=now, answer=words)
    told = parties(session, notice.unit, *ASKING)
    _tell(session, application, told, "decided", messages.decided(application, notice, granted=False), at=now)
    _record(session, application, "refuse_consent", actor=actor, now=now)


def take_back(session: Session, application: Application, *, actor: Person, now: datetime) -> None:
    """撤回: the unit does not need it any more, and it has not been decided."""
    notice = notice_of(application)
    _require(actor, notice.unit, ASKING, "撤回延期申请")
    before = application.status if application.status is S.CONSENTED else S.ASKED
    _move(session, application, before, S.CANCELLED)
    _record(session, application, "take_back", actor=actor, now=now)


def last_moment(session: Session, notice: Notice) -> datetime:
    """Until when an extension can be asked for and consented to. Raises Conflict when no limit runs any more."""
    rules = clocks.rules_of(session, notice)
    return lead(_clock(notice, rules).due_at, rules.rulebook.extension.lead, rules.calendar)


def latest_end(clock: Clock, rules: InForce) -> datetime | None:
    """The latest end that may be asked for, counted on from the first one; None: the rulebook knows no bound."""
    longest = rules.rulebook.extension.longest
    if longest is None:
        return None
    limit = Limit.parse(clock.limit)
    more = int(limit.count * longest)
    return due_at(clock.first_due_at, Limit(more, limit.unit), rules.calendar) if more else clock.first_due_at


def end_of(day: date, rules: InForce) -> datetime:
    """The close of a working day, as a form that asks for a date means it. Raises Invalid for a day off."""
    if not rules.calendar.is_working_day(day):
        raise Invalid(f"{day} 是休息日，请选一个工作日。")
    return due_at(datetime.combine(day, time(), CHINA), ONE_DAY, rules.calendar, start_day_counts=True)


def notice_of(application: Application) -> Notice:
    """The notice that an extension is for. Raises Invalid for an application of another kind."""
    if application.kind is not ApplicationKind.EXTENSION or application.notice is None:
        raise Invalid(f"这是{application.kind.label}，不是延期申请。")
    return application.notice


def _clock(notice: Notice, rules: InForce) -> Clock:
    """The clock that an extension is about. Raises Conflict when it runs no more, or not yet."""
    name = completion_clock(rules, notice)
    clock = next((clock for clock in notice.clocks if clock.name == name), None)
    if notice.status not in OPEN or clock is None or clock.stopped_at is not None:
        raise Conflict(f"{notice.number} 现为“{notice.status.label}”，没有正在计算的办理时限。")
    return clock


def _check_in_time(notice: Notice, clock: Clock, rules: InForce, now: datetime) -> None:
    rule: ExtensionRule = rules.rulebook.extension
    last = lead(clock.due_at, rule.lead, rules.calendar)
    if now > last:
        raise Conflict(
            f"{notice.number} 的时限是 {messages.when(clock.due_at)}，延期应在届满前 {rule.lead.words}提出并经"
            f"{rule.consent.label}同意，最迟 {messages.when(last)}，现在已晚。（{rules.rulebook.cite(rule.source)}）"
        )


def _check_until(clock: Clock, until: datetime, rules: InForce) -> None:
    if until <= clock.due_at:
        raise Invalid(f"新的时限应晚于现在的时限 {messages.when(clock.due_at)}。")
    latest = latest_end(clock, rules)
    if latest is not None and until > latest:
        raise Invalid(f"延期最长到 {messages.when(latest)}。（{rules.rulebook.cite(rules.rulebook.extension.source)}）")


def _check_alone(session: Session, notice: Notice) -> None:
    open_ones = (Application.notice_id == notice.id, Application.status.in_((S.ASKED, S.CONSENTED)))
    if session.scalar(select(Application.id).where(*open_ones)) is not None:
        raise Conflict(f"{notice.number} 已有一份延期申请正在办理，请等它有了结果。")


def _move(
    session: Session, application: Application, before: ApplicationStatus, to: ApplicationStatus, **values: Any
) -> None:
    """Raises Conflict when the application stands elsewhere, or somebody else has just moved it."""
    changed = (
        update(Application)
        .where(Application.id == application.id, Application.status == before)
        .values(status=to, **values)
        .returning(Application.id)
        .execution_options(synchronize_session=False)
    )
    moved = session.scalars(changed).all()
    session.refresh(application)
    if not moved:
        raise Conflict(f"该申请现为“{application.status.label}”，不能改为“{to.label}”。请刷新后再看。")


def _require(actor: Person, unit: Unit, wanted: tuple[Party, ...], what: str) -> None:
    if not any(acts_as(grants_of(actor), party, unit) for party in wanted):
        who = "、".join(party.label for party in wanted)
        raise Forbidden(f"您不能{what}。可以操作的是“{unit.name}”的{who}。")


def _tell(
    session: Session, application: Application, people: list[Person], what: str, text: str, *, at: datetime
) -> None:
    notice = notice_of(application)
    event = f"extension:{application.id}:{what}"
    tell(session, people, event, text, messages.address(notice), at, details=messages.details(notice))


def _record(session: Session, application: Application, act: str, *, actor: Person, now: datetime) -> None:
    said = {"until": application.until.isoformat() if application.until else None, "reason": application.reason}
    details = {**said, "answer": application.answer} if application.answer else said
    subject = f"notice:{notice_of(application).number}"
    audit.record(session, actor=actor, act=f"extension.{act}", subject=subject, details=details, now=now)
