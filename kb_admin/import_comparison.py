"""What becomes of each row of a file: a new entry, a change, nothing, or a refusal. Pure: the base was read before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kb_admin import codes
from kb_admin.changes import FieldChange, changes
from kb_admin.completing import completed, ground
from kb_admin.content_rules import Fault, content_faults
from kb_admin.contents import Asked, Footing, KnownEntry, Standing
from kb_admin.import_demands import ImportDemands
from models.errors import Problem
from models.values import CandidateRow, EntryContent, EntryField


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


class Comparison:
    """Puts the rows into their groups; remembers those accepted, to find repetitions."""

    def __init__(
        self,
        footing: Footing,
        entries: Mapping[int, KnownEntry],
        demands: ImportDemands | None,
        *,
        takes_over_codes: bool,
    ) -> None:
        """``demands`` None: the office loads the rows, and nothing more is asked of them."""
        self.footing = footing
        self.entries = entries
        self.demands = demands
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
        earlier = self.by_question.get(asked(row))
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
        elif found := [*faults, *self._demanded(row, entry)]:
            for fault in found:
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
            place = place_in_file(self.changed_entries[taken.entry_id])
            self._refuse(row, EntryField.CODE, f"与{place}修改的是同一条目（编号 {taken.code}）。")

    def _add(self, row: CandidateRow) -> None:
        if codes.number_of(row.code) is not None and not self.takes_over_codes:
            reason = f"编号“{row.code}”不是本库给出的。新条目请留空，由系统编号；要更新条目请核对编号。"
            self._refuse(row, EntryField.CODE, reason)
        elif found := self._demanded(row, None):
            for fault in found:
                self._refuse(row, fault.field, fault.reason)
        else:
            self.new.append(NewRow(row))
            self._accept(row)

    def _demanded(self, row: CandidateRow, entry: KnownEntry | None) -> list[Fault]:
        return list(self.demands.faults(row.content, entry)) if self.demands else []

    def _same(self, row: CandidateRow, entry: KnownEntry) -> None:
        standing = entry.live_standing if entry.live == row.content else entry.newest
        self.unchanged.append(UnchangedRow(row, entry.code, standing))
        self._accept(row)

    def _repeated(self, row: CandidateRow, earlier: CandidateRow) -> None:
        if earlier.content == row.content:
            self.unchanged.append(UnchangedRow(row, "", same_as=place_in_file(earlier)))
        elif row.code and row.code == earlier.code:
            self._refuse(row, EntryField.CODE, f"编号“{row.code}”与{place_in_file(earlier)}重复，但内容不同。")
        else:
            differs = "、".join(change.name for change in changes(earlier.content, row.content))
            reason = f"与{place_in_file(earlier)}是同一单位的同一标准问，但{differs}不同。请合并为一条，或改写标准问。"
            self._refuse(row, EntryField.QUESTION, reason)

    def _namesakes(self, row: CandidateRow) -> list[KnownEntry]:
        """Entries of the row's unit that ask the row's question."""
        return [self.entries[i] for i in self.footing.by_question.get(asked(row), ())]

    def _taken(self, row: CandidateRow, entry: KnownEntry) -> bool:
        """Whether the question that the entry would get belongs to another entry or row."""
        others = [other for other in self._namesakes(row) if other.entry_id != entry.entry_id]
        return bool(others) or asked(row) in self.by_question

    def _accept(self, row: CandidateRow) -> None:
        self.by_question.setdefault(asked(row), row)
        if row.code:
            self.by_code.setdefault(row.code, row)

    def _refuse(self, row: CandidateRow, field: EntryField, reason: str) -> None:
        self.refused.append(problem(row, field, reason))


def _says(entry: KnownEntry, row: CandidateRow) -> bool:
    return row.content in (entry.latest, entry.live)


def place_in_file(row: CandidateRow) -> str:
    return f"工作表“{row.sheet}”第 {row.row} 行"


def problem(row: CandidateRow, field: EntryField, reason: str) -> Problem:
    return Problem(row.sheet, row.row, field.label, reason)


def asked(row: CandidateRow) -> Asked:
    return row.content.unit, row.content.question
