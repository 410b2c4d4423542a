"""From the rows of a file to entries: first a plan that changes nothing; then the change, as planned."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import arrivals, codes, lifecycle, permissions
from kb_admin.arrivals import Arrival
from kb_admin.changes import FieldChange, changes
from kb_admin.completing import completed, ground
from kb_admin.content_rules import MAX_PHRASING, Fault, code_faults, content_faults
from kb_admin.contents import Asked, Footing, KnownEntry, Standing, known_entries, read_footing
from kb_admin.permissions import Action, Grant, grants_of
from models.errors import Conflict, Invalid, Problem
from models.organisation import Person, Region, Unit
from models.values import CandidateRow, EntryContent, EntryField, VersionStatus
from models.wording import unreadable, visible

S = VersionStatus
PENDING = frozenset({S.DRAFT, S.SUBMITTED, S.CHECKED})
"""On the way to being live; what is neither that nor live was taken off: 已下架, 已到期, 已失效."""


@dataclass(frozen=True)
class NewRow:
    row: CandidateRow


@dataclass(frozen=True)
class ChangedRow:
    """A row that says something else than the entry's newest and live versions."""

    row: CandidateRow
    """With what its file does not have as the entry has it."""
    entry_id: int
    code: str
    number: int
    """Of the version that the row becomes."""
    before: EntryContent
    """Of the live version, of the newest where none is live."""

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """What differs, in the order of a file's columns."""
        return changes(self.before, self.row.content)


@dataclass(frozen=True)
class UnchangedRow:
    row: CandidateRow
    code: str
    """Code of the entry that says the same; empty when an earlier row of the file does."""
    standing: Standing | None = None
    """The version that says the same: the live one, else the newest."""
    same_as: str = ""
    """The earlier row, in words."""


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
) -> ImportPlan:
    """Compare the rows with the base. ``problems`` are those that reading the file already found, ``faulty`` the rows
    that have them: their other faults are told at once.

    A row is matched by its code; without one, by unit and standard question. What its file has no column for stays as
    it is in the entry. It is unchanged when the newest or the live version says the same. Raises Forbidden when the
    grants allow no import at all.
    """
    held = frozenset(grants)
    permissions.require(held, Action.IMPORT)
    faults = _Faults.read(session, held)
    base = _Base(session, faults)
    whole = base.with_kept_parts(rows)
    found = [faults.problems_of(row) for row in whole]
    sound = [row for row, wrong in zip(whole, found, strict=True) if not wrong]
    further = [problem for row in base.with_kept_parts(faulty) for problem in faults.problems_of(row)]
    footing = read_footing(session, *_keys(sound))
    comparison = _Comparison(footing, base.entries_of(footing), takes_over_codes=not codes.has_given(session))
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
        _publish_waiting(session, [row.standing for row in pending if row.standing], actor=actor, now=now)
    return ImportReport(
        new=len(plan.new),
        changed=len(plan.changed),
        unchanged=len(plan.unchanged),
        refused=plan.refused_rows,
        published=publish,
        pending=len(plan.pending),
        off=len(plan.off),
    )


def _check_footing(session: Session, before: Footing, rows: Sequence[CandidateRow]) -> None:
    keys = _keys(rows)
    if read_footing(session, *keys) != before.part(*keys):
        raise Conflict("文件涉及的条目刚刚被其他人改动过，没有导入任何一行。请重新试算、核对后再导入。")


def _publish_waiting(session: Session, waiting: Sequence[Standing], *, actor: Person | None, now: datetime) -> None:
    drafts = [standing for standing in waiting if standing.status is S.DRAFT]
    lifecycle.move_all(session, drafts, S.SUBMITTED, actor=actor, now=now)
    handed_in = [replace(standing, status=S.SUBMITTED) for standing in drafts]
    others = [standing for standing in waiting if standing.status is not S.DRAFT]
    lifecycle.publish_all(session, [*handed_in, *others], actor=actor, now=now)


def _keys(rows: Iterable[CandidateRow]) -> tuple[set[str], set[Asked]]:
    """By what the rows may be known to the base."""
    listed = list(rows)
    return {row.code for row in listed if row.code}, {_asked(row) for row in listed}


def _is_findable(row: CandidateRow) -> bool:
    """Whether the base can be asked for the row; no database takes every character."""
    unit, question = _asked(row)
    return not code_faults(row.code) and len(question) <= MAX_PHRASING and not unreadable(f"{unit}{question}")


def _asked(row: CandidateRow) -> Asked:
    return row.content.unit, row.content.question


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
        return [_problem(row, field, reason) for field, reason in self.of(row)]

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
            entry_id = named or next(iter(footing.by_question.get(_asked(row), ())), None)
            if entry_id is not None and self.faults.may_import(entries[entry_id].unit_id):
                known[row.sheet, row.row] = completed(row, entries[entry_id])
        return [known.get((row.sheet, row.row), row) for row in rows]


class _Comparison:
    """Puts the rows into their groups; remembers those accepted, to find repetitions."""

    def __init__(self, footing: Footing, entries: Mapping[int, KnownEntry], *, takes_over_codes: bool) -> None:
        self.footing = footing
        self.entries = entries
        self.takes_over_codes = takes_over_codes
        self.new: list[NewRow] = []
        self.changed: list[ChangedRow] = []
        self.unchanged: list[UnchangedRow] = []
        self.refused: list[Problem] = []
        self.by_code: dict[str, CandidateRow] = {}
        self.by_question: dict[Asked, CandidateRow] = {}
        self.changed_entries: dict[int, CandidateRow] = {}

    def place(self, rows: Sequence[CandidateRow]) -> None:
        """Rows that name an entry by its code go first, wherever they stand: they say what becomes of the entry that
        another row may only resemble."""
        named = [row for row in rows if row.code in self.footing.by_code]
        others = [row for row in rows if row.code not in self.footing.by_code]
        for row in (*named, *others):
            if row.code in self.by_code:
                self._repeated(row, self.by_code[row.code])
            elif row.code in self.footing.by_code:
                self._update(row, self.entries[self.footing.by_code[row.code]])
            else:
                self._compare(row)

    def _compare(self, row: CandidateRow) -> None:
        """The row names no entry of the base: its unit and question decide."""
        free = [entry for entry in self._namesakes(row) if entry.entry_id not in self.changed_entries]
        twin = next((entry for entry in free if _says(entry, completed(row, entry))), None)
        earlier = self.by_question.get(_asked(row))
        if twin is not None and not (earlier and earlier.content == row.content):
            self._same(completed(row, twin), twin)
        elif earlier is not None:
            self._repeated(row, earlier)
        else:
            self._unknown_code(row, free)

    def _update(self, row: CandidateRow, entry: KnownEntry) -> None:
        """The row speaks of this entry."""
        whole = completed(row, entry) if entry.unit == row.content.unit else row
        faults = content_faults(whole.content) if whole.content != row.content else ()
        self._change(whole, entry, faults)

    def _change(self, row: CandidateRow, entry: KnownEntry, faults: Sequence[Fault]) -> None:
        """``faults`` are those of what the row and the entry say together."""
        if entry.unit != row.content.unit:
            reason = f"编号“{row.code or entry.code}”已由其他单位的条目使用，条目不能改换单位。"
            self._refuse(row, EntryField.CODE, reason)
        elif _says(entry, row):
            self._same(row, entry)
        elif row.content.question != entry.latest.question and self._taken(row, entry):
            self._refuse(row, EntryField.QUESTION, "本单位已有另一条目或文件中另一行使用这一标准问。")
        elif faults:
            for fault in faults:
                self._refuse(row, fault.field, fault.reason)
        else:
            self.changed_entries[entry.entry_id] = row
            number = entry.newest.number + 1
            self.changed.append(ChangedRow(row, entry.entry_id, entry.code, number, ground(entry)))
            self._accept(row)

    def _unknown_code(self, row: CandidateRow, free: Sequence[KnownEntry]) -> None:
        """``free`` are the row's namesakes of which no other row of the file speaks."""
        namesakes = self._namesakes(row)
        listed = "、".join(entry.code for entry in namesakes)
        if row.code and namesakes:
            reason = f"本单位已有同一标准问的条目，编号 {listed}；要更新它请填写这个编号。"
            self._refuse(row, EntryField.QUESTION, reason)
        elif not namesakes:
            self._add(row)
        elif len(free) > 1:
            reason = f"本单位有多个条目同为这一标准问（{listed}），请填写编号以指明是哪一条。"
            self._refuse(row, EntryField.CODE, reason)
        elif free:
            self._update(row, free[0])
        else:
            taken = namesakes[0]
            place = _place(self.changed_entries[taken.entry_id])
            self._refuse(row, EntryField.CODE, f"与{place}修改的是同一条目（编号 {taken.code}）。")

    def _add(self, row: CandidateRow) -> None:
        if codes.number_of(row.code) is not None and not self.takes_over_codes:
            reason = f"编号“{row.code}”不是本库给出的。新条目请留空，由系统编号；要更新条目请核对编号。"
            self._refuse(row, EntryField.CODE, reason)
        else:
            self.new.append(NewRow(row))
            self._accept(row)

    def _same(self, row: CandidateRow, entry: KnownEntry) -> None:
        standing = entry.live_standing if entry.live == row.content else entry.newest
        self.unchanged.append(UnchangedRow(row, entry.code, standing))
        self._accept(row)

    def _repeated(self, row: CandidateRow, earlier: CandidateRow) -> None:
        if earlier.content == row.content:
            self.unchanged.append(UnchangedRow(row, "", same_as=_place(earlier)))
        elif row.code and row.code == earlier.code:
            self._refuse(row, EntryField.CODE, f"编号“{row.code}”与{_place(earlier)}重复，但内容不同。")
        else:
            differs = "、".join(change.name for change in changes(earlier.content, row.content))
            reason = f"与{_place(earlier)}是同一单位的同一标准问，但{differs}不同。请合并为一条，或改写标准问。"
            self._refuse(row, EntryField.QUESTION, reason)

    def _namesakes(self, row: CandidateRow) -> list[KnownEntry]:
        """Entries of the row's unit that ask the row's question."""
        return [self.entries[i] for i in self.footing.by_question.get(_asked(row), ())]

    def _taken(self, row: CandidateRow, entry: KnownEntry) -> bool:
        """Whether the question that the entry would get belongs to another entry or row."""
        others = [other for other in self._namesakes(row) if other.entry_id != entry.entry_id]
        return bool(others) or _asked(row) in self.by_question

    def _accept(self, row: CandidateRow) -> None:
        self.by_question.setdefault(_asked(row), row)
        if row.code:
            self.by_code.setdefault(row.code, row)

    def _refuse(self, row: CandidateRow, field: EntryField, reason: str) -> None:
        self.refused.append(_problem(row, field, reason))


def _says(entry: KnownEntry, row: CandidateRow) -> bool:
    return row.content in (entry.latest, entry.live)


def _place(row: CandidateRow) -> str:
    return f"工作表“{row.sheet}”第 {row.row} 行"


def _problem(row: CandidateRow, field: EntryField, reason: str) -> Problem:
    return Problem(row.sheet, row.row, field.label, reason)


def _blamed_once(problems: Sequence[Problem], further: Iterable[Problem]) -> list[Problem]:
    """A cell that could not be read looks missing to every other rule; of its column the first problem stands."""
    blamed = {(problem.sheet, problem.row, problem.column) for problem in problems}
    return [*problems, *(p for p in further if (p.sheet, p.row, p.column) not in blamed)]


def _places(rows: Iterable[CandidateRow], problems: Iterable[Problem]) -> list[tuple[str, int]]:
    """Sheet and row of everything, sheets as they first appear, rows ascending."""
    places = {(row.sheet, row.row) for row in rows} | {(problem.sheet, problem.row) for problem in problems}
    sheets: dict[str, int] = {}
    for sheet in (*(problem.sheet for problem in problems), *(row.sheet for row in rows)):
        sheets.setdefault(sheet, len(sheets))
    return sorted(places, key=lambda place: (sheets[place[0]], place[1]))
