"""From the rows of a file to entries: first a plan that changes nothing; then the change, as planned."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import arrivals, audit, codes, permissions
from kb_admin.arrivals import Arrival
from kb_admin.completing import completed
from kb_admin.content_rules import MAX_PHRASING, code_faults, content_faults
from kb_admin.contents import Asked, Footing, KnownEntry, Standing, known_entries, read_footing
from kb_admin.import_comparison import ChangedRow, Comparison, NewRow, UnchangedRow, asked, problem
from kb_admin.import_demands import ImportDemands, left_to_office
from kb_admin.permissions import Action, Grant, grants_of
from models.errors import Conflict, Invalid, Problem
from models.organisation import Person, Region, Unit
from models.values import CandidateRow, EntryField, VersionStatus
from models.wording import unreadable, visible

__all__ = ["ChangedRow", "ImportPlan", "ImportReport", "NewRow", "UnchangedRow", "apply_import", "plan_import"]

S = VersionStatus
PENDING = frozenset({S.DRAFT, S.SUBMITTED, S.CHECKED})
"""On the way to being live; what is neither that nor live was taken off: 已下架, 已到期, 已失效."""


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do. Every row read stands in exactly one of the four groups, in the order of the file."""

    new: tuple[NewRow, ...]
    changed: tuple[ChangedRow, ...]
    unchanged: tuple[UnchangedRow, ...]
    refused: tuple[Problem, ...]
    """All problems, in the order of the file; a row may have several."""
    footing: Footing
    """How the base stood where the rows touch it."""

    @property
    def refused_rows(self) -> int:
        """Number of rows with at least one problem."""
        return len({(problem.sheet, problem.row) for problem in self.refused})

    @property
    def row_count(self) -> int:
        return len(self.new) + len(self.changed) + len(self.unchanged) + self.refused_rows

    @property
    def pending(self) -> tuple[UnchangedRow, ...]:
        """Of the unchanged: those whose wording is not live yet. An import that publishes makes it live."""
        return tuple(row for row in self.unchanged if row.standing and row.standing.status in PENDING)

    @property
    def off(self) -> tuple[UnchangedRow, ...]:
        """Of the unchanged: those whose entry was taken off. No import puts it back: it was taken off for a reason."""
        answers = {*PENDING, S.PUBLISHED}
        return tuple(row for row in self.unchanged if row.standing and row.standing.status not in answers)


@dataclass(frozen=True)
class ImportReport:
    """What an import did, in rows."""

    new: int
    changed: int
    unchanged: int
    refused: int
    published: bool
    """False: the new versions wait for review."""
    pending: int
    """Of the unchanged: not live before; published with the others, or still waiting."""
    off: int
    """Of the unchanged: taken off before, and still so."""


def plan_import(
    session: Session,
    rows: Sequence[CandidateRow],
    problems: Sequence[Problem],
    *,
    grants: Iterable[Grant],
    faulty: Sequence[CandidateRow] = (),
    now: datetime,
) -> ImportPlan:
    """Compare the rows with the base. ``problems`` are those that reading the file already found, ``faulty`` the rows
    that have them: their other faults are told at once.

    A row is matched by its code; without one, by unit and standard question. What its file has no column for stays as
    it is in the entry. It is unchanged when the newest or the live version says the same. Raises Forbidden when the
    grants allow no import at all.
    """
    held = frozenset(grants)
    permissions.require(held, Action.IMPORT)
    loads = permissions.may(held, Action.PUBLISH)
    faults = _Faults.read(session, held)
    base = _Base(session, faults)
    whole = base.with_kept_parts(rows if loads else left_to_office(session, rows, now))
    found = [faults.problems_of(row) for row in whole]
    sound = [row for row, wrong in zip(whole, found, strict=True) if not wrong]
    further = [problem for row in base.with_kept_parts(faulty) for problem in faults.problems_of(row)]
    footing = read_footing(session, *_keys(sound))
    entries = base.entries_of(footing)
    demands = None if loads else ImportDemands.read(session, sound, entries, now)
    comparison = Comparison(footing, entries, demands, takes_over_codes=not codes.has_given(session))
    comparison.place(sound)
    order = {place: index for index, place in enumerate(_places(rows, problems))}
    refused = [*_blamed_once(problems, further), *(p for wrong in found for p in wrong), *comparison.refused]
    return ImportPlan(
        tuple(sorted(comparison.new, key=lambda new: order[new.row.sheet, new.row.row])),
        tuple(sorted(comparison.changed, key=lambda changed: order[changed.row.sheet, changed.row.row])),
        tuple(sorted(comparison.unchanged, key=lambda same: order[same.row.sheet, same.row.row])),
        tuple(sorted(refused, key=lambda p: order[p.sheet, p.row])),
        footing,
    )


def apply_import(
    session: Session,
    plan: ImportPlan,
    *,
    all_or_nothing: bool,
    publish: bool,
    actor: Person | None,
    now: datetime,
) -> ImportReport:
    """Carry the plan out; ``actor`` None is the system itself.

    Without ``publish`` the versions are submitted for review. Imports take turns from here to the end of the
    transaction, and what the plan rests on is looked at again then: Conflict when somebody changed it since the plan
    was made. Raises Invalid when ``all_or_nothing`` and a row was refused, Forbidden when ``publish`` and the actor
    may not.
    """
    if all_or_nothing and plan.refused:
        raise Invalid(f"有 {plan.refused_rows} 行不能导入，按“全部导入或不导入”的选择，没有导入任何一行。")
    if publish and actor is not None:
        permissions.require(grants_of(actor), Action.PUBLISH)
    pending = plan.pending if publish else ()
    coming = [
        *(Arrival(new.row.content, code=new.row.code) for new in plan.new),
        *(Arrival(c.row.content, entry_id=c.entry_id, number=c.number) for c in plan.changed),
    ]
    if coming or pending:
        to = S.PUBLISHED if publish else S.SUBMITTED
        prepared = arrivals.prepare(session, coming, to=to, actor=actor, now=now)
        codes.take_turn(session)
        written = [*(p.row for p in plan.new), *(p.row for p in plan.changed), *(p.row for p in pending)]
        _check_footing(session, plan.footing, written)
        arrivals.write(session, prepared, actor=actor, now=now)
        waiting = [row.standing for row in pending if row.standing]
        arrivals.publish_waiting(session, waiting, actor=actor, now=now)
    report = ImportReport(
        new=len(plan.new),
        changed=len(plan.changed),
        unchanged=len(plan.unchanged),
        refused=plan.refused_rows,
        published=publish,
        pending=len(plan.pending),
        off=len(plan.off),
    )
    audit.record(session, actor=actor, act="import", subject="entries", details=asdict(report), now=now)
    return report


def _check_footing(session: Session, before: Footing, rows: Sequence[CandidateRow]) -> None:
    keys = _keys(rows)
    if read_footing(session, *keys) != before.part(*keys):
        raise Conflict("文件涉及的条目刚刚被其他人改动过，没有导入任何一行。请重新试算、核对后再导入。")


def _keys(rows: Iterable[CandidateRow]) -> tuple[set[str], set[Asked]]:
    """By what the rows may be known to the base."""
    listed = list(rows)
    return {row.code for row in listed if row.code}, {asked(row) for row in listed}


def _is_findable(row: CandidateRow) -> bool:
    """Whether the base can be asked for the row; no database takes every character."""
    unit, question = asked(row)
    return not code_faults(row.code) and len(question) <= MAX_PHRASING and not unreadable(f"{unit}{question}")


@dataclass(frozen=True)
class _Faults:
    """What is wrong with a row by itself, before the base is asked about it."""

    units: Mapping[str, int]
    regions: frozenset[str]
    grants: frozenset[Grant]

    @classmethod
    def read(cls, session: Session, grants: frozenset[Grant]) -> "_Faults":
        units = {name: unit_id for unit_id, name in session.execute(select(Unit.id, Unit.name))}
        return cls(units, frozenset(session.scalars(select(Region.name))), grants)

    def may_import(self, unit_id: int) -> bool:
        return permissions.may(self.grants, Action.IMPORT, unit_id=unit_id)

    def problems_of(self, row: CandidateRow) -> list[Problem]:
        return [problem(row, field, reason) for field, reason in self.of(row)]

    def of(self, row: CandidateRow) -> Iterator[tuple[EntryField, str]]:
        for fault in (*code_faults(row.code), *content_faults(row.content)):
            yield fault.field, fault.reason
        unit, region = row.content.unit, row.content.region
        if not unit:
            yield EntryField.UNIT, "缺少责任单位，导入时也没有指定默认单位。"
        elif unit not in self.units:
            yield EntryField.UNIT, f"没有名为“{visible(unit)}”的承办单位，请改用已有单位的全称。"
        elif not self.may_import(self.units[unit]):
            yield EntryField.UNIT, f"您不能导入“{unit}”的条目：信息采编员限本单位，其他单位的由市热线办导入。"
        if not region:
            yield EntryField.REGION, "缺少适用区域，导入时也没有指定默认区域。"
        elif region not in self.regions:
            yield EntryField.REGION, f"没有名为“{visible(region)}”的区域。"


class _Base:
    """The entries of which the rows speak, each read once while it stands as it was."""

    def __init__(self, session: Session, faults: _Faults) -> None:
        self.session = session
        self.faults = faults
        self.entries: dict[int, KnownEntry] = {}

    def entries_of(self, footing: Footing) -> Mapping[int, KnownEntry]:
        """At least those that the footing names, by id, and none read before it that has moved since."""
        moved = [i for i, standings in footing.standings.items() if not self._is_read(i, standings)]
        self.entries.update(known_entries(self.session, moved))
        return self.entries

    def _is_read(self, entry_id: int, standings: Sequence[Standing]) -> bool:
        entry = self.entries.get(entry_id)
        return entry is not None and {entry.newest, entry.live_standing or entry.newest} == set(standings)

    def with_kept_parts(self, rows: Sequence[CandidateRow]) -> list[CandidateRow]:
        """The rows, completed where they speak of an entry that the person may change. Of several entries with the
        row's question any will do here; the comparison completes it again for the one that is meant."""
        partial = [row for row in rows if row.given < frozenset(EntryField) and _is_findable(row)]
        footing = read_footing(self.session, *_keys(partial))
        entries = self.entries_of(footing)
        known: dict[tuple[str, int], CandidateRow] = {}
        for row in partial:
            named = footing.by_code.get(row.code)
            entry_id = named or next(iter(footing.by_question.get(asked(row), ())), None)
            if entry_id is not None and self.faults.may_import(entries[entry_id].unit_id):
                known[row.sheet, row.row] = completed(row, entries[entry_id])
        return [known.get((row.sheet, row.row), row) for row in rows]


def _blamed_once(problems: Sequence[Problem], further: Iterable[Problem]) -> list[Problem]:
    """A cell that could not be read looks missing to every other rule; of its column the first problem stands."""
    blamed = {(problem.sheet, problem.row, problem.column) for problem in problems}
    return [*problems, *(p for p in further if (p.sheet, p.row, p.column) not in blamed)]


def _places(rows: Iterable[CandidateRow], problems: Iterable[Problem]) -> list[tuple[str, int]]:
    """Sheet and row of everything, sheets as they first appear, rows ascending."""
    places = {(row.sheet, row.row) for row in rows} | {(p.sheet, p.row) for p in problems}
    sheets: dict[str, int] = {}
    for sheet in (*(p.sheet for p in problems), *(row.sheet for row in rows)):
        sheets.setdefault(sheet, len(sheets))
    return sorted(places, key=lambda place: (sheets[place[0]], place[1]))
