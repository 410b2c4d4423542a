"""The thesaurus in the office's hands: what holds, who changed it, what a change would touch."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import change_log
from kb_admin.permissions import Action, grants_of, require
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.organisation import Person
from models.thesaurus import (
    LONGEST_FIELD,
    LONGEST_NOTE,
    LONGEST_WORD,
    GroupVersion,
    WordGroup,
    newest_versions,
    stored,
)
from models.usage import Question
from models.values import Choice
from models.wording import unreadable, visible

MOST_SAYINGS = 100
"""The largest group that comes with the product has 22."""
SEPARATOR = re.compile(r"[\s:：,，、;；@>＞]")
"""Stands between words or marks them; inside one it is the sign of two words in one box."""
BAD_WEIGHT = "权重应大于 0、不超过 1，最多两位小数。"
QUESTIONS = 200
"""Distinct questions that a change is tried on."""
LOOKED_THROUGH = 5_000
"""Questions, repeated ones too, among which they are sought."""


@dataclass(frozen=True)
class Shipped:
    """What comes with the product, and how its search compares words."""

    groups: tuple[WordGroup, ...]
    fold: Callable[[str], str]
    """A word without what search does not tell apart: width, case, traditional characters; empty when nothing is
    left."""


class Origin(Choice):
    """Where a group comes from, as the list is filtered."""

    OFFICE = "office", "本市改过"
    SHIPPED = "shipped", "随产品"
    REMOVED = "removed", "已停用"


@dataclass(frozen=True)
class HeldVersion:
    """One version of a group: the one that holds, or one of its history."""

    group: WordGroup
    number: int
    """0: as it comes with the product."""
    removed: bool = False
    by: str = ""
    at: datetime | None = None
    """None for what comes with the product."""

    @property
    def origin(self) -> Origin:
        if self.removed:
            return Origin.REMOVED
        return Origin.OFFICE if self.number else Origin.SHIPPED


@dataclass(frozen=True)
class Touched:
    """A question that was asked and holds words of a group."""

    text: str
    words: tuple[str, ...]


def all_groups(session: Session, shipped: Shipped) -> tuple[HeldVersion, ...]:
    """Every group, removed ones included: what the office changed last comes first, then as it comes shipped."""
    newest = newest_versions(session)
    own = [_held(version) for version in reversed(newest.values())]
    return (*own, *(HeldVersion(group, 0) for group in shipped.groups if group.head not in newest))


def chosen(
    groups: Iterable[HeldVersion],
    *,
    text: str = "",
    field: str = "",
    origin: Origin | None = None,
    fold: Callable[[str], str],
) -> tuple[HeldVersion, ...]:
    """Those that match all conditions; with ``text``, groups with exactly this word first."""
    sought = fold(text)
    found = [
        held
        for held in groups
        if (not field or held.group.field == field)
        and (origin is None or held.origin is origin)
        and (not text.strip() or text.strip() in held.group.note or _has(held.group, sought, fold))
    ]
    if not sought:
        return tuple(found)
    return tuple(sorted(found, key=lambda held: sought not in map(fold, held.group.words)))


def standing(session: Session, shipped: Shipped, head: str) -> HeldVersion:
    """The version of the group that holds, even removed. Raises NotFound."""
    return history(session, shipped, head)[0]


def history(session: Session, shipped: Shipped, head: str) -> tuple[HeldVersion, ...]:
    """All versions of the group, the newest first. Raises NotFound."""
    newest_first = select(GroupVersion).where(GroupVersion.head == head).order_by(GroupVersion.number.desc())
    own = [] if unreadable(head) else [_held(version) for version in session.scalars(newest_first)]
    versions = (*own, *(HeldVersion(group, 0) for group in shipped.groups if group.head == head))
    if not versions:
        raise NotFound(f"词库中没有以“{visible(head)}”为主词的一组。")
    return versions


def save(
    session: Session, shipped: Shipped, group: WordGroup, *, based_on: int | None, actor: Person, now: datetime
) -> int:
    """Write the group as its next version; the number of the version that then holds.

    ``based_on``: number of the version that the person has seen, None for a group that is new. A group that says what
    it said before is not written again. Raises Invalid when the group cannot stand, Conflict when somebody else
    changed it since.
    """
    require(grants_of(actor), Action.EDIT_THESAURUS)
    tidy = tidied(group)
    if faults := list(group_faults(tidy, shipped.fold)):
        raise Invalid("".join(faults))
    if _is_said_already(session, shipped, tidy, based_on):
        return based_on or 0
    change_log.record_thesaurus_change(session, now=now)
    held = {version.group.head: version for version in all_groups(session, shipped)}
    _check_footing(held.get(tidy.head), tidy.head, based_on)
    owners = owners_of((v.group for v in held.values() if not v.removed and v.group.head != tidy.head), shipped.fold)
    if clashes := [clash(word, owners[folded]) for word, folded in _folded(tidy, shipped.fold) if folded in owners]:
        raise Invalid("".join(clashes))
    return _add(session, next_version(tidy, after=based_on or 0, actor=actor, now=now))


def remove(session: Session, shipped: Shipped, head: str, *, based_on: int, actor: Person, now: datetime) -> int:
    """The group holds no longer; its words are free for others. Raises NotFound, Conflict."""
    require(grants_of(actor), Action.EDIT_THESAURUS)
    change_log.record_thesaurus_change(session, now=now)
    held = standing(session, shipped, head)
    _check_footing(held, head, based_on)
    if held.removed:
        raise Conflict(f"“{head}”组已经停用。")
    return _add(session, next_version(held.group, after=based_on, removed=True, actor=actor, now=now))


def restore(
    session: Session, shipped: Shipped, head: str, number: int, *, based_on: int, actor: Person, now: datetime
) -> int:
    """Say again what version ``number`` said, as a new version. Raises NotFound, and what ``save`` raises."""
    require(grants_of(actor), Action.EDIT_THESAURUS)
    former = next((v for v in history(session, shipped, head) if v.number == number), None)
    if former is None:
        raise NotFound(f"“{visible(head)}”组没有第 {number} 版。")
    return save(session, shipped, former.group, based_on=based_on, actor=actor, now=now)


def touched(session: Session, shipped: Shipped, group: WordGroup, *, before: WordGroup | None) -> tuple[Touched, ...]:
    """Of the last distinct questions, newest first, those with a word that the group has or had."""
    words = dict.fromkeys((*group.words, *(before.words if before else ())))
    sought = [(word, folded) for word in words if (folded := shipped.fold(word))]
    found = []
    for text in last_questions(session):
        question = shipped.fold(text)
        if said := tuple(word for word, folded in sought if folded in question):
            found.append(Touched(text, said))
    return tuple(found)


def last_questions(session: Session) -> tuple[str, ...]:
    """The last distinct questions that were asked, newest first."""
    newest = select(Question.text).order_by(Question.id.desc()).limit(LOOKED_THROUGH)
    return tuple(dict.fromkeys(session.scalars(newest)))[:QUESTIONS]


def tidied(group: WordGroup) -> WordGroup:
    """Without the blanks around its texts, and without sayings that are nothing but blanks."""
    said = (replace(s, word=s.word.strip()) for s in group.sayings)
    return WordGroup(group.head.strip(), tuple(s for s in said if s.word), group.field.strip(), group.note.strip())


def group_faults(group: WordGroup, fold: Callable[[str], str]) -> Iterator[str]:
    """What is wrong with a group by itself, in sentences."""
    yield from whole_faults(group)
    for word in filter(None, group.words):
        yield from word_faults(word, fold)
    for saying in group.sayings:
        if not is_weight(saying.weight):
            yield f"“{visible(saying.word)}”：{BAD_WEIGHT}"
    first: dict[str, str] = {}
    for word, folded in _folded(group, fold):
        if folded in first:
            same = "重复" if first[folded] == word else f"与“{first[folded]}”在检索中没有区别"
            yield f"“{visible(word)}”{same}，请删去一个。"
        first.setdefault(folded, word)


def whole_faults(group: WordGroup) -> Iterator[str]:
    """What is wrong with a group apart from its single words."""
    if not group.head:
        yield "请填写主词。"
    if not group.sayings:
        yield "请至少写一个说法。"
    if len(group.sayings) > MOST_SAYINGS:
        yield f"有 {len(group.sayings)} 个说法，一组最多 {MOST_SAYINGS} 个。"
    for text, name, longest in ((group.field, "领域", LONGEST_FIELD), (group.note, "备注", LONGEST_NOTE)):
        yield from _text_faults(text, name, longest)


def word_faults(word: str, fold: Callable[[str], str]) -> Iterator[str]:
    """What is wrong with a head or saying by itself."""
    shown = visible(word[:LONGEST_WORD])
    if len(word) > LONGEST_WORD:
        yield f"“{shown}…”有 {len(word)} 字，一个词最多 {LONGEST_WORD} 字。"
    elif unreadable(word):
        yield f"“{shown}”中含有不可显示的字符，请重新输入。"
    elif mark := SEPARATOR.search(word):
        what = "空白" if mark[0].isspace() else f"“{mark[0]}”"
        yield f"“{shown}”中间有{what}，一处只写一个词。"
    elif not fold(word):
        yield f"“{shown}”中没有可以检索的字。"
    elif " " in fold(word):
        yield f"“{shown}”中间的符号在检索中会把词断开，请去掉符号，或分成两个词写。"


def is_weight(weight: float) -> bool:
    """Above 0, up to 1, in hundredths."""
    return 0 < weight <= 1 and round(weight, 2) == weight


def owners_of(groups: Iterable[WordGroup], fold: Callable[[str], str]) -> dict[str, str]:
    """The head of the group that each folded word stands in."""
    owners: dict[str, str] = {}
    for group in groups:
        for _, folded in _folded(group, fold):
            owners.setdefault(folded, group.head)
    return owners


def clash(word: str, owner: str) -> str:
    """Where the word is already."""
    if word == owner:
        return f"“{word}”已是另一组的主词，一个词只能在一组里。请到那一组修改，或先从本组删去。"
    return f"“{word}”已在“{owner}”组中，一个词只能在一组里。请先从“{owner}”组删去，或不在本组写。"


def next_version(group: WordGroup, *, after: int, removed: bool = False, actor: Person, now: datetime) -> GroupVersion:
    """The row that follows version ``after`` of the head; to be added after ``change_log.record_thesaurus_change``."""
    return GroupVersion(
        head=group.head,
        number=after + 1,
        sayings=stored(group.sayings),
        field=group.field,
        note=group.note,
        removed=removed,
        created_by_id=actor.id,
        created_at=now,
    )


def fields_of(groups: Iterable[HeldVersion]) -> tuple[str, ...]:
    """Every 领域 in use, in order."""
    return tuple(sorted({held.group.field for held in groups} - {""}))


def _add(session: Session, version: GroupVersion) -> int:
    session.add(version)
    session.flush()
    return version.number


def _check_footing(held: HeldVersion | None, head: str, based_on: int | None) -> None:
    """The version that the person has seen must be the one that holds."""
    if held is None:
        if based_on is not None:
            raise NotFound(f"词库中没有以“{head}”为主词的一组；新增时请不要写所依据的版本。")
        return
    if based_on is None:
        what = "已停用，请先恢复" if held.removed else "已有，请在那一组里修改"
        raise Conflict(f"以“{head}”为主词的一组{what}。没有保存。")
    if held.number != based_on:
        who = f"由{held.by}" if held.by else ""
        raise Conflict(
            f"“{head}”组刚刚{who}改为第 {held.number} 版，您改的是第 {based_on} 版。没有保存，请看过新版本再改。"
        )


def _is_said_already(session: Session, shipped: Shipped, group: WordGroup, based_on: int | None) -> bool:
    if based_on is None:
        return False
    held = standing(session, shipped, group.head)
    return held.number == based_on and not held.removed and held.group == group


def _held(version: GroupVersion) -> HeldVersion:
    by = version.created_by.name if version.created_by else "系统"
    return HeldVersion(version.group(), version.number, version.removed, by, version.created_at)


def _has(group: WordGroup, sought: str, fold: Callable[[str], str]) -> bool:
    return bool(sought) and any(sought in fold(word) for word in group.words)


def _folded(group: WordGroup, fold: Callable[[str], str]) -> list[tuple[str, str]]:
    """Each word with its folded form; those of which nothing is left are left out."""
    return [(word, folded) for word in group.words if (folded := fold(word))]


def _text_faults(text: str, name: str, longest: int) -> Iterator[str]:
    try:
        readable(text, name=name, longest=longest)
    except Invalid as error:
        yield str(error)
