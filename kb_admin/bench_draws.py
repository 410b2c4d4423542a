"""Test sets drawn from what was really asked: answers judged correct, and recorded gaps that nothing answers."""

import random
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from kb_admin.bench_sets import LONGEST_QUESTION, MOST_CASES, NewCase, Sight, nameable
from kb_admin.check_privacy import holds_numbers
from models.errors import Invalid
from models.improvement import GapGroup, GapItem
from models.knowledge import Entry, Version
from models.usage import Gap, Question, Verdict
from models.values import GapStatus, Judgement


@dataclass(frozen=True)
class Pool:
    """What can be drawn from a period: each wording once."""

    answered: dict[str, tuple[str, ...]]
    """Wording to the codes of the entries that were judged right for it and never wrong."""
    gaps: tuple[str, ...]
    personal: int
    """Wordings left out because they hold the number of a person."""

    def __len__(self) -> int:
        return len(self.answered) + len(self.gaps)


def pool_of(session: Session, start: datetime, end: datetime, *, sight: Sight, now: datetime) -> Pool:
    """What was asked in [start, end) and can be known: questions with an answer judged correct, gaps that are still
    open. Only entries that the person may see count."""
    if not start < end:
        raise Invalid("开始日期应早于结束日期。")
    right: dict[str, set[str]] = {}
    wrong: dict[str, set[str]] = {}
    verdicts = (
        select(Question.text, Entry.code, Verdict.judgement)
        .join(Verdict, Verdict.question_id == Question.id)
        .join(Version, Version.id == Verdict.version_id)
        .join(Entry, Entry.id == Version.entry_id)
        .where(Question.asked_at >= start, Question.asked_at < end, nameable(sight, now))
    )
    for text, code, judgement in session.execute(verdicts).tuples():
        (right if judgement is Judgement.CORRECT else wrong).setdefault(_plain(text), set()).add(code)
    answered = {text: tuple(sorted(codes - wrong.get(text, set()))) for text, codes in sorted(right.items())}
    closed = exists().where(
        GapItem.gap_id == Gap.id, GapGroup.id == GapItem.group_id, GapGroup.status == GapStatus.ANSWERED
    )
    recorded = select(Gap.text).where(Gap.at >= start, Gap.at < end, ~closed)
    gaps = {_plain(text) for text in session.scalars(recorded)} - right.keys()
    usable = {text: codes for text, codes in answered.items() if codes}
    fit = {text for text in (*usable, *gaps) if text and len(text) <= LONGEST_QUESTION}
    personal = {text for text in fit if holds_numbers(text)}
    return Pool(
        answered={text: codes for text, codes in usable.items() if text in fit - personal},
        gaps=tuple(sorted(gaps & (fit - personal))),
        personal=len(personal),
    )


def draw(pool: Pool, size: int, seed: int) -> tuple[NewCase, ...]:
    """So many cases by chance, in the proportion of the pool; the same seed draws the same. Fewer when there are no
    more."""
    if not 1 <= size <= MOST_CASES:
        raise Invalid(f"抽取的题数应在 1 至 {MOST_CASES} 之间。")
    cases = [*pool.answered.items(), *((text, ()) for text in pool.gaps)]
    if not cases:
        raise Invalid("这段时间内没有评为正确的提问，也没有登记的知识缺失，无题可抽。请换一段时间。")
    drawn = random.Random(seed).sample(cases, min(size, len(cases)))  # noqa: S311 - a sample, no secret
    return tuple(NewCase(number, text, codes) for number, (text, codes) in enumerate(sorted(drawn), start=1))


def _plain(text: str) -> str:
    return " ".join(text.split())
