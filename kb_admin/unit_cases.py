"""What units did in a period, case by case: each figure is counted by the very query that lists its cases.

An entry is named by its code, a notice or a group of questions by its id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, select
from sqlalchemy.orm import Session, aliased

from kb_admin.definitions import definition
from kb_admin.figures import Figure
from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.visibility import in_units
from models.duties import EntryReview
from models.errors import NotFound
from models.improvement import Defence, GapGroup
from models.knowledge import Entry, Phrasing, Transition, Version
from models.notices import Clock, ClockEvent, Notice
from models.values import (
    ApplicationStatus,
    Choice,
    ClockEventKind,
    GapStatus,
    NoticeKind,
    PhrasingKind,
    VersionStatus,
)

S = VersionStatus
Cases = Select[Any]


class Thing(Choice):
    """What a case is about, and so where it is read."""

    ENTRY = "entry", "条目"
    NOTICE = "notice", "通知单"
    GROUP = "group", "知识缺失"


BY_VALUE = {thing.value: thing for thing in Thing}


@dataclass(frozen=True)
class UnitCase:
    """One thing that a unit did, or that befell it."""

    unit_id: int
    at: datetime
    thing: Thing
    key: str
    """Code of the entry, id of the notice or the group."""
    title: str
    words: str
    """Why it was sent back, how the notice was answered; empty where there is nothing to say."""


def count_cases(session: Session, name: str, period: Period, reach: Reach) -> dict[int, int]:
    """How many of the figure's cases each unit within reach has; a unit without any is not there. Raises NotFound."""
    cases = cases_sql(name, period, reach).subquery()
    return dict(session.execute(select(cases.c.unit_id, func.count()).group_by(cases.c.unit_id)).tuples().all())


def figure_of(name: str, by_unit: Mapping[int, int], period: Period, unit_id: int | None = None) -> Figure:
    """The figure of one unit, or of all together, from ``count_cases``."""
    number = sum(by_unit.values()) if unit_id is None else by_unit.get(unit_id, 0)
    return Figure(definition(name), number, period=period)


def list_cases(
    session: Session, name: str, period: Period, reach: Reach, *, limit: int | None = None, offset: int = 0
) -> list[UnitCase]:
    """The figure's cases, the latest first. Raises NotFound."""
    return read_cases(session, cases_sql(name, period, reach), limit=limit, offset=offset)


def read_cases(session: Session, cases: Cases, *, limit: int | None = None, offset: int = 0) -> list[UnitCase]:
    """Any such cases, the latest first."""
    found = cases.subquery()
    query = select(found).order_by(found.c.at.desc(), found.c.key, found.c.id.desc()).limit(limit).offset(offset)
    return [
        UnitCase(
            row["unit_id"], row["at"], BY_VALUE[row["thing"]], str(row["key"]), row["title"] or "", row["words"] or ""
        )
        for row in session.execute(query).mappings()
    ]


def cases_sql(name: str, period: Period, reach: Reach) -> Cases:
    """Columns id, unit_id, at, thing, key, title, words. Raises NotFound for a figure that has no cases."""
    if name not in UNIT_FIGURES:
        raise NotFound(f"没有名为“{name}”的单位指标。已有的：{'、'.join(UNIT_FIGURES)}。")
    return UNIT_FIGURES[name](period, reach)


def _entries_added(period: Period, reach: Reach) -> Cases:
    """First versions to be published."""
    return _published(period, reach).where(~_has_earlier())


def _entries_changed(period: Period, reach: Reach) -> Cases:
    """Later versions; what differs in keywords only was published without a check and is left out."""
    only_keywords = exists().where(
        Transition.version_id == Version.id, Transition.from_status.is_(None), Transition.to_status == S.PUBLISHED
    )
    return _published(period, reach).where(_has_earlier(), ~only_keywords)


def _entries_removed(period: Period, reach: Reach) -> Cases:
    """Taken down, marked invalid, expired."""
    gone = (S.WITHDRAWN, S.INVALID, S.EXPIRED)
    return _moved(period, reach).where(Transition.from_status == S.PUBLISHED, Transition.to_status.in_(gone))


def _sent_back(period: Period, reach: Reach) -> Cases:
    """At any check, with the reviewer's reason; who takes back what he submitted gives none."""
    under_check = (S.SUBMITTED, S.CHECKED)
    return _moved(period, reach).where(
        Transition.from_status.in_(under_check), Transition.to_status == S.DRAFT, Transition.reason != ""
    )


def _entries_reviewed(period: Period, reach: Reach) -> Cases:
    at = EntryReview.at
    return (
        _entry_columns(EntryReview.id, at, EntryReview.note)
        .join(Version, Version.id == EntryReview.version_id)
        .join(Entry, Entry.id == Version.entry_id)
        .where(_within(at, period), in_units(reach))
    )


def _notices_received(period: Period, reach: Reach) -> Cases:
    return _notices(Notice.dispatched_at, Notice.content, period, reach)


def _notices_done(period: Period, reach: Reach) -> Cases:
    return _notices(Notice.completed_at, Notice.result, period, reach)


def _notices_expired(period: Period, reach: Reach) -> Cases:
    return _befallen(ClockEventKind.EXPIRED, period, reach)


def _second_notices(period: Period, reach: Reach) -> Cases:
    return _befallen(ClockEventKind.SECOND_NOTICE, period, reach)


def _corrections(period: Period, reach: Reach) -> Cases:
    return _notices_received(period, reach).where(Notice.kind == NoticeKind.CORRECTION)


def _corrections_refuted(period: Period, reach: Reach) -> Cases:
    """The office has accepted that the entry was right."""
    granted = (Defence.status == ApplicationStatus.GRANTED, _within(Defence.decided_at, period))
    columns = _notice_columns(Defence.id, Defence.decided_at, Defence.answer)
    return columns.join(Notice, Notice.id == Defence.notice_id).where(*granted, in_units(reach, Notice.unit_id))


def _questions_answered(period: Period, reach: Reach) -> Cases:
    return _notices_done(period, reach).where(Notice.kind == NoticeKind.QUESTION)


def _gaps_answered(period: Period, reach: Reach) -> Cases:
    """By the unit of the entry that answers now."""
    columns: list[Any] = [
        GapGroup.id.label("id"),
        Entry.unit_id.label("unit_id"),
        GapGroup.closed_at.label("at"),
        literal(Thing.GROUP.value).label("thing"),
        GapGroup.id.label("key"),
        GapGroup.label.label("title"),
        Entry.code.label("words"),
    ]
    return (
        select(*columns)
        .join(Entry, Entry.id == GapGroup.entry_id)
        .where(GapGroup.status == GapStatus.ANSWERED, _within(GapGroup.closed_at, period), in_units(reach))
    )


UNIT_FIGURES: Mapping[str, Callable[[Period, Reach], Cases]] = {
    "unit_entries_added": _entries_added,
    "unit_entries_changed": _entries_changed,
    "unit_entries_removed": _entries_removed,
    "unit_sent_back": _sent_back,
    "unit_entries_reviewed": _entries_reviewed,
    "unit_notices_received": _notices_received,
    "unit_notices_done": _notices_done,
    "unit_notices_expired": _notices_expired,
    "unit_second_notices": _second_notices,
    "unit_corrections": _corrections,
    "unit_corrections_refuted": _corrections_refuted,
    "unit_questions_answered": _questions_answered,
    "unit_gaps_answered": _gaps_answered,
}
"""By the name of their definition, in the order of the report."""


def _published(period: Period, reach: Reach) -> Cases:
    columns = _entry_columns(Version.id, Version.published_at, literal(""))
    return columns.join(Entry, Entry.id == Version.entry_id).where(
        _within(Version.published_at, period), in_units(reach)
    )


def _has_earlier() -> ColumnElement[bool]:
    earlier = aliased(Version)
    return exists().where(
        earlier.entry_id == Version.entry_id,
        earlier.number < Version.number,
        earlier.published_at.is_not(None),
    )


def _moved(period: Period, reach: Reach) -> Cases:
    return (
        _entry_columns(Transition.id, Transition.at, Transition.reason)
        .join(Version, Version.id == Transition.version_id)
        .join(Entry, Entry.id == Version.entry_id)
        .where(_within(Transition.at, period), in_units(reach))
    )


def _notices(at: Any, words: Any, period: Period, reach: Reach) -> Cases:
    return _notice_columns(Notice.id, at, words).where(_within(at, period), in_units(reach, Notice.unit_id))


def _befallen(kind: ClockEventKind, period: Period, reach: Reach) -> Cases:
    """One for each clock of the notice that it befell."""
    return (
        _notice_columns(ClockEvent.id, ClockEvent.at, Clock.title)
        .join(Clock, Clock.id == ClockEvent.clock_id)
        .join(Notice, Notice.id == Clock.notice_id)
        .where(ClockEvent.kind == kind, _within(ClockEvent.at, period), in_units(reach, Notice.unit_id))
    )


def _entry_columns(number: Any, at: Any, words: Any) -> Cases:
    question = select(Phrasing.text).where(Phrasing.version_id == Version.id, Phrasing.kind == PhrasingKind.STANDARD)
    return select(
        number.label("id"),
        Entry.unit_id.label("unit_id"),
        at.label("at"),
        literal(Thing.ENTRY.value).label("thing"),
        Entry.code.label("key"),
        question.correlate(Version).scalar_subquery().label("title"),
        words.label("words"),
    )


def _notice_columns(number: Any, at: Any, words: Any) -> Cases:
    return select(
        number.label("id"),
        Notice.unit_id.label("unit_id"),
        at.label("at"),
        literal(Thing.NOTICE.value).label("thing"),
        Notice.id.label("key"),
        (Notice.number + "　" + Notice.title).label("title"),
        words.label("words"),
    )


def _within(at: Any, period: Period) -> ColumnElement[bool]:
    return and_(at >= period.start, at < period.end)
