"""From the rows of a file to entries: first a plan that changes nothing; then the change, as planned."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import permissions
from kb_admin.arrivals import Arrival, bring_in
from kb_admin.content_rules import code_faults, content_faults
from kb_admin.contents import KnownEntry, entry_ids_by_code, entry_ids_by_question, known_entries
from kb_admin.permissions import Action, Grant, grants_of
from models.errors import Invalid, Problem
from models.organisation import Person, Region, Unit
from models.values import CandidateRow, EntryContent, EntryField, VersionStatus

PARTS = {
    "question": EntryField.QUESTION,
    "answer": EntryField.ANSWER,
    "unit": EntryField.UNIT,
    "region": EntryField.REGION,
    "similar": EntryField.SIMILAR,
    "spoken": EntryField.SPOKEN,
    "keywords": EntryField.KEYWORDS,
    "category": EntryField.CATEGORY,
    "bases": EntryField.BASIS,
    "valid_from": EntryField.VALID_FROM,
    "valid_to": EntryField.VALID_TO,
    "publicity": EntryField.PUBLICITY,
    "info_type": EntryField.INFO_TYPE,
}
"""Each part of EntryContent under the name that people know it by."""


@dataclass(frozen=True)
class NewRow:
    row: CandidateRow


@dataclass(frozen=True)
class ChangedRow:
    """A row that says something else than the entry's newest version."""

    row: CandidateRow
    entry_id: int
    code: str
    parts: tuple[EntryField, ...]
    """What differs, in the order of a file's columns."""


@dataclass(frozen=True)
class UnchangedRow:
    row: CandidateRow
    code: str
    """Code of the entry that says the same; empty when an earlier row of the file does."""
    same_as: str = ""
    """The earlier row, in words."""


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do. Every row read stands in exactly one of the four groups."""

    new: tuple[NewRow, ...]
    changed: tuple[ChangedRow, ...]
    unchanged: tuple[UnchangedRow, ...]
    refused: tuple[Problem, ...]
    """All problems, in the order of the file; a row may have several."""

    @property
    def refused_rows(self) -> int:
        """Number of rows with at least one problem."""
        return len({(problem.sheet, problem.row) for problem in self.refused})

    @property
    def row_count(self) -> int:
        return len(self.new) + len(self.changed) + len(self.unchanged) + self.refused_rows


@dataclass(frozen=True)
class ImportReport:
    """What an import did, in rows."""

    new: int
    changed: int
    unchanged: int
    refused: int
    published: bool
    """False: the new versions wait for review."""


def plan_import(
    session: Session, rows: Sequence[CandidateRow], problems: Sequence[Problem], *, grants: Iterable[Grant]
) -> ImportPlan:
    """Compare the rows with the base. ``problems`` are those that reading the file already found.

    A row is matched by its code; without one, by unit and standard question. It is unchanged when the newest
    or the live version says the same. Raises Forbidden when the grants allow no import at all.
    """
    held = frozenset(grants)
    permissions.require(held, Action.IMPORT)
    comparison = _Comparison(_Base.read(session, rows), held)
    for row in rows:
        comparison.place(row)
    order = {place: index for index, place in enumerate(_places(rows, problems))}
    refused = sorted([*problems, *comparison.refused], key=lambda p: order[p.sheet, p.row])
    return ImportPlan(tuple(comparison.new), tuple(comparison.changed), tuple(comparison.unchanged), tuple(refused))


def apply_import(
    session: Session,
    plan: ImportPlan,
    *,
    all_or_nothing: bool,
    publish: bool,
    actor: Person | None,
    now: datetime,
) -> ImportReport:
    """Carry the plan out, in the transaction in which it was made; ``actor`` None is the system itself.

    Without ``publish`` the versions are submitted for review. Raises Invalid when ``all_or_nothing`` and a
    row was refused, Forbidden when ``publish`` and the actor may not.
    """
    if all_or_nothing and plan.refused:
        raise Invalid(f"有 {plan.refused_rows} 行不能导入，按“全部导入或不导入”的选择，没有导入任何一行。")
    if publish and actor is not None:
        permissions.require(grants_of(actor), Action.PUBLISH)
    bring_in(
        session,
        [
            *(Arrival(new.row.content, code=new.row.code) for new in plan.new),
            *(Arrival(changed.row.content, entry_id=changed.entry_id) for changed in plan.changed),
        ],
        to=VersionStatus.PUBLISHED if publish else VersionStatus.SUBMITTED,
        actor=actor,
        now=now,
    )
    return ImportReport(len(plan.new), len(plan.changed), len(plan.unchanged), plan.refused_rows, publish)


@dataclass(frozen=True)
class _Base:
    """What of the base the rows of one file can touch."""

    units: dict[str, int]
    regions: frozenset[str]
    by_code: dict[str, int]
    by_question: dict[tuple[int, str], list[int]]
    entries: dict[int, KnownEntry]

    @classmethod
    def read(cls, session: Session, rows: Sequence[CandidateRow]) -> "_Base":
        by_code = entry_ids_by_code(session, [row.code for row in rows if row.code])
        by_question = entry_ids_by_question(session, [row.content.question for row in rows])
        touched = [*by_code.values(), *(entry_id for ids in by_question.values() for entry_id in ids)]
        return cls(
            units={name: unit_id for unit_id, name in session.execute(select(Unit.id, Unit.name))},
            regions=frozenset(session.scalars(select(Region.name))),
            by_code=by_code,
            by_question=by_question,
            entries=known_entries(session, touched),
        )

    def namesakes(self, row: CandidateRow) -> list[KnownEntry]:
        """Entries of the row's unit that ask the row's question."""
        unit_id = self.units.get(row.content.unit, 0)
        return [self.entries[i] for i in self.by_question.get((unit_id, row.content.question), ())]


class _Comparison:
    """Puts one row after the other into its group; remembers the rows before, to find repetitions."""

    def __init__(self, base: _Base, grants: frozenset[Grant]) -> None:
        self.base = base
        self.grants = grants
        self.new: list[NewRow] = []
        self.changed: list[ChangedRow] = []
        self.unchanged: list[UnchangedRow] = []
        self.refused: list[Problem] = []
        self.by_code: dict[str, CandidateRow] = {}
        self.by_question: dict[tuple[str, str], CandidateRow] = {}
        self.changed_entries: dict[int, CandidateRow] = {}

    def place(self, row: CandidateRow) -> None:
        faults = [*self._faults(row)]
        if faults:
            self.refused += [_problem(row, field, reason) for field, reason in faults]
            return
        self._compare(row)
        self.by_question.setdefault((row.content.unit, row.content.question), row)
        if row.code:
            self.by_code.setdefault(row.code, row)

    def _compare(self, row: CandidateRow) -> None:
        """Against the rows before it, then against the base."""
        if row.code and row.code in self.by_code:
            return self._repeated(row, self.by_code[row.code])
        known = self.base.by_code.get(row.code)
        if known is not None:
            return self._update(row, self.base.entries[known])
        twin = next((entry for entry in self.base.namesakes(row) if _says(entry, row)), None)
        if twin is not None:
            return self.unchanged.append(UnchangedRow(row, twin.code))
        earlier = self.by_question.get((row.content.unit, row.content.question))
        if earlier is not None:
            return self._repeated(row, earlier)
        return self._unknown_code(row)

    def _update(self, row: CandidateRow, entry: KnownEntry) -> None:
        """The row speaks of this entry."""
        if entry.unit != row.content.unit:
            reason = f"编号“{row.code or entry.code}”已由其他单位的条目使用，条目不能改换单位。"
            self._refuse(row, EntryField.CODE, reason)
        elif _says(entry, row):
            self.unchanged.append(UnchangedRow(row, entry.code))
        elif entry.entry_id in self.changed_entries:
            place = _place(self.changed_entries[entry.entry_id])
            self._refuse(row, EntryField.CODE, f"与{place}修改的是同一条目（编号 {entry.code}）。")
        elif row.content.question != entry.latest.question and self._taken(row, entry):
            self._refuse(row, EntryField.QUESTION, "本单位已有另一条目或文件中另一行使用这一标准问。")
        else:
            self.changed_entries[entry.entry_id] = row
            parts = _differences(entry.latest, row.content)
            self.changed.append(ChangedRow(row, entry.entry_id, entry.code, parts))

    def _unknown_code(self, row: CandidateRow) -> None:
        """The row has no code, or one that the base does not know: its unit and question decide."""
        namesakes = self.base.namesakes(row)
        codes = "、".join(entry.code for entry in namesakes)
        if not namesakes:
            self.new.append(NewRow(row))
        elif row.code:
            reason = f"本单位已有同一标准问的条目，编号 {codes}；要更新它请填写这个编号。"
            self._refuse(row, EntryField.QUESTION, reason)
        elif len(namesakes) > 1:
            reason = f"本单位有多个条目同为这一标准问（{codes}），请填写编号以指明是哪一条。"
            self._refuse(row, EntryField.CODE, reason)
        else:
            self._update(row, namesakes[0])

    def _repeated(self, row: CandidateRow, earlier: CandidateRow) -> None:
        if earlier.content == row.content:
            self.unchanged.append(UnchangedRow(row, "", same_as=_place(earlier)))
        elif row.code and row.code == earlier.code:
            self._refuse(row, EntryField.CODE, f"编号“{row.code}”与{_place(earlier)}重复，但内容不同。")
        else:
            differs = "、".join(part.label for part in _differences(earlier.content, row.content))
            reason = f"与{_place(earlier)}是同一单位的同一标准问，但{differs}不同。请合并为一条，或改写标准问。"
            self._refuse(row, EntryField.QUESTION, reason)

    def _taken(self, row: CandidateRow, entry: KnownEntry) -> bool:
        """Whether the question that the entry would get belongs to another entry or row."""
        others = [other for other in self.base.namesakes(row) if other.entry_id != entry.entry_id]
        return bool(others) or (row.content.unit, row.content.question) in self.by_question

    def _refuse(self, row: CandidateRow, field: EntryField, reason: str) -> None:
        self.refused.append(_problem(row, field, reason))

    def _faults(self, row: CandidateRow) -> Iterator[tuple[EntryField, str]]:
        """What is wrong with the row by itself."""
        for fault in (*code_faults(row.code), *content_faults(row.content)):
            yield fault.field, fault.reason
        content, units = row.content, self.base.units
        if not content.unit:
            yield EntryField.UNIT, "缺少责任单位，导入时也没有指定默认单位。"
        elif content.unit not in units:
            yield EntryField.UNIT, f"没有名为“{content.unit}”的承办单位，请改用已有单位的全称。"
        elif not permissions.may(self.grants, Action.IMPORT, unit_id=units[content.unit]):
            yield (
                EntryField.UNIT,
                f"您不能导入“{content.unit}”的条目：信息采编员限本单位，其他单位的由市热线办导入。",
            )
        if not content.region:
            yield EntryField.REGION, "缺少适用区域，导入时也没有指定默认区域。"
        elif content.region not in self.base.regions:
            yield EntryField.REGION, f"没有名为“{content.region}”的区域。"


def _says(entry: KnownEntry, row: CandidateRow) -> bool:
    return row.content in (entry.latest, entry.live)


def _place(row: CandidateRow) -> str:
    return f"工作表“{row.sheet}”第 {row.row} 行"


def _differences(before: EntryContent, after: EntryContent) -> tuple[EntryField, ...]:
    names = [part.name for part in fields(EntryContent)]
    differing = {PARTS[name] for name in names if getattr(before, name) != getattr(after, name)}
    return tuple(field for field in EntryField if field in differing)


def _problem(row: CandidateRow, field: EntryField, reason: str) -> Problem:
    return Problem(row.sheet, row.row, field.label, reason)


def _places(rows: Iterable[CandidateRow], problems: Iterable[Problem]) -> list[tuple[str, int]]:
    """Sheet and row of everything, sheets as they first appear, rows ascending."""
    places = {(row.sheet, row.row) for row in rows} | {(problem.sheet, problem.row) for problem in problems}
    sheets: dict[str, int] = {}
    for sheet in (*(problem.sheet for problem in problems), *(row.sheet for row in rows)):
        sheets.setdefault(sheet, len(sheets))
    return sorted(places, key=lambda place: (sheets[place[0]], place[1]))
