"""From the rows of a file to groups of the thesaurus: first a plan that changes nothing; then the change, as told."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from kb_admin import change_log
from kb_admin.permissions import Action, grants_of, require
from kb_admin.thesaurus import (
    BAD_WEIGHT,
    HeldVersion,
    Shipped,
    all_groups,
    clash,
    is_weight,
    next_version,
    owners_of,
    whole_faults,
    word_faults,
)
from models.errors import Conflict, Invalid, Problem
from models.organisation import Person
from models.thesaurus import GroupField as F
from models.thesaurus import SayingRow, WordGroup
from models.wording import visible

WITH_ITS_GROUP = "同组的其他行有误，整组不导入，以免漏掉说法。"


@dataclass(frozen=True)
class ComingGroup:
    """A group of the file that says something else than the thesaurus."""

    group: WordGroup
    held: HeldVersion | None
    """What holds now; None for a new group."""

    @property
    def added(self) -> tuple[str, ...]:
        """Sayings that the group does not have yet, or has otherwise."""
        before = set(self.held.group.sayings) if self.held and not self.held.removed else set()
        return tuple(saying.word for saying in self.group.sayings if saying not in before)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Sayings that the group no longer has."""
        after = {saying.word for saying in self.group.sayings}
        before = self.held.group.sayings if self.held else ()
        return tuple(saying.word for saying in before if saying.word not in after)


@dataclass(frozen=True)
class GroupsPlan:
    """What an import of groups would do. Groups that the file does not name stay as they are."""

    new: tuple[ComingGroup, ...]
    changed: tuple[ComingGroup, ...]
    unchanged: int
    """Groups."""
    refused: tuple[Problem, ...]
    """By sheet and row; a row may have several. One bad row keeps its whole group out."""
    row_count: int
    last_change: int
    """How many times groups had been changed when the plan was made."""

    @property
    def refused_rows(self) -> int:
        return len({(problem.sheet, problem.row) for problem in self.refused})

    @property
    def coming(self) -> tuple[ComingGroup, ...]:
        return (*self.new, *self.changed)


def plan_groups(
    session: Session, shipped: Shipped, read: Sequence[SayingRow], problems: Sequence[Problem], faulty_heads: Set[str]
) -> GroupsPlan:
    """Compare the rows with the thesaurus. What their file has no column for stays as it is there.

    ``problems`` are those that reading already found, ``faulty_heads`` the groups that their rows belong to.
    """
    held = {version.group.head: version for version in all_groups(session, shipped)}
    rows = [_completed(row, held.get(row.head)) for row in read]
    by_head: dict[str, list[SayingRow]] = {}
    for row in rows:
        by_head.setdefault(row.head, []).append(row)
    groups = {head: _group_of(own) for head, own in by_head.items()}
    same = {head for head, group in groups.items() if head not in faulty_heads and _says(held.get(head), group)}
    others = [own for head, own in by_head.items() if head not in same]
    found = [*problems, *(problem for own in others for problem in _own_problems(own, shipped.fold))]
    bad = faulty_heads | _heads_at(_places(found), rows)
    moving = {head: group for head, group in groups.items() if head not in bad | same}
    while clashing := _clashes(moving, by_head, held, shipped.fold):
        found += clashing
        bad |= _heads_at(_places(clashing), rows)
        moving = {head: group for head, group in moving.items() if head not in bad}
    told = _places(found)
    kept_out = (row for row in rows if row.head in bad and (row.sheet, row.row) not in told)
    found += [_problem(row, F.HEAD, WITH_ITS_GROUP) for row in kept_out]
    coming = [ComingGroup(group, held.get(head)) for head, group in moving.items()]
    return GroupsPlan(
        new=tuple(c for c in coming if c.held is None),
        changed=tuple(c for c in coming if c.held is not None),
        unchanged=len(same),
        refused=tuple(sorted(found, key=lambda p: (p.sheet, p.row))),
        row_count=len({(r.sheet, r.row) for r in rows} | _places(problems)),
        last_change=_version_count(held.values()),
    )


def apply_groups(
    session: Session,
    shipped: Shipped,
    plan: GroupsPlan,
    *,
    seen: int,
    all_or_nothing: bool,
    actor: Person,
    now: datetime,
) -> None:
    """Write the new and changed groups.

    ``seen``: ``last_change`` of the plan that the person confirms. Raises Invalid when ``all_or_nothing`` and a row was
    refused, Conflict when somebody changed the thesaurus since.
    """
    require(grants_of(actor), Action.EDIT_THESAURUS)
    if all_or_nothing and plan.refused:
        raise Invalid(f"有 {plan.refused_rows} 行不能导入，按“全部导入或不导入”的选择，没有导入任何一行。")
    if not plan.coming:
        return
    change_log.record_thesaurus_change(session, now=now)
    if not seen == plan.last_change == _version_count(all_groups(session, shipped)):
        raise Conflict("词库刚刚被其他人改动过，没有导入任何一行。请重新试算、核对后再导入。")
    session.add_all(
        next_version(coming.group, after=coming.held.number if coming.held else 0, actor=actor, now=now)
        for coming in plan.coming
    )
    session.flush()


def _version_count(groups: Iterable[HeldVersion]) -> int:
    """Grows with every change."""
    return sum(held.number for held in groups)


def _group_of(rows: Sequence[SayingRow]) -> WordGroup:
    """Field and note may stand in any one row of the group."""
    field = next((row.field for row in rows if row.field), "")
    note = next((row.note for row in rows if row.note), "")
    return WordGroup(rows[0].head, tuple(row.saying for row in rows), field, note)


def _completed(row: SayingRow, held: HeldVersion | None) -> SayingRow:
    """The row, with what its file has no column for as the group has it."""
    if held is None or row.given >= frozenset(F):
        return row
    before = next((s for s in held.group.sayings if s.word == row.saying.word), row.saying)
    weight = row.saying.weight if F.WEIGHT in row.given else before.weight
    both_ways = row.saying.both_ways if F.WAY in row.given else before.both_ways
    return replace(
        row,
        saying=replace(row.saying, weight=weight, both_ways=both_ways),
        field=row.field if F.FIELD in row.given else held.group.field,
        note=row.note if F.NOTE in row.given else held.group.note,
    )


def _says(held: HeldVersion | None, group: WordGroup) -> bool:
    return held is not None and not held.removed and held.group == group


def _own_problems(rows: Sequence[SayingRow], fold: Callable[[str], str]) -> list[Problem]:
    """What is wrong with a group by itself, each at the row that it is about."""
    group, head = _group_of(rows), rows[0]
    found = [_problem(head, F.HEAD, reason) for reason in (*word_faults(head.head, fold), *whole_faults(group))]
    seen = {fold(head.head): head.head}
    for row in rows:
        word = row.saying.word
        found += [_problem(row, F.SAYING, reason) for reason in word_faults(word, fold)]
        if not is_weight(row.saying.weight):
            found.append(_problem(row, F.WEIGHT, BAD_WEIGHT))
        if (folded := fold(word)) in seen:
            found.append(_problem(row, F.SAYING, f"“{visible(word)}”与本组的“{seen[folded]}”重复，请删去一行。"))
        elif folded:
            seen[folded] = visible(word)
        for own, kept, column in ((row.field, group.field, F.FIELD), (row.note, group.note, F.NOTE)):
            if own and own != kept:
                found.append(_problem(row, column, f"与本组前面的“{visible(kept)}”不同，一组只写一种。"))
    return found


def _clashes(
    moving: Mapping[str, WordGroup],
    by_head: Mapping[str, Sequence[SayingRow]],
    held: Mapping[str, HeldVersion],
    fold: Callable[[str], str],
) -> list[Problem]:
    """Words of the coming groups that stand in another group, as things would be after the import."""
    staying = (version.group for head, version in held.items() if head not in moving and not version.removed)
    owners = owners_of(staying, fold)
    found = []
    for head, group in moving.items():
        first = by_head[head][0]
        if (owner := owners.get(fold(head), head)) != head:
            found.append(_problem(first, F.HEAD, clash(head, owner)))
        for row in by_head[head]:
            if (owner := owners.get(fold(row.saying.word), head)) != head:
                found.append(_problem(row, F.SAYING, clash(row.saying.word, owner)))
        for folded, owner in owners_of([group], fold).items():
            owners.setdefault(folded, owner)
    return found


def _problem(row: SayingRow, column: F, reason: str) -> Problem:
    return Problem(row.sheet, row.row, column.label, reason)


def _heads_at(places: Set[tuple[str, int]], rows: Iterable[SayingRow]) -> set[str]:
    return {row.head for row in rows if (row.sheet, row.row) in places}


def _places(problems: Sequence[Problem]) -> set[tuple[str, int]]:
    return {(problem.sheet, problem.row) for problem in problems}
