"""What somebody sits down to write: a new entry, a draft, a version beside the live one, or an amendment at a check."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from api import dates
from api.cards import attachments_of
from api.entry_form import EntryForm
from api.reading import read_entry
from api.security import Caller, person_of
from kb_admin import codes, courses, lifecycle, notices
from kb_admin.permissions import Grant, acts_as
from kb_admin.routes import MoveName
from kb_admin.rulebook import Rulebook
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.versions import carry_attachments
from models.errors import Conflict, Forbidden, NotFound
from models.knowledge import Entry, Phrasing, Version
from models.notices import Notice
from models.organisation import Person, Unit
from models.values import Choice, EntryContent, NoticeStatus, Origin, PhrasingKind, VersionStatus

S = VersionStatus
ORIGINS = (Origin.UNIT, Origin.OFFICE, Origin.WORK_ORDER)
"""How a new entry may be written here; the fourth way is an import from another system."""
AT_WORK = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
"""Notices that a version may answer."""
SENT_TWICE = timedelta(minutes=2)
"""A new entry with the very same content, by the same person, in so short a time is one form sent twice."""
SAVED_MEANWHILE = "没有保存：您打开以后，{who}于 {at} 保存过这一条。您写的内容都还在下面；请对照最新的内容再保存。"


class Mode(Choice):
    NEW = "new", "新建条目"
    DRAFT = "draft", "修改草稿"
    BESIDE = "beside", "修改条目"
    """The live version answers until the new one is published."""
    AMEND = "amend", "修改审定"
    """At a check, by who checks."""


@dataclass(frozen=True)
class Seat:
    """A unit for which somebody may write, and how."""

    unit: Unit
    origin: Origin


@dataclass(frozen=True)
class Desk:
    """One entry open for writing."""

    mode: Mode
    unit: Unit
    origin: Origin
    rulebook: Rulebook
    entry: Entry | None = None
    version: Version | None = None
    """The one that is written on, or from which the new one begins."""
    newest: Version | None = None

    @property
    def code(self) -> str:
        """Empty for a new entry."""
        return self.entry.code if self.entry else ""

    @property
    def number(self) -> int:
        """Of the version that is written."""
        if self.newest is None:
            return 1
        return self.newest.number + (0 if self.mode is Mode.DRAFT else 1)

    @property
    def stamp(self) -> str:
        """Changes with every save by anybody; empty for a new entry."""
        if self.newest is None:
            return ""
        said = f"{self.newest.status}{self.newest.content()!r}"
        return f"{self.newest.number}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    @property
    def form(self) -> EntryForm:
        """What the form begins with."""
        if self.version is None:
            return EntryForm(region=self.unit.region.name)
        return EntryForm.of(self.version.content())

    def attachments(self, session: Session) -> Mapping[str, str]:
        """File name → SHA-256 of what belongs to the text."""
        return attachments_of(session, [self.version.id]).get(self.version.id, {}) if self.version else {}


def seats_of(session: Session, grants: Iterable[Grant], now: datetime) -> list[Seat]:
    """Every unit for which the grants let one write a new entry, with the ways in which; by name of the unit."""
    held = frozenset(grants)
    seats = []
    rulebooks: dict[int, Rulebook] = {}
    for unit in session.scalars(select(Unit).order_by(Unit.name)):
        if unit.region_id not in rulebooks:
            rulebooks[unit.region_id] = rules_of_unit(session, unit, now).rulebook
        seats += [Seat(unit, origin) for origin in ORIGINS if _writes(held, rulebooks[unit.region_id], unit, origin)]
    return seats


def desk_for_new(session: Session, unit_id: int, origin: Origin, caller: Caller, now: datetime) -> Desk:
    """Raises NotFound for a unit for which the caller writes nothing, Forbidden when they do not write in this way."""
    unit = session.get(Unit, unit_id)
    rulebook = rules_of_unit(session, unit, now).rulebook if unit else None
    if unit is None or rulebook is None or not any(_writes(caller.grants, rulebook, unit, way) for way in ORIGINS):
        raise NotFound("没有这个单位，或您不能为它写条目。")
    courses.require_writer(session, unit, [origin], actor=person_of(session, caller), now=now)
    return Desk(Mode.NEW, unit, origin, rulebook)


def desk_for(session: Session, code: str, caller: Caller, now: datetime) -> Desk:
    """The entry open for writing as its newest version allows.

    Raises NotFound when it does not exist for the caller, Forbidden when others write it, Conflict while a version
    waits for somebody else.
    """
    read = read_entry(session, code, caller, now)
    entry, person = read.entry, person_of(session, caller)
    courses.refuse_other_systems(entry, person)
    if not read.versions:
        courses.require_writer(session, entry.unit, courses.origins_of(entry), actor=person, now=now)
        raise Forbidden(f"条目 {code} 由{entry.unit.name}编写，您只能查看已发布的内容。")
    newest = read.versions[0]
    rulebook = rules_of_unit(session, entry.unit, now).rulebook
    if newest.status is S.SUBMITTED and _may_amend(session, newest, caller.grants, now):
        return Desk(Mode.AMEND, entry.unit, entry.origin, rulebook, entry, newest, newest)
    courses.require_writer(session, entry.unit, courses.origins_of(entry), actor=person, now=now)
    if newest.status in (S.SUBMITTED, S.CHECKED):
        raise Conflict(_waits(newest))
    if newest.status is S.DRAFT:
        return Desk(Mode.DRAFT, entry.unit, entry.origin, rulebook, entry, newest, newest)
    return Desk(Mode.BESIDE, entry.unit, entry.origin, rulebook, entry, read.live or newest, newest)


def desk_closed(session: Session, code: str, caller: Caller, now: datetime) -> Desk:
    """The entry as it would be open if nobody else were waited for: to show what was typed, not to save it.

    Raises NotFound when its history is not for the caller.
    """
    read = read_entry(session, code, caller, now)
    if not read.versions:
        raise NotFound(f"没有编号为“{code}”的条目，或您无权查看。")
    rulebook = rules_of_unit(session, read.entry.unit, now).rulebook
    newest = read.versions[0]
    return Desk(Mode.BESIDE, read.entry.unit, read.entry.origin, rulebook, read.entry, newest, newest)


def hold(session: Session, code: str) -> None:
    """Let nobody else save this entry until the transaction ends."""
    held = update(Entry).where(Entry.code == code).values(unit_id=Entry.unit_id)
    session.execute(held.execution_options(synchronize_session=False))


def save(session: Session, desk: Desk, content: EntryContent, *, actor: Person, now: datetime) -> Version:
    """Write the content where the desk says; as it is when it says the same."""
    if desk.entry is None:
        codes.take_turn(session)
        twice = _sent_just_now(session, desk, content, actor, now)
        return twice or lifecycle.create_entry(session, content, origin=desk.origin, actor=actor, now=now)
    assert desk.newest is not None
    if desk.mode is Mode.DRAFT:
        if desk.newest.content() == content:
            return desk.newest
        return lifecycle.save_draft(session, desk.newest, content, actor=actor, now=now)
    if desk.mode is Mode.AMEND:
        if desk.newest.content() == content:
            return desk.newest
        return lifecycle.amend(session, desk.newest, content, actor=actor, now=now)
    version = lifecycle.add_version(session, desk.entry, content, actor=actor, now=now)
    if desk.version is not None and desk.version.status is not S.PUBLISHED:  # of a live one they come along
        carry_attachments(session, desk.version, version)
    return version


def require_unchanged(desk: Desk, stamp: str) -> None:
    """Raise Conflict, naming who saved, when the entry is not as it was when the form was opened."""
    if desk.stamp == stamp or desk.newest is None:
        return
    last = desk.newest.transitions[-1] if desk.newest.transitions else None
    who = last.actor.name if last and last.actor else "他人"
    at = dates.moment(last.at if last else desk.newest.created_at)
    raise Conflict(SAVED_MEANWHILE.format(who=who, at=at))


def notice_for(session: Session, notice_id: int | None, caller: Caller) -> Notice | None:
    """The notice that is answered by writing; None when none is named.

    Raises NotFound when it does not exist for the caller, Conflict when it is no longer waited for.
    """
    if notice_id is None:
        return None
    notice = session.get(Notice, notice_id)
    if notice is None or not caller.history.holds(notice.unit_id):
        raise NotFound("没有这张通知单，或您无权查看。")
    if notice.status not in AT_WORK:
        raise Conflict(f"通知单 {notice.number} 现为“{notice.status.label}”，不能再作答。")
    return notice


def answer(session: Session, notice: Notice | None, version: Version) -> None:
    """Link the version to the notice that it answers."""
    if notice is not None:
        notices.answer_with(session, notice, version)


def _writes(grants: Iterable[Grant], rulebook: Rulebook, unit: Unit, origin: Origin) -> bool:
    return any(acts_as(grants, party, unit) for party in courses.writers(rulebook, [origin]))


def _may_amend(session: Session, version: Version, grants: frozenset[Grant], now: datetime) -> bool:
    return any(move.name is MoveName.AMEND for move in lifecycle.possible_moves(session, version, grants, now))


def _waits(version: Version) -> str:
    if version.takes_effect_at is not None:
        until = dates.moment(version.takes_effect_at)
        return f"第 {version.number} 版已审定，将于 {until} 生效。要改动请先把它退回，或等它生效后再改。"
    what = "等待审核" if version.status is S.SUBMITTED else "等待发布"
    return f"第 {version.number} 版已提交，正在{what}。撤回提交或被退回后才能修改。"


def _sent_just_now(session: Session, desk: Desk, content: EntryContent, actor: Person, now: datetime) -> Version | None:
    """The draft that the same form has made already, when it is sent again."""
    query = (
        select(Version)
        .join(Entry, Entry.id == Version.entry_id)
        .join(Phrasing, Phrasing.version_id == Version.id)
        .where(Phrasing.kind == PhrasingKind.STANDARD, Phrasing.text == content.question)
        .where(Entry.unit_id == desk.unit.id, Version.created_by_id == actor.id)
        .where(Version.status == S.DRAFT, Version.created_at > now - SENT_TWICE)
        .order_by(Version.id.desc())
    )
    return next((version for version in session.scalars(query) if version.content() == content), None)
