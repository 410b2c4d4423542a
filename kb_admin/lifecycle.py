"""The life of a version: what people do with it, step by step along the route that the city's rulebook gives it.

``actor`` None is the system: it is asked for no right, and nothing is demanded of what it brings, for that was checked
elsewhere. People get Forbidden for a step that is another's.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from kb_admin import codes, notices, telling
from kb_admin.change_log import record_changes
from kb_admin.contents import Standing
from kb_admin.courses import (
    Course,
    course_ahead,
    course_of,
    gate_of,
    is_party,
    origins_of,
    refuse_other_systems,
    require_party,
    require_writer,
)
from kb_admin.going_live import REPLACED, go_live
from kb_admin.moving import Act, move_version, record, refresh, refusal
from kb_admin.organisation import unit_named
from kb_admin.permissions import Grant, grants_of
from kb_admin.review_progress import complete_if_done, period_of
from kb_admin.routes import Move, MoveName, system_move
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.submitting import check_demands, check_type, take_office_keywords
from kb_admin.taking_effect import settle
from kb_admin.versions import (
    Place,
    add,
    carry_attachments,
    check_unit,
    live_version,
    new_version,
    next_number,
    place_of,
    rewrite,
)
from models.errors import Conflict, Invalid
from models.knowledge import Entry, Version
from models.organisation import Person
from models.validity import is_over
from models.values import EntryContent, Origin, VersionStatus

__all__ = [
    "add_version",
    "amend",
    "approve",
    "create_entry",
    "discard",
    "live_version",
    "mark_invalid",
    "possible_moves",
    "publish",
    "recall",
    "restore",
    "save_draft",
    "send_back",
    "submit",
    "withdraw",
]

S = VersionStatus
ON_THE_WAY = frozenset({S.DRAFT, S.SUBMITTED, S.CHECKED})


def create_entry(
    session: Session,
    content: EntryContent,
    *,
    code: str = "",
    origin: Origin = Origin.UNIT,
    actor: Person | None,
    now: datetime,
) -> Version:
    """A new entry whose first version is a draft. Without ``code`` the system gives one (清远 art. 4(2)3)."""
    unit = unit_named(session, content.unit)
    require_writer(session, unit, [origin], actor=actor, now=now)
    if code:
        codes.take_over(session, [code])
    entry = Entry(code=code or codes.give(session, 1)[0], unit=unit, created_at=now, origin=origin)
    refuse_other_systems(entry, actor)
    session.add(entry)
    session.flush()
    return _draft(session, entry, content, actor=actor, now=now)


def add_version(
    session: Session, entry: Entry, content: EntryContent, *, actor: Person | None, now: datetime
) -> Version:
    """A new draft beside whatever is live; the live version answers until the new one is published."""
    check_unit(entry, content)
    refuse_other_systems(entry, actor)
    require_writer(session, entry.unit, origins_of(entry), actor=actor, now=now)
    live = live_version(session, entry.id)
    version = _draft(session, entry, content, actor=actor, now=now)
    if live is not None:
        carry_attachments(session, live, version)
    return version


def save_draft(
    session: Session, version: Version, content: EntryContent, *, actor: Person | None, now: datetime
) -> Version:
    """What the draft says from now on. One that has been handed in before stays as it was then: the change is a new
    version, which is returned."""
    check_unit(version.entry, content)
    refuse_other_systems(version.entry, actor)
    require_writer(session, version.entry.unit, origins_of(version.entry), actor=actor, now=now)
    if version.status is not S.DRAFT:
        raise Conflict(f"第 {version.number} 版现为“{version.status.label}”，不能再改。请刷新后再看。")
    if version.submitted_at is None:
        rewrite(session, version, content, _place(session, version.entry, content, actor, now))
        return version
    if version.content() == content:
        return version
    following = _draft(session, version.entry, content, actor=actor, now=now)
    carry_attachments(session, version, following)
    notices.answers_too(session, version, following)
    _supersede(session, version, following.number, Act(actor, now))
    return following


def submit(session: Session, version: Version, *, actor: Person | None, now: datetime) -> None:
    """Hand a draft in: it takes the route, under the rulebook, that are in force now, and is live at once where the
    route has no further step. Raises Invalid, naming the part and the article, when something demanded is missing."""
    refuse_other_systems(version.entry, actor)
    settle(session, [version.entry_id], now)
    if actor is not None:
        check_type(rules_of_unit(session, version.entry.unit, now).rulebook, version.info_type)
    course = course_ahead(session, version, _grants(actor), now)
    move = _open_move(course, version, MoveName.SUBMIT, actor)
    if actor is not None:
        check_demands(course, version, now)
        take_office_keywords(session, course, version)
    values = {
        "route": course.route.name,
        "rulebook_id": course.rules.rulebook_id,
        "emergency": course.route.emergency,
        "gates_passed": 0,
        "submitted_at": now,
    }
    _go(session, version, move, Act(actor, now, course.cite(move)), course, values=values)


def recall(session: Session, version: Version, *, actor: Person | None, now: datetime) -> None:
    """撤回提交: the writer takes back what nobody has checked yet."""
    course = _course(session, version, actor, now)
    move = _open_move(course, version, MoveName.RECALL, actor)
    notices.taken_back(session, version, "提交人已撤回。", actor=actor, now=now)
    move_version(session, version, move, Act(actor, now, course.cite(move)))


def discard(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """作废: a draft that nobody will go on with."""
    _end(session, version, MoveName.DISCARD, reason, actor=actor, now=now)


def approve(
    session: Session, version: Version, *, ticked: Sequence[str] = (), actor: Person | None, now: datetime
) -> None:
    """审核通过: the version passes the gate at which it waits; behind the last one it waits for publication, or is live
    where nobody else publishes. ``ticked`` are names or texts of the checklist's items."""
    course = _course(session, version, actor, now)
    move = _open_move(course, version, MoveName.APPROVE, actor)
    act = Act(actor, now, course.cite(move), _ticked(course, ticked))
    values = {
        "gates_passed": version.gates_passed + 1,
        "route": course.route.name,
        "rulebook_id": course.rules.rulebook_id,
    }
    notices.left_gate(session, version, actor=actor, now=now, result=f"{move.label}。")
    _go(session, version, move, act, course, values=values)


def amend(session: Session, version: Version, content: EntryContent, *, actor: Person | None, now: datetime) -> Version:
    """修改审定 (清远 art. 4(1)1): who checks the version puts another wording in its place, which waits at the same
    gate. Returns the new version."""
    check_unit(version.entry, content)
    course = _course(session, version, actor, now)
    move = _open_move(course, version, MoveName.AMEND, actor)
    if version.content() == content:
        return version
    return put_in_place(session, version, content, course=course, move=move, act=Act(actor, now, course.cite(move)))


def send_back(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """退回: from whichever gate, or from publication, back to who wrote it, with a reason."""
    _check_reason(MoveName.SEND_BACK, reason)
    course = _course(session, version, actor, now)
    move = _open_move(course, version, MoveName.SEND_BACK, actor)
    notices.left_gate(session, version, actor=actor, now=now, result=f"{move.label}：{reason.strip()}")
    act = Act(actor, now, course.cite(move))
    move_version(session, version, move, act, reason=reason.strip(), values={"gates_passed": 0})
    telling.sent_back(session, version, reason.strip(), actor=actor, now=now)


def publish(session: Session, version: Version, *, actor: Person | None, now: datetime) -> None:
    """Make the version live in place of the one before it, and tell the followers; where another version answers and
    the new one's time lies ahead, it waits for that moment. The system publishes from any gate.

    Raises Conflict when a later version is live already, or somebody else publishes another at the same moment.
    """
    course = _course(session, version, actor, now)
    if actor is None and version.status in (S.SUBMITTED, S.CHECKED):
        move = system_move(MoveName.PASS, version.status)
    else:
        move = _open_move(course, version, MoveName.PUBLISH, actor)
    notices.left_gate(session, version, actor=actor, now=now, result=f"{move.label}。")
    _go(session, version, move, Act(actor, now, course.cite(move)), course)


def withdraw(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """下架: the live version stops answering at once."""
    _end(session, version, MoveName.WITHDRAW, reason, actor=actor, now=now)


def mark_invalid(session: Session, version: Version, reason: str, *, actor: Person | None, now: datetime) -> None:
    """失效标注 (梅州 art. 8(3)): what the live version says holds no more; it stops answering at once."""
    _end(session, version, MoveName.MARK_INVALID, reason, actor=actor, now=now)


def restore(session: Session, version: Version, *, actor: Person | None, now: datetime) -> None:
    """恢复发布: what was taken down answers again, as it was."""
    course = _course(session, version, actor, now)
    move = _open_move(course, version, MoveName.RESTORE, actor)
    live = live_version(session, version.entry_id)
    if live is not None:
        raise Conflict(f"第 {live.number} 版正在使用，不能恢复第 {version.number} 版。")
    if is_over(version.valid_to, now):
        raise Invalid("下架时间已过，不能恢复。请修改下架时间后重新提交。")
    _go(session, version, move, Act(actor, now, course.cite(move)), course)


def possible_moves(session: Session, version: Version, grants: Iterable[Grant], now: datetime) -> tuple[Move, ...]:
    """What somebody with these roles may do with the version now: pages offer exactly these."""
    held = frozenset(grants)
    if version.entry.origin is Origin.SYNC and version.status in ON_THE_WAY:
        return ()
    try:
        course = course_of(session, version, held, now)
    except Invalid:  # a draft of a type that no route takes: its writer must first choose another
        return ()
    return tuple(move for move in course.moves_from(version) if is_party(held, move.by, version.entry.unit))


def put_in_place(
    session: Session, version: Version, content: EntryContent, *, course: Course, move: Move, act: Act
) -> Version:
    """Another wording in the place of a version, standing where that one stood; its notice and its clocks go on."""
    entry, takes_effect_at = version.entry, version.takes_effect_at
    place = _place(session, entry, content, act.actor, act.at)
    number = next_number(session, entry)
    _supersede(session, version, number, act)
    following = new_version(
        entry,
        content,
        number=number,
        begins=move.to,
        step=move.label,
        rule=act.rule,
        actor=act.actor,
        now=act.at,
    )
    following.route, following.rulebook_id = course.route.name, course.rules.rulebook_id
    following.gates_passed, following.submitted_at = version.gates_passed, version.submitted_at
    following.emergency, following.takes_effect_at = version.emergency, takes_effect_at
    add(session, following, place)
    carry_attachments(session, version, following)
    notices.answers_too(session, version, following)
    record(session, following, move, act, before=None)
    gate = gate_of(course, following)
    if gate is not None:
        notices.arrived_at_gate(session, following, gate, course.rules, actor=act.actor, now=act.at)
    return following


def _draft(session: Session, entry: Entry, content: EntryContent, *, actor: Person | None, now: datetime) -> Version:
    place = _place(session, entry, content, actor, now)
    return add(session, new_version(entry, content, number=next_number(session, entry), actor=actor, now=now), place)


def _place(session: Session, entry: Entry, content: EntryContent, actor: Person | None, now: datetime) -> Place:
    """A category that is named for the first time is thereby set up, if its writer sets up the tree (清远 art.
    4(2)2)."""
    by = rules_of_unit(session, entry.unit, now).rulebook.categories_by
    configures = actor is None or is_party(grants_of(actor), [by], entry.unit)
    return place_of(session, entry.unit, content, configures=configures)


def _course(session: Session, version: Version, actor: Person | None, now: datetime) -> Course:
    """The course of the version as it stands ``now``, also where no worker has looked since something fell due."""
    settle(session, [version.entry_id], now)
    return course_of(session, version, _grants(actor), now)


def _grants(actor: Person | None) -> frozenset[Grant] | None:
    return None if actor is None else grants_of(actor)


def _open_move(course: Course, version: Version, name: MoveName, actor: Person | None) -> Move:
    """The line of the table for this step. Raises Conflict when the version does not stand so, Forbidden when it is
    another's step."""
    move = next((move for move in course.moves_from(version) if move.name is name), None)
    if move is None:
        raise Conflict(refusal(version.number, version.status, name))
    require_party(move.by, version.entry.unit, actor, doing=f"“{move.label}”")
    return move


def _ticked(course: Course, ticked: Sequence[str]) -> str:
    """The items as the checklist words them, in its order. Raises Invalid for one that it does not have."""
    items = course.rulebook.checklist
    unknown = [name for name in ticked if all(name not in (item.name, item.text) for item in items)]
    if unknown:
        raise Invalid(f"审核要点中没有“{unknown[0]}”，请刷新页面后重新勾选。")
    return "、".join(item.text for item in items if item.name in ticked or item.text in ticked)


def _check_reason(name: MoveName, reason: str) -> None:
    if not reason.strip():
        raise Invalid(f"{name.label}时请写明原因。")


def _go(
    session: Session,
    version: Version,
    move: Move,
    act: Act,
    course: Course,
    *,
    values: dict[str, object] | None = None,
) -> None:
    """Make a move that may lead to publication, and what follows from where the version has come."""
    before = version.status
    if move.to is S.PUBLISHED and before is not S.PUBLISHED:
        go_live(session, [Standing.of(version)], move, act, values=values)
        refresh(session, version)
        record(session, version, move, act, before=before)
    else:
        move_version(session, version, move, act, values=values)
    gate = gate_of(course, version)
    if gate is not None:
        notices.arrived_at_gate(session, version, gate, course.rules, actor=act.actor, now=act.at)
    telling.moved(session, version, course, actor=act.actor, now=act.at)


def _end(
    session: Session, version: Version, name: MoveName, reason: str, *, actor: Person | None, now: datetime
) -> None:
    """Take a version out of use, with a reason."""
    _check_reason(name, reason)
    course = _course(session, version, actor, now)
    move = _open_move(course, version, name, actor)
    was_live = version.status is S.PUBLISHED
    notices.left_gate(session, version, actor=actor, now=now, result=f"{move.label}：{reason.strip()}")
    move_version(session, version, move, Act(actor, now, course.cite(move)), reason=reason.strip())
    if was_live:
        record_changes(session, [version.entry_id], now=now)
        complete_if_done(session, version.entry.unit, period_of(now), actor=actor, now=now)


def _supersede(session: Session, version: Version, number: int, act: Act) -> None:
    move = system_move(MoveName.SUPERSEDE, version.status)
    move_version(session, version, move, act, reason=REPLACED.format(number=number))
