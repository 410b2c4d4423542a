"""架构类别 (清远 art. 4(2)): a unit's tree of places. The unit asks, and whom the rulebook names sets it up."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from kb_admin import applying, audit
from kb_admin.content_rules import category_faults
from kb_admin.courses import require_party
from kb_admin.notifications import UNIT_PEOPLE
from kb_admin.rulebook import Party
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.versions import category_for
from models.errors import Conflict, Invalid
from models.knowledge import Category, Version
from models.notices import Application
from models.organisation import Person, Unit
from models.values import ApplicationKind, ApplicationStatus, VersionStatus

S = ApplicationStatus
NAME = ApplicationKind.CATEGORY.label
SETTING_UP = "类别设置"


@dataclass(frozen=True)
class Place:
    """One category with its standing in the tree."""

    category_id: int
    path: str
    name: str
    """Its last level."""
    depth: int
    """0 for the first level."""
    active: bool
    live: int
    """Entries that answer from there."""


def tree(session: Session, unit: Unit) -> tuple[Place, ...]:
    """The unit's categories, each below the one that it belongs to; closed ones too."""
    live = (
        select(Version.category_id, func.count().label("live"))
        .where(Version.status == VersionStatus.PUBLISHED)
        .group_by(Version.category_id)
        .subquery()
    )
    query = select(Category, func.coalesce(live.c.live, 0)).outerjoin(live, live.c.category_id == Category.id)
    rows = session.execute(query.where(Category.unit_id == unit.id)).tuples().all()
    return tuple(
        Place(c.id, c.path, c.path.rsplit("/", 1)[-1], c.path.count("/"), c.active, count)
        for c, count in sorted(rows, key=lambda row: row[0].path.split("/"))
    )


def add(session: Session, unit: Unit, path: str, *, actor: Person | None, now: datetime) -> Category:
    """Open a place for use; one that was closed, or only proposed, is opened again."""
    _require(session, unit, actor, now)
    category = _open(session, unit, _checked(path))
    _record(session, unit, "add", {"path": category.path}, actor=actor, now=now)
    return category


def rename(session: Session, unit: Unit, path: str, name: str, *, actor: Person | None, now: datetime) -> None:
    """Give a place another name; what lies below goes with it, and so do the entries there."""
    if "/" in name:
        raise Invalid("名称中不能有“/”；要移到别的类别下请用“移动”。")
    above, _, _ = path.rpartition("/")
    _transfer(session, unit, path, f"{above}/{name}" if above else name, actor=actor, now=now)


def move(session: Session, unit: Unit, path: str, above: str, *, actor: Person | None, now: datetime) -> None:
    """Put a place below another, or with an empty ``above`` at the top, with all that lies below it."""
    name = path.rsplit("/", 1)[-1]
    if above == path or above.startswith(f"{path}/"):
        raise Invalid(f"“{path}”不能移到它自己的下级。")
    _transfer(session, unit, path, f"{above}/{name}" if above else name, actor=actor, now=now)


def close(session: Session, unit: Unit, path: str, *, actor: Person | None, now: datetime) -> None:
    """停用: no new version is put there or below; what is there stays."""
    _require(session, unit, actor, now)
    for category in _branch(session, unit, path):
        category.active = False
    session.flush()
    _record(session, unit, "close", {"path": path}, actor=actor, now=now)


def configures(session: Session, unit: Unit, now: datetime) -> Party:
    """Who sets up the unit's tree."""
    return rules_of_unit(session, unit, now).rulebook.categories_by


def apply_for(session: Session, unit: Unit, path: str, reason: str, *, actor: Person, now: datetime) -> Application:
    """A unit asks for a place (清远 art. 4(2)2). Raises Conflict when it is there, or asked for already."""
    require_party(UNIT_PEOPLE, unit, actor, doing=NAME)
    wanted, words = _checked(path), applying.reason_of(NAME, reason)
    there = select(Category.id).where(Category.unit_id == unit.id, Category.path == wanted, Category.active)
    if session.scalar(there) is not None:
        raise Conflict(f"“{wanted}”已经设置，可以直接使用。")
    asked = (Application.kind == ApplicationKind.CATEGORY, Application.unit_id == unit.id, Application.path == wanted)
    if session.scalar(select(Application.id).where(*asked, Application.status == S.CONSENTED)) is not None:
        raise Conflict(f"“{wanted}”已有一份申请正在办理。")
    application = Application(
        kind=ApplicationKind.CATEGORY,
        status=S.CONSENTED,
        unit=unit,
        path=wanted,
        reason=words,
        asked_by=actor,
        asked_at=now,
    )
    session.add(application)
    said = f"{unit.name}申请设置类别“{wanted}”：{words}"
    applying.asked(session, application, configures(session, unit, now), said, subject=_subject(unit), now=now)
    return application


def decide(
    session: Session, application: Application, *, granted: bool, answer: str = "", actor: Person, now: datetime
) -> None:
    """Set the place up as the unit asked, or refuse and say why."""
    unit = _unit_of(application)
    _require(session, unit, actor, now)
    words = applying.answer_of(answer, granted=granted)
    to = S.GRANTED if granted else S.REFUSED
    said = {"decided_by_id": actor.id, "decided_at": now, "answer": words}
    applying.move(session, application, S.CONSENTED, to, **said)
    if granted:
        _open(session, unit, application.path)
    outcome = "已设置，可以使用。" if granted else f"未批准：{words}"
    told = f"申请的类别“{application.path}”{outcome}"
    applying.decided(session, application, told, subject=_subject(unit), actor=actor, now=now)


def take_back(session: Session, application: Application, *, actor: Person, now: datetime) -> None:
    """The unit needs it no more, before it is decided."""
    unit = _unit_of(application)
    require_party(UNIT_PEOPLE, unit, actor, doing=NAME)
    applying.move(session, application, S.CONSENTED, S.CANCELLED)
    applying.taken_back(session, application, subject=_subject(unit), actor=actor, now=now)


def _transfer(session: Session, unit: Unit, path: str, to: str, *, actor: Person | None, now: datetime) -> None:
    _require(session, unit, actor, now)
    target = _checked(to)
    branch = _branch(session, unit, path)
    if target == path:
        return
    _check_free(session, unit, target)
    for category in branch:
        category.path = _checked(f"{target}{category.path[len(path) :]}")
    session.flush()
    _record(session, unit, "move", {"path": path, "to": target}, actor=actor, now=now)


def _branch(session: Session, unit: Unit, path: str) -> list[Category]:
    """The place and all below it. Raises Invalid when there is none."""
    inside = or_(Category.path == path, Category.path.startswith(f"{path}/", autoescape=True))
    found = list(session.scalars(select(Category).where(Category.unit_id == unit.id, inside).order_by(Category.path)))
    if not found:
        raise Invalid(f"{unit.name}没有“{path}”这一类别，请刷新后再看。")
    return found


def _check_free(session: Session, unit: Unit, path: str) -> None:
    inside = or_(Category.path == path, Category.path.startswith(f"{path}/", autoescape=True))
    if session.scalar(select(Category.id).where(Category.unit_id == unit.id, inside).limit(1)) is not None:
        raise Conflict(f"{unit.name}已有类别“{path}”，请换一个名称。")


def _open(session: Session, unit: Unit, path: str) -> Category:
    category = category_for(session, unit, path)
    assert category is not None
    category.active = True
    session.flush()
    return category


def _checked(path: str) -> str:
    fault = next(category_faults(path), None)
    if not path or fault is not None:
        raise Invalid(fault.reason if fault else "请写明类别。")
    return path


def _unit_of(application: Application) -> Unit:
    if application.kind is not ApplicationKind.CATEGORY:
        raise Invalid(f"这是{application.kind.label}，不是{NAME}。")
    return application.unit


def _require(session: Session, unit: Unit, actor: Person | None, now: datetime) -> None:
    require_party([configures(session, unit, now)], unit, actor, doing=SETTING_UP)


def _record(
    session: Session, unit: Unit, act: str, details: dict[str, str], *, actor: Person | None, now: datetime
) -> None:
    audit.record(session, actor=actor, act=f"category.{act}", subject=_subject(unit), details=details, now=now)


def _subject(unit: Unit) -> str:
    return f"unit:{unit.name}"
