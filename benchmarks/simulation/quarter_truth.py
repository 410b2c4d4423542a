"""What is right in the played city, whatever its base says: planted faults, and the content that each should have."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from benchmarks.simulation.quarter_callers import IntentKind
from models.values import CHINA, CandidateRow, Choice, EntryContent

LATER_OF_FAULTS = 0.2
"""So many more entries fall out of date during the quarter, as a share of those that are damaged before it."""
OF_EACH = (0.4, 0.3, 0.3)
"""Of the entries damaged before the quarter: wrong, outdated, missing."""
LATER_FROM, LATER_UNTIL = 0.1, 0.7
"""When in the quarter the rules of an entry change: not so late that nobody could notice."""
OTHER_PAPERS = 0.3
"""Of the wrong entries, those that list the papers of another matter; the others have wrong numbers."""
NUMBER = re.compile(
    r"(?<![0-9.\-—])[0-9]+(?:\.[0-9]+)?(?=\s*(?:元|个|天|日内|年|%|周岁|岁|小时|次|万|倍|平|份|人|件|分|米|张))"
)
SPOKEN_NUMBER = re.compile(r"[二三四五六七八九](?=[十百千万]|元|个|天|日内|年|成|周岁|岁|小时|次|倍|份|件|分)")
DIGITS = "二三四五六七八九"
PAPERS = re.compile(r"## 材料\n.*?(?=\n## |\Z)", re.DOTALL)


class FaultKind(Choice):
    WRONG = "wrong", "有误"
    OUTDATED = "outdated", "过期"
    MISSING = "missing", "缺失"
    LATER = "later", "季中过期"


@dataclass(frozen=True)
class Fault:
    """One planted fault."""

    code: str
    kind: FaultKind
    since: datetime
    right: EntryContent
    """What the entry should say from then on."""


@dataclass(frozen=True)
class TrueCall:
    """What a call really came to, as only the simulation knows."""

    call_id: int
    started_at: datetime
    kind: IntentKind
    about: str
    given: int | None
    """The version that the caller was given."""
    right: bool
    """It is about what the caller wanted, and holds."""
    faulty: bool
    """At this time the base has no right entry for it, because of a planted fault."""


@dataclass(frozen=True)
class GapSent:
    """A group of questions without an answer that the office sent to a unit, and what they really ask for."""

    notice_id: int
    at: datetime
    kind: IntentKind
    about: str
    """The matter that most of them ask for."""
    on_missing: bool
    """It is one that is missing because of a planted fault."""


@dataclass
class Truth:
    """What should stand in the base under each code of the demonstration, and which entry speaks of it."""

    original: dict[str, EntryContent]
    faults: dict[str, Fault]
    shown: dict[str, EntryContent]
    """What the base says at the beginning; codes that are withheld are not in it."""
    codes: dict[int, str] = field(default_factory=dict)
    """Entry id → code of the demonstration; entries written during the quarter are added."""
    mended: dict[str, datetime] = field(default_factory=dict)
    """By code: when the right content of a planted fault was live."""

    def right(self, code: str, now: datetime) -> EntryContent:
        """What the entry should say now."""
        fault = self.faults.get(code)
        return fault.right if fault is not None and fault.since <= now else self.original[code]

    def is_right(self, entry_id: int, answer: str, spoken: str, now: datetime) -> bool:
        """Whether these words of the entry hold now."""
        code = self.codes.get(entry_id)
        if code is None:
            return False
        right = self.right(code, now)
        return (answer, spoken) == (right.answer, right.spoken)

    def is_faulty(self, code: str, now: datetime) -> bool:
        """Whether a planted fault is at work now."""
        fault, mended = self.faults.get(code), self.mended.get(code)
        return fault is not None and fault.since <= now and (mended is None or now < mended)

    def of_kind(self, kind: FaultKind) -> list[Fault]:
        """Those faults, by code."""
        return sorted((fault for fault in self.faults.values() if fault.kind is kind), key=lambda fault: fault.code)


def damage(rows: Iterable[CandidateRow], share: float, begins: datetime, ends: datetime, rng: Random) -> Truth:
    """Choose the entries to damage, and how; the share is that of the entries damaged before the quarter."""
    original = {row.code: row.content for row in rows}
    codes = sorted(original)
    count = round(share * len(codes))
    later = round(count * LATER_OF_FAULTS)
    chosen = rng.sample(codes, count + later)
    kinds = _kinds(count) + [FaultKind.LATER] * later
    truth = Truth(original, {}, dict(original))
    for code, kind in zip(chosen, kinds, strict=True):
        content = original[code]
        if kind is FaultKind.LATER:
            since = begins + (ends - begins) * rng.uniform(LATER_FROM, LATER_UNTIL)
            truth.faults[code] = Fault(code, kind, since, _of_new_rule(content, since, rng))
            continue
        truth.faults[code] = Fault(code, kind, begins, content)
        if kind is FaultKind.MISSING:
            del truth.shown[code]
        else:
            truth.shown[code] = _damaged(content, kind, _others(original, codes, code), rng)
    return truth


def _kinds(count: int) -> list[FaultKind]:
    wrong, outdated = round(count * OF_EACH[0]), round(count * OF_EACH[1])
    rest = count - wrong - outdated
    return [FaultKind.WRONG] * wrong + [FaultKind.OUTDATED] * outdated + [FaultKind.MISSING] * rest


def _others(original: dict[str, EntryContent], codes: Sequence[str], code: str) -> list[str]:
    """Papers that other matters ask for."""
    found = (PAPERS.search(original[other].answer) for other in codes if other != code)
    return [match.group() for match in found if match]


def _damaged(content: EntryContent, kind: FaultKind, papers: Sequence[str], rng: Random) -> EntryContent:
    mine = PAPERS.search(content.answer)
    if kind is FaultKind.WRONG and mine and rng.random() < OTHER_PAPERS:
        return replace(content, answer=content.answer.replace(mine.group(), rng.choice(papers)))
    return _other_numbers(content, rng, all_of_them=kind is FaultKind.OUTDATED, papers=papers)


def _of_new_rule(content: EntryContent, since: datetime, rng: Random) -> EntryContent:
    """The same matter under a rule that comes into force then."""
    changed = _other_numbers(content, rng, all_of_them=True, papers=())
    day = since.astimezone(CHINA)
    return replace(changed, answer=f"{changed.answer}\n## 说明\n自{day:%Y}年{day.month}月{day.day}日起按新规定执行。")


def _other_numbers(content: EntryContent, rng: Random, *, all_of_them: bool, papers: Sequence[str]) -> EntryContent:
    """Other fees, limits and ages; where an answer has no number, the papers of another matter."""
    places = list(NUMBER.finditer(content.answer))
    if not places:
        added = rng.choice(papers) if papers else "## 时限\n受理后20个工作日。"
        return replace(content, answer=f"{content.answer}\n{added}")
    meant = places if all_of_them else rng.sample(places, min(len(places), 2))
    chosen = {match.start() for match in meant}

    def other(match: re.Match[str]) -> str:
        return _another(match.group(), rng) if match.start() in chosen else match.group()

    return replace(
        content,
        answer=NUMBER.sub(other, content.answer),
        spoken=SPOKEN_NUMBER.sub(lambda m: rng.choice([d for d in DIGITS if d != m.group()]), content.spoken),
    )


def _another(number: str, rng: Random) -> str:
    if "." in number:
        return f"{float(number) + rng.choice((0.5, 1.0, 1.5)):g}"
    value = int(number)
    return str(rng.choice([n for n in (value + 1, value + 5, value * 2, value // 2) if n not in (0, value)]))
