"""测试集: questions whose right answers are known, read from a file and compared with the base before they are kept."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb_admin.bench_runs import UNDER_WAY
from kb_admin.contents import batches
from kb_admin.permissions import Action, Reach, grants_of, require
from kb_admin.visibility import answering, in_units
from kb_admin.wording import readable
from models.bench import CaseRow, TestCase, TestResult, TestRun, TestSet
from models.errors import Conflict, Invalid, NotFound, Problem
from models.knowledge import Entry, Phrasing, Version
from models.organisation import Person
from models.values import PhrasingKind, Viewer

MOST_CASES = 20_000
"""Of one set: what a run still does in some minutes."""
LONGEST_QUESTION = 2000
LONGEST_NAME = 128
QUESTION, EXPECTED = "问题", "应答条目"
NONE_WORDS = frozenset({"", "无", "无答案", "应无答案", "没有", "none", "-", "—", "/", "[]"})
"""What people write where nothing in the base answers."""
BETWEEN_LINES = re.compile(r"[\n;；]+")
BETWEEN_CODES = re.compile(r"[\n;；,，、\s]+")


@dataclass(frozen=True)
class Sight:
    """What somebody may name: live entries that they see, and all entries whose history they read."""

    viewer: Viewer
    history: Reach


@dataclass(frozen=True)
class NewCase:
    """One case as it would be kept."""

    number: int
    question: str
    expected: tuple[str, ...]
    """Codes; none: nothing in the base answers it."""


@dataclass(frozen=True)
class SetPlan:
    """What a file would become."""

    cases: tuple[NewCase, ...]
    refused: tuple[Problem, ...]
    notices: tuple[Problem, ...]
    """What was understood otherwise than it may have been meant: several entries with one standard question."""

    @property
    def row_count(self) -> int:
        return len(self.cases) + self.refused_rows

    @property
    def refused_rows(self) -> int:
        return len({(problem.sheet, problem.row) for problem in self.refused})

    @property
    def unanswerable(self) -> int:
        return sum(not case.expected for case in self.cases)


def plan_set(
    session: Session, rows: Sequence[CaseRow], problems: Sequence[Problem], *, sight: Sight, now: datetime
) -> SetPlan:
    """Find the entries that the rows name, among those that the person may see. Nothing is written."""
    named = _Named.of(session, {row.expected for row in rows}, sight, now)
    cases: list[NewCase] = []
    refused, notices = list(problems), []
    first_row: dict[str, int] = {}
    for row in rows:
        reasons = _question_faults(row.question)
        if (earlier := first_row.setdefault(row.question, row.row)) != row.row:
            reasons.append(f"与第 {earlier} 行是同一个问题，请删去一行。")
        refused += [Problem(row.sheet, row.row, QUESTION, reason) for reason in reasons]
        codes, unknown = named.codes_of(row.expected)
        if unknown:
            refused.append(Problem(row.sheet, row.row, EXPECTED, _unknown(unknown)))
        elif not reasons:
            cases.append(NewCase(row.row, row.question, codes))
            notices += [
                Problem(row.sheet, row.row, EXPECTED, f"有 {count} 个条目的标准问都是“{question}”，找到任一个都算对。")
                for question, count in named.ambiguous(row.expected)
            ]
    if len(cases) > MOST_CASES:
        raise Invalid(f"一个测试集最多 {MOST_CASES} 题，文件中有 {len(cases)} 题，请拆分。")
    return SetPlan(tuple(cases), tuple(sorted(refused, key=lambda p: (p.sheet, p.row))), tuple(notices))


def create_set(
    session: Session,
    name: str,
    source: str,
    cases: Sequence[NewCase],
    *,
    actor: Person,
    now: datetime,
) -> TestSet:
    """Keep a test set. Raises Invalid without a name or cases, Conflict when the name is taken."""
    require(grants_of(actor), Action.RUN_TESTS)
    words = readable(name, name="测试集名称", longest=LONGEST_NAME)
    if not words:
        raise Invalid("请给测试集起一个名称。")
    if not cases:
        raise Invalid("没有可以保存的题目。")
    kept = TestSet(name=words, source=source[:256], created_by_id=actor.id, created_at=now)
    try:
        with session.begin_nested():
            session.add(kept)
    except IntegrityError as error:
        raise Conflict(f"已有名为“{words}”的测试集，请换一个名称。") from error
    session.add_all(
        TestCase(set_id=kept.id, number=case.number, question=case.question, expected=list(case.expected))
        for case in cases
    )
    session.flush()
    return kept


def keep_plan(
    session: Session,
    name: str,
    source: str,
    plan: SetPlan,
    *,
    all_or_nothing: bool,
    actor: Person,
    now: datetime,
) -> TestSet:
    """Keep the good rows of a file; with ``all_or_nothing`` only if there are no others."""
    if all_or_nothing and plan.refused:
        raise Invalid(f"有 {plan.refused_rows} 行有误，按“全部保存或不保存”的选择，没有保存任何一题。")
    return create_set(session, name, source, plan.cases, actor=actor, now=now)


def drop_set(session: Session, test_set: TestSet, *, with_runs: bool, actor: Person) -> None:
    """Delete a set with its cases. Raises Conflict when runs hang on it, unless they are to go as well, and while one
    goes on."""
    require(grants_of(actor), Action.RUN_TESTS)
    runs = session.scalars(select(TestRun).where(TestRun.set_id == test_set.id).with_for_update()).all()
    if any(run.status in UNDER_WAY for run in runs):
        raise Conflict("这个测试集有运行还没有结束，请先停止再删除。")
    if runs and not with_runs:
        raise Conflict(f"这个测试集有 {len(runs)} 次运行记录。要一并删除，请勾选“连同运行记录一并删除”。")
    ids = [run.id for run in runs]
    session.execute(delete(TestResult).where(TestResult.run_id.in_(ids)))
    session.execute(delete(TestRun).where(TestRun.id.in_(ids)))
    session.execute(delete(TestCase).where(TestCase.set_id == test_set.id))
    session.execute(delete(TestSet).where(TestSet.id == test_set.id))
    session.expire_all()


def read_set(session: Session, set_id: int) -> TestSet:
    """The set of that number. Raises NotFound."""
    found = session.get(TestSet, set_id)
    if found is None:
        raise NotFound(f"没有编号为 {set_id} 的测试集，可能已被删除。")
    return found


def count_cases(session: Session, set_ids: Collection[int]) -> dict[int, int]:
    """How many cases each set has."""
    query = select(TestCase.set_id, func.count()).where(TestCase.set_id.in_(set_ids)).group_by(TestCase.set_id)
    return dict(session.execute(query).tuples().all())


@dataclass(frozen=True)
class _Named:
    """Which entries are meant by which words: each word that stands in the file, as a code or a standard question."""

    by_code: frozenset[str]
    by_question: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, session: Session, cells: Iterable[str], sight: Sight, now: datetime) -> "_Named":
        words = sorted({word for cell in cells for word in _all_words(cell)})
        by_code: set[str] = set()
        by_question: dict[str, list[str]] = {}
        for some in batches(words):
            codes = select(Entry.code).where(Entry.code.in_(some), nameable(sight, now))
            by_code.update(session.scalars(codes))
            questions = (
                select(Phrasing.text, Entry.code)
                .join(Version, Version.id == Phrasing.version_id)
                .join(Entry, Entry.id == Version.entry_id)
                .where(Phrasing.kind == PhrasingKind.STANDARD, Phrasing.text.in_(some))
                .where(answering(sight.viewer, Version, now))
                .order_by(Entry.code)
            )
            for question, code in session.execute(questions).tuples():
                by_question.setdefault(question, []).append(code)
        return cls(frozenset(by_code), {question: tuple(codes) for question, codes in by_question.items()})

    def codes_of(self, cell: str) -> tuple[tuple[str, ...], list[str]]:
        """The codes that a cell means; and the words in it that mean nothing."""
        if cell.strip().lower() in NONE_WORDS:
            return (), []
        for split in (_whole, _lines, _codes):
            words = split(cell)
            if words and all(self._one(word) for word in words):
                return tuple(dict.fromkeys(code for word in words for code in self._one(word))), []
        unknown = [word for word in _lines(cell) if not self._one(word)]
        return (), unknown or _lines(cell)

    def ambiguous(self, cell: str) -> list[tuple[str, int]]:
        """Standard questions in the cell that several entries have."""
        found = ((word, self.by_question.get(word, ())) for word in dict.fromkeys([cell.strip(), *_lines(cell)]))
        return [(word, len(codes)) for word, codes in found if len(codes) > 1 and word not in self.by_code]

    def _one(self, word: str) -> tuple[str, ...]:
        return (word,) if word in self.by_code else self.by_question.get(word, ())


def nameable(sight: Sight, now: datetime) -> ColumnElement[bool]:
    """A condition on ``Entry``: it exists for this person."""
    live = exists().where(Version.entry_id == Entry.id, answering(sight.viewer, Version, now)).correlate(Entry)
    return or_(in_units(sight.history), live)


def _question_faults(question: str) -> list[str]:
    try:
        readable(question, name="问题", longest=LONGEST_QUESTION)
    except Invalid as error:
        return [str(error)]
    return []


def _unknown(words: Sequence[str]) -> str:
    named = "、".join(f"“{word[:40]}”" for word in words[:3])
    return f"没有以{named}为编号或标准问的条目，或您无权查看。请改用条目编号；应无答案时留空或写“无”。"


def _all_words(cell: str) -> list[str]:
    return [*_whole(cell), *_lines(cell), *_codes(cell)]


def _whole(cell: str) -> list[str]:
    return [cell.strip()] if cell.strip() else []


def _lines(cell: str) -> list[str]:
    return [word.strip() for word in BETWEEN_LINES.split(cell) if word.strip()]


def _codes(cell: str) -> list[str]:
    return [word for word in BETWEEN_CODES.split(cell) if word]
